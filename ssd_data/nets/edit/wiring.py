"""Which layer reads what which other one wrote, and which arrays belong to which layer.

A blob written in place has one name and several values, one after another: a *version* each.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from ssd_data.nets.caffemodel import LayerWeights
from ssd_data.nets.graph import Graph, Node


@dataclass(slots=True)
class Wiring:
    """The versions of a net's blobs; layers are meant by their index.

    Attributes:
        writers: for each version the layer that wrote it.
        readers: for each version the layers that read it, once a bottom.
        bottoms: for each layer the versions that it reads.
        tops: for each layer the versions that it writes.
    """

    writers: list[int] = field(default_factory=list)
    readers: list[list[int]] = field(default_factory=list)
    bottoms: list[list[int]] = field(default_factory=list)
    tops: list[list[int]] = field(default_factory=list)


def wire(graph: Graph) -> Wiring:
    """Follow every blob through the net."""
    wiring = Wiring()
    current: dict[str, int] = {}
    for index, node in enumerate(graph.nodes):
        wiring.bottoms.append([current[name] for name in node.bottoms])
        for version in wiring.bottoms[-1]:
            wiring.readers[version].append(index)
        wiring.tops.append([])
        for name in node.tops:
            current[name] = len(wiring.writers)
            wiring.tops[-1].append(len(wiring.writers))
            wiring.writers.append(index)
            wiring.readers.append([])
    return wiring


def shared_names(nodes: Iterable[Node]) -> set[str]:
    """Names of parameters (``param { name: … }``) that more than one layer uses."""
    counts = Counter(spec.name for node in nodes for spec in node.param.param if spec.name)
    return {name for name, count in counts.items() if count > 1}


def pair(
    nodes: Sequence[Node], layers: Iterable[LayerWeights]
) -> tuple[dict[int, LayerWeights], list[str]]:
    """Index of a layer → its arrays, and the names of those that no layer of the net takes.

    Several layers of one name are taken in their order; one of the array's own type goes first.
    """
    waiting: dict[str, list[int]] = {}
    for index, node in enumerate(nodes):
        waiting.setdefault(node.name, []).append(index)
    found: dict[int, LayerWeights] = {}
    left_out = []
    for layer in layers:
        free = waiting.get(layer.name)
        if not free:
            left_out.append(layer.name)
            continue
        index = next((i for i in free if nodes[i].type == layer.type), free[0])
        free.remove(index)
        found[index] = layer
    return found, left_out
