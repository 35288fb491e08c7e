"""Pictures looked at by workers: size and time of each. What reads annotations so is in
``formats/manyfiles.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TypeAlias

from ssd_data.core.files.remote.address import remote
from ssd_data.core.parallel import chunks
from ssd_data.core.tasks import in_order
from ssd_data.data.formats.manyfiles import SLICE, workers

Stamp: TypeAlias = tuple[int, int]  # of a file: size and time


def stamps(root: Path, paths: Iterable[str], look: Callable[[str], Stamp]) -> Iterator[Stamp]:
    """Size and time of each file below the root, in order.

    Args:
        look: a module's function that tells them of one.
    """
    pool = workers()
    if pool is None or remote(root) is not None:  # a store is listed, not asked of each
        yield from (look(f"{root}/{path}") for path in paths)
        return
    place = root.absolute()
    tasks = (_Paths([f"{place}/{path}" for path in some], look) for some in chunks(paths, SLICE))
    yield from chain.from_iterable(in_order(pool, _look, tasks))


@dataclass(frozen=True, slots=True)
class _Paths:
    paths: list[str]
    look: Callable[[str], Stamp]


def _look(task: _Paths) -> list[Stamp]:
    return list(map(task.look, task.paths))
