"""``--on local``: one task after another, in this process."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import TypeVar

from ssd_data.core.errors import UsageError
from ssd_data.core.tasks import LOCAL, Needs, Say, Size, Workers

_T = TypeVar("_T")
_R = TypeVar("_R")


class LocalWorkers:
    """This process."""

    size = Size()

    def run(
        self,
        function: Callable[[_T], _R],
        tasks: Iterable[_T],
        needs: Needs = Needs(),  # noqa: B008 - frozen
    ) -> Iterator[tuple[int, _R]]:
        """See :func:`ssd_data.core.tasks.run`."""
        for number, task in enumerate(tasks):
            yield number, function(task)


def connect(on: str, say: Say) -> AbstractContextManager[Workers]:
    """There is nothing to connect to."""
    if on != LOCAL:
        raise UsageError(f'"{on}" is no place', where="--on", hint="This process is local")
    return nullcontext(LocalWorkers())
