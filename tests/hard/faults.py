"""Every command, with each of its calls to the system failing once: a disk that is full, that
breaks, that may not be written or read, that has no locks or vanishes, a clock that goes back; with
inputs that change at each of its calls; and with calls that fail at random."""

from __future__ import annotations

import errno
import random
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import asdict
from functools import partial
from pathlib import Path

from hard.kills import preload
from support.attack import Clock, Row
from support.changing import CHANGES, ChangingStage
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
    seeds_that_hit,
)
from support.stages import Broken, Stage
from support.writers import READERS, SCENES

STAGING = 0.3  # part of the time in which scenes are set up
FULL = WRITE | SYNC | NAME
HUNDREDTH = 10_000  # of a million
FAILED, CHANGED, RANDOM = "failed", "changed", "random"
Try = Callable[[], None]
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
        self.tries: list[tuple[str, Try]] = []
        self.made: Counter[str] = Counter()

    def set_up(self, name: str, folder: Path) -> None:
        """Make a scene's stage, and note all that can be tried there."""
        if name in CHANGES:
            changing = ChangingStage(name, folder)
            calls = range(1, changing.calls + 1)
            self.tries += [(CHANGED, partial(self._changed, changing, at)) for at in calls]
            return
        stage = FaultedStage(Stage(name, {**SCENES, **READERS}[name], folder))
        self.stages.append(stage)
        faults = one_by_one(stage.count)
        self.tries += [(FAILED, partial(self.failed, stage, fault)) for fault in faults]

    def _changed(self, stage: ChangingStage, at: int) -> None:
        self.row.faults += 1
        stage.run(at)

    def failed(self, stage: FaultedStage, fault: Fault) -> None:
        try:
            stage.run(fault)
        finally:
            self.row.faults += max(stage.faults.state.failed, 1)

    def at_random(self) -> None:
        kinds, code = self.dice.choice(AT_RANDOM)
        self.failed(*self.hit(self.dice.choice(self.stages), kinds, code))

    def hit(self, stage: FaultedStage, kinds: int, code: int) -> tuple[FaultedStage, Fault]:
        """A hundredth of a stage's calls fails, one at least."""
        seed = next(seeds_that_hit(HUNDREDTH, stage.count(kinds), self.dice))
        return stage, Fault(kinds, code, share=HUNDREDTH, seed=seed)

    def one(self, kind: str, what: Try) -> None:
        """Try it; what it finds stands in the row."""
        self.row.executions += 2
        self.made[kind] += 1
        self.take(what)

    def take(self, what: Try) -> None:
        """Do it; what it finds stands in the row."""
        try:
            what()
        except (Broken, TimeoutError, AssertionError) as error:
            self.row.found(" ".join(str(error).split()))


def attack(seconds: float, seed: int) -> Row:
    """All scenes, if there is time; each call once, then calls at random."""
    if not can_preload():
        return Row("faults", reached="nothing: it needs Linux and a C compiler")
    return Row(**preloaded("hard.faults", "attack_here", seconds=seconds, seed=seed))


def attack_here(seconds: float, seed: int) -> dict[str, object]:
    """The same, where the library is preloaded."""
    preload()
    clock, faults = Clock(seconds), FaultsAttack(random.Random(seed))
    names = [*SCENES, *READERS, *CHANGES]
    faults.dice.shuffle(names)
    staged = 0
    with ExitStack() as stack:
        for name in names:
            if faults.stages and clock.spent > STAGING * seconds:
                break
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            faults.take(partial(faults.set_up, name, folder))
            staged += 1
        faults.dice.shuffle(faults.tries)
        for kind, what in faults.tries:
            if clock.is_over:
                break
            faults.one(kind, what)
        while faults.stages and not clock.is_over:
            faults.one(RANDOM, faults.at_random)
    row, made = faults.row, faults.made
    row.seconds = clock.spent
    all_of = Counter(kind for kind, _ in faults.tries)
    row.reached = (
        f"{staged} of {len(names)} scenes; {made[FAILED]:,} of {all_of[FAILED]:,} single faults, "
        f"{made[CHANGED]:,} of {all_of[CHANGED]:,} moments at which an input changes, "
        f"{made[RANDOM]:,} runs with calls that fail at random"
    )
    return asdict(row)


def few(scenes: dict[str, tuple[int, int]], seed: int) -> dict[str, dict[str, object]]:
    """Of each scene so many single faults, and so many runs in which one write in a hundred fails;
    where the library is preloaded."""
    preload()
    rows = {}
    for name, (singles, at_random) in scenes.items():
        faults = FaultsAttack(random.Random(f"{seed} {name}"))
        with tempfile.TemporaryDirectory() as folder:
            faults.set_up(name, Path(folder))
            for kind, what in faults.dice.sample(faults.tries, singles):
                faults.one(kind, what)
            for _ in range(at_random):
                for stage in faults.stages:
                    hit = faults.hit(stage, WRITE, faults.dice.choice((errno.EIO, errno.ENOSPC)))
                    faults.one(RANDOM, partial(faults.failed, *hit))
        rows[name] = asdict(faults.row)
    return rows
