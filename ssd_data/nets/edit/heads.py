"""The layers that give a detector's confidences, found backwards through its net.

A confidence head is a Convolution whose outputs are ordered by prior, then by class: Permute to
(batch, height, width, outputs), Flatten and Concat make the row that MultiBoxLoss and
DetectionOutput read.
"""

from __future__ import annotations

from dataclasses import dataclass

from ssd_data.core.errors import InputError
from ssd_data.nets.edit.wiring import wire
from ssd_data.nets.graph import Graph, Node

_ENDS = ("MultiBoxLoss", "DetectionOutput")
_ORDER_KEPT = ("Permute", "Flatten", "Reshape", "Concat", "Softmax", "Sigmoid", "Split", "Dropout")


@dataclass(frozen=True, slots=True)
class Heads:
    """Attributes:
    layers: indices of the Convolutions, in the net's order.
    classes: ``num_classes``, with the background.
    others: layers between a head and the end whose outputs are not ordered by class.
    """

    layers: tuple[int, ...]
    classes: int
    others: tuple[Node, ...]


def find_heads(graph: Graph) -> Heads:
    """The confidence heads of a detector.

    Raises:
        InputError: the net has neither MultiBoxLoss nor DetectionOutput, they disagree about
            ``num_classes``, or no Convolution leads to them.
    """
    wiring = wire(graph)
    ends = [i for i, node in enumerate(graph.nodes) if node.type in _ENDS and len(node.bottoms) > 2]
    if not ends:
        raise InputError(
            "has neither MultiBoxLoss nor DetectionOutput: no detector",
            where=graph.origin,
            hint="Give the prototxt that the detector is trained with",
        )
    counts = {_classes(graph.nodes[i]) for i in ends}
    if len(counts) > 1:
        raise InputError(f"has layers of {sorted(counts)} num_classes", where=graph.origin)
    found: set[int] = set()
    others: dict[int, Node] = {}
    waiting = [wiring.writers[wiring.bottoms[i][1]] for i in ends]
    seen: set[int] = set()
    while waiting:
        index = waiting.pop()
        if index in seen:
            continue
        seen.add(index)
        node = graph.nodes[index]
        if node.type == "Convolution":
            found.add(index)
            continue
        if node.type not in _ORDER_KEPT or not _is_plain(node):
            others[index] = node
        waiting += [wiring.writers[version] for version in wiring.bottoms[index]]
    if not found:
        raise InputError("no Convolution leads to its confidences", where=graph.origin)
    return Heads(tuple(sorted(found)), counts.pop(), tuple(others.values()))


def _classes(node: Node) -> int:
    if node.type == "MultiBoxLoss":
        return node.param.multibox_loss_param.num_classes
    return node.param.detection_output_param.num_classes


def _is_plain(node: Node) -> bool:
    """A Permute must bring the outputs behind the places they are at."""
    return node.type != "Permute" or list(node.param.permute_param.order) == [0, 2, 3, 1]
