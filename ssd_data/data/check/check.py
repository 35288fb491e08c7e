"""What would make training fail or learn nonsense, found before it starts.

The rules are in ``rules.py``; here an LMDB, a build's folder or a raw data set is led past them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from ssd_data.core.errors import InputError, UsageError
from ssd_data.core.files.remote.address import as_path
from ssd_data.core.files.there import is_file, is_folder
from ssd_data.core.labelmap import LabelMap
from ssd_data.core.progress import Track, untracked
from ssd_data.data.build.options import require_raw
from ssd_data.data.check.cases import SplitSummary
from ssd_data.data.check.findings import Findings
from ssd_data.data.check.job import BUILD_JSON, Job
from ssd_data.data.check.raw import check_dataset
from ssd_data.data.find import find
from ssd_data.data.lmdb.companions import labelmap_file, manifest_of, name_size_file
from ssd_data.data.lmdb.manifest import LABELMAP, MANIFEST, read_manifest
from ssd_data.data.lmdb.one_build import one_build
from ssd_data.data.lmdb.store import is_lmdb
from ssd_data.data.lmdb.strangers import refuse_stranger


def check(
    what: Path | str,
    labelmap: LabelMap | None = None,
    splits: Collection[str] = (),
    *,
    root: Path | None = None,
    format: str = "",
    follow_links: bool = False,
    reading: Mapping[str, Any] | None = None,
    decode: bool = True,
    workers: int | None = None,
    track: Track = untracked,
) -> Findings:
    """Check an LMDB, a build's folder or a raw data set, whichever ``what`` is.

    Args:
        what: a folder with ``data.mdb``, one with ``build.json``, else what
            :func:`ssd_data.data.find.find` takes, for which ``root`` is.
        labelmap: instead of the one that belongs to it.
        splits: only these, of a build or data set.
        format, follow_links: of a raw data set, see :func:`ssd_data.data.find.find`.
        reading: of a raw data set, those of :data:`ssd_data.data.build.options.READING` that a
            build would be given.
        decode: decode all pixels; else only headers are read.
        workers: threads; the result does not depend on it.
        track: wraps the records as they come, to show progress.

    Raises:
        UsageError: there is no such data set or split, or an LMDB was given with splits or root.
        InputError: the data set's files are not there, or ``build.json`` is not a build's.
    """
    path = as_path(what)
    settings: dict[str, Any] = {"decode": decode, "workers": workers, "track": track}
    built = is_file(path / MANIFEST)
    one = is_lmdb(path) or (not built and is_folder(path) and path.name.endswith("_lmdb"))
    if root is not None and (one or built):
        raise UsageError("--root belongs to a recipe, this is an LMDB or a build", where=what)
    if format and (one or built):
        raise UsageError("--format belongs to a raw data set, this is no such", where=what)
    if one or built:
        require_raw(reading or {}, what)
    if one and splits:
        raise UsageError("--split belongs to a build or a data set", where=what)
    if one:
        refuse_stranger(path)
        with one_build(path):
            return check_lmdb(path, labelmap, **settings)
    if built:
        with one_build(path):
            return check_build(path, labelmap, splits, **settings)
    dataset = find(what, root, splits, format, follow_links=follow_links)
    return check_dataset(dataset, labelmap, splits, reading, **settings)


def check_lmdb(path: Path | str, labelmap: LabelMap | None = None, **settings: Any) -> Findings:
    """Check one LMDB, ours or the original's; takes ``decode``, ``workers`` and ``track``.

    A labelmap, ``build.json`` and ``<split>_name_size.txt`` beside it are held against it.
    """
    job = Job(labelmap, **settings)
    real = as_path(path).resolve()
    manifest = None
    try:
        manifest = manifest_of(real)
    except InputError as error:
        job.findings.add(BUILD_JSON, [error.sentence])
    job.find_labelmap(labelmap_file(as_path(path)), manifest)
    found, sizes = manifest.find(real.name) if manifest else None, name_size_file(real)
    summary = SplitSummary(str(path), job.labelmap, found[1] if found else None, manifest)
    summary.name_size = sizes if found or is_file(sizes) else None
    job.lmdb(summary, real)
    return job.findings


def check_build(
    folder: Path | str,
    labelmap: LabelMap | None = None,
    splits: Collection[str] = (),
    **settings: Any,
) -> Findings:
    """Check a build's LMDBs, also against each other; takes what :func:`check_lmdb` takes.

    Raises:
        UsageError: there is no such split.
        InputError: there is no ``build.json``, or it is not a build's.
    """
    folder = as_path(folder)
    manifest = read_manifest(folder)
    if manifest is None:
        raise InputError("no build here: build.json is missing", where=folder)
    if unknown := [split for split in splits if split not in manifest.splits]:
        raise UsageError(
            f'there is no split "{unknown[0]}"',
            where=folder,
            hint=f"Splits: {', '.join(manifest.splits)}",
        )
    job = Job(labelmap, **settings)
    wanted = list(splits or manifest.splits)
    first = labelmap_file(folder / manifest.splits[wanted[0]].lmdb) if wanted else None
    job.find_labelmap(first or folder / LABELMAP, manifest)
    summaries = {}
    for split in wanted:
        made = manifest.splits[split]
        job.prefix = f"{split}: "
        summaries[split] = SplitSummary(
            split, job.labelmap, made, manifest, folder / made.name_size
        )
        job.lmdb(summaries[split], folder / made.lmdb)
    job.leaks(summaries)
    return job.findings
