"""What differs between two data sets, builds or LMDBs: pictures, boxes, classes.

Pictures are matched by their paths, else by their names where these are unique, else by their
bytes; boxes of a picture by how much they overlap. Both sides are what a build stores, fractions of
the picture, so that a VOC tree and its YOLO twin, or a raw set and an old LMDB, can be held against
each other.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from ssd_data.core.errors import InputError, UsageError
from ssd_data.core.notes import Tally
from ssd_data.core.overlaps import jaccard, near_pairs
from ssd_data.core.progress import Track, untracked
from ssd_data.data.build.options import require_raw
from ssd_data.data.sides import Compared, PictureBoxes, read_side

Pictures: TypeAlias = Mapping[str, PictureBoxes]
MATCHED = 0.5  # overlap from which two boxes are meant to be the same
SAME = 2e-6  # of the picture's side: what six decimals, as YOLO writes them, may differ by
ONLY_PICTURE = "picture only in {}"
ONLY_BOX = "box only in {}"
CLASS, MOVED, DIFFICULT = "box has another class", "box has moved", "box is difficult in one only"
SIZE, SPLIT = "picture has another size", "picture is for training in one only"
RENAMED = "picture has another name"
CROWDED = "picture has too many boxes near each other to tell which is which (not compared)"
FEW_PAIRS, MOST_PAIRS, MOST_KEPT = 1 << 20, 1 << 27, 1 << 22


@dataclass(slots=True)
class DataDifference:
    """What differs.

    Attributes:
        names: of the two sides. pictures, boxes: how many each has; common, same: how many
            pictures are in both, and boxes that are alike.
        classes: per class how many boxes each side has.
        found: all differences by kind, with their places.
        notes: what was left out or changed on reading each side.
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
    notes: tuple[Tally, ...] = ()

    def __bool__(self) -> bool:
        """Whether anything differs."""
        return bool(self.found) or any(a != b for a, b in self.classes.values())

    def to_json(self) -> dict[str, Any]:
        """All of it as JSON has it."""
        names = ("names", "pictures", "boxes", "common", "same", "classes", "farthest")
        table = {name: getattr(self, name) for name in names}
        table["notes"] = [notes.to_json() for notes in self.notes]
        return {"different": bool(self), **table, "found": self.found.to_json()}


def diff(
    first: Path | str,
    second: Path | str,
    *,
    root: Path | None = None,
    follow_links: bool = False,
    format: str | Sequence[str] = "",
    reading: Mapping[str, Any] | None = None,
    track: Track = untracked,
) -> DataDifference:
    """Hold two data sets, builds or LMDBs against each other.

    >>> bool(diff("sample/voc", "SHAPES"))
    False

    Args:
        first, second: an LMDB's folder, a build's, or what :func:`ssd_data.find` takes.
        root: where a recipe's files lie. follow_links: as for :func:`ssd_data.find`.
        format: of raw data sets, one for both, or one each.
        reading: how raw data sets are read, as a build of them would be given it: those of
            :data:`ssd_data.data.build.options.READING`. Unless told otherwise pictures without an
            annotation have no boxes.
        track: wraps the pictures of raw data sets as they are read, to show progress.

    Raises:
        InputError: one of them cannot be read, or an LMDB has no labelmap.
        UsageError: one of them is nothing of the kind.
    """
    formats = [format] * 2 if isinstance(format, str) else list(format)
    if len(formats) != 2:
        raise UsageError("one format for both, or one for each of the two", where="--format")
    found = [
        read_side(what, root, kind, follow_links, reading or {}, track)
        for what, kind in zip((first, second), formats, strict=True)
    ]
    if not any(raw for _, raw in found):
        require_raw({**({"format": format} if any(formats) else {}), **(reading or {})}, first)
    return _differences(found[0][0], found[1][0])


def _differences(one: Compared, other: Compared) -> DataDifference:
    sides = (one.pictures, other.pictures)
    result = DataDifference((one.name, other.name), notes=(one.notes, other.notes))
    counts = []
    for side in sides:
        result.pictures.append(len(side))
        result.boxes.append(sum(len(picture.classes) for picture in side.values()))
        counts.append(Counter(c for picture in side.values() for c in picture.classes))
    result.classes = {c: (counts[0][c], counts[1][c]) for c in sorted(counts[0] | counts[1])}
    pairs = _paired(*sides)
    for a, b in _renamed(*sides, pairs):
        result.found.add(RENAMED, f"{a}: {b}")
        pairs.append((a, b))
    result.common = len(pairs)
    for at, (side, name) in enumerate(zip(sides, result.names, strict=True)):
        for path in sorted(side.keys() - {pair[at] for pair in pairs}):
            result.found.add(ONLY_PICTURE.format(name), path)
    for a, b in pairs:
        _compare(a, sides[0][a], sides[1][b], result)
    return result


def _paired(first: Pictures, second: Pictures) -> list[tuple[str, str]]:
    """The paths of both sides that are of one picture by their names, in the first one's order."""
    stems = [_unique_stems(side) for side in (first, second)]
    here = {path: stem for stem, path in stems[0].items()}
    pairs = []
    for path in first:
        if path in second:
            pairs.append((path, path))
        elif (other := stems[1].get(here.get(path, ""))) and other not in first:
            pairs.append((path, other))
    return pairs


def _unique_stems(side: Pictures) -> dict[str, str]:
    """Path of each name without folders and ending that one picture alone has."""
    count: Counter[str] = Counter(Path(path).stem for path in side)
    return {Path(path).stem: path for path in side if count[Path(path).stem] == 1}


def _renamed(
    first: Pictures, second: Pictures, pairs: Sequence[tuple[str, str]]
) -> Iterator[tuple[str, str]]:
    """Pictures that have no name in common, but the same bytes, which no third one has."""
    sides = (first, second)
    left = [sorted(side.keys() - {pair[at] for pair in pairs}) for at, side in enumerate(sides)]
    sizes = [{side[path].size for path in paths} for side, paths in zip(sides, left, strict=True)]
    both = sizes[0] & sizes[1]
    ours, theirs = (
        _by_bytes(side, (path for path in paths if side[path].size in both))
        for side, paths in zip(sides, left, strict=True)
    )
    for digest, (path, *more) in ours.items():
        others = theirs.get(digest, [])
        if not more and len(others) == 1:
            yield path, others[0]


def _by_bytes(side: Pictures, paths: Iterable[str]) -> Mapping[bytes, list[str]]:
    found: defaultdict[bytes, list[str]] = defaultdict(list)
    for path in paths:
        try:
            found[side[path].digest()].append(path)
        except InputError:  # a check says it
            continue
    return found


def _compare(where: str, one: PictureBoxes, other: PictureBoxes, result: DataDifference) -> None:
    found = result.found
    if one.size != other.size:
        sizes = [f"{width}x{height}" for width, height in (one.size, other.size)]
        found.add(SIZE, f"{where}: {sizes[0]}, {sizes[1]}")
    if one.splits and other.splits and one.trains != other.trains:
        found.add(SPLIT, f"{where}: {' and '.join(one.splits)}, {' and '.join(other.splits)}")
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
    names = {name: n for n, name in enumerate(dict.fromkeys((*one.classes, *other.classes)))}
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
