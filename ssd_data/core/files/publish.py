"""An out folder into which results come whole or not at all.

Everything is written below ``.staging``. When all of it is there and synced, one rename to
``.ready`` decides that it counts; then each item takes the place of its predecessor. A process that
is killed before the rename has changed nothing; one that is killed after it is finished by the next
that opens the folder. A lock keeps a second process out.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import shutil
import sys
from pathlib import Path

from ssd_data.core.errors import InputError, OutputError
from ssd_data.core.files.paths import is_plain_name, read_text
from ssd_data.core.files.whole import lock

STAGING, READY, LOCK, JOURNAL = ".staging", ".ready", ".lock", ".journal.json"


class OutFolder:
    """The folder, locked and recovered; use as a context manager.

    Attributes:
        path: the folder.
        staging: where to write; moved into the folder by :meth:`publish`.

    Raises:
        OutputError: another process holds the lock, or something cannot be written: any OSError
            that leaves the context becomes one.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.staging = path / STAGING
        self._lock = -1
        self._made = False

    def __enter__(self) -> OutFolder:
        try:
            self._made = not self.path.exists()
            self.path.mkdir(parents=True, exist_ok=True)
            self._lock = _lock(self.path)
            shutil.rmtree(self.staging, ignore_errors=True)
            if (self.path / READY).is_dir():
                self._finish()
            self.staging.mkdir()
        except OSError as error:
            self._release()
            raise self._failed(error) from None
        except OutputError:
            self._release()
            raise
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        shutil.rmtree(self.staging, ignore_errors=True)
        self._release()
        if self._made and not any(self.path.iterdir()):
            self.path.rmdir()
        if isinstance(error, OSError):
            raise self._failed(error) from None

    def _failed(self, error: OSError) -> OutputError:
        return OutputError(
            f"cannot write: {error.strerror or error}",
            where=error.filename or self.path,
            hint="Free space, mend permissions or choose another folder; what was there is whole",
        )

    def _release(self) -> None:
        if self._lock >= 0:
            (self.path / LOCK).unlink(missing_ok=True)
            os.close(self._lock)
            self._lock = -1

    def publish(self, last: str) -> None:
        """Move all that is staged into the folder, ``last`` at the end.

        Raises:
            OSError: as the system says; leaving the folder's context makes it an OutputError.
        """
        names = [path.name for path in self.staging.iterdir()]
        order = sorted(names, key=lambda name: (name == last, name))
        journal = {name: _identity(self.staging / name) for name in order}
        for folder, _, _ in os.walk(self.staging):
            sync_folder(Path(folder))
        write_text(self.staging / JOURNAL, json.dumps(journal))
        os.rename(self.staging, self.path / READY)
        sync_folder(self.path)
        self._finish()

    def _finish(self) -> None:
        """Move what lies in ``.ready`` into place; may be interrupted and called again."""
        ready = self.path / READY
        for name, identity in _read_journal(ready).items():
            if _identity(self.path / name) != identity and os.path.lexists(ready / name):
                _replace(ready / name, self.path / name)
        sync_folder(self.path)
        # The journal goes first: without it what is left can only be rubbish.
        os.rename(ready, self.staging)
        shutil.rmtree(self.staging)


def _read_journal(ready: Path) -> dict[str, int]:
    """Names and identities of what is to be published; nothing but plain names.

    Raises:
        OutputError: no build has written this.
    """
    fault = OutputError(
        "what an interrupted build left here cannot be read", where=ready, hint="Remove this folder"
    )
    try:
        journal = json.loads(read_text(ready / JOURNAL, "journal", 1 << 20))
    except (InputError, ValueError, RecursionError):
        raise fault from None
    if not isinstance(journal, dict):
        raise fault
    if not all(is_plain_name(n) and isinstance(i, int) for n, i in journal.items()):
        raise fault
    return journal


def _identity(path: Path) -> int:
    """Tells a new item from the one it replaces, across renames; 0 where there is none."""
    try:
        return path.lstat().st_ino
    except OSError:
        return 0


def _replace(source: Path, target: Path) -> None:
    """Put a file or folder in another's place; the old one is gone from its name at once."""
    if not source.is_dir():
        os.replace(source, target)
    elif target.is_symlink():
        target.unlink()
        os.rename(source, target)
    elif not target.exists():
        os.rename(source, target)
    elif not _exchange(source, target):
        # No exchange on this file system: for a moment the name is missing, which the journal
        # mends if the process dies just there.
        os.rename(target, source.with_name(f"{source.name}.old"))
        os.rename(source, target)


def _exchange(a: Path, b: Path) -> bool:
    """Swap two names in one step (Linux ``renameat2``, macOS ``renamex_np``); False if it can't."""
    libc = ctypes.CDLL(None, use_errno=True)
    first, second = os.fsencode(a), os.fsencode(b)
    if sys.platform == "darwin" and hasattr(libc, "renamex_np"):
        failed = libc.renamex_np(first, second, 2)
    elif hasattr(libc, "renameat2"):
        failed = libc.renameat2(-100, first, -100, second, 2)  # AT_FDCWD, RENAME_EXCHANGE
    else:
        return False
    if not failed:
        return True
    code = ctypes.get_errno()
    if code in (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP):
        return False
    raise OSError(code, os.strerror(code), str(b))


def _lock(folder: Path) -> int:
    """A descriptor that holds the folder's lock until it is closed or the process ends."""
    path = folder / LOCK
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK, 0o644)
        try:
            lock(
                descriptor,
                "another ssd-data is writing into this folder",
                where=folder,
                hint="Wait until it is done, or choose another folder with --out",
            )
        except OutputError:
            os.close(descriptor)
            raise
        if _identity(path) == os.fstat(descriptor).st_ino:
            return descriptor
        os.close(descriptor)  # the holder before us has just removed it


def write_text(path: Path, text: str) -> None:
    """Write and sync a file that does not exist yet.

    Raises:
        OSError: as the system says.
    """
    with path.open("x", encoding="utf-8", newline="\n") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def sync_folder(path: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
