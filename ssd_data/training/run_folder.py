"""A run's folder, read back: its table or log, its snapshots and the best of them, its files.

Whoever wants to know what a run has left asks here: ``deploy``, ``report``, the curves, and the run
itself where it keeps its best snapshot.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, TypeAlias, TypeGuard, TypeVar

from ssd_data.core.errors import InputError
from ssd_data.core.files.paths import read_bytes
from ssd_data.core.files.there import is_file, is_folder
from ssd_data.nets.prototxt import read_prototxt
from ssd_data.proto import caffe_pb2
from ssd_data.training.caffe.log import parse_log
from ssd_data.training.log import (
    BEGIN,
    LOG,
    SNAPSHOT,
    TABLE,
    TEST,
    TRAIN,
    Event,
    Snapshotted,
    Stepped,
    Tested,
    to_row,
)
from ssd_data.training.snapshots import AVERAGE, own_snapshots, prune

Row: TypeAlias = dict[str, Any]
T = TypeVar("T")

DEPLOY, SOLVER, LABELMAP = "deploy.prototxt", "solver.prototxt", "labelmap.prototxt"
MOST_BYTES = 1 << 30
MOST_ITERATION = 1 << 31  # Caffe counts them in an int
LEARNING = ("test.prototxt", "train.prototxt")
HINT = "Give DEPLOY and WEIGHTS"
_COUNTED = (TRAIN, TEST, SNAPSHOT)  # their rows have an iteration
_SNAPSHOT = re.compile(r"(?P<prefix>.+)_iter_(?P<iteration>\d{1,9})\.caffemodel")


@dataclass(frozen=True, slots=True)
class SavedModel:
    """A snapshot's caffemodel, ``<prefix>_iter_<iteration>.caffemodel``."""

    path: Path
    prefix: str
    iteration: int

    @property
    def table(self) -> Path:
        """Its run's."""
        return self.path.with_name(f"{self.prefix}{TABLE}")

    @property
    def is_average(self) -> bool:
        """Whether it is a moving average of weights."""
        return self.path.name.endswith(AVERAGE)

    def averaged(self) -> SavedModel:
        """The moving average of its weights, where the run kept one; else itself."""
        average = self.path.with_suffix(AVERAGE)
        return replace(self, path=average) if is_file(average) else self


class RunFolder:
    """A folder with a training's nets, solver, table and snapshots.

    Attributes:
        folder: where its nets lie.
        fault: what is wrong with its ``solver.prototxt``, if anything.
        prefix: the ``snapshot_prefix`` that this names; empty where there is none.
        places: folders that may hold its snapshots and table, each once: its own, and where the
            solver says (from there, from the folder above, or from the working folder).
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.fault: InputError | None = None
        self.prefix = ""
        self.places = [folder]
        if is_file(folder / SOLVER):
            try:
                param = read_prototxt(folder / SOLVER, caffe_pb2.SolverParameter).message
            except InputError as error:
                self.fault = error
                return
            self.prefix = param.snapshot_prefix
            bases = (folder, folder.parent, Path())
            found = [folder, *((base / self.prefix).parent for base in bases)]
            there = (p for p in found if is_folder(p))
            self.places = list({p.resolve(): p for p in there}.values())

    @cached_property
    def models(self) -> list[SavedModel]:
        """Its snapshots, by place and name."""
        paths = (path for place in self.places for path in sorted(place.iterdir()))
        found = ((path, _SNAPSHOT.fullmatch(path.name)) for path in paths)
        return [SavedModel(path, m["prefix"], int(m["iteration"])) for path, m in found if m]

    @property
    def records(self) -> list[Path]:
        """Its tables, the newest first; where there is none its logs."""
        found = [path for place in self.places for path in place.iterdir() if is_file(path)]
        tables = [path for path in found if path.suffix == TABLE]
        logs = [path for path in found if path.suffix == LOG]
        return sorted(tables or logs, key=lambda path: -path.stat().st_mtime)

    @property
    def deploy(self) -> Path:
        """Its deploy net; where it has none the net for testing, or for training.

        Raises:
            InputError: it is no folder, or has none of them.
        """
        if not is_folder(self.folder):
            raise InputError("is no folder, and no WEIGHTS are given", where=self.folder, hint=HINT)
        for name in (DEPLOY, *LEARNING):
            if is_file(self.folder / name):
                return self.folder / name
        raise InputError(f"the folder has no {DEPLOY}", where=self.folder, hint=HINT)

    @property
    def labelmaps(self) -> list[Path]:
        """The labelmaps in it and in the folder above."""
        places = (self.folder, self.folder.resolve().parent)
        return [place / LABELMAP for place in places if is_file(place / LABELMAP)]

    def best(self) -> tuple[SavedModel, str]:
        """The snapshot of the best test by its first output, as the tables have it; without tests
        the newest. And why it is that one.

        Raises:
            InputError: there is no snapshot, or ``solver.prototxt`` is no solver.
        """
        if self.fault is not None:
            raise self.fault
        if not self.models:
            what = "the folder has no snapshot (*_iter_N.caffemodel)"
            raise InputError(what, where=self.folder, hint=HINT)
        newest = sorted(self.models, key=lambda one: (-one.iteration, -one.path.stat().st_mtime))
        tables = {one.table for one in newest if is_file(one.table)}
        scores = {table: scores_of(read_rows(table)[0]) for table in tables}
        if found := best_of(newest, lambda one: scores.get(one.table, {}).get(one.iteration)):
            one, value = found
            return one, f"the best test, {value:.4f} at iteration {one.iteration}"
        why = f"the newest, iteration {newest[0].iteration}; no test says which is best"
        return newest[0], why


def best_of(tested: Iterable[T], score: Callable[[T], float | None]) -> tuple[T, float] | None:
    """What has the highest score, and that; of equal ones the first. None where none has one.

    >>> best_of([30, 20, 10], {10: 0.5, 20: 0.5}.get)
    (20, 0.5)
    """
    scored = [(one, value) for one in tested if (value := score(one)) is not None]
    return max(scored, key=lambda pair: pair[1]) if scored else None


class SnapshotKeeper:
    """A listener that remembers tests and snapshots, and deletes old ones.

    Args:
        prefix: of the snapshots. keep: how many stay, besides the best; None keeps all.

    Attributes:
        tested: what the last test gave. snapshots: those that were written.
    """

    def __init__(self, prefix: str, keep: int | None) -> None:
        self.prefix, self.keep = prefix, keep
        self.tested: Tested | None = None
        self.snapshots: list[Snapshotted] = []
        self._values: dict[int, float] = {}

    def __call__(self, event: Event) -> None:
        """Take note of an event."""
        if isinstance(event, Tested):
            self.tested = event
            if event.net == 0 and event.outputs:
                self._values[event.iteration] = event.outputs[0][1]
                self._prune(own_snapshots(self.prefix) if self.keep is not None else {})
        if isinstance(event, Snapshotted):
            self.snapshots.append(event)
            self._prune(own_snapshots(self.prefix))

    def _prune(self, there: Mapping[int, Path]) -> None:
        if self.keep is not None:
            best = best_of((i for i in self._values if i in there), self._values.get)
            prune(self.prefix, max(self.keep, 1), [there[best[0]]] if best else [])

    def go_on(self, table: Path, iteration: int) -> None:
        """Remember what the run has tested up to the snapshot that it goes on from; where that is
        the newest, delete what the run would have deleted when it wrote it."""
        with suppress(InputError):  # larger than a table is
            scores = scores_of(continuous(read_rows(table)[0]))
            self._values = {n: value for n, value in scores.items() if n < iteration}
        there = own_snapshots(self.prefix)
        if iteration == max(there, default=-1):
            self._prune(there)

    @property
    def best(self) -> tuple[int, float] | None:
        """Iteration and value of the best test."""
        return best_of(self._values, self._values.get)


# ---- the table ----


def read_events(path: Path) -> tuple[list[Row], int]:
    """The events of a table (``.jsonl``) or of a log of ``caffe train``, those of several runs as
    one curve, and how many lines of the table are none.

    Raises:
        InputError: the file is missing or too large.
    """
    if path.suffix == TABLE:
        rows, broken = read_rows(path)
        return continuous(rows), broken
    events = [to_row(event) for event in parse_log(path) if not isinstance(event, Stepped)]
    return _forward(events), 0


def read_rows(path: Path) -> tuple[list[Row], int]:
    """All events of a table as they stand there, and how many lines are none: cut short, or not a
    table's.

    A row is a dict with an ``event``, and of those of training, tests and snapshots with an
    ``iteration``; the rest is whatever the file says.

    Raises:
        InputError: the file is missing or too large.
    """
    text = read_bytes(path, "table of the run", MOST_BYTES).decode("utf-8", "replace")
    rows: list[Row] = []
    broken = 0
    for line in filter(str.strip, text.split("\n")):
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            row = None
        if _is_event(row):
            if row.get("iteration") is None:
                row.pop("iteration", None)  # null: of none
            rows.append(row)
        else:
            broken += 1
    return rows, broken


def _is_event(row: object) -> bool:
    if not isinstance(row, dict) or not isinstance(row.get("event"), str):
        return False
    iteration = row.get("iteration")
    if row["event"] not in _COUNTED and iteration is None:
        return True
    return type(iteration) is int and 0 <= iteration < MOST_ITERATION


def continuous(rows: list[Row]) -> list[Row]:
    """One curve of several runs on one table.

    Where a run went on from a snapshot, or began again, what was told of later iterations is left
    out.
    """
    kept: list[Row] = []
    for row in rows:
        if kept and kept[-1]["event"] == BEGIN and "iteration" in row:
            first = row["iteration"] - (row["event"] == SNAPSHOT)
            kept = [old for old in kept if old.get("iteration", -1) < first]
        kept.append(row)
    return kept


def _forward(rows: list[Row]) -> list[Row]:
    """Where a log goes back, a run went on from a snapshot: what came after that is left out."""
    kept: list[Row] = []
    last = -1
    for row in rows:
        if row["event"] == TRAIN:
            if row["iteration"] <= last:
                kept = [old for old in kept if old["iteration"] < row["iteration"]]
            last = row["iteration"]
        kept.append(row)
    return kept


def is_finite(value: object) -> TypeGuard[float]:
    """Whether it is a number, and a float holds it."""
    return isinstance(value, (int, float)) and abs(value) <= sys.float_info.max


def scores_of(rows: Iterable[Row]) -> dict[int, float]:
    """Iteration → the first output of the first net's test: mean AP of a detector.

    >>> scores_of([{"event": "test", "iteration": 10, "net": 0, "outputs": {"mAP": 0.5}}])
    {10: 0.5}
    """
    found: dict[int, float] = {}
    for row in rows:
        outputs = row.get("outputs")
        if row["event"] != TEST or row.get("net") or not isinstance(outputs, dict):
            continue
        value = next(iter(outputs.values()), None)
        if is_finite(value):
            found[row["iteration"]] = float(value)
    return found
