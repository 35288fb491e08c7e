"""Files of a store that one process has listed, told to another, which does not list it again."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ssd_data.core.files.remote.address import remote
from ssd_data.core.files.remote.listing import StoredFile


@dataclass(frozen=True, slots=True)
class KnownFiles:
    """Some files.

    Attributes:
        files: by their paths below a root.
    """

    files: dict[str, StoredFile]


def known_of(root: Path, files: Iterable[tuple[str, tuple[int, int]]]) -> KnownFiles | None:
    """The same of files whose sizes, and what changes with them, are told; None on the disk."""
    if remote(root) is None:
        return None
    return KnownFiles({path: StoredFile(*stamp) for path, stamp in files if stamp[0] >= 0})


def known_files(root: Path, paths: Iterable[str]) -> KnownFiles | None:
    """What a store has of files below a root, those that it has not left out; None on the disk."""
    far = remote(root)
    if far is None:
        return None
    from ssd_data.core.files.remote.stores import store_of

    store = store_of(far)
    found = ((path, store.file(far / path)) for path in paths)
    return KnownFiles({path: file for path, file in found if file is not None})


def take_known(root: Path, known: KnownFiles | None) -> None:
    """From now on, below a root, there are these files and no others; where nothing is told, what
    there is. Nothing is done on the disk.
    """
    if (far := remote(root)) is not None:
        from ssd_data.core.files.remote.stores import know_store

        know_store(far, None if known is None else known.files)
