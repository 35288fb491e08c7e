"""A layer type that is not there, or whose data is not, is named with file, line and layer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from support.nets import detector_text, write_detector
from support.prototxts import INPUT, conv, layer

DATA = {
    "Data": 'data_param { source: "nowhere_lmdb" batch_size: 2 backend: LMDB }',
    "AnnotatedData": 'data_param { source: "nowhere_lmdb" batch_size: 2 backend: LMDB }',
    "ImageData": 'image_data_param { source: "nowhere.txt" batch_size: 2 }',
}


@pytest.mark.parametrize("engine", ["torch", "onnxruntime", "opencv"])
def test_every_command_names_an_unknown_type(engine: str, tmp_path: Path, run: Any) -> None:
    deploy, weights = write_detector(tmp_path)
    text = detector_text().replace('"relu2" type: "ReLU"', '"relu2" type: "Strange"')
    deploy.write_text(text)
    line = text[: text.index('"relu2"')].count("\n") + 1
    mean, out = ["--mean", "0"], tmp_path / "out"
    picture = tmp_path / "p.png"
    assert cv2.imwrite(str(picture), np.zeros((64, 64, 3), np.uint8))
    commands = [
        ["model", deploy, "--summary"],
        ["time", deploy],
        ["parity", deploy, weights, "--engines", f"{engine},{engine}"],
        ["detect", deploy, weights, picture, *mean, "--engine", engine],
        ["merge-bn", deploy, weights, "-o", out],
        ["deploy", deploy, weights, *mean, "--profile", "npu", "-o", out],
    ]
    for command in commands[0 if engine == "torch" else 2 :]:
        found = run(*command)
        assert found.status == 1
        assert f'{deploy}:{line} (layer "relu2"): ' in found.err, command
        assert "Strange" in found.err
        assert "Traceback" not in found.err
    assert not out.exists()


@pytest.mark.parametrize("engine", ["torch", "opencv"])
@pytest.mark.parametrize(
    "layer_text",
    [
        'type: "VideoData" video_data_param { video_type: VIDEO video_file: "nowhere.mp4" }',
        'type: "ImageData" image_data_param { source: "nowhere.txt" batch_size: 1 }',
        'type: "WindowData" window_data_param { source: "nowhere.txt" batch_size: 1 }',
        'type: "MemoryData" memory_data_param { batch_size: 1 channels: 1 height: 1 width: 1 }',
    ],
)
def test_data_within_a_deploy_net(engine: str, layer_text: str, tmp_path: Path, run: Any) -> None:
    deploy, weights = write_detector(tmp_path)
    text = deploy.read_text()
    deploy.write_text(text + f'layer {{ name: "more" top: "more" {layer_text} }}\n')
    picture = tmp_path / "p.png"
    assert cv2.imwrite(str(picture), np.zeros((64, 64, 3), np.uint8))
    found = run("detect", deploy, weights, picture, "--mean", "0", "--engine", engine)
    assert found.status == 1
    line = text.count("\n") + 1
    assert f'{deploy}:{line} (layer "more"): ' in found.err


@pytest.mark.parametrize("kind", DATA)
def test_data_that_is_not_there(kind: str, tmp_path: Path, run: Any) -> None:
    path = tmp_path / "train.prototxt"
    text = layer(kind, "d", "", "data", f'top: "label" {DATA[kind]}').replace('bottom: ""', "")
    path.write_text("# a net\n" + text + conv("c", "data", "c"))
    found = run("time", path, "--phase", "train")
    assert found.status == 1
    assert f'{path}:2 (layer "d"): nowhere' in found.err, found.err
    for command in (["model", path, "--summary"], ["time", path]):  # by its deploy form
        found = run(*command)
        assert found.status == 1
        assert f'{path}:2 (layer "d"): ' in found.err, found.err
        assert "resize_param" in found.err


@pytest.mark.parametrize(
    ("kind", "hint"),
    [
        ("relu", "Did you mean ReLU?"),
        ("Convoluton", "Did you mean Convolution?"),
        ("DepthwiseConv", "Did you mean DepthwiseConvolution?"),
        ("SOFTMAX_LOSS", "Did you mean SoftmaxWithLoss?"),
        ("BN", "a BatchNorm and a Scale"),
        ("ConvolutionReLU", "write both"),
        ("Telepathy", "Known are"),
        ("PReLU7", "Known are"),
        ("DetectionCcpdOutput", "Known are"),
        ("BatchRenorm", "Known are"),
    ],
)
def test_suggestions_mean_the_same(kind: str, hint: str, tmp_path: Path, run: Any) -> None:
    path = tmp_path / "n.prototxt"
    path.write_text(INPUT % "dim: 1 dim: 3 dim: 8 dim: 8" + layer(kind, "x", "data", "x"))
    found = run("model", path, "--summary")
    assert f'{path}:2 (layer "x"): no layer type is called "{kind}"' in found.err
    assert hint in found.err
    assert ("Did you mean" in found.err) == ("mean" in hint)
