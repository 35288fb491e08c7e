"""LabelMe's JSON: what is read of it, and a source of such files."""

from __future__ import annotations

from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec

from ssd_data.core.errors import InputError
from ssd_data.core.files.inside import open_regular, read_bytes
from ssd_data.core.files.paths import require_below
from ssd_data.data.formats.parts import files_in, files_of, holds_picture
from ssd_data.data.formats.splits import role
from ssd_data.data.formats.tree import Tree
from ssd_data.data.formats.undivided import PartSource

JSON = frozenset({".json"})
SAMPLE = 16  # files that are looked into before a folder counts as none of LabelMe's
MAX_BYTES = 512 << 20  # a picture may be inside, as base64
_MARK = b"\xef\xbb\xbf"


class LabelmeShape(msgspec.Struct, gc=False):
    """A shape; ``points`` are x, y in pixels."""

    points: list[list[float]]
    label: str | int | float | None = None
    shape_type: str | None = None
    group_id: int | float | str | None = None
    flags: dict[str, Any] | None = None
    difficult: bool | int | str | None = None  # X-AnyLabeling's


class LabelmeJson(msgspec.Struct):
    """One picture; what else stands there, such as ``imageData``, is passed by."""

    shapes: list[LabelmeShape] | msgspec.UnsetType = msgspec.UNSET
    imagePath: str | None = None  # noqa: N815
    imageWidth: int | float | None = None  # noqa: N815
    imageHeight: int | float | None = None  # noqa: N815
    flags: dict[str, Any] | None = None


class LabelmeSource(PartSource, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """LabelMe's JSON files of a folder.

    Attributes:
        folder: below the root; ``.`` for the root itself. Folders in it that are called after
            splits are others' sources.
    """

    folder: str = "."

    def files(self, root: Path) -> list[str]:
        """The JSON files, below the root."""
        require_below(root, self.folder)
        tree, folder = Tree(root), "" if self.folder == "." else self.folder
        found = files_of(tree, JSON, folder, everywhere=True) if folder else json_files(tree)
        return [name for name in found if split_folder(name) == folder]


def json_files(tree: Tree) -> list[str]:
    """The JSON files of a data set, below its root.

    Those of folders that are called as parts of a data set are; of all folders where some lie at
    its top, or in each that holds pictures.
    """
    if any(is_labelme(tree.path(name)) for name in files_in(tree, JSON)):
        return list(files_of(tree, JSON, everywhere=True))
    found = list(files_of(tree, JSON))
    if any(is_labelme(tree.path(name)) for name in found[:SAMPLE]) or not _all_over(tree):
        return found
    return list(files_of(tree, JSON, everywhere=True))


def _all_over(tree: Tree) -> bool:
    """Whether each folder of pictures has LabelMe's files."""
    return all(_has_json(tree, name) or not holds_picture(tree, name) for name in tree.folders())


def _has_json(tree: Tree, folder: str) -> bool:
    first = islice(files_of(tree, JSON, folder, everywhere=True), SAMPLE)
    return any(is_labelme(tree.path(name)) for name in first)


def split_folder(path: str) -> str:
    """The innermost folder of a path that is called after a split; empty where none is.

    >>> split_folder("labels/train/cam1/test1.json")
    'labels/train'
    """
    parts = path.split("/")[:-1]
    ends = (n for n in range(len(parts), 0, -1) if role(parts[n - 1]))
    return "/".join(parts[: next(ends, 0)])


def is_labelme(path: Path) -> bool:
    """Whether a file's beginning and end are of a JSON of LabelMe's."""
    try:
        with open_regular(path, "annotation", MAX_BYTES) as file:
            head = file.read(_LOOK)
            file.seek(max(path.stat().st_size - _LOOK, len(head)))
            ends = head + file.read(_LOOK)
    except InputError:
        return False
    return ends.lstrip(_MARK).lstrip()[:1] == b"{" and all(key in ends for key in _KEYS)


_KEYS = (b'"shapes"', b'"imagePath"')
_LOOK = 1 << 15


def looks_like(head: bytes) -> bool:
    """Whether a JSON's first bytes have a key that only LabelMe's have, of any version."""
    return any(key in head for key in (*_KEYS, b'"imageData"', b'"lineColor"'))


def stated_name(path: Path, name: str) -> str:
    """The ``imagePath`` of a file; empty where there is none, or it cannot be read."""
    with suppress(InputError):
        if (data := decode(path, name)) is not None:
            return data.imagePath or ""
    return ""


def decode(path: Path, name: str) -> LabelmeJson | None:
    """A file's JSON; None where it is sound but of another kind.

    Raises:
        InputError: the file is absent, malformed, or a value is not what it should be.
    """
    data = read_bytes(path, "annotation", MAX_BYTES, name)
    if not data.strip():
        raise InputError("the annotation is empty", where=name)
    view = memoryview(data)
    try:
        found = _decode(view[3:] if data.startswith(_MARK) else view)
    except msgspec.ValidationError as error:
        if "`$" not in str(error):  # the whole is no object
            return None
        raise InputError(f"not what LabelMe writes: {error}", where=name) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(
            f"malformed JSON: {error}",
            where=name,
            hint="It has to be UTF-8: LabelMe once "
            "wrote the encoding of Windows; save it again, or convert it with iconv"
            if isinstance(error, UnicodeDecodeError) or "utf-8" in str(error).lower()
            else "",
        ) from None
    return None if found.shapes is msgspec.UNSET else found


_decode = msgspec.json.Decoder(LabelmeJson).decode
