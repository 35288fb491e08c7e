"""Where other engines are known to compute something else than Caffe, and a net that meets it."""

from __future__ import annotations

from collections.abc import Callable

from ssd_data.nets.graph import Graph, Node
from ssd_data.nets.sizes import map_sizes


def opencv_reasons(graph: Graph) -> list[str]:
    """Why OpenCV's DNN may differ: a sentence for each layer with such a reason, and its place.

    Seen with OpenCV 4.14.
    """
    sizes = map_sizes(graph)
    found = []
    for node in graph.nodes:
        check = _CHECKS.get(node.type)
        said = check(node) if check is not None else ""
        if not said and _meets_padding_alone(node, sizes):
            said = "it computes a grouped convolution wrongly whose padding is around one place"
        if said:
            found.append(f"{node.where}: {said}")
    return found


def _prior_box(node: Node) -> str:
    p = node.param.prior_box_param
    if any(side != int(side) for side in (*p.min_size, *p.max_size)):
        return "it takes min_size and max_size as they are; Caffe cuts off the fractions"
    if p.HasField("img_size") or p.HasField("img_h") or p.HasField("img_w"):
        return "it takes the size of its second bottom, not img_size (img_h, img_w)"
    if not p.HasField("clip"):
        return "it clips where clip is not given; Caffe does not: write clip: false"
    return ""


def _lrn(node: Node) -> str:
    return "it takes k as 1" if node.param.lrn_param.k != 1 else ""


def _inner_product(node: Node) -> str:
    return "it does not know transpose" if node.param.inner_product_param.transpose else ""


def _meets_padding_alone(node: Node, sizes: dict[str, tuple[int, int]]) -> bool:
    if node.type not in ("Convolution", "DepthwiseConvolution") or not node.bottoms:
        return False
    p = node.param.convolution_param
    padded = max([*p.pad, p.pad_h, p.pad_w], default=0) > 0
    grouped = p.group > 1 or node.type == "DepthwiseConvolution"
    return grouped and padded and sizes.get(node.bottoms[0]) == (1, 1)


_CHECKS: dict[str, Callable[[Node], str]] = {
    "PriorBox": _prior_box,
    "LRN": _lrn,
    "InnerProduct": _inner_product,
}
