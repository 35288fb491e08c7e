"""Files that are read soon: a store is far enough for it to matter that it is told."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TypeAlias

from ssd_data.core.files.remote.address import remote

AHEAD, FAR_AHEAD = 16, 64
AnyPath: TypeAlias = Path | str


def expect(root: AnyPath, files: Iterable[AnyPath]) -> None:
    """These files below a root are read next, in about this order. Nothing is done on the disk, and
    ``files`` not asked: only a store is far enough for it to matter.
    """
    if (far := remote(root)) is not None:
        from ssd_data.core.files.remote import reading

        reading.expect(far, filter(None, map(remote, files)))


def ahead_of(root: AnyPath) -> int:
    """How many files of a root are best announced before they are read."""
    return AHEAD if remote(root) is None else FAR_AHEAD
