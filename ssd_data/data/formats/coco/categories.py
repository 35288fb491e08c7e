"""The categories of several JSONs of one data set: whether an id means the same in all of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from ssd_data.core.classes.background import is_background_first
from ssd_data.data.formats.coco.glance import JsonGlance, NamedCategory


def agree(seen: Sequence[JsonGlance]) -> bool:
    """Whether all that several JSONs have of an id or a name, they have alike.

    from ssd_data.data.formats.coco.glance import NamedCategory
        >>> a, b = ((NamedCategory("1", name),) for name in ("cup", "plate"))
        >>> agree([JsonGlance(a, None, (), False), JsonGlance(b, None, (), False)])
        False
    """
    names: dict[str, str] = {}
    ids: dict[str, set[str]] = {}
    roots = unused_roots(seen)
    for one in seen:
        own: defaultdict[str, set[str]] = defaultdict(set)
        root = [] if one.root is None or one.root in roots else [one.root]
        for category in (*one.categories, *root):
            own[category.name].add(category.id)
            if names.setdefault(category.id, category.name) != category.name:
                return False
        if any(ids.setdefault(name, held) != held for name, held in own.items()):
            return False
    return True


def unused_roots(seen: Sequence[JsonGlance]) -> set[NamedCategory]:
    """The categories that are no class and have no box in any of the JSONs."""
    used = {category for one in seen for category in one.categories}
    return {one.root for one in seen if one.root is not None and one.root not in used}


def said_of(seen: Mapping[str, JsonGlance], by_name: bool) -> Iterator[str]:
    """What a user should know of the JSONs' categories, a sentence each."""
    if by_name:
        yield f"{', '.join(seen)} number their categories differently: classes go by their names"
    for root in sorted(unused_roots(list(seen.values())), key=str):
        what = "is label 0 anyway" if is_background_first(root.name) else "only holds the others"
        yield f'category {root.id} "{root.name}" {what} and has no box: left out'
    told = set()
    for one in seen.values():
        for name, held in _twice(one.categories):
            if (name, *held) not in told:
                told.add((name, *held))
                yield f'categories {" and ".join(held)} are both called "{name}": ' + (
                    "one class"
                    if by_name
                    else f"two classes; --map {held[1]}={held[0]} unites them"
                )


def _twice(categories: Sequence[NamedCategory]) -> Iterator[tuple[str, list[str]]]:
    held: defaultdict[str, list[str]] = defaultdict(list)
    for category in categories:
        held[category.name].append(category.id)
    return ((name, ids) for name, ids in held.items() if len(ids) > 1)
