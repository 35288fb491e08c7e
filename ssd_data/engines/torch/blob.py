"""An array and its gradient, as pycaffe shows them: NumPy arrays whose change the net sees."""

from __future__ import annotations

import math
from collections.abc import Iterable, MutableSequence
from typing import Any, TypeAlias, overload

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

Array: TypeAlias = npt.NDArray[Any]


class Side:
    """A tensor that can be seen as a NumPy array.

    On the CPU both are the same memory. On a GPU the array is a copy, taken to be newer than the
    tensor from the moment it was handed out until the tensor is next asked for.
    """

    __slots__ = ("_host", "_tensor")

    def __init__(self, tensor: Tensor) -> None:
        self._tensor = tensor
        self._host: Array | None = None

    @property
    def tensor(self) -> Tensor:
        """The tensor, with what was written into the array."""
        if self._host is not None:
            self._tensor.detach().copy_(torch.from_numpy(self._host))
            self._host = None
        return self._tensor

    @tensor.setter
    def tensor(self, value: Tensor) -> None:
        self._tensor, self._host = value, None

    def array(self) -> Array:
        """The values; writing into them changes what the net sees."""
        if self._host is not None:
            return self._host
        tensor = self._tensor.detach().float()  # NumPy has no bfloat16
        if tensor.device.type == "cpu":
            return tensor.numpy()
        self._host = tensor.cpu().numpy()
        return self._host


class Blob:
    """A blob: ``data`` and ``diff``, float32 of one shape.

    Attributes:
        data: the values. Assign to its elements (``blob.data[...] = x``).
        diff: the gradient of the loss by ``data``; zeros before the first backward.
    """

    __slots__ = ("_data", "_diff")

    def __init__(self, tensor: Tensor) -> None:
        self._data = Side(tensor)
        self._diff: Side | None = None

    @property
    def tensor(self) -> Tensor:
        """The values on the net's device."""
        return self._data.tensor

    @tensor.setter
    def tensor(self, value: Tensor) -> None:
        self._data.tensor = value

    @property
    def grad(self) -> Tensor:
        """The gradient on the net's device."""
        if self._diff is None or self._diff.tensor.shape != self.tensor.shape:
            values = self.tensor
            self._diff = Side(torch.zeros_like(values, dtype=torch.float32, requires_grad=False))
        return self._diff.tensor

    @grad.setter
    def grad(self, value: Tensor) -> None:
        self._diff = Side(value)

    @property
    def data(self) -> Array:
        """The values as an array; writing into it changes them."""
        return self._data.array()

    @property
    def diff(self) -> Array:
        """The gradient as an array; writing into it changes it."""
        self.grad  # noqa: B018 - makes it where there is none
        assert self._diff is not None
        return self._diff.array()

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes, outermost axis first."""
        return tuple(self.tensor.shape)

    @property
    def count(self) -> int:
        """How many values it has."""
        return math.prod(self.shape)

    @property
    def num(self) -> int:
        """The first of four sizes: the batch."""
        return self._legacy(0)

    @property
    def channels(self) -> int:
        """The second of four sizes."""
        return self._legacy(1)

    @property
    def height(self) -> int:
        """The third of four sizes."""
        return self._legacy(2)

    @property
    def width(self) -> int:
        """The last of four sizes."""
        return self._legacy(3)

    def _legacy(self, axis: int) -> int:
        if len(self.shape) > 4:
            raise ValueError(f"a blob of {len(self.shape)} axes has no such name for one")
        return self.shape[axis] if axis < len(self.shape) else 1

    def reshape(self, *dims: int) -> None:
        """Give the blob another shape; values are kept where their number is the same."""
        old = self.tensor
        if math.prod(dims) == old.numel():
            self.tensor = old.detach().reshape(dims).clone()
        else:
            self.tensor = torch.zeros(dims, device=old.device)
        self._diff = None

    def __repr__(self) -> str:
        return f"Blob({'x'.join(map(str, self.shape)) or 'scalar'})"


class BlobVec(MutableSequence[Blob]):
    """A layer's parameters, as ``net.params[name]`` has them; a blob put into it is the layer's.

    >>> import ssd_data as caffe
    >>> net = caffe.Net("tiny_ssd/deploy.prototxt", caffe.TEST)
    >>> type(net.params["conv1"]) is caffe._caffe.BlobVec
    True

    Args:
        held: the layer's own list.
    """

    def __init__(self, held: list[Blob]) -> None:
        self._held = held

    def __len__(self) -> int:
        return len(self._held)

    @overload
    def __getitem__(self, index: int) -> Blob: ...
    @overload
    def __getitem__(self, index: slice) -> list[Blob]: ...
    def __getitem__(self, index: int | slice) -> Blob | list[Blob]:
        return self._held[index]

    @overload
    def __setitem__(self, index: int, value: Blob) -> None: ...
    @overload
    def __setitem__(self, index: slice, value: Iterable[Blob]) -> None: ...
    def __setitem__(self, index: int | slice, value: Blob | Iterable[Blob]) -> None:
        if isinstance(index, slice) or not isinstance(value, Blob):
            raise TypeError("a blob is put into it; its values are written into blob.data[...]")
        self._held[index] = value

    def __delitem__(self, index: int | slice) -> None:
        del self._held[index]

    def insert(self, index: int, value: Blob) -> None:
        """Put a blob before another."""
        self._held.insert(index, value)

    def __repr__(self) -> str:
        return f"BlobVec({self._held})"


def to_numpy(tensor: Tensor) -> npt.NDArray[np.float32]:
    """A copy of a tensor's values on the CPU."""
    return tensor.detach().float().cpu().numpy().copy()
