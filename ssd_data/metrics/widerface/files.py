"""WIDER FACE: the official evaluation's ``.mat`` files, and a folder of one text file a picture.

    EVENT/picture.txt    the picture's name; the number of faces; a line ``x y w h score`` a face

Truth: ``wider_face_val.mat`` and ``wider_{easy,medium,hard}_val.mat`` in one folder. Boxes are read
as ``xmax = x + w``, as the official tool does, which then adds one to each side.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from ssd_data.core.boxes import from_xywh, to_xywh
from ssd_data.core.errors import InputError, cure
from ssd_data.core.files import there
from ssd_data.core.files.inside import entries, is_folder, names_in
from ssd_data.core.files.paths import require_below
from ssd_data.core.files.together import new_folder
from ssd_data.core.notes import Tally
from ssd_data.core.parallel import ordered_map
from ssd_data.core.structures import Detections, Flags
from ssd_data.metrics import NO, PERHAPS
from ssd_data.metrics.files import FAR, line_of_numbers, note_odd_boxes, read_plain, unpack_hint
from ssd_data.metrics.lines import SCORE, SIDES, Lines
from ssd_data.metrics.many import Columns
from ssd_data.metrics.scores import Floats, Found, Truth
from ssd_data.metrics.widerface.matlab import HINT, read_mat

FACE = "face"
SETS = ("easy", "medium", "hard")
MAX_BYTES = 1 << 28
WHAT = "file of detections"
COLUMNS = (*SIDES, SCORE)
ENDING = re.compile(r"\.(jpe?g|png)$", re.I)
_COMMAS = bytes.maketrans(b" \n", b",,")
_NUMBERS = b"0123456789.eE+-"
_decode = msgspec.json.Decoder(list[float]).decode


def read_truth(folder: Path) -> Truth:
    """All pictures and faces of the official evaluation; those outside of "hard" are ignored.

    Args:
        folder: holds the four ``.mat`` files, or is their parent ``eval_tools``.

    Raises:
        InputError: a file is missing, of MATLAB's version 7.3, damaged, or lacks a field.
    """
    folder = _ground_truth(folder)
    where = folder / "wider_face_val.mat"
    events, files, faces = _load(where, ("event_list", "file_list", "face_bbx_list"))
    pictures, boxes = [], []
    try:
        for event, inside, found in zip(events, files, faces, strict=True):
            for file, box in zip(_cells(inside), _cells(found), strict=True):
                pictures.append(f"{_text(event)}/{_text(file)}")
                boxes.append(_numbers(box, 4))
    except ValueError as error:
        raise InputError(f"its lists do not fit: {error}", where=where, hint=HINT) from None
    if not boxes or len(set(pictures)) < len(pictures):
        raise InputError("it names no picture, or one twice", where=where, hint=HINT)
    xywh = np.concatenate(boxes)
    if not np.all(np.abs(xywh) <= FAR):
        raise InputError("a face's box is no number, or out of all bounds", where=where, hint=HINT)
    counts = [len(box) for box in boxes]
    sets = {name: _counted(folder / f"wider_{name}_val.mat", counts) for name in SETS}
    return Truth(
        origin=str(folder),
        pictures=tuple(pictures),
        classes=(FACE,),
        picture=np.repeat(np.arange(len(pictures)), counts),
        label=np.zeros(len(xywh), np.int64),
        boxes=from_xywh(xywh),
        ignored=~sets["hard"],
        sizes=np.zeros((len(pictures), 2), np.int64),
        sets=sets,
    )


def sniff(path: Path) -> int:
    """Text files one folder deep."""
    return PERHAPS if there.is_folder(path) and any(_texts(path)) else NO


def _ground_truth(folder: Path) -> Path:
    if folder.suffix == ".mat":
        return folder.parent
    names = names_in(folder)
    lists_only = any(n.endswith("_bbx_gt.txt") for n in names)
    lists_only &= not any(n.endswith(".mat") for n in names)
    if folder.suffix == ".txt" or lists_only:
        raise InputError(
            "the list of faces does not say which are easy, medium or hard", where=folder, hint=HINT
        )
    inside = folder / "ground_truth"
    if there.is_there(folder / "wider_face_val.mat") or not there.is_folder(inside):
        return folder
    return inside


def _load(path: Path, names: Sequence[str]) -> list[Sequence[Any]]:
    """Cell arrays of one ``.mat`` file."""
    if not there.is_there(path):
        raise InputError("this file of the truth is missing", where=path, hint=HINT)
    found = read_mat(path, names)
    for name in names:
        if name not in found:
            raise InputError(f'the field "{name}" is missing', where=path, hint=HINT)
        if not found[name].dtype.hasobject:
            raise InputError(f'the field "{name}" is no cell array', where=path, hint=HINT)
    return [_cells(found[name]) for name in names]


def _cells(array: Any) -> Sequence[Any]:
    """What a cell array holds; nothing of an empty one, whatever it is.

    Raises:
        ValueError: it is an array of another kind.
    """
    if not array.size:
        return []
    if not array.dtype.hasobject:
        raise ValueError("a cell array should stand where another does")
    cells: Sequence[Any] = array.ravel().tolist()
    return cells


def _text(array: Any) -> str:
    if array.dtype.kind != "U" or array.size != 1:
        raise ValueError("a name is no text")
    text: str = array.item()
    return text


def _numbers(array: Any, columns: int) -> Floats:
    """float64 (N, columns)."""
    if array.dtype.hasobject or array.dtype.kind == "U":
        raise ValueError("text or cells stand where numbers should")
    if array.size and (array.ndim != 2 or columns not in (1, array.shape[1])):
        raise ValueError(f"{columns} columns should stand where {array.shape[1]} do")
    return np.asarray(array, np.float64).reshape(-1, columns)


def _counted(path: Path, counts: list[int]) -> Flags:
    """Which faces count in one setting; the others are ignored."""
    (events,) = _load(path, ("gt_list",))
    try:
        chosen = [_numbers(rows, 1)[:, 0] for event in events for rows in _cells(event)]
    except ValueError as error:
        raise InputError(f"its lists do not fit: {error}", where=path, hint=HINT) from None
    if len(chosen) != len(counts):
        text = f"it has {len(chosen):,} pictures, wider_face_val.mat {len(counts):,}"
        raise InputError(text, where=path, hint=HINT)
    starts = np.cumsum(counts) - counts
    flags = np.zeros(sum(counts), np.bool_)
    for start, count, rows in zip(starts, counts, chosen, strict=True):
        if not np.isin(rows, np.arange(1, count + 1)).all():
            raise InputError("it counts a face that is not there", where=path, hint=HINT)
        flags[start + rows.astype(np.int64) - 1] = True
    return flags


def read_detections(folder: Path, truth: Truth) -> Found:
    """The text files of a folder, matched to the truth's pictures by event and name.

    Raises:
        InputError: there is no such folder, no file's name is that of a picture, or a file does not
            keep to the format.
    """
    files = _files(folder)
    index = {name: i for i, name in enumerate(truth.pictures)}
    known = [name for name in truth.pictures if name in files]
    notes = Tally()
    if not known:
        has = f"none of its {len(files):,} files is called like" if files else "it has no file of"
        hint = f"Expected files such as {truth.pictures[0]}.txt; the truth is {truth.origin}"
        inside = (name for event in names_in(folder) for name in names_in(folder / event))
        hint = unpack_hint(inside) or hint
        raise InputError(f"{has} a picture of the truth", where=folder, hint=hint)
    for name in files.keys() - index.keys():
        notes.add("file of a picture that the truth does not have (not read)", files[name])
    contents = ordered_map(lambda name: read_plain(files[name], WHAT, MAX_BYTES), known, 2)
    pairs = zip(known, contents, strict=True)
    columns = Columns()
    has_entry = np.zeros(len(index), np.bool_)
    for file, (name, data) in enumerate(pairs):
        rows = _parse_file(data, files[name], name, notes)
        has_entry[index[name]] = True
        same = (np.full(len(rows), value) for value in (index[name], 0, file))
        boxes: Floats = from_xywh(rows[:, :4])
        columns.add(*same, rows[:, 4], boxes, np.arange(len(rows)))
    picture, label, file_of, scores, corners, entries = columns.whole()
    found = Found(
        origin=str(folder),
        picture=picture,
        label=label,
        scores=scores,
        boxes=corners,
        has_entry=has_entry,
        notes=notes,
        lists_empty=True,
        lines=Lines(COLUMNS, tuple(files[name] for name in known), file_of, entries, head=2),
    )
    note_odd_boxes(found, truth)
    return found


def _files(folder: Path) -> dict[str, str]:
    """``EVENT/picture`` → path, of all text files one folder deep."""
    try:
        return dict(_texts(folder))
    except OSError as error:
        text = f"cannot read the folder of detections: {error.strerror}"
        raise InputError(text, where=error.filename or folder, hint=cure(error)) from None


def _texts(folder: Path) -> Iterator[tuple[str, str]]:
    for event in entries(folder):
        if is_folder(event):
            for entry in entries(event.path):
                if entry.name.endswith(".txt"):
                    yield f"{event.name}/{entry.name[:-4]}", entry.path


def _parse_file(data: bytes, path: str, name: str, notes: Tally) -> Floats:
    """One picture's rows of x, y, width, height, score; float64 (N, 5)."""
    if b"\r" in data or b"\t" in data:
        data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\t", b" ")
    header, _, rest = data.partition(b"\n")
    count_line, _, body = rest.partition(b"\n")
    if not data.strip():
        notes.add("empty file: taken as a picture in which nothing was found", path)
        return np.zeros((0, 5))
    count = count_line.strip()
    if not (count.isdigit() and len(count) < 10):
        raise InputError(
            f"the number of faces should stand here, found {count[:40].decode(errors='replace')!r}",
            where=f"{path}:2",
            hint="Line 1 is the picture's name, line 2 the number of lines x y w h score below",
        )
    stem = header.strip().rpartition(b"/")[2].rpartition(b"\\")[2]
    if name.rpartition("/")[2].encode() not in (stem, stem.rpartition(b".")[0]):
        notes.add("line 1 names another picture (the file's own name is used)", path)
    return _rows(body, int(count), path)


def _rows(body: bytes, count: int, path: str) -> Floats:
    """Fast where each line is five plain numbers, else line by line, which finds the fault."""
    tidy = body.strip()
    for twice, once in ((b"  ", b" "), (b" \n", b"\n"), (b"\n ", b"\n"), (b"\n\n", b"\n")):
        while twice in tidy:
            tidy = tidy.replace(twice, once)
    # What is announced is believed once there are as many lines. Between numbers there is nothing
    # but one space, four times, and a line's end.
    there = tidy.count(b"\n") + bool(tidy)
    if there == count and tidy.translate(None, _NUMBERS) == (b"    \n" * count)[:-1]:
        try:
            values = np.array(_decode(b"[" + tidy.translate(_COMMAS) + b"]")).reshape(count, 5)
            if not count or np.abs(values).max() < 1e9:
                return values
        except (msgspec.DecodeError, ValueError):
            pass
    lines = body.decode("utf-8", errors="replace").split("\n")
    rows = [
        line_of_numbers(line, COLUMNS, f"{path}:{number}")
        for number, line in enumerate(lines, 3)
        if line.strip()
    ]
    if len(rows) != count:
        text = f"{count} faces are announced, {len(rows)} lines follow"
        raise InputError(text, where=f"{path}:2", hint="The file is cut short or was edited")
    return np.array(rows, np.float64).reshape(-1, 5)


def write_widerface_folder(
    folder: Path,
    detections: Mapping[str, Detections],
    sizes: Mapping[str, tuple[int, int]],
    label: int = 1,
) -> None:
    """Write a folder that the official tool and :func:`read_detections` read, whole or not at all.

    Args:
        folder: must not exist, or be empty.
        detections: ``EVENT/picture`` (an ending is dropped) → what was found, boxes as fractions;
            read one by one.
        sizes: the same names → width and height in pixels.
        label: the label of faces; others are left out.

    Raises:
        OutputError: the folder is not empty or cannot be written.
        InputError: a name leads out of the folder.

    >>> half = np.array([[0.0, 0.0, 0.5, 1.0]], np.float32)
    >>> face = Detections(np.array([1], np.int32), np.array([0.25], np.float32), half)
    >>> write_widerface_folder(Path("faces"), {"0--Parade/a": face}, {"0--Parade/a": (64, 48)})
    >>> print(Path("faces/0--Parade/a.txt").read_text(), end="")
    a
    1
    0.0000 0.0000 32.0000 48.0000 0.25
    """
    with new_folder(folder) as beside:
        for name, found in detections.items():
            stem = ENDING.sub("", name)
            mine = found.labels == label
            boxes = to_xywh(found.in_pixels(*sizes[name])[mine].astype(np.float64))
            rows = np.column_stack([boxes, found.scores[mine]]).tolist()
            lines = [f"{x:.4f} {y:.4f} {w:.4f} {h:.4f} {s:.8g}\n" for x, y, w, h, s in rows]
            title = stem.rpartition("/")[2]
            require_below(folder, f"{stem}.txt")
            path = beside / f"{stem}.txt"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{title}\n{len(rows)}\n{''.join(lines)}", encoding="utf-8")
