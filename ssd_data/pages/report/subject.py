"""What a page of data is about: an LMDB or a build, looked through once and checked."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ssd_data.core.errors import InputError, UsageError
from ssd_data.core.images import picture_limits
from ssd_data.core.labelmap import LabelMap, read_labelmap
from ssd_data.core.parallel import default_workers, ordered_map
from ssd_data.core.progress import Track, untracked
from ssd_data.data.check.check import check
from ssd_data.data.check.findings import Findings
from ssd_data.data.lmdb.companions import labelmap_file, manifest_of
from ssd_data.data.lmdb.manifest import Manifest, read_manifest
from ssd_data.data.lmdb.store import LmdbReader, is_lmdb
from ssd_data.data.lmdb.survey import Survey, look
from ssd_data.data.lmdb.table import BoxTable


@dataclass(frozen=True, slots=True, eq=False)
class ReportSplit:
    """One LMDB.

    Attributes:
        summary: what :meth:`ssd_data.data.lmdb.survey.Survey.summary` says.
    """

    name: str
    path: Path
    summary: dict[str, Any]
    measures: BoxTable


@dataclass(frozen=True, slots=True, eq=False)
class Subject:
    """One of the things that a page shows.

    Attributes:
        title: what it is called on the page.
        manifest: its ``build.json``; None where there is none.
        labelmap: names the classes; None where there is none.
        labelmap_file: where that comes from.
    """

    title: str
    path: Path
    splits: list[ReportSplit]
    findings: Findings
    manifest: Manifest | None = None
    labelmap: LabelMap | None = None
    labelmap_file: str = ""

    @property
    def is_build(self) -> bool:
        """Whether it is a whole build, not an LMDB alone."""
        return not is_lmdb(self.path)


def gather(
    path: Path,
    *,
    splits: Collection[str] = (),
    labelmap: LabelMap | None = None,
    decode: bool = True,
    track: Track = untracked,
) -> Subject:
    """Look through an LMDB, or all LMDBs of a build's folder.

    Args:
        splits: of a build; all of them where there are none.
        labelmap: names the classes; else the one that lies there does.
        decode: check all pixels too, not headers only.

    Raises:
        UsageError: it is neither, or has no such split.
        InputError: ``build.json`` or an LMDB cannot be read.
    """
    manifest = _manifest_of(path)
    places = _places(path, manifest, splits)
    file = labelmap_file(next(iter(places.values()))) if labelmap is None else None
    names, fault = labelmap, ""
    if file is not None:
        try:
            names = read_labelmap(file)
        except InputError as error:
            fault = error.sentence  # what is found says it again
    findings = check(path, labelmap, splits, decode=decode, track=track)
    looked = [_split(name, place, names, track) for name, place in places.items()]
    origin = names.origin if names else fault
    return Subject(path.resolve().name, path, looked, findings, manifest, names, origin)


def _manifest_of(path: Path) -> Manifest | None:
    """A build's ``build.json``; for an LMDB the one beside it, if that names it."""
    if not is_lmdb(path):
        return read_manifest(path)
    try:
        return manifest_of(path)
    except InputError:
        return None  # what is found says it


def _places(path: Path, manifest: Manifest | None, splits: Collection[str]) -> dict[str, Path]:
    """The LMDBs by their names."""
    if is_lmdb(path):
        if splits:
            raise UsageError("--split belongs to a build, this is an LMDB", where=path)
        return {path.resolve().name.removesuffix("_lmdb"): path}
    if manifest is None:
        raise UsageError(
            "neither an LMDB nor the folder of a build",
            where=path,
            hint="There is no data.mdb, no build.json (ssd-data build makes them of raw data), and "
            "no table (.jsonl) or log of a training run",
        )
    known = manifest.splits
    if unknown := [split for split in splits if split not in known]:
        hint = f"Splits: {', '.join(known)}"
        raise UsageError(f'there is no split "{unknown[0]}"', where=path, hint=hint)
    if not known:
        raise InputError("the build has no split", where=path)
    return {split: path / known[split].lmdb for split in splits or known}


def _split(name: str, path: Path, labelmap: LabelMap | None, track: Track) -> ReportSplit:
    survey = Survey(labelmap)
    with LmdbReader(path) as reader, picture_limits():
        looks = ordered_map(lambda item: look(*item), reader.items(), default_workers())
        for seen in track(looks, len(reader), f"{name}, once more"):
            survey.add(seen)
    return ReportSplit(name, path, survey.summary(), survey.table())
