"""An address, such as ``s3://bucket/pictures/1.jpg``, in the place of a path.

A :class:`RemotePath` has what of a path's methods the package uses, and nothing that the system
takes: whoever hands it to the disk gets an error, and no "is not there".
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import total_ordering
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, cast

from ssd_data.core.errors import InputError, UsageError

if TYPE_CHECKING:
    from ssd_data.core.files.remote.listing import StoredFile

_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
_CHAINED = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*(://[^:]*)?::")
_ON_DISK = ("file", "local")


def is_address(text: str) -> bool:
    """Whether a text is an address: its scheme stands right at its start.

    >>> is_address("s3://bucket/voc"), is_address("data/s3://bucket")
    (True, False)
    """
    return "://" in text and _ADDRESS.match(text) is not None


def remote(path: object) -> RemotePath | None:
    """An address as a path; None where it is a path of this machine."""
    if isinstance(path, RemotePath):
        return path
    return RemotePath(path) if isinstance(path, str) and is_address(path) else None


def as_path(given: Path | str) -> Path:
    """The path or address that a user names, which may be read from now on.

    ``file://`` is a path of this machine. What an address holds of a user's name and password is
    kept for the store alone and shown nowhere.

    Raises:
        InputError: it is no address that can be read.
    """
    if not isinstance(given, str) and remote(given) is not None:
        return given
    text = str(given)
    if _CHAINED.match(text):
        raise InputError("one address inside another is not read", hint="Unpack it to a folder")
    if not is_address(text):
        return Path(given)
    scheme, _, rest = text.partition("://")
    if scheme.lower() in _ON_DISK:
        return Path(rest)
    return _named(scheme.lower(), rest)


def _named(scheme: str, rest: str) -> Path:
    from ssd_data.core.files.remote.stores import name_store

    host, _, inside = rest.partition("/")
    user, _, host = host.rpartition("@")
    inside = inside.rstrip("/")
    shown = f"{scheme}://{host}/{inside}".rstrip("/")
    if not host:
        raise InputError("the address names no bucket or machine", where=f"{scheme}://")
    if "?" in rest or (scheme.startswith("http") and "#" in rest):
        what = "the address of a folder or file has nothing behind a ?"
        raise InputError(what, where=shown.partition("?")[0].partition("#")[0])
    if any(part in ("", ".", "..") for part in inside.split("/") if inside):
        raise InputError("the address has parts that are empty, . or ..", where=shown)
    path = RemotePath(shown)
    name_store(path, user)
    return cast(Path, path)


def _again(text: str) -> RemotePath:
    """One that another process has named, in this one."""
    from ssd_data.core.files.remote.stores import take_store

    path = RemotePath(text)
    take_store(path)
    return path


@total_ordering
class RemotePath:
    """A file or folder of a store, as :class:`pathlib.Path` is one of the disk; no links there."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def __str__(self) -> str:
        return self._text

    as_posix = __str__

    def __fspath__(self) -> str:
        """The system has none.

        Raises:
            UsageError: always.
        """
        what = "this is an address: a file or folder of this machine is needed here"
        raise UsageError(what, where=self._text)

    def __repr__(self) -> str:
        return f"RemotePath({self._text!r})"

    def __hash__(self) -> int:
        return hash(self._text)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RemotePath) and other._text == self._text

    def __lt__(self, other: RemotePath) -> bool:
        return self._text < other._text

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return _again, (self._text,)

    def __truediv__(self, inside: str | Path) -> RemotePath:
        text = str(inside)
        return self if text in ("", ".") else RemotePath(f"{self._text}/{text}")

    @property
    def inside(self) -> PurePosixPath:
        """What stands behind the bucket or machine."""
        return PurePosixPath(self._text.partition("://")[2].partition("/")[2])

    @property
    def name(self) -> str:
        """The last part: of a whole bucket its name."""
        return self._text.rpartition("/")[2]

    @property
    def suffix(self) -> str:
        """The name's ending, with its dot."""
        return PurePosixPath(self.name).suffix

    @property
    def stem(self) -> str:
        """The name without its ending."""
        return PurePosixPath(self.name).stem

    @property
    def parent(self) -> RemotePath:
        """The folder that it lies in; of a whole bucket itself."""
        above = self._text.rpartition("/")[0]
        return self if above.endswith("/") else RemotePath(above)

    @property
    def parents(self) -> Iterator[RemotePath]:
        """The folders that it lies in, the nearest first."""
        path = self
        while (above := path.parent) != path:
            yield above
            path = above

    def absolute(self) -> RemotePath:
        """Itself."""
        return self

    resolve = absolute

    def relative_to(self, other: RemotePath) -> PurePosixPath:
        """Its path from a folder that it lies in."""
        return self.inside.relative_to(other.inside)

    def with_name(self, name: str) -> RemotePath:
        """Another of the same folder."""
        return self.parent / name

    def stat(self) -> StoredFile:
        """What the store says of a file; as of a path, ``st_size`` and ``st_mtime_ns`` change with
        it.

        Raises:
            FileNotFoundError: there is no such file.
        """
        from ssd_data.core.files.remote.stores import store_of

        found = store_of(self).file(self)
        if found is None:
            raise FileNotFoundError(self._text)
        return found

    lstat = stat

    def is_file(self) -> bool:
        """Whether it is one."""
        from ssd_data.core.files.remote.stores import store_of

        return store_of(self).file(self) is not None

    def is_dir(self) -> bool:
        """Whether something lies in it: a store has no empty folders."""
        from ssd_data.core.files.remote.stores import store_of

        return store_of(self).folder(self) is not None

    def exists(self) -> bool:
        """Whether it is a file or folder."""
        return self.is_file() or self.is_dir()

    def is_symlink(self) -> bool:
        """A store has no links."""
        return False

    def iterdir(self) -> Iterator[RemotePath]:
        """What lies in a folder."""
        from ssd_data.core.files.remote.reading import entries

        return (self / entry.name for entry in entries(self))
