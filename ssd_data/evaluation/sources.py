"""What is evaluated: a split's pictures, by their names in the metric's files, and their truth."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ssd_data import metrics
from ssd_data.core.errors import InputError, UsageError
from ssd_data.core.files.fences import keep_inside
from ssd_data.core.files.paths import listable
from ssd_data.core.files.remote.address import as_path
from ssd_data.core.files.there import is_file, is_folder
from ssd_data.core.labelmap import LabelMap, read_labelmap
from ssd_data.core.legible import few
from ssd_data.core.registry import METRICS
from ssd_data.data.build.convert import in_pixels
from ssd_data.data.build.options import BuildOptions, require_raw
from ssd_data.data.build.plan import plan
from ssd_data.data.dataset import TEST_LINK, Dataset
from ssd_data.data.find import find
from ssd_data.data.lmdb.companions import labelmap_of, manifest_of, name_size_file, read_name_sizes
from ssd_data.data.lmdb.manifest import Manifest, read_manifest
from ssd_data.data.lmdb.one_build import one_build
from ssd_data.data.lmdb.store import bytes_on_disk, is_lmdb, open_shared
from ssd_data.data.lmdb.strangers import refuse_stranger
from ssd_data.data.lmdb.table import read_table
from ssd_data.evaluation.pictures import FilePictures, ReadPicture, RecordPictures
from ssd_data.metrics.scores import Ints, Truth
from ssd_data.metrics.truth import TruthBuilder


@dataclass(frozen=True, slots=True, eq=False)
class EvalSet:
    """The pictures of one split, and what is true of them.

    Attributes:
        origin: the LMDB or the data set's root.
        metric: what scores it.
        names: the pictures as the metric's files call them, each once.
        labelmap: its classes.
        truth: what the metric takes for true; it may have more pictures.
        sizes: int64 (P, 2), width and height that boxes are to be scored in; 0 where that is the
            picture as it is read.
        read: see there.
        identity: tells this set from another, for what is kept on the disk.
        said: what was taken for granted.
    """

    origin: Path
    metric: str
    names: tuple[str, ...]
    labelmap: LabelMap
    truth: Truth
    sizes: Ints
    read: ReadPicture
    identity: Mapping[str, Any] = field(default_factory=dict)
    said: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class EvalChoice:
    """What of a data set is wanted.

    Attributes:
        metric: its name; by default what the recipe or ``build.json`` says, or the format; where
            neither does, :func:`ssd_data.metrics.usual`.
        split: by default the one that is linked for testing.
        root: where a recipe's files lie.
        labelmap: the classes; by default the data set's own.
        truth: a file or folder of true boxes that the metric reads; by default where it finds one
            below the root.
        follow_links, format: of a raw data set, see :func:`ssd_data.find`.
        reading: of a raw data set, those of :data:`ssd_data.data.build.options.READING` that its
            build would be given.
    """

    metric: str | None = None
    split: str | None = None
    root: Path | None = None
    labelmap: Path | None = None
    truth: Path | None = None
    follow_links: bool = False
    format: str = ""
    reading: Mapping[str, Any] = field(default_factory=dict)


def open_set(what: str | Path, choice: EvalChoice | None = None) -> EvalSet:
    """An LMDB, the LMDB that a build's folder links for testing, or a raw data set.

    Raises:
        UsageError: there is no such data set, or nothing says which metric it is scored by.
        InputError: it is broken, or lacks what the metric needs.
    """
    choice = choice or EvalChoice()
    path = as_path(what)
    given = {**({"format": choice.format} if choice.format else {}), **choice.reading}
    if is_lmdb(path):
        require_raw(given, what)
        refuse_stranger(path)
        return _open_lmdb(path, choice)
    if is_folder(path) and (manifest := read_manifest(path)) is not None:
        require_raw(given, what)
        split = choice.split or manifest.links.get(TEST_LINK, "")
        if split not in manifest.splits:
            known = few(list(manifest.splits))
            raise UsageError(f'this build has no split "{split}"', hint=f"Splits: {known}")
        return _open_lmdb(path / manifest.splits[split].lmdb, choice)
    splits = [choice.split] if choice.split else []
    links = choice.follow_links
    return _open_raw(find(what, choice.root, splits, choice.format, follow_links=links), choice)


def _metric(wanted: str | None, named: str | None, layout: str | None) -> tuple[str, str]:
    """What scores a data set, and what is to be said of it.

    Args:
        wanted: by the user; named: by the recipe.
        layout: the data set's format; None where nothing is known of it.
    """
    if wanted is not None:
        METRICS.check(wanted)
        return wanted, ""
    for name in (named, layout):
        if name in METRICS.names():
            return str(name), ""
    if layout is not None:
        name, tells = metrics.usual()
        said = f'nothing says how a data set in the format "{layout}" is scored: by {tells}'
        return name, f"{said}; --metric names others"
    raise UsageError(
        "nothing says how this data set is scored",
        where="--metric",
        hint=f"Name one of {', '.join(METRICS.names())}: --metric coco has AP at 0.5 to 0.95, "
        "YOLO's mAP50-95, and AP50; --metric voc AP at 0.5",
    )


def _open_lmdb(path: Path, choice: EvalChoice) -> EvalSet:
    with one_build(path):
        return _opened(path, choice)


def _opened(path: Path, choice: EvalChoice) -> EvalSet:
    place = path.resolve()
    manifest = manifest_of(place)
    stated = (manifest.metric, listable(manifest.format)) if manifest else (None, None)
    name, said = _metric(choice.metric, *stated)
    labelmap = read_labelmap(choice.labelmap) if choice.labelmap else labelmap_of(path)
    records = open_shared(place)
    pictures = TruthBuilder.of_table(read_table(records))
    sizes = original_sizes(path, pictures.sizes, manifest)
    pictures.to_pixels(sizes)
    metric = metrics.load(name)
    root = Path(str(manifest.root or "") if manifest else "")
    if manifest and is_folder(root):
        keep_inside(root, choice.follow_links)
    official = choice.truth or metric.find_truth(root, None, "")
    truth = metric.truth(pictures, labelmap, path, official)
    names = metric.names(pictures)
    read = RecordPictures(place)
    return EvalSet(
        path, name, names, labelmap, truth, sizes, read,
        _identity(place, names, bytes=bytes_on_disk(place)), (said,) if said else (),
    )  # fmt: skip


def original_sizes(path: Path, stored: Ints, manifest: Manifest | None) -> Ints:
    """Width and height of the original pictures, int64 (P, 2), for which scores are made.

    Without ``build.json`` an LMDB of one square size is taken for one that was resized.

    Args:
        path: the LMDB; stored: the same of its records; manifest: :func:`manifest_of` it.

    Raises:
        InputError: the pictures were resized, and nothing says what they were.
    """
    file = name_size_file(path)
    if found := read_name_sizes(file) if is_file(file) else []:
        if len(found) != len(stored):
            text = f"it has {len(found):,} lines, the LMDB {len(stored):,} records"
            raise InputError(text, where=file)
        return np.array([size for _, size in found], np.int64)
    resized = len(stored) > 1 and bool((stored == stored[0, 0]).all())
    if manifest:
        resized = manifest.resizes
    if resized:
        raise InputError(
            f"its pictures were resized, and {file.name} with their own sizes is not there",
            where=path,
            hint="Each line of that file has a picture's name, height and width",
        )
    return stored


def _open_raw(dataset: Dataset, choice: EvalChoice) -> EvalSet:
    name, said = _metric(choice.metric, dataset.metric, dataset.format)
    split = choice.split or dataset.links.get(TEST_LINK) or next(iter(dataset.splits))
    fixed = read_labelmap(choice.labelmap) if choice.labelmap else None
    made = plan(dataset, BuildOptions.reading(choice.reading, shuffle=False), [split], fixed)
    labelmap, options = made.labelmap, made.options
    scanned = made.scans()[split]
    if scanned.failures:
        first = scanned.failures[0].error
        raise InputError(
            f"{len(scanned.failures)} annotations cannot be read; the first: {first.what}",
            where=first.where,
        )
    pictures = TruthBuilder.of_entries(
        [in_pixels(dataset.root, image.entry, options) for image in scanned.images],
        [image.labels for image in scanned.images],
    )
    metric = metrics.load(name)
    official = choice.truth or metric.find_truth(dataset.root, dataset, split)
    truth = metric.truth(pictures, labelmap, dataset.root, official)
    names = metric.names(pictures)
    read = FilePictures(dataset.root, pictures.images)
    sizes = np.zeros((len(names), 2), np.int64)
    return EvalSet(
        dataset.root, name, names, labelmap, truth, sizes, read,
        _identity(dataset.root.resolve(), names, split=split), (said,) if said else (),
    )  # fmt: skip


def _identity(place: Path, names: tuple[str, ...], **more: Any) -> dict[str, Any]:
    digest = hashlib.sha256("\n".join(names).encode("utf-8", "surrogateescape")).hexdigest()
    shown = str(place).encode("utf-8", "backslashreplace").decode()
    return {"set": shown, "pictures": len(names), "names": digest[:16], **more}
