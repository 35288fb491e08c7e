"""Plan a build of millions of pictures on many machines: ``python -m benchmarks.cluster``.

The planner is the one that builds (``data/build/sharding``): it cuts the list, names the shards and
gives out the tasks. The machines are made up: a clock that jumps from event to event, stragglers,
machines that are lost with all that they were at and come back. What a picture costs is told, or
measured here on drawn pictures (``--measure``). What comes out is arithmetic, no measurement.
"""

from __future__ import annotations

import argparse
import hashlib
import heapq
import json
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np

from benchmarks import sources
from benchmarks.planning import plan_made_up
from benchmarks.shared import find_data, work_folder
from ssd_data import Tally, build
from ssd_data.core.files import spill
from ssd_data.core.progress import untracked
from ssd_data.core.tasks import Size
from ssd_data.data.build.options import BuildOptions
from ssd_data.data.build.sharding.driver import Sharding, Shards
from ssd_data.data.build.sharding.task import ShardOutcome, ShardTask

PLANNED = 20_000  # made-up pictures, of which it is measured what planning takes


@dataclass(frozen=True)
class Cluster:
    """What is supposed; times in seconds.

    Attributes:
        pictures: how many. size: bytes of one.
        machines, cpus: of each machine, every CPU takes a task at a time.
        picture: CPU time of one. entry: time of the driver for one: its annotation, name and line.
        task: cost of giving out a task and hearing of it, one after another.
        link: bytes a second that a machine reads; store: all machines together.
        merge: bytes a second of a merge.
        slow, slowness: which share of the machines takes how many times as long, for all.
        life, away: mean time until a machine is lost, 0 for never; until another is there.
    """

    pictures: int = 10_000_000
    size: int = 115_000
    machines: int = 50
    cpus: int = 8
    picture: float = 0.004
    entry: float = 0.0001
    task: float = 0.005
    link: float = 125e6
    store: float = 5e9
    merge: float = 700e6
    slow: float = 0.0
    slowness: float = 4.0
    life: float = 0.0
    away: float = 300.0


class MadeUpInputs:
    """A list of pictures of which nothing is known but how many there are."""

    def __init__(self, count: int) -> None:
        self._count = count

    def __len__(self) -> int:
        return self._count

    def first_of(self, start: int) -> str:
        return f"{start:08d}.jpg"

    def name(self, cut: range) -> str:
        return hashlib.sha256(repr(cut).encode()).hexdigest()[:32]

    def images(self, cut: range) -> tuple[list[Any], list[Any]]:
        return [], []


class MadeUpPool:
    """Takes the tasks of a build, of which none is run."""

    is_local = False
    size = Size()

    def __init__(self) -> None:
        self.tasks: list[ShardTask] = []

    def run(
        self, function: object, tasks: Iterable[ShardTask], needs: object
    ) -> Iterator[tuple[int, ShardOutcome]]:
        """See :func:`ssd_data.core.tasks.run`."""
        for number, task in enumerate(tasks):
            self.tasks.append(task)
            yield number, ShardOutcome(task.name)


class MadeUpMachines:
    """Workers by the clock: of each task it is known how long it takes, and what is lost when.

    A task that was at work on a machine that is lost is given out again, as it is on a cluster.

    Attributes:
        clock: when the last task was done. lost: how many tasks were begun and lost.
    """

    def __init__(self, cluster: Cluster, seed: int = 0) -> None:
        self.cluster, self._random = cluster, np.random.default_rng(seed)
        slow = self._random.permutation(cluster.machines) < cluster.slow * cluster.machines
        self._pace = np.where(slow, cluster.slowness, 1.0)
        self.clock, self.lost = 0.0, 0

    def work(self, tasks: Sequence[ShardTask]) -> None:
        """All of them, each on the CPU that is free first."""
        waiting = [*tasks][::-1]
        end, driver = [self._life(0.0) for _ in self._pace], 0.0
        free = [(0.0, m, c) for m in range(len(self._pace)) for c in range(self.cluster.cpus)]
        heapq.heapify(free)
        while waiting:
            at, machine, cpu = heapq.heappop(free)
            driver = max(driver, at) + self.cluster.task
            while end[machine] <= driver:  # it was lost while it had nothing to do
                end[machine] = self._life(end[machine] + self.cluster.away)
            finish = driver + self._seconds(waiting[-1], machine)
            if finish > end[machine]:
                self.lost += 1
                finish = end[machine] + self.cluster.away
            else:
                waiting.pop()
                self.clock = max(self.clock, finish)
            heapq.heappush(free, (finish, machine, cpu))

    def _life(self, begin: float) -> float:
        life = self.cluster.life
        return begin + float(self._random.exponential(life)) if life else float("inf")

    def _seconds(self, task: Any, machine: int) -> float:
        """The longest of its CPU's and of its share of the machine's link and of the store."""
        it = self.cluster
        share = min(it.link / it.cpus, it.store / (it.machines * it.cpus))
        return float(task.numbers * self._pace[machine] * max(it.picture, it.size / share))


def plan(cluster: Cluster, shards: int, folder: Path) -> tuple[list[ShardTask], float]:
    """The tasks of a build with so many shards, and the seconds that planning them took."""
    pool = MadeUpPool()
    sharding = Sharding(shards, pool, 1)  # type: ignore[arg-type]
    began = time.process_time()
    planner = Shards(folder, BuildOptions(), sharding, folder / "part", False, untracked)
    inputs: Any = MadeUpInputs(cluster.pictures)
    made, _ = planner.build("train", inputs, folder / "old")
    seconds = time.process_time() - began
    every = sorted((piece.cut.start, piece.cut.stop) for piece in made.pieces)
    joined = [0, *(stop for _, stop in every)]
    if joined[-1] != cluster.pictures or [start for start, _ in every] != joined[:-1]:
        raise SystemExit("the shards do not make up the list")
    return pool.tasks, seconds


def worked(cluster: Cluster, tasks: Sequence[ShardTask]) -> dict[str, float]:
    """Seconds of a build, and how many tasks were lost."""
    machines = MadeUpMachines(cluster)
    machines.work(tasks)
    cpus, reading, *_ = bounds(cluster).values()
    return {
        "shards": len(tasks),
        "workers": machines.clock,
        "over its bound": machines.clock / max(cpus, reading),
        "lost tasks": machines.lost,
    }


def bounds(cluster: Cluster) -> dict[str, float]:
    """Seconds that each part takes at least, whatever the rest does."""
    total = cluster.pictures * cluster.size
    return {
        "all CPUs at work": cluster.pictures * cluster.picture / cluster.machines / cluster.cpus,
        "reading through links and store": total
        / min(cluster.store, cluster.machines * cluster.link),
        "the driver: list, annotations, names": cluster.pictures * cluster.entry,
        "merge into one file": total / cluster.merge,
    }


def measured(cluster: Cluster, folder: Path, data: Path | None, count: int) -> Cluster:
    """With the costs of a picture and of an entry as they are on this machine, on one thread."""
    pictures = sources.wider(folder, data, count)
    began = time.process_time()
    build(pictures.dataset, folder / "built", splits=["train"], workers=1)
    each = (time.process_time() - began) / count
    began = time.process_time()
    read = sum(1 for _ in pictures.dataset.entries("train", Tally()))
    entry = (time.process_time() - began) / read
    with patch.object(spill, "HELD", 0):  # as of very many
        entry += plan_made_up(PLANNED, PLANNED // 1000)["cpu"] / PLANNED
    each_bytes = (pictures.bytes or 0) // count
    return replace(cluster, picture=each, entry=entry, size=each_bytes)


CASES: dict[str, dict[str, float]] = {
    "all is well": {},
    "one machine in ten takes 4 times as long": {"slow": 0.1},
    "a machine is lost every 2 hours each": {"life": 7200.0},
    "both": {"slow": 0.1, "life": 7200.0},
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Print a table a case."""
    parser = argparse.ArgumentParser("python -m benchmarks.cluster", description=__doc__)
    for name, default in asdict(Cluster()).items():
        parser.add_argument(f"--{name}", type=type(default), default=default)
    parser.add_argument("--shards", type=int, nargs="+", default=[50, 400, 2000, 10_000])
    parser.add_argument("--measure", type=int, metavar="N", help="what a picture costs, of N")
    parser.add_argument("--data", type=Path, help="pictures in WIDER FACE's layout, to measure")
    parser.add_argument("--dir", type=Path, help="work below this folder, else the current one")
    parser.add_argument("--json", type=Path, help="keep the figures in this file")
    options = parser.parse_args(arguments)
    cluster = Cluster(**{name: getattr(options, name) for name in asdict(Cluster())})
    figures: dict[str, Any] = {}
    planned: dict[int, float] = {}
    with work_folder(options.dir) as folder:
        if options.measure:
            cluster = measured(cluster, folder, find_data(options.data), options.measure)
        print("supposed:", ", ".join(f"{k} {v:g}" for k, v in asdict(cluster).items()))
        for name, seconds in bounds(cluster).items():
            print(f"at least {seconds:8,.0f} s: {name}")
        plans = [plan(cluster, shards, folder) for shards in options.shards]
    for tasks, seconds in plans:
        print(f"planned {len(tasks):,} shards in {seconds:.1f} s")
        planned[len(tasks)] = seconds
    for name, differences in CASES.items():
        case = replace(cluster, **differences)  # type: ignore[arg-type]
        figures[name] = rows = [worked(case, tasks) for tasks, _ in plans]
        print(f"\n{name}\n{' | '.join(rows[0])}")
        for row in rows:
            print(" | ".join(f"{value:,.5g}" for value in row.values()))
    if options.json:
        told = {"supposed": asdict(cluster), "bounds": bounds(cluster), "planned": planned}
        options.json.write_text(json.dumps({**told, "cases": figures}, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
