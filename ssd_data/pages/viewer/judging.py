"""Reads detections of an LMDB's pictures and holds them against the true boxes.

The pictures' names in the file are those that ``ssd-data eval`` writes for this LMDB; boxes are
pixels of the pictures as they were before the build resized them.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ssd_data import metrics
from ssd_data.core.errors import InputError
from ssd_data.core.labelmap import LabelMap
from ssd_data.data.lmdb.companions import manifest_of
from ssd_data.evaluation.sources import original_sizes
from ssd_data.metrics import ScoreOptions, analysis
from ssd_data.metrics.conventions import require_convention
from ssd_data.metrics.scores import Found, Ints, Truth
from ssd_data.metrics.truth import TruthBuilder
from ssd_data.pages.viewer.index import Indexed
from ssd_data.pages.viewer.judged import FOUND, IGNORED, POOR, Judged

_NAMES = {
    "classification": "other",
    "localisation": POOR,
    "duplicate": "twice",
    "background": "nothing",
}


def read_judged(path: Path, indexed: Indexed, lmdb: Path, labelmap: LabelMap | None) -> Judged:
    """Detections in a folder or file of any metric's format, judged.

    Raises:
        InputError: there is no labelmap, the file is malformed, or it is of other pictures.
    """
    metric = metrics.recognise(path)
    if labelmap is None:
        hint = "Say what the labels mean with --labelmap FILE"
        raise InputError("there is no labelmap.prototxt beside it", where=lmdb, hint=hint)
    rows = np.flatnonzero(np.isin(indexed.labels, metrics.all_labels(labelmap)) & indexed.finite)
    sizes = _sizes(indexed, lmdb)
    labels, difficult = indexed.labels[rows], indexed.difficult[rows]
    boxes = indexed.boxes[rows].astype(np.float64)
    record = indexed.record[rows]
    pictures = TruthBuilder(indexed.images, sizes, record, labels, boxes, difficult)
    pictures.to_pixels(sizes)
    # The LMDB's own truth counts: no list of another's is looked for.
    truth = metric.truth(pictures, labelmap, lmdb, None)
    found = analysis.by_score(metric.read_detections(path, truth, ScoreOptions(missing="count")))
    scored = metric.labels(labelmap)
    rows = rows[np.isin(labels, scored)]
    try:
        require_convention(truth, found)
    except InputError as error:  # worth a look all the same
        found.notes.add(error.what, path.name)
    notes = [*_notes(found), *filter(None, [metric.remark(pictures)])]
    return _judged(truth, found, metric.plus, rows, np.array(scored), sizes, notes)


def _sizes(indexed: Indexed, lmdb: Path) -> Ints:
    stored = indexed.sizes.astype(np.int64)
    whole = stored.any(axis=1)
    if whole.any():  # a broken record's size is unknown, and has no boxes
        stored[~whole] = stored[whole][0]
    return original_sizes(lmdb, stored, manifest_of(lmdb.resolve()))


def _notes(found: Found) -> list[str]:
    notes = [f"{count.count:,} × {what}" for what, count in found.notes.kinds.items()]
    if silent := int((~found.has_entry).sum()):
        notes.append(f"{silent:,} of {len(found.has_entry):,} pictures have no detections")
    return notes


def _judged(
    truth: Truth,
    found: Found,
    plus: int,
    rows: Ints,
    labels: Ints,
    sizes: Ints,
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
        label=labels[found.label[order]].astype(np.int32),
        score=found.scores[order],
        boxes=fractions[order].astype(np.float32),
        kind=kind[order],
        best=best[found.label[order]],
        truth=rows[counts],
        truth_record=truth.picture[counts],
        finder=finder[counts],
        silent=~found.has_entry & found.lists_empty,
    )
