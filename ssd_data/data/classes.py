"""The classes of a data set after renaming: before any labelmap is made of them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from difflib import get_close_matches
from typing import TypeAlias

from ssd_data.core.errors import InputError, UsageError
from ssd_data.core.legible import few

MOST_COMPARED = 5000
Classes: TypeAlias = Sequence[tuple[str, str]]


def renamed(
    classes: Classes, wanted: Mapping[str, str]
) -> tuple[list[tuple[str, str]], dict[str, str]]:
    """Classes as ``wanted`` renames, merges or (empty) drops them, all at once.

    A class may be named by what annotations say or by what people read. Where the two differ, as
    COCO's ids and names do, a new name changes what people read only.

    >>> renamed([("17", "cat"), ("18", "dog"), ("19", "cow")], {"dog": "hound", "cow": ""})
    ([('17', 'cat'), ('18', 'hound')], {'19': ''})
    >>> renamed([("cat", "cat"), ("dog", "dog")], {"dog": "cat"})
    ([('cat', 'cat')], {'dog': 'cat'})

    Args:
        classes: name and display name of each.
        wanted: old to new; what is no class is passed on.

    Returns:
        the classes that are left, in their order; and per old name the new one, or empty.
    """
    by_word = {display: name for name, display in reversed(classes)}
    by_word |= {name: name for name, _ in classes}
    shown = dict(classes)
    moving = {by_word.get(old, old) for old in wanted}
    hosts: dict[str, str] = {}
    table: dict[str, str] = {}
    for old, new in wanted.items():
        name = by_word.get(old, old)
        staying = by_word.get(new)
        if new and staying is not None and staying not in moving:
            table[name] = staying
        elif new and shown.get(name, name) != name:
            table[name] = hosts.setdefault(new, name)
            shown[table[name]] = new
        else:
            table[name] = new
    left: dict[str, str] = {}
    for name, _ in classes:
        if target := table.get(name, name):
            left.setdefault(target, shown.get(target, target))
    return list(left.items()), {old: new for old, new in table.items() if old != new}


def require_matched(wanted: Mapping[str, str], known: Collection[str]) -> None:
    """Whether each name that is renamed is there.

    Raises:
        UsageError: one matches nothing; the hint has the nearest.
    """
    for old in wanted:
        if old not in known:
            near = get_close_matches(old, list(known)[:MOST_COMPARED], n=1, cutoff=0.4)
            guess = f'Did you mean "{near[0]}"? ' if near else ""
            shown = few(sorted(known), 12)
            raise UsageError(
                f'no box is of a class "{old}"', where="--map", hint=f"{guess}There are {shown}"
            )


def numbered(used: Collection[int], where: object) -> list[str]:
    """The names of label numbers, which are to be 1 to N.

    Raises:
        InputError: they have gaps, or count from 0; the hint says how to name them.
    """
    top = max(used)
    if min(used) == 0:
        raise InputError(
            "the label numbers are counted from 0, which is the background's",
            where=where,
            hint="Name each with --map 0=NAME --map 1=NAME …, as it is listed beside your data set",
        )
    if len(used) != top or min(used) != 1:
        raise InputError(
            f"the label numbers are not 1 to {min(top, 10**6)} without gaps",
            where=where,
            hint="Say which classes they mean with --labelmap FILE",
        )
    return [str(n) for n in range(1, top + 1)]


def united(lists: Sequence[Classes], where: object) -> Classes:
    """The classes that the parts of a data set state, each once, in the order of their coming.

    >>> united([[("1", "cup")], [("1", "cup"), ("2", "plate")]], "raw")
    [('1', 'cup'), ('2', 'plate')]

    Raises:
        InputError: one name is shown otherwise by another part.
    """
    found: dict[str, str] = {}
    for name, shown in (pair for classes in lists for pair in classes):
        if found.setdefault(name, shown) != shown:
            raise InputError(
                f'class {name} is "{found[name]}" in one file and "{shown}" in another',
                where=where,
                hint='A recipe reads COCO\'s categories by name: classes = "names" in each source',
            )
    return list(found.items())
