"""What the two forms of an LMDB have in common for who makes one of the other."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from itertools import zip_longest
from pathlib import Path

from ssd_data.core.errors import OutputError
from ssd_data.core.files.hidden import is_hidden
from ssd_data.core.files.resumable import INSIDE
from ssd_data.core.files.there import is_folder, is_named_there
from ssd_data.data.lmdb.sharded import ShardedLmdb
from ssd_data.data.lmdb.single import SingleLmdb
from ssd_data.data.lmdb.store import is_lmdb, open_stored


def is_taken(out: Path, redo: bool, mark: str) -> bool:
    """Whether an LMDB lies there that may be the one that is wanted.

    Args:
        redo: it is replaced.
        mark: the file that LMDBs of its form have.

    Raises:
        OutputError: something else lies there, or an LMDB of the other form.
    """
    if is_named_there(out) and not is_folder(out):
        raise OutputError("a file is in the way", where=out, hint="Move it")
    names = {path.name for path in out.iterdir()} if is_folder(out) else set()
    names = {name for name in names if not is_hidden(name) and name != INSIDE}
    if names and not is_lmdb(out):
        raise OutputError("the folder is not empty", where=out, hint="Name another with -o")
    if names and mark not in names:
        hint = "Remove it, or name another with -o"
        raise OutputError("an LMDB of the other form lies there", where=out, hint=hint)
    return bool(names) and not redo


def require_same(out: Path, wanted: SingleLmdb | ShardedLmdb) -> None:
    """Make sure that an LMDB that lies there holds the same records.

    Raises:
        OutputError: it does not.
    """
    with closing(open_stored(out)) as there:
        same = len(there) == len(wanted) and all(
            a is not None and b is not None and a[0] == b[0] and bytes(a[1]) == bytes(b[1])
            for a, b in zip_longest(there.views(), wanted.views())
        )
    if not same:
        hint = "--redo replaces it; another -o keeps it"
        raise OutputError("another LMDB is there already", where=out, hint=hint)


def evenly(count: int, parts: int) -> Iterator[range]:
    """So many ranges, of almost the same length; fewer where there are not so many.

    >>> list(evenly(5, 2))
    [range(0, 3), range(3, 5)]
    """
    parts = min(parts, count)
    size, longer = divmod(count, max(parts, 1))
    start = 0
    for number in range(parts):
        end = start + size + (number < longer)
        yield range(start, end)
        start = end
