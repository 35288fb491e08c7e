"""The Split layers that Caffe puts behind a blob that several layers read.

Its own snapshots hold them, so ours do; nothing else needs them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from ssd_data.proto import caffe_pb2

Layers = list[caffe_pb2.LayerParameter]
_Top = tuple[int, int]  # index of a layer, and which of its tops


def with_splits(layers: Sequence[caffe_pb2.LayerParameter]) -> list[Layers]:
    """Each layer with its bottoms renamed, and behind it the Split layers of its tops.

    Names and order are Caffe's (``InsertSplits`` in ``src/caffe/util/insert_splits.cpp``). A top
    with a loss weight of its own counts as read once more; the weight moves to its Split.

    Args:
        layers: those of one phase, each bottom a top of one before it.
    """
    sources = _sources(layers)
    weighted = {
        (i, j): weight
        for i, layer in enumerate(layers)
        for j, weight in enumerate(list(layer.loss_weight)[: len(layer.top)])
        if weight
    }
    readers = Counter(top for own in sources for top in own) + Counter(weighted.keys())
    return _renamed(layers, sources, readers, weighted)


def _sources(layers: Sequence[caffe_pb2.LayerParameter]) -> list[list[_Top]]:
    """For each layer the top that each of its bottoms is; in place the last one of the name."""
    last: dict[str, _Top] = {}
    found = []
    for i, layer in enumerate(layers):
        found.append([last[bottom] for bottom in layer.bottom])
        last.update({top: (i, j) for j, top in enumerate(layer.top)})
    return found


def _renamed(
    layers: Sequence[caffe_pb2.LayerParameter],
    sources: list[list[_Top]],
    readers: Counter[_Top],
    weighted: dict[_Top, float],
) -> list[Layers]:
    taken = Counter(weighted.keys())  # of each top: how many of its Split's tops are in use
    groups = []
    for i, layer in enumerate(layers):
        own = caffe_pb2.LayerParameter()
        own.CopyFrom(layer)
        for k, source in enumerate(sources[i]):
            if readers[source] > 1:
                stem = f"{layer.bottom[k]}_{layers[source[0]].name}_{source[1]}_split"
                own.bottom[k] = f"{stem}_{taken[source]}"
                taken[source] += 1
        group = [own]
        for j, top in enumerate(layer.top):
            if readers[i, j] > 1:
                weight = weighted.get((i, j), 0.0)
                group.append(_split(f"{top}_{layer.name}_{j}_split", top, readers[i, j], weight))
                if weight:
                    own.ClearField("loss_weight")
        groups.append(group)
    return groups


def _split(name: str, bottom: str, count: int, weight: float) -> caffe_pb2.LayerParameter:
    return caffe_pb2.LayerParameter(
        name=name,
        type="Split",
        bottom=[bottom],
        top=[f"{name}_{k}" for k in range(count)],
        loss_weight=[weight, *[0.0] * (count - 1)] if weight else [],
    )
