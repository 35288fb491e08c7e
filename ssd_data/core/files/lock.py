"""Keeping other processes away from what this one writes."""

from __future__ import annotations

import fcntl
from typing import TYPE_CHECKING

from ssd_data.core.errors import OutputError

if TYPE_CHECKING:
    from _typeshed import FileDescriptorLike


def lock(file: FileDescriptorLike, what: str, *, where: object, hint: str) -> None:
    """Lock an open file until it is closed or the process ends.

    >>> with open("run.log", "w") as mine, open("run.log") as other:
    ...     lock(mine, "this is being written", where="run.log", hint="Wait")
    ...     lock(other, "this is being written", where="run.log", hint="Wait")
    Traceback (most recent call last):
    ssd_data.core.errors.OutputError: run.log: this is being written
      Wait

    Raises:
        OutputError: another holds it; ``what``, ``where`` and ``hint`` say so.
        OSError: the file system has no locks.
    """
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise OutputError(what, where=where, hint=hint) from None
