"""HDF5Data: blobs from HDF5 files that a list names (``hdf5_data_param``)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ssd_data.batches import generator_at
from ssd_data.core.errors import InputError
from ssd_data.core.files.paths import read_text
from ssd_data.core.files.there import is_file
from ssd_data.core.optional import install_line
from ssd_data.engines.torch.layer import TOO_MANY, Layer
from ssd_data.nets.graph import MOST_VALUES

Arrays: TypeAlias = list[npt.NDArray[np.float32]]
MOST_BYTES = 16 << 20  # of a list
_FILES = -1  # the position whose generator shuffles files; rows are shuffled by those below it


class HDF5Data(Layer):
    """Each top is the data set of its name; the first axis counts the rows.

    ``source`` names files, one after another; the rows of each come in order, or with ``shuffle``
    files and rows in a new one each time round. Data sets are whole in memory, one file at a time.

    Attributes:
        position: how many rows were given; setting it goes on from there.
    """

    bottoms = (0, 0)

    def setup(self, *bottoms: Tensor) -> None:
        """Read the list and the first file."""
        p = self.param.hdf5_data_param
        if self.param.HasField("transform_param"):
            raise self.error("HDF5Data transforms nothing", "Leave transform_param out")
        if not p.batch_size:
            raise self.error("batch_size is missing, or 0")
        self.h5py = _require_h5py(self)
        self.files = read_text(Path(p.source), "list", MOST_BYTES).split()
        if not self.files:
            raise InputError("the list is empty", where=p.source)
        self.seed = int(torch.randint(1 << 62, (), device="cpu").item())
        self.shapes = [array.shape[1:] for array in self._read(self._order(0)[0])]
        self._position, self._rows = 0, self._from(0)

    @property
    def position(self) -> int:
        """How many rows were given."""
        return self._position

    @position.setter
    def position(self, value: int) -> None:
        if value != self._position:
            self._position, self._rows = value, self._from(value)

    def infer(self, *bottoms: Tensor) -> tuple[Tensor, ...]:
        """The first file's shapes, with the batch."""
        batch = self.param.hdf5_data_param.batch_size
        return tuple(torch.empty(batch, *shape, device="meta") for shape in self.shapes)

    def forward(self, *bottoms: Tensor) -> tuple[Tensor, ...]:
        """The next batch."""
        rows = [next(self._rows) for _ in range(self.param.hdf5_data_param.batch_size)]
        self._position += len(rows)
        return tuple(torch.from_numpy(np.stack(own)) for own in zip(*rows, strict=True))

    def _from(self, start: int) -> Iterator[Arrays]:
        """All rows, again and again, without the first ``start``."""
        for time in count():
            for place, file in enumerate(self._order(time)):
                arrays = self._read(file)
                number = len(arrays[0])
                if start >= number:
                    start -= number
                    continue
                order = np.arange(number)
                if self.param.hdf5_data_param.shuffle:
                    key = _FILES - 1 - place - time * (len(self.files) + 1)
                    order = generator_at(self.seed, key).permutation(number)
                for row in order[start:]:
                    yield [array[row] for array in arrays]
                start = 0

    def _order(self, time: int) -> list[str]:
        """The files, the ``time``-th time round."""
        if not self.param.hdf5_data_param.shuffle:
            return self.files
        key = _FILES - time * (len(self.files) + 1)
        order = generator_at(self.seed, key).permutation(len(self.files))
        return [self.files[i] for i in order]

    def _read(self, file: str) -> Arrays:
        """A file's data sets, float32.

        Raises:
            InputError: the file or a data set is absent or broken, or they do not fit together.
        """
        where = f"{self.param.hdf5_data_param.source}: {file}"
        if not is_file(file):
            raise InputError("there is no such file", where=where)
        try:
            with self.h5py.File(file, "r") as held:
                arrays = [self._array(held, name, where) for name in self.node.tops]
        except OSError as error:
            text = str(error).strip().splitlines()[0][:120]
            raise InputError(f"this HDF5 file cannot be read: {text}", where=where) from None
        lengths = {len(array) for array in arrays}
        if len(lengths) > 1 or not max(lengths):
            what = ", ".join(f"{n} {len(a)}" for n, a in zip(self.node.tops, arrays, strict=True))
            raise InputError(f"its data sets have no rows, or other numbers: {what}", where=where)
        shapes = [array.shape[1:] for array in arrays]
        if shapes != getattr(self, "shapes", shapes):
            raise InputError("its rows have other shapes than the first file's", where=where)
        return arrays

    @staticmethod
    def _array(held: Any, name: str, where: str) -> npt.NDArray[np.float32]:
        found = held.get(name)
        if found is None or not hasattr(found, "dtype"):
            raise InputError(f'it has no data set "{name}"', where=where)
        if found.dtype.kind not in "fiu" or not found.shape:
            raise InputError(f'its data set "{name}" holds no rows of numbers', where=where)
        if math.prod(found.shape) > MOST_VALUES:
            raise InputError(f'its data set "{name}" {TOO_MANY}', where=where)
        return np.asarray(found[()], np.float32)


def _require_h5py(layer: Layer) -> Any:
    try:
        import h5py
    except ImportError:
        raise layer.error("reads HDF5, which needs h5py", install_line("hdf5")) from None
    return h5py
