"""A build's shards in a store: they are sent as they are built, and what tells of them last."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from ssd_data.core.errors import InputError
from ssd_data.core.files.publish import OutFolder
from ssd_data.core.files.remote.address import RemotePath, remote
from ssd_data.core.files.remote.out import StoreOut
from ssd_data.core.files.remote.stores import store_of
from ssd_data.core.files.there import is_file, is_folder
from ssd_data.data.lmdb.manifest import LABELMAP, MANIFEST
from ssd_data.data.lmdb.shards import SHARDS, read_shards
from ssd_data.data.lmdb.store import is_sharded
from ssd_data.data.lmdb.strangers import DATA

FAR_SHARDS = 16  # of a split, where nobody says how many


def out_folder(place: Path) -> OutFolder | StoreOut:
    """Where a build is put together before it takes its place."""
    far = remote(place)
    return OutFolder(place) if far is None else StoreOut(far, (LABELMAP, SHARDS, MANIFEST))


def publish_shards(folder: StoreOut, lmdbs: Sequence[Path]) -> None:
    """Send what tells of the shards, then remove those that nothing tells of any longer.

    Only what an earlier build had is removed: what another is sending meanwhile stays.

    Args:
        lmdbs: those that were built.
    """
    before = {lmdb: _names(lmdb) for lmdb in lmdbs}
    folder.publish()
    for lmdb, names in before.items():
        stale = [file for name in names - _names(lmdb) for file in _files(lmdb / name)]
        with suppress(FileNotFoundError):  # somebody else has removed them
            store_of(folder.path).remove(stale)
    store_of(folder.path).look_anew()


def _names(lmdb: Path) -> set[str]:
    with suppress(InputError):
        if is_sharded(lmdb):
            return {shard.name for shard in read_shards(lmdb).shards}
    return {DATA} if is_file(lmdb / DATA) else set()


def _files(place: Path) -> list[RemotePath]:
    inside = place.iterdir() if is_folder(place) else iter([place] if is_file(place) else [])
    return [file for file in map(remote, inside) if file is not None]
