"""Temporary folders of which none stays, even where the process that made one was killed."""

from __future__ import annotations

import fcntl
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ssd_data.core.errors import OutputError
from ssd_data.core.files.exchange import remove_tree
from ssd_data.core.files.whole import claim

PREFIX = "ssd-data-"
_LOCK, _WORK = ".lock", "work"


@contextmanager
def scratch(top: Path | None = None) -> Iterator[Path]:
    """An empty folder in the system's temporary one, or hidden in another; removed in the end.

    Those of dead processes are removed before: each has a file that its process has locked.

    Raises:
        OutputError: it cannot be made. OSError: so, in a folder that was named.
    """
    try:
        folder, descriptor = _made(top)
    except OSError as error:
        if top is not None:
            raise
        raise OutputError(
            f"no temporary folder can be made: {error.strerror}",
            where=error.filename or "",
            hint="Free space, or name another place with TMPDIR",
        ) from None
    try:
        work = folder / _WORK
        work.mkdir()
        yield work
    finally:
        with suppress(OSError):
            _remove(folder)
        os.close(descriptor)


@contextmanager
def temporary_files_in(folder: Path) -> Iterator[None]:
    """What Python's libraries make in the system's temporary folder is made there meanwhile."""
    before, tempfile.tempdir = tempfile.tempdir, str(folder)
    try:
        yield
    finally:
        tempfile.tempdir = before


def _made(top: Path | None) -> tuple[Path, int]:
    prefix = PREFIX if top is None else f".{PREFIX}"
    _remove_dead(top or Path(tempfile.gettempdir()), prefix)
    while True:
        folder = Path(tempfile.mkdtemp(prefix=prefix, dir=top))
        try:
            descriptor = claim(folder / _LOCK)
        except FileNotFoundError:  # another process took it for a dead one's
            continue
        except BaseException:
            folder.rmdir()
            raise
        assert descriptor is not None
        return folder, descriptor


def _remove_dead(top: Path, prefix: str) -> None:
    for folder in top.glob(f"{prefix}*"):
        with suppress(OSError):
            status = folder.lstat()
            if stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid():
                _remove_if_dead(folder)


def _remove_if_dead(folder: Path) -> None:
    path = folder / _LOCK
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        folder.rmdir()  # where it holds nothing, its process has died, or makes another
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _remove(folder)
    finally:
        os.close(descriptor)


def _remove(folder: Path) -> None:
    """Its lock last: without that nobody could tell that it is a dead one's."""
    try:
        for path in folder.iterdir():
            if path.name != _LOCK:
                remove_tree(path)
        (folder / _LOCK).unlink(missing_ok=True)
        folder.rmdir()
    except KeyboardInterrupt:
        with suppress(OSError):
            _remove(folder)
        raise
