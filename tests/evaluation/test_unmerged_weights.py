"""Weights with BatchNorm for a net without it: the commands that detect say what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from ssd_data.core.errors import InputError
from ssd_data.engines import load_engine
from ssd_data.engines.torch.net import Net
from ssd_data.nets.graph import parse_graph

START = 'input: "data" input_shape { dim: 1 dim: 3 dim: 8 dim: 8 }\n'
CONV = """layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
  convolution_param { num_output: 2 kernel_size: 1 %s } }
"""
NORM = 'layer { name: "conv/bn" type: "BatchNorm" bottom: "conv" top: "conv" }\n'


def test_the_error_names_merge_bn(tmp_path: Path) -> None:
    unmerged = parse_graph(START + CONV % "bias_term: false" + NORM)
    Net(unmerged).save(tmp_path / "x.caffemodel")
    deploy = tmp_path / "deploy.prototxt"
    deploy.write_text(START + CONV % "")
    with pytest.raises(InputError, match="1 arrays in the file, 2 in the net") as error:
        load_engine("torch", deploy, tmp_path / "x.caffemodel")
    assert "merge-bn" in error.value.hint
    assert "--unmerged" in error.value.hint
