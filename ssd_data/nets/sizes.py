"""How high and wide a net's maps are, told from its prototxt alone.

That is all that priors need of a net; channels and parameters are not looked at.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

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
from ssd_data.nets.resizing import interp_size, upsampling
from ssd_data.proto import caffe_pb2

# Layers whose tops are as high and wide as their first bottom.
KEEPING = {
    "ReLU", "ReLU6", "PReLU", "ELU", "Sigmoid", "TanH", "Power", "BatchNorm", "Scale", "Bias",
    "Dropout", "Normalize", "LRN", "Eltwise", "Split", "Softmax", "AbsVal", "Axpy", "BNLL", "Clip",
    "Exp", "HardSigmoid", "HardSwish", "Log", "Mish", "MVN", "ShuffleChannel", "Swish",
    "Threshold",
}  # fmt: skip
JOINING = ("Eltwise", "Concat")  # layers whose bottoms are of one size
MULTIPLES = (1, 2, 4, 8, 16, 32, 64, 128)
TRIED = (*range(12, 20), 97, 131)  # times a multiple: sides to look at
MOST_SIDE = 1 << 16


def map_sizes(
    graph: Graph, data: Size | None = None, *, inputs: Size | None = None
) -> dict[str, Size]:
    """The (height, width) of each blob that has these.

    Blobs behind layers that mix the places, and of layers that are not known here, are left out.

    Args:
        data: of what the data layers give; None for a net with Input layers alone.
        inputs: of what Input layers give, in the place of what they say.

    Raises:
        InputError: a layer leaves nothing of its bottom, or has no sound window.
    """
    known: dict[str, Size] = {}
    for node in graph.nodes:
        if not node.bottoms:
            own = None if node.type == "Input" else data
            sizes: Sequence[Size | None] = _given(node, inputs or own)
        elif _leading(node) not in known:
            sizes = [None] * len(node.tops)
        else:
            sizes = _sizes(node, known)
        for top, size in zip(node.tops, sizes, strict=False):
            if size is None:
                known.pop(top, None)
            elif min(size) > 0 and max(size) <= MOST_SIDE:
                known[top] = size
            else:
                raise node.error(f"its top would be {size[1]}x{size[0]}")
    return known


def side_multiple(graph: Graph) -> int:
    """What the sides of a net's input have to be multiples of, so that maps which are added up or
    laid on one another are of one size: a pyramid's are halved, and doubled again. 1 where any side
    will do, or where none of those tried does.

    >>> from ssd_data import families
    >>> from ssd_data.nets.graph import to_graph
    >>> deploy = families.generate("face_ssd", num_classes=2).nets["deploy"]
    >>> side_multiple(to_graph(deploy))
    32
    """
    return next((number for number in MULTIPLES if _fits(graph, number)), 1)


def _fits(graph: Graph, number: int) -> bool:
    """Whether maps are of one size for several inputs of such sides."""
    for sides in TRIED:
        size = (number * sides, number * sides)
        try:
            known = map_sizes(graph, size, inputs=size)
        except InputError:
            continue  # too small a side, which says nothing of the others
        for node in graph.nodes:
            if node.type not in JOINING or (node.type == "Concat" and concat_axis(node, 4) != 1):
                continue
            if len({known[bottom] for bottom in node.bottoms if bottom in known}) > 1:
                return False
    return True


def _given(node: Node, data: Size | None) -> list[Size | None]:
    if data is not None or node.type != "Input":
        return [data, *[None] * len(node.tops)]
    shapes = [list(shape.dim) for shape in node.param.input_param.shape]
    if len(shapes) == 1:
        shapes *= len(node.tops)
    return [(dim[2], dim[3]) if len(dim) == 4 else None for dim in shapes]


def _leading(node: Node) -> str:
    """The bottom whose size counts: an Axpy's first is one number a channel."""
    return node.bottoms[1 if node.type == "Axpy" and len(node.bottoms) > 1 else 0]


def _sizes(node: Node, known: Mapping[str, Size]) -> Sequence[Size | None]:
    """Of the tops of a layer whose first bottom's size is known."""
    kind, first, count = node.type, known[_leading(node)], len(node.tops)
    sizes: list[Size | None] = [None] * count
    if kind in KEEPING or (kind == "Concat" and concat_axis(node, 4) == 1):
        sizes = [first] * count
    elif kind in ("Convolution", "DepthwiseConvolution"):
        sizes = [convolution_window(node).convolved(first)]
    elif kind == "Deconvolution":
        sizes = [convolution_window(node).deconvolved(first)]
    elif kind == "Pooling":
        sizes = [pooling_window(node, first).pooled(first)]
    elif kind == "Slice" and (axis := slice_axis(node, 4)) < 2:
        sizes = [first] * count
    elif kind == "Slice":
        sides = [end - start for start, end in slice_parts(node, first[axis - 2])]
        sizes = [(side, first[1]) if axis == 2 else (first[0], side) for side in sides]
    elif kind == "Crop" and node.bottoms[-1] in known:
        height, width = known[node.bottoms[-1]]
        crops_height = axis_of(node, node.param.crop_param.axis, 4) <= 2
        sizes = [(height if crops_height else first[0], width)]
    else:
        return _resized(node, known)
    return sizes


def _resized(node: Node, known: Mapping[str, Size]) -> Sequence[Size | None]:
    """Of the tops of layers of forks; of others nothing is known."""
    kind, first = node.type, known[_leading(node)]
    if kind == "Upsample":
        return [upsampling(node, first).size]
    if kind == "Interp":
        return [interp_size(node, first)]
    if kind == "Reorg":
        s, back = max(node.param.reorg_param.stride, 1), node.param.reorg_param.reverse
        return [(first[0] * s, first[1] * s) if back else (first[0] // s, first[1] // s)]
    if kind == "Tile" and (axis := axis_of(node, node.param.tile_param.axis, 4)) > 0:
        count = node.param.tile_param.tiles
        return [(first[0] * (count if axis == 2 else 1), first[1] * (count if axis == 3 else 1))]
    return [None] * len(node.tops)


def fixed_size(param: caffe_pb2.TransformationParameter) -> Size | None:
    """The (height, width) that a data layer gives to all pictures; None where they keep theirs."""
    height, width = param.crop_size or param.crop_h, param.crop_size or param.crop_w
    if height and width:
        return height, width
    how = param.resize_param
    if not param.HasField("resize_param") or how.resize_mode == how.FIT_SMALL_SIZE:
        return None
    return how.height, how.width
