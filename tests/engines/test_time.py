"""``ssd-data time``: what it prints adds up; no figure is judged."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.nets import detector_text, write_detector

TRAINED = """
layer { name: "x" type: "Input" top: "x" top: "y"
  input_param { shape { dim: 2 dim: 3 } shape { dim: 2 dim: 1 } } }
layer { name: "drop" type: "Dropout" bottom: "x" top: "d" include { phase: TRAIN } }
layer { name: "fc" type: "InnerProduct" bottom: "x" top: "fc"
  inner_product_param { num_output: 1 } }
layer { name: "loss" type: "EuclideanLoss" bottom: "fc" bottom: "y" top: "loss" }
"""


def test_every_layer_and_their_sums(tmp_path: Path, run: Any) -> None:
    files = [str(path) for path in write_detector(tmp_path)]
    found = run("time", *files, "--iterations", "3", "--batch", "2", "--json").json
    assert (found["iterations"], found["batch"], found["phase"]) == (3, 2, "TEST")
    layers = {layer["name"]: layer for layer in found["layers"]}
    assert len(layers) == 28
    for side in ("forward", "backward"):
        assert found[side] == pytest.approx(sum(layer[side] for layer in found["layers"]))
    assert found["total"] == pytest.approx(3 * (found["forward"] + found["backward"]))
    # Backward is forced down to the first layer, though nothing here has a loss.
    assert layers["conv1"]["backward"] > 0
    assert layers["conv1"]["type"] == "Convolution"


def test_what_a_person_sees(tmp_path: Path, run: Any) -> None:
    deploy = tmp_path / "deploy.prototxt"
    deploy.write_text('engine: "MKLDNN" ' + detector_text())
    result = run("time", str(deploy), "--iterations", "1")
    lines = result.out.splitlines()
    assert lines[0].split() == ["layer", "type", "forward,", "ms", "backward,", "ms"]
    assert [line.split()[0] for line in lines[1:4]] == ["data", "conv1", "bn1"]
    assert lines[-3].split()[0] == "all"
    assert "the mean of 1, together" in lines[-1]
    assert "batch 1, cpu" in lines[-1]
    assert run("time", str(deploy), "random", "--iterations", "1", "-q").out == ""


def test_phases(tmp_path: Path, run: Any) -> None:
    path = tmp_path / "net.prototxt"
    path.write_text(TRAINED)
    names = [
        [
            x["name"]
            for x in run("time", str(path), "--iterations", "1", "--json", *more).json["layers"]
        ]
        for more in ((), ("--phase", "train"))
    ]
    assert names == [["x", "fc", "loss"], ["x", "drop", "fc", "loss"]]


def test_errors(tmp_path: Path, run: Any) -> None:
    path = tmp_path / "data.prototxt"
    path.write_text('layer { name: "d" type: "Data" top: "x" data_param { source: "none" } }')
    assert run("time", str(path)).status == 1
    deploy, _ = write_detector(tmp_path)
    assert "is missing" in run("time", str(deploy), "none.caffemodel").err
    assert run("time", str(deploy), "--iterations", "0").status == 2
    assert run("time", str(deploy), "--device", "cuda:77").status == 2
