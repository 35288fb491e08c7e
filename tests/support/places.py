"""Workers without a cluster: all is pickled as on one, and comes back in another order."""

from __future__ import annotations

import multiprocessing
import pickle
from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext
from itertools import islice
from types import ModuleType
from typing import Any

import pytest

from ssd_data.core.tasks import Needs, Size


class Mixed:
    """Takes some tasks at a time, the last of them first.

    Attributes:
        most: so many. stop: after so many tasks it is interrupted. done: how many were.
    """

    size = Size(machines=2, cpus=3)

    def __init__(self, most: int = 3, stop: int | None = None) -> None:
        self.most, self.stop, self.done = most, stop, 0

    def run(
        self,
        function: Callable[[Any], Any],
        tasks: Iterable[Any],
        needs: Needs = Needs(),  # noqa: B008
    ) -> Iterator[tuple[int, Any]]:
        there = pickle.loads(pickle.dumps(function))
        source = enumerate(map(pickle.dumps, tasks))
        while some := list(islice(source, self.most)):
            for number, task in reversed(some):
                if self.done == self.stop:
                    raise KeyboardInterrupt
                self.done += 1
                yield number, pickle.loads(pickle.dumps(there(pickle.loads(task))))

    def connect(self, on: str = "", say: object = None) -> nullcontext[Mixed]:
        return nullcontext(self)


def mixed_workers(patch: pytest.MonkeyPatch, module: ModuleType) -> Mixed:
    """Those that ``--on ray`` means; of two pictures a task, or one batch.

    Args:
        module: whose ``SHARE`` that is.
    """
    made = Mixed()
    patch.setattr("ssd_data.core.tasks.connect", lambda on, say: made.connect())
    patch.setattr(module, "SHARE", 2)
    return made


class Elsewhere:
    """A worker that shares nothing with this process, as those of other machines; in the place of
    :class:`ssd_data.core.tasks.Pool`."""

    is_local = False
    size = Size()

    def __init__(self, on: str = "", say: object = None) -> None:
        self._pool = multiprocessing.get_context("spawn").Pool(1)

    def run(self, function: Any, tasks: Any, needs: object = None) -> Iterator[tuple[int, Any]]:
        yield from enumerate(self._pool.imap(function, list(tasks)))

    def __enter__(self) -> Elsewhere:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.terminate()
        self._pool.join()
