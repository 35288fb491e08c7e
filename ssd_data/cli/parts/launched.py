"""A training whose processes run on the workers of a cluster: each as torchrun would start it."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass
from pathlib import Path

from ssd_data.cli.parts import shared
from ssd_data.cli.parts.places import pool_of
from ssd_data.core.installed import PICTURES
from ssd_data.core.tasks import Needs, Rank

OUT, ERR = 1, 2


@dataclass(frozen=True, slots=True)
class Launch:
    """A command that is run by several processes.

    Attributes:
        words: of the command line. folder: where it is run, which all machines see.
        gpu: whether each has a GPU of its own.
    """

    words: tuple[str, ...]
    folder: str
    gpu: bool


class _Told(io.RawIOBase):
    """A file whose bytes go to who launched the command."""

    def __init__(self, tell: Callable[[tuple[int, bytes]], object], number: int) -> None:
        self._tell, self._number = tell, number

    def writable(self) -> bool:
        """It is for nothing else."""
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]
        """Send some bytes."""
        self._tell((self._number, bytes(data)))
        return len(data)


def run_member(launch: Launch, member: Rank) -> int:
    """Run the command as one of its processes, and give its exit status; in a worker."""
    from ssd_data.cli import main

    os.environ.update(_environment(member, launch.gpu))
    os.chdir(launch.folder)
    sys.argv = ["ssd-data", *launch.words]  # it stands in the run's records
    out, err = (_text(member.tell, number) for number in (OUT, ERR))
    with redirect_stdout(out), redirect_stderr(err):
        try:
            main(list(launch.words))
        except SystemExit as ended:
            return int(ended.code or 0) if isinstance(ended.code, (int, type(None))) else 1
        finally:
            out.flush()
            err.flush()
    return 0


def _environment(member: Rank, gpu: bool) -> dict[str, str]:
    """What torchrun says to a process; of GPUs each finds only its own."""
    return {
        "RANK": str(member.rank),
        "WORLD_SIZE": str(member.world),
        "LOCAL_RANK": "0" if gpu else str(member.local_rank),
        "LOCAL_WORLD_SIZE": str(member.local_world),
        "MASTER_ADDR": member.address,
        "MASTER_PORT": str(member.port),
    }


def _text(tell: Callable[[tuple[int, bytes]], object], number: int) -> io.TextIOWrapper:
    raw = io.BufferedWriter(_Told(tell, number))  # type: ignore[type-var]
    return io.TextIOWrapper(raw, encoding="utf-8", errors="backslashreplace", line_buffering=True)


def launch(words: Sequence[str], processes: int, on: str, device: str | None, quiet: bool) -> int:
    """Run a command of this package by so many processes at a time, and give its exit status.

    What they print is printed here. Ctrl-C is handed on.

    Raises:
        UsageError, SsdDataError: see :meth:`ssd_data.core.tasks.Pool.together`.
    """
    from ssd_data.training.processes import signals

    with pool_of(on, quiet) as pool:
        gpu = pool.size.gpus >= 1 and (device in (None, "auto") or str(device).startswith("cuda"))
        task = Launch(tuple(words), str(Path.cwd()), gpu)
        needs = Needs(gpus=int(gpu), packages=PICTURES)

        def stop() -> str:
            pool.stop()
            return "process 0 is told so"

        with signals(_say, stop):
            found = pool.together(run_member, [task] * processes, needs, _print)
    return next((status for status in found if status), 0)


def _say(text: str) -> None:
    shared.say(text, err=True)


def _print(told: tuple[int, bytes]) -> None:
    number, data = told
    stream = sys.stdout if number == OUT else sys.stderr
    stream.flush()
    with suppress(BrokenPipeError):
        stream.buffer.write(data)
        stream.buffer.flush()
