"""``--on local``: one task after another, in this process."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, TypeVar

from ssd_data.core.errors import UsageError
from ssd_data.core.tasks import LOCAL, Needs, Rank, Say, Size, Workers

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

    def together(
        self,
        function: Callable[[_T, Rank], _R],
        tasks: Sequence[_T],
        needs: Needs,
        told: Callable[[Any], object],
    ) -> list[_R | None]:
        """There is but this process.

        Raises:
            UsageError: always.
        """
        hint = "Start several with torchrun, or name a cluster"
        raise UsageError("this process is alone", where="--on local", hint=hint)

    def stop(self) -> None:
        """There is nothing to stop."""


def connect(on: str, say: Say) -> AbstractContextManager[Workers]:
    """There is nothing to connect to."""
    if on != LOCAL:
        raise UsageError(f'"{on}" is no place', where="--on", hint="This process is local")
    return nullcontext(LocalWorkers())
