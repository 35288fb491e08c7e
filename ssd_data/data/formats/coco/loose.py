"""Ids, sizes and flags as other tools write them: as texts, or as ``1.0``.

Looked at only where the plain way fails, an entry at a time.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote, urlsplit

import msgspec

from ssd_data.core.errors import InputError
from ssd_data.core.files.paths import listable
from ssd_data.core.notes import Tally
from ssd_data.data.formats.coco.jsonfile import (
    BROKEN,
    MISFIT,
    MISFIT_HINT,
    MisfitError,
    misfit,
    raise_all,
)
from ssd_data.data.formats.coco.schema import NOTHING, CocoAnnotation, CocoImage

FLOOR, OWN = -(2**63), -(2**62)  # numbers between them stand for texts
LONGEST = 200
MOST_SIDE = 2**31
TEXTS = "numbers stand as texts or with a point (taken as the numbers)"
BY_URL = "picture without file_name (found by its coco_url)"


class TextIds:
    """Whole numbers as they are; a number of our own for each other text.

    >>> ids = TextIds()
    >>> ids.number("007"), ids.number(7.0), ids.text(ids.number("a-1"))
    (7, 7, 'a-1')
    """

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._texts: dict[int, str] = {}

    def number(self, value: object) -> int | None:
        """The number of an id; None where it is none."""
        if (whole := _whole(value)) is not None and OWN < whole < 2**63:
            return whole
        if not isinstance(value, str) or not 0 < len(value) <= LONGEST:
            return None
        number = self._numbers.setdefault(value, FLOOR + len(self._numbers))
        self._texts[number] = listable(value)
        return number

    def text(self, number: int) -> str | None:
        """The text that a number of ours stands for, fit to be shown; None where it is the id."""
        return self._texts.get(number)


def _whole(value: object) -> int | None:
    """A whole number, also as ``7.0`` or ``"007"``."""
    if isinstance(value, bool):
        return None
    if isinstance(value, float):
        return int(value) if value.is_integer() else None
    if isinstance(value, str) and value.isascii() and len(value) < 20:
        digits = value.removeprefix("-")
        return int(value) if digits.isdecimal() else None
    return value if isinstance(value, int) else None


def images(raws: list[msgspec.Raw], ids: TextIds, name: str, notes: Tally) -> list[CocoImage]:
    """The pictures of a JSON.

    Raises:
        InputError: some have no id, no name, or a size that is none; all of them are listed.
    """
    found, faults = [], []
    for index, raw in enumerate(raws):
        where = f"{name}: images[{index}]"
        try:
            found.append(_image(raw, ids, where, notes))
        except InputError as error:
            faults.append(error)
    raise_all(faults, name)
    return found


def _image(raw: msgspec.Raw, ids: TextIds, where: str, notes: Tally) -> CocoImage:
    fields = _fields(raw, where)
    number = ids.number(fields.get("id"))
    if number is None:
        raise MisfitError('an image without an "id"', where=where)
    sides = [_side(fields.get(key), where) for key in ("width", "height")]
    stated = [fields.get(key) for key in ("id", "width", "height")]
    if any(isinstance(value, str | float) for value in stated):
        notes.add(TEXTS, where)
    name = fields.get("file_name")
    if not isinstance(name, str) or not name:
        name = _name_of_url(fields.get("coco_url"), where)
        notes.add(BY_URL, f"{where}: {name}")
    return CocoImage(number, name, sides[0], sides[1])


def _name_of_url(url: object, where: str) -> str:
    """``train2017/1.jpg`` of ``http://images.cocodataset.org/train2017/1.jpg``."""
    try:
        path = unquote(urlsplit(url).path).lstrip("/") if isinstance(url, str) else ""
    except ValueError:
        path = ""
    if not path:
        raise MisfitError('an image without a "file_name"', where=where)
    return path


def _side(value: object, where: str) -> int | None:
    if value is None or value == "":
        return None
    side = _whole(value)
    if side is None or not 0 <= side <= MOST_SIDE:
        raise MisfitError(f"width or height is no number of pixels: {value!r:.40}", where=where)
    return side


def annotation(
    raw: msgspec.Raw, image_ids: TextIds, category_ids: TextIds, where: str, notes: Tally
) -> CocoAnnotation:
    """One annotation that does not decode as COCO has it.

    Raises:
        MisfitError: it has no picture or no category.
    """
    fields = _fields(raw, where)
    image = _id(fields, "image_id", image_ids, where)
    category = _id(fields, "category_id", category_ids, where)
    own = _whole(fields.get("id"))
    if own is not None and not -(2**63) <= own < 2**63:
        raise MisfitError(f'{MISFIT}: "id" is beyond 64 bits', where=where, hint=MISFIT_HINT)
    if any(
        isinstance(fields.get(key), str | float)
        for key in ("image_id", "category_id", "id", "iscrowd")
    ):
        notes.add(TEXTS, where)
    return CocoAnnotation(
        image_id=image,
        category_id=category,
        bbox=_raw(fields, "bbox"),
        id=own if own is not None and 0 <= own < 2**63 else -1,
        iscrowd=_flag(fields.get("iscrowd")),
        attributes=_raw(fields, "attributes"),
    )


def _raw(fields: dict[str, Any], key: str) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(fields[key])) if key in fields else NOTHING


def _id(fields: dict[str, Any], key: str, ids: TextIds, where: str) -> int:
    number = ids.number(fields.get(key))
    if number is None:
        shown = f"{fields[key]!r:.40}" if key in fields else "missing"
        raise MisfitError(f'{MISFIT}: "{key}" is {shown}', where=where, hint=MISFIT_HINT)
    return number


def _flag(value: object) -> bool:
    if isinstance(value, str):
        return value.strip().lower() in ("1", "true", "yes")
    return bool(value)


def _fields(raw: msgspec.Raw, where: str) -> dict[str, Any]:
    try:
        return msgspec.json.decode(raw, type=dict[str, Any])
    except BROKEN as error:
        raise misfit(error, where) from None
