"""Prior boxes: the default boxes of a net's feature maps, as PriorBox lays them out.

Formulas and their order: weiliu89/caffe, ``src/caffe/layers/prior_box_layer.cpp``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ssd_data.core.errors import InputError
from ssd_data.core.structures import Boxes
from ssd_data.nets.dense_priors import DenseBox, dense_fault, face_boxes, fixed_boxes
from ssd_data.nets.geometry import Size
from ssd_data.nets.graph import Node
from ssd_data.proto import caffe_pb2

MOST_SIDE = 1 << 31  # the original holds them in an int
MOST_RATIO = 10_000  # of width to height
MOST_BOXES = 1 << 24  # of a map


@dataclass(frozen=True, slots=True)
class PriorShapes:
    """What a ``prior_box_param`` says, checked.

    Attributes:
        sizes: (width, height) in pixels of the boxes at each place, in order.
        variances: four numbers.
        shifts: how far right and down of the place's centre each lies, in pixels.
        inside: how many of the first are cut at the picture's edges even without ``clip``.
    """

    sizes: tuple[tuple[float, float], ...]
    variances: tuple[float, ...]
    shifts: tuple[tuple[float, float], ...]
    inside: int = 0


def prior_shapes(param: caffe_pb2.PriorBoxParameter, where: str = "") -> PriorShapes:
    """The boxes at one place.

    Raises:
        InputError: no size, a size that is not positive, a ``max_size`` that is not larger than its
            ``min_size``, a step or size of the input that is not positive, or a wrong number of
            variances.
    """

    def fail(what: str) -> InputError:
        return InputError(what, where=where)

    if fault := dense_fault(param, MOST_SIDE, MOST_RATIO):
        raise fail(fault)
    if not param.min_size and not param.fixed_size:
        raise fail("prior_box_param has no min_size")
    if not all(0 < size < MOST_SIDE for size in (*param.min_size, *param.max_size)):
        raise fail("min_size and max_size must be positive, and fit into an int")
    if param.max_size and len(param.max_size) != len(param.min_size):
        raise fail(f"{len(param.max_size)} max_size for {len(param.min_size)} min_size")
    if any(b <= a for a, b in zip(param.min_size, param.max_size, strict=False)):
        raise fail("max_size must be greater than min_size")
    if len(param.variance) not in (0, 1, 4) or any(v <= 0 for v in param.variance):
        raise fail("variance must be one positive number or four")
    if not all(1 / MOST_RATIO <= ratio <= MOST_RATIO for ratio in param.aspect_ratio):
        raise fail(f"aspect_ratio must be positive, and from 1/{MOST_RATIO} to {MOST_RATIO}")
    for one, pair in (("step", ("step_h", "step_w")), ("img_size", ("img_h", "img_w"))):
        names = [*([one] if param.HasField(one) else []), *pair * any(map(param.HasField, pair))]
        if not all(0 < getattr(param, name) < math.inf for name in names):
            raise fail(f"{one} must be positive")
    variances = list(param.variance) or [0.1]
    fixed = list(fixed_boxes(param, aspect_ratios(param)))
    boxes = [*fixed, *_boxes(param)]
    return PriorShapes(
        tuple((box[0], box[1]) for box in boxes),
        tuple(variances * (4 // len(variances))),
        tuple((box[2], box[3]) for box in boxes),
        len(fixed),
    )


def _boxes(param: caffe_pb2.PriorBoxParameter) -> list[DenseBox]:
    """Square, the geometric mean's square, then the other ratios, for each ``min_size``."""
    ratios = aspect_ratios(param)
    boxes: list[DenseBox] = []
    for i, size in enumerate(param.min_size):
        smallest, sizes = int(size), []
        if param.faceboxes:
            boxes += face_boxes(smallest)
        else:
            sizes.append((float(smallest), float(smallest)))
        if param.max_size:
            mean = float(np.float32(math.sqrt(smallest * int(param.max_size[i]))))
            sizes.append((mean, mean))
        for ratio in ratios[1:]:
            root = np.sqrt(np.float32(ratio))
            sizes.append((float(smallest * root), float(smallest / root)))
        boxes += [(width, height, 0.0, 0.0) for width, height in sizes]
    return boxes


def aspect_ratios(param: caffe_pb2.PriorBoxParameter) -> list[float]:
    """1 first, then the others once each, with their inverses where ``flip`` is set."""
    ratios = [1.0]
    for ratio in param.aspect_ratio:
        if all(abs(ratio - known) >= 1e-6 for known in ratios):
            ratios += [ratio, float(np.float32(1.0 / ratio))] if param.flip else [ratio]
    return ratios


def prior_boxes(
    param: caffe_pb2.PriorBoxParameter, map_size: Size, image_size: Size, where: str = ""
) -> Boxes:
    """The prior boxes of a feature map.

    Args:
        map_size: (height, width) of the map; image_size: of the net's input, in pixels, which
            ``img_size`` or ``img_h`` and ``img_w`` override.

    Returns:
        float32 (height * width * boxes a place, 4), fractions of the input, row by row.

    Raises:
        InputError: the parameters are wrong, the map or the input has no places, or the boxes are
            too many, or no numbers.
    """
    shapes = prior_shapes(param, where)
    if min(*map_size, *image_size) < 1:
        raise InputError("the map or the picture has no places", where=where)
    if map_size[0] * map_size[1] * len(shapes.sizes) > MOST_BOXES:
        raise InputError(f"would give more than {MOST_BOXES:,} boxes", where=where)
    with np.errstate(over="ignore", invalid="ignore"):
        boxes = _laid_out(param, shapes, map_size, image_size)
    if not np.isfinite(boxes).all():
        what = "its priors are far outside any picture, or no numbers"
        raise InputError(what, where=where, hint="See its sizes, steps and offset")
    return boxes.clip(np.float32(0), np.float32(1)) if param.clip else boxes


def _laid_out(
    param: caffe_pb2.PriorBoxParameter, shapes: PriorShapes, map_size: Size, image_size: Size
) -> Boxes:
    height, width = map_size
    (step_height, image_height), (step_width, image_width) = grid(param, map_size, image_size)
    f = np.float32
    x = ((np.arange(width, dtype=f) + f(param.offset)) * f(step_width)).astype(f)
    y = ((np.arange(height, dtype=f) + f(param.offset)) * f(step_height)).astype(f)
    sides = np.array(shapes.sizes, f).astype(np.float64) / 2  # the original halves in double
    right, down = np.array(shapes.shifts, f).T
    across, along = x[None, :, None] + right, y[:, None, None] + down
    boxes = np.empty((height, width, len(sides), 4), np.float64)
    boxes[..., 0] = (across - sides[:, 0]) / image_width
    boxes[..., 1] = (along - sides[:, 1]) / image_height
    boxes[..., 2] = (across + sides[:, 0]) / image_width
    boxes[..., 3] = (along + sides[:, 1]) / image_height
    boxes[..., : shapes.inside, :2].clip(0, None, out=boxes[..., : shapes.inside, :2])
    boxes[..., : shapes.inside, 2:].clip(None, 1, out=boxes[..., : shapes.inside, 2:])
    return boxes.reshape(-1, 4).astype(f)


def grid(
    param: caffe_pb2.PriorBoxParameter, map_size: Size, image_size: Size
) -> tuple[tuple[float, int], tuple[float, int]]:
    """Down and across: pixels from one place to the next, and of the whole input."""
    if param.HasField("img_h") or param.HasField("img_w"):
        image_size = param.img_h, param.img_w
    elif param.HasField("img_size"):
        image_size = param.img_size, param.img_size
    steps = image_size[0] / map_size[0], image_size[1] / map_size[1]
    if param.HasField("step_h") or param.HasField("step_w"):
        steps = param.step_h, param.step_w
    elif param.HasField("step"):
        steps = param.step, param.step
    return (steps[0], image_size[0]), (steps[1], image_size[1])


def prior_values(
    param: caffe_pb2.PriorBoxParameter, map_size: Size, image_size: Size, where: str = ""
) -> npt.NDArray[np.float32]:
    """What a PriorBox gives: float32 (2, 4 · boxes), the boxes and below them their variances.

    Args:
        map_size, image_size: see :func:`prior_boxes`.

    >>> param = caffe_pb2.PriorBoxParameter(min_size=[8], variance=[0.5])
    >>> prior_values(param, (1, 1), (16, 16)).tolist()
    [[0.25, 0.25, 0.75, 0.75], [0.5, 0.5, 0.5, 0.5]]
    """
    boxes = prior_boxes(param, map_size, image_size, where)
    variances = np.array(prior_shapes(param, where).variances, np.float32)
    return np.stack([boxes.reshape(-1), np.tile(variances, len(boxes))])


@dataclass(frozen=True, slots=True)
class MapPriors:
    """The priors of one map of a net.

    Attributes:
        blob: the map; where: names the PriorBox layer in errors.
        size: (height, width) of the map. image: of the net's input.
        param: what the layer says.
    """

    blob: str
    where: str
    size: Size
    image: Size
    param: caffe_pb2.PriorBoxParameter

    @property
    def shapes(self) -> PriorShapes:
        """The boxes at each place."""
        return prior_shapes(self.param, self.where)

    @property
    def count(self) -> int:
        """Boxes of all places."""
        return self.size[0] * self.size[1] * len(self.shapes.sizes)

    def values(self) -> npt.NDArray[np.float32]:
        """The boxes and their variances, see :func:`prior_values`."""
        return prior_values(self.param, self.size, self.image, self.where)


def map_priors(node: Node, sizes: Mapping[str, Size]) -> MapPriors:
    """The priors of a PriorBox.

    Args:
        sizes: (height, width) of the net's maps, see :func:`ssd_data.nets.sizes.map_sizes`.

    Raises:
        InputError: its parameters are wrong, or the size of a bottom is not known.
    """
    if not node.bottoms:
        raise node.error("a PriorBox reads a map")
    blob = node.bottoms[0]
    if blob not in sizes or node.bottoms[-1] not in sizes:
        hint = "A layer before it is of a type whose size is not known here"
        raise node.error(f'the size of "{blob}" is not known', hint)
    param = node.param.prior_box_param
    prior_shapes(param, node.where)  # refuses what is wrong
    return MapPriors(blob, node.where, sizes[blob], sizes[node.bottoms[-1]], param)
