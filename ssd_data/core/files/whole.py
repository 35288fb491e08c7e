"""A file, written whole or not at all, and by one process at a time; and made durable.

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

from ssd_data.core.errors import OutputError, SsdDataWarning, cure
from ssd_data.core.files.paths import naming
from ssd_data.core.files.there import is_named_there

if TYPE_CHECKING:
    from _typeshed import FileDescriptorLike

_NO_LOCKS = (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS)
UNLOCKED = "this file system has no locks: a second process here would not be kept out"


def failed(error: OSError, path: Path) -> OutputError:
    """That a file or folder cannot be written, and what to do."""
    return OutputError(f"cannot write it: {error.strerror or error}", where=path, hint=cure(error))


@contextmanager
def new_file(path: Path, *, sync: bool = True) -> Iterator[BinaryIO]:
    """Write a file's new content piece by piece, into a temporary file beside it.

    What a process that was killed had left of this file is removed, see :func:`claim`.

    Args:
        sync: wait until it is on the disk.

    Raises:
        OutputError: it cannot be written; what was there before is still there.
    """
    with (
        _taking_its_place(path, sync=sync) as (_, descriptor),
        open(descriptor, "wb", closefd=False) as file,
    ):
        yield file


@contextmanager
def new_path(path: Path) -> Iterator[Path]:
    """The same for a library that opens files itself, by a name that ends as the file's does.

    Raises:
        OutputError: it cannot be written; what was there before is still there.
    """
    with _taking_its_place(path, path.suffix, sync=False) as (beside, _):
        yield beside


@contextmanager
def _taking_its_place(path: Path, ending: str = "", *, sync: bool) -> Iterator[tuple[Path, int]]:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        names = _names_beside(path, ending)
        beside, descriptor = _claim_first(names)
        try:
            _remove_more(names)
            yield beside, descriptor
            if sync:
                os.fsync(descriptor)
            beside.replace(path)
        except BaseException:
            with suppress(OSError):
                beside.unlink()
            raise
        finally:
            os.close(descriptor)
    except OSError as error:
        raise failed(error, path) from None


def _names_beside(path: Path, ending: str) -> Iterator[Path]:
    """Hidden ones. Where two write one file, the second has a name of its own."""
    for more in ("", *map(".{}".format, range(2, 999))):
        yield path.with_name(f".{path.name}{more}.part{ending}")


def _claim_first(names: Iterator[Path]) -> tuple[Path, int]:
    """A file that nobody else has, open."""
    for name in names:
        descriptor = claim(name)
        if descriptor is not None:
            return name, descriptor
    raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))


def _remove_more(names: Iterator[Path]) -> None:
    """What a second one that was killed has left."""
    for name in names:
        if not is_named_there(name) or not _remove_dead(name):
            break


def write_whole(path: Path, data: bytes | str, *, sync: bool = True) -> None:
    """Give a file its new content, see :func:`new_file`; what UTF-8 cannot hold is an escape, as
    JSON writes it.

    Raises:
        OutputError: it cannot be written; what was there before is still there.
    """
    with new_file(path, sync=sync) as file:
        file.write(data.encode("utf-8", "backslashreplace") if isinstance(data, str) else data)


def figure_bytes(figure: Any, dpi: float | None = None) -> bytes:
    """A figure of matplotlib as the bytes of a PNG file, by default at its own resolution."""
    picture = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph")  # names in letters that its font has not
        figure.savefig(picture, format="png", dpi=dpi or "figure")
    return picture.getvalue()


def lock(file: FileDescriptorLike, what: str, *, where: object, hint: str) -> bool:
    """Lock an open file until it is closed or the process ends.

    Some file systems have no locks (NFS without its lock daemon, Lustre as it is often mounted).
    What is written there is written without one: this warns of it, and whoever calls goes on.

    >>> with open("run.log", "w") as mine, open("run.log") as other:
    ...     locked = lock(mine, "this is being written", where="run.log", hint="Wait")
    ...     lock(other, "this is being written", where="run.log", hint="Wait")
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
        warnings.warn(f"{where}: {UNLOCKED}", SsdDataWarning, stacklevel=2)
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
        except KeyboardInterrupt:
            path.unlink()
            os.close(descriptor)
            raise
        try:
            if is_open_at(descriptor, path):
                return descriptor
        except OSError:
            os.close(descriptor)
            raise
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
    """Whether an open file still bears that name.

    Raises:
        OSError: that cannot be told.
    """
    try:
        return os.path.samestat(os.fstat(descriptor), path.lstat())
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG):
            raise
        return False  # no file has that name


def write_text(path: Path, text: str) -> None:
    """Write and sync a file that does not exist yet.

    Raises:
        OSError: as the system says.
    """
    write_bytes(path, text.encode())


def write_bytes(path: Path, data: bytes, mode: str = "xb") -> None:
    """Write and sync a file, by default one that does not exist yet.

    Raises:
        OSError: as the system says; it names the file.
    """
    with naming(path), path.open(mode) as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def sync_tree(path: Path) -> None:
    """Make the names in a folder and in those below it durable."""
    for folder, _, _ in os.walk(path, onerror=_stop):
        sync_folder(Path(folder))


def _stop(error: OSError) -> None:
    raise error


def sync_folder(path: Path) -> None:
    """Make the names in a folder durable, where the file system knows that and we may read it.

    Raises:
        OSError: as the system says; it names the folder.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except PermissionError:
        return
    try:
        with naming(path):
            os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(descriptor)
