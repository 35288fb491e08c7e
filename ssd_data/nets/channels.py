"""How many channels a net's blobs have, told from its prototxt alone."""

from __future__ import annotations

from ssd_data.nets.geometry import concat_axis, slice_axis, slice_parts
from ssd_data.nets.graph import Graph, Node
from ssd_data.nets.sizes import KEEPING

_COUNTED = {
    "Convolution": "convolution_param", "Deconvolution": "convolution_param",
    "DepthwiseConvolution": "convolution_param", "InnerProduct": "inner_product_param",
}  # fmt: skip
_ALSO_KEEPING = {"Pooling", "Crop", "Slice", "Upsample", "Interp"}


def map_channels(graph: Graph) -> dict[str, int]:
    """The channels of each blob; of layers that are not known here, and behind them, of none."""
    known: dict[str, int] = {}
    for node in graph.nodes:
        counts = _channels(node, known)
        for top, count in zip(node.tops, [*counts, *[0] * len(node.tops)], strict=False):
            known.pop(top, None)
            if count > 0:
                known[top] = count
    return known


def _channels(node: Node, known: dict[str, int]) -> list[int]:
    """Of each top, 0 where it is not known."""
    kind, tops = node.type, len(node.tops)
    bottoms = [known.get(name, 0) for name in node.bottoms]
    if kind == "Input":
        dims = [list(shape.dim) for shape in node.param.input_param.shape]
        dims = dims * tops if len(dims) == 1 else dims
        return [dim[1] if len(dim) == 4 else 0 for dim in dims]
    if kind in _COUNTED:
        return [getattr(node.param, _COUNTED[kind]).num_output]
    if not bottoms or not all(bottoms):
        return []
    counts = bottoms[:1] * tops if kind in KEEPING or kind in _ALSO_KEEPING else []
    if kind == "Concat":
        counts = [sum(bottoms) if concat_axis(node, 4) == 1 else bottoms[0]]
    elif kind == "Slice" and slice_axis(node, 4) == 1:
        counts = [end - start for start, end in slice_parts(node, bottoms[0])]
    elif kind == "Reorg":
        p = node.param.reorg_param
        counts = [bottoms[0] // max(p.stride, 1) ** 2 if p.reverse else bottoms[0] * p.stride**2]
    return counts
