"""Read a split's annotations and settle their classes, before any picture is touched."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice, tee
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import numpy.typing as npt

from ssd_data.core.errors import InputError, is_failure
from ssd_data.core.files.paths import listable
from ssd_data.core.files.spill import Ordered, Spill
from ssd_data.core.files.there import stamp as stamp_of
from ssd_data.core.labelmap import LabelMap
from ssd_data.core.legible import MOST_LINES, quoted
from ssd_data.core.notes import Tally
from ssd_data.core.structures import (
    AnnotatedImage,
    Entry,
    Labels,
    Unreadable,
    packed,
    unpacked,
)
from ssd_data.data import spread
from ssd_data.data.build.options import BuildOptions
from ssd_data.data.build.units import UnitEvidence
from ssd_data.data.dataset import Dataset
from ssd_data.data.spread import Stamp

MOST_SHOWN = 12  # classes that an error lists


@dataclass(frozen=True, slots=True, eq=False)
class LabelledImage:
    """A picture whose boxes all have a label of the labelmap.

    Attributes:
        number: its line in the list, which numbers its key.
        entry: the picture with the boxes that are left.
        labels: int32 (N,), above 0.
    """

    number: int
    entry: AnnotatedImage
    labels: Labels

    def __reduce__(self) -> tuple[Any, ...]:
        return _labelled, (self.number, self.entry, packed(self.labels))


def _labelled(number: int, entry: AnnotatedImage, labels: tuple[str, bytes]) -> LabelledImage:
    return LabelledImage(number, entry, unpacked(*labels))


@dataclass(slots=True)
class Scan:
    """A split's annotations in the order of its records; of many most lie in files.

    Attributes:
        lines: image and annotation of every list line, those without a record included.
        images: the pictures that can be read, with their labels.
        failures: the list lines whose annotation is broken or missing.
        stated: the classes as annotations state them.
        escaped: whether lines name some pictures otherwise than they are called.
        unit: what boxes are stated in.
        unknown: per class name that the labelmap lacks, how often, and where first.
        notes: what is odd but no error, and what options left out.
    """

    lines: Spill[tuple[str, str]] = field(default_factory=Spill)
    images: Spill[LabelledImage] = field(default_factory=Spill)
    failures: Spill[Unreadable] = field(default_factory=Spill)
    escaped: bool = False
    unit: UnitEvidence = field(default_factory=UnitEvidence)
    unknown: Counter[str] = field(default_factory=Counter)
    first_place: dict[str, str] = field(default_factory=dict)
    stated: set[str] = field(default_factory=set)
    notes: Tally = field(default_factory=Tally)

    def stamps(self, root: Path) -> Iterator[Stamp]:
        """Size and time of each picture's file, as it is now; of one that is not there -1."""
        return (seen for _, seen in self.stamped(root))

    def stamped(self, root: Path) -> Iterator[tuple[LabelledImage, Stamp]]:
        """Each picture with its stamp."""
        images, asked = tee(self.images)
        files = (one.entry.image for one in asked if one.entry.held is None)
        found = spread.stamps(root, files, picture_stamp)
        for image in images:
            yield image, image.entry.held.stamp if image.entry.held else next(found)
        next(found, None)  # none is left; what asks workers must come to its end

    def input_digest(self, root: Path, take: Callable[[Stamp], object] = lambda seen: None) -> str:
        """A digest of what goes in: annotations by content, pictures by size and time.

        Args:
            take: gets each picture's stamp, in order.
        """
        digest = hashlib.sha256(b"[")  # of the list of lines, as Python writes it
        for number, line in enumerate(self.lines):
            digest.update(f"{', ' if number else ''}{line!r}".encode())
        digest.update(b"]")
        for image, seen in self.stamped(root):
            take(seen)
            entry = image.entry
            fields = (image.number, seen, entry.width, entry.height, entry.image_id)
            digest.update(repr(fields).encode())
            if entry.normalized:
                digest.update(b"fractions")
            for array in (image.labels, entry.boxes, entry.difficult):
                digest.update(array.tobytes())
        return digest.hexdigest()


def picture_stamp(path: str) -> Stamp:
    """Size and time of a file, as it is now; -1 where it is not there.

    Raises:
        OSError: it cannot be told whether it is.
    """
    try:
        return stamp_of(path)
    except OSError as error:
        if is_failure(error):
            raise
        return (-1, -1)


def scan(dataset: Dataset, split: str, labelmap: LabelMap, options: BuildOptions) -> Scan:
    """Read all annotations of a split, in the order and number that the options ask for.

    Unknown classes and broken annotations are collected, not raised.

    Raises:
        InputError: the split's list or JSON is broken, or it holds no picture.
    """
    result = Scan()
    later = Tally()  # it is told after all that reading tells
    known = _Known(labelmap, options)
    entries = _in_order(dataset, split, options, result.notes)
    wanted = (_wanted(entry, options, later) for entry in entries)
    for number, entry in enumerate(entry for entry in wanted if entry is not None):
        line = listable(entry.image), listable(entry.annotation)
        result.lines.append(line)
        result.escaped = result.escaped or line[0] != entry.image
        if isinstance(entry, Unreadable):
            result.failures.append(entry)
            continue
        labels = [known[stated] for stated in entry.classes]
        image = LabelledImage(number, entry, np.array(labels, np.int32))
        if 0 in labels:
            image = _label(number, entry, labelmap, options, result, later)
        if options.boxes == "fractions":
            image = replace(image, entry=replace(image.entry, normalized=True))
        result.unit.add(image.entry)
        result.images.append(image)
    result.notes.merge(later)
    result.stated = set(map(str, known))
    return result


def _in_order(dataset: Dataset, split: str, options: BuildOptions, notes: Tally) -> Iterator[Entry]:
    """The pictures in the order that the options ask for, all of which are read."""
    shuffled = dataset.split(split).shuffle if options.shuffle is None else options.shuffle
    # random() is the one method whose values never change
    rows = Ordered[Entry](Random(options.seed).random) if shuffled else None
    count = 0
    for entry in dataset.entries(split, notes):
        if rows is not None:
            rows.append(entry)
        elif options.limit is None or count < options.limit:
            yield entry
        count += 1
    if not count:
        raise InputError(f'the split "{split}" holds no picture', where=dataset.root)
    yield from islice(rows or (), options.limit)


def _without_rotated(entry: AnnotatedImage, notes: Tally) -> AnnotatedImage:
    rotated = entry.attributes["rotated"] != 0
    for index in np.flatnonzero(rotated):
        notes.add("box is rotated (dropped)", entry.place(int(index)))
    return select(entry, np.flatnonzero(~rotated))


def _wanted(entry: Entry, options: BuildOptions, notes: Tally) -> Entry | None:
    """A picture without annotation as it is wanted: refused, left out, or without objects.

    Likewise one of whose objects some have no box, or a rotated one.
    """
    if isinstance(entry, Unreadable) and entry.rest is not None:
        return _with_boxes(entry, options, notes)
    if isinstance(entry, AnnotatedImage):
        drops = options.rotated == "drop" and "rotated" in entry.attributes
        return _without_rotated(entry, notes) if drops else entry
    if not entry.unannotated:
        return entry
    near = entry.error.hint
    place = f"{entry.image} ({near})" if near else entry.image
    if options.unannotated == "background":
        notes.add("picture without an annotation (taken as background)", place)
        return AnnotatedImage(entry.image, entry.annotation, held=entry.held)
    if options.unannotated == "skip":
        notes.add("picture without an annotation (left out)", place)
        return None
    hint = "--unannotated background takes it as a picture without objects, skip leaves it out"
    hint = f"{near}; {hint}" if near else hint
    return replace(entry, error=InputError(entry.error.what, where=entry.error.where, hint=hint))


def _with_boxes(entry: Unreadable, options: BuildOptions, notes: Tally) -> Entry:
    if options.boxless == "drop":
        for text in entry.boxless:
            notes.add("object without a box (dropped)", f"{text} ({entry.image})")
        return entry.rest or entry
    hint = "--boxless drop leaves such objects out, --missing skip their pictures"
    return replace(entry, error=InputError(entry.error.what, where=entry.error.where, hint=hint))


class _Known(dict[str | int, int]):
    """The label of each class as annotations state it, 0 where it has none; found once each."""

    def __init__(self, labelmap: LabelMap, options: BuildOptions) -> None:
        super().__init__()
        self.labelmap, self.map = labelmap, options.map

    def __missing__(self, stated: str | int) -> int:
        name = self.map.get(str(stated), stated)
        self[stated] = label = max(self.labelmap.label(name) or 0, 0) if name != "" else 0
        return label


def _label(
    number: int,
    entry: AnnotatedImage,
    labelmap: LabelMap,
    options: BuildOptions,
    result: Scan,
    notes: Tally,
) -> LabelledImage:
    labels = np.zeros(len(entry.classes), np.int32)
    for index, stated in enumerate(entry.classes):
        name = options.map.get(str(stated), stated)
        if name == "":
            notes.add("box dropped by --map", f"{entry.place(index)}: {stated}")
            continue
        label = labelmap.label(name)
        if label is None or label <= 0:
            place = entry.place(index)
            result.unknown[str(name)] += 1
            result.first_place.setdefault(str(name), place)
            if options.unknown == "skip":
                notes.add("box of an unknown class (skipped)", f"{place}: {name}")
        else:
            labels[index] = label
    return LabelledImage(number, *_only(entry, labels))


def _only(entry: AnnotatedImage, labels: Labels) -> tuple[AnnotatedImage, Labels]:
    """The boxes whose label is above 0."""
    keep = labels > 0
    if keep.all():
        return entry, labels
    return select(entry, np.flatnonzero(keep)), labels[keep]


def select(entry: AnnotatedImage, which: Iterable[int]) -> AnnotatedImage:
    """The same picture with only some of its boxes, by index."""
    chosen = [int(i) for i in which]
    return replace(
        entry,
        classes=tuple(entry.classes[i] for i in chosen),
        boxes=entry.boxes[chosen],
        difficult=entry.difficult[chosen],
        places=tuple(entry.places[i] for i in chosen),
        attributes={name: values[chosen] for name, values in entry.attributes.items()},
    )


def members(scans: Mapping[str, Scan]) -> dict[str, dict[str, str]]:
    """Of each split the pictures that another may have too, with the places that name them.

    All that two splits have are among them; of all others only a number is kept meanwhile.
    """
    hashes = {name: _hashes(one.lines) for name, one in scans.items()}
    every, counts = np.unique(np.concatenate([*hashes.values(), _NONE]), return_counts=True)
    shared = set(every[counts > 1].tolist())
    return {
        name: {image: place for image, place in one.lines if shared and hash(image) in shared}
        for name, one in scans.items()
    }


_NONE = np.zeros(0, np.int64)


def _hashes(lines: Sequence[tuple[str, str]]) -> npt.NDArray[np.int64]:
    """Of the pictures, each once."""
    return np.unique(np.fromiter((hash(image) for image, _ in lines), np.int64, len(lines)))


def unknown_classes(scans: Mapping[str, Scan], labelmap: LabelMap) -> list[str]:
    """A line for each class name that the labelmap lacks, the most frequent first.

    The first few say which known name is nearest.
    """
    total: Counter[str] = Counter()
    first: dict[str, str] = {}
    for result in scans.values():
        total.update(result.unknown)
        for name, place in result.first_place.items():
            first.setdefault(name, place)
    lines: list[str] = []
    for name, count in total.most_common():
        near = labelmap.nearest(name) if len(lines) < MOST_LINES else None
        guess = f", nearest {quoted(near)}" if near else ""
        boxes = "box" if count == 1 else "boxes"
        lines.append(f"{quoted(name)}: {count} {boxes}{guess}, first at {first[name]}")
    return lines
