"""The pictures of an evaluation, spread over workers; each has an engine of its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from itertools import chain

from ssd_data.core.files.scratch import scratch
from ssd_data.core.images import picture_limits
from ssd_data.core.installed import PICTURES
from ssd_data.core.tasks import Needs, Pool, Size
from ssd_data.engines import Engine, load_engine
from ssd_data.evaluation.detecting import Looked, detect_groups, note, to_do
from ssd_data.evaluation.journal import Journal
from ssd_data.evaluation.pictures import StoredPictures
from ssd_data.evaluation.protocols import Plan, make_plan
from ssd_data.evaluation.sources import EvalSet
from ssd_data.metrics.scores import Ints
from ssd_data.nets.graph import Graph
from ssd_data.nets.preprocessing import Preprocessing

SHARE = 64  # pictures of a task, at least
READERS = 2  # threads of a worker that read ahead


@dataclass(frozen=True, slots=True, eq=False)
class PictureShare:
    """What a task looks at.

    Attributes:
        read: its pictures. sizes: as of an :class:`~ssd_data.evaluation.sources.EvalSet`.
        groups: the numbers of those that go through the net together.
    """

    read: StoredPictures
    sizes: Ints
    groups: Sequence[Sequence[int]]


@dataclass(frozen=True, slots=True, eq=False)
class SentNet:
    """A net as it is sent to workers.

    Attributes:
        engine: which one. graph, weights: the net, and its caffemodel's bytes.
        preprocessing: of its pictures.
        device, half: as for :func:`~ssd_data.engines.load_engine`.
    """

    engine: str
    graph: Graph
    weights: bytes
    preprocessing: Preprocessing
    device: str | None = None
    half: bool = False

    def load(self) -> Engine:
        """The net in its engine."""
        with scratch() as folder:
            weights = folder / "weights.caffemodel"
            weights.write_bytes(self.weights)
            return load_engine(self.engine, self.graph, weights, device=self.device, half=self.half)

    def limits(self) -> AbstractContextManager[None]:
        """Around all that reads pictures for it."""
        return picture_limits(keep_threads=self.engine == "opencv")

    def needs(self, place: Size) -> Needs:
        """A GPU where there are some that the engine would take."""
        device = self.device or "auto"
        wants = device.startswith("cuda") or (device == "auto" and self.engine == "torch")
        return Needs(gpus=int(wants and place.gpus >= 1), packages=PICTURES)


@dataclass(eq=False)
class SentDetector:
    """What evaluates shares of pictures: each worker loads the net once.

    Attributes:
        net: it. protocol, size, batch: see :class:`~ssd_data.evaluation.run.EvalNet`.
    """

    net: SentNet
    protocol: str
    size: tuple[int, int] | None
    batch: int
    _loaded: tuple[Engine, Plan] | None = None

    def __call__(self, share: PictureShare) -> list[list[Looked]]:
        """What is found in pictures, group by group."""
        with self.net.limits():
            if self._loaded is None:
                self._loaded = self._load()
            return list(
                detect_groups(share.read, share.sizes, *self._loaded, share.groups, READERS)
            )

    def _load(self) -> tuple[Engine, Plan]:
        return self.net.load(), make_plan(
            self.protocol, self.net.preprocessing, self.size, self.batch
        )


def detect_spread(
    data: EvalSet,
    detector: SentDetector,
    batch: int,
    journal: Journal,
    pool: Pool,
    *,
    limit: int | None = None,
    unread: dict[str, str] | None = None,
) -> Iterator[str]:
    """As :func:`~ssd_data.evaluation.detecting.detect_all`, by workers; the same is found.

    Args:
        batch: of the protocol.

    Raises:
        InputError, OutputError: as there. SsdDataError: see :func:`ssd_data.core.tasks.run`.
    """
    given: dict[int, list[int]] = {}

    def shares() -> Iterator[PictureShare]:
        for number, groups in enumerate(_shares(to_do(data, journal, limit, batch))):
            given[number] = numbers = list(chain.from_iterable(groups))
            yield _share(data, numbers, groups)

    for number, groups in pool.run(detector, shares(), detector.net.needs(pool.size)):
        numbers = given.pop(number)
        for group in groups:
            found = [replace(looked, index=numbers[looked.index]) for looked in group]
            yield from note(data, journal, found, unread)


def _shares(groups: Sequence[list[int]]) -> Iterator[list[list[int]]]:
    share: list[list[int]] = []
    for group in groups:
        share.append(group)
        if sum(map(len, share)) >= SHARE:
            yield share
            share = []
    if share:
        yield share


def _share(data: EvalSet, numbers: list[int], groups: Sequence[Sequence[int]]) -> PictureShare:
    assert isinstance(data.read, StoredPictures)
    places = iter(range(len(numbers)))
    own = [[next(places) for _ in group] for group in groups]
    return PictureShare(data.read.part(numbers), data.sizes[numbers], own)
