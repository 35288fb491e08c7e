"""A net made ready to be written for others: what is known of it, and that nothing computes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from support.nets import detector_text, write_detector
from support.prototxts import INPUT, conv, layer, parse_graph, random_weights

from ssd_data import load_engine
from ssd_data.core.errors import InputError
from ssd_data.evaluation.compare import compare_nets
from ssd_data.evaluation.reasons import opencv_reasons
from ssd_data.nets.caffemodel import write_caffemodel
from ssd_data.nets.edit.canonical import canonical
from ssd_data.nets.matching import TrainedNet
from ssd_data.nets.prepare import prepare
from ssd_data.nets.preprocessing import Preprocessing
from ssd_data.nets.prototxt import to_text
from ssd_data.nets.sizes import map_sizes

PREPARE = Preprocessing((127.5, 127.5, 127.5), 0.007843)


def test_what_is_known_of_a_prepared_net(tmp_path: Path) -> None:
    deploy, weights = write_detector(tmp_path)
    net = prepare(deploy, weights, PREPARE)
    assert (net.shape, net.size) == ((1, 3, 64, 64), (64, 64))
    assert net.boxes.shape == net.variances.shape == (16 * 16 * 2 + 8 * 8 * 2, 4)
    assert (net.head.locations, net.head.confidences, net.head.activation) == (
        "loc", "conf", "softmax",
    )  # fmt: skip
    assert net.settings()["variances"] == [0.1, 0.1, 0.2, 0.2]
    assert net.notes == ["2 BatchNorm and Scale merged"]
    assert "BatchNorm" in {node.type for node in net.given.graph.nodes}
    assert "BatchNorm" not in {node.type for node in net.merged.graph.nodes}
    assert net.ending.graph.outputs == ["loc", "conf"]
    assert {node.type for node in net.ending.graph.nodes} == {
        "Input", "Convolution", "ReLU", "Permute", "Flatten", "Concat",
    }  # fmt: skip
    assert {layer.name for layer in net.ending.layers} == {
        "conv1", "conv2", "loc1", "conf1", "loc2", "conf2",
    }  # fmt: skip
    assert net.canonical.graph.nodes[1].where == f'{deploy}:5 (layer "conv1")'


def test_relu6_gives_way_to_other_layers(tmp_path: Path) -> None:
    deploy, weights = write_detector(tmp_path)
    deploy.write_text(detector_text().replace('"relu2" type: "ReLU"', '"relu2" type: "ReLU6"'))
    net = prepare(deploy, weights, PREPARE)
    assert net.without_relu6("keep") is net
    for how, types in (("relu", ["ReLU"]), ("layers", ["ReLU", "Power", "ReLU", "Eltwise"])):
        other = net.without_relu6(how)
        nodes = [node for node in other.canonical.graph.nodes if node.name.startswith("relu2")]
        assert [node.type for node in nodes] == types
        assert {node.where for node in nodes} == {f'{deploy}:13 (layer "relu2")'}
        assert len(other.notes) == len(net.notes) + 1


def test_nothing_is_computed(tmp_path: Path) -> None:
    """In a process without PyTorch and ONNX."""
    deploy, weights = write_detector(tmp_path)
    program = """
import sys
from pathlib import Path
sys.modules["torch"] = sys.modules["onnx"] = sys.modules["onnxruntime"] = None
from ssd_data.nets.prepare import prepare
from ssd_data.nets.preprocessing import Preprocessing
net = prepare(*map(Path, sys.argv[1:]), Preprocessing((0, 0, 0)))
print(len(net.boxes))
"""
    call = [sys.executable, "-c", program, str(deploy), str(weights)]
    done = subprocess.run(call, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == 640


@pytest.mark.parametrize(
    ("old", "new", "wrong"),
    [
        ('bottom: "priors" top', 'bottom: "loc" top', "the priors come from a Concat"),
        ('type: "DetectionOutput"', 'type: "Silence"', "the net has no DetectionOutput"),
        ('top: "detection_out"', "", "has no top for its detections"),
        ("min_size: 12 ", "min_size: 0 ", "min_size and max_size must be positive"),
    ],
)
def test_what_cannot_be_prepared(tmp_path: Path, old: str, new: str, wrong: str) -> None:
    deploy, weights = write_detector(tmp_path)
    assert old in deploy.read_text()
    deploy.write_text(deploy.read_text().replace(old, new))
    with pytest.raises(InputError, match=wrong):
        prepare(deploy, weights, PREPARE)


def test_variances_of_their_own(tmp_path: Path) -> None:
    deploy, weights = write_detector(tmp_path)
    text = deploy.read_text().replace("variance: 0.1 variance: 0.1", "variance: 0.3 variance: 0.1")
    deploy.write_text(text.replace("variance: 0.3", "variance: 0.1", 1))
    net = prepare(deploy, weights, PREPARE)
    assert np.unique(net.variances[:, 0]).tolist() == np.float32([0.1, 0.3]).tolist()
    assert len(net.settings()["variances"]) == len(net.boxes)


def test_what_readers_know_in_one_form_alone(tmp_path: Path) -> None:
    """Equal nets, of which OpenCV computes the second as it is meant."""
    text = INPUT % "dim: 1 dim: 3 dim: 8 dim: 8" + conv("c", "data", "c")
    text += layer("LRN", "n", "c", "n", "lrn_param { local_size: 3 alpha: 2 beta: 0.5 k: 4 }")
    turned = "inner_product_param { num_output: 3 transpose: true }"
    graph = parse_graph(text + layer("InnerProduct", "i", "n", "i", turned))
    trained = TrainedNet(graph, random_weights(graph))
    made, notes = canonical(trained, map_sizes(graph))
    assert [node.type for node in made.graph.nodes] == [
        "Input", "Convolution", "LRN", "Power", "InnerProduct",
    ]  # fmt: skip
    assert [made.graph.nodes[i].where for i in (2, 3)] == [graph.nodes[2].where] * 2
    assert not opencv_reasons(made.graph)
    assert len(opencv_reasons(graph)) == len(notes) == 2
    assert all(found.relative < 1e-5 for found in compare_nets(trained, made))
    batch = np.random.default_rng(0).normal(size=(1, 3, 8, 8)).astype(np.float32)
    deploy, weights = tmp_path / "n.prototxt", tmp_path / "n.caffemodel"
    deploy.write_text(to_text(made.graph.net))
    write_caffemodel(weights, made.graph.net, made.layers)
    ours, theirs = (
        load_engine(n, deploy, weights).forward(batch)["i"] for n in ("torch", "opencv")
    )
    np.testing.assert_allclose(theirs, ours, atol=1e-4)
