"""What an instances JSON says of itself: its categories, its writer, some of its file names.

Its head decides whether it is looked at; then one pass finds its parts, none of which is kept.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec

from ssd_data.core.classes.background import is_background, is_background_first
from ssd_data.core.errors import InputError
from ssd_data.core.files.fences import require_inside
from ssd_data.core.files.inside import read_head
from ssd_data.core.files.paths import file_error, listable
from ssd_data.core.files.there import stamp
from ssd_data.data.formats.coco.jsonfile import (
    BOM,
    BROKEN,
    MISFIT,
    MISFIT_HINT,
    JsonFile,
    MisfitError,
)
from ssd_data.data.formats.coco.loose import TextIds
from ssd_data.data.formats.coco.schema import NOTHING, CocoParts

HEAD, LOOKED_AT, FEW = 1 << 16, 1 << 18, 16
MOST_BYTES = 1 << 62
LABEL_STUDIO = "Label Studio"
_KEY = re.compile(rb'"(?:images|annotations|categories)"\s*:\s*\[')
_NAMED = re.compile(rb'"(?:file_name|coco_url)"\s*:\s*("(?:[^"\\]|\\.)+")')
_CVAT = re.compile(rb'"attributes"\s*:\s*\{[^{}]*"occluded"')
_NO_PARENT = (None, "", "none")


@dataclass(frozen=True, slots=True)
class NamedCategory:
    """A class: its id as text, and its name."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class JsonGlance:
    """What a JSON says of itself.

    Attributes:
        categories: by id, without ``root``.
        root: a category that is no class, and no box has it: the background's, or one that only
            holds the others together, as Roboflow writes it (all name it as their parent). None
            where there is none.
        names: some of the file names that it states.
        exported: whether Label Studio or CVAT wrote it, whose boxes are not always COCO's.
        whole: whether it has images and categories.
    """

    categories: tuple[NamedCategory, ...]
    root: NamedCategory | None
    names: tuple[str, ...]
    exported: bool
    whole: bool = True


class _Category(msgspec.Struct):
    id: Any = None
    name: Any = None
    supercategory: Any = None


class _Used(msgspec.Struct, gc=False):
    category_id: Any = None


class _Info(msgspec.Struct):
    contributor: Any = None


def is_by_label_studio(info: msgspec.Raw) -> bool:
    """Whether a JSON's ``info`` names it: its boxes are upright, its sizes as stored."""
    try:
        return bool(msgspec.json.decode(info, type=_Info).contributor == LABEL_STUDIO)
    except BROKEN:
        return False


def is_likely(path: Path) -> bool:
    """Whether a file begins as an instances JSON does; its first bytes are read."""
    try:
        head = read_head(path, "JSON", MOST_BYTES, HEAD)
    except InputError:
        return False
    return head.removeprefix(BOM).lstrip()[:1] == b"{" and _KEY.search(head) is not None


def glance(path: Path, name: str) -> JsonGlance:
    """What an instances JSON says of itself.

    Raises:
        MisfitError: it is another JSON: of captions, of panoptic segments, or of another tool.
        InputError: it is absent or malformed, or its categories are.
    """
    require_inside(path)
    try:
        seen = stamp(path)
    except OSError as error:
        raise file_error(path, "annotation", name, error) from None
    return _glance(path, name, seen)


@lru_cache(maxsize=64)
def _glance(path: Path, name: str, seen: tuple[int, int]) -> JsonGlance:
    file = JsonFile(path, name)
    parts = file.decode(CocoParts)
    begin = bytes(memoryview(parts.annotations)[:LOOKED_AT]).partition(b"}")[0]
    if b'"segments_info"' in begin or (b'"caption"' in begin and b'"bbox"' not in begin):
        what = "panoptic segments" if b'"segments_info"' in begin else "captions"
        raise MisfitError(f"the annotations are {what}", where=name, hint=MISFIT_HINT)
    if not all(_is_array(part) for part in (parts.images, parts.annotations, parts.categories)):
        text = "images, annotations and categories are no lists"
        raise MisfitError(text, where=name, hint=MISFIT_HINT)
    listed, parents = (
        _listed(parts.categories, name) if parts.categories is not NOTHING else ([], [])
    )
    root = _root(listed, parents, parts.annotations)
    return JsonGlance(
        categories=tuple(category for category in listed if category is not root),
        root=root,
        names=_names(parts.images),
        exported=is_by_label_studio(parts.info) or _is_by_cvat(parts.annotations),
        whole=NOTHING not in (parts.images, parts.categories),
    )


def _is_by_cvat(annotations: msgspec.Raw) -> bool:
    return _CVAT.search(bytes(memoryview(annotations)[:LOOKED_AT])) is not None


def _is_array(part: msgspec.Raw) -> bool:
    return part is NOTHING or bytes(memoryview(part)[:1]) == b"["


def _names(images: msgspec.Raw) -> tuple[str, ...]:
    found = _NAMED.findall(bytes(memoryview(images)[:LOOKED_AT]))
    names = []
    for text in found[:: max(len(found) // FEW, 1)]:
        try:
            names.append(str(msgspec.json.decode(text)))
        except BROKEN:
            continue
    return tuple(dict.fromkeys(names))


def _listed(raw: msgspec.Raw, name: str) -> tuple[list[NamedCategory], list[object]]:
    """The categories by id, each once, and what each names as its parent."""
    where = f"{name}: categories"
    ids = TextIds()
    found: dict[int, tuple[NamedCategory, object]] = {}
    try:
        stated = msgspec.json.decode(raw, type=list[_Category])
    except BROKEN as error:
        raise InputError(f"{MISFIT}: {error}", where=where) from None
    for index, one in enumerate(stated):
        number = ids.number(one.id)
        shown = listable(one.name) if isinstance(one.name, str) else _plain(one.name)
        if number is None or shown is None:
            raise InputError("a category without an id or a name", where=f"{where}[{index}]")
        category = NamedCategory(ids.text(number) or str(number), shown)
        before, _ = found.setdefault(number, (category, one.supercategory))
        if before != category:
            raise InputError(
                f'two categories have the id {category.id}: "{before.name}" and "{shown}"',
                where=f"{where}[{index}]",
                hint="Give each class an id of its own",
            )
    pairs = [found[number] for number in sorted(found)]
    return [category for category, _ in pairs], [parent for _, parent in pairs]


def _plain(value: object) -> str | None:
    return str(value) if isinstance(value, int | float) else None


def _root(
    listed: Sequence[NamedCategory], parents: Sequence[object], annotations: msgspec.Raw
) -> NamedCategory | None:
    """The category that is no class, as long as no box has it."""
    root = next((one for one in listed if is_background(one.name)), None)
    if listed and (is_background_first(listed[0].name) or _holds_others(listed, parents)):
        root = listed[0]
    if root is None:
        return None
    ids = TextIds()
    wanted = ids.number(root.id)
    used: list[_Used] = []
    try:
        if annotations is not NOTHING:
            used = msgspec.json.decode(annotations, type=list[_Used])
    except BROKEN:
        return None
    return None if any(ids.number(one.category_id) == wanted for one in used) else root


def _holds_others(listed: Sequence[NamedCategory], parents: Sequence[object]) -> bool:
    """Whether the first category is the parent of all others."""
    of_others = {str(parent) for parent in parents[1:]}
    return of_others == {listed[0].name} and parents[0] in _NO_PARENT
