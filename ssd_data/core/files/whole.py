"""A file, written whole or not at all, and by one process at a time.

What writes several files or a folder is in ``publish.py`` and ``together.py``.
"""

from __future__ import annotations

import errno
import fcntl
import io
import os
import warnings
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

    What a process that was killed had left of this file is removed, see :func:`claim`.

    Raises:
        OutputError: it cannot be written; what was there before is still there.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside, descriptor = _claim_beside(path)
        with os.fdopen(descriptor, "wb") as file:
            try:
                yield file
                file.flush()
                os.fsync(file.fileno())
                beside.replace(path)
            except BaseException:
                with suppress(OSError):
                    beside.unlink()
                raise
    except OSError as error:
        raise failed(error, path) from None


def _claim_beside(path: Path) -> tuple[Path, int]:
    """A hidden file that nobody else has, open. Where two write one file, the second has a name of
    its own."""
    beside = (
        path.with_name(f".{path.name}{end}.part") for end in ("", *map(".{}".format, range(2, 999)))
    )
    for name in beside:
        descriptor = claim(name)
        if descriptor is not None:
            for later in beside:
                if not os.path.lexists(later) or not _remove_dead(later):
                    break
            return name, descriptor
    raise OSError(errno.EBUSY, os.strerror(errno.EBUSY), str(path))


def write_whole(path: Path, data: bytes | str) -> None:
    """Give a file its new content, see :func:`new_file`; what UTF-8 cannot hold is an escape, as
    JSON writes it.

    Raises:
        OutputError: it cannot be written; what was there before is still there.
    """
    with new_file(path) as file:
        file.write(data.encode("utf-8", "backslashreplace") if isinstance(data, str) else data)


def write_figure(path: Path, figure: Any, dpi: float | None = None) -> None:
    """Write a figure as PNG, by default at its own resolution.

    Raises:
        OutputError: the file cannot be written.
    """
    picture = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph")  # names in letters that its font has not
        figure.savefig(picture, format="png", dpi=dpi or "figure")
    write_whole(path, picture.getvalue())


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


def claim(path: Path) -> int | None:
    """Make a new file that is this process's as long as it is open.

    What a dead process left under the name is removed: its lock, not its number, tells that it is
    dead, since numbers come again and containers do not know each other's.

    Returns:
        its descriptor; None where a living process has it, or none that can be told dead.

    Raises:
        OSError: it cannot be made.
    """
    while True:
        try:
            flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
            descriptor = os.open(path, flags, 0o666)
        except FileExistsError:
            if not _remove_dead(path):
                return None
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:  # somebody looks whether it is a dead one's
            os.close(descriptor)
            continue
        except OSError:  # no locks here, so that nobody can take it for a dead one's
            return descriptor
        if is_open_at(descriptor, path):
            return descriptor
        os.close(descriptor)


def _remove_dead(path: Path) -> bool:
    """Remove a file that no living process has locked; False where that cannot be told or done."""
    try:
        flags = os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        descriptor = os.open(path, flags)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if is_open_at(descriptor, path):
            path.unlink()
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return True


def is_open_at(descriptor: int, path: Path) -> bool:
    """Whether an open file still bears that name."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.lstat())
    except OSError:
        return False
