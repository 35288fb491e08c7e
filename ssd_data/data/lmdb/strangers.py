"""What people take for one of Caffe's LMDBs or name in its place: said, with the cure.

Caffe opens a folder with ``data.mdb`` and reads its unnamed database.
"""

from __future__ import annotations

import json
import re
import shlex
import struct
from pathlib import Path

from ssd_data.core.errors import InputError, cure
from ssd_data.core.files.paths import ANY_BYTES, read_start
from ssd_data.core.files.remote.address import remote
from ssd_data.core.files.there import is_file, is_folder
from ssd_data.core.legible import Legible, few, visible
from ssd_data.data.lmdb.pages import HEADER, MAGIC, named_databases
from ssd_data.data.lmdb.records import key_text

DATA, LOCK = "data.mdb", "lock.mdb"
HEADER_32 = 12  # of a page on a machine of 32 bits
_HEAD = 512
_UNPACK, _ANEW = "Unpack it first", "Build an LMDB of the raw data: ssd-data build"
_LATER = "Download the file itself, not the page that shows it"
_KINDS = (
    (0, b"PK\x03\x04", "a zip archive", _UNPACK),
    (0, b"\x1f\x8b", "a gzip archive", _UNPACK),
    (0, b"BZh", "a bzip2 archive", _UNPACK),
    (0, b"\xfd7zXZ\0", "an xz archive", _UNPACK),
    (0, b"\x28\xb5\x2f\xfd", "a zstd archive", _UNPACK),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7z archive", _UNPACK),
    (0, b"Rar!", "a rar archive", _UNPACK),
    (257, b"ustar", "a tar archive", _UNPACK),
    (0, b"\x89HDF\r\n\x1a\n", "an HDF5 file", _ANEW),
    (0, b"SQLite format 3\0", "an SQLite database", _ANEW),
    (0, b"version https://git-lfs", "a pointer of Git LFS, not the file", "Fetch it: git lfs pull"),
    (0, b"<!doctype html", "a saved web page", _LATER),
    (0, b"<html", "a saved web page", _LATER),
)
_TFRECORD = re.compile(r"\.(tfrecords?|record)(-\d+-of-\d+)?$", re.IGNORECASE)
_SINGLE_FILE = re.compile(r"\.l?mdb(-lock)?$", re.IGNORECASE)
_NOTES = (".prototxt", ".pbtxt", ".txt", ".md", ".json")  # what may lie beside records


def refuse_stranger(path: Path) -> None:
    """Refuse what is no LMDB of Caffe's, nor anything else that a command takes.

    Raises:
        InputError: it is another database, an archive or a part of an LMDB; the hint is the cure.
            Or no file can have that name.
    """
    if _is_folder(path):
        if remote(path) is not None and is_file(path / DATA):
            return  # it is looked at when it is opened, on this machine's disk
        if is_file(path / DATA):
            _refuse_file(path / DATA, path)
            _refuse_named(path)
        else:
            _refuse_folder(path)
    elif path.name in (DATA, LOCK) and _is_lmdb_file(path.with_name(DATA)):
        raise InputError(
            "this is a file of an LMDB, which is its folder",
            where=path,
            hint=f"Name the folder: {path.parent}",
        )
    elif _is_lmdb_file(path):
        raise _single_file(path)
    else:
        _refuse_file(path, path)


def _is_folder(path: Path) -> bool:
    if "\0" in str(path):
        raise InputError("no file can have that name", where=path)
    try:
        return is_folder(path)
    except OSError as error:
        what = f"cannot be looked at: {error.strerror}"
        raise InputError(what, where=path, hint=cure(error)) from None


def _refuse_file(file: Path, path: Path) -> None:
    """By its first bytes; ``path`` is what was named, the file itself or its folder."""
    head, this = _head(file), "this" if file == path else file.name
    for at, magic, what, hint in _KINDS:
        if head[at : at + len(magic)].lower() == magic.lower():
            raise InputError(f"{this} is {what}", where=path, hint=hint)
    magics = [struct.pack(f"{order}I", MAGIC) for order in "<>"]
    first, second = head[HEADER : HEADER + 4], head[HEADER_32:HEADER]
    if first != struct.pack("=I", MAGIC) and {first, second} & {*magics}:
        raise InputError(
            "this LMDB was written on a machine of another word size or byte order",
            where=path,
            hint="Copy it: there mdb_dump -f records LMDB, here mdb_load -f records NEW_LMDB",
        )
    if head and _TFRECORD.search(path.name):
        raise _tfrecords(path)


def _refuse_named(path: Path) -> None:
    try:
        names = named_databases(path / DATA)
    except (OSError, ValueError):
        return  # whoever opens it says what is wrong
    if not names:
        return
    shown = few([f'"{key_text(name)}"' for name in names])
    name = names[0].decode("utf-8", "replace")
    line = _copying(
        f"a = lmdb.open({json.dumps(str(path))}, readonly=True, max_dbs=1); "
        f"d = a.open_db({json.dumps(name)}.encode(), create=False)",
        "a.begin().cursor(d)",
        _folder_of(Path(name).name),
    )
    raise InputError(
        f"its records lie in the named database{'s' * (len(names) > 1)} {shown}; Caffe's lie "
        "in the one without a name",
        where=path,
        hint=[f"Copy {'each' if len(names) > 1 else 'it'} into an LMDB of its own:", line],
    )


def _refuse_folder(path: Path) -> None:
    """By the names in it; a data set that has such files among its own is no database."""
    try:
        names = sorted(one.name for one in path.iterdir())
    except OSError:
        return
    if "CURRENT" in names and any(name.startswith("MANIFEST-") for name in names):
        line = _copying(
            f"import plyvel; a = plyvel.DB({json.dumps(str(path))})",
            "a.iterator()",
            _folder_of(path.name),
        )
        raise InputError(
            "this is a LevelDB, only LMDBs are read",
            where=path,
            hint=[
                "Build an LMDB of the raw data (ssd-data build), or copy the records with plyvel, "
                "and say backend: LMDB in nets:",
                line,
            ],
        )
    held = [name for name in names if not name.lower().endswith(_NOTES)]
    if held == [LOCK]:
        hint = f"{LOCK} holds no records: copy the {DATA} that lay beside it as well"
        raise InputError(f"an LMDB without its {DATA}", where=path, hint=hint)
    if held and all(_TFRECORD.search(name) for name in held):
        raise _tfrecords(path / held[0])
    if held and all(_SINGLE_FILE.search(name) for name in held) and _is_lmdb_file(path / held[0]):
        raise _single_file(path / held[0])


def _copying(opened: str, records: str, out: str) -> Legible:
    """A shell's line that copies records into a new LMDB; it is of use as a whole only.

    Args:
        opened: Python that opens what they are in; records: an iterator over them.
        out: the new LMDB.
    """
    code = (
        f"import lmdb, os; {opened}; os.mkdir({json.dumps(out)}); "  # which must not be there
        f"b = lmdb.open({json.dumps(out)}, map_size=1 << 40); "
        f"t = b.begin(write=True); t.cursor().putmulti({records}); t.commit()"
    )
    return Legible(visible(f"python -c {shlex.quote(code)}"))


def _folder_of(name: str) -> str:
    """What to call the LMDB that is made of a file or database of that name."""
    ending = r"(?i)[._-]?(lmdb|mdb|leveldb|ldb)$"
    return f"{re.sub(ending, '', name) or 'records'}_lmdb"


def _single_file(path: Path) -> InputError:
    folder = shlex.quote(_folder_of(path.name))
    return InputError(
        "this is a single-file LMDB, Caffe's are folders",
        where=path,
        hint=f"Put it into one: mkdir {folder} && cp {shlex.quote(str(path))} {folder}/{DATA}",
    )


def _tfrecords(path: Path) -> InputError:
    hint = "Export the data set as VOC or COCO where it comes from, and build that"
    return InputError("TFRecords are not read", where=path, hint=hint)


def _is_lmdb_file(path: Path) -> bool:
    """Whether a file begins as ``data.mdb`` does."""
    return _head(path)[HEADER : HEADER + 4] == struct.pack("=I", MAGIC)


def _head(file: Path) -> bytes:
    """The first bytes of a regular file, none of any other."""
    try:
        if not is_file(file):
            return b""
        if remote(file) is not None:
            return read_start(file, "file", ANY_BYTES, file, _HEAD, again=True)[0]
        with file.open("rb") as opened:
            return opened.read(_HEAD)
    except OSError:
        return b""
