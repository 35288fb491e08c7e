"""Paths that come from lists and annotations: hostile until checked."""

from __future__ import annotations

import io
import mmap
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import accumulate
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, cast

from ssd_data.core.errors import InputError, cure, is_failure
from ssd_data.core.files.remote.address import as_path, remote

TEXT_BYTES, ANY_BYTES = 1 << 30, 1 << 62
_UNFIT = re.compile("[\\x00-\\x1f\\x7f\\ud800-\\udfff]")


def below(root: Path, relative: str, where: object = "") -> Path:
    """``root / relative``, refused where it is absolute or climbs out of ``root``.

    Raises:
        InputError: see :func:`require_below`.
    """
    require_below(root, relative, where)
    return root / relative


def require_below(root: Path, relative: str, where: object = "") -> None:
    """Refuse a path that is absolute or climbs out of ``root``.

    Links below the root are followed: people keep their pictures on other disks.

    Raises:
        InputError: the path is empty, absolute, holds ``..`` that leaves the root, or control
            characters or bytes that are not UTF-8.
    """
    if is_below(relative):
        return
    fault = "is not a path below the root"
    if _UNFIT.search(relative):
        fault = "holds characters that no list can hold"
    elif relative and not relative.startswith("/"):
        fault = "leaves the root"
    raise InputError(f'"{relative}" {fault}', where=where, hint=f"The root is {root}")


def is_below(relative: str) -> bool:
    """Whether :func:`require_below` lets the path pass."""
    if not relative or relative.startswith("/") or _UNFIT.search(relative):
        return False
    if ".." not in relative:
        return True
    steps = (-1 if part == ".." else 1 for part in PurePosixPath(relative).parts)
    return min(accumulate(steps)) >= 0


def read_bytes(path: Path | str, what: str, most: int, where: object = "") -> bytes:
    """A regular file's bytes; never waits for a pipe, never reads a device.

    Args:
        path: the file.
        what: what it is, for the error.
        most: how many bytes it may have.
        where: names it in the error; the path by default.

    Raises:
        InputError: the file is absent, unreadable, no regular file, or larger than ``most``.
        OSError: the system fails.
    """
    where = where or path
    if (far := remote(path)) is not None:
        from ssd_data.core.files.remote import reading

        return reading.read_bytes(far, what, most, where)
    return _read(path, what, most, where, None)[0]


def read_start(
    path: Path | str, what: str, most: int, where: object, start: int, again: bool = False
) -> tuple[bytes, int]:
    """A file's first bytes, at most ``start``, and how many it has; else as :func:`read_bytes`.

    For what is read once, as pictures are: of a store it is fetched anew each time, but for what
    is kept until it is read ``again``.
    """
    if (far := remote(path)) is not None:
        from ssd_data.core.files.remote import reading

        return reading.read_start(far, what, most, where, start, again)
    return _read(path, what, most, where, start)


def _read(
    path: Path | str, what: str, most: int, where: object, start: int | None
) -> tuple[bytes, int]:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        try:
            size = _size(descriptor, what, most, where)
            if start is not None and size > start:
                return os.read(descriptor, start), size
            return _read_all(descriptor, size, most), size
        finally:
            os.close(descriptor)
    except (OSError, ValueError) as error:
        raise file_error(path, what, where, error) from None


def open_regular(path: Path | str, what: str, most: int, where: object = "") -> BinaryIO:
    """A regular file to be read piece by piece; else as :func:`read_bytes`."""
    where = where or path
    if (far := remote(path)) is not None:
        from ssd_data.core.files.remote import reading

        return reading.open_regular(far, what, most, where)
    try:
        file = cast(BinaryIO, io.BufferedReader(_Named(path, opener=_without_waiting)))
    except (OSError, ValueError) as error:
        raise file_error(path, what, where, error) from None
    try:
        _size(file.fileno(), what, most, where)
    except InputError:
        file.close()
        raise
    except OSError as error:
        file.close()
        raise file_error(path, what, where, error) from None
    return file


class _Named(io.FileIO):
    """A file whose name stands in what the system says of reading it."""

    def readinto(self, buffer: Any) -> int:
        with naming(str(self.name)):
            return super().readinto(buffer)

    def readall(self) -> bytes:
        with naming(str(self.name)):
            return super().readall()


def _without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)


def _size(descriptor: int, what: str, most: int, where: object) -> int:
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        raise InputError(f"the {what} is no regular file", where=where)
    if status.st_size > most:
        raise InputError(f"the {what} is larger than {most} bytes", where=where)
    return status.st_size


def file_error(
    path: Path | str, what: str, where: object, error: OSError | ValueError
) -> InputError:
    """What is said of a file that the system does not let be read, or that is missing.

    Raises:
        OSError: the system fails: whoever looks what kind of file it is cannot tell.
    """
    if isinstance(error, OSError) and is_failure(error):
        text = f"cannot read the {what}: {error.strerror}"
        raise OSError(error.errno, text, str(where)) from None
    if isinstance(error, FileNotFoundError):
        from ssd_data.core.files.near import near_file  # which needs this module

        return InputError(f"the {what} is missing", where=where, hint=near_file(path))
    if isinstance(error, OSError):
        reason = error.strerror or error
        return InputError(f"cannot read the {what}: {reason}", where=where, hint=cure(error))
    return InputError(f"cannot read the {what}: {error}", where=ascii(str(path)))


def mapped(path: Path | str, what: str, where: object) -> mmap.mmap | bytes:
    """A regular file's bytes, as many of them in memory as are looked at; else as
    :func:`read_bytes`."""
    if (far := remote(path)) is not None:
        from ssd_data.core.files.remote import reading

        return reading.mapped(far, what, ANY_BYTES, where)
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        try:
            size = _size(descriptor, what, ANY_BYTES, where)
            return mmap.mmap(descriptor, size, access=mmap.ACCESS_READ) if size else b""
        finally:
            os.close(descriptor)
    except (OSError, ValueError) as error:
        raise file_error(path, what, where, error) from None


@contextmanager
def naming(path: Path | str) -> Iterator[None]:
    """The system's errors name the file also where they come of reading or writing it."""
    try:
        yield
    except OSError as error:
        if error.filename is None:
            error.filename = str(path)
        raise


def announce(path: str) -> None:
    """Let the system fetch a file that is read soon; what is wrong with it is said then."""
    if (far := remote(path)) is not None:
        from ssd_data.core.files.remote import reading

        reading.announce(far)
        return
    if not hasattr(os, "posix_fadvise"):
        return
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except (OSError, ValueError):
        return
    try:
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_WILLNEED)
    except OSError:
        pass  # a pipe, or a file system that knows no advice
    finally:
        os.close(descriptor)


def _read_all(descriptor: int, size: int, most: int) -> bytes:
    """All bytes of a file, in one call where it has ``size`` of them."""
    data = os.read(descriptor, size + 1)
    if len(data) == size:
        return data
    parts, there = [data], len(data)
    while part := os.read(descriptor, 1 << 20):  # it grows, or its size is not stated
        parts.append(part)
        there += len(part)
        if there > most:
            raise ValueError(f"it grows beyond {most} bytes")
    return b"".join(parts)


def read_text(path: Path, what: str, most: int = TEXT_BYTES, where: object = "") -> str:
    """A UTF-8 text file without its byte order mark, see :func:`read_bytes`.

    Raises:
        InputError: as :func:`read_bytes`, or the file is not UTF-8 text.
    """
    try:
        return read_bytes(path, what, most, where).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        message = f"the {what} is not UTF-8 text ({error.reason})"
        raise InputError(message, where=where or path) from None


def read_lines(path: Path, what: str) -> list[str]:
    """The lines of a text file, without line ends (LF or CRLF).

    Raises:
        InputError: as :func:`read_text`.
    """
    lines = read_text(path, what).replace("\r\n", "\n").split("\n")
    return lines if lines[-1] else lines[:-1]


def spelled(path: Path | str) -> str:
    """The path for whoever takes UTF-8 alone: a prototxt cannot name another, OpenCV crashes on it.

    Raises:
        InputError: it is none.
    """
    text = as_path(path).as_posix()
    try:
        text.encode()
    except UnicodeEncodeError:
        what = "the path is not UTF-8, so that not all can read or name it"
        raise InputError(what, where=path, hint="Rename it, or work in that folder") from None
    return text


def listable(path: str) -> str:
    """The path, or where no list can hold it, the same with escapes."""
    return ascii(path)[1:-1] if _UNFIT.search(path) else path


def is_plain_name(name: str) -> bool:
    """Whether a name from a recipe can name a file or folder here."""
    return bool(name) and name.isprintable() and "/" not in name and not name.startswith(".")
