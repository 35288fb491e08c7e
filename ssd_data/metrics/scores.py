"""What every metric takes and gives: true boxes, found boxes, and the scores made of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from ssd_data.core.notes import Tally
from ssd_data.core.structures import Flags
from ssd_data.metrics.lines import Lines

Ints: TypeAlias = npt.NDArray[np.int64]
Floats: TypeAlias = npt.NDArray[np.float64]
Rows: TypeAlias = Ints | Flags | slice


@dataclass(frozen=True, slots=True, eq=False)
class Truth:
    """The true boxes of a set of pictures.

    Attributes:
        origin: the file or folder they come from.
        pictures: the pictures' names (COCO: their ids as text), each once.
        classes: the classes' names, background not among them; ``label`` is an index into it.
        picture: int64 (M,), index of each box's picture; label: int64 (M,).
        boxes: float64 (M, 4), pixels, xmin ymin xmax ymax as the metric reads them.
        ignored: bool (M,): neither to be found nor wrong to find (difficult, crowd, invalid).
        sizes: int64 (P, 2), width and height of each picture, 0 where not known.
        sets: names of parts of the truth (WIDER FACE's easy, medium, hard) → bool (M,).
        attributes: further values of each box, arrays of length M (COCO: ``xywh``, ``area``).
        class_ids: int64 (C,), by which numbers the metric's files call the classes, where they do.
        rules: what a result says of this truth beside the metric's own rules.
    """

    origin: str
    pictures: tuple[str, ...]
    classes: tuple[str, ...]
    picture: Ints
    label: Ints
    boxes: Floats
    ignored: Flags
    sizes: Ints
    sets: Mapping[str, Flags] = field(default_factory=dict)
    attributes: Mapping[str, npt.NDArray[Any]] = field(default_factory=dict)
    class_ids: Ints = field(default_factory=lambda: np.zeros(0, np.int64))
    rules: Mapping[str, Any] = field(default_factory=dict)

    @property
    def positives(self) -> list[int]:
        """How many boxes of each class are to be found."""
        counts = np.bincount(self.label[~self.ignored], minlength=len(self.classes))
        return [int(count) for count in counts]

    def rows(self, which: Rows) -> Truth:
        """The same pictures with some of the boxes: those of the given indices or flags."""
        return replace(
            self,
            picture=self.picture[which],
            label=self.label[which],
            boxes=self.boxes[which],
            ignored=self.ignored[which],
            sets={name: flags[which] for name, flags in self.sets.items()},
            attributes={name: values[which] for name, values in self.attributes.items()},
        )


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """All detections on a set of pictures, in the order in which they were read.

    Attributes:
        origin: the file or folder they come from.
        picture: int64 (N,), index into the truth's pictures; label: int64 (N,), into its classes.
        scores: float64 (N,), finite.
        boxes: float64 (N, 4), as in :class:`Truth`.
        has_entry: bool (P,): the pictures for which there are detections, or a file without any.
        notes: what was odd but is read as the official tool reads it.
        attributes: further values of each detection, arrays of length N (COCO: ``xywh``).
        lists_empty: whether pictures in which nothing was found have an entry, too: one without
            was then not looked at.
        lines: in which line each stands and what the columns are; None where there is no file.
    """

    origin: str
    picture: Ints
    label: Ints
    scores: Floats
    boxes: Floats
    has_entry: Flags
    notes: Tally = field(default_factory=Tally)
    attributes: Mapping[str, npt.NDArray[Any]] = field(default_factory=dict)
    lists_empty: bool = False
    lines: Lines | None = None

    def place(self, row: int) -> str:
        """File and line of a detection, for errors; where it has none, what all come from."""
        return self.origin if self.lines is None else self.lines.place(row)

    def rows(self, which: Rows) -> Found:
        """Some of the detections, in the given order: those of the given indices or flags."""
        return replace(
            self,
            picture=self.picture[which],
            label=self.label[which],
            scores=self.scores[which],
            boxes=self.boxes[which],
            attributes={name: values[which] for name, values in self.attributes.items()},
            lines=None if self.lines is None else self.lines.rows(which),
        )


@dataclass(frozen=True, slots=True, eq=False)
class PrCurve:
    """A precision-recall curve: recall (K,) rising, precision (K,), scores (K,) falling."""

    recall: npt.NDArray[Any]
    precision: npt.NDArray[Any]
    scores: npt.NDArray[Any]


@dataclass(frozen=True, slots=True, eq=False)
class Numbers:
    """What a metric's own rules give; :class:`Scores` says what each is.

    Attributes:
        counts: what it counts besides pictures, truths and detections.
    """

    ap: Mapping[str, float | None]
    rules: Mapping[str, Any]
    counts: Mapping[str, int] = field(default_factory=dict)
    classes: Mapping[str, Mapping[str, float | None]] = field(default_factory=dict)
    curves: Mapping[str, PrCurve] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Scores:
    """A metric's result; all numbers are fractions, not per cent.

    Attributes:
        metric: its name, such as "voc".
        ap: the metric's numbers by its own names.
        rules: by which rules they were made, in words and numbers.
        counts: pictures, truths, ignored, detections.
        subset: such as "205 of 3,226" where the truth was to be restricted to the pictures with
            detections, else empty.
        classes: class → its numbers.
        notes: what was odd, counted.
        more: what was asked for besides: AP by size, confusion, best thresholds, errors.
        curves: name → curve, for plots; not in the JSON.

    >>> Scores("voc", {"VOC10": 0.5}, {}, {"pictures": 2}).to_json()
    {'metric': 'voc', 'ap': {'VOC10': 0.5}, 'rules': {}, 'counts': {'pictures': 2}}
    """

    metric: str
    ap: Mapping[str, float | None]
    rules: Mapping[str, Any]
    counts: Mapping[str, int]
    subset: str = ""
    classes: Mapping[str, Mapping[str, float | None]] = field(default_factory=dict)
    notes: Tally = field(default_factory=Tally)
    more: Mapping[str, Any] = field(default_factory=dict)
    curves: Mapping[str, PrCurve] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """``{"metric", "ap", "rules", "counts"}``; further keys only where they hold something."""
        always = {name: getattr(self, name) for name in ("metric", "ap", "rules", "counts")}
        some = {"subset": self.subset, "classes": self.classes, "notes": self.notes.to_json()}
        return always | {name: value for name, value in some.items() if value} | dict(self.more)
