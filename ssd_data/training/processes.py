"""Several processes that train one net: who they are, and what they say to one another.

``torchrun`` starts them and says by ``RANK``, ``WORLD_SIZE`` and ``LOCAL_RANK`` which is which.
Each reads its share of the records; losses, counts and gradients are added up, so that their
batches are parts of one. (The original averages gradients that each process has normalised by
itself: ``P2PSync`` in ``src/caffe/parallel.cpp``.) No PyTorch here.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, TypeVar

from ssd_data.core.errors import SsdDataError

if TYPE_CHECKING:
    from torch import Tensor

T = TypeVar("T")


class PeerError(SsdDataError):
    """Another process of the run has ended, or does not answer."""


class FirstProcessError(PeerError):
    """Process 0 has ended the run, and says why itself."""


class Processes:
    """One process alone; :class:`~ssd_data.training.group.Group` has the same methods for several.

    They are called as in ``torch.distributed``: a name that ends in ``_`` works in place.

    Attributes:
        rank: this process's number; 0 tests, writes and prints.
        world: how many there are.

    >>> ALONE.all_sum([1, 2]), ALONE.all_gather("here"), ALONE.broadcast_object("said")
    ([1, 2], ['here'], 'said')
    """

    rank = 0
    world = 1

    def all_reduce(self, values: Tensor) -> Tensor:
        """The sum over all processes, of the same shape, on the same device; without gradient."""
        return values

    def all_reduce_(self, tensors: Sequence[Tensor]) -> None:
        """Give each tensor the sum over all processes, in place."""

    def broadcast(self, tensors: Sequence[Tensor]) -> None:
        """Give each tensor the values that it has in process 0, in place."""

    def all_sum(self, values: Sequence[float]) -> list[float]:
        """Of each number the sum over all processes, in double precision."""
        return list(values)

    def all_max(self, values: Sequence[float]) -> list[float]:
        """Of each number the largest of all processes."""
        return list(values)

    def broadcast_object(self, value: T) -> T:
        """What process 0 gives to this method, for all."""
        return value

    def all_gather(self, value: T) -> list[T]:
        """What each process gives, by rank, for all."""
        return [value]

    def workers(self, asked: int | None) -> int | None:
        """How many threads read pictures: what was asked for, else this process's share."""
        return asked

    def device(self, asked: str | None) -> str | None:
        """What was asked for; of several GPUs this process's own."""
        return asked

    def close(self) -> None:
        """Leave the group."""


ALONE = Processes()


def world_size() -> int:
    """How many processes torchrun has started together; 1 without it."""
    return torchrun_number("WORLD_SIZE", 1) if "MASTER_ADDR" in os.environ else 1


def is_follower() -> bool:
    """Whether this is one of several processes, and not the first."""
    return world_size() > 1 and torchrun_number("RANK", 0) > 0


def torchrun_number(name: str, otherwise: int) -> int:
    """A whole number that torchrun says in the environment; ``otherwise`` where it is none."""
    text = os.environ.get(name, "")
    return int(text) if text.isdecimal() and text.isascii() else otherwise


# ---- how a process is asked to stop ----


@contextmanager
def signals(
    say: Callable[[str], None], once: Callable[[], str], twice: Callable[[], object] | None = None
) -> Iterator[None]:
    """The first SIGINT or SIGTERM ends the run after this update; the second ends it at once.

    Args:
        say: is told so. once: asks the run to end, and says how it will. twice: ends it; by default
            the process ends.
    """
    asked = False

    def handle(number: int, frame: FrameType | None) -> None:
        nonlocal asked
        if not asked:
            text = f"stopping: {once()}; once more stops at once"
            try:
                say(text)
            except RuntimeError:  # a line is just being printed
                os.write(2, f"{text}\n".encode())
        elif twice is not None:
            twice()
        else:
            os._exit(128 + number)
        asked = True

    old = {}
    for number in (signal.SIGINT, signal.SIGTERM):
        try:
            old[number] = signal.signal(number, handle)
        except ValueError:  # not in the main thread: whoever runs us has the signals
            break
    try:
        yield
    finally:
        for number, before in old.items():
            signal.signal(number, before)
