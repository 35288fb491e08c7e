"""What kind of CSV a file is, by its first rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ssd_data.core.errors import InputError
from ssd_data.data.formats.csv.columns import KNOWN, ColumnLayout, layout_of, plain
from ssd_data.data.formats.csvrows import DELIMITERS, head_of, is_blank, parsed
from ssd_data.data.formats.numbers import number
from ssd_data.data.formats.pictures import has_picture_ending

HEAD = 1 << 16  # characters that are looked at
MOST_ROWS = 50
AUTOML_SETS = ("TRAIN", "TRAINING", "VALIDATE", "VALIDATION", "VALID", "TEST", "UNASSIGNED")
_OPEN_IMAGES = ("imageid", "labelname", "xmin", "xmax", "ymin", "ymax")
_KERAS = ColumnLayout(picture=0, form="corners", box=(1, 2, 3, 4), label=5, size=6, first=True)
_COCO = "Export the boxes as COCO or Pascal VOC, which are read"
_NESTED = "several boxes, or a table, in one cell: not read"
# A column that tells a tool's CSV, what it is, and the cure.
_OTHERS = {
    "regionshapeattributes": (
        "VGG Image Annotator's CSV, which is not read",
        "Export annotations as COCO from VIA",
    ),
    "labeleddata": ("Labelbox's CSV, whose boxes are JSON in a cell: not read", _COCO),
    "annotationresult": ("a labelling service's CSV, whose boxes are JSON: not read", _COCO),
    "encodedpixels": ("masks (EncodedPixels), which are not read", "Boxes are wanted, a row each"),
    "predictionstring": (
        "PredictionString, a submission's predictions: not read",
        "Boxes are wanted, a row each",
    ),
}


@dataclass(frozen=True, slots=True)
class TableLook:
    """What a CSV's first rows say.

    Attributes:
        delimiter: between cells.
        header: the names of the columns, empty where there are none.
        layout: where what stands; None where it has no boxes that can be read.
        fault: then, why not.
        foreign: whether another format reads it.
        scored: whether boxes have scores, so that they may be detections.
    """

    delimiter: str
    header: Sequence[str] = ()
    layout: ColumnLayout | None = None
    fault: InputError | None = None
    foreign: bool = False
    scored: bool = False


def look_at(path: Path, name: str, stated: Mapping[str, str] | None = None) -> TableLook:
    """What kind of CSV a file is.

    Args:
        name: names it in errors.
        stated: names of columns by what they are.

    Raises:
        InputError: it is absent or no text.
    """
    lines, delimiter = head_of(path, name, HEAD)
    looks = []
    for one in [delimiter] if delimiter else DELIMITERS:
        if rows := parsed(lines, one)[:MOST_ROWS]:
            looks.append((len(rows[0]), _look(rows, one, stated or {})))
    if not looks:
        return TableLook(",", fault=InputError("no row of cells is here", where=f"{name}:1"))
    looks.sort(key=lambda pair: (pair[1].layout is None, -pair[0]))
    best = looks[0][1]
    if best.fault is not None:
        best.fault.where = f"{name}:1"
    return best


def _look(rows: list[list[str]], delimiter: str, stated: Mapping[str, str]) -> TableLook:
    first = rows[0]
    names = {cell.strip().lower() for cell in first}
    if all(name in names for name in _OPEN_IMAGES):
        return TableLook(delimiter, first, foreign=True)
    if not stated and (bare := _without_names(rows)):
        return TableLook(delimiter, layout=bare)
    try:
        layout = layout_of(first, rows[1:], stated)
    except InputError as error:
        return TableLook(delimiter, first, fault=_fault(rows, error))
    cells = [row[layout.box[0]].strip() for row in rows[1:] if layout.box[0] < len(row)]
    if any(cell[:1] in ("[", "{") and cell.count("[") + cell.count("{") > 1 for cell in cells):
        return TableLook(delimiter, first, fault=InputError(_NESTED, hint=_COCO))
    scores = [row[layout.score] for row in rows[1:] if 0 <= layout.score < len(row)]
    scored = any(0 < number(score) < 1 for score in scores)
    return TableLook(delimiter, first, layout, scored=scored)


def _without_names(rows: list[list[str]]) -> ColumnLayout | None:
    """The layout of rows without names: keras-retinanet's or AutoML's.

    https://github.com/fizyr/keras-retinanet#csv-datasets and
    https://cloud.google.com/vision/automl/object-detection/docs/csv-format
    """
    if all(_is_keras(row) for row in rows):
        return _KERAS
    named = [row for row in rows if not _is_automl_header(row)]
    for start in (1, 0):
        if named and len(named) + 1 >= len(rows) and all(_is_automl(row, start) for row in named):
            box = tuple(range(start + 2, start + 10))
            label, split = start + 1, start - 1
            return ColumnLayout(
                picture=start,
                form="vertices",
                box=box,
                label=label,
                split=split,
                size=start + 10,
                first=len(named) == len(rows),
            )
    return None


def _is_keras(row: list[str]) -> bool:
    return len(row) == 6 and has_picture_ending(row[0].strip()) and _are_numbers(row[1:5])


def _is_automl(row: list[str], start: int) -> bool:
    """Whether a row is a set (if ``start`` is 1), picture, label and four vertices."""
    if start and row[0].strip().upper() not in AUTOML_SETS:
        return False
    least = 3 if start else 10
    fits = least <= len(row) <= start + 10 and has_picture_ending(row[start].strip())
    return fits and len(row) > start + 2 and _are_numbers(row[start + 2 : start + 4])


def _is_automl_header(row: list[str]) -> bool:
    names = [plain(cell) for cell in row]
    pairs = [name[:1] for name in names[3:]]
    return len(row) == 11 and names[1] in KNOWN["picture"] and pairs == ["x", "y"] * 4


def _are_numbers(cells: Sequence[str]) -> bool:
    """Whether cells are numbers, or all are blank."""
    blank = [is_blank(cell) for cell in cells]
    numeric = (number(cell.strip()) == number(cell.strip()) for cell in cells)
    return all(blank) or (not any(blank) and all(numeric))


def _fault(rows: list[list[str]], error: InputError) -> InputError:
    """Why a CSV without a layout is none of ours."""
    names = {plain(cell) for cell in rows[0]}
    for column, (what, cure) in _OTHERS.items():
        if column in names:
            return InputError(what, hint=cure)
    pictures, classes = names & set(KNOWN["picture"]), names & set(KNOWN["class"])
    first = [cell.strip() for cell in rows[0]]
    if first[0].upper() in AUTOML_SETS and len(first) == 3:
        return InputError("a classification CSV: pictures with a class, but no boxes")
    if any(cell[:1] in "{[" and len(cell) > 40 for row in rows[1:2] for cell in row if cell):
        return InputError("a CSV with JSON in its cells, which is not read", hint=_COCO)
    if pictures and classes - pictures and len(names) <= 4:
        return InputError("a classification CSV: pictures with a class, but no boxes")
    if any(number(cell) == number(cell) or has_picture_ending(cell) for cell in first):
        hint = "Give it a first line such as filename,class,xmin,ymin,xmax,ymax"
        return InputError("the first line does not name the columns", hint=hint)
    return error
