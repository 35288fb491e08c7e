"""How high and wide a net's maps are, told from its prototxt alone.

That is all that priors need of a net; channels and parameters are not looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from ssd_data.core.errors import InputError
from ssd_data.nets.geometry import (
    Size,
    axis_of,
    concat_axis,
    convolution_window,
    pooling_window,
    slice_axis,
    slice_parts,
)
from ssd_data.nets.graph import Graph, Node
from ssd_data.proto import caffe_pb2

# Layers whose tops are as high and wide as their first bottom.
KEEPING = {
    "ReLU", "ReLU6", "PReLU", "ELU", "Sigmoid", "TanH", "Power", "BatchNorm", "Scale", "Bias",
    "Dropout", "Normalize", "LRN", "Eltwise", "Split", "Softmax",
}  # fmt: skip
MOST_SIDE = 1 << 16


def map_sizes(graph: Graph, data: Size | None = None) -> dict[str, Size]:
    """The (height, width) of each blob that has these.

    Blobs behind layers that mix the places, and of layers that are not known here, are left out.

    Args:
        data: of what the data layers give; None for a net with Input layers alone.

    Raises:
        InputError: a layer leaves nothing of its bottom, or has no sound window.
    """
    known: dict[str, Size] = {}
    for node in graph.nodes:
        if not node.bottoms:
            sizes: Sequence[Size | None] = _given(node, data)
        elif node.bottoms[0] not in known:
            sizes = [None] * len(node.tops)
        else:
            sizes = _sizes(node, [known.get(name) for name in node.bottoms], known[node.bottoms[0]])
        for top, size in zip(node.tops, sizes, strict=False):
            if size is None:
                known.pop(top, None)
            elif min(size) > 0 and max(size) <= MOST_SIDE:
                known[top] = size
            else:
                raise InputError(f"its top would be {size[1]}x{size[0]}", where=node.where)
    return known


def _given(node: Node, data: Size | None) -> list[Size | None]:
    if node.type != "Input":
        return [data, *[None] * len(node.tops)]
    shapes = [list(shape.dim) for shape in node.param.input_param.shape]
    if len(shapes) == 1:
        shapes *= len(node.tops)
    return [(dim[2], dim[3]) if len(dim) == 4 else None for dim in shapes]


def _sizes(node: Node, bottoms: Sequence[Size | None], first: Size) -> Sequence[Size | None]:
    if node.type in KEEPING:
        return [first] * len(node.tops)
    rule = RULES.get(node.type)
    return [None] * len(node.tops) if rule is None else rule(node, bottoms, first)


def _convolution(node: Node, bottoms: Sequence[Size | None], first: Size) -> list[Size | None]:
    window = convolution_window(node)
    enlarges = node.type == "Deconvolution"
    return [window.deconvolved(first) if enlarges else window.convolved(first)]


def _pooling(node: Node, bottoms: Sequence[Size | None], first: Size) -> list[Size | None]:
    return [pooling_window(node, first).pooled(first)]


def _slice(node: Node, bottoms: Sequence[Size | None], first: Size) -> list[Size | None]:
    cut = slice_axis(node, 4) - 2
    if cut < 0:
        return [first] * len(node.tops)
    sides = [end - start for start, end in slice_parts(node, first[cut])]
    return [(side, first[1]) if cut == 0 else (first[0], side) for side in sides]


def _concat(node: Node, bottoms: Sequence[Size | None], first: Size) -> list[Size | None]:
    return [first if concat_axis(node, 4) == 1 else None]


def _crop(node: Node, bottoms: Sequence[Size | None], first: Size) -> list[Size | None]:
    like = bottoms[1] if len(bottoms) > 1 else None
    if like is None:
        return [None]
    axis = axis_of(node, node.param.crop_param.axis, 4)
    return [(like[0] if axis <= 2 else first[0], like[1])]


Rule: TypeAlias = Callable[[Node, Sequence[Size | None], Size], list[Size | None]]
RULES: dict[str, Rule] = {
    "Convolution": _convolution,
    "DepthwiseConvolution": _convolution,
    "Deconvolution": _convolution,
    "Pooling": _pooling,
    "Slice": _slice,
    "Concat": _concat,
    "Crop": _crop,
}


def fixed_size(param: caffe_pb2.TransformationParameter) -> Size | None:
    """The (height, width) that a data layer gives to all pictures; None where they keep theirs."""
    height, width = param.crop_size or param.crop_h, param.crop_size or param.crop_w
    if height and width:
        return height, width
    how = param.resize_param
    if not param.HasField("resize_param") or how.resize_mode == how.FIT_SMALL_SIZE:
        return None
    return how.height, how.width
