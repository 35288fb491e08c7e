"""What lies in a build's out folder already, and whether a build may go there."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ssd_data.core.errors import OutputError
from ssd_data.core.files.remote.address import remote
from ssd_data.core.files.there import is_file, is_folder, is_named_there, is_there
from ssd_data.data import formats
from ssd_data.data.build.sharding.whole import read_summary
from ssd_data.data.dataset import Dataset
from ssd_data.data.formats import Format
from ssd_data.data.lmdb.companions import name_size_name
from ssd_data.data.lmdb.manifest import LABELMAP, MANIFEST, Manifest, differences
from ssd_data.data.lmdb.store import is_lmdb


def require_writable(folder: Path, option: str = "--out") -> None:
    """Whether a folder can be made there, as far as that can be told without doing it.

    Args:
        option: that names another.

    Raises:
        OutputError: a file is in the way, or there is no permission.
    """
    if remote(folder) is not None:
        return
    near = next(p for p in (folder, *folder.absolute().parents) if is_named_there(p))
    if not (is_folder(near) and os.access(near, os.W_OK | os.X_OK)):
        reason = "Permission denied" if is_folder(near) else "Not a directory"
        hint = f"Mend permissions or choose another folder with {option}"
        raise OutputError(f"cannot write: {reason}", where=near, hint=hint)


@dataclass(frozen=True, slots=True)
class Occupied:
    """An out folder, and the data set whose build is to go there."""

    path: Path
    dataset: Dataset

    @property
    def format(self) -> Format[Any]:
        """The data set's."""
        return formats.load(self.dataset.format)

    def is_current(self, old: Manifest, split: str, digest: str) -> bool:
        """Whether a split's LMDB is there, of shards each of them, made of the same input.

        Raises:
            OutputError: it was made of another input.
        """
        made = old.splits.get(split)
        if made is None or not is_lmdb(self.path / made.lmdb):
            return False
        places = {self.path / made.lmdb / shard.name for shard in made.shards or ()}
        if not all(map(read_summary, places)):
            return False
        if made.input_digest == digest:
            return True
        raise OutputError(
            f'the pictures or annotations of "{split}" have changed since it was built',
            where=self.path / made.lmdb,
            hint="Build it anew with --redo",
        )

    def refuse_other(
        self, old: Manifest, new: Manifest, wanted: Collection[str], redo: bool
    ) -> None:
        """Refuse a folder that holds another data set, or one that was built otherwise.

        Args:
            wanted: the splits that are to be built.

        Raises:
            OutputError: it is such.
        """
        path = self.path / MANIFEST
        # The lists of one data set come one by one, so their names are no data set's.
        lists = old.format == new.format and not self.format.names_splits
        if old.name != new.name and not lists:
            raise OutputError(
                f"this folder holds {old.name}, not {new.name}",
                where=path,
                hint="One folder holds one data set: choose another with --out",
            )
        found = differences(old, new)
        if found and not redo:
            raise OutputError(
                "this folder was built with " + ", ".join(found),
                where=path,
                hint="Build it anew with --redo, or choose another folder with --out",
            )
        if found and (left := [split for split in old.splits if split not in wanted]):
            raise OutputError(
                f'"{left[0]}" would stay as it was built, with ' + ", ".join(found),
                where=path,
                hint="Build all splits of a folder alike, or choose another folder with --out",
            )

    def refuse_overwriting(self, old: Manifest | None, todo: Sequence[str], redo: bool) -> None:
        """Files that no build put here are not replaced, unless asked.

        Raises:
            OutputError: there are such.
        """
        known = {LABELMAP, MANIFEST} if old else set()
        for split in old.splits if old else ():
            known |= {*self.names(split)}
        for name in (LABELMAP, *(n for s in todo for n in self.names(s))):
            path = self.path / name
            if is_there(path) and is_folder(path) != name.endswith("_lmdb"):
                raise OutputError("a folder or file is in the way", where=path, hint="Move it")
            unpublished = remote(path) is not None and is_folder(path) and not is_lmdb(path)
            there = is_named_there(path) and name not in known and not unpublished
            if there and not redo and not self.is_input(path):
                raise OutputError(
                    "exists, and no build.json says that a build made it",
                    where=path,
                    hint="Choose another folder with --out, or replace it with --redo",
                )

    def names(self, split: str) -> list[str]:
        """The names of a split's LMDB, list and size file."""
        return [self.dataset.lmdb_name(split), f"{split}.txt", name_size_name(split)]

    def is_input(self, path: Path) -> bool:
        """Whether the path is the very list that is built from, or the labelmap in use."""
        sources = [s for split in self.dataset.splits.values() for s in split.sources]
        own = [file for source in sources for file in self.format.outside(source)]
        own += [self.dataset.labelmap] if self.dataset.labelmap is not None else []
        own = [file for file in own if remote(file) is None and remote(path) is None]
        return is_there(path) and any(is_file(file) and path.samefile(file) for file in own)
