"""Why a BatchNorm or Scale cannot be merged into the layer before it."""

from __future__ import annotations

from ssd_data.graph import Graph, Node
from ssd_data.proto import caffe_pb2
from ssd_data.weights.channels import LINEAR
from ssd_data.weights.wiring import Wiring, shared_names


class Obstacles:
    """Looks for what would make the merged net another one."""

    def __init__(self, graph: Graph, wiring: Wiring) -> None:
        self.graph, self.wiring = graph, wiring
        self.shared = shared_names(graph.nodes)

    def find(self, index: int, host: int) -> str:
        """The first obstacle to merging layer ``index`` into layer ``host``; empty for none."""
        node, other = self.graph.nodes[index], self.graph.nodes[host]
        if len(node.bottoms) != 1:
            return f"has {len(node.bottoms)} bottoms"
        if len(node.tops) != 1 or any(node.param.loss_weight):
            return "is a loss, or has not one top"
        if other.type not in LINEAR:
            return f'follows {other.type} "{other.name}"'
        return (
            self._other_readers(index, node)
            or self._of_host(other)
            or self._of_parameters(node, other)
            or (_of_scale(node, other) if node.type == "Scale" else _of_batch_norm(node))
        )

    def _other_readers(self, index: int, node: Node) -> str:
        readers = self.wiring.readers[self.wiring.bottoms[index][0]]
        others = [self.graph.nodes[i].name for i in readers if i != index]
        return f'reads "{node.bottoms[0]}", as "{others[0]}" does' if others else ""

    def _of_host(self, other: Node) -> str:
        if len(other.bottoms) != 1 or len(other.tops) != 1 or any(other.param.loss_weight):
            return f'follows "{other.name}", a loss or not of one bottom and top'
        if _axis(other) not in ((1,) if other.type == "InnerProduct" else (1, -3)):
            return f'follows "{other.name}", whose outputs are not axis 1'
        return ""

    def _of_parameters(self, node: Node, other: Node) -> str:
        for layer in (node, other):
            for spec in layer.param.param:
                if spec.name in self.shared:
                    whose = "its" if layer is node else f"{other.name}'s"
                    return f'would change {whose} parameter "{spec.name}", which is shared'
        return ""


def _axis(node: Node) -> int:
    if node.type == "InnerProduct":
        return node.param.inner_product_param.axis
    return node.param.convolution_param.axis


def _of_batch_norm(node: Node) -> str:
    p = node.param.batch_norm_param
    chosen = p.use_global_stats if p.HasField("use_global_stats") else None
    if chosen is None:
        chosen = node.param.phase == caffe_pb2.TEST
    return "" if chosen else "normalises by each batch's own statistics"


def _of_scale(node: Node, other: Node) -> str:
    p = node.param.scale_param
    if p.num_axes == 0:
        return ""
    flat = other.type == "InnerProduct"  # its top has the axes batch and channel alone
    channels = p.axis in ((1, -1) if flat else (1, -3))
    alone = p.num_axes == 1 or (p.num_axes == -1 and flat)
    return "" if channels and alone else "does not scale channels alone"
