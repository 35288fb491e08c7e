"""One function over many tasks: in this process, or by the workers of a cluster (``--on``).

Each file of this folder is a kind of place, named as ``--on`` names it, and defines

- ``connect(on, say)``: a context manager of :class:`Workers`.

Other packages may add theirs as entry points of the group ``ssd_data.tasks``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from ssd_data.core.registry import PLACES

_T = TypeVar("_T")
_R = TypeVar("_R")
LOCAL = "local"
Say = Callable[[str], object]


@dataclass(frozen=True, slots=True)
class Needs:
    """What a task needs of the worker that runs it.

    Attributes:
        cpus, gpus: it takes so many, while it runs.
        packages: distributions of which it must have the same versions as this process; ssd-data's
            own is always asked.
        ahead: how many tasks at most are given out and not done; by default twice as many as can
            run at a time.
    """

    cpus: float = 1
    gpus: float = 0
    packages: tuple[str, ...] = ()
    ahead: int | None = None


@dataclass(frozen=True, slots=True)
class Size:
    """How large a place is: its machines, and all their CPUs and GPUs."""

    machines: int = 1
    cpus: float = 1
    gpus: float = 0


@dataclass(frozen=True, slots=True)
class Rank:
    """One of several tasks that run at the same time and speak to one another.

    Attributes:
        rank: its number. world: how many there are.
        local_rank, local_world: the same on its machine.
        address, port: where they meet, on the machine of the first.
        tell: hands something that can be pickled to who gave out the tasks.
    """

    rank: int
    world: int
    local_rank: int
    local_world: int
    address: str
    port: int
    tell: Callable[[Any], object]


class Workers(Protocol):
    """Who works on tasks.

    Attributes:
        size: when it was asked for.
    """

    size: Size

    def run(
        self,
        function: Callable[[_T], _R],
        tasks: Iterable[_T],
        needs: Needs = Needs(),
    ) -> Iterator[tuple[int, _R]]:
        """See :func:`run`."""

    def together(
        self,
        function: Callable[[_T, Rank], _R],
        tasks: Sequence[_T],
        needs: Needs,
        told: Callable[[Any], object],
    ) -> list[_R | None]:
        """See :meth:`Pool.together`."""

    def stop(self) -> None:
        """See :meth:`Pool.stop`."""


def unsaid(text: str) -> None:
    """Says nothing."""


def connect(on: str = LOCAL, say: Say = unsaid) -> AbstractContextManager[Workers]:
    """The workers of a place, for as long as they are needed.

    Args:
        on: ``local``; ``ray``, the cluster that ``RAY_ADDRESS`` names, or that ``ray start`` has
            begun on this machine, or else one that is started here; ``ray://HOST:PORT``, one
            elsewhere.
        say: is told what a user should know: what was started, which task is run again.

    Raises:
        UsageError: there is no such place, or its package is not installed.
        SsdDataError: it cannot be reached.
    """
    kind = on.partition("://")[0]
    connected: AbstractContextManager[Workers] = PLACES.load(kind).connect(on, say)
    return connected


class Pool:
    """The workers of a place, connected to when they are needed first, until this is left.

    >>> with Pool("local") as pool:
    ...     sorted(pool.run(len, ["a", "bcd"])), sorted(pool.run(abs, [-2]))
    ([(0, 1), (1, 3)], [(0, 2)])

    Args:
        on, say: see :func:`connect`.
    """

    def __init__(self, on: str = LOCAL, say: Say = unsaid) -> None:
        self.on, self._say = on, say
        self._stack = ExitStack()
        self._workers: Workers | None = None

    @property
    def is_local(self) -> bool:
        """Whether tasks are run in this process."""
        return self.on == LOCAL

    @property
    def workers(self) -> Workers:
        """Those who work.

        Raises:
            UsageError, SsdDataError: as :func:`connect`.
        """
        if self._workers is None:
            self._workers = self._stack.enter_context(connect(self.on, self._say))
        return self._workers

    @property
    def size(self) -> Size:
        """How large the place is."""
        return self.workers.size

    def run(
        self,
        function: Callable[[_T], _R],
        tasks: Iterable[_T],
        needs: Needs = Needs(),
    ) -> Iterator[tuple[int, _R]]:
        """See :func:`run`."""
        return self.workers.run(function, tasks, needs)

    def together(
        self,
        function: Callable[[_T, Rank], _R],
        tasks: Sequence[_T],
        needs: Needs,
        told: Callable[[Any], object],
    ) -> list[_R | None]:
        """What the function gives for each task, all of which run at the same time, each once.

        Args:
            told: gets what they tell.

        Returns:
            In the order of the tasks; None for one that was stopped.

        Raises:
            UsageError: this place cannot do that.
            SsdDataError: a worker was lost, or as :func:`run`.
        """
        return self.workers.together(function, tasks, needs, told)

    def stop(self) -> None:
        """Interrupt the first of those that work together; whether others stop is its affair."""
        if self._workers is not None:
            self._workers.stop()

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, *_: object) -> None:
        self._workers = None
        self._stack.close()


def run(
    function: Callable[[_T], _R],
    tasks: Iterable[_T],
    on: str = LOCAL,
    needs: Needs = Needs(),
    say: Say = unsaid,
) -> Iterator[tuple[int, _R]]:
    """Each task's number and what the function gives for it, in the order in which they are done.

    On ``local`` one comes after the other, in this process. Elsewhere function, tasks and results
    are pickled: what they are made of is known by the names of modules, which a worker imports. A
    worker unpickles the function once; what that keeps is there at its next task. Paths are
    absolute, and lie where all see them. A task may be run twice, where a worker was lost.

    Args:
        tasks: asked for one when there is room for it.
        on, say: see :func:`connect`.

    Raises:
        UsageError, SsdDataError: as :func:`connect`; a worker has another version, the cluster was
            lost, or a task lost its workers again and again.
        Exception: what the function raises, as it does.

    >>> sorted(run(len, ["a", "bcd"]))
    [(0, 1), (1, 3)]
    """
    with Pool(on, say) as pool:
        yield from pool.run(function, tasks, needs)


def in_order(
    pool: Pool, function: Callable[[_T], _R], tasks: Iterable[_T], needs: Needs = Needs()
) -> Iterator[_R]:
    """What comes of tasks, in their order.

    >>> list(in_order(Pool("local"), len, ["a", "bcd"]))
    [1, 3]
    """
    waiting: dict[int, _R] = {}
    first = 0
    for number, found in pool.run(function, tasks, needs):
        waiting[number] = found
        while first in waiting:
            yield waiting.pop(first)
            first += 1


__all__ = [
    "LOCAL",
    "Needs",
    "Pool",
    "Rank",
    "Say",
    "Size",
    "Workers",
    "connect",
    "in_order",
    "run",
    "unsaid",
]
