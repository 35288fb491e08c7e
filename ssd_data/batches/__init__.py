"""Batches for a net, from an LMDB through a data layer's augmentation: always the same ones.

What happens to a picture depends on the seed and on its position in the stream of records alone, so
any number of workers gives the same bytes, and a stream goes on where another has stopped.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from ssd_data.batches.augment import DataTransformer, resize
from ssd_data.batches.cache import PictureCache
from ssd_data.core.errors import InputError
from ssd_data.core.images import picture_limits
from ssd_data.core.parallel import default_workers
from ssd_data.core.structures import Batch
from ssd_data.data.lmdb.records import Record, decode_record
from ssd_data.data.lmdb.store import LmdbReader, open_shared
from ssd_data.proto import caffe_pb2

Array: TypeAlias = npt.NDArray[np.float32]
Item: TypeAlias = tuple[str, Array, Array]  # key, values, rows
CHUNK = 4  # pictures a task, at most
_WORD = 1 << 64
_SKIP = _WORD - 1  # a position that no record has


@dataclass(frozen=True, slots=True)
class _Pending:
    data: Array | None
    tasks: list[Future[list[Item]]]


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
    ) -> None:
        where = f'layer "{layer.name}"'
        _check(layer, where)
        self.batch_size = layer.data_param.batch_size
        self.seed, self.rank, self.world = seed, rank, world
        self.transformer = DataTransformer(
            layer.transform_param,
            layer.annotated_data_param.batch_sampler,
            training=(layer.phase if phase is None else phase) == caffe_pb2.TRAIN,
            jpeg_roundtrip=jpeg_roundtrip,
            min_box=min_box,
            where=where,
        )
        self.source = layer.data_param.source
        self.cache = PictureCache(cache) if cache else None
        self._reader: LmdbReader | None = open_shared(self.source)
        self._records = len(self._reader)
        self._channels = self.transformer.channels(self._record(0))
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
        return self._records

    @property
    def shape(self) -> tuple[int, int, int, int] | None:
        """Of every batch's data; None where it depends on the pictures."""
        size = self.transformer.shape()
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
        self._reader = None

    def __enter__(self) -> Batches:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _begin(self) -> _Pending:
        """Give a batch to the workers."""
        data = None if self.shape is None else np.empty(self.shape, np.float32)
        first = self._next + self.rank
        positions = range(first, first + self.batch_size * self.world, self.world)
        self._next += self.batch_size * self.world
        tasks = []
        for at in range(0, self.batch_size, CHUNK):
            slots = None if data is None else data[at : at + CHUNK]
            tasks.append(self._submit(positions[at : at + CHUNK], slots))
        return _Pending(data, tasks)

    def _submit(self, positions: Sequence[int], slots: Array | None) -> Future[list[Item]]:
        if self._pool is not None:
            return self._pool.submit(self._work, positions, slots)
        done: Future[list[Item]] = Future()
        done.set_result(self._work(positions, slots))
        return done

    def _work(self, positions: Sequence[int], slots: Array | None) -> list[Item]:
        outs = [None] * len(positions) if slots is None else slots
        return [self._item(at, out) for at, out in zip(positions, outs, strict=True)]

    def _item(self, position: int, out: Array | None) -> Item:
        number = (position + self._skip) % self._records
        kept = None if self.cache is None else self.cache.get(number)
        record, pixels = (self._record(number), None) if kept is None else kept
        try:
            if self.cache is not None and pixels is None:
                pixels = self.transformer.decode(record)
                self.cache.put(number, record, pixels)
            data, rows = self.transformer(record, generator_at(self.seed, position), out, pixels)
        except InputError as error:
            raise InputError(error.what, where=self._where(number), hint=error.hint) from None
        except cv2.error as error:
            text = f"OpenCV cannot use it: {error.err}"
            raise InputError(text, where=self._where(number)) from None
        return record.key, data, rows

    def _record(self, number: int) -> Record:
        assert self._reader is not None
        key = self._reader.key_at(number)
        try:
            return decode_record(key, self._reader.value(key))
        except InputError as error:
            raise InputError(error.what, where=self._where(number), hint=error.hint) from None

    def _where(self, number: int) -> str:
        assert self._reader is not None
        key = self._reader.key_at(number)
        return f"{self.source}: {key.decode('utf-8', 'backslashreplace')}"

    def _finish(self, pending: _Pending) -> Batch:
        items = [item for task in pending.tasks for item in task.result()]
        for number, (_, _, rows) in enumerate(items):
            rows[:, 0] = number
        rows = np.concatenate([rows for _, _, rows in items])
        if not len(rows):
            rows = np.full((1, 8), -1, np.float32)
        data = self._stack(items) if pending.data is None else pending.data
        return Batch(data, rows[None, None], tuple(key for key, _, _ in items))

    def _stack(self, items: list[Item]) -> Array:
        """One array of pictures whose sizes were not known before."""
        first = items[0][1].shape
        for key, values, _ in items:
            if values.shape != first:
                sizes = " and ".join(
                    f"{s[2]}x{s[1]}, {s[0]} channels" for s in (values.shape, first)
                )
                raise InputError(
                    f"a batch holds pictures of several sizes: {sizes}",
                    where=f"{self.source}: {key}",
                    hint="Give the layer a resize_param, or take one picture a batch",
                )
        return np.stack([values for _, values, _ in items])


def generator_at(seed: int, position: int) -> np.random.Generator:
    """All that is random of the record at a position of the stream."""
    key = np.array((seed % _WORD, position % _WORD), np.uint64)
    return np.random.Generator(np.random.Philox(key=key))


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
