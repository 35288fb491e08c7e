"""Nets with layers of forks, shipped: written as standard layers, proven, or refused by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.nets import detector_text

from ssd_data.core.errors import InputError
from ssd_data.deploy import DeployedNet, deploy
from ssd_data.engines import load_engine
from ssd_data.engines.torch.net import Net
from ssd_data.engines.torch.randomise import write_random_weights
from ssd_data.nets.channels import map_channels
from ssd_data.nets.edit.standard import REWRITERS, in_standard_layers
from ssd_data.nets.graph import parse_graph, read_graph
from ssd_data.nets.matching import TrainedNet
from ssd_data.nets.preprocessing import Preprocessing

PREPARE = Preprocessing((127.5, 127.5, 127.5), 0.007843)
BODY = [
    'type: "ShuffleChannel" shuffle_channel_param { group: 4 }',
    'type: "Swish" swish_param { beta: 0.5 }',
    'type: "HardSwish"',
    'type: "HardSigmoid"',
    'type: "Clip" clip_param { min: -0.25 max: 1.5 }',
    'type: "Mish"',
    'type: "AbsVal"',
]


def layer(number: int, text: str, bottoms: str = 'bottom: "conv1"', top: str = "conv1") -> str:
    return f'layer {{ name: "more{number}" {text} {bottoms} top: "{top}" }}\n'


def text(more: str) -> str:
    """The small detector, with layers behind the first map's ReLU."""
    made = detector_text()
    place = made.index('layer { name: "conv2"')
    return made[:place] + more + made[place:]


def all_of_them() -> str:
    """In place where they may be; an Upsample, an Axpy and both Reorgs on the way."""
    body = "".join(layer(i, one) for i, one in enumerate(BODY))
    body += layer(20, 'type: "Reorg" reorg_param { stride: 2 }', top="small")
    body += layer(
        21, 'type: "Reorg" reorg_param { stride: 2 reverse: true }', 'bottom: "small"', "back"
    )
    body += layer(
        22, 'type: "Pooling" pooling_param { kernel_size: 2 stride: 2 }', 'bottom: "back"', "half"
    )
    body += layer(23, 'type: "Upsample" upsample_param { scale: 2 }', 'bottom: "half"', "whole")
    body += layer(
        24, 'type: "Pooling" pooling_param { pool: AVE global_pooling: true }', top="each"
    )
    bottoms = 'bottom: "each" bottom: "whole" bottom: "conv1"'
    body += layer(25, 'type: "Axpy"', bottoms, "joined")
    return body


def write(folder: Path, more: str) -> tuple[Path, Path]:
    deploy_file, weights = folder / "given.prototxt", folder / "given.caffemodel"
    made = text(more)
    if 'top: "joined"' in more:
        made = made.replace('"Convolution" bottom: "conv1"', '"Convolution" bottom: "joined"')
    deploy_file.write_text(made)
    write_random_weights(deploy_file, weights)
    return deploy_file, weights


def ship(
    net: tuple[Path, Path], out: Path, profile: str, options: dict[str, Any] | None = None
) -> DeployedNet:
    return deploy(profile, *net, out, PREPARE, options=options)


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return write(tmp_path_factory.mktemp("net"), all_of_them())


@pytest.mark.parametrize("profile", ["caffe-ssd", "npu", "onnx"])
def test_every_profile_takes_them(net: tuple[Path, Path], tmp_path: Path, profile: str) -> None:
    made = ship(net, tmp_path / "out", profile)
    assert made.proofs
    assert made.proofs[0].compared > 10
    if profile != "onnx":
        types = {node.type for node in read_graph(tmp_path / "out" / "deploy.prototxt").nodes}
        assert not types & set(REWRITERS)
        readme = (tmp_path / "out" / "README.md").read_text()
        assert "1 Upsample written in standard layers" in readme


@pytest.mark.parametrize(
    ("profile", "module"),
    [("ascend", ""), ("ncnn", "ncnn"), ("mnn", "MNN"), ("openvino", "openvino")],
)
def test_every_runtime_takes_them(
    net: tuple[Path, Path], tmp_path: Path, profile: str, module: str
) -> None:
    if module:
        pytest.importorskip(module)
    made = ship(net, tmp_path / "out", profile)
    assert made.proofs
    assert made.proofs[0].compared > 10


def test_the_embedded_engine_reads_what_was_written(net: tuple[Path, Path], tmp_path: Path) -> None:
    made = ship(net, tmp_path / "out", "caffe-ssd")
    files = [tmp_path / "out" / name for name in made.files[1:3]]
    batch = np.random.default_rng(0).normal(size=(1, 3, 64, 64)).astype(np.float32)
    rows = [load_engine("torch", *f).forward(batch)["detection_out"][0, 0] for f in (net, files)]
    assert len(rows[0]) > 10
    np.testing.assert_allclose(rows[0], rows[1], atol=1e-5)


RESIZING = {"Upsample", "Reorg", "Axpy"}
PLACED = [(kind, False) for kind in REWRITERS] + [(k, True) for k in set(REWRITERS) - RESIZING]


@pytest.mark.parametrize(("kind", "in_place"), sorted(PLACED))
def test_each_computes_the_same(kind: str, in_place: bool) -> None:
    rest = {
        "Upsample": "upsample_param { scale_h: 3 scale_w: 2 }",
        "ShuffleChannel": "shuffle_channel_param { group: 4 }",
        "Reorg": "reorg_param { stride: 2 }",
        "Clip": "clip_param { min: -0.5 max: 0.5 }",
        "Swish": "swish_param { beta: 2 }",
    }.get(kind, "")
    bottoms = 'bottom: "x"' if kind != "Axpy" else 'bottom: "each" bottom: "x" bottom: "data"'
    top = "x" if in_place else "y"
    graph = parse_graph(
        'input: "data" input_shape { dim: 2 dim: 8 dim: 4 dim: 6 }\n'
        'layer { name: "a" type: "Power" bottom: "data" top: "x" power_param { scale: 2 } }\n'
        'layer { name: "each" type: "Pooling" bottom: "data" top: "each" pooling_param { '
        "pool: AVE global_pooling: true } }\n"
        f'layer {{ name: "it" type: "{kind}" {bottoms} top: "{top}" {rest} }}\n'
        f'layer {{ name: "z" type: "Power" bottom: "{top}" top: "z" power_param {{ shift: 1 }} }}\n'
    )
    made, notes = in_standard_layers(TrainedNet(graph, []))
    assert notes == [f"1 {kind} written in standard layers"]
    assert kind not in {node.type for node in made.graph.nodes}
    value = np.random.default_rng(0).normal(size=(2, 8, 4, 6)).astype(np.float32)
    theirs = Net(graph).forward(data=value)["z"]
    other = Net(made.graph)
    for weights in made.layers:
        other.params[weights.name][0].data[...] = weights.arrays[0]
    np.testing.assert_allclose(other.forward(data=value)["z"], theirs, atol=1e-5)


def test_a_net_without_them_stays_as_it_is() -> None:
    given = TrainedNet(parse_graph(detector_text()), [])
    assert in_standard_layers(given) == (given, [])


@pytest.mark.parametrize(
    ("more", "profile", "sentence"),
    [
        ('type: "Threshold"', "caffe-ssd", 'no layer of type "Threshold"'),
        ('type: "Threshold"', "npu", 'no layer of type "Threshold"'),
        ('type: "Filter" bottom: "conv1"', "onnx", 'type "Filter" cannot be written as ONNX'),
    ],
)
def test_what_a_target_lacks_is_named(
    tmp_path: Path, more: str, profile: str, sentence: str
) -> None:
    if "Filter" in more:
        bottoms = 'bottom: "conv1" bottom: "one"'
        body = layer(0, 'type: "Reduction" reduction_param { axis: 1 }', top="one")
        body += layer(1, 'type: "Filter"', bottoms, "joined")
    else:
        body = layer(0, more)
    with pytest.raises(InputError, match=sentence) as error:
        ship(write(tmp_path, body), tmp_path / "out", profile)
    assert '(layer "more' in str(error.value.where)
    assert not (tmp_path / "out").exists()


def test_channels() -> None:
    graph = parse_graph(
        'input: "data" input_shape { dim: 1 dim: 6 dim: 4 dim: 4 }\n'
        'layer { name: "c" type: "Convolution" bottom: "data" top: "c" convolution_param { '
        "num_output: 5 kernel_size: 1 } }\n"
        'layer { name: "j" type: "Concat" bottom: "c" bottom: "data" top: "j" }\n'
        'layer { name: "s" type: "Slice" bottom: "j" top: "s1" top: "s2" '
        "slice_param { slice_point: 4 } }\n"
        'layer { name: "r" type: "Reorg" bottom: "s1" top: "r" reorg_param { stride: 2 } }\n'
        'layer { name: "p" type: "Permute" bottom: "r" top: "p" permute_param { order: 0 } }\n'
        'layer { name: "q" type: "ReLU" bottom: "p" top: "q" }\n'
    )
    assert map_channels(graph) == {"data": 6, "c": 5, "j": 11, "s1": 4, "s2": 7, "r": 16}
