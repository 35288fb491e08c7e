"""What a run wrote down, as numbers over iterations: from its table, or from a log of Caffe's."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from ssd_data.core.errors import InputError
from ssd_data.training.log import BEGIN, TABLE, TEST, TRAIN
from ssd_data.training.run_folder import Row, read_events

Floats: TypeAlias = npt.NDArray[np.float64]
Points: TypeAlias = tuple[Floats, Floats]  # iterations, and what they have: NaN where nothing

_STATE = re.compile(r"_iter_(\d{1,9})\.solverstate$")
LARGEST = 1e30  # what is beyond it is no measurement
MOST_CLASSES = 10_000


@dataclass(frozen=True, slots=True)
class Session:
    """From a run's beginning, or from a snapshot, to its end or the next session.

    Attributes:
        start: its first iteration. facts: what the table says of it.
    """

    start: int
    facts: Row


@dataclass(frozen=True, slots=True, eq=False)
class History:
    """The events of a run, as one curve.

    Attributes:
        origin: the table or the log.
        rows: the events, in order. broken: lines of the table that are none.
        is_log: it is a log of Caffe's, which has less in it.
    """

    origin: Path
    rows: list[Row]
    broken: int = 0
    is_log: bool = False

    def of(self, event: str) -> list[Row]:
        """Its rows of one kind."""
        return [row for row in self.rows if row["event"] == event]

    def trained(self, *path: str) -> Points:
        """A number of the training, such as ``loss``, or ``parts`` and ``loc``."""
        return _points((row["iteration"], look(row, *path)) for row in self.of(TRAIN))

    def tested(self, net: int, *path: str) -> Points:
        """A number of the tests of one net."""
        rows = (row for row in self.of(TEST) if _net(row) == net)
        return _points((row["iteration"], look(row, *path)) for row in rows)

    def outputs(self) -> list[tuple[int, str]]:
        """Nets and names of what the tests give, in order."""
        found = [(_net(row), name) for row in self.of(TEST) for name in table(row, "outputs")]
        return list(dict.fromkeys(found))

    def classes(self) -> list[int]:
        """The labels that the first test net's score is known of."""
        rows = [table(row, "per_class") for row in self.of(TEST) if _net(row) == 0]
        names = {name for row in rows for name in row if name.isascii() and name.isdecimal()}
        return sorted({int(name) for name in names if len(name) < 9})[:MOST_CLASSES]

    def scores(self) -> Points:
        """The first output of the first test net: mean AP of a detector."""
        names = [name for net, name in self.outputs() if net == 0]
        return self.tested(0, "outputs", names[0]) if names else _points(())

    def speed(self, pictures: int) -> Points:
        """Pictures a second: as recorded, else of the time between rows.

        Args:
            pictures: of an iteration.
        """
        recorded = self.trained("pictures_per_second")
        if (recorded[1] > 0).any():
            return recorded[0], np.where(recorded[1] > 0, recorded[1], np.nan)
        iterations, seconds = self.trained("seconds")
        with np.errstate(all="ignore"):
            rate = pictures * np.diff(iterations) / np.diff(seconds)
        return iterations[1:], np.where(np.isfinite(rate) & (rate > 0), rate, np.nan)

    def waiting(self) -> Points:
        """The share of time spent on waiting for data, where it is recorded."""
        iterations, share = self.trained("waiting_share")
        measured = self.trained("pictures_per_second")[1] > 0
        return iterations, np.where(measured, share, np.nan)

    def summary(self) -> dict[str, Any]:
        """Its main numbers as JSON; None where there is none."""
        loss, scores = known(self.trained("loss")), known(self.scores())
        best = int(scores[1].argmax()) if len(scores[1]) else None
        return {
            "recorded": self.origin,
            "iterations": self.last,
            "loss": float(loss[1][-1]) if len(loss[1]) else None,
            "best_score": None if best is None else float(scores[1][best]),
            "best_iteration": None if best is None else int(scores[0][best]),
            "last_score": None if best is None else float(scores[1][-1]),
            "seconds": self.seconds,
            "sessions": len(self.sessions()),
            "broken_lines": self.broken,
        }

    @property
    def last(self) -> int:
        """The last iteration that it speaks of."""
        return max((row["iteration"] for row in self.rows if "iteration" in row), default=0)

    @property
    def seconds(self) -> float:
        """How long it took; what was done anew after a snapshot counts once."""
        total = own = 0.0
        for row in self.rows:
            if row["event"] == BEGIN:
                total, own = total + own, 0.0
            own = max(own, np.nan_to_num(number(row.get("seconds"))))
        return float(total + own)

    def sessions(self) -> list[Session]:
        """Those whose iterations count, the first one beginning at 0."""
        found: list[Session] = []
        for row, following in zip(self.rows, [*self.rows[1:], {}], strict=True):
            if row["event"] == BEGIN:
                start = _start(row, following.get("iteration", self.last)) if found else 0
                found = [one for one in found if one.start < start]
                found.append(Session(start if found else 0, row))
        return found or [Session(0, {})]


def _start(begin: Row, following: int) -> int:
    """The iteration of the snapshot that a session went on from, else the first it tells of."""
    named = _STATE.search(str(begin.get("resumed")))
    return min(int(named[1]), following) if named else following


def read_history(path: Path) -> History:
    """A table (``.jsonl``), or a log of ``caffe train``.

    Raises:
        InputError: it cannot be read, or holds nothing of a training.
    """
    rows, broken = read_events(path)
    found = History(path, rows, broken, is_log=path.suffix != TABLE)
    if not (found.of(TRAIN) or found.of(TEST)):
        hint = "A page of a run needs its table (.jsonl), or a log of caffe train"
        raise InputError("it says nothing of a training", where=path, hint=hint)
    return found


def known(points: Points) -> Points:
    """Those that are numbers."""
    sound = np.isfinite(points[1])
    return points[0][sound], points[1][sound]


def number(value: object) -> float:
    """A number that can be a measurement, else NaN."""
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        return math.nan
    return float(value) if abs(value) < LARGEST else math.nan


def look(row: Row, *path: str) -> float:
    """A number within a row; of a list of numbers their sum."""
    value: Any = row
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    if isinstance(value, list):
        return sum(map(number, value)) if value else math.nan
    return number(value)


def _net(row: Row) -> int:
    net = row.get("net", 0)
    return net if type(net) is int else -1


def table(row: Row, name: str) -> dict[str, Any]:
    """A table within a row; empty where there is none."""
    found = row.get(name)
    return {str(key): value for key, value in found.items()} if isinstance(found, dict) else {}


def _points(pairs: Iterator[tuple[int, float]] | tuple[()]) -> Points:
    both = np.array(list(pairs), np.float64).reshape(-1, 2)
    return both[:, 0], both[:, 1]
