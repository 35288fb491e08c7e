"""``ssd-data model --summary``: counted by hand, and the receptive field as gradients show it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import ROOT

from ssd_data import families
from ssd_data.core.registry import FAMILIES
from ssd_data.engines.torch.net import Net
from ssd_data.engines.torch.summary import summarise
from ssd_data.nets.graph import parse_graph, to_graph

NET = """
force_backward: true
layer { name: "in" type: "Input" top: "x" input_param { shape { dim: 2 dim: 4 dim: 60 dim: 80 } } }
layer { name: "c1" type: "Convolution" bottom: "x" top: "c1" convolution_param {
  num_output: 6 group: 2 kernel_h: 3 kernel_w: 5 stride_h: 1 stride_w: 2 dilation: 2 } }
layer { name: "bn" type: "BatchNorm" bottom: "c1" top: "c1" }
layer { name: "sc" type: "Scale" bottom: "c1" top: "c1" scale_param { bias_term: true } }
layer { name: "pool" type: "Pooling" bottom: "c1" top: "pool"
  pooling_param { pool: AVE kernel_size: 3 stride: 2 } }
layer { name: "same1" type: "Convolution" bottom: "pool" top: "s1" param { name: "w" }
  convolution_param { num_output: 6 kernel_size: 3 pad: 1 bias_term: false } }
layer { name: "same2" type: "Convolution" bottom: "s1" top: "s2" param { name: "w" }
  convolution_param { num_output: 6 kernel_size: 3 pad: 1 bias_term: false } }
layer { name: "sum" type: "Eltwise" bottom: "pool" bottom: "s2" top: "sum" }
layer { name: "up" type: "Deconvolution" bottom: "sum" top: "up"
  convolution_param { num_output: 2 group: 2 kernel_size: 4 stride: 2 pad: 1 } }
layer { name: "flat" type: "Flatten" bottom: "sum" top: "flat" }
layer { name: "fc" type: "InnerProduct" bottom: "flat" top: "fc"
  inner_product_param { num_output: 3 } }
layer { name: "p1" type: "PriorBox" bottom: "sum" bottom: "x" top: "p1"
  prior_box_param { min_size: 8 max_size: 18 aspect_ratio: 2 flip: true } }
layer { name: "p2" type: "PriorBox" bottom: "up" bottom: "x" top: "p2"
  prior_box_param { min_size: 4 } }
"""


def test_counted_by_hand() -> None:
    found = summarise(parse_graph(NET))
    rows = {row.name: row for row in found.layers}
    assert rows["c1"].shapes == [(2, 6, 56, 36)]
    assert rows["c1"].parameters == 6 * 2 * 15 + 6
    assert rows["c1"].multiply_adds == 2 * 56 * 36 * 6 * 2 * 15
    assert (rows["bn"].parameters, rows["sc"].parameters) == (0, 12)
    assert rows["pool"].shapes == [(2, 6, 28, 18)]
    assert (rows["same1"].parameters, rows["same2"].parameters) == (6 * 6 * 9, 0)
    assert rows["same2"].multiply_adds == 2 * 28 * 18 * 6 * 6 * 9
    assert rows["up"].shapes == [(2, 2, 56, 36)]
    assert rows["up"].multiply_adds == 2 * 28 * 18 * 6 * 16
    assert rows["fc"].multiply_adds == 2 * 3 * 6 * 28 * 18
    assert rows["fc"].parameters == 3 * 6 * 28 * 18 + 3
    assert found.parameters == sum(r.parameters for r in found.layers)
    first, second = found.priors
    assert (first.blob, first.map, first.count) == ("sum", (28, 18), 28 * 18 * 4)
    assert [tuple(round(v, 3) for v in size) for size in first.sizes] == [
        (8, 8), (12, 12), (11.314, 5.657), (5.657, 11.314),
    ]  # fmt: skip
    assert (first.stride, second.stride) == ((2, 4), (1, 2))
    assert found.prior_count == 28 * 18 * 4 + 56 * 36


def test_nothing_is_computed_or_held() -> None:
    huge = NET.replace("dim: 2 dim: 4 dim: 60 dim: 80", "dim: 9 dim: 4 dim: 6000 dim: 8000")
    huge = re.sub(r'layer \{ name: "fc".*?\n.*?\n', "", huge)
    assert summarise(parse_graph(huge)).multiply_adds > 5e10


@pytest.mark.parametrize(("blob", "prior"), [("sum", 0), ("up", 1)])
def test_a_place_depends_on_the_field_and_on_no_more(blob: str, prior: int) -> None:
    row = summarise(parse_graph(NET)).priors[prior]
    net = Net(parse_graph(NET), "TEST")
    for layer in net.steps:
        for param in layer.params:
            param.data[...] = 1
    net.forward(x=np.ones(net.blobs["x"].shape))
    # Two by two places, since a deconvolution's four are not alike: the field is the largest's.
    seen = []
    height, width = row.map
    for y in (height // 2, height // 2 + 1):
        for x in (width // 2, width // 2 + 1):
            for name in ("fc", "up", "sum", "flat"):
                net.blobs[name].diff[...] = 0
            net.blobs[blob].diff[0, 0, y, x] = 1
            net.backward(start="up" if blob == "up" else "sum")
            hit = np.argwhere(net.blobs["x"].diff[0].any(0))
            seen.append(hit.max(0) - hit.min(0) + 1)
    # Along the second axis the window is dilated and strided: ends count, not what lies between.
    assert tuple(np.max(seen, 0)) == row.field


def three_digits(value: float) -> str:
    return f"{value:#.3g}".rstrip(".")


@pytest.mark.parametrize("family", FAMILIES.names())
def test_the_table_of_the_docs(family: str) -> None:
    page = (ROOT / "docs" / "families.md").read_text("utf-8")
    lines = [line.strip("| ").split(" | ") for line in page.splitlines() if line.count("|") == 8]
    name, seen = "", {}
    for row in lines:
        cells = [cell.strip("` |") for cell in row]
        if len(cells) == 6:  # the family's name is above
            cells.insert(0, "")
        name = cells[0] or name
        if name == family:
            seen[cells[1]] = cells[2:]
    module = FAMILIES.load(family)
    assert list(seen) == list(module.VARIANTS)
    for variant, (side, parameters, adds, _, total) in seen.items():
        classes = 2 if family.startswith(("sfd", "face")) else 21
        model = families.generate(family, classes, variant=variant)
        found = summarise(to_graph(model.nets["deploy"]))
        assert f"{model.settings.size[0]}" == side
        assert f"{three_digits(found.parameters / 1e6)} M" == parameters
        assert f"{three_digits(found.multiply_adds / 1e9)} G" == adds
        assert f"{found.prior_count:,}" == total


def test_the_command(run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    call = ["model", "mobilenet_ssd", "--num-classes", "4", "--summary"]
    shown = run(*call)
    assert shown.status == 0
    assert not list(tmp_path.iterdir())  # nothing is written
    lines = shown.out.splitlines()
    assert lines[0].split() == ["layer", "type", "output", "parameters", "multiply-adds"]
    assert any(re.match(r"conv0 +Convolution +1x32x150x150 +896 +19,440,000", s) for s in lines)
    assert re.match(r"all +1,917", lines[-1])
    table = run(*call, "--json").json
    assert table["priors"][0]["map"] == [19, 19]
    assert run(*call, "-q").out == ""
    both = run(*call, "-o", "net", "--json").json
    assert both["summary"] == table
    named = run("model", "net/deploy.prototxt", "--summary", "--json").json
    assert named == {**table, "name": named["name"]}
    assert "net/deploy.prototxt" in run(*call, "-o", "net", "--redo").out


def test_what_does_not_go_together(run: Any, tmp_path: Path) -> None:
    path = tmp_path / "x.prototxt"
    path.write_text("odd: 1 " + NET)
    assert '"odd: 1" is no field of a net' in run("model", str(path), "--summary").err
    assert run("model", str(path), "--summary", "--num-classes", "3").status == 2
    assert run("model", str(tmp_path / "none.prototxt"), "--summary").status == 1
    assert "Did you mean" in run("model", "mobilenet_sd", "--summary").err
    assert run("model", "mobilenet_ssd", "--summary").status == 2
