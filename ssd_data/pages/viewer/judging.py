"""Reads detections of an LMDB's pictures and holds them against the true boxes.

The pictures' names in the file are those that ``ssd-data eval`` writes for this LMDB; boxes are
pixels of the pictures as they were before the build resized them.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ssd_data.core.errors import InputError
from ssd_data.core.labelmap import LabelMap
from ssd_data.core.structures import Flags
from ssd_data.data.lmdb.companions import manifest_of
from ssd_data.evaluation import truths
from ssd_data.evaluation.sources import original_sizes
from ssd_data.metrics import analysis
from ssd_data.metrics.coco import files as coco
from ssd_data.metrics.coco.files import CocoTruth
from ssd_data.metrics.comparable import require_convention
from ssd_data.metrics.scores import Found, Ints, Truth
from ssd_data.metrics.voc import files as voc
from ssd_data.metrics.widerface import files as widerface
from ssd_data.pages.viewer.index import Indexed
from ssd_data.pages.viewer.judged import FOUND, IGNORED, POOR, Judged

_NAMES = {
    "classification": "other",
    "localisation": POOR,
    "duplicate": "twice",
    "background": "nothing",
}


def read_judged(
    path: Path, indexed: Indexed, images: Sequence[str], lmdb: Path, labelmap: LabelMap | None
) -> Judged:
    """Detections in a folder or file of VOC's, COCO's or WIDER FACE's format, judged.

    Args:
        images: the path of each record's picture.

    Raises:
        InputError: there is no labelmap, the file is malformed, or it is of other pictures.
    """
    metric = _metric(path)
    if labelmap is None:
        hint = "Say what the labels mean with --labelmap FILE"
        raise InputError("there is no labelmap.prototxt beside it", where=lmdb, hint=hint)
    items = [item.label for item in labelmap if item.label > 0]
    rows = np.flatnonzero(np.isin(indexed.label, items) & indexed.finite)
    sizes = _sizes(indexed, lmdb)
    listed = _listed(indexed, rows, images, sizes)
    # The LMDB's own truth counts: no list of another's is looked for in a folder of that name.
    names, made = truths.make(metric, listed, labelmap, lmdb, None, lmdb)
    found, truth, plus = _read(metric, path, made)
    if metric == "widerface":
        items = [truths.face_label(labelmap) or 0]
        rows = rows[indexed.label[rows] == items[0]]
    try:
        require_convention(truth, found)
    except InputError as error:  # worth a look all the same
        found.notes.add(error.what, path.name)
    notes = _notes(metric, found, names, images)
    silent = ~found.spoken_of if _speaks_of_all(metric, path) else np.zeros(len(names), np.bool_)
    return _judged(truth, found, plus, rows, np.array(items), sizes, silent, notes)


def _metric(path: Path) -> str:
    """Which format it is."""
    if not path.exists():
        raise InputError("there are no detections here", where=path)
    if path.is_file():
        return "voc" if path.suffix == ".txt" else "coco"
    if any(voc.NAME.fullmatch(inside.name) for inside in path.iterdir()):
        return "voc"
    if any(path.glob("*/*.txt")):
        return "widerface"
    hint = "VOC: comp4_det_test_<class>.txt; WIDER FACE: EVENT/picture.txt; COCO: a JSON file"
    raise InputError("there is no file of detections", where=path, hint=hint)


def _sizes(indexed: Indexed, lmdb: Path) -> Ints:
    stored = indexed.sizes.astype(np.int64)
    whole = stored.any(axis=1)
    if whole.any():  # a broken record's size is unknown, and has no boxes
        stored[~whole] = stored[whole][0]
    sizes = [(width, height) for width, height in stored.tolist()]
    return original_sizes(lmdb, sizes, manifest_of(lmdb.resolve()))


def _listed(indexed: Indexed, rows: Ints, images: Sequence[str], sizes: Ints) -> truths.Listed:
    listed = truths.Listed()
    ends = np.searchsorted(indexed.record[rows], np.arange(len(indexed)), "right").tolist()
    start = 0
    for image, size, end in zip(images, sizes.tolist(), ends, strict=True):
        mine = rows[start:end]
        listed.add(image, size, indexed.label[mine], indexed.boxes[mine], indexed.difficult[mine])
        start = end
    listed.to_pixels(sizes)
    return listed


def _read(metric: str, path: Path, made: Truth | CocoTruth) -> tuple[Found, Truth, int]:
    """Detections by falling score, the truth, and what the metric adds to a box's sides."""
    if isinstance(made, CocoTruth):
        return analysis.by_score(coco.read_detections(path, made)[0]), made.truth, 0
    if metric == "voc":
        return analysis.by_score(voc.read_detections(path, made, "count")), made, 1
    return analysis.by_score(widerface.read_detections(path, made)), made, 1


def _speaks_of_all(metric: str, path: Path) -> bool:
    """Whether a picture without detections is told from one that was not looked at."""
    if metric != "coco":
        return metric == "widerface"
    with path.open("rb") as file:
        return file.read(64).lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"{"


def _notes(metric: str, found: Found, names: Sequence[str], images: Sequence[str]) -> list[str]:
    notes = [f"{count.count:,} × {what}" for what, count in found.notes.kinds.items()]
    if silent := int((~found.spoken_of).sum()):
        notes.append(f"{silent:,} of {len(names):,} pictures have no detections")
    if metric == "coco" and names[0] == "1" and not Path(images[0]).stem[-1:].isdecimal():
        notes.append("image ids are taken as 1, 2, … in the LMDB's order: no name is a number")
    return notes


def _judged(
    truth: Truth,
    found: Found,
    plus: int,
    rows: Ints,
    items: Ints,
    sizes: Ints,
    silent: Flags,
    notes: Sequence[str],
) -> Judged:
    judgement = analysis.judge(truth, found, plus)
    kind = np.full(len(found.scores), FOUND, "<U8")
    for name, flags in judgement.kinds.items():
        kind[flags] = _NAMES[name]
    kind[judgement.passed] = IGNORED
    table = analysis.best_thresholds(truth, found, plus)
    best = np.array([np.inf if row is None else row["threshold"] for row in table.values()])
    order = np.argsort(found.picture, kind="stable")
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    finder = np.full(len(truth.label), -1, np.int64)
    finder[judgement.index[judgement.hits]] = place[judgement.hits]
    counts = ~truth.ignored
    fractions = found.boxes / sizes[found.picture][:, [0, 1, 0, 1]]
    return Judged(
        origin=found.origin,
        notes=tuple(notes),
        record=found.picture[order],
        label=items[found.label[order]].astype(np.int32),
        score=found.scores[order],
        boxes=fractions[order].astype(np.float32),
        kind=kind[order],
        best=best[found.label[order]],
        truth=rows[counts],
        truth_record=truth.picture[counts],
        finder=finder[counts],
        silent=silent,
    )
