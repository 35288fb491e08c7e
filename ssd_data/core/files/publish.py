"""An out folder that changes in one step: one sees what was there, or all that is new.

What is new is staged in a hidden folder beside it, together with hard links to all else that lies
in the old one; then the two exchange their names. A process that is killed before that has changed
nothing; what it left, and what one left that is killed after it, the next removes that opens the
folder. A lock in each of the two keeps a second process out.

Where folders cannot be exchanged (a file system without that or without hard links, a mounted
folder) or should not (somebody works in it, it holds a whole tree of pictures), the folder stays
and the new items move into it one by one, see ``moving.py``: our readers refuse it meanwhile, and
whoever opens it next finishes what was begun. A link that is switched would change in one step as
well, but then everything in an out folder would have to be one: copies, archives and other disks
lose those.

Where the file system has no locks nobody is kept out, and ``unlocked.py`` says what is done then.
"""

from __future__ import annotations

import errno
import json
import os
from contextlib import suppress
from pathlib import Path

from ssd_data.core.errors import (
    CannotReadError,
    InputError,
    OutputError,
    SsdDataError,
    cure,
    said_by_system,
)
from ssd_data.core.files import unlocked
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
from ssd_data.core.files.hidden import (
    LOCK,
    NEW,
    READY,
    STAGING,
    is_hidden,
    staged_for,
    where_seen,
)
from ssd_data.core.files.moving import move_in, names_in
from ssd_data.core.files.paths import read_text
from ssd_data.core.files.there import is_folder, is_link, is_named_there, is_own_folder
from ssd_data.core.files.whole import is_open_at, lock, sync_folder, sync_tree, write_bytes

TRIES = 100
Journal = tuple[set[str], dict[str, Stamp]]  # what was published, and what the rest was like


class OutFolder:
    """The folder, locked and cleared of what a killed process left; use as a context manager.

    It is made only when something is published.

    Args:
        path: the folder.
        inside: stage in it, not beside it: for work that is not published by :meth:`publish`.

    Attributes:
        path: the folder.
        staging: where to write; :meth:`publish` gives it to the folder.
        locked: whether a second process is kept out; False where the file system has no locks.

    Raises:
        OutputError: another process holds the lock, or something cannot be written: any OSError
            that leaves the context becomes one.
    """

    def __init__(self, path: Path, *, inside: bool = False) -> None:
        self.path = path
        self.staging = Path()
        self.locked = True
        self._inside = inside
        self._place = Path(os.path.realpath(path))
        self._beside = self._place.parent / f".{self._place.name}{STAGING}"
        self._held: list[int] = []
        self._made: list[Path] = []
        self._found: unlocked.Marks = {}
        self._swapped: Journal | None = None  # what this process has exchanged

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
            with suppress(OSError):
                os.close(descriptor)
        self._held = []
        for folder in self._made:
            with suppress(OSError):
                folder.rmdir()
        if isinstance(error, OSError):
            raise self._failed(error) from None
        if isinstance(error, SsdDataError):
            error.where = self._said(error.where)

    def _failed(self, error: OSError) -> SsdDataError:
        if isinstance(error, CannotReadError):
            return said_by_system(error)
        named = [Path(name).absolute() for name in (error.filename2, error.filename) if name]
        for where in named or [self._place]:
            ours = {self._beside, self._place} & {where, *where.parents}
            if ours or where in self._place.parents:
                hint = f"{cure(error)}; what is there is whole"
                text = f"cannot write: {error.strerror or error}"
                return OutputError(text, where=self._said(str(where)), hint=hint)
        return said_by_system(error)  # it is what is being read

    def _said(self, where: str) -> str:
        """What is wrong below the folder, or where it is made, is said of it as it was named."""
        seen = where_seen(where)
        if seen == str(self._place) or seen.startswith(f"{self._place}/"):
            return str(self.path) + seen[len(str(self._place)) :]
        return seen

    def _enter(self) -> None:
        place = self._place
        self._made = [folder for folder in place.parents if not is_named_there(folder)]
        for path in (place, place.parent):
            if is_named_there(path) and not is_folder(path):
                code = errno.ENOTDIR
                raise NotADirectoryError(code, os.strerror(code), str(path))
        place.parent.mkdir(parents=True, exist_ok=True)
        if is_named_there(place):
            self._lock(place)
        if self._claim_beside():
            self.staging = self._beside / NEW
        else:
            self._mkdir(place)
            self.staging = place / STAGING
        if is_named_there(place) and not self._holds(place):
            self._lock(place)  # it has appeared just now
        if not self.locked:
            self._stage_apart()
        self._recover()
        self.staging.mkdir()
        if not self.locked:
            self._found = unlocked.marks(place)

    def _claim_beside(self) -> bool:
        """Make the folder beside it and lock that, unless it is better to stage inside."""
        if self._inside or is_mount(self._place):
            return False
        for _ in range(TRIES):
            try:
                self._mkdir(self._beside)
                if is_link(self._beside):
                    return False
                if (names := names_in(self._beside)) and LOCK not in names:
                    return False  # not ours
                self._lock(self._beside)
            except FileNotFoundError:  # whoever had it has removed it just now
                continue
            except OSError:  # we may not write into the folder above
                return False
            return True
        return False

    def _stage_apart(self) -> None:
        """Stage where no other process does, since none is kept out of this folder."""
        place, beside = self._place, self._beside
        if self.staging == beside / NEW:
            self._leave(beside)
            self._beside = unlocked.own_name(beside)
            try:
                self._mkdir(self._beside)
            except OSError:  # there is no room for a longer name
                self._beside = beside
            else:
                self.staging = self._beside / NEW
                return
        self._mkdir(place)
        self.staging = unlocked.own_name(place / STAGING)

    def _mkdir(self, folder: Path) -> None:
        if not is_named_there(folder):
            folder.mkdir(exist_ok=True)
            self._made.insert(0, folder)

    def _recover(self) -> None:
        """Finish what a killed process had begun, and remove what it left."""
        place = self._place
        if not self.locked:
            now = unlocked.clock(self.staging.parent)
            unlocked.remove_forgotten(place.with_name(f".{place.name}{STAGING}"), now)
            unlocked.remove_forgotten(place / STAGING, now)
            if is_own_folder(place / READY):
                unlocked.require_nobody_moves(place / READY, now, self.path)
                move_in(place, unlocked.own_name(place / STAGING))
        elif is_named_there(place):
            remove_tree(place / STAGING)
            if is_own_folder(place / READY):
                move_in(place, place / STAGING)
            remove_tree(place / READY)
        self._clear_beside()
        if self._holds(place):
            os.truncate(place / LOCK, 0)  # its journal is done with

    def _clear_beside(self) -> None:
        """Empty the folder beside, from which what somebody wrote of late is saved before."""
        if self.staging != self._beside / NEW:
            return
        if is_folder(self.staging) and (journal := self._swapped or _read_journal(self._place)):
            published, kept = journal
            take_late(self.staging, self._place, published | _hidden_in(self.staging), kept)
        for name in names_in(self._beside) - {LOCK}:
            remove_tree(self._beside / name)

    def _clear_up(self) -> None:
        """Remove what is no result, the locks last."""
        self._clear_beside()
        if self.staging.parent == self._place:
            remove_tree(self.staging)
        for folder in (self._beside, self._place):
            self._leave(folder)

    def _leave(self, folder: Path) -> None:
        """Remove our lock, and the folder beside if that was all in it."""
        if self._holds(folder):
            (folder / LOCK).unlink()
        if self.staging == folder / NEW:
            with suppress(OSError):
                folder.rmdir()

    def _holds(self, folder: Path) -> bool:
        return any(is_open_at(descriptor, folder / LOCK) for descriptor in self._held)

    def _lock(self, folder: Path) -> None:
        path = folder / LOCK
        while not self._holds(folder):
            flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            descriptor = os.open(path, flags, 0o644)
            try:
                self.locked &= lock(
                    descriptor,
                    "another ssd-data is writing into this folder",
                    where=self.path,
                    hint="Wait until it is done, or choose another folder with --out",
                )
                is_there = is_open_at(descriptor, path)
            except BaseException:
                os.close(descriptor)
                raise
            if is_there:
                self._held.append(descriptor)
            else:
                os.close(descriptor)  # the holder before us has removed it just now

    def publish(self) -> None:
        """Put all that is staged into the folder; what else lies there stays.

        Raises:
            OSError: as the system says; leaving the folder's context makes it an OutputError.
        """
        place, staging = self._place, self.staging
        there = names_in(staging)
        for name in there:
            if staged_for(name) in there:  # a folder within could not clear up
                remove_tree(staging / name)
        sync_tree(staging)
        names, is_beside = names_in(staging), staging.parent != place
        if self._is_overtaken(place, names | {READY}):
            raise unlocked.overtaken(self.path)
        if is_beside and not is_named_there(place):
            os.rename(staging, place)
            sync_folder(place.parent)
            return
        if is_beside:
            try:
                self._exchange(names)
            except CannotExchangeError:
                for name in names_in(staging) - names:
                    remove_tree(staging / name)
            else:
                return
        self._move_in(names)

    def _is_overtaken(self, folder: Path, names: set[str]) -> bool:
        """Whether there are no locks, and somebody has published what would be replaced."""
        return not self.locked and not unlocked.is_same(folder, self._found, names)

    def _exchange(self, names: set[str]) -> None:
        """What is new and what stays take the folder's place at once."""
        place, staging = self._place, self.staging
        require_free(place)
        if _hidden_in(place) - {LOCK}:
            raise CannotExchangeError("another command without a lock stages in it")
        kept = mirror(place, staging, names | {LOCK})
        self._lock(staging)
        journal = json.dumps({"published": sorted(names), "kept": kept})
        write_bytes(staging / LOCK, journal.encode(), "wb")
        sync_tree(staging)
        exchange(staging, place)
        if self._is_overtaken(staging, names | {READY}):
            exchange(staging, place)
            raise unlocked.overtaken(self.path)
        self._swapped = names, kept
        sync_folder(place.parent)
        self._clear_beside()

    def _move_in(self, names: set[str]) -> None:
        """What is new moves into the folder, item by item."""
        place, staging, trash = self._place, self.staging, self._place / STAGING
        if not self.locked:
            trash = unlocked.own_name(trash)
        self._lock(staging)  # tells whose it is; and what is never empty nobody's can replace
        try:
            os.rename(staging, place / READY)
            if self._is_overtaken(place, names):
                os.rename(place / READY, staging)
                raise unlocked.overtaken(self.path)
            sync_folder(place)
            move_in(place, trash)
        finally:
            if self._holds(place / READY):  # Ctrl-C does not leave it between two states
                move_in(place, trash)


def _hidden_in(folder: Path) -> set[str]:
    return {name for name in names_in(folder) if is_hidden(name)}


def _read_journal(place: Path) -> Journal | None:
    """What the process that exchanged the folder noted, None where none did or said it was done."""
    try:
        journal = json.loads(read_text(place / LOCK, "journal", 1 << 24))
        published, kept = journal["published"], journal["kept"]
        return {str(name) for name in published}, dict(kept)
    except (InputError, ValueError, TypeError, KeyError, RecursionError):
        return None
