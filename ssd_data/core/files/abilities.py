"""What a folder's file system can do, of what the commands that write there ask of it: tried."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from ssd_data.core.errors import OutputError, cure
from ssd_data.core.files.exchange import CannotExchangeError, exchange
from ssd_data.core.files.scratch import scratch
from ssd_data.core.files.there import is_there

MOUNTS = Path("/proc/self/mounts")
WITHOUT = {
    "exchange": "a build's folder changes in several steps, which a journal makes whole",
    "locks": "commands cannot keep each other out of a folder, and say so",
    "hard links": "what stays in a build's folder is copied",
    "links": "--link writes nothing here",
    "sparse files": "an LMDB takes all of its map at once",
}


@dataclass(frozen=True, slots=True)
class Abilities:
    """Attributes:
    kind: the file system's, as ``ext4``; empty where nobody says. free: MiB.
    can: what was tried → whether it can be done. sync: seconds until a small file is on the disk.
    folds: whether names that differ in capitals only are one.
    """

    kind: str
    free: int
    sync: float
    folds: bool
    can: dict[str, bool] = field(default_factory=dict)


def abilities(folder: Path) -> Abilities:
    """What a folder can do. A folder is made in it and removed again.

    Raises:
        OutputError: nothing can be written there.
    """
    try:
        with scratch(folder) as tried:
            file = tried / "file"
            start = time.perf_counter()
            _synced(file)
            sync = time.perf_counter() - start
            can = {name: _can(one, tried) for name, one in _TRIED.items()}
            free = shutil.disk_usage(tried).free >> 20
            return Abilities(kind_of(tried), free, sync, is_there(tried / "FILE"), can)
    except OSError as error:
        what = f"cannot be written: {error.strerror}"
        raise OutputError(what, where=folder, hint=cure(error)) from None


def kind_of(folder: Path, mounts: Path = MOUNTS) -> str:
    """What kind of file system a folder lies on."""
    whole, best, kind = f"{os.path.realpath(folder)}/", "", ""
    try:
        lines = mounts.read_text(errors="replace").splitlines()
    except OSError:
        return ""
    for line in lines:
        words = line.split(" ")
        place = words[1].encode().decode("unicode_escape") if len(words) > 2 else ""
        if whole.startswith(f"{place.rstrip('/')}/") and len(place) >= len(best):
            best, kind = place, words[2]
    return kind


def _can(one: Callable[[Path], None], folder: Path) -> bool:
    try:
        one(folder)
    except (OSError, CannotExchangeError):
        return False
    return True


def _synced(path: Path) -> None:
    with path.open("wb") as file:
        file.write(b"1")
        file.flush()
        os.fsync(file.fileno())


def _exchange(folder: Path) -> None:
    (folder / "a").mkdir()
    (folder / "b").mkdir()
    exchange(folder / "a", folder / "b")


def _lock(folder: Path) -> None:
    with (folder / "lock").open("wb") as file, (folder / "lock").open("wb") as other:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        try:
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in (errno.EWOULDBLOCK, errno.EAGAIN):
                return
            raise
        raise OSError(errno.ENOLCK, "two hold one lock")


def _sparse(folder: Path) -> None:
    with (folder / "sparse").open("wb") as file:
        file.truncate(64 << 20)
        if os.fstat(file.fileno()).st_blocks * 512 > 1 << 20:
            raise OSError(errno.ENOTSUP, "all of it is taken")


_TRIED: dict[str, Callable[[Path], None]] = {
    "exchange": _exchange,
    "locks": _lock,
    "hard links": lambda folder: os.link(folder / "file", folder / "hard"),
    "links": lambda folder: (folder / "soft").symlink_to("file"),
    "sparse files": _sparse,
}
