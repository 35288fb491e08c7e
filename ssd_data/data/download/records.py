"""What was unpacked into an out folder: ``.downloads/<archive>.json`` lists the files with sizes.

An archive counts as there when its record fits the recipe and every file that it lists still has
its size.
"""

from __future__ import annotations

import errno
import filecmp
import os
import shutil
from collections.abc import Iterable
from pathlib import Path

import msgspec

from ssd_data.core.errors import InputError, OutputError
from ssd_data.core.files.inside import names_in
from ssd_data.core.files.paths import is_below, read_bytes
from ssd_data.core.files.there import is_file, is_folder, is_link, is_named_there
from ssd_data.core.files.whole import new_file, write_whole
from ssd_data.data.download.unpack import RESERVED
from ssd_data.data.recipes import Download

MOST = 1 << 30


class UnpackedArchive(msgspec.Struct, frozen=True):
    """One archive that was unpacked; ``files`` are paths below the out folder and bytes."""

    url: str
    bytes: int
    sha256: str
    md5: str
    files: dict[str, int]


class Records:
    """The records of an out folder.

    Args:
        out: the out folder; need not exist.
    """

    def __init__(self, out: Path) -> None:
        self.out = out
        self.folder = out / RESERVED
        paths = [self.folder / name for name in names_in(self.folder) if name.endswith(".json")]
        self._all = {p.stem: record for p in paths if (record := _read(p))}
        self._listed = {pair for record in self._all.values() for pair in record.files.items()}
        self._names = {name for name, _ in self._listed}

    def whole(self, file: Download) -> bool:
        """Whether all that the archive held is there."""
        record = self._all.get(file.name)
        if record is None or not _fits(record, file):
            return False
        # Of a file that two archives hold, the later one's stays.
        return all(self._there(name) for name in record.files)

    def _there(self, name: str) -> bool:
        try:
            return (name, (self.out / name).stat().st_size) in self._listed
        except OSError:
            return False

    def place(self, staged: Path, file: Download, sizes: dict[str, int], url: str) -> None:
        """Move what was unpacked into the out folder, then write its record.

        Files that an archive brought before are replaced, files that are the same stay.

        Raises:
            OutputError: another file lies where one should go.
            OSError: something cannot be written.
        """
        into = self.out / file.into
        self._require_free(staged, into, sizes)
        _merge(staged, into)
        os.sync()  # a record of files that the disk does not have yet would be a lie
        below = os.path.relpath(into, self.out)
        files = {os.path.normpath(f"{below}/{name}"): size for name, size in sizes.items()}
        record = UnpackedArchive(url, file.bytes, file.sha256, file.md5, files)
        write_whole(self.folder / f"{file.name}.json", msgspec.json.encode(record))

    def _require_free(self, staged: Path, into: Path, names: Iterable[str]) -> None:
        for name in names:
            target = into / name
            if not is_named_there(target):
                continue
            plain = is_file(target) and not is_link(target)
            ours = os.path.normpath(os.path.relpath(target, self.out)) in self._names
            if not (plain and (ours or filecmp.cmp(staged / name, target, shallow=False))):
                raise OutputError(
                    "something else lies where a file of the archive belongs",
                    where=target,
                    hint="Move it away, or choose another folder with --out",
                )


def _fits(record: UnpackedArchive, file: Download) -> bool:
    return (record.bytes, record.sha256, record.md5) == (file.bytes, file.sha256, file.md5)


def _read(path: Path) -> UnpackedArchive | None:
    try:
        record = msgspec.json.decode(read_bytes(path, "record", MOST), type=UnpackedArchive)
    except (InputError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    return record if all(map(is_below, record.files)) else None


def _merge(source: Path, target: Path) -> None:
    """Move a tree into another: new folders in one step, of files those that differ."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if is_folder(source) and is_folder(target):
        for inner in sorted(source.iterdir()):
            _merge(inner, target / inner.name)
    elif is_file(target) and filecmp.cmp(source, target, shallow=False):
        source.unlink()
    else:
        _move(source, target)


def _move(source: Path, target: Path) -> None:
    """Move a file, or a folder into a place where nothing is; onto another disk, if a link leads
    there, file by file: each of them is whole."""
    try:
        os.rename(source, target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        if is_folder(source):
            target.mkdir()
            for inner in sorted(source.iterdir()):
                _move(inner, target / inner.name)
            source.rmdir()
        else:
            with source.open("rb") as file, new_file(target) as copy:
                shutil.copyfileobj(file, copy, 1 << 20)
            source.unlink()
