"""A layer that is to be written in another runtime's terms: what every emitter gets."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from ssd_data.core.errors import InputError
from ssd_data.nets.geometry import Shape, axis_of, concat_axis, reshape_target, shape_text
from ssd_data.nets.graph import LayerError, Node
from ssd_data.nets.priors import prior_shapes, prior_values

Array: TypeAlias = npt.NDArray[Any]
MOST_VALUES = 1 << 30  # of one blob


class Shaped(Protocol):
    """A blob whose shape is known, with the batch."""

    @property
    def shape(self) -> Shape:
        """As Caffe has it."""

    @property
    def constant(self) -> Array | None:
        """Its values, where they are known before the net runs."""


V = TypeVar("V", bound=Shaped)


@dataclass(frozen=True, slots=True)
class LayerStep(Generic[V]):
    """A layer, and what it reads.

    Attributes:
        node: the layer.
        bottoms: what it reads.
        arrays: its own, float32, as the caffemodel has them.
    """

    node: Node
    bottoms: list[V]
    arrays: Sequence[Array]

    @property
    def param(self) -> Any:
        """The layer's message."""
        return self.node.param

    @property
    def bottom(self) -> V:
        """The first bottom."""
        return self.bottoms[0]

    def array(self, index: int, shape: Shape) -> Array:
        """One of the layer's arrays.

        Raises:
            LayerError: it is missing, or does not fill that shape.
        """
        if index >= len(self.arrays):
            raise self.error(
                "the caffemodel has no arrays for it",
                "Is it the caffemodel of this net? ssd-data weights show lists its layers",
            )
        array = self.arrays[index]
        if array.size != math.prod(shape):
            what = f"an array of shape {shape_text(array.shape)} does not fit {shape_text(shape)}"
            raise self.error(what)
        return array.reshape(shape)

    def axis(self, number: int) -> int:
        """An axis of the bottom counted from the front.

        Raises:
            LayerError: there is no such axis.
        """
        return axis_of(self.node, number, len(self.bottom.shape))

    def picture_map(self) -> tuple[int, int, int, int]:
        """The bottom's shape.

        Raises:
            LayerError: it has not four axes.
        """
        shape = self.bottom.shape
        if len(shape) != 4:
            raise self.error(f"takes a bottom of 4 axes, not of {len(shape)}")
        return shape[0], shape[1], shape[2], shape[3]

    def error(self, what: str, hint: str = "") -> LayerError:
        """An error that names this layer."""
        return self.node.error(what, hint)


def fresh_name(wanted: str, taken: set[str]) -> str:
    """The name, or it with the first number that makes it another's than those taken; it is then.

    >>> taken = {"conv1"}
    >>> fresh_name("conv1", taken), sorted(taken)
    ('conv1_2', ['conv1', 'conv1_2'])
    """
    name, number = wanted, 1
    while name in taken:
        number += 1
        name = f"{wanted}_{number}"
    taken.add(name)
    return name


def check_shape(shape: Sequence[int]) -> None:
    """Refuse a shape that holds nothing, or more than memory.

    Raises:
        ValueError: says which.
    """
    text = shape_text(shape)
    if any(n < 1 for n in shape):
        raise ValueError(f"a blob of {text} would hold nothing")
    if math.prod(shape) > MOST_VALUES:
        raise ValueError(f"a blob of {text} is larger than this package takes")


def normalisation(step: LayerStep[V]) -> tuple[Array, Array]:
    """What a BatchNorm with gathered statistics multiplies by, and then adds; float64 (channels,).

    Raises:
        LayerError: it normalises by each batch's own statistics, or a variance is not above 0.
    """
    p, shape = step.param.batch_norm_param, step.bottom.shape
    if p.HasField("use_global_stats") and not p.use_global_stats:
        raise step.error("normalises by each batch's own statistics")
    channels = shape[1] if len(shape) > 1 else 1
    factor = float(step.array(2, ()))
    each = 1 / factor if factor else 0.0
    mean = step.array(0, (channels,)).astype(np.float64) * each
    variance = step.array(1, (channels,)).astype(np.float64) * each + p.eps
    if not (variance > 0).all():
        raise step.error("has a variance that, with eps, is not above 0")
    scale: Array = 1 / np.sqrt(variance)
    return scale, -mean * scale


def along(step: LayerStep[V], shape: Shape, start: int) -> Shape:
    """An array's shape that broadcasts to the bottom, along whose axes from ``start`` it lies.

    Raises:
        ValueError: it does not lie so.
    """
    if step.bottom.shape[start : start + len(shape)] != shape:
        raise ValueError(f"an array of {shape} does not lie along it from axis {start} on")
    return (*shape, *[1] * (len(step.bottom.shape) - start - len(shape)))


def rest(step: LayerStep[V], start: int, axes: int) -> Shape:
    """The bottom's shape from an axis on; ``axes`` of it, -1 for all."""
    shape = step.bottom.shape[start:]
    return shape if axes == -1 else shape[:axes]


def flattened(step: LayerStep[V]) -> tuple[Shape, bool]:
    """The shape after a Flatten, the axes from ``axis`` to ``end_axis`` being one; whether axis 0
    stays.

    Raises:
        LayerError: the axes are in the wrong order, or not there.
    """
    p, shape = step.param.flatten_param, step.bottom.shape
    first, last = step.axis(p.axis), step.axis(p.end_axis)
    if last < first:
        raise step.error(f"has end_axis {p.end_axis} before axis {p.axis}")
    new = (*shape[:first], math.prod(shape[first : last + 1]), *shape[last + 1 :])
    return new, first > 0 or first == last


def reshaped(step: LayerStep[V]) -> tuple[Shape, bool]:
    """The shape after a Reshape: from ``axis`` on, ``num_axes`` axes get the sizes of ``shape``: 0
    copies, -1 is the rest; and whether axis 0 stays.

    Raises:
        LayerError: it has no such axes, or no such shape.
        ValueError: the values do not fill it.
    """
    shape, dims = step.bottom.shape, list(step.param.reshape_param.shape.dim)
    new = reshape_target(step.node, shape)
    if min(new, default=1) < -1 or new.count(-1) > 1:
        raise step.error(f"has shape {dims}")
    known = math.prod(n for n in new if n != -1)
    if -1 in new:
        new[new.index(-1)] = math.prod(shape) // known if known else 0
    if math.prod(new) != math.prod(shape):
        raise ValueError(f"its values do not fill {'x'.join(map(str, new))}")
    keeps = step.param.reshape_param.axis not in (0, -len(shape) - 1) or dims[:1] == [0]
    return tuple(new), keeps


def joined(step: LayerStep[V]) -> tuple[int, Shape]:
    """The axis along which a Concat joins its bottoms, and the shape of all of them.

    Raises:
        LayerError: there is no such axis.
        ValueError: they differ in another.
    """
    bottoms, axis = step.bottoms, concat_axis(step.node, len(step.bottom.shape))
    if len({(*b.shape[:axis], *b.shape[axis + 1 :]) for b in bottoms}) > 1:
        raise ValueError(f"they differ in more than axis {axis}")
    shape = list(step.bottom.shape)
    shape[axis] = sum(b.shape[axis] for b in bottoms)
    return axis, tuple(shape)


def prior_constant(step: LayerStep[V]) -> Array:
    """What a PriorBox gives, (1, 2, 4 · boxes): the boxes, and below them their variances.

    Raises:
        LayerError: its parameters give no boxes.
        ValueError: a bottom is no map, or the blob would be too large.
    """
    if not 1 <= len(step.bottoms) <= 2:
        raise step.error(f"has {len(step.bottoms)} bottoms; PriorBox takes 1 to 2")
    p = step.param.prior_box_param
    shapes = prior_shapes(p, step.node.where)
    map_size, picture = step.picture_map()[2:], step.bottoms[-1].shape[2:]
    if len(picture) != 2:
        raise ValueError("the second is no picture")
    check_shape((2, *map_size, 4, len(shapes.sizes)))
    both: Array = prior_values(p, map_size, (picture[0], picture[1]), step.node.where)[None]
    return both


def split_priors(values: Array | None, where: object) -> tuple[Array, Array]:
    """Prior boxes (N, 4) and their variances (N, 4) of what they give.

    Args:
        values: of the blob, None where they are not known.

    Raises:
        InputError: they are no constants of the net, or have another shape than PriorBox gives.
    """
    if values is None:
        raise InputError("the priors are not made by PriorBox layers", where=where)
    if values.shape[:2] != (1, 2) or values.size % 8:
        raise InputError(f"the priors have shape {values.shape}", where=where)
    boxes, variances = np.asarray(values, np.float32).reshape(2, -1, 4)
    return boxes, variances
