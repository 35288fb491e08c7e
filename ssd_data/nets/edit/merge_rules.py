"""Where a BatchNorm or Scale can be merged into, and why it cannot.

The way back leads through layers that are merged already, and through a Slice of rows or columns
whose other parts are thrown away (by Silence): TensorFlow's padding in Caffe is a larger pad, less
its margin. Cutting places off and changing every place alike give the same in either order.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container
from dataclasses import dataclass

from ssd_data.nets.edit.channels import LINEAR, linear_param
from ssd_data.nets.graph import Graph, Node
from ssd_data.proto import caffe_pb2


@dataclass(frozen=True, slots=True)
class MergeTarget:
    """From a layer back to the one that could take it in.

    Attributes:
        host: that one.
        writer: the layer that writes what the layer reads, once those between are merged.
        top: which of the writer's tops that is.
        obstacle: why it cannot be; empty where it can.
    """

    host: int
    writer: int
    top: int
    obstacle: str = ""


class MergeRules:
    """Finds what could take a layer in, and what would make the merged net another one."""

    def __init__(self, graph: Graph) -> None:
        self.graph, self.wiring = graph, graph.wiring()
        # Names of parameters (``param { name: … }``) that more than one layer uses.
        names = Counter(spec.name for node in graph.nodes for spec in node.param.param if spec.name)
        self.shared = {name for name, count in names.items() if count > 1}

    def find(self, index: int, merged: Container[int]) -> MergeTarget:
        """The way back from layer ``index``, through layers that are merged already."""
        node = self.graph.nodes[index]
        if len(node.bottoms) != 1:
            return MergeTarget(index, index, 0, f"has {len(node.bottoms)} bottoms")
        if len(node.tops) != 1 or any(node.param.loss_weight):
            return MergeTarget(index, index, 0, "is a loss, or has not one top")
        reader, writer, top, ends = index, -1, 0, ""
        while True:
            version = self.wiring.bottoms[reader][0]
            host = self.wiring.writers[version]
            ends = ends or self._other_readers(index, version, reader)
            if writer < 0 and host not in merged:
                writer, top = host, self.wiring.tops[host].index(version)
            if host not in merged and not self._cuts_places(host, version):
                break
            reader = host
        other = self.graph.nodes[host]
        if other.type not in LINEAR:
            last = self.graph.nodes[writer]
            return MergeTarget(host, writer, top, f'follows {last.type} "{last.name}"')
        obstacle = (
            ends
            or self._of_host(other)
            or self._of_parameters(node, other)
            or (_of_scale(node, other) if node.type == "Scale" else _of_batch_norm(node))
        )
        return MergeTarget(host, writer, top, obstacle)

    def _cuts_places(self, index: int, version: int) -> bool:
        """Whether a layer cuts rows or columns off that nobody wants."""
        node = self.graph.nodes[index]
        if node.type != "Slice" or not node.bottoms:
            return False
        p = node.param.slice_param
        axis = p.slice_dim if p.HasField("slice_dim") else p.axis
        margins = [v for v in self.wiring.tops[index] if v != version]
        readers = [[self.graph.nodes[i].type for i in self.wiring.readers[v]] for v in margins]
        return axis in (2, 3) and all(set(types) == {"Silence"} for types in readers)

    def _other_readers(self, index: int, version: int, reader: int) -> str:
        others = [i for i in self.wiring.readers[version] if i != reader]
        if not others:
            return ""
        name = self.graph.nodes[reader].bottoms[0]
        whose = "reads" if reader == index else "goes back to"
        return f'{whose} "{name}", as "{self.graph.nodes[others[0]].name}" does'

    def _of_host(self, other: Node) -> str:
        if len(other.bottoms) != 1 or len(other.tops) != 1 or any(other.param.loss_weight):
            return f'follows "{other.name}", a loss or not of one bottom and top'
        if linear_param(other.param).axis not in (
            (1,) if other.type == "InnerProduct" else (1, -3)
        ):
            return f'follows "{other.name}", whose outputs are not axis 1'
        return ""

    def _of_parameters(self, node: Node, other: Node) -> str:
        for layer in (node, other):
            for spec in layer.param.param:
                if spec.name in self.shared:
                    whose = "its" if layer is node else f"{other.name}'s"
                    return f'would change {whose} parameter "{spec.name}", which is shared'
        return ""


def _of_batch_norm(node: Node) -> str:
    p = node.param.batch_norm_param
    has_choice = p.HasField("use_global_stats")
    chosen = p.use_global_stats if has_choice else node.param.phase == caffe_pb2.TEST
    return "" if chosen else "normalises by each batch's own statistics"


def _of_scale(node: Node, other: Node) -> str:
    p = node.param.scale_param
    if p.num_axes == 0:
        return ""
    flat = other.type == "InnerProduct"  # its top has the axes batch and channel alone
    channels = p.axis in ((1, -1) if flat else (1, -3))
    alone = p.num_axes == 1 or (p.num_axes == -1 and flat)
    return "" if channels and alone else "does not scale channels alone"
