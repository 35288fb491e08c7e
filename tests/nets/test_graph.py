"""What a graph answers: who reads what, and which part of it computes a blob."""

from __future__ import annotations

import numpy as np

from ssd_data.nets.caffemodel import LayerWeights
from ssd_data.nets.graph import Graph, parse_graph
from ssd_data.nets.matching import TrainedNet


def layer(kind: str, name: str, bottoms: str, top: str, rest: str = "") -> str:
    read = " ".join(f'bottom: "{b}"' for b in bottoms.split())
    return f'layer {{ name: "{name}" type: "{kind}" {read} top: "{top}" {rest} }}\n'


def graph() -> Graph:
    """x, a convolution of it that a ReLU overwrites, and two readers: one before, one behind."""
    text = layer("Input", "x", "", "x", "input_param { shape { dim: 1 dim: 2 dim: 8 dim: 8 } }")
    text += layer("Convolution", "c", "x", "c", "convolution_param { kernel_size: 1 }")
    text += layer("Power", "early", "c", "early")
    text += layer("ReLU", "r", "c", "c") + layer("Power", "late", "c", "late")
    return parse_graph(text)


def test_each_version_of_a_blob_has_its_own_readers() -> None:
    found = graph()
    wiring = found.wiring()
    first, second = wiring.tops[1][0], wiring.tops[3][0]
    assert wiring.readers[first] == [2, 3]
    assert wiring.readers[second] == [4]
    assert wiring.last["c"] == second
    assert found.outputs == wiring.unread() == ["early", "late"]


def test_the_part_that_computes_a_blob() -> None:
    found = graph()
    assert found.needed(["early"]) == [0, 1, 2]
    assert found.needed(["late"]) == [0, 1, 3, 4]
    assert found.needed(["late"], without=[3]) == [0, 1, 4]
    part = found.part(["c"])
    assert [node.name for node in part.nodes] == ["x", "c", "r"]
    assert [param.name for param in part.net.layer] == ["x", "c", "r"]
    assert (part.inputs, part.outputs) == (["x"], ["c"])
    assert part.nodes[1].where == found.nodes[1].where


def test_a_part_keeps_its_own_arrays_where_names_occur_twice() -> None:
    text = layer("Input", "x", "", "x", "input_param { shape { dim: 1 } }")
    text += layer("Scale", "s", "x", "a") + layer("Scale", "s", "x", "b")
    arrays = [LayerWeights("s", "Scale", [np.float32([i])]) for i in (1, 2)]
    net = TrainedNet(parse_graph(text), arrays)
    assert [array.arrays[0].tolist() for array in net.part(["b"]).layers] == [[2]]
    assert net.arrays()[1] is arrays[0]
