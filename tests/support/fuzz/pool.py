"""Processes that read inputs and may die of it; the one that starts them only watches."""

from __future__ import annotations

import mmap
import os
import pickle
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from support.fuzz.judge import Fault, of_death
from support.fuzz.target import Case, Target
from support.fuzz.worker import Done, Job, Runner, limit, shown, work

T = TypeVar("T")
BOARD = 16 << 20
LONGEST = 900.0  # seconds of a batch


def in_process(
    action: Callable[[mmap.mmap, int], T], board: mmap.mmap
) -> tuple[int, T | None, str]:
    """Run in a forked process: its status, what came of it, and the stack if it was ended."""
    with tempfile.TemporaryFile() as result, tempfile.TemporaryFile() as stacks:
        pid = os.fork()
        if not pid:
            _child(action, board, result.fileno(), stacks.fileno())
        status = _wait(pid)
        result.seek(0)
        stacks.seek(0)
        made: Any = pickle.load(result) if status == 0 else None
        return status, made, stacks.read().decode("utf-8", "replace")


def _child(
    action: Callable[[mmap.mmap, int], Any], board: mmap.mmap, result: int, stacks: int
) -> None:
    status = 71
    try:
        data = memoryview(pickle.dumps(action(board, stacks)))
        while data:
            data = data[os.write(result, data) :]
        status = 0
    except BaseException as error:
        os.write(stacks, repr(error).encode("utf-8", "replace")[:3000])
    finally:
        os._exit(status)


def _wait(pid: int) -> int:
    end = time.monotonic() + LONGEST
    pause = 0.001
    while True:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() > end:
            os.kill(pid, signal.SIGKILL)
            end = float("inf")
        time.sleep(pause)
        pause = min(pause * 1.5, 0.05)


def run_batch(job: Job) -> Done:
    """Run a batch; where its process dies, up to the input that it died of."""
    with mmap.mmap(-1, BOARD) as board, in_memory() as base:
        action = partial(work, job, base)
        status, done, stack = in_process(action, board)
        if done is not None:
            return done
        number, case = shown(board)
        return Done(number, [(of_death(job.target.name, status, stack), case)])


def outcome(target: Target, case: Case) -> Fault | None:
    """What comes of one input, in a process of its own."""

    def once(board: mmap.mmap, stacks: int) -> Fault | None:
        limit(stacks)
        return Runner(target, base).run(case)

    with mmap.mmap(-1, 4096) as board, in_memory() as base:
        status, fault, stack = in_process(once, board)
    return of_death(target.name, status, stack) if status else fault


def made_apart(make: Callable[[], T]) -> T:
    """What a function makes, in a process that ends with its threads."""
    with mmap.mmap(-1, 4096) as board:
        status, made, said = in_process(lambda board, stacks: make(), board)
    if status or made is None:
        raise RuntimeError(f"the good inputs cannot be made: {said}")
    return made


@contextmanager
def in_memory() -> Iterator[Path]:
    """A folder on no disk, where there is such a place."""
    place = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(
        prefix="ssd-fuzz-", dir=place, ignore_cleanup_errors=True
    ) as base:
        yield Path(base)
