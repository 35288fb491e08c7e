"""What a command writes into a store: it is put together on this machine's disk, then sent.

A store has no rename of a folder: each file takes its place by itself, whole, and those that tell
of the others go last. Who reads meanwhile sees what was there before, or all of the new.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

from ssd_data.core.errors import SsdDataError
from ssd_data.core.files.remote.address import RemotePath
from ssd_data.core.files.remote.stores import name_store, store_of
from ssd_data.core.files.scratch import scratch
from ssd_data.core.files.there import is_file

TRIED = ".ssd-data-writing"


def put_files(folder: RemotePath, files: Sequence[Path]) -> None:
    """Send files into a folder of a store, one after the other.

    Raises:
        StoreError: the store fails, or does not let one write.
    """
    for file in files:
        store_of(folder).put(folder / file.name, file)


class StoreOut:
    """A folder of a store that is written to; use as a context manager.

    Args:
        path: the folder. last: the names of files that tell of others: they are sent last, in this
            order.

    Attributes:
        staging: where to write; :meth:`publish` sends what lies there.
        locked: what else :class:`ssd_data.core.files.publish.OutFolder` has; nobody is kept out
            here, and none needs to be: what two write is told apart by its name.

    Raises:
        StoreError: it cannot be written: that is tried first.
    """

    locked = True

    def __init__(self, path: RemotePath, last: Sequence[str]) -> None:
        self.path, self._last = path, tuple(last)
        self.staging = Path()
        self._held = ExitStack()

    def __enter__(self) -> StoreOut:
        name_store(self.path)
        store_of(self.path).look_anew()
        self.staging = self._held.enter_context(scratch())
        try:
            (self.staging / TRIED).touch()
            put_files(self.path, [self.staging / TRIED])
            (self.staging / TRIED).unlink()
        except BaseException:
            self._held.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._held.close()
        with suppress(SsdDataError, FileNotFoundError):
            store_of(self.path).remove([self.path / TRIED])

    def publish(self) -> None:
        """Send what is staged.

        Raises:
            StoreError: the store fails; what was there before is whole still.
        """
        files = [file for file in self.staging.rglob("*") if is_file(file)]
        for file in sorted(files, key=self._rank):
            folder = file.parent.relative_to(self.staging).as_posix()
            put_files(self.path / folder, [file])
        store_of(self.path).look_anew()

    def _rank(self, file: Path) -> tuple[int, str]:
        place = self._last.index(file.name) + 1 if file.name in self._last else 0
        return place, str(file)
