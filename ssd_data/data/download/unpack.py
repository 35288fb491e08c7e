"""Archives unpacked as if an enemy had packed them.

Only files and folders are taken: no links, no devices. A name is a relative path without ``..``; no
file comes twice; files are made anew, never opened where something is. So nothing is ever written
outside the folder, whatever the archive says, and tarfile's own extraction with its data filter,
which lets links pass that stay inside, is not used. What an archive may grow to is limited.
"""

from __future__ import annotations

import bz2
import errno
import gzip
import io
import lzma
import shutil
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, NamedTuple, cast

from ssd_data.core.errors import InputError, OutputError
from ssd_data.core.files.paths import is_below, listable
from ssd_data.core.legible import QUOTE, legible
from ssd_data.data.download.transfer import Report, looks_like_a_page

MOST_FILES = 2_000_000
MOST_GROWTH = 25  # times the archive; the JSON files of COCO grow fivefold
ALWAYS_ALLOWED = 64 << 20  # bytes, which a small archive may grow to
MOST_AT_ONCE = 16 << 20  # bytes of a tar's names and notes
RESERVED = ".downloads"
# All that tarfile, zipfile and the decompressors are seen to raise over bytes that are no archive.
BROKEN = (
    *(tarfile.TarError, zipfile.BadZipFile, zlib.error, struct.error, gzip.BadGzipFile),
    *(ArithmeticError, EOFError, LookupError, RuntimeError, ValueError),
)


class Member(NamedTuple):
    """One entry of an archive: a folder where ``read`` is None."""

    name: str
    size: int
    read: Callable[[], IO[bytes]] | None


def unpack(archive: Path, folder: Path, report: Report) -> dict[str, int]:
    """Unpack a zip or tar (also .gz, .bz2) into an empty folder.

    Args:
        archive: the file.
        folder: exists and is empty.
        report: is told how many of how many bytes of the archive's growth are there.

    Returns:
        The files' paths below the folder, and their bytes.

    Raises:
        InputError: it is no archive, is broken, would write outside the folder, holds links,
            devices or a name twice, or is larger than it may be.
        OutputError: the disk is too small.
        OSError: something cannot be written.
    """
    most = max(MOST_GROWTH * archive.stat().st_size, ALWAYS_ALLOWED)
    files: dict[str, int] = {}
    total = 0
    with _members(archive) as (members, expected):
        for count, member in enumerate(members, 1):
            if count > MOST_FILES:
                raise _refused(archive, f"holds more than {MOST_FILES:,} files")
            path = _checked(archive, member.name)
            total += member.size
            if total > most:
                raise _refused(archive, f"would grow to more than {most:,} bytes")
            with _once(archive, path):
                if member.read is None:
                    (folder / path).mkdir(parents=True, exist_ok=True)
                    continue
                (folder / path).parent.mkdir(parents=True, exist_ok=True)
                out = (folder / path).open("xb")
            with out, member.read() as source:
                _copy(archive, member, source, out)
            files[path.as_posix()] = member.size
            report(f"{archive.name}: unpacking", total, max(total, expected))
    if not files:
        raise _refused(archive, "holds no files")
    return files


def _checked(archive: Path, name: str) -> PurePosixPath:
    path = PurePosixPath(name)
    if not is_below(name) or ".." in path.parts:
        raise _refused(archive, f'holds a file that would leave the folder: "{listable(name)}"')
    if RESERVED in path.parts:
        raise _refused(archive, f'holds "{listable(name)}", which is a name of this program')
    return path


@contextmanager
def _once(archive: Path, path: PurePosixPath) -> Iterator[None]:
    try:
        yield
    except (FileExistsError, NotADirectoryError):
        raise _refused(archive, f'holds "{path}" twice') from None
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:
            raise
        what = f'holds a file whose name is too long: "{legible(path, QUOTE)}"'
        raise _refused(archive, what) from None


def _copy(archive: Path, member: Member, source: IO[bytes], out: IO[bytes]) -> None:
    left = member.size
    while piece := _piece(archive, member, source):
        left -= len(piece)
        if left < 0:
            break
        out.write(piece)
    if left:
        raise _refused(archive, f'"{listable(member.name)}" has another size than it says')


def _piece(archive: Path, member: Member, source: IO[bytes]) -> bytes:
    try:
        return source.read(1 << 20)
    except (lzma.LZMAError, zlib.error, EOFError, MemoryError):
        what = f'"{listable(member.name)}" cannot be unpacked'
        raise _refused(archive, what) from None


def _refused(archive: Path, what: str) -> InputError:
    return InputError(
        f"the archive {what}",
        where=archive.name,
        hint="Nothing of it was unpacked. It is not what its publisher made, or no data set",
    )


def _broken(archive: Path, error: Exception) -> InputError:
    return _refused(archive, f"is broken, or none: {listable(str(error))[:200]}")


@contextmanager
def _members(archive: Path) -> Iterator[tuple[Iterator[Member], int]]:
    """The entries of an archive of any kind and their bytes; the libraries' errors as ours."""
    with archive.open("rb") as file:
        beginning = file.read(1024)
    try:
        if beginning.startswith((b"PK\x03\x04", b"PK\x05\x06")):
            with zipfile.ZipFile(archive) as packed:
                need = sum(info.file_size for info in packed.infolist())
                _require_space(archive, need)
                yield _of_zip(archive, packed), need
        elif looks_like_a_page(beginning):
            raise _refused(archive, "is a web page")
        else:
            with (
                _opened(archive, beginning) as stream,
                tarfile.open(fileobj=stream, mode="r:") as tar,
            ):
                yield _of_tar(archive, tar), archive.stat().st_size
    except BROKEN as error:
        raise _broken(archive, error) from None
    except OSError as error:
        if error.errno not in (None, errno.EINVAL):
            raise
        raise _broken(archive, error) from None  # what bz2 says, and zipfile of a wrong offset


def _require_space(archive: Path, need: int) -> None:
    if (free := shutil.disk_usage(archive.parent).free) < need:
        raise OutputError(
            f"unpacked it has {need:,} bytes, and {free:,} are free",
            where=archive,
            hint="Free some space, then run the same command again",
        )


def _of_zip(archive: Path, packed: zipfile.ZipFile) -> Iterator[Member]:
    for info in packed.infolist():
        kind = stat.S_IFMT(info.external_attr >> 16)
        if info.is_dir():
            yield Member(info.filename, 0, None)
        elif kind not in (0, stat.S_IFREG):
            raise _refused(archive, f'holds a link or device: "{listable(info.filename)}"')
        elif info.flag_bits & 1:
            raise _refused(archive, "is locked with a password")
        else:
            yield Member(info.filename, info.file_size, partial(packed.open, info))


def _of_tar(archive: Path, tar: tarfile.TarFile) -> Iterator[Member]:
    for info in tar:
        if info.isdir():
            yield Member(info.name, 0, None)
        elif not info.isreg() or info.issparse() or info.size < 0:
            raise _refused(archive, f'holds a link or device: "{listable(info.name)}"')
        else:
            yield Member(info.name, info.size, partial(_read_tar, tar, info))
        tar.members.clear()  # type: ignore[attr-defined]  # it would keep every entry that it has seen


def _read_tar(tar: tarfile.TarFile, info: tarfile.TarInfo) -> IO[bytes]:
    return cast(IO[bytes], tar.extractfile(info))


@contextmanager
def _opened(archive: Path, beginning: bytes) -> Iterator[IO[bytes]]:
    opener: Callable[..., IO[bytes]] = io.open
    if beginning.startswith(b"\x1f\x8b"):
        opener = cast(Callable[..., IO[bytes]], gzip.open)
    elif beginning.startswith(b"BZh"):
        opener = cast(Callable[..., IO[bytes]], bz2.open)
    with opener(archive, "rb") as opened:
        yield cast(IO[bytes], _Sips(opened))


class _Sips(io.RawIOBase):
    """A stream of which nobody gets much at once: tarfile reads names of any length whole."""

    def __init__(self, stream: IO[bytes]) -> None:
        self.stream = stream

    def read(self, size: int = -1) -> bytes:
        """The next ``size`` bytes."""
        if not 0 <= size <= MOST_AT_ONCE:
            raise tarfile.ReadError("a name or note of unheard-of length")
        return self.stream.read(size)

    def seek(self, offset: int, whence: int = 0) -> int:
        """Move to a byte."""
        return self.stream.seek(offset, whence)

    def tell(self) -> int:
        """The byte that comes next."""
        return self.stream.tell()
