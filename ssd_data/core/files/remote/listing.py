"""What lies in a store, from one listing of all of it.

A key is hostile until it is looked at: it may climb, hold empty parts, or be a file and a folder.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ssd_data.core.errors import InputError

MOST_FILES = 1 << 25
# What changes with a file's content, the surest first; stores call it differently.
_CONTENT = ("ETag", "etag", "e_tag", "md5Hash", "content_md5", "Content-MD5", "generation")
_TIME = ("LastModified", "last_modified", "Last-Modified", "updated", "mtime", "created")


class StoredFile(NamedTuple):
    """A file of a store. As in a ``stat`` of the disk, ``st_mtime_ns`` is another number when the
    file is another: of its ETag, or where there is none, of its time.
    """

    st_size: int
    st_mtime_ns: int


@dataclass(slots=True)
class StoredFolder:
    """A folder: its own files and folders, by name.

    Attributes:
        known: whether it was looked into.
    """

    files: dict[str, StoredFile] = field(default_factory=dict)
    folders: dict[str, None] = field(default_factory=dict)
    known: bool = True


class StoreListing:
    """The folders of a store, by their paths below the root; the root's is empty.

    Attributes:
        root: the address.
        whole: the file that the root itself is, if it is one.

    Args:
        flat: no folder inside was looked into.
    """

    def __init__(self, root: str, flat: bool = False) -> None:
        self.root, self._flat = root, flat
        self.folders: dict[str, StoredFolder] = {}
        self.whole: StoredFile | None = None
        self._count = 0

    def add(self, key: str, found: StoredFile) -> None:
        """Take in a file, or with a ``/`` at its end what stands for a folder.

        Raises:
            InputError: no path can be called so; there are too many.
        """
        folder, _, name = key.rpartition("/")
        held = self.folders.get(folder)
        if held is None:
            held = self._folder(folder, key)
        if key.startswith("/"):
            raise self._hostile(key)
        if not name:
            return
        if name in (".", ".."):
            raise self._hostile(key)
        held.files[name] = found
        self._count += 1
        if self._count > MOST_FILES:
            raise InputError(
                f"more than {MOST_FILES:,} files lie here",
                where=self.root,
                hint="Name the folder of the data set, not the whole bucket",
            )

    def _folder(self, folder: str, key: str) -> StoredFolder:
        held = self.folders.setdefault("", StoredFolder())
        path = ""
        for part in folder.split("/") if folder else ():
            if part in ("", ".", ".."):
                raise self._hostile(key)
            held.folders[part] = None
            path = f"{path}/{part}" if path else part
            held = self.folders.setdefault(path, StoredFolder(known=not self._flat))
        return held

    def settle(self) -> None:
        """What stands for a folder, an empty file of its name, is none.

        Raises:
            InputError: a file that holds something is called as a folder.
        """
        for path, held in self.folders.items():
            for name in held.files.keys() & held.folders.keys():
                if held.files.pop(name).st_size:
                    raise InputError(
                        "this is a file, and a folder as well",
                        where=f"{self.root}/{path}/{name}".replace("//", "/").replace(":/", "://"),
                        hint="Rename one of the two in the store",
                    )

    def _hostile(self, key: str) -> InputError:
        return InputError(
            f'the key "{key}" is no path: parts of it are empty, . or ..',
            where=self.root,
            hint="Rename it in the store, or remove it",
        )


def found_of(info: Mapping[str, Any]) -> StoredFile:
    """A file, from what fsspec says of it; a size that is not said is -1."""
    stated = next((str(info[key]) for key in (*_CONTENT, *_TIME) if info.get(key)), "")
    digest = hashlib.sha256(stated.strip('"').encode()).digest() if stated else bytes(8)
    size = info.get("size")
    return StoredFile(size if isinstance(size, int) else -1, int.from_bytes(digest[:8], "big") >> 1)


def names_of(infos: Iterable[tuple[str, Mapping[str, Any]]], top: str) -> Iterable[tuple[str, Any]]:
    """Each key from the top on; empty for the top itself. Folders end with ``/``."""
    start = f"{top.rstrip('/')}/"
    for name, info in infos:
        ending = "/" if info.get("type") == "directory" and not name.endswith("/") else ""
        if name.startswith(start):
            yield name[len(start) :] + ending, info
        elif name == top and not ending:
            yield "", info
