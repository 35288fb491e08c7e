"""What was found, in the metric's own files, and its scores: read back from those files."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ssd_data import metrics
from ssd_data.core.errors import InputError
from ssd_data.core.notes import Tally
from ssd_data.core.structures import Detections
from ssd_data.evaluation.journal import Journal
from ssd_data.evaluation.sources import EvalSet
from ssd_data.metrics import ScoreOptions
from ssd_data.metrics.comparable import restricted
from ssd_data.metrics.scores import Found, Scores, Truth

FAR = 1000.0  # sides of the picture
NOT_A_NUMBER = "picture with boxes or scores that are not a number (left out)"


@dataclass(frozen=True, slots=True, eq=False)
class Scored:
    """A metric's result and what it was made of.

    Attributes:
        scores: the numbers.
        truth, found: of the pictures that were looked at.
    """

    scores: Scores
    truth: Truth
    found: Found


class _Chosen(Mapping[str, Detections]):
    """The journal's detections of some pictures, read when they are asked for."""

    def __init__(self, journal: Journal, names: list[str]) -> None:
        self.journal, self.names, self.notes = journal, names, Tally()

    def __getitem__(self, name: str) -> Detections:
        found = self.journal[name]
        sound = found.sound()
        if len(sound) < len(found):
            self.notes.add(NOT_A_NUMBER, name)
        # Untrained nets find boxes as wide as float32 goes: they overlap nothing either way.
        return replace(sound, boxes=sound.boxes.clip(-FAR, FAR))

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)


def write_and_score(
    data: EvalSet,
    journal: Journal,
    folder: Path,
    options: ScoreOptions,
    *,
    limit: int | None = None,
    counted: Collection[str] = (),
) -> Scored:
    """Write the detections of the first ``limit`` pictures into ``folder`` and score them.

    The truth is restricted to those pictures; the result says so where the truth has others.

    Args:
        counted: pictures without detections that count as ones in which nothing was found.

    Raises:
        InputError: none was looked at.
        OutputError: the folder cannot be written.
    """
    names = data.names if limit is None else data.names[:limit]
    chosen = _Chosen(journal, [name for name in names if name in journal])
    looked_at = {*chosen.names, *counted}
    if not looked_at:
        raise InputError("no picture could be read", where=data.origin)
    metric = metrics.load(data.metric)
    truth = _with_sizes(data.truth, journal) if metric.needs_sizes else data.truth
    whole = len(looked_at) == len(truth.pictures)
    options = replace(options, missing="count" if whole else "skip", own_boxes=True)
    files = folder / metric.output
    metric.write_detections(files, chosen, journal.sizes, truth, data.labelmap)
    found = metric.read_detections(files, truth, options)
    # Not by their boxes: pictures in which nothing was found were looked at, too.
    has_entry = np.array([name in looked_at for name in truth.pictures])
    found = replace(found, has_entry=has_entry)
    scores = metrics.score_arrays(data.metric, truth, found, options)
    scores.notes.merge(chosen.notes)
    return Scored(scores, *restricted(truth, found))


def _with_sizes(truth: Truth, journal: Journal) -> Truth:
    """The same with the sizes that the truth does not state: by now they are known."""
    sizes = truth.sizes.copy()
    for i, name in enumerate(truth.pictures):
        if not sizes[i].all():
            sizes[i] = journal.sizes.get(name, (0, 0))
    return replace(truth, sizes=sizes)
