"""The Split layers that Caffe puts behind a blob that several layers read.

Its own snapshots hold them, so ours do; nothing else needs them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from copy import deepcopy

from ssd_data.nets.graph import Node, wire
from ssd_data.proto import caffe_pb2

Layers = list[caffe_pb2.LayerParameter]


def with_splits(nodes: Sequence[Node]) -> list[Layers]:
    """Each layer with its bottoms renamed, and behind it the Split layers of its tops.

    Names and order are Caffe's (``InsertSplits`` in ``src/caffe/util/insert_splits.cpp``). A top
    with a loss weight of its own counts as read once more; the weight moves to its Split.

    Args:
        nodes: those of one phase, each bottom a top of one before it.
    """
    wiring = wire(nodes)
    weights = {
        version: weight
        for node, tops in zip(nodes, wiring.tops, strict=True)
        for version, weight in zip(tops, node.param.loss_weight, strict=False)
        if weight
    }
    readers = [len(found) + (version in weights) for version, found in enumerate(wiring.readers)]
    taken = Counter(weights.keys())  # of each version: how many of its Split's tops are in use
    groups = []
    for index, node in enumerate(nodes):
        own = deepcopy(node.param)
        for k, version in enumerate(wiring.bottoms[index]):
            if readers[version] > 1:
                writer = wiring.writers[version]
                place = wiring.tops[writer].index(version)
                stem = _name(node.bottoms[k], nodes[writer], place)
                own.bottom[k] = f"{stem}_{taken[version]}"
                taken[version] += 1
        group = [own]
        for j, version in enumerate(wiring.tops[index]):
            if readers[version] > 1:
                top, weight = node.tops[j], weights.get(version, 0.0)
                group.append(_split(_name(top, node, j), top, readers[version], weight))
                if weight:
                    own.ClearField("loss_weight")
        groups.append(group)
    return groups


def _name(blob: str, writer: Node, place: int) -> str:
    return f"{blob}_{writer.name}_{place}_split"


def _split(name: str, bottom: str, count: int, weight: float) -> caffe_pb2.LayerParameter:
    return caffe_pb2.LayerParameter(
        name=name,
        type="Split",
        bottom=[bottom],
        top=[f"{name}_{k}" for k in range(count)],
        loss_weight=[weight, *[0.0] * (count - 1)] if weight else [],
    )
