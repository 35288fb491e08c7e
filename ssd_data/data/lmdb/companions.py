"""What belongs to an LMDB and lies beside it: labelmap, build's record, split, names and sizes.

An LMDB is often a link to one of a build. What was built lies beside the LMDB itself; only a
labelmap may also lie beside the link, and then counts.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from ssd_data.core.errors import InputError
from ssd_data.core.files.paths import read_lines
from ssd_data.core.files.there import is_file
from ssd_data.core.labelmap import LabelMap, read_labelmap
from ssd_data.data.lmdb.manifest import LABELMAP, BuiltSplit, Manifest, read_manifest
from ssd_data.data.lmdb.store import is_lmdb

ENDING = "_lmdb"


def labelmap_file(lmdb: Path) -> Path | None:
    """The labelmap in an LMDB's folder or the folder above it, None where there is none.

    Of an LMDB that is linked, the folder above the link comes before the folder above its target.
    """
    if not is_lmdb(lmdb):
        return None
    folders = (lmdb, lmdb.parent, lmdb.resolve().parent)
    return next((f / LABELMAP for f in folders if is_file(f / LABELMAP)), None)


def labelmap_of(lmdb: Path) -> LabelMap:
    """What :func:`labelmap_file` holds.

    Raises:
        InputError: there is none, or it is not a labelmap.
    """
    file = labelmap_file(lmdb)
    if file is None:
        hint = "Say what the labels mean with --labelmap FILE"
        raise InputError(f"there is no {LABELMAP} beside it", where=lmdb, hint=hint)
    return read_labelmap(file)


def manifest_of(lmdb: Path) -> Manifest | None:
    """The ``build.json`` beside an LMDB, None where there is none or it lists other LMDBs.

    Raises:
        InputError: it is not a build's.
    """
    lmdb = lmdb.resolve()
    manifest = read_manifest(lmdb.parent)
    return manifest if manifest and manifest.find(lmdb.name) else None


def split_of(lmdb: Path) -> str:
    """The split that the build's record or the LMDB's name (``<name>_<split>_lmdb``) states.

    Empty where neither does; a record that is broken states nothing.
    """
    lmdb = lmdb.resolve()
    if found := _recorded(lmdb):
        return found[0]
    return _last(lmdb) if lmdb.name.endswith(ENDING) else ""


def name_size_file(lmdb: Path) -> Path:
    """The file of the pictures' names and sizes that a build writes; it may not be there.

    It is called as the build's record says, else after the LMDB or its split.
    """
    lmdb = lmdb.resolve()
    if found := _recorded(lmdb):
        return lmdb.with_name(found[1].name_size)
    names = [lmdb.name.removesuffix(ENDING), _last(lmdb)]
    files = [lmdb.with_name(name_size_name(name)) for name in names]
    return next((file for file in files if is_file(file)), files[-1])


def name_size_name(split: str) -> str:
    """What a build calls the file of a split's names and sizes."""
    return f"{split}_name_size.txt"


def read_name_sizes(path: Path) -> list[tuple[str, tuple[int, int]]]:
    """Name and (width, height) of each line ``name height width``.

    Raises:
        InputError: the file is missing, or a line is something else.
    """
    rows = []
    for number, line in enumerate(read_lines(path, "file of names and sizes"), 1):
        words = line.rsplit(maxsplit=2)
        if len(words) != 3 or not all(w.isdecimal() and len(w) < 10 for w in words[1:]):
            raise InputError(
                "a line has a name, height and width",
                where=f"{path}:{number}",
                hint="ssd-data build writes such a file, <split>_name_size.txt",
            )
        rows.append((words[0], (int(words[2]), int(words[1]))))
    return rows


def _recorded(lmdb: Path) -> tuple[str, BuiltSplit] | None:
    with suppress(InputError):
        manifest = read_manifest(lmdb.parent)
        return manifest.find(lmdb.name) if manifest else None
    return None


def _last(lmdb: Path) -> str:
    return lmdb.name.removesuffix(ENDING).rpartition("_")[2]
