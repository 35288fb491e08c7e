"""A file or a new folder, written whole or not at all, and by one process at a time.

What replaces folders is in ``publish.py``.
"""

from __future__ import annotations

import errno
import fcntl
import io
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from ssd_data.core.errors import OutputError

if TYPE_CHECKING:
    from _typeshed import FileDescriptorLike

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_FORBIDDEN = (errno.EACCES, errno.EPERM, errno.EROFS)
_NO_LOCKS = (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS)
UNLOCKED = "this file system has no locks: a second process here would not be kept out"


def failed(error: OSError, path: Path) -> OutputError:
    """That a file or folder cannot be written, and what to do."""
    hint = "Free space, and try again" if error.errno in _FULL else ""
    if error.errno in _FORBIDDEN:
        hint = "Mend its folder's permissions, or choose another"
    return OutputError(f"cannot write it: {error.strerror}", where=path, hint=hint)


@contextmanager
def new_file(path: Path) -> Iterator[BinaryIO]:
    """Write a file's new content piece by piece, into a temporary file beside it that is synced.

    Raises:
        OutputError: it cannot be written; what was there before is still there.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with beside.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError as error:
        raise failed(error, path) from None
    finally:
        with suppress(OSError):
            beside.unlink(missing_ok=True)


def write_whole(path: Path, data: bytes | str) -> None:
    """Give a file its new content, see :func:`new_file`.

    Raises:
        OutputError: it cannot be written; what was there before is still there.
    """
    with new_file(path) as file:
        file.write(data.encode("utf-8") if isinstance(data, str) else data)


def write_figure(path: Path, figure: Any, dpi: float | None = None) -> None:
    """Write a figure as PNG, by default at its own resolution.

    Raises:
        OutputError: the file cannot be written.
    """
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=dpi or "figure")
    write_whole(path, picture.getvalue())


@contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """A hidden folder to write into, which appears under its name when all of it is there.

    Args:
        folder: must not exist, or be empty.

    Raises:
        OutputError: the folder holds something, or it cannot be written; what could not be written
            in the hidden one is said of the folder.
    """
    if folder.name in ("", ".."):
        raise OutputError("this names no new folder", where=folder, hint="Name one")
    beside = folder.with_name(f".{folder.name}.{os.getpid()}.part")
    try:
        if folder.is_dir() and any(folder.iterdir()):
            raise OutputError("the folder is not empty", where=folder, hint="Choose another")
        beside.mkdir(parents=True)
        yield beside
        beside.replace(folder)
    except OSError as error:
        raise failed(error, folder) from None
    except OutputError as error:
        where = error.where.replace(str(beside), str(folder), 1)
        raise OutputError(error.what, where=where, hint=error.hint) from None
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def lock(file: FileDescriptorLike, what: str, *, where: object, hint: str) -> bool:
    """Lock an open file until it is closed or the process ends.

    Some file systems have no locks (NFS without its lock daemon, Lustre as it is often mounted).
    What is written there is written without one: whoever calls this goes on, and says
    :data:`UNLOCKED`.

    >>> with open("run.log", "w") as mine, open("run.log") as other:
    ...     lock(mine, "this is being written", where="run.log", hint="Wait")
    ...     lock(other, "this is being written", where="run.log", hint="Wait")
    True
    Traceback (most recent call last):
    ssd_data.core.errors.OutputError: run.log: this is being written
      Wait

    Returns:
        whether it is locked; False where the file system has no locks.

    Raises:
        OutputError: another holds it; ``what``, ``where`` and ``hint`` say so.
        OSError: as the system says.
    """
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise OutputError(what, where=where, hint=hint) from None
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
        return False
    return True
