"""Batches for a net, from an LMDB through a data layer's augmentation: always the same ones.

What happens to a picture depends on the seed and on its position in the stream of records alone, so
any number of workers gives the same bytes, and a stream goes on where another has stopped.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from ssd_data.batches.augment import DataTransformer, resize
from ssd_data.batches.augment.rows import rows_of
from ssd_data.batches.cache import PictureCache
from ssd_data.batches.composer import Composer, faults, needed
from ssd_data.batches.elements._base import Context, Piece
from ssd_data.batches.mix import Share
from ssd_data.batches.plan import FeedPlan
from ssd_data.batches.stock import Stock
from ssd_data.batches.streams import WORD, generator_at
from ssd_data.core.errors import InputError
from ssd_data.core.images import picture_limits
from ssd_data.core.parallel import default_workers
from ssd_data.core.structures import Batch, Pixels
from ssd_data.data.lmdb.records import Record
from ssd_data.proto import caffe_pb2

__all__ = ["NO_PLAN", "Batches", "generator_at"]
Array: TypeAlias = npt.NDArray[np.float32]
CHUNK = 4  # pictures a task, at most
_SKIP = WORD - 1  # a position that no record has; the ones before it are the sizes' of a plan
NO_PLAN = FeedPlan()
Size: TypeAlias = tuple[int, int]


@dataclass(frozen=True, slots=True)
class _Item:
    number: int
    others: tuple[int, ...]
    values: Array
    rows: Array


@dataclass(frozen=True, slots=True)
class _Pending:
    data: Array | None
    tasks: list[Future[list[_Item]]]


class Batches:
    """The endless batches of an AnnotatedData layer, in the order of the LMDB's keys.

    >>> from ssd_data import families
    >>> layer = families.generate("tiny_ssd", num_classes=4, batch_size=2).nets["train"].layer[0]
    >>> layer.data_param.source = "trainval_lmdb"
    >>> with Batches(layer, seed=1) as batches:  # there is no end of them
    ...     batch = next(batches)
    >>> batch.data.shape, batch.keys[0], batches.position
    ((2, 3, 128, 128), '00000000_JPEGImages/train000004.jpg', 2)

    Args:
        layer: its ``data_param``, ``transform_param`` and ``annotated_data_param`` count. The
            source's path is relative to the current folder, as in Caffe.
        phase: TRAIN or TEST; None takes what the layer's ``phase`` says.
        seed: of all that is random.
        workers: threads; 0 works only when asked for a batch; None takes one a processor.
        jpeg_roundtrip: False leaves out the original's JPEG round trips.
        start: how many records were read before, see :attr:`position`.
        rank, world: this process and their number; of each ``world`` records it reads one.
        min_box: boxes of fewer pixels of the batch's pictures are left out.
        cache: megabytes of decoded pictures to keep; what is in a batch does not depend on it.
        mix: LMDBs to read in the place of the layer's source, each as often as its weight says, see
            :class:`~ssd_data.batches.mix.Mix`; empty for that one alone. A batch's keys have their
            LMDB's path before them, where there are several.
        plan: what the original has not: elements of augmentation, and how what is fed changes along
            the stream.

    Attributes:
        waited: seconds that the caller has spent in ``next``: the data's share of its time.

    Raises:
        InputError: the layer's parameters are wrong, the LMDB cannot be read, or, from ``next``, a
            record cannot be used: it names the LMDB and the key. After that there are no batches.
    """

    def __init__(
        self,
        layer: caffe_pb2.LayerParameter,
        phase: int | None = None,
        *,
        seed: int = 0,
        workers: int | None = None,
        jpeg_roundtrip: bool = True,
        start: int = 0,
        rank: int = 0,
        world: int = 1,
        min_box: int = 0,
        cache: int = 0,
        mix: Sequence[Share] = (),
        plan: FeedPlan = NO_PLAN,
    ) -> None:
        where = f'layer "{layer.name}"'
        _check(layer, where)
        for fault in faults(plan.elements, layer, min_box, where):
            raise fault
        self.batch_size = layer.data_param.batch_size
        self.seed, self.rank, self.world = seed, rank, world
        self.plan = plan
        self.composer = Composer(plan, seed) if plan.elements else None

        def transformer(size: Size | None, closed: bool) -> DataTransformer:
            own = plan.layer_for(layer, size, closed)
            return DataTransformer(
                own.transform_param,
                own.annotated_data_param.batch_sampler,
                training=(layer.phase if phase is None else phase) == caffe_pb2.TRAIN,
                jpeg_roundtrip=jpeg_roundtrip,
                min_box=min_box,
                where=where,
            )

        ends = (False,) if plan.closes is None else (False, True)
        sizes = plan.sizes or (None,)
        self._ways = {(size, end): transformer(size, end) for size in sizes for end in ends}
        self.transformer = transformer(None, False)
        self.cache = PictureCache(cache) if cache else None
        self._stock = Stock(mix or [Share(layer.data_param.source, 1)], seed)
        self._channels = self.transformer.channels(self._stock.record(0))
        most = layer.data_param.rand_skip  # so many records at most are left out at the beginning
        self._skip = int(generator_at(seed, _SKIP).integers(most)) if most else 0
        self._open = ExitStack()
        self._open.enter_context(picture_limits())
        count = default_workers() if workers is None else workers
        self._pool = ThreadPoolExecutor(count, "ssd-data-batches") if count else None
        self._ahead = max(2, -(-2 * count // self.batch_size)) if count else 1
        self._pending: deque[_Pending] = deque()
        self._next = self._position = start
        self.waited = 0.0

    def __len__(self) -> int:
        """The number of records, not of batches, of which there is no end."""
        return len(self._stock)

    @property
    def shape(self) -> tuple[int, int, int, int] | None:
        """Of every batch's data; None where it depends on the pictures."""
        return self._shape(self.transformer)

    def _shape(self, transformer: DataTransformer) -> tuple[int, int, int, int] | None:
        size = transformer.shape()
        return None if size is None else (self.batch_size, self._channels, *size)

    @property
    def position(self) -> int:
        """How many records all processes together have read for the batches given so far."""
        return self._position

    def __iter__(self) -> Batches:
        return self

    def __next__(self) -> Batch:
        if not self._ahead:  # it is closed
            raise StopIteration
        began = time.perf_counter()
        try:
            while len(self._pending) < self._ahead:
                self._pending.append(self._begin())
            batch = self._finish(self._pending.popleft())
        except BaseException:
            self.close()
            raise
        self._position += self.batch_size * self.world
        self.waited += time.perf_counter() - began
        return batch

    def close(self) -> None:
        """Stop the workers and let go of the LMDB; there are no batches after that."""
        self._ahead = 0
        for pending in self._pending:
            for task in pending.tasks:
                task.cancel()
        self._pending.clear()
        if self._pool is not None:
            self._pool.shutdown()
        self._open.close()
        self._stock.close()

    def __enter__(self) -> Batches:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _begin(self) -> _Pending:
        """Give a batch to the workers."""
        size = self._size(self._next)
        shape = self._shape(self._ways[size, False])
        data = None if shape is None else np.empty(shape, np.float32)
        first = self._next + self.rank
        positions = range(first, first + self.batch_size * self.world, self.world)
        self._next += self.batch_size * self.world
        tasks = []
        for at in range(0, self.batch_size, CHUNK):
            slots = None if data is None else data[at : at + CHUNK]
            tasks.append(self._submit(positions[at : at + CHUNK], size, slots))
        return _Pending(data, tasks)

    def _size(self, position: int) -> Size | None:
        """The size of the batch that begins there; the same in all processes."""
        batch = position // (self.batch_size * self.world)
        return self.plan.size_of(batch, lambda n: generator_at(self.seed, _SKIP - 1 - n))

    def _submit(
        self, positions: Sequence[int], size: Size | None, slots: Array | None
    ) -> Future[list[_Item]]:
        if self._pool is not None:
            return self._pool.submit(self._work, positions, size, slots)
        done: Future[list[_Item]] = Future()
        done.set_result(self._work(positions, size, slots))
        return done

    def _work(
        self, positions: Sequence[int], size: Size | None, slots: Array | None
    ) -> list[_Item]:
        outs = [None] * len(positions) if slots is None else slots
        return [self._item(at, size, out) for at, out in zip(positions, outs, strict=True)]

    def _item(self, position: int, size: Size | None, out: Array | None) -> _Item:
        transformer = self._ways[size, self.plan.is_closed(position)]
        number = self._stock.at(position + self._skip)
        record, pixels = self._picture(number)
        happening, setting = [], Context(transformer.param, transformer.repeats(record))
        if self.composer is not None:
            happening = self.composer.draw(position, setting, len(self._stock))
        numbers = [self._stock.at(position + self._skip + n) for n in needed(happening)]
        others = [self._picture(one) for one in numbers]
        generator = generator_at(self.seed, position)
        with self._naming(number):
            if self.composer is None or not happening:
                values, rows = transformer(record, generator, out, pixels)
            else:
                own, *pieces = (Piece(p, rows_of(r)) for r, p in [(record, pixels), *others])
                values, rows = self.composer(
                    happening, own, pieces, transformer, setting, generator, out
                )
        return _Item(number, tuple(numbers), values, rows)

    def _picture(self, number: int) -> tuple[Record, Pixels]:
        """A record and its pixels, not to be written to."""
        if self.cache is not None and (kept := self.cache.get(number)) is not None:
            return kept
        record = self._stock.record(number)
        with self._naming(number):
            pixels = self.transformer.decode(record)
        if self.cache is not None:
            self.cache.put(number, record, pixels)
        return record, pixels

    @contextmanager
    def _naming(self, number: int) -> Iterator[None]:
        """Errors name the LMDB and the record's key."""
        try:
            yield
        except InputError as error:
            where = self._stock.where(number)
            raise InputError(error.what, where=where, hint=error.hint) from None
        except cv2.error as error:
            text = f"OpenCV cannot use it: {error.err}"
            raise InputError(text, where=self._stock.where(number)) from None

    def _finish(self, pending: _Pending) -> Batch:
        items = [item for task in pending.tasks for item in task.result()]
        for number, item in enumerate(items):
            item.rows[:, 0] = number
        rows = np.concatenate([item.rows for item in items])
        if not len(rows):
            rows = np.full((1, 8), -1, np.float32)
        data = self._stack(items) if pending.data is None else pending.data
        name = self._stock.name
        others = tuple(tuple(map(name, item.others)) for item in items)
        keys = tuple(name(item.number) for item in items)
        return Batch(data, rows[None, None], keys, others if any(others) else ())

    def _stack(self, items: list[_Item]) -> Array:
        """One array of pictures whose sizes were not known before."""
        first = items[0].values.shape
        for item in items:
            if item.values.shape != first:
                sizes = " and ".join(
                    f"{s[2]}x{s[1]}, {s[0]} channels" for s in (item.values.shape, first)
                )
                raise InputError(
                    f"a batch holds pictures of several sizes: {sizes}",
                    where=self._stock.where(item.number),
                    hint="Give the layer a resize_param, or take one picture a batch",
                )
        return np.stack([item.values for item in items])


def _check(layer: caffe_pb2.LayerParameter, where: str) -> None:
    param = layer.data_param
    if not param.source:
        raise InputError("data_param has no source", where=where)
    if param.backend != caffe_pb2.DataParameter.LMDB:
        raise InputError(
            "LevelDB cannot be read", where=where, hint="Say backend: LMDB where it is one"
        )
    if not param.batch_size:
        raise InputError("data_param has no batch_size", where=where)
    sizing = layer.transform_param.resize_param
    if sizing.resize_mode == resize.FIT_SMALL and param.batch_size > 1:
        raise InputError(
            f"FIT_SMALL_SIZE with a batch_size of {param.batch_size}",
            where=where,
            hint="Pictures differ in size then: take one a batch",
        )
