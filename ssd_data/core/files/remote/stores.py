"""The stores that a user has named in this process; what lies in no such is not asked for."""

from __future__ import annotations

import os
from collections.abc import Mapping

from ssd_data.core.files.remote.address import RemotePath
from ssd_data.core.files.remote.listing import StoredFile
from ssd_data.core.files.remote.store import Store

_stores: dict[str, Store] = {}


def name_store(path: RemotePath, user: str = "") -> None:
    """What lies below an address may be read from now on.

    Args:
        user: name and password that the address was given with.
    """
    text = str(path)
    if (above := _above(text)) is not None and not above.flat:
        if above.taken:
            _stores[above.root] = Store(above.root, user or above.user)
        return
    for other in [one for one in _stores if one.startswith(f"{text}/")]:
        del _stores[other]
    _stores[text] = Store(text, user or _user_of(text))
    beside = str(path.parent)
    if _above(beside) is None:  # of an LMDB, the labelmap and the build's record
        _stores[beside] = Store(beside, _stores[text].user, flat=True)


def take_store(path: RemotePath) -> None:
    """A data set was found there: what is known of the store is so for as long as that is used."""
    if not is_named(path):
        name_store(path)
    store_of(path).taken = True


def know_store(path: RemotePath, files: Mapping[str, StoredFile] | None) -> None:
    """Of what lies below an address another process has listed this, which is all that is read;
    None: it is listed here."""
    found = _stores.get(str(path))
    if found is None or found.flat:
        found = _stores[str(path)] = Store(str(path), _user_of(str(path)))
    found.know(files)


def _user_of(text: str) -> str:
    """Name and password that another address of the same bucket or machine was given with."""
    start = "/".join(text.split("/", 3)[:3])
    same = (one.user for root, one in _stores.items() if f"{root}/".startswith(f"{start}/"))
    return next(filter(None, same), "")


def _above(text: str) -> Store | None:
    best = ""
    for root in _stores:
        if len(root) > len(best) and (text == root or text.startswith(f"{root}/")):
            best = root
    return _stores[best] if best else None


def store_of(path: RemotePath) -> Store:
    """The store that a path lies in.

    Raises:
        RuntimeError: it lies in none that was named: whoever asks has skipped a door.
    """
    found = _above(str(path))
    if found is None:
        raise RuntimeError(f"{path} is asked for, and nobody has named it")
    return found


def is_named(path: RemotePath) -> bool:
    """Whether it lies in a store that was named."""
    found = _above(str(path))
    return found is not None and not found.flat


def _after_fork() -> None:
    """Connections, threads and files belong to the process that made them."""
    for one in _stores.values():
        one.forget_connection()


os.register_at_fork(after_in_child=_after_fork)
