"""An out folder that changes in one step: one sees what was there, or all that is new.

What is new is staged in a hidden folder beside it, together with hard links to all else that lies
in the old one; then the two exchange their names. A process that is killed before that has changed
nothing; what it left, and what one left that is killed after it, the next removes that opens the
folder. A lock in each of the two keeps a second process out.

Where folders cannot be exchanged (a file system without that or without hard links, a mounted
folder) or should not (somebody works in it, it holds a whole tree of pictures), the folder stays
and the new items move into it one by one, out of a hidden folder ``.ready``. As long as that is
there the folder is between two states: our readers refuse it, and whoever opens it next finishes
what was begun. What has still to be moved is told by lying there, not by a number that a copy of
the folder would not share. A link that is switched would change in one step as well, but then
everything in an out folder would have to be one: copies, archives and other disks lose those.
"""

from __future__ import annotations

import errno
import json
import os
from contextlib import suppress
from pathlib import Path

from ssd_data.core.errors import InputError, OutputError
from ssd_data.core.files.exchange import (
    CannotExchangeError,
    Stamp,
    exchange,
    is_mount,
    mirror,
    remove_tree,
    require_free,
    take_late,
)
from ssd_data.core.files.paths import read_text
from ssd_data.core.files.whole import is_open_at, lock

STAGING, READY, LOCK, OLD, NEW = ".staging", ".ready", ".lock", ".old", "new"
HIDDEN = {STAGING, READY, LOCK}


class OutFolder:
    """The folder, locked and cleared of what a killed process left; use as a context manager.

    It is made only when something is published.

    Args:
        path: the folder.
        inside: stage in it, not beside it: for work that is not published by :meth:`publish`.

    Attributes:
        path: the folder.
        staging: where to write; :meth:`publish` gives it to the folder.

    Raises:
        OutputError: another process holds the lock, or something cannot be written: any OSError
            that leaves the context becomes one.
    """

    def __init__(self, path: Path, *, inside: bool = False) -> None:
        self.path = path
        self.staging = Path()
        self._inside = inside
        self._place = Path(os.path.realpath(path))
        self._beside = self._place.parent / f".{self._place.name}{STAGING}"
        self._held: list[int] = []
        self._made: list[Path] = []

    def __enter__(self) -> OutFolder:
        try:
            self._enter()
        except BaseException as error:
            self.__exit__(type(error), error, None)
            raise
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        with suppress(OSError):  # what stays the next removes that opens the folder
            self._clear_up()
        for descriptor in self._held:
            os.close(descriptor)
        self._held = []
        for folder in self._made:
            with suppress(OSError):
                folder.rmdir()
        if isinstance(error, OSError):
            raise self._failed(error) from None
        if isinstance(error, OutputError) and (where := self._said(error.where)) != error.where:
            raise OutputError(error.what, where=where, hint=error.hint) from None

    def _failed(self, error: OSError) -> OutputError:
        return OutputError(
            f"cannot write: {error.strerror or error}",
            where=self._said(str(error.filename or self.path)),
            hint="Free space, mend permissions or choose another folder; what was there is whole",
        )

    def _said(self, where: str) -> str:
        """What is wrong in a hidden folder is said of the folder itself."""
        for hidden in (self._beside / NEW, self._place / STAGING, self._place / READY):
            if where == str(hidden) or where.startswith(f"{hidden}/"):
                return str(self.path) + where[len(str(hidden)) :]
        return where

    def _enter(self) -> None:
        place = self._place
        self._made = [folder for folder in place.parents if not os.path.lexists(folder)]
        for path in (place, place.parent):
            if os.path.lexists(path) and not path.is_dir():
                code = errno.ENOTDIR
                raise NotADirectoryError(code, os.strerror(code), str(path))
        place.parent.mkdir(parents=True, exist_ok=True)
        if os.path.lexists(place):
            self._lock(place)
        if self._claim_beside():
            self.staging = self._beside / NEW
        else:
            self._mkdir(place)
            self.staging = place / STAGING
        if os.path.lexists(place) and not self._holds(place):
            self._lock(place)  # it has appeared just now
        self._recover()
        self.staging.mkdir()

    def _claim_beside(self) -> bool:
        """Make the folder beside it and lock that, unless it is better to stage inside."""
        if self._inside or is_mount(self._place):
            return False
        while True:
            try:
                self._mkdir(self._beside)
                if self._beside.is_symlink():
                    return False
                if (names := _names(self._beside)) and LOCK not in names:
                    return False  # not ours
                self._lock(self._beside)
            except FileNotFoundError:  # whoever had it has removed it just now
                continue
            except OSError:  # we may not write into the folder above
                return False
            return True

    def _mkdir(self, folder: Path) -> None:
        if not os.path.lexists(folder):
            folder.mkdir(exist_ok=True)
            self._made.insert(0, folder)

    def _recover(self) -> None:
        """Finish what a killed process had begun, and remove what it left."""
        place = self._place
        if os.path.lexists(place):
            remove_tree(place / STAGING)
            if _is_folder(place / READY):
                _move_in(place)
            remove_tree(place / READY)
        self._clear_beside()
        if self._holds(place):
            os.truncate(place / LOCK, 0)  # its journal is done with

    def _clear_beside(self) -> None:
        """Empty the folder beside, from which what somebody wrote of late is saved before."""
        if self.staging != self._beside / NEW:
            return
        if self.staging.is_dir() and (journal := _read_journal(self._place)):
            published, kept = journal
            take_late(self.staging, self._place, {*published, *HIDDEN}, kept)
        for name in _names(self._beside) - {LOCK}:
            remove_tree(self._beside / name)

    def _clear_up(self) -> None:
        """Remove what is no result, the locks last."""
        self._clear_beside()
        if self.staging == self._place / STAGING:
            remove_tree(self.staging)
        for folder in (self._beside, self._place):
            if self._holds(folder):
                (folder / LOCK).unlink()
        if self.staging == self._beside / NEW:
            self._beside.rmdir()

    def _holds(self, folder: Path) -> bool:
        return any(is_open_at(descriptor, folder / LOCK) for descriptor in self._held)

    def _lock(self, folder: Path) -> None:
        path = folder / LOCK
        while not self._holds(folder):
            flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            descriptor = os.open(path, flags, 0o644)
            try:
                lock(
                    descriptor,
                    "another ssd-data is writing into this folder",
                    where=self.path,
                    hint="Wait until it is done, or choose another folder with --out",
                )
            except OSError as error:
                path.unlink()
                os.close(descriptor)
                raise OutputError(
                    f"no lock can be had here, to keep a second process out: {error.strerror}",
                    where=self.path,
                    hint="Choose a folder on another disk with --out",
                ) from None
            except BaseException:
                os.close(descriptor)
                raise
            if is_open_at(descriptor, path):
                self._held.append(descriptor)
            else:
                os.close(descriptor)  # the holder before us has removed it just now

    def publish(self) -> None:
        """Put all that is staged into the folder; what else lies there stays.

        Raises:
            OSError: as the system says; leaving the folder's context makes it an OutputError.
        """
        place, staging = self._place, self.staging
        _sync_tree(staging)
        is_beside = staging != place / STAGING
        if is_beside and not os.path.lexists(place):
            os.rename(staging, place)
            sync_folder(place.parent)
            return
        names = _names(staging)
        if is_beside:
            try:
                self._exchange(names)
            except CannotExchangeError:
                for name in _names(staging) - names:
                    remove_tree(staging / name)
            else:
                return
        try:
            os.rename(staging, place / READY)
            sync_folder(place)
            _move_in(place)
        finally:
            if _is_folder(place / READY):  # Ctrl-C does not leave it between two states
                _move_in(place)

    def _exchange(self, names: set[str]) -> None:
        """What is new and what stays take the folder's place at once."""
        require_free(self._place)
        kept = mirror(self._place, self.staging, names | HIDDEN)
        journal = {"published": sorted(names), "kept": kept}
        self._lock(self.staging)
        write_bytes(self.staging / LOCK, json.dumps(journal).encode(), "wb")
        _sync_tree(self.staging)
        exchange(self.staging, self._place)
        sync_folder(self._place.parent)
        self._clear_beside()


def _move_in(place: Path) -> None:
    """Move what lies in ``.ready`` into the folder; may be interrupted and called again."""
    ready = place / READY
    if os.path.lexists(ready / ".journal.json"):
        raise OutputError(
            "what an interrupted build left here cannot be read",
            where=ready,
            hint="Remove this folder, then build with --redo",
        )
    if (ready / OLD).is_symlink():
        (ready / OLD).unlink()
    for name in sorted(_names(ready) - {LOCK, OLD}):
        source, target, old = ready / name, place / name, ready / OLD / name
        if _is_folder(target) or (os.path.lexists(target) and _is_folder(source)):
            # For a moment the name is missing.
            old.parent.mkdir(exist_ok=True)
            remove_tree(old)
            os.rename(target, old)
        os.rename(source, target)
    sync_folder(place)
    os.rename(ready, place / STAGING)
    remove_tree(place / STAGING)


def _names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def _read_journal(place: Path) -> tuple[set[str], dict[str, Stamp]] | None:
    """What the process that exchanged the folder noted, None where none did or said it was done."""
    try:
        journal = json.loads(read_text(place / LOCK, "journal", 1 << 24))
        published, kept = journal["published"], journal["kept"]
        return {str(name) for name in published}, dict(kept)
    except (InputError, ValueError, TypeError, KeyError, RecursionError):
        return None


def require_settled(folder: Path) -> None:
    """Refuse a folder that is between two states, see the top of this file.

    Raises:
        InputError: it is; what lies in it does not belong together.
    """
    if os.path.lexists(folder / READY):
        raise InputError(
            "a command that writes into this folder was interrupted while it did",
            where=folder,
            hint="Run that command again (build, link, …): it finishes what was begun",
        )


def write_text(path: Path, text: str) -> None:
    """Write and sync a file that does not exist yet.

    Raises:
        OSError: as the system says.
    """
    write_bytes(path, text.encode())


def write_bytes(path: Path, data: bytes, mode: str = "xb") -> None:
    """Write and sync a file, by default one that does not exist yet.

    Raises:
        OSError: as the system says.
    """
    with path.open(mode) as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _sync_tree(path: Path) -> None:
    for folder, _, _ in os.walk(path):
        sync_folder(Path(folder))


def sync_folder(path: Path) -> None:
    """Make the names in a folder durable, where the file system knows that and we may read it."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except PermissionError:
        return
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(descriptor)
