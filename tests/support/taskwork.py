"""Functions that workers run: known by this module's name."""

from __future__ import annotations

import errno
import os
import signal
import socket
import time
import warnings
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ssd_data.core.errors import InputError, OutputError, SsdDataWarning
from ssd_data.core.tasks import Rank
from ssd_data.data.build.convert import BuiltRecord
from ssd_data.data.build.sharding import task as shards
from ssd_data.data.build.sharding.task import ShardOutcome, ShardTask


def square(number: int) -> int:
    return number * number


def process(_: object) -> int:
    return os.getpid()


def refuse(number: int) -> int:
    if number == 3:
        raise InputError(["two", "lines"], where="list.txt:4", hint="Mend it")
    return number


def fill(_: object) -> None:
    raise OutputError(
        "No space left on device", where="/data/shard", hint="Free space, and try again"
    )


def full(_: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/data/x")


def generator(_: object) -> object:
    return (number for number in range(3))


def fault(number: int) -> float:
    return 1 / number


class OddError(Exception):
    """Cannot be unpickled."""

    def __init__(self, one: int, two: int) -> None:
        super().__init__(f"{one} and {two}")


def odd(_: object) -> None:
    raise OddError(1, 2)


def warn(number: int) -> int:
    warnings.warn(f"picture {number} is odd", SsdDataWarning, stacklevel=1)
    return number


def die_once(path: str) -> str:
    """Ends its process at first, and leaves a mark."""
    mark = Path(path)
    if not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return mark.name


def die(_: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def mark(task: tuple[str, float]) -> int:
    """Appends its process to a file, and takes its time."""
    path, seconds = task
    with Path(path).open("a") as file:
        file.write(f"{os.getpid()}\n")
    time.sleep(seconds)
    return os.getpid()


def meet(name: str, member: Rank) -> tuple[str, int, int]:
    """Ends when all others have come to the place where they meet."""
    if member.rank == 0:
        with socket.create_server((member.address, member.port)) as server:
            server.settimeout(60)
            for _ in range(member.world - 1):
                server.accept()[0].close()
    else:
        end = time.monotonic() + 60
        while time.monotonic() < end:
            with suppress(OSError):
                socket.create_connection((member.address, member.port)).close()
                break
            time.sleep(0.1)
    member.tell(f"{name} is {member.rank}")
    return name, member.rank, member.world


@dataclass
class Counter:
    """Keeps what it made for the next task of its process."""

    begun: list[int] = field(default_factory=list)

    def __call__(self, number: int) -> tuple[int, int]:
        self.begun.append(number)
        return os.getpid(), len(self.begun)


def slow_shard(task: ShardTask) -> ShardOutcome:
    """Builds a shard, and takes its time for each record."""
    real = shards.make_records

    def slowly(*given: Any) -> Iterator[BuiltRecord]:
        for made in real(*given):
            time.sleep(0.05)
            yield made

    shards.make_records = slowly  # type: ignore[attr-defined]
    try:
        return shards.build_shard(task)
    finally:
        shards.make_records = real  # type: ignore[attr-defined]
