"""Two folders that change places in one step, and what must be so that nobody is hurt by it.

The new folder holds what is new and, as hard links, all else that lies in the old one: somebody's
notes, a log that is being written, an LMDB that stays. It is the same file in both.
"""

from __future__ import annotations

import ctypes
import errno
import os
import re
import shutil
import stat
import sys
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from ssd_data.core.files.there import is_own_folder, status_of

MOST_KEPT = 1000
Stamp = list[int]  # size and time of a file, empty for a folder
# What systems say where names cannot be exchanged; with all else something is wrong.
_CANNOT = (
    errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EXDEV, errno.EBUSY,
    errno.EPERM, errno.EACCES,
)  # fmt: skip


class CannotExchangeError(Exception):
    """The folders cannot change places, or should not."""


def exchange(a: Path, b: Path) -> None:
    """Swap two names in one step (Linux ``renameat2``, macOS ``renamex_np``).

    Raises:
        CannotExchangeError: the file system or the system cannot.
        OSError: as the system says.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    first, second = os.fsencode(a), os.fsencode(b)
    if sys.platform == "darwin" and hasattr(libc, "renamex_np"):
        failed = libc.renamex_np(first, second, 2)  # RENAME_SWAP
    elif hasattr(libc, "renameat2"):
        failed = libc.renameat2(-100, first, -100, second, 2)  # AT_FDCWD, RENAME_EXCHANGE
    else:
        raise CannotExchangeError("no such call")
    if failed:
        code = ctypes.get_errno()
        if code in _CANNOT:
            raise CannotExchangeError(os.strerror(code))
        raise OSError(code, os.strerror(code), str(b))


def require_free(folder: Path) -> None:
    """A folder that somebody works in must not be moved away under them.

    Raises:
        CannotExchangeError: it or one below it is the working folder of this process, or of another
            of which the system tells us.
    """
    for place in _working_folders():
        if place == str(folder) or place.startswith(f"{folder}/"):
            raise CannotExchangeError("somebody works in it")


def _working_folders() -> Iterator[str]:
    with suppress(OSError):
        yield str(Path.cwd().resolve())
    with suppress(OSError):
        for process in Path("/proc").iterdir():
            if process.name.isdecimal():
                with suppress(OSError):
                    yield str((process / "cwd").readlink())


def is_mount(folder: Path) -> bool:
    """Whether something is mounted there, be it a folder of the same disk."""
    if os.path.ismount(folder):
        return True
    try:
        with Path("/proc/self/mountinfo").open(encoding="utf-8", errors="surrogateescape") as file:
            words = [line.split(" ") for line in file]
    except OSError:
        return False
    places = (line[4] for line in words if len(line) > 4)
    return str(folder) in (
        re.sub(r"\\([0-7]{3})", lambda m: chr(int(m[1], 8)), place) for place in places
    )


def mirror(source: Path, target: Path, without: Collection[str]) -> dict[str, Stamp]:
    """Give a folder all that another holds but ``without``: files as hard links, folders anew.

    Files are not copied where they cannot be linked: somebody may be writing into them.

    Returns:
        path below the folder → what it was like.

    Raises:
        CannotExchangeError: there are too many, they lie on another disk, or cannot be linked.
    """
    kept: dict[str, Stamp] = {}
    disk = source.stat().st_dev

    def take(below: str) -> None:
        for entry in sorted(os.scandir(source / below), key=lambda e: e.name):
            name = f"{below}{entry.name}"
            if name in without:
                continue
            if len(kept) >= MOST_KEPT or entry.stat(follow_symlinks=False).st_dev != disk:
                raise CannotExchangeError(f"{name} and what else lies there")
            kept[name] = stamp(source / name) or []
            if entry.is_symlink():
                (target / name).symlink_to((source / name).readlink())
            elif entry.is_dir():
                (target / name).mkdir()
                take(f"{name}/")
                dress(source / name, target / name)
            else:
                os.link(entry.path, target / name)

    try:
        take("")
        dress(source, target)
        os.utime(target)
    except OSError as error:
        raise CannotExchangeError(str(error)) from None
    return kept


def dress(source: Path, target: Path) -> None:
    """Give a folder another's permissions, times and owner."""
    old, new = source.stat(), target.stat()
    if (old.st_uid, old.st_gid) != (new.st_uid, new.st_gid):
        os.chown(target, old.st_uid, old.st_gid)
    shutil.copystat(source, target)


def take_late(old: Path, new: Path, published: Collection[str], kept: Mapping[str, Stamp]) -> None:
    """Move into the new folder what came into the old one, or changed there, after it was mirrored;
    what has changed in the new one since stays. May be interrupted and called again.

    Args:
        published: what replaced its like in ``old``.
        kept: what :func:`mirror` returned.
    """

    def take(below: str) -> None:
        for entry in sorted(os.scandir(old / below), key=lambda e: e.name):
            name = f"{below}{entry.name}"
            if name in published:
                continue
            there, here = stamp(new / name), stamp(old / name)
            if here == there == []:
                take(f"{name}/")
            elif here != kept.get(name) and there in (None, kept.get(name)):
                os.replace(old / name, new / name)

    take("")


def stamp(path: Path) -> Stamp | None:
    """What tells whether a file was changed, by its content's size and time; None if not there."""
    status = status_of(path, follow=False)
    if status is None:
        return None
    return [] if stat.S_ISDIR(status.st_mode) else [status.st_size, status.st_mtime_ns]


def remove_tree(path: Path) -> None:
    """Remove a file, link or folder, one with folders that are read-only included."""
    if is_own_folder(path):
        for folder, _, _ in os.walk(path):
            with suppress(OSError):
                Path(folder).chmod(0o700)
        try:
            shutil.rmtree(path)
        except OSError as error:  # it names what lies in the folder, but not where that is
            raise OSError(error.errno, error.strerror, str(path)) from None
    else:
        path.unlink(missing_ok=True)
