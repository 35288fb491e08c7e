"""Links under the names that published prototxts use: ``trainval_lmdb``, ``test_lmdb`` and
``labelmap.prototxt``.
"""

from __future__ import annotations

import filecmp
import os
import shutil
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

from ssd_data.core.errors import InputError, OutputError
from ssd_data.core.files.publish import OutFolder
from ssd_data.core.files.there import is_file, is_folder, is_link, is_there
from ssd_data.core.registry import FORMATS
from ssd_data.data import formats
from ssd_data.data.lmdb.manifest import LABELMAP, Manifest, read_manifest
from ssd_data.data.lmdb.one_build import one_build
from ssd_data.data.lmdb.store import files_of, is_lmdb

STANDARD = ("trainval_lmdb", "test_lmdb")


def link(build: Path | str, into: Path | str, *, copy: bool = False) -> list[str]:
    """Link a build's LMDBs and labelmap into a folder.

    All links take their names in one step, those that lead nowhere included (where that cannot be,
    the folder is refused as long as only some have, see :mod:`ssd_data.core.files.publish`); a file
    or folder that is no link is never touched. Links are relative where that is possible.

    >>> link("SHAPES", "links")
    ['links/trainval_lmdb', 'links/test_lmdb', 'links/labelmap.prototxt']

    Args:
        build: the folder of a build.
        into: where the links go; made if it is not there.
        copy: copy instead, where links cannot be made.

    Returns:
        the links' paths.

    Raises:
        InputError: ``build`` holds no build, or none of the splits that are linked.
        OutputError: a real file or folder is in the way (no link is made then), or no permission.
    """
    build, into = Path(build), Path(into)
    manifest = read_manifest(build)
    if manifest is None:
        raise InputError("no build here: build.json is missing", where=build)
    targets = {
        name: build / manifest.splits[split].lmdb
        for name, split in manifest.links.items()
        if split in manifest.splits
    }
    targets |= _list_links(manifest, build)
    if not targets:
        raise nothing_to_link(manifest.splits, build)
    targets[LABELMAP] = build / LABELMAP
    for target in targets.values():
        if not is_there(target):
            raise InputError("the build is not whole: this is missing", where=target)
    if copy and all(_is_copy(into / name, target) for name, target in targets.items()):
        with OutFolder(into):  # what a killed process left is removed
            return [str(into / name) for name in targets]
    refuse_obstacles(into, targets.keys(), manifest.links, build)
    if copy:
        _copy(into, targets, build)
    else:
        _link(into, {name: str(_relative(into, target)) for name, target in targets.items()})
    return [str(into / name) for name in targets]


def nothing_to_link(splits: Iterable[str], where: Path) -> InputError:
    """The error where no split is known to be for training or testing."""
    names = ", ".join(splits)
    return InputError(
        f"nothing to link: of no split ({names}) is it known to be for training or testing",
        where=where,
        hint="Name splits such as train and test, or say it in a recipe: "
        'links = { trainval_lmdb = "SPLIT", test_lmdb = "SPLIT" }',
    )


def refuse_obstacles(
    into: Path, names: Collection[str], family: Iterable[str], build: Path
) -> None:
    """Make sure that links can be made, and that none of another build stays beside them.

    Args:
        into: the folder of the links.
        names: the links that are to be made.
        family: the links that the data set knows; they and the standard ones are looked at.
        build: the folder of the build.

    Raises:
        OutputError: a real file or folder bears one of the names, or a link that is not to be
            made now leads to another build.
    """
    for here in (into / name for name in {*STANDARD, *family} - set(names)):
        if is_link(here) and here.resolve().parent != build.resolve():
            raise OutputError(
                f"this link leads to another build, {here.resolve().parent}",
                where=here,
                hint="Remove it, or build its split too: labelmap and LMDBs belong together",
            )
    for here in (into / name for name in names):
        if is_there(here) and not is_link(here):
            raise OutputError(
                "a real file or folder is in the way",
                where=here,
                hint="Move it; it was not touched",
            )


def _list_links(manifest: Manifest, build: Path) -> dict[str, Path]:
    """Builds from lists link each LMDB under its own name, as ``create_annoset.py`` does."""
    if manifest.format not in FORMATS.names() or formats.load(manifest.format).names_splits:
        return {}
    return {made.lmdb: build / made.lmdb for made in manifest.splits.values()}


def _link(into: Path, links: Mapping[str, str]) -> None:
    with OutFolder(into) as folder:
        if all(_leads(into / name) == target for name, target in links.items()):
            return
        try:
            for name, target in links.items():
                (folder.staging / name).symlink_to(target)
        except OSError as error:
            raise OutputError(
                f"cannot make the link: {error.strerror}",
                where=error.filename,
                hint="Where links cannot be made, --copy copies",
            ) from None
        folder.publish()


def _copy(into: Path, targets: Mapping[str, Path], build: Path) -> None:
    with OutFolder(into) as folder:
        with one_build(build):
            for name, target in targets.items():
                if is_folder(target):
                    _copy_lmdb(target, folder.staging / name)
                else:
                    shutil.copy2(target, folder.staging / name)
        os.sync()
        folder.publish()


def _copy_lmdb(source: Path, target: Path) -> None:
    """What lies in its folder, and in those of its shards."""
    shards = {Path(file).parent for file in files_of(source)}
    for folder in (Path(), *sorted(shards - {Path()})):
        (target / folder).mkdir()
        for file in filter(is_file, sorted((source / folder).iterdir())):
            shutil.copy2(file, target / folder)


def _is_copy(here: Path, target: Path) -> bool:
    """Whether a real file or LMDB holds the same."""
    if is_link(here):
        return False
    files = files_of(target) if is_lmdb(target) else [""]
    return all(
        is_file(here / file) and filecmp.cmp(here / file, target / file, shallow=False)
        for file in files
    )


def _leads(link: Path) -> str | None:
    return str(link.readlink()) if is_link(link) else None


def _relative(folder: Path, target: Path) -> Path:
    """The way from ``folder`` to ``target``; absolute where they share nothing but the root."""
    start, end = folder.resolve(), target.resolve()
    if start.parts[:2] != end.parts[:2]:
        return end
    return Path(os.path.relpath(end, start))
