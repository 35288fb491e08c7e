"""Caffe's own log, line by line, to the events that the embedded solver tells.

The lines are those of ``src/caffe/solver.cpp`` and ``src/caffe/solvers/sgd_solver.cpp``, behind
glog's prefix with the day as ``1121`` or ``20261121``. Other lines are passed over: nets are
printed into the log, and layers write there as well.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

from ssd_data.core.files.paths import read_text
from ssd_data.training.log import Displayed, Event, Snapshotted, Tested

MOST_BYTES = 4 << 30
MOST_LINE = 1 << 16  # a longer line is no log's

_PREFIX = r"[IWEF](?:\d{4}|\d{8}) \d\d:\d\d:\d\d\.\d{6} +\d+ [^\s\]]+:\d+\] ?"
_STAMP = re.compile(r"[IWEF](\d+ \S+) ")
_LINE = re.compile(rf"({_PREFIX})(.*)")
_WITHIN = re.compile(rf"(?<=.)(?={_PREFIX})")
_NUMBER = r"(-?(?:\d+(?:\.\d*)?(?:e[-+]?\d+)?|nan|inf))"
_COUNT = r"(\d{1,9})"  # no run has more iterations

_ITERATION = re.compile(r"_iter_(\d{1,9})\.")


class LogParser:
    """Turns a log that grows into events; each comes when the log goes on behind it.

    A line counts when its end is there. Where a run was killed within a line and another run's log
    follows, the half line is dropped.

    Attributes:
        iteration: the last one that the log speaks of; -1 before the first.
    """

    def __init__(self) -> None:
        self.iteration = -1
        self._events: list[Event] = []  # told next
        self._half = ""
        self._rate = math.nan
        self._displayed: Displayed | None = None
        self._tested: Tested | None = None
        self._model: Path | None = None
        self._snapshot: Snapshotted | None = None
        self._at: datetime | None = None  # of the line that is read

    def feed(self, text: str) -> list[Event]:
        """The events of the next piece of a log, which may end within a line."""
        *lines, self._half = (self._half + text).split("\n")
        self._half = self._half[-MOST_LINE:]
        for line in lines:
            self._line(line)
        return self._told()

    def close(self) -> list[Event]:
        """The last events; a line without an end is dropped."""
        self._half = ""
        self._flush()
        return self._told()

    def _told(self) -> list[Event]:
        events, self._events = self._events, []
        return events

    def _line(self, line: str) -> None:
        # In "…loss = 4.I1121 …" a killed run's line has no end: only what follows counts.
        found = _LINE.match(_WITHIN.split(line)[-1])
        if found is None:
            return
        self._at = stamp(found[1]) or self._at
        if found[0].startswith("F"):
            self._snapshot = None  # the fatal line may say that it could not be written
        self._flush_snapshot()
        text = found[2].rstrip()
        for pattern, take in _LINES:
            if m := pattern.fullmatch(text):
                take(self, m)
                return

    def _take_loss(self, m: re.Match[str]) -> None:
        self._flush()
        self.iteration = int(m[1])
        self._displayed = Displayed(self.iteration, float(m[2]), self._rate, [], at=self._at)

    def _take_rate(self, m: re.Match[str]) -> None:
        self._rate = float(m[2])
        d, self._displayed = self._displayed, None
        if d is not None and d.iteration == int(m[1]):
            self._events.append(replace(d, rate=self._rate))

    def _take_train_output(self, m: re.Match[str]) -> None:
        """Of a blob with several values each has a line."""
        if self._displayed is not None:
            outputs = self._displayed.outputs
            if outputs and outputs[-1][0] == m[1]:
                outputs[-1][2].append(float(m[2]))
            else:
                outputs.append((m[1], float(m[3] or 0), [float(m[2])]))

    def _take_testing(self, m: re.Match[str]) -> None:
        self._flush()
        self.iteration = int(m[1])
        self._tested = Tested(self.iteration, int(m[2]), [], at=self._at)

    def _take_test_output(self, m: re.Match[str]) -> None:
        if self._tested is not None:
            self._tested.outputs.append((m[1], float(m[2])))

    def _take_class(self, m: re.Match[str]) -> None:
        if self._tested is not None and not self._tested.outputs:  # the first output's alone
            self._tested = replace(self._tested, shows_classes=True)
            self._tested.per_class[int(m[1])] = float(m[2])

    def _take_test_loss(self, m: re.Match[str]) -> None:
        if self._tested is not None:
            self._tested = replace(self._tested, loss=float(m[1]))

    def _take_interruption(self, m: re.Match[str]) -> None:
        self._tested = None

    def _take_model(self, m: re.Match[str]) -> None:
        self._flush()
        self._model = Path(m[1])

    def _take_state(self, m: re.Match[str]) -> None:
        """Both files are named before they are written: the next line says that they are."""
        state = Path(m[1])
        found = _ITERATION.search(state.name)
        if self._model is not None and found is not None:
            self._snapshot = Snapshotted(int(found[1]), self._model, state, at=self._at)
        self._model = None

    def _flush(self, m: re.Match[str] | None = None) -> None:
        """A run begins or ends, or something else is told: nothing more comes to what was."""
        self._flush_snapshot()
        if (d := self._displayed) is not None:
            self._events.append(d)
        if (t := self._tested) is not None and t.outputs:
            self._events.append(t)
        self._displayed = self._tested = None

    def _flush_snapshot(self) -> None:
        if self._snapshot is not None:
            self._events.append(self._snapshot)
            self._snapshot = None


_WEIGHTED = rf"(?: \(\* {_NUMBER} = {_NUMBER} loss\))?"
_LINES: list[tuple[re.Pattern[str], Callable[[LogParser, re.Match[str]], None]]] = [
    (re.compile(pattern), take)
    for pattern, take in (
        (rf"Iteration {_COUNT}(?: \(.*\))?, loss = {_NUMBER}", LogParser._take_loss),
        (rf" *Train net output #\d+: (.+?) = {_NUMBER}{_WEIGHTED}", LogParser._take_train_output),
        (rf"Iteration {_COUNT}, lr = {_NUMBER}", LogParser._take_rate),
        (rf"Iteration {_COUNT}, Testing net \(#{_COUNT}\)", LogParser._take_testing),
        (rf" *Test net output #\d+: (.+?) = {_NUMBER}{_WEIGHTED}", LogParser._take_test_output),
        (rf"class{_COUNT}: {_NUMBER}", LogParser._take_class),
        (rf"Test loss: {_NUMBER}", LogParser._take_test_loss),
        (r"Test interrupted\.", LogParser._take_interruption),
        (r"Snapshotting to (?:binary proto|HDF5) file (.+)", LogParser._take_model),
        (r"Snapshotting solver state to (?:binary proto|HDF5) file (.+)", LogParser._take_state),
        (r"Optimization (?:Done|stopped early)\.", LogParser._flush),
        (r"(?:Solving .*|Initializing solver .*)", LogParser._flush),
    )
]


def stamp(prefix: str) -> datetime | None:
    """When a line was written, by glog's prefix; a day without a year is of the last twelve months.

    >>> stamp("I20261121 10:00:00.500000  77 solver.cpp:1] ")
    datetime.datetime(2026, 11, 21, 10, 0, 0, 500000)

    Returns:
        None where it is no date.
    """
    found = _STAMP.match(prefix)
    if found is None:
        return None
    now = datetime.now()
    day, _, time = found[1].partition(" ")
    yearless = len(day) == 4
    try:
        text = f"{now.year if yearless else ''}{day} {time}"
        when = datetime.strptime(text, "%Y%m%d %H:%M:%S.%f")
        late = yearless and when > now + timedelta(days=1)
        return when.replace(year=now.year - 1) if late else when
    except ValueError:
        return None


def parse_log(path: Path | str) -> list[Event]:
    """All events of a log file, of several runs where it holds several.

    Raises:
        InputError: the file is missing or no text.
    """
    parser = LogParser()
    return parser.feed(read_text(Path(path), "log", MOST_BYTES)) + parser.close()
