"""One process's inputs: made, written into a folder in memory, read, judged."""

from __future__ import annotations

import faulthandler
import gc
import os
import pickle
import resource
import shutil
import signal
import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from fnmatch import fnmatch
from mmap import mmap
from pathlib import Path
from random import Random

from support.fuzz.judge import Fault, of_exception, of_notes
from support.fuzz.lines import Line, Tracer
from support.fuzz.mutate import mutated, mutator
from support.fuzz.mutate.names import renamed
from support.fuzz.target import Case, Target, write

SECONDS = 2.0  # of the processor
WAITING = 20.0  # of the clock
MEMORY = 1 << 30
TRACED = 10  # of so many inputs one is traced
MOST_KEPT = 400
ODD_FOLDERS = [""] * 25 + ["\udcff", " ", "é", "_lmdb", "#x", "%20", "a.txt"]  # where inputs lie


@dataclass
class Job:
    """A batch of a target: which inputs, and what is known before."""

    target: Target
    seeds: list[Case]
    seed: int
    number: int
    kept: list[Case] = field(default_factory=list)
    known: set[Line] = field(default_factory=set)
    every: int = TRACED


@dataclass
class Done:
    """What a batch came to."""

    executions: int = 0
    faults: list[tuple[Fault, Case]] = field(default_factory=list)
    kept: list[Case] = field(default_factory=list)
    seen: set[Line] = field(default_factory=set)


def inputs(job: Job, kept: list[Case]) -> Iterator[Case]:
    """The inputs of a batch, of the first also those that are given; ``kept`` grows meanwhile."""
    random = Random(f"{job.target.name}:{job.seed}:{job.number}")
    if job.number == 0:
        yield from [*job.seeds, *job.kept]
    for _ in range(job.target.batch):
        yield make(job, kept, random)


def make(job: Job, kept: list[Case], random: Random) -> Case:
    """A good input, or one that led somewhere new, of which some files are changed."""
    target, pool = job.target, job.seeds if not kept or random.random() < 0.4 else kept
    case = dict(random.choice(pool))
    names = [name for name in case if not any(fnmatch(name, one) for one in target.kept)]
    if random.random() < 0.03 and len(names) > 1:
        del case[names.pop(random.randrange(len(names)))]
    for name in random.sample(names, min(len(names), random.choice([1, 1, 1, 1, 2, 3]))):
        case[name] = mutated(case[name], random, mutator(name, target.kinds))
    if random.random() < 0.03:  # another's file in its place
        other = random.choice(pool)
        case[random.choice(names)] = other[random.choice(sorted(other))]
    if target.renames and random.random() < 0.12:
        name = random.choice(sorted(case))
        data = case[name] if random.random() < 0.3 else case.pop(name)
        case[renamed(name, [*case, name], random)] = data
    return case


class Runner:
    """Reads inputs one by one, each in a folder of another name, within bounds."""

    def __init__(self, target: Target, base: Path) -> None:
        self.target, self.base = target, base
        self.count = 0

    def run(self, case: Case, tracer: Tracer | None = None) -> Fault | None:
        self.count += 1
        folder = self.base / f"{self.count}{ODD_FOLDERS[self.count % len(ODD_FOLDERS)]}"
        folder.mkdir()
        try:
            write(case, folder)
            os.chdir(folder)
            with bounded():
                return self._judged(folder, tracer)
        finally:
            os.chdir(self.base)
            shutil.rmtree(folder, ignore_errors=True)

    def _judged(self, folder: Path, tracer: Tracer | None) -> Fault | None:
        try:
            with tracer or nullcontext():
                said = self.target.run(folder)
        except BaseException as error:  # also what no reader should raise
            return of_exception(self.target.name, error)
        return of_notes(self.target.name, said) if isinstance(said, list) else None


@contextmanager
def bounded() -> Iterator[None]:
    """What takes too long ends the process."""
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    signal.setitimer(signal.ITIMER_REAL, WAITING)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)


def limit(stacks: int) -> None:
    """A process that says nothing, may not grow, and tells where it was when it is ended."""
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    faulthandler.enable(stacks)
    for number in (signal.SIGPROF, signal.SIGALRM):
        signal.signal(number, signal.SIG_DFL)
        faulthandler.register(number, stacks, chain=True)
    used = _data_bytes() + MEMORY
    resource.setrlimit(resource.RLIMIT_DATA, (used, used))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (256 << 20, 256 << 20))
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)


def _data_bytes() -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmData:"):
            return int(line.split()[1]) << 10
    return 1 << 30


def show(board: mmap, number: int, case: Case) -> None:
    """Put the input that is on where the parent can read it after this process's death."""
    data = pickle.dumps((number, case))
    if len(data) + 8 <= len(board):
        board[: 8 + len(data)] = struct.pack("<Q", len(data)) + data


def shown(board: mmap) -> tuple[int, Case]:
    (size,) = struct.unpack("<Q", board[:8])
    return pickle.loads(board[8 : 8 + size]) if size else (0, {})


def work(job: Job, base: Path, board: mmap, stacks: int) -> Done:
    """Run a batch, in a process of its own."""
    limit(stacks)
    warnings.simplefilter("ignore")
    done, kept, known = Done(), list(job.kept), set(job.known)
    runner, tracer = Runner(job.target, base), Tracer()
    given = 0 if job.number else len(job.seeds) + len(job.kept)
    gc.freeze()
    for case in inputs(job, kept):
        done.executions += 1
        show(board, done.executions, case)
        traced = done.executions <= given or done.executions % job.every == 0
        fault = runner.run(case, tracer if traced else None)
        if fault is not None and len(done.faults) < 200:
            done.faults.append((fault, case))
        if traced and (new := tracer.seen - known):
            known |= new
            done.seen |= new
            done.kept.append(case)
            kept.append(case)
            del kept[: len(kept) - MOST_KEPT]
    return done
