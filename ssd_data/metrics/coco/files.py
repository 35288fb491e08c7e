"""COCO: an instances JSON, and a results JSON.

    [{"image_id": 42, "category_id": 18, "bbox": [x, y, width, height], "score": 0.236}, …]

A results file may also be an object with those as ``annotations`` and the pictures that were looked
at as ``images``: then a picture in which nothing was found can be told from one that is missing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, TypeVar

import msgspec
import numpy as np
import numpy.typing as npt

from ssd_data.core.boxes import from_xywh, to_xywh
from ssd_data.core.errors import InputError
from ssd_data.core.files.inside import open_regular
from ssd_data.core.files.paths import naming
from ssd_data.core.files.there import is_file
from ssd_data.core.files.whole import new_file
from ssd_data.core.legible import few
from ssd_data.core.structures import Detections
from ssd_data.data.formats.coco.schema import CocoCategory, Id
from ssd_data.metrics import NO, PERHAPS, SURELY
from ssd_data.metrics.files import (
    BLOCK,
    BOM,
    FAR,
    note_flat_scores,
    note_odd_boxes,
    read_plain,
)
from ssd_data.metrics.lines import SCORE, SIDES, Lines
from ssd_data.metrics.many import Columns
from ssd_data.metrics.scores import Floats, Found, Ints, Truth

MAX_BYTES = 1 << 32
INSTANCES, RESULTS = "instances JSON", "results JSON"
RESULT_FIELDS = {
    "image_id": 'An image_id is a number: the "id" of one of the truth\'s images, no file name',
    "category_id": 'A category_id is a number: the "id" of one of the truth\'s categories',
    "bbox": "A bbox is [x, y, width, height] in pixels; the score stands beside it",
    "score": "Each result has a score, a number; the truth's annotations have none",
}
COUNTED = {
    "image": "are these another split's, or were pictures counted from 0 or 1?",
    "category": "are these labels, or were classes counted from 0?",
}
_BETWEEN = re.compile(rb"\}\s*,\s*\{")
_SEEN = 1 << 16  # of a block's end, where a cut is looked for
MOST_WAITING = 1 << 28
_Side = Annotated[float, msgspec.Meta(ge=0, le=2**31)]
_T = TypeVar("_T")
_Name = TypeVar("_Name", int, str)


class _Image(msgspec.Struct, gc=False):
    id: Id
    width: _Side | None = 0
    height: _Side | None = 0


class _Annotation(msgspec.Struct, gc=False):
    image_id: Id
    category_id: Id
    bbox: tuple[float, float, float, float]
    area: float | None = None
    iscrowd: int | bool | None = 0
    ignore: int | bool | None = 0


class _Instances(msgspec.Struct):
    images: list[_Image]
    annotations: list[_Annotation]
    categories: list[CocoCategory]


class _Result(msgspec.Struct, gc=False):
    image_id: Id
    category_id: Id
    bbox: tuple[float, float, float, float]
    score: float


class _Looked(msgspec.Struct, gc=False):
    id: Id


class _Results(msgspec.Struct):
    annotations: list[_Result]
    images: list[_Looked] | None = None


def read_truth(path: Path) -> Truth:
    """An instances JSON: pictures are image ids as text, boxes are corners, crowds are ignored.

    Raises:
        InputError: it is malformed, or an id stands twice or is not there.
    """
    read = _decode(read_plain(path, INSTANCES, MAX_BYTES), path, _Instances, INSTANCES)
    image_ids = np.array([image.id for image in read.images], np.int64)
    categories = sorted(read.categories, key=lambda category: category.id)
    category_ids = np.array([category.id for category in categories], np.int64)
    for ids, what in ((image_ids, "image"), (category_ids, "category")):
        if len(np.unique(ids)) < len(ids) or not len(ids):
            raise InputError(f"there is no {what}, or one {what} id stands twice", where=path)
    boxes = read.annotations
    xywh = _boxes(path, [box.bbox for box in boxes])
    picture = _places(path, [b.image_id for b in boxes], image_ids, "image")
    label = _places(path, [b.category_id for b in boxes], category_ids, "category")
    sides = [(image.width or 0, image.height or 0) for image in read.images]
    stated = np.array([np.nan if b.area is None else b.area for b in boxes], np.float64)
    return Truth(
        origin=str(path),
        pictures=tuple(map(str, image_ids.tolist())),
        classes=_unlike([category.name for category in categories], category_ids),
        picture=picture,
        label=label,
        boxes=from_xywh(xywh),
        ignored=np.array([bool(b.iscrowd or b.ignore) for b in boxes], np.bool_),
        sizes=np.array(sides, np.int64).reshape(-1, 2),
        attributes={
            "xywh": xywh,
            "area": np.where(np.isnan(stated), xywh[:, 2] * xywh[:, 3], stated),
        },
        class_ids=category_ids,
    )


def _unlike(names: list[str], ids: Ints) -> tuple[str, ...]:
    """Names that differ: COCO's own do, others get their id behind them."""
    twice = {name for name in names if names.count(name) > 1}
    pairs = zip(names, ids.tolist(), strict=True)
    return tuple(f"{name} ({number})" if name in twice else name for name, number in pairs)


def read_detections(path: Path, truth: Truth) -> Found:
    """A results JSON; ``xywh`` among its attributes are the boxes as they stand there.

    Raises:
        InputError: it is malformed, or an image or category is not in the truth.
    """
    ids = np.array([int(name) for name in truth.pictures], np.int64)
    columns, looked_at = _read_rows(path, ids, truth.class_ids)
    picture, label, scores, boxes, xywh, file, entry = columns.whole()
    has_entry = np.zeros(len(truth.pictures), np.bool_)
    has_entry[picture] = True
    if looked_at:
        has_entry |= np.isin(ids, [image.id for image in looked_at])
    found = Found(
        origin=str(path),
        picture=picture,
        label=label,
        scores=scores,
        boxes=boxes,
        has_entry=has_entry,
        attributes={"xywh": xywh},
        lists_empty=looked_at is not None,
        lines=Lines((*SIDES, SCORE), (str(path),), file, entry, head=None),
    )
    note_odd_boxes(found, truth)
    note_flat_scores(found, truth)
    return found


def _read_rows(path: Path, pictures: Ints, classes: Ints) -> tuple[Columns, list[_Looked] | None]:
    """All results, and the pictures that were looked at, None where the file has a list alone.

    A large list is read some megabytes at a time. Whatever is wrong in it is found once more as in
    a small one, and said so.

    Args:
        pictures, classes: the truth's, as their ids.
    """
    if is_file(path) and Path(path).stat().st_size > BLOCK:
        try:
            columns = Columns()
            for results in _some_at_a_time(path):
                _add(columns, results, path, pictures, classes)
            return columns, None
        except (InputError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            pass
    columns = Columns()
    data = read_plain(path, RESULTS, MAX_BYTES)
    kind: Any = _Results if _first_byte(data) == b"{" else list[_Result]
    read = _decode(data, path, kind, RESULTS)
    results = read.annotations if isinstance(read, _Results) else read
    _add(columns, results, path, pictures, classes)
    return columns, (read.images or []) if isinstance(read, _Results) else None


def _some_at_a_time(path: Path) -> Iterator[list[_Result]]:
    """The results of a list, cut where an object ends and the next begins.

    Within an object or a text there may be such a place as well: what stands before it is no list
    then, and cannot be decoded.
    """
    decode = msgspec.json.Decoder(list[_Result]).decode
    with open_regular(path, RESULTS, MAX_BYTES) as file:
        rest = file.read(BLOCK).removeprefix(BOM)
        while data := file.read(BLOCK):
            rest += data
            ends = [match.start() + 1 for match in _BETWEEN.finditer(rest, len(rest) - _SEEN)]
            if ends:
                yield decode(rest[: ends[-1]] + b"]")
                rest = b"[" + rest[ends[-1] :].lstrip()[1:]
            elif len(rest) > MOST_WAITING:
                raise InputError("no object ends there", where=path)
        yield decode(rest)


def _add(
    columns: Columns,
    results: list[_Result],
    path: Path,
    pictures: Ints,
    classes: Ints,
) -> None:
    xywh = _boxes(path, [result.bbox for result in results])
    number = len(results)
    boxes: Floats = from_xywh(xywh)
    columns.add(
        _places(path, [r.image_id for r in results], pictures, "image"),
        _places(path, [r.category_id for r in results], classes, "category"),
        np.array([result.score for result in results], np.float64),
        boxes,
        xywh,
        np.zeros(number, np.int64),
        np.arange(columns.count, columns.count + number),
    )


def sniff(path: Path) -> int:
    """By the first byte; other files than texts may be a broken JSON."""
    if not is_file(path) or path.suffix == ".txt":
        return NO
    with naming(path), path.open("rb") as file:
        return SURELY if _first_byte(file.read(64)) in (b"[", b"{") else PERHAPS


def _first_byte(data: bytes) -> bytes:
    """What a JSON begins with: an object with a brace."""
    return data[:64].removeprefix(BOM).lstrip()[:1]


def _decode(data: bytes, path: Path, kind: type[_T], what: str) -> _T:
    try:
        return msgspec.json.decode(data, type=kind)
    except msgspec.ValidationError as error:
        meant = {} if what == INSTANCES else RESULT_FIELDS
        field = next((name for name in meant if name in str(error)), "")
        hint = meant.get(field, "Truth is an instances_*.json, detections are a list of results")
        raise InputError(f"this is no {what}: {error}", where=path, hint=hint) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        if not data.strip():
            raise InputError(f"the {what} is empty", where=path) from None
        at = str(error).rpartition("(byte ")[2].rstrip(")")
        line = data[: int(at) if at.isdecimal() else len(data)].count(b"\n") + 1
        hint = "NaN and Infinity are no JSON: was the score a number?"
        if "truncated" in str(error):
            hint = "The file is cut short: fetch or write it again"
        raise InputError(f"malformed JSON: {error}", where=f"{path}:{line}", hint=hint) from None


def _boxes(path: Path, boxes: list[tuple[float, float, float, float]]) -> Floats:
    array = np.array(boxes, np.float64).reshape(-1, 4)
    if (bad := np.flatnonzero(~(np.abs(array) < FAR).all(axis=1))).size:
        raise InputError("a coordinate is out of all bounds", where=f"{path}: entry {bad[0]}")
    return array


def _places(path: Path, ids: list[int], known: npt.NDArray[np.int64], what: str) -> Ints:
    """Where each id stands among the known ones."""
    wanted = np.array(ids, np.int64)
    order = np.argsort(known)
    place: Ints = order[np.searchsorted(known, wanted, sorter=order).clip(max=len(known) - 1)]
    if (bad := np.flatnonzero(known[place] != wanted)).size:
        strangers = [str(number) for number in np.unique(wanted[bad])]
        article = "an" if what == "image" else "a"
        raise InputError(
            f"{len(bad):,} of {len(ids):,} entries have {article} {what} id that the truth lacks: "
            + few(strangers),
            where=f"{path}: entry {bad[0]}",
            hint=f"The truth's {what} ids run from {known.min()} to {known.max()}; {COUNTED[what]}",
        )
    return place


def write_coco_results(
    path: Path,
    detections: Mapping[_Name, Detections],
    sizes: Mapping[_Name, tuple[int, int]],
    categories: Mapping[int, int] | Sequence[int],
) -> None:
    """Write a results JSON that COCO's tools and :func:`read_detections` read, whole or not at all.

    Args:
        path: the file; what was there is replaced.
        detections: image id, or that as text → what was found, boxes as fractions; read one by
            one.
        sizes: the same → width and height in pixels.
        categories: label → category id; other labels are left out.

    Raises:
        OutputError: it cannot be written; what was there before is still there.

    >>> half = np.array([[0.0, 0.0, 0.5, 1.0]], np.float32)
    >>> found = {7: Detections(np.array([1], np.int32), np.array([0.25], np.float32), half)}
    >>> write_coco_results(Path("found.json"), found, {7: (64, 48)}, {1: 18})
    >>> print(Path("found.json").read_text(), end="")
    [{"image_id":7,"category_id":18,"bbox":[0.0,0.0,32.0,48.0],"score":0.25}]
    """
    table = categories if isinstance(categories, Mapping) else dict(enumerate(categories, 1))
    before = b"["
    with new_file(path) as file:
        for name, found in detections.items():
            boxes = to_xywh(found.in_pixels(*sizes[name]).astype(np.float64))
            values = zip(
                found.labels.tolist(), boxes.round(4).tolist(), found.scores.tolist(), strict=True
            )
            for label, box, score in values:
                if label in table:
                    row = msgspec.json.encode(_Result(int(name), table[label], box, score))
                    file.write(before + row)
                    before = b",\n"
        file.write(b"[]\n" if before == b"[" else b"]\n")
