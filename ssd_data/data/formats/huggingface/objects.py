"""The objects of a row: a table of lists, or a list of tables, under whatever keys.

Nothing prescribes the keys: https://huggingface.co/docs/datasets/object_detection shows one way.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from ssd_data.core.errors import InputError
from ssd_data.core.files.paths import listable
from ssd_data.data.formats.numbers import FAR

BOX = ("bbox", "bboxes", "boxes", "bounding_box", "bounding_boxes", "box")
_ONE = ("category", "category_name", "label_name", "class_name", "name", "label", "class")
_MANY = ("categories", "labels", "classes", "category_id", "class_id", "label_id")
LABEL = (*_ONE, *_MANY, "category_ids", "class_ids", "label_ids", "labels_id")
CROWD = ("is_crowd", "iscrowd", "crowd")
ONLY_CLASS = "object"  # where no key names any
_NO_CLASS = ("id", "bbox_id", "image_id", "segmentation", "mask", "source")


class UnknownKeyError(InputError):
    """There are boxes, but nobody knows which key is their class's."""


class RowError(ValueError):
    """A row does not say what it should."""


@dataclass(frozen=True, slots=True)
class Keys:
    """Under which keys objects stand.

    Attributes:
        container: the column; empty where the columns themselves are lists.
        box, label, crowd: keys in it; empty where there is none.
    """

    container: str
    box: str
    label: str = ""
    crowd: str = ""


def keys_of(rows: Iterable[Mapping[str, Any]]) -> Keys | None:
    """The keys of boxes in some rows; None where they have none.

    >>> keys_of([{"file_name": "1.png", "objects": {"bbox": [[1, 2, 3, 4]], "categories": [0]}}])
    Keys(container='objects', box='bbox', label='categories', crowd='')

    Raises:
        UnknownKeyError: there are boxes, but their class stands under a key that nobody knows.
    """
    for row in rows:
        for container in (*row, ""):
            if (table := _table(row.get(container) if container else row)) is None:
                continue
            for key in BOX:
                if _are_boxes(table.get(key)):
                    return _keys(table, container, key)
    return None


def _table(value: object) -> Mapping[str, Any] | None:
    """Objects as a table of lists."""
    if isinstance(value, Mapping):
        return value
    if isinstance(value, list) and value and all(isinstance(item, Mapping) for item in value):
        return {key: [item.get(key) for item in value] for key in value[0]}
    return None


def _are_boxes(value: object) -> bool:
    if not isinstance(value, list) or not value:
        return False
    return all(isinstance(b, list) and len(b) == 4 and all(map(_is_number, b)) for b in value)


def _keys(table: Mapping[str, Any], container: str, box: str) -> Keys:
    lists = {key: value for key, value in table.items() if isinstance(value, list) and value}
    there = [key for key in LABEL if isinstance(lists.get(key, [None])[0], int | str)]
    there.sort(key=lambda key: not isinstance(lists[key][0], str))
    odd = [key for key, value in lists.items() if isinstance(value[0], str)]
    odd = [key for key in odd if key not in _NO_CLASS]
    if not there and odd:
        raise UnknownKeyError(
            f'no key is known for the class of objects (is it "{listable(odd[0])}"?)',
            hint=f"Known are {', '.join(LABEL)}: rename it",
        )
    crowd = next((key for key in CROWD if key in lists), "")
    return Keys(container, box, there[0] if there else "", crowd)


class FoundObjects(NamedTuple):
    """An object: its four numbers as they stand there, its class, and whether it is a crowd."""

    box: list[float]
    label: int | str
    crowd: bool


def objects_of(row: Mapping[str, Any], keys: Keys) -> list[FoundObjects] | None:
    """The objects of a row; None where it has no annotation.

    Raises:
        RowError: lists have different lengths, a box is not four numbers, a class is none.
    """
    value = row.get(keys.container) if keys.container else row
    if isinstance(value, list):
        return [_found(item, keys) for item in value]
    if not isinstance(value, Mapping) or value.get(keys.box) is None:
        return None
    names = [key for key in (keys.box, keys.label, keys.crowd) if key]
    lists = [value.get(name) for name in names]
    sizes = {len(held) if isinstance(held, list) else -1 for held in lists}
    if len(sizes) > 1 or -1 in sizes:
        raise RowError(f"{', '.join(names)} are not lists of one length")
    return [_found(dict(zip(names, item, strict=True)), keys) for item in zip(*lists, strict=True)]


def _found(item: object, keys: Keys) -> FoundObjects:
    if not isinstance(item, Mapping):
        raise RowError("an object is no table")
    box, label = item.get(keys.box), item.get(keys.label, ONLY_CLASS)
    if not isinstance(box, list) or len(box) != 4 or not all(map(_is_number, box)):
        raise RowError(f"{listable(str(box)[:60])} is not a box of four numbers")
    if isinstance(label, float) and label.is_integer():
        label = int(label)
    if isinstance(label, bool) or not isinstance(label, int | str) or label in ("", -1):
        raise RowError(f"{listable(str(label)[:60])} is no class")
    return FoundObjects(box, label, bool(item.get(keys.crowd)))


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and abs(value) < FAR
