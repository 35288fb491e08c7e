"""What differs between two data sets, builds or LMDBs: pictures, boxes, classes.

Pictures are matched by their paths, else by their names where these are unique; boxes of a picture
by how much they overlap. Both sides are what a build stores, fractions of the picture, so that a
VOC tree and its YOLO twin, or a raw set and an old LMDB, can be held against each other.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ssd_data.core.errors import InputError
from ssd_data.core.images import picture_limits
from ssd_data.core.labelmap import LabelMap, read_labelmap
from ssd_data.core.notes import Tally
from ssd_data.core.overlaps import jaccard, near_pairs
from ssd_data.core.parallel import default_workers
from ssd_data.core.progress import Track, untracked
from ssd_data.core.structures import Boxes, Flags
from ssd_data.data.build.convert import make_records
from ssd_data.data.build.options import BuildOptions
from ssd_data.data.build.plan import plan
from ssd_data.data.dataset import Dataset
from ssd_data.data.find import find
from ssd_data.data.formats.splits import is_training
from ssd_data.data.lmdb.companions import labelmap_file
from ssd_data.data.lmdb.manifest import read_manifest
from ssd_data.data.lmdb.one_build import one_build
from ssd_data.data.lmdb.skim import skim
from ssd_data.data.lmdb.store import LmdbReader, is_lmdb
from ssd_data.data.lmdb.strangers import refuse_stranger
from ssd_data.data.lmdb.table import BoxColumns, BoxTable, read_table

MATCHED = 0.5  # overlap from which two boxes are meant to be the same
SAME = 2e-6  # of the picture's side: what six decimals, as YOLO writes them, may differ by
ONLY_PICTURE = "picture only in {}"
ONLY_BOX = "box only in {}"
CLASS, MOVED, DIFFICULT = "box has another class", "box has moved", "box is difficult in one only"
CROWDED = "picture has too many boxes near each other to tell which is which (not compared)"
FEW_PAIRS, MOST_PAIRS, MOST_KEPT = 1 << 20, 1 << 27, 1 << 22
SIZE, SPLIT = "picture has another size", "picture is for training in one only"


@dataclass(frozen=True, slots=True, eq=False)
class PictureBoxes:
    """A picture of one side.

    Attributes:
        split: it belongs to. size: width and height in pixels.
        classes: (N,) names; boxes: float32 (N, 4), fractions; difficult: bool (N,).
    """

    split: str
    size: tuple[int, int]
    classes: tuple[str, ...]
    boxes: Boxes
    difficult: Flags


@dataclass(slots=True)
class DataDifference:
    """What differs.

    Attributes:
        names: of the two sides. pictures, boxes: how many each has; common, same: how many
            pictures are in both, and boxes that are alike.
        classes: per class how many boxes each side has.
        found: all differences by kind, with their places.
        farthest: how far a corner of a moved box has moved, in pixels.
    """

    names: tuple[str, str]
    pictures: list[int] = field(default_factory=list)
    boxes: list[int] = field(default_factory=list)
    common: int = 0
    same: int = 0
    classes: dict[str, tuple[int, int]] = field(default_factory=dict)
    found: Tally = field(default_factory=Tally)
    farthest: float = 0.0

    def __bool__(self) -> bool:
        """Whether anything differs."""
        return bool(self.found) or any(a != b for a, b in self.classes.values())

    def to_json(self) -> dict[str, Any]:
        """All of it as JSON has it."""
        names = ("names", "pictures", "boxes", "common", "same", "classes", "farthest")
        table = {name: getattr(self, name) for name in names}
        return {"different": bool(self), **table, "found": self.found.to_json()}


def diff(
    first: Path | str,
    second: Path | str,
    *,
    root: Path | None = None,
    follow_links: bool = False,
    track: Track = untracked,
) -> DataDifference:
    """Hold two data sets, builds or LMDBs against each other.

    >>> bool(diff("sample/voc", "SHAPES"))
    False

    Args:
        first, second: an LMDB's folder, a build's, or what :func:`ssd_data.find` takes.
        root: where a recipe's files lie. follow_links: as for :func:`ssd_data.find`.
        track: wraps the pictures of raw data sets as they are read, to show progress.

    Raises:
        InputError: one of them cannot be read, or an LMDB has no labelmap.
        UsageError: one of them is nothing of the kind.
    """
    sides = [_read(Path(one), root, follow_links, track) for one in (first, second)]
    result = DataDifference((str(first), str(second)))
    for side in sides:
        result.pictures.append(len(side))
        result.boxes.append(sum(len(picture.classes) for picture in side.values()))
    counts = [Counter(c for picture in side.values() for c in picture.classes) for side in sides]
    result.classes = {c: (counts[0][c], counts[1][c]) for c in sorted(counts[0] | counts[1])}
    pairs = _paired(*sides)
    result.common = len(pairs)
    for one, side in enumerate(sides):
        for name in sorted(set(side) - {pair[one] for pair in pairs}):
            result.found.add(ONLY_PICTURE.format(result.names[one]), name)
    for a, b in pairs:
        _compare(a, sides[0][a], sides[1][b], result)
    return result


def _paired(first: Mapping[str, Any], second: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The paths of both sides that are of one picture, in the first one's order."""
    stems = [_unique_stems(side) for side in (first, second)]
    here = {path: stem for stem, path in stems[0].items()}
    pairs = []
    for path in first:
        if path in second:
            pairs.append((path, path))
        elif (other := stems[1].get(here.get(path, ""))) and other not in first:
            pairs.append((path, other))
    return pairs


def _unique_stems(side: Mapping[str, Any]) -> dict[str, str]:
    """Path of each name without folders and ending that one picture alone has."""
    count: Counter[str] = Counter(Path(path).stem for path in side)
    return {Path(path).stem: path for path in side if count[Path(path).stem] == 1}


def _compare(where: str, one: PictureBoxes, other: PictureBoxes, result: DataDifference) -> None:
    found = result.found
    if one.size != other.size:
        sizes = [f"{width}x{height}" for width, height in (one.size, other.size)]
        found.add(SIZE, f"{where}: {sizes[0]}, {sizes[1]}")
    if one.split and other.split and is_training(one.split) != is_training(other.split):
        found.add(SPLIT, f"{where}: {one.split}, {other.split}")
    left, right = set(range(len(one.boxes))), set(range(len(other.boxes)))
    matches = _matches(one, other)
    if matches is None:
        found.add(CROWDED, f"{where}: {len(left):,} and {len(right):,} boxes")
        return
    for i, j in matches:
        left.remove(i)
        right.remove(j)
        place = f"{where}: {_text(one, i)}"
        apart = np.abs(one.boxes[i] - other.boxes[j])
        alike = True
        if one.classes[i] != other.classes[j]:
            found.add(CLASS, f"{place}, {other.classes[j]}")
            alike = False
        if apart.max() > SAME:
            found.add(MOVED, f"{place}, {_text(other, j)}")
            result.farthest = max(result.farthest, float((apart * [*one.size, *one.size]).max()))
            alike = False
        if one.difficult[i] != other.difficult[j]:
            found.add(DIFFICULT, place)
            alike = False
        result.same += alike
    for picture, rest, name in ((one, left, result.names[0]), (other, right, result.names[1])):
        for index in sorted(rest):
            found.add(ONLY_BOX.format(name), f"{where}: {_text(picture, index)}")


def _matches(one: PictureBoxes, other: PictureBoxes) -> list[tuple[int, int]] | None:
    """Boxes that are the same: those of one class first, by falling overlap, each once.

    Of many the very same are put aside before; None where the others are too near each other.
    """
    left, right = list(range(len(one.boxes))), list(range(len(other.boxes)))
    found = []
    if len(left) * len(right) > FEW_PAIRS:
        found = _equal(one, other)
        left = sorted(set(left) - {i for i, _ in found})
        right = sorted(set(right) - {j for _, j in found})
    if not left or not right:
        return found
    pairs = _ranked(one, other, np.array(left), np.array(right))
    if pairs is None:
        return None
    taken: tuple[set[int], set[int]] = (set(), set())
    for i, j in pairs:
        if i not in taken[0] and j not in taken[1]:
            taken[0].add(i)
            taken[1].add(j)
            found.append((i, j))
    return found


def _equal(one: PictureBoxes, other: PictureBoxes) -> list[tuple[int, int]]:
    def rows(picture: PictureBoxes) -> Iterator[Any]:
        boxes = [box.tobytes() for box in picture.boxes]
        return zip(picture.classes, boxes, picture.difficult.tolist(), strict=True)

    there: defaultdict[Any, list[int]] = defaultdict(list)
    for j, row in reversed(list(enumerate(rows(other)))):
        there[row].append(j)
    return [(i, there[row].pop()) for i, row in enumerate(rows(one)) if there[row]]


def _ranked(
    one: PictureBoxes, other: PictureBoxes, left: Any, right: Any
) -> Iterator[tuple[int, int]] | None:
    """The pairs of some boxes that may be the same, the best first; None where they are many."""
    boxes, others = one.boxes[left], other.boxes[right]
    names = {name: n for n, name in enumerate(dict.fromkeys(one.classes + other.classes))}
    label, other_label = (
        np.array([names[picture.classes[n]] for n in which.tolist()])
        for picture, which in ((one, left), (other, right))
    )
    count, portions = near_pairs(boxes.astype(np.float64), others.astype(np.float64), MATCHED, SAME)
    kept: list[tuple[Any, Any, Any]] = []
    if count > MOST_PAIRS:
        return None
    for i, j in portions:
        overlap = jaccard(boxes[i].astype(np.float64), others[j].astype(np.float64))
        overlap[np.abs(boxes[i] - others[j]).max(axis=1) <= SAME] = 1  # also those without area
        rank = np.where(overlap >= MATCHED, overlap + 2 * (label[i] == other_label[j]), 0)
        some = rank > 0
        kept.append((rank[some], left[i[some]], right[j[some]]))
        if sum(len(part[0]) for part in kept) > MOST_KEPT:
            return None
    rank, i, j = (np.concatenate([part[n] for part in kept] or [[]]) for n in range(3))
    order = np.lexsort((j, i, -rank))
    return zip(i[order].tolist(), j[order].tolist(), strict=True)


def _text(picture: PictureBoxes, index: int) -> str:
    corners = picture.boxes[index].astype(np.float64) * [*picture.size, *picture.size]
    return f"{picture.classes[index]} {' '.join(f'{value:.6g}' for value in corners)}"


def _read(
    path: Path, root: Path | None, follow_links: bool, track: Track
) -> dict[str, PictureBoxes]:
    if is_lmdb(path):
        refuse_stranger(path)
        return dict(_stored(path, ""))
    with one_build(path):
        if (manifest := read_manifest(path) if path.is_dir() else None) is not None:
            return {
                name: picture
                for split, made in manifest.splits.items()
                for name, picture in _stored(path / made.lmdb, split)
            }
    return dict(_raw(find(str(path), root, follow_links=follow_links), track))


def _stored(path: Path, split: str) -> Iterator[tuple[str, PictureBoxes]]:
    with one_build(path):
        file = labelmap_file(path)
        if file is None:
            raise InputError("no labelmap lies beside it", where=path, hint="Its labels need names")
        with LmdbReader(path) as reader:
            table, labelmap = read_table(reader), read_labelmap(file)
    yield from _pictures(table, labelmap, split)


def _raw(dataset: Dataset, track: Track) -> Iterator[tuple[str, PictureBoxes]]:
    """The pictures of a raw data set as a build with all boxes would store them."""
    options = BuildOptions(empty="keep", shuffle=False, unannotated="background")
    made = plan(dataset, options, list(dataset.splits))
    with picture_limits():
        for split, scanned in made.scans().items():
            if scanned.failures:
                raise scanned.failures[0].error
            columns = BoxColumns()
            records = make_records(dataset.root, scanned.images, made.options, default_workers())
            for record in track(records, len(scanned.images), split):
                if record.error is not None:
                    raise record.error
                columns.add(record.key, skim(record.key, memoryview(record.value)))
            yield from _pictures(columns.table(), made.labelmap, split)


def _pictures(
    table: BoxTable, labelmap: LabelMap, split: str
) -> Iterator[tuple[str, PictureBoxes]]:
    for image, size, rows in zip(table.images, table.sizes.tolist(), table.rows(), strict=True):
        yield (
            image,
            PictureBoxes(
                split,
                (size[0], size[1]),
                tuple(labelmap.display_name(n) for n in table.labels[rows].tolist()),
                table.boxes[rows],
                table.difficult[rows],
            ),
        )
