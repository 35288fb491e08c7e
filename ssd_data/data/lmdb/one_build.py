"""An LMDB and what lies beside it, read while somebody may be building it anew.

A build takes its folder's place in one step, so that each file is of one build or the other; who
reads several must see that they are of the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ssd_data.core.errors import InputError
from ssd_data.core.files.moving import require_settled
from ssd_data.core.files.remote.address import remote
from ssd_data.core.files.there import Stamp, look_anew, look_at
from ssd_data.data.lmdb.manifest import MANIFEST
from ssd_data.data.lmdb.shards import SHARDS
from ssd_data.data.lmdb.strangers import DATA

Mark = list[Stamp | None]


@contextmanager
def one_build(path: Path) -> Iterator[None]:
    """Make sure that all that is read in this context of an LMDB, or of a build's folder, and of
    the files beside it belongs together. What stays open may be read on afterwards.

    Raises:
        InputError: another build has taken its place meanwhile.
    """
    mark = mark_of(path)
    yield
    require_mark(path, mark)


def mark_of(path: Path) -> Mark:
    """What tells a build from the next one in its place."""
    real = path.resolve()
    files = (real / DATA, real / SHARDS, real / MANIFEST, real.parent / MANIFEST)
    mark = [_stamp(file) for file in files]
    if remote(real) is None or not any(mark):
        return mark
    for folder in (real, real.parent):
        look_anew(folder)
    return [_stamp(file) for file in files]


def require_mark(path: Path, mark: Mark) -> None:
    """Make sure that no other build has taken the place of the one with that mark.

    Raises:
        InputError: one has.
    """
    if mark_of(path) != mark:
        raise InputError(
            "it was built anew, or changed, while it was being read",
            where=path,
            hint="Run this again",
        )
    for folder in {path, path.parent, path.resolve().parent}:
        require_settled(folder)


def _stamp(file: Path) -> Stamp | None:
    try:
        return look_at(file)
    except (FileNotFoundError, NotADirectoryError):
        return None
