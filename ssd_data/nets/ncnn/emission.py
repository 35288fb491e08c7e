"""An ncnn net while it is made: blobs with their shapes, layers, constants."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from ssd_data.nets.geometry import Shape
from ssd_data.nets.layer_step import Array, LayerStep, check_shape, fresh_name
from ssd_data.nets.ncnn.model import NcnnLayer, NcnnModel, Param, plain_name, renamed

MOST_AXES = 5  # of Caffe's, with the batch
MOST_WHOLE = (1 << 31) - 1


@dataclass(frozen=True, slots=True, eq=False)
class NcnnBlob:
    """A blob of the net.

    Attributes:
        name: in the net; empty where it is only known.
        shape: as Caffe has it, for one picture.
        constant: its values, where they are known.
    """

    name: str
    shape: Shape
    constant: Array | None = None

    @property
    def axes(self) -> Shape:
        """Its shape as ncnn has it: without the batch."""
        return self.shape[1:]


@dataclass(slots=True)
class NcnnEmission:
    """The net so far."""

    layers: list[NcnnLayer] = field(default_factory=list)
    prefix: str = ""
    names: set[str] = field(default_factory=set)

    def name(self, wanted: str) -> str:
        """A name that no other layer or blob has."""
        return fresh_name(plain_name(wanted), self.names)

    def add(
        self,
        kind: str,
        bottoms: Sequence[NcnnBlob],
        shape: Sequence[int],
        params: Mapping[int, Param] | None = None,
        weight: Array | None = None,
        arrays: Sequence[Array] = (),
    ) -> NcnnBlob:
        """A layer with one top.

        Args:
            shape: of the top, as Caffe has it.

        Raises:
            ValueError: the top would have no values, too many, or more axes than ncnn's blobs.
        """
        (made,) = self.add_all(kind, bottoms, [shape], params, weight, arrays)
        return made

    def add_all(
        self,
        kind: str,
        bottoms: Sequence[NcnnBlob],
        shapes: Sequence[Sequence[int]],
        params: Mapping[int, Param] | None = None,
        weight: Array | None = None,
        arrays: Sequence[Array] = (),
    ) -> list[NcnnBlob]:
        """A layer with a top of each shape, see :meth:`add`."""
        for shape in shapes:
            check_shape(shape)
            if not 2 <= len(shape) <= MOST_AXES or shape[0] != 1:
                raise ValueError(f"ncnn has no blob of {len(shape)} axes, or with a batch")
        params = dict(params or {})
        for value in params.values():
            _check_numbers(value)
        held = [self.held(blob).name for blob in bottoms]
        name = self.name(self.prefix or kind)
        tops = [name if len(shapes) == 1 else f"{name}/{i}" for i in range(len(shapes))]
        self.layers.append(NcnnLayer(kind, name, held, tops, params, weight, list(arrays)))
        return [
            NcnnBlob(top, tuple(map(int, shape))) for top, shape in zip(tops, shapes, strict=True)
        ]

    def held(self, blob: NcnnBlob) -> NcnnBlob:
        """The blob as one of the net: what is only known becomes a layer that gives it."""
        if blob.name:
            return blob
        assert blob.constant is not None
        return self.constant(blob.constant)

    def constant(self, values: Array) -> NcnnBlob:
        """A layer that gives values.

        Args:
            values: in Caffe's shape, with a batch of one.
        """
        keys = {1: (0,), 2: (1, 0), 3: (2, 1, 0), 4: (2, 11, 1, 0)}[values.ndim - 1]
        sizes: dict[int, Param] = dict(zip(keys, map(int, values.shape[1:]), strict=True))
        return self.add("MemoryData", [], values.shape, sizes, arrays=[values])

    def reshape(self, blob: NcnnBlob, shape: Sequence[int]) -> NcnnBlob:
        """The same values in another shape, Caffe's.

        Raises:
            ValueError: the first axis would be no batch any more.
        """
        if tuple(shape) == blob.shape:
            return blob
        if not shape or shape[0] != 1:
            raise ValueError("it changes the batch's axis, which ncnn does not have")
        keys = {1: (0,), 2: (1, 0), 3: (2, 1, 0), 4: (2, 11, 1, 0)}.get(len(shape) - 1, ())
        sizes: dict[int, Param] = dict(zip(keys, map(int, shape[1:]), strict=False))
        return self.add("Reshape", [blob], shape, sizes)

    def model(self, outputs: Mapping[str, NcnnBlob]) -> NcnnModel:
        """The net, without what its outputs do not need.

        Args:
            outputs: under their names.
        """
        names: dict[str, str] = {}
        for name, blob in outputs.items():
            own = self.held(blob).name
            if own in names or self._read(own) or not self._written(own):
                self.layers.append(NcnnLayer("Split", self.name(f"end/{name}"), [own], [name]))
            else:
                names[own] = name
        renamed(self.layers, names)
        return NcnnModel(_needed(self.layers, outputs))

    def _read(self, blob: str) -> bool:
        return any(blob in layer.bottoms for layer in self.layers)

    def _written(self, blob: str) -> bool:
        return any(blob in layer.tops for layer in self.layers if layer.type != "Input")


def _check_numbers(value: Param) -> None:
    """Refuse what ncnn's text cannot hold.

    Raises:
        ValueError: it is no number, or too large.
    """
    for number in [value] if isinstance(value, int | float) else value:
        whole = isinstance(number, int)
        with np.errstate(over="ignore"):
            held = abs(number) <= MOST_WHOLE if whole else np.isfinite(np.float32(number))
        if not held:
            raise ValueError(f"ncnn has no number {number}")


def _needed(layers: Sequence[NcnnLayer], outputs: Mapping[str, NcnnBlob]) -> list[NcnnLayer]:
    """The layers that outputs need, and the input; what else they give goes nowhere."""
    wanted, kept = set(outputs), []
    for layer in reversed(layers):
        if wanted & set(layer.tops) or layer.type == "Input":
            wanted |= set(layer.bottoms)
            kept.append(layer)
    return kept[::-1]


@dataclass(frozen=True, slots=True)
class NcnnStep(LayerStep[NcnnBlob]):
    """A layer that is to be written: what a writer gets.

    Attributes:
        emission: the net so far.
    """

    emission: NcnnEmission

    def same(self, kind: str, params: Mapping[int, Param] | None = None) -> NcnnBlob:
        """A layer on the first bottom that gives its shape."""
        return self.emission.add(kind, [self.bottom], self.bottom.shape, params)

    def axis_within(self, axis: int) -> int:
        """An axis of Caffe's as ncnn counts it.

        Raises:
            ValueError: it is the batch's.
        """
        if axis == 0:
            raise ValueError("it goes along the batch's axis, which ncnn does not have")
        return axis - 1
