"""Every writing command, killed at each system call that changes something; told to stop at each
such moment; paused there while a second one runs; and killed whenever."""

from __future__ import annotations

import importlib
import pkgutil
import random
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack, suppress
from functools import partial
from itertools import cycle
from pathlib import Path

from support.attack import Clock, Row
from support.killing import (
    killed_after,
    killed_at_call,
    killed_at_event,
    second_at_event,
    stopped_at_event,
)
from support.kills import calls_of, can_trace
from support.stages import Broken, Stage
from support.writers import READERS, SCENES

import ssd_data

STAGING = 0.3  # part of the time in which scenes are set up
PRELOADED = ("jinja2", "matplotlib.figure", "onnx", "onnxruntime", "tensorboard", "torch")
PROGRAMS = ("__main__", "_example")  # the latter are shipped with nets, and run there
CALL, EVENT, STOP, SECOND, MOMENT = "call", "event", "stop", "second", "moment"
Try = Callable[[], bool]


class Kills:
    """The attack as it goes on.

    Attributes:
        row: what it came to.
        tries: (kind, what to try) of all scenes that are set up.
    """

    def __init__(self, dice: random.Random) -> None:
        self.row, self.dice = Row("kills"), dice
        self.tries: list[tuple[str, Try]] = []
        self.made: Counter[str] = Counter()
        self.came: Counter[str] = Counter()
        self._moments: list[Callable[[], bool]] = []

    def set_up(self, name: str, folder: Path) -> None:
        """Make a scene's stage, and note all that can be tried there."""
        stage = Stage(name, {**SCENES, **READERS}[name], folder)
        begun = time.monotonic()
        numbers = cycle((signal.SIGINT, signal.SIGTERM))
        if can_trace():
            stage.set_up()
            begun = time.monotonic()
            calls = calls_of(stage.start, folder / "calls", stage.scene.status)
            self.tries += [(CALL, partial(killed_at_call, stage, call)) for call in calls]
        else:
            self.tries += [(EVENT, partial(killed_at_event, stage, n)) for n in stage.events]
        for event in stage.events:
            stop = partial(stopped_at_event, stage, event, next(numbers))
            self.tries += [(STOP, stop), (SECOND, partial(second_at_event, stage, event))]
        seconds = time.monotonic() - begun
        self._moments.append(lambda: killed_after(stage, self.dice.uniform(0, seconds)))

    def moment(self) -> bool:
        return self.dice.choice(self._moments)()

    def one(self, kind: str, what: Try) -> None:
        """Try it; what it finds stands in the row."""
        self.row.executions += 3 if kind == SECOND else 2
        self.made[kind] += 1
        try:
            came = what()
        except (Broken, TimeoutError, AssertionError) as error:
            self.row.found(" ".join(str(error).split()))
            came = True
        self.came[kind] += came
        self.row.kills += came and kind != SECOND
        self.row.faults += came and kind == SECOND


def preload() -> None:
    """Import what commands do, so that each need not by itself."""
    found = pkgutil.walk_packages(ssd_data.__path__, "ssd_data.", onerror=lambda name: None)
    for name in (*PRELOADED, *(module.name for module in found)):
        if not name.endswith(PROGRAMS):
            with suppress(ImportError):  # what an optional package would be needed for
                importlib.import_module(name)


def attack(seconds: float, seed: int) -> Row:
    """All scenes, if there is time; each point once, then processes killed at any moment."""
    preload()
    clock, kills = Clock(seconds), Kills(random.Random(seed))
    names = [*SCENES, *READERS]
    kills.dice.shuffle(names)
    staged = 0
    with ExitStack() as stack:
        for name in names:
            if staged and clock.spent > STAGING * seconds:
                break
            folder = stack.enter_context(tempfile.TemporaryDirectory())
            try:
                kills.set_up(name, Path(folder))
                staged += 1
            except (Broken, TimeoutError, AssertionError) as error:
                kills.row.found(" ".join(str(error).split()))
        kills.dice.shuffle(kills.tries)
        kills.tries.sort(key=lambda pair: pair[0] in (STOP, SECOND))
        for kind, what in kills.tries:
            if clock.is_over:
                break
            kills.one(kind, what)
        while staged and not clock.is_over:
            kills.one(MOMENT, kills.moment)
    kills.row.seconds = clock.spent
    kills.row.reached = _reached(kills, staged, len(names))
    return kills.row


def _reached(kills: Kills, staged: int, scenes: int) -> str:
    point = CALL if kills.made[CALL] else EVENT
    total = sum(kind == point for kind, _ in kills.tries)
    return (
        f"{staged} of {scenes} scenes; killed at {kills.made[point]:,} of {total:,} "
        f"{'system calls' if point == CALL else 'changes'} and {kills.came[MOMENT]:,} moments, "
        f"stopped at {kills.came[STOP]:,}, with a second process at {kills.came[SECOND]:,}"
    )
