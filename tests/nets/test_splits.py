"""The Split layers and defaults that Caffe's own caffemodels hold."""

from __future__ import annotations

from google.protobuf import text_format

from ssd_data.engines.torch.net import Net
from ssd_data.nets.graph import parse_graph
from ssd_data.nets.splits import with_splits

INPUT = 'layer { name: "in" type: "Input" top: "x" input_param { shape { dim: 2 dim: 3 } } }\n'


def wiring(text: str) -> list[str]:
    """Each layer as ``name: bottoms > tops``, with loss weights behind a ``*``."""
    found = []
    for group in with_splits(parse_graph(text).nodes):
        for layer in group:
            weights = "".join(f" *{weight:g}" for weight in layer.loss_weight)
            tops = f"{' '.join(layer.bottom)} > {' '.join(layer.top)}"
            found.append(f"{layer.name}: {tops}{weights}")
    return found


def test_a_blob_that_one_layer_reads_stays() -> None:
    assert wiring(INPUT + 'layer { name: "a" type: "ReLU" bottom: "x" top: "y" }') == [
        "in:  > x",
        "a: x > y",
    ]


def test_a_blob_written_in_place_is_split_behind_its_last_writer() -> None:
    text = INPUT + "".join(
        f'layer {{ name: "{name}" type: "ReLU" bottom: "{bottom}" top: "{top}" }}\n'
        for name, bottom, top in [
            ("p", "x", "y"),
            ("q", "y", "y"),
            ("r", "y", "a"),
            ("s", "y", "b"),
        ]
    )
    assert wiring(text) == [
        "in:  > x",
        "p: x > y",
        "q: y > y",
        "y_q_0_split: y > y_q_0_split_0 y_q_0_split_1",
        "r: y_q_0_split_0 > a",
        "s: y_q_0_split_1 > b",
    ]


def test_a_loss_weight_moves_to_the_split_and_takes_its_first_top() -> None:
    text = INPUT + (
        'layer { name: "p" type: "Power" bottom: "x" top: "y" loss_weight: 2 }\n'
        'layer { name: "q" type: "Eltwise" bottom: "y" bottom: "y" top: "z" }\n'
    )
    assert wiring(text) == [
        "in:  > x",
        "p: x > y",
        "y_p_0_split: y > y_p_0_split_0 y_p_0_split_1 y_p_0_split_2 *2 *0 *0",
        "q: y_p_0_split_1 y_p_0_split_2 > z",
    ]


def test_what_the_set_up_of_a_layer_fills_in() -> None:
    text = INPUT + (
        'layer { name: "t" type: "Input" top: "t" input_param { shape { dim: 2 dim: 3 } } }\n'
        'layer { name: "n" type: "BatchNorm" bottom: "x" top: "n" param { lr_mult: 0 } }\n'
        'layer { name: "l" type: "EuclideanLoss" bottom: "n" bottom: "t" top: "l" }\n'
    )
    net = Net(parse_graph(text, "TRAIN"))
    before = text_format.MessageToString(net.graph.net)
    layers = {layer.name: layer for layer in net.to_proto().layer}
    assert [param.lr_mult for param in layers["n"].param] == [0, 0, 0]
    assert list(layers["l"].loss_weight) == [1]
    assert text_format.MessageToString(net.graph.net) == before
