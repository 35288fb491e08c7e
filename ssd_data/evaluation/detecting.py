"""A net over many pictures: threads read and prepare ahead, so that the net need not wait.

Pictures go through it in groups by their numbers, the same in each run and on each machine: a
net's numbers depend a little on how many it is given at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, groupby, islice
from typing import Any

from ssd_data.core.errors import InputError, as_input_error
from ssd_data.core.parallel import default_workers, ordered_map
from ssd_data.core.structures import Detections
from ssd_data.engines import Engine
from ssd_data.evaluation.journal import Journal
from ssd_data.evaluation.pictures import ReadPicture
from ssd_data.evaluation.protocols import Plan
from ssd_data.evaluation.sources import EvalSet
from ssd_data.metrics.scores import Ints


@dataclass(slots=True)
class _Ready:
    """A picture on its way: index, size, what goes into the net; or why there is nothing."""

    index: int
    size: tuple[int, int] = (0, 0)
    prepared: Any = None
    error: InputError | None = None


@dataclass(frozen=True, slots=True)
class Looked:
    """A picture that was looked at.

    Attributes:
        index: its number. size: (width, height) that boxes are to be scored in.
        found: in it; None where it could not be read.
        error: why not.
    """

    index: int
    size: tuple[int, int]
    found: Detections | None
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
    todo = to_do(data, journal, limit, plan.batch)
    for group in detect_groups(data.read, data.sizes, engine, plan, todo, workers):
        yield from note(data, journal, group, unread)


def to_do(data: EvalSet, journal: Journal, limit: int | None, batch: int) -> list[list[int]]:
    """The groups of pictures that the journal lacks, of the first ``limit``."""
    indices = range(len(data.names) if limit is None else min(limit, len(data.names)))
    lacks = (index for index in indices if data.names[index] not in journal)
    return [list(group) for _, group in groupby(lacks, lambda index: index // batch)]


def note(
    data: EvalSet, journal: Journal, group: Sequence[Looked], unread: dict[str, str] | None
) -> Iterator[str]:
    """Write down what was found in a group; yields the names of its pictures.

    Raises:
        InputError: one could not be read, and ``unread`` is None.
        OutputError: the journal cannot be written.
    """
    read = []
    for looked in group:
        if looked.error is None:
            read.append(looked)
        elif unread is not None:
            unread[data.names[looked.index]] = looked.error.what
        else:
            error = looked.error
            hint = "Go on without it with --missing skip, or --missing count"
            raise InputError(error.what, where=error.where, hint=error.hint or hint)
    for looked in read:
        assert looked.found is not None
        name = data.names[looked.index]
        journal.add(name, looked.size, looked.found, more=looked is not read[-1])
    journal.flush()
    yield from (data.names[looked.index] for looked in read)


def detect_groups(
    read: ReadPicture,
    sizes: Ints,
    engine: Engine,
    plan: Plan,
    groups: Sequence[Sequence[int]],
    workers: int | None = None,
) -> Iterator[list[Looked]]:
    """What is found in pictures, group by group.

    Args:
        read, sizes: see :class:`~ssd_data.evaluation.sources.EvalSet`.
        groups: numbers of pictures, at most ``plan.batch`` in a group.
        workers: as for :func:`detect_all`.

    Raises:
        InputError: the net cannot take a picture.
    """
    threads = workers or max(2, default_workers())
    numbers = chain.from_iterable(groups)
    ready = ordered_map(_preparer(read, sizes, plan), numbers, threads, chunk_size=1)
    for group in groups:
        yield list(_looked(engine, plan, list(islice(ready, len(group)))))


def _looked(engine: Engine, plan: Plan, group: Sequence[_Ready]) -> Iterable[Looked]:
    given = [ready.prepared for ready in group if ready.error is None]
    results = iter(plan.run(engine, given) if given else ())
    for ready in group:
        found = next(results) if ready.error is None else None
        yield Looked(ready.index, ready.size, found, ready.error)


def _preparer(read: ReadPicture, sizes: Ints, plan: Plan) -> Callable[[int], _Ready]:
    def prepare(index: int) -> _Ready:
        try:
            with as_input_error():
                picture = read(index, gray=True) if plan.gray else read(index)
        except InputError as error:
            return _Ready(index, error=error)
        width, height = sizes[index].tolist()
        size = (width, height) if width else (picture.shape[1], picture.shape[0])
        return _Ready(index, size, plan.prepare(picture))

    return prepare
