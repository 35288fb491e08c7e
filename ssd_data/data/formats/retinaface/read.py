"""RetinaFace's and SCRFD's lists of faces; see ``schema.py``. Landmarks and blur are read over."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import msgspec
import numpy as np

from ssd_data.core.boxes import from_xywh
from ssd_data.core.errors import InputError
from ssd_data.core.files.inside import read_head, read_lines
from ssd_data.core.files.paths import below, require_below
from ssd_data.core.files.there import is_folder
from ssd_data.core.notes import Tally
from ssd_data.core.structures import AnnotatedImage, Entry
from ssd_data.data.formats import Confidence, Format, Recognised
from ssd_data.data.formats.numbers import FAR, number
from ssd_data.data.formats.parts import files_in
from ssd_data.data.formats.pictures import has_picture_ending, stem_of
from ssd_data.data.formats.retinaface.schema import (
    CLASS,
    IMAGES,
    LIST,
    LIST_V2,
    WIDTHS,
    WIDTHS_V2,
)
from ssd_data.data.formats.splits import role
from ssd_data.data.formats.tree import Tree

LAYOUT = """\
<split>/label.txt    (# <path>, then x y w h and landmarks; or labelv2.txt)
<split>/images/<path>"""
HEAD_BYTES, MOST_BYTES = 1 << 16, 1 << 30
WIDER = "wider_face_split"


class RetinaFaceSource(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A list of faces.

    Attributes:
        list: the file below the root (``train/label.txt``).
        images: the folder that its paths start from.
    """

    list: str
    images: str


def recognise(tree: Tree) -> Recognised[RetinaFaceSource] | None:
    """Lists whose first line is ``# <path of a picture>``, in folders of splits or here."""
    splits: dict[str, list[RetinaFaceSource]] = {}
    said: list[str] = []
    for place in filter(role, tree.folders()):
        names = [name for name in (LIST, LIST_V2) if _is_list(tree.path(f"{place}/{name}"))]
        if names:
            images = IMAGES if IMAGES in tree.folders(place) else "."
            splits[place] = [RetinaFaceSource(f"{place}/{names[-1]}", f"{place}/{images}")]
        if len(names) > 1:
            said.append(f"{place} has {LIST} and {LIST_V2}: {LIST_V2} is read")
    for named in _lists(tree) if not splits else ():
        split = role(stem_of(named.rpartition("/")[2]))
        if split and split not in splits and _is_list(tree.path(named)):
            splits[split] = [RetinaFaceSource(named, _images(tree.root, split))]
    why = "its lists have lines of # <path>"
    return Recognised(splits, why, Confidence.CONTENT, said) if splits else None


def indexed(tree: Tree, name: str) -> Recognised[RetinaFaceSource] | None:
    """The pictures of one list; its name or folder says the split."""
    if not _is_list(tree.path(name)):
        return None
    folder, _, own = name.rpartition("/")
    split = role(stem_of(own)) or (folder if role(folder) else "trainval")
    images = _images(tree.root, split)
    if role(folder):
        images = f"{folder}/{IMAGES}" if IMAGES in tree.folders(folder) else folder
    source = RetinaFaceSource(name, images)
    return Recognised({split: [source]}, f"{name} has lines of # <path>", Confidence.CONTENT)


def _lists(tree: Tree) -> Iterator[str]:
    """The files that may be a split's list, WIDER FACE's first."""
    for folder, ending in ((WIDER, "_gt.txt"), ("", ".txt")):
        yield from (n for n in files_in(tree, (".txt",), folder) if n.endswith(ending))


def _images(folder: Path, split: str) -> str:
    places = (f"WIDER_{split}/{IMAGES}", f"{split}/{IMAGES}", split, IMAGES)
    return next((place for place in places if is_folder(folder / place)), ".")


def _is_list(path: Path) -> bool:
    try:
        data = read_head(path, "list of faces", MOST_BYTES, HEAD_BYTES)
    except InputError:
        return False
    head = data.decode("utf-8", "replace").removeprefix("\ufeff")
    lines = [line for line in head.splitlines()[:50] if line.strip()]
    if not lines or not lines[0].startswith("#"):
        return False
    return any(has_picture_ending(_parted(line)[0]) for line in lines[:1])


def _parted(line: str) -> tuple[str, tuple[int, int] | None]:
    """Path and stated size of a picture's line; None where it states none."""
    text = line[1:].strip()
    words = text.rsplit(maxsplit=2)
    sides = words[1:]
    if len(words) == 3 and all(w.isascii() and w.isdecimal() and len(w) < 7 for w in sides):
        return words[0], (int(sides[0]), int(sides[1]))
    return text, None


def read(root: Path, source: RetinaFaceSource, notes: Tally) -> Iterator[Entry]:
    """The pictures of one list, in its order.

    Raises:
        InputError: a line is no picture and no face, or a picture stands twice.
    """
    name = source.list
    blocks = _blocks(read_lines(below(root, name), "list of faces"), name)
    seen: dict[str, int] = {}
    for first, line, rows in blocks:
        path, size = _parted(line)
        where = f"{name}:{first}"
        if path in seen:
            raise InputError(
                f'the picture "{path}" stands at line {seen[path]} already',
                where=where,
                hint="Each picture has one line, and its faces below that",
            )
        seen[path] = first
        image = path if source.images == "." else f"{source.images}/{path}"
        require_below(root, image, where)
        yield _image(image, name, size, rows, notes)


def _blocks(lines: list[str], name: str) -> Iterator[tuple[int, str, list[tuple[int, str]]]]:
    """Line number and line of each picture, and those of its faces."""
    numbered = ((n, line.strip()) for n, line in enumerate(lines, 1) if line.strip())
    head: tuple[int, str] | None = None
    rows: list[tuple[int, str]] = []
    for n, line in numbered:
        if not line.startswith("#"):
            if head is None:
                raise InputError("a face stands before any picture's line", where=f"{name}:{n}")
            rows.append((n, line))
            continue
        if head is not None:
            yield (*head, rows)
        head, rows = (n, line), []
    if head is not None:
        yield (*head, rows)


def _image(
    image: str, name: str, size: tuple[int, int] | None, rows: list[tuple[int, str]], notes: Tally
) -> AnnotatedImage:
    widths = WIDTHS if size is None else WIDTHS_V2
    faces = [_face(line, f"{name}:{n}", widths) for n, line in rows]
    if any(max(face[4:19], default=-1) > -1 and len(face) >= 19 for face in faces):
        notes.add("landmarks of faces are read over", f"{name}: {image}")
    boxes = np.array([face[:4] for face in faces], np.float32).reshape(-1, 4)
    width, height = size or (None, None)
    return AnnotatedImage(
        image=image,
        annotation=name,
        classes=(CLASS,) * len(faces),
        boxes=from_xywh(boxes) if size is None else boxes,
        difficult=np.array([len(face) == 5 and face[4] == 1 for face in faces], np.bool_),
        width=width,
        height=height,
        places=tuple(n for n, _ in rows),
    )


def _face(line: str, where: str, widths: tuple[int, ...]) -> list[float]:
    values = [number(word) for word in islice(line.split(), max(widths) + 1)]
    if len(values) not in widths or not all(abs(value) < FAR for value in values):
        known = " or ".join(map(str, widths))
        raise InputError(f'"{line[:80]}" is no face: {known} numbers', where=where)
    return values


FORMAT = Format(
    RetinaFaceSource,
    read,
    needs=lambda source: [source.list, source.images],
    layout=LAYOUT,
    recognise=recognise,
    indexed=indexed,
)
