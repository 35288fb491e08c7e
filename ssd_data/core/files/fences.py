"""Folders that a user has named: what lies in one is read there, not where a link leads out.

A data set may come from a stranger, and a link in it may lead to anything that whoever builds it
can read: what is built would hold that. So a link that leaves the folder is not followed, unless
the user asks for it. Links that stay inside are followed, and the folder may be a link itself: the
user has named it.

:func:`keep_inside` says which folder that is, for this process; what is read below it comes through
``inside.py``. Each folder is looked at once: a file costs two look-ups.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import TypeAlias

from ssd_data.core.errors import InputError
from ssd_data.core.files.paths import listable
from ssd_data.core.files.remote.address import remote

HINT = "--follow-links reads through such links (in Python follow_links=True)"
AnyPath: TypeAlias = Path | str


@dataclass(slots=True)
class _Fence:
    """A folder that was named.

    Attributes:
        top: its absolute path.
        real: where it is, and the other folders that links may lead into.
        follow: whether links may leave it. refused: the first error about one.
    """

    top: str
    real: tuple[str, ...]
    follow: bool
    refused: InputError | None = None


@dataclass(frozen=True, slots=True)
class _Place:
    """A folder that was looked at: whether a link out leads to it, its own links, and whether it
    could be listed."""

    out: bool = False
    links: frozenset[str] = frozenset()
    listed: bool = True


_FREE = _Place()
_absolute, _above = os.path.abspath, os.path.dirname  # of Path's none leaves links as they are
_fences: dict[str, _Fence] = {}
_places: dict[str, _Place] = {}


def keep_inside(folder: AnyPath, follow: bool = False, also: Iterable[AnyPath] = ()) -> None:
    """From now on nothing is read through a link that leaves this folder.

    The same holds for the folders inside, whatever was said of them before.

    Args:
        follow: all is read. also: other folders that links may lead into: the user has named them.
    """
    if (far := remote(folder)) is not None:  # a store has no links
        from ssd_data.core.files.remote.stores import take_store

        take_store(far)
        return
    top = _absolute(folder)
    for other in [name for name in _fences if name.startswith(f"{top.rstrip('/')}/")]:
        del _fences[other]
    real = tuple(os.path.realpath(one) for one in (folder, *also) if remote(one) is None)
    _fences[top] = _Fence(top, real, follow)
    _places.clear()


@dataclass(frozen=True, slots=True)
class Fence:
    """What :func:`keep_inside` was told, for another process."""

    folder: str
    real: tuple[str, ...]
    follow: bool


def fence_of(folder: AnyPath) -> Fence | None:
    """What was said of a folder, or of one that it lies in."""
    if remote(folder) is not None:
        return None
    found = _fence_of(_absolute(folder))
    return None if found is None else Fence(found.top, found.real, found.follow)


def set_up_fence(fence: Fence | None) -> None:
    """Keep to it in this process too, which may be another than that in which it was made."""
    if fence is not None and fence.folder not in _fences:
        _fences[fence.folder] = _Fence(fence.folder, fence.real, fence.follow)
        _places.clear()


@contextmanager
def kept_inside(
    folder: AnyPath, follow: bool = False, also: Iterable[AnyPath] = ()
) -> Iterator[None]:
    """As :func:`keep_inside`, for as long as a folder is looked at that may not be meant."""
    before = dict(_fences)
    keep_inside(folder, follow, also)
    try:
        yield
    finally:
        _fences.clear()
        _fences.update(before)
        _places.clear()


def is_kept(folder: AnyPath) -> bool:
    """Whether a folder is one of those, or lies in one."""
    if (far := remote(folder)) is not None:
        from ssd_data.core.files.remote.stores import is_named

        return is_named(far)
    return _fence_of(_absolute(folder)) is not None


def _fence_of(absolute: str) -> _Fence | None:
    while absolute not in _fences:
        above = _above(absolute)
        if above == absolute:
            return None
        absolute = above
    return _fences[absolute]


def _is_out(fence: _Fence, path: str) -> bool:
    real = os.path.realpath(path)
    return not any(
        real == place or real.startswith(f"{place.rstrip('/')}/") for place in fence.real
    )


def _look(folder: str, held: Iterable[os.DirEntry[str]] | None = None) -> _Place:
    """A folder, looked at now where it was not.

    Args:
        held: what is in it, if that is known, so that it is not asked for again; no link that
            leads out leads to it then.
    """
    place = _places.get(folder)
    if place is None and "\0" in folder:  # no file is called so: whoever reads it says so
        return _FREE
    if place is None:
        fence = _fence_of(_absolute(folder))
        if fence is None or fence.follow:
            place = _FREE
        elif held is None and _is_out(fence, folder):
            place = _Place(out=True)
        else:
            held = _held(folder) if held is None else held
            links = frozenset(one.name for one in held or () if one.is_symlink())
            place = _Place(links=links, listed=held is not None)
        _places[folder] = place
    return place


def _held(folder: str) -> list[os.DirEntry[str]] | None:
    try:
        with os.scandir(folder or ".") as found:
            return list(found)
    except OSError:  # whoever reads it says so
        return None


def leads_out(path: AnyPath) -> bool:
    """Whether a file or folder is reached through a link that leaves the folder it is kept in.

    >>> leads_out("sample/voc/JPEGImages/test000001.jpg")
    False
    """
    if remote(path) is not None:
        return False
    folder, _, name = str(path).rpartition("/")
    place = _look(folder if folder or name == str(path) else "/")
    if place.listed and not place.out and name not in place.links and name != "..":
        return False
    fence = _fence_of(_absolute(path))
    return fence is not None and _is_out(fence, str(path))


def require_inside(path: AnyPath) -> None:
    """Refuse what :func:`leads_out`.

    Raises:
        InputError: it does; the error names the link.
    """
    if leads_out(path):
        raise refused(path)


def refused(path: AnyPath) -> InputError:
    """The error about a path that leads out: it names the link that does."""
    fence = _fence_of(_absolute(path))
    assert fence is not None
    ways = list(accumulate(str(path).split("/"), "{}/{}".format))
    inside = (way for way in ways if way and _fence_of(_absolute(way)) is fence)
    link = next((way for way in inside if _is_out(fence, way)), ways[-1])
    target = listable(os.path.realpath(link))
    what = f'this link leaves the data set\'s folder: it leads to "{target}"'
    error = InputError(what, where=listable(link), hint=HINT)
    fence.refused = fence.refused or error
    return error


def require_none_refused(folder: AnyPath) -> None:
    """Whoever looks at what lies in a folder may pass over what cannot be read. A link that leads
    out is no such thing: it is for the user to say whether it is followed.

    Raises:
        InputError: since :func:`keep_inside` one was refused in the folder, or in that which it
            lies in.
    """
    fence = _fence_of(_absolute(folder)) if remote(folder) is None else None
    if fence is not None and fence.refused is not None:
        raise fence.refused


def require_not_out(folder: str) -> None:
    """Refuse a folder that a link which leads out leads to, before it is listed.

    Raises:
        InputError: it is one.
    """
    known = _places.get(folder)
    fence = None if known else _fence_of(_absolute(folder))
    if known.out if known else fence is not None and not fence.follow and _is_out(fence, folder):
        raise refused(folder)


def remember(folder: str, held: Iterable[os.DirEntry[str]]) -> None:
    """What lies in a folder, so that it is not listed again to know its links."""
    _look(folder, held)
