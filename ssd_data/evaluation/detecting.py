"""A net over many pictures: threads read and prepare ahead, so that the net need not wait."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from ssd_data.core.errors import InputError
from ssd_data.core.parallel import default_workers, ordered_map
from ssd_data.engines import Engine
from ssd_data.evaluation.journal import Journal
from ssd_data.evaluation.protocols import Plan
from ssd_data.evaluation.sources import EvalSet


@dataclass(slots=True)
class _Ready:
    """A picture on its way: index, size, what goes into the net; or why there is nothing."""

    index: int
    size: tuple[int, int] = (0, 0)
    prepared: Any = None
    error: InputError | None = None


def detect_all(
    data: EvalSet,
    engine: Engine,
    plan: Plan,
    journal: Journal,
    *,
    limit: int | None = None,
    unread: dict[str, str] | None = None,
    workers: int | None = None,
) -> Iterator[str]:
    """Detect in all pictures that the journal lacks; yields their names as they are done.

    Args:
        limit: only the first so many pictures of the set.
        unread: takes the names of pictures that cannot be read, and why; None refuses them.
        workers: threads that read and prepare; the result does not depend on it.

    Raises:
        InputError: a picture cannot be read, or the net cannot take it.
        OutputError: the journal cannot be written.
    """
    indices = range(len(data.names) if limit is None else min(limit, len(data.names)))
    todo = [i for i in indices if data.names[i] not in journal]
    threads = workers or max(2, default_workers())
    read = ordered_map(_preparer(data, plan), todo, threads, chunk_size=1)
    readable = _readable(data, read, unread)
    while batch := list(islice(readable, plan.batch)):
        results = plan.run(engine, [ready.prepared for ready in batch])
        for left, ready, found in zip(range(len(batch))[::-1], batch, results, strict=True):
            journal.add(data.names[ready.index], ready.size, found, more=left > 0)
        journal.flush()
        yield from (data.names[ready.index] for ready in batch)


def _readable(
    data: EvalSet, read: Iterable[_Ready], unread: dict[str, str] | None
) -> Iterator[_Ready]:
    for ready in read:
        if (error := ready.error) is None:
            yield ready
        elif unread is not None:
            unread[data.names[ready.index]] = error.what
        else:
            hint = "Go on without it with --missing skip, or --missing count"
            raise InputError(error.what, where=error.where, hint=error.hint or hint)


def _preparer(data: EvalSet, plan: Plan) -> Callable[[int], _Ready]:
    def prepare(index: int) -> _Ready:
        try:
            picture = data.read(index, gray=True) if plan.gray else data.read(index)
        except InputError as error:
            return _Ready(index, error=error)
        width, height = data.sizes[index].tolist()
        size = (width, height) if width else (picture.shape[1], picture.shape[0])
        return _Ready(index, size, plan.prepare(picture))

    return prepare
