"""Every command, with each of its calls to the system failing once: a disk that is full, that
breaks, that may not be written or read, that has no locks or vanishes, a clock that goes back; and
with calls that fail at random."""

from __future__ import annotations

import errno
import importlib
import random
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path

from support.attack import Clock, Row
from support.faulted import FaultedStage
from support.faults import (
    ALL,
    CHANGE,
    LOCK,
    LOOK,
    NAME,
    REMOVE,
    SYNC,
    WRITE,
    Fault,
    can_preload,
    preloaded,
)
from support.stages import Broken, Stage
from support.writers import READERS, SCENES

STAGING = 0.3  # part of the time in which scenes are set up
PRELOADED = ("jinja2", "matplotlib.figure", "onnx", "onnxruntime", "tensorboard", "torch")
FULL = WRITE | SYNC | NAME
HUNDREDTH = 10_000  # of a million
ONCE, ON, SAME = 0, 1, 2  # one call fails; all after it, too; all for its path
# Kinds of calls, with what each of them fails, and which after it.
ONE_BY_ONE = (
    (FULL, errno.ENOSPC, ONCE),
    (FULL, errno.ENOSPC, ON),
    (WRITE | SYNC, errno.EDQUOT, ONCE),
    (ALL, errno.EIO, ONCE),
    (ALL, errno.EIO, ON),
    (ALL, errno.EIO, SAME),
    (NAME | REMOVE | LOOK, errno.EACCES, SAME),
    (CHANGE, errno.EROFS, ON),
    (NAME | REMOVE | LOOK, errno.ENOENT, ON),
    (LOCK, errno.EIO, ONCE),
)
WITHOUT_LOCKS = (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS)
AT_RANDOM = ((WRITE, errno.EIO), (FULL, errno.ENOSPC), (CHANGE, errno.EIO), (ALL, errno.EIO))


def one_by_one(count: Callable[[int], int]) -> Iterator[Fault]:
    """All faults of one call of a command, given how many calls it makes of some kinds."""
    for kinds, code, more in ONE_BY_ONE:
        for at in range(1, count(kinds) + 1):
            yield Fault(kinds, code, at, more)
    for at in range(1, count(WRITE) + 1):
        yield Fault(WRITE, errno.ENOSPC, at, halved=True)
    for code in WITHOUT_LOCKS:
        yield Fault(LOCK, code, 1, ON)
    for back in (1, 3600):
        yield Fault(LOCK, back=back)


class FaultsAttack:
    """The attack as it goes on.

    Attributes:
        row: what it came to.
        tries: what is to be tried in the scenes that are set up.
    """

    def __init__(self, dice: random.Random) -> None:
        self.row, self.dice = Row("faults"), dice
        self.stages: list[FaultedStage] = []
        self.tries: list[tuple[FaultedStage, Fault]] = []
        self.made: Counter[str] = Counter()

    def set_up(self, name: str, folder: Path) -> None:
        stage = FaultedStage(Stage(name, {**SCENES, **READERS}[name], folder))
        self.stages.append(stage)
        self.tries += [(stage, fault) for fault in one_by_one(stage.count)]

    def one(self, stage: FaultedStage, fault: Fault) -> None:
        """Try it; what it finds stands in the row."""
        self.row.executions += 2
        self.made["random" if fault.share else "one"] += 1
        try:
            stage.run(fault)
        except (Broken, TimeoutError, AssertionError) as error:
            self.row.found(" ".join(str(error).split()))
        self.row.faults += max(stage.faults.state.failed, 1)

    def at_random(self) -> tuple[FaultedStage, Fault]:
        kinds, code = self.dice.choice(AT_RANDOM)
        seed = self.dice.getrandbits(63)
        return self.dice.choice(self.stages), Fault(kinds, code, share=HUNDREDTH, seed=seed)


def attack(seconds: float, seed: int) -> Row:
    """All scenes, if there is time; each call once, then calls at random."""
    if not can_preload():
        return Row("faults", reached="nothing: it needs Linux and a C compiler")
    return Row(**preloaded("hard.faults", "attack_here", seconds=seconds, seed=seed))


def attack_here(seconds: float, seed: int) -> dict[str, object]:
    """The same, where the library is preloaded."""
    for name in PRELOADED:
        importlib.import_module(name)
    clock, faults = Clock(seconds), FaultsAttack(random.Random(seed))
    names = [*SCENES, *READERS]
    faults.dice.shuffle(names)
    with ExitStack() as stack:
        for name in names:
            if faults.stages and clock.spent > STAGING * seconds:
                break
            folder = stack.enter_context(tempfile.TemporaryDirectory())
            try:
                faults.set_up(name, Path(folder))
            except (Broken, TimeoutError, AssertionError) as error:
                faults.row.found(" ".join(str(error).split()))
        faults.dice.shuffle(faults.tries)
        for stage, fault in faults.tries:
            if clock.is_over:
                break
            faults.one(stage, fault)
        while faults.stages and not clock.is_over:
            faults.one(*faults.at_random())
    row = faults.row
    row.seconds = clock.spent
    row.reached = (
        f"{len(faults.stages)} of {len(names)} scenes; {faults.made['one']:,} of "
        f"{len(faults.tries):,} single faults, {faults.made['random']:,} runs with calls that fail "
        "at random"
    )
    return asdict(row)
