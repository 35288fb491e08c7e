"""What a run tells, whichever engine runs it, and what is written down of it.

A run tells its listeners of events. One of them writes Caffe's own log (the lines of ``caffe
train`` with glog's prefix, so that parsers of such logs read it) and a table (JSON lines, one an
event); another prints the same lines on the screen. No PyTorch here.
"""

from __future__ import annotations

import math
import os
import re
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import closing, suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, TextIO, TypeAlias

from ssd_data.core.errors import OutputError
from ssd_data.core.files.paths import naming
from ssd_data.core.files.whole import failed, lock
from ssd_data.core.jsontext import json_text
from ssd_data.core.legible import QUOTE, legible
from ssd_data.training.snapshots import HDF5

LOG, TABLE = ".log", ".jsonl"
MOST_LINE = 5000
BEGIN, TRAIN, TEST, SNAPSHOT = "begin", "train", "test", "snapshot"  # the table's events


@dataclass(frozen=True, slots=True)
class Displayed:
    """What is shown every ``display`` iterations: the loss before the update, smoothed.

    Attributes:
        outputs: the training net's outputs: name, loss weight, values.
        parts: of a MultiBoxLoss the loss by locations and by confidences, and the matches.
        speed: pictures a second since the last one. waiting: share of time spent on waiting for
            data. None where they are not known.
        at: when, by the log of a real Caffe; None for now.
    """

    iteration: int
    loss: float
    rate: float
    outputs: list[tuple[str, float, list[float]]]
    parts: dict[str, float] = field(default_factory=dict)
    speed: float | None = None
    waiting: float | None = None
    at: datetime | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Stepped:
    """An update was made."""

    iteration: int
    loss: float


@dataclass(frozen=True, slots=True)
class Tested:
    """What a test net gave.

    Attributes:
        iteration: when. net: its index.
        outputs: (name, value) of each: mean AP of a detection net, means of a classifier's outputs.
        per_class: label → AP, of a detection net's first output; shows_classes: whether the solver
            asks for them to be printed.
        loss: mean of its losses, where ``test_compute_loss`` asks for it.
        averaged: whether the weights were the moving average of ``--ema``.
        at: see :class:`Displayed`.
    """

    iteration: int
    net: int
    outputs: list[tuple[str, float]]
    per_class: dict[int, float] = field(default_factory=dict)
    loss: float | None = None
    shows_classes: bool = False
    averaged: bool = False
    at: datetime | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Snapshotted:
    """Two files were written, or three: ``average`` with the moving average of the weights.

    Attributes:
        at: see :class:`Displayed`.
    """

    iteration: int
    model: Path
    state: Path
    average: Path | None = None
    at: datetime | None = field(default=None, compare=False)

    def files(self) -> dict[str, Path]:
        """What is there of ``model``, ``state`` and ``average``."""
        found = {"model": self.model, "state": self.state}
        return found if self.average is None else {**found, "average": self.average}


Event: TypeAlias = Displayed | Stepped | Tested | Snapshotted
Listener: TypeAlias = Callable[[Event], None]


def lines(event: Event) -> list[tuple[str, str]]:
    """(source file, text) of an event as ``caffe train`` prints it."""
    if isinstance(event, Displayed):
        found = [("solver.cpp:243", f"Iteration {event.iteration}, loss = {number(event.loss)}")]
        found += [("solver.cpp:259", text) for text in _outputs("Train", event.outputs)]
        rate = f"Iteration {event.iteration}, lr = {event.rate:.6g}"
        return [*found, ("sgd_solver.cpp:138", rate)]
    if isinstance(event, Tested):
        first = f"Iteration {event.iteration}, Testing net (#{event.net})"
        found = [("solver.cpp:433", first)]
        if event.averaged:
            found.append(("solver.cpp:434", "    Test net weights: exponential moving average"))
        if event.loss is not None:
            found.append(("solver.cpp:460", f"Test loss: {number(event.loss)}"))
        found += [
            ("solver.cpp:540", f"class{label}: {number(ap)}")
            for label, ap in event.per_class.items()
            if event.shows_classes
        ]
        return found + [
            ("solver.cpp:546", f"    Test net output #{i}: {_name(name)} = {number(value)}")
            for i, (name, value) in enumerate(event.outputs)
        ]
    if isinstance(event, Snapshotted):
        hdf5 = event.state.suffix == HDF5
        kind, line, of_state = ("HDF5", 606, 317) if hdf5 else ("binary proto", 596, 307)
        return [
            (f"solver.cpp:{line}", f"Snapshotting to {kind} file {event.model}"),
            (
                f"sgd_solver.cpp:{of_state}",
                f"Snapshotting solver state to {kind} file {event.state}",
            ),
        ]
    return []


def number(value: float) -> str:
    """At least six significant digits, as short as that allows."""
    return f"{value:.8g}"


def _name(name: str) -> str:
    """A blob's name, as a line of a log can hold it."""
    return legible(name, QUOTE)


def _whole(text: str) -> str:
    """A line with a path, which is as long as paths may be, so that it can be read back."""
    return legible(text, MOST_LINE)


def _outputs(kind: str, outputs: Iterable[tuple[str, float, list[float]]]) -> list[str]:
    found: list[str] = []
    for name, weight, values in outputs:
        for value in values:
            text = f"    {kind} net output #{len(found)}: {_name(name)} = {number(value)}"
            if weight:
                text += f" (* {number(weight)} = {number(weight * value)} loss)"
            found.append(text)
    return found


class RunLog:
    """Writes ``<prefix>.log`` and ``<prefix>.jsonl``, line by line, onto what is there.

    Attributes:
        locked: whether other trainings of this prefix are kept out for as long as the log is open;
            False where the file system has no locks.

    Raises:
        OutputError: they cannot be written, now or later, or another training writes them.
    """

    def __init__(self, prefix: str) -> None:
        self.log_path, self.table_path = Path(f"{prefix}{LOG}"), Path(f"{prefix}{TABLE}")
        try:
            self.log_path.parent.mkdir(parents=True, exist_ok=True)
            self._log, self._table = _appended(self.log_path), _appended(self.table_path)
            self._lock()
            if self.locked:
                _remove_halves(Path(prefix))
        except OSError as error:
            raise self._failed(error) from None
        self._started = time.monotonic()
        self._first: tuple[float, datetime] | None = None

    @property
    def descriptor(self) -> int:
        """The log's file: a process that inherits it holds its lock as well."""
        return self._log.fileno()

    def begin(self, net: str, policy: str, table: dict[str, Any]) -> None:
        """Note that a run begins, with everything that it depends on."""
        self._write("caffe.cpp:251", "Starting Optimization")
        self._write("solver.cpp:294", f"Solving {net}")
        self._write("solver.cpp:295", f"Learning Rate Policy: {policy}")
        for share in table.get("mix", ()):
            text = f"Opened lmdb {share['source']}, weight {share['weight']}"
            self._write("db_lmdb.cpp:35", text)
        self._add({"event": BEGIN, **table})

    def __call__(self, event: Event) -> None:
        """Note an event."""
        if isinstance(event, Stepped):
            return
        for source, text in lines(event):
            self._write(source, text, event.at)
        self._add(to_row(event), event.at)

    def end(self, done: bool) -> None:
        """Note the end of the run."""
        text = "Optimization Done." if done else "Optimization stopped early."
        if not self._log.closed:
            self._write("solver.cpp:337", text)
        try:
            with naming(self.table_path), closing(self._table), naming(self.log_path):
                self._log.close()
        except OSError as error:
            raise self._failed(error) from None

    def _lock(self) -> None:
        try:
            self.locked = lock(
                self._log,
                "another training is writing this log and its snapshots",
                where=self.log_path,
                hint="Wait until it is done, or choose another snapshot_prefix",
            )
        except OutputError:
            self._log.close()
            self._table.close()
            raise

    def _failed(self, error: OSError) -> OutputError:
        return failed(error, Path(error.filename or self.log_path))

    def _line(self, file: TextIO, text: str) -> None:
        try:
            with naming(file.name):
                file.write(text)
                file.flush()
        except OSError as error:
            with suppress(OSError):
                file.close()  # what could not be written is not tried again
            raise self._failed(error) from None

    def _write(self, source: str, text: str, at: datetime | None = None) -> None:
        stamp = (at or datetime.now()).strftime("%m%d %H:%M:%S.%f")
        self._line(self._log, f"I{stamp} {os.getpid():>5} {source}] {_whole(text)}\n")

    def _add(self, row: dict[str, Any], at: datetime | None = None) -> None:
        row["seconds"] = round(self._seconds(at), 3)
        self._line(self._table, json_text(row, indent=None) + "\n")

    def _seconds(self, at: datetime | None) -> float:
        """Since the run began; of a real Caffe's events by its own clock, from the first one on."""
        now = time.monotonic() - self._started
        if at is None:
            return now
        if self._first is None:
            self._first = now, at
        return max(self._first[0] + (at - self._first[1]).total_seconds(), 0.0)


def _appended(path: Path) -> TextIO:
    """A file to write lines behind those that are there, of which the last may have no end."""
    with naming(path), path.open("ab+") as file:
        if file.tell():
            file.seek(-1, os.SEEK_END)
            if file.read() != b"\n":
                file.write(b"\n")
    return path.open("a", encoding="utf-8")


def _remove_halves(prefix: Path) -> None:
    """Remove what trainings of a prefix that were killed have left half written: where this one has
    the lock, nobody else is writing it."""
    name = re.escape(prefix.name)
    half = re.compile(rf"\.{name}(_iter_\d{{1,9}}|_curves)\..*\.part", re.ASCII | re.DOTALL)
    for path in prefix.parent.iterdir():
        if half.fullmatch(path.name):
            path.unlink(missing_ok=True)


def to_row(event: Event) -> dict[str, Any]:
    """An event, but no :class:`Stepped`, as the table has it."""
    if isinstance(event, Displayed):
        return {
            "event": TRAIN,
            "iteration": event.iteration,
            "loss": _number(event.loss),
            "lr": _number(event.rate),
            "outputs": {name: [_number(v) for v in values] for name, _, values in event.outputs},
            "parts": event.parts,
            "pictures_per_second": event.speed,
            "waiting_share": event.waiting,
        }
    if isinstance(event, Tested):
        return {
            "event": TEST,
            "iteration": event.iteration,
            "net": event.net,
            "outputs": {name: _number(value) for name, value in event.outputs},
            "per_class": {label: _number(ap) for label, ap in event.per_class.items()},
            "loss": _number(event.loss),
            "weights": "average" if event.averaged else "last",
        }
    assert isinstance(event, Snapshotted)
    files = {name: str(path) for name, path in event.files().items()}
    return {"event": SNAPSHOT, "iteration": event.iteration, **files}


def _number(value: float | None) -> float | None:
    """JSON has none for what is no number."""
    return value if value is not None and math.isfinite(value) else None


class Screen:
    """The same lines on standard error, as ``caffe train`` prints them but for the prefix."""

    def __call__(self, event: Event) -> None:
        """Print an event."""
        for _, text in lines(event):
            print(_whole(text), file=sys.stderr, flush=True)
