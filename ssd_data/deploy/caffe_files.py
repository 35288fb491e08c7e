"""A net as the two files that readers of Caffe's take."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ssd_data.core.files.whole import write_whole
from ssd_data.nets.caffemodel import LayerWeights, write_caffemodel
from ssd_data.nets.graph import Graph
from ssd_data.nets.prototxt import to_text

DEPLOY, WEIGHTS = "deploy.prototxt", "net.caffemodel"
FILES = {DEPLOY: "the net", WEIGHTS: "its arrays, float32"}


def write_net(graph: Graph, layers: Sequence[LayerWeights], folder: Path) -> None:
    """Write :data:`FILES`; the net says nothing of phases, which readers need not know.

    Raises:
        OutputError: a file cannot be written.
    """
    net = type(graph.net)()
    net.CopyFrom(graph.net)
    net.ClearField("state")
    for layer in net.layer:
        layer.ClearField("phase")
    write_whole(folder / DEPLOY, to_text(net))
    write_caffemodel(folder / WEIGHTS, net, layers)
