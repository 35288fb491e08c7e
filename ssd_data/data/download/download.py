"""A data set fetched: what its recipe lists, each archive transferred, unpacked and recorded."""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from ssd_data.core.errors import InputError, OutputError, UsageError
from ssd_data.core.files.hidden import LOCK
from ssd_data.core.files.publish import OutFolder
from ssd_data.core.files.there import is_file, is_named_there, is_there
from ssd_data.core.legible import few
from ssd_data.data.download.records import Records
from ssd_data.data.download.transfer import Part, Report, by_hand, transfer, wrong
from ssd_data.data.download.unpack import RESERVED, unpack
from ssd_data.data.recipes import Download, Recipe

UP_TO_DATE, UNPACK, RESUME, FETCH, BY_HAND = "up to date", "unpack", "resume", "fetch", "by hand"


@dataclass(frozen=True, slots=True)
class Step:
    """What is to be done about one archive.

    Attributes:
        file: the archive.
        state: ``up to date``; ``unpack`` (its archive is here); ``resume``; ``fetch``; ``by hand``.
        missing: bytes that are still to be fetched.
    """

    file: Download
    state: str
    missing: int


def default_out() -> Path:
    """Where data sets are looked for: ``$SSD_DATA_ROOT``, else ``data``."""
    return Path(os.environ.get("SSD_DATA_ROOT") or "data")


def is_begun(recipe: Recipe, out: Path) -> bool:
    """Whether anything of a data set was ever downloaded into this folder."""
    names = [file.name + end for file in recipe.downloads for end in ("", ".part", ".json")]
    return any(is_there(out / RESERVED / name) for name in names)


def plan(recipe: Recipe, out: Path, splits: Collection[str] = ()) -> list[Step]:
    """What a download would do, without the network.

    Args:
        recipe: of the data set.
        out: the folder to unpack into; need not exist.
        splits: those that are wanted; all by default.

    Raises:
        UsageError: the recipe lists no downloads, or lacks a split.
    """
    if not recipe.downloads:
        home = f"It is to be had from {recipe.home}" if recipe.home else ""
        raise UsageError(f"{recipe.name}'s recipe lists no downloads", hint=home)
    if unknown := [split for split in splits if split not in recipe.splits]:
        raise UsageError(
            f'{recipe.name} has no split "{unknown[0]}"', hint=f"Splits: {', '.join(recipe.splits)}"
        )
    records = Records(out)
    wanted = [d for d in recipe.downloads if not splits or not d.splits or {*splits} & {*d.splits}]
    return [_step(file, out, records) for file in wanted]


def _step(file: Download, out: Path, records: Records) -> Step:
    if records.whole(file):
        return Step(file, UP_TO_DATE, 0)
    if _archive(file, out):
        return Step(file, UNPACK, 0)
    if not file.urls:
        return Step(file, BY_HAND, file.bytes)
    have = min(Part(records.folder, file).size, file.bytes)
    return Step(file, RESUME if have else FETCH, file.bytes - have)


def _archive(file: Download, out: Path) -> Path | None:
    """The archive, as this program or a person put it there."""
    for path in (out / RESERVED / file.name, out / file.name):
        if is_file(path) and path.stat().st_size == file.bytes:
            return path
    return None


def download(
    recipe: Recipe,
    out: Path,
    report: Report,
    splits: Collection[str] = (),
    keep: bool = False,
) -> list[Step]:
    """Fetch and unpack what is not there yet; may be killed and called again at any moment.

    Args:
        recipe: of the data set.
        out: the folder to unpack into; made where it is missing.
        report: is told what is going on, and how many of how many bytes are done.
        splits: those that are wanted; all by default.
        keep: leave the archives in ``out/.downloads``.

    Returns:
        What there was to do, all of it done.

    Raises:
        UsageError: as :func:`plan`.
        InputError: something cannot be fetched, or is not what it should be. What came before it is
            there; archives that only a person can fetch are asked for last.
        OutputError: the disk is too small, or the folder cannot be written or is in use.
    """
    steps = plan(recipe, out, splits)
    todo = [step for step in steps if step.state != UP_TO_DATE]
    was_killed = is_named_there(out / RESERVED / LOCK)
    if not todo and not was_killed:
        return steps
    _require_space(todo, out, keep)
    with OutFolder(out / RESERVED, inside=True) as folder:
        for step in steps:
            if step.state == UP_TO_DATE and was_killed:
                _clear(step.file, folder, keep)
            elif step.state not in (UP_TO_DATE, BY_HAND):
                _do(step.file, out, folder, report, keep)
    if manual := [step.file for step in todo if step.state == BY_HAND]:
        raise InputError(
            f"only a person can fetch {few([file.name for file in manual])}",
            where=recipe.name,
            hint=[f"Please {by_hand(file, out)}" for file in manual],
        )
    return steps


def _do(file: Download, out: Path, folder: OutFolder, report: Report, keep: bool) -> None:
    archive, url = _archive(file, out), ""
    if archive and (fault := wrong(archive, file, report)):
        if archive.parent == out:
            raise InputError(fault, where=archive, hint="Remove it; it is then fetched anew")
        archive.unlink()
        archive = None
    if archive is None:
        url = transfer(file, folder.path, report)
        archive = folder.path / file.name
    staged = folder.staging / "unpacked"
    staged.mkdir()
    try:
        sizes = unpack(archive, staged, report)
    except InputError:
        if archive.parent == folder.path and not (file.sha256 or file.md5):
            archive.unlink()  # nothing says that it came whole
        raise
    Records(out).place(staged, file, sizes, url)
    shutil.rmtree(staged, ignore_errors=True)
    _clear(file, folder, keep)


def _clear(file: Download, folder: OutFolder, keep: bool) -> None:
    """Remove what is no longer needed of an archive that was unpacked."""
    Part(folder.path, file).clear()
    if not keep:
        (folder.path / file.name).unlink(missing_ok=True)


def _require_space(todo: list[Step], out: Path, keep: bool) -> None:
    """All that is unpacked, and one archive at a time, must fit; archives hardly shrink."""
    archives = [step.file.bytes for step in todo]
    missing = [step.missing for step in todo]
    need = sum(archives) + (sum(missing) if keep else max(missing, default=0))
    there = out.resolve()
    while not is_there(there):
        there = there.parent
    if (free := shutil.disk_usage(there).free) < need:
        raise OutputError(
            f"about {need:,} bytes are needed, and {free:,} are free",
            where=out,
            hint="Free some space or choose another folder with --out",
        )
