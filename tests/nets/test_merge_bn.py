"""BatchNorm and Scale merged: the same outputs, the text kept, and what cannot be merged stays."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.nets import write_detector
from support.prototxts import FOUR, bn, conv, layer, random_weights, scale

from ssd_data.core.errors import InputError, UsageError
from ssd_data.engines.torch.net import Net
from ssd_data.evaluation.compare import compare_nets
from ssd_data.nets.caffemodel import (
    Caffemodel,
    LayerWeights,
    read_caffemodel,
    to_bytes,
    write_caffemodel,
)
from ssd_data.nets.edit.merge_bn import Merge, merge_bn
from ssd_data.nets.edit.rewrite import merged_text
from ssd_data.nets.graph import Graph, parse_graph, read_graph
from ssd_data.nets.matching import TrainedNet
from ssd_data.nets.prototxt import to_text


def outputs(graph: Graph, layers: list[LayerWeights], seed: int = 1) -> dict[str, np.ndarray]:
    net = Net(graph)
    if layers:
        assert not net.copy_from(Caffemodel(layers)).new
    random = np.random.default_rng(seed)
    for name in net.inputs:
        net.blobs[name].data[...] = random.normal(0, 1, net.blobs[name].shape)
    return {name: np.array(value) for name, value in net.forward().items()}


def merged(text: str, seed: int = 0, eps: float | None = None) -> Merge:
    """Merge a net's text with random weights, and require the same outputs and the same text."""
    graph = parse_graph(text)
    layers = random_weights(graph, seed)
    merge = merge_bn(TrainedNet(graph, layers), eps)
    again = parse_graph(merged_text(text, graph, merge))
    assert to_text(again.net) == to_text(merge.merged.graph.net)
    before = outputs(merge.reference, layers)
    after = outputs(again, merge.merged.layers)
    assert before.keys() == after.keys()
    for name, value in before.items():
        assert np.abs(after[name] - value).max() <= 1e-5 * max(1, np.abs(value).max()), name
    return merge


def what(merge: Merge) -> list[str]:
    return [row.into or row.reason for row in merge.rows]


HOSTS = {
    "plain": ("Convolution", "convolution_param { num_output: 8 kernel_size: 3 %s }"),
    "depthwise": ("Convolution", "convolution_param { num_output: 4 kernel_size: 3 group: 4 %s }"),
    "depthwise, its own type": (
        "DepthwiseConvolution",
        "convolution_param { num_output: 4 kernel_size: 3 pad: 1 group: 4 %s }",
    ),
    "dilated, two groups": (
        "Convolution",
        "convolution_param { num_output: 6 kernel_size: 3 group: 2 dilation: 2 stride: 2 %s }",
    ),
    "deconvolution": (
        "Deconvolution",
        "convolution_param { num_output: 6 kernel_size: 2 stride: 2 %s }",
    ),
    "deconvolution, two groups": (
        "Deconvolution",
        "convolution_param { num_output: 6 kernel_size: 3 stride: 2 pad: 1 group: 2 %s }",
    ),
    "deconvolution, depthwise": (
        "Deconvolution",
        "convolution_param { num_output: 4 kernel_size: 4 stride: 2 group: 4 %s }",
    ),
    "inner product": ("InnerProduct", "inner_product_param { num_output: 5 %s }"),
    "inner product, transposed": (
        "InnerProduct",
        "inner_product_param { num_output: 5 transpose: true %s }",
    ),
}
AFTER = [
    ["BatchNorm"],
    ["BatchNorm", "Scale"],
    ["Scale"],
    ["Scale", "BatchNorm"],
    ["BatchNorm", "Scale", "Scale", "BatchNorm"],
]


@pytest.mark.parametrize("kind", HOSTS)
@pytest.mark.parametrize("after", AFTER, ids=" ".join)
@pytest.mark.parametrize("in_place", [True, False])
@pytest.mark.parametrize("bias", ["true", "false"])
def test_every_host(kind: str, after: list[str], in_place: bool, bias: str) -> None:
    name, parameters = HOSTS[kind]
    text = FOUR + layer(name, "host", "data", "t", parameters % f"bias_term: {bias}")
    top = "t"
    for i, folded in enumerate(after):
        new = top if in_place else f"t{i}"
        rest = "scale_param { bias_term: true }" if i % 2 else "batch_norm_param { eps: 0.01 }"
        text += layer(folded, f"{folded}{i}", top, new, rest)
        top = new
    text += layer("ReLU", "relu", top, top)
    merge = merged(text)
    assert what(merge) == ["host"] * len(after)
    assert [node.name for node in merge.merged.graph.nodes] == ["data", "host", "relu"]


def test_an_eps_for_all() -> None:
    text = FOUR + conv("c", "data", "c") + bn("b", "c", "c", "batch_norm_param { eps: 0.5 }")
    own, other = merged(text), merged(text, eps=1e-5)
    assert not np.allclose(own.merged.layers[0].arrays[0], other.merged.layers[0].arrays[0])
    assert other.reference.nodes[2].param.batch_norm_param.eps == np.float32(1e-5)


def test_a_factor_of_0_means_nothing_gathered() -> None:
    graph = parse_graph(FOUR + conv("c", "data", "c") + bn("b", "c", "c"))
    layers = random_weights(graph)
    layers[1].arrays[2][...] = 0
    merge = merge_bn(TrainedNet(graph, layers))
    before, after = outputs(graph, layers), outputs(merge.merged.graph, merge.merged.layers)
    np.testing.assert_allclose(after["c"], before["c"], rtol=1e-5, atol=1e-3)
    assert np.abs(before["c"]).max() > 100  # 1 / sqrt(eps): that is what Caffe gives


KEPT = {
    "first": (bn("b", "data", "b"), 'follows Input "data"'),
    "before a convolution with padding": (
        conv("c", "data", "c") + layer("ReLU", "r", "c", "c") + bn("b", "c", "c")
        + conv("d", "c", "d", "pad: 1"),
        'follows ReLU "r"',
    ),
    "after a concat": (
        conv("c", "data", "c") + conv("d", "data", "d")
        + layer("Concat", "cat", "c d", "cat") + bn("b", "cat", "cat"),
        'follows Concat "cat"',
    ),
    "its bottom is read before": (
        conv("c", "data", "c") + layer("ReLU", "r", "c", "r") + bn("b", "c", "b"),
        'reads "c", as "r" does',
    ),
    "its bottom is read before, in place": (
        conv("c", "data", "c") + layer("ReLU", "r", "c", "r") + bn("b", "c", "c"),
        'reads "c", as "r" does',
    ),
    "its bottom is read behind": (
        conv("c", "data", "c") + bn("b", "c", "b")
        + layer("Eltwise", "e", "c b", "e", "eltwise_param { operation: MAX }"),
        'reads "c", as "e" does',
    ),
    "the scale is a blob": (
        conv("c", "data", "c") + layer("Input", "s", "", "s", "input_param { shape { dim: 4 } }")
        .replace('bottom: ""', "")
        + layer("Scale", "x", "c s", "x"),
        "has 2 bottoms",
    ),
    "a scale of rows": (
        conv("c", "data", "c") + scale("s", "c", "c", "axis: 2"),
        "does not scale channels alone",
    ),
    "a scale of every value": (
        conv("c", "data", "c") + scale("s", "c", "c", "num_axes: -1"),
        "does not scale channels alone",
    ),
    "a batch's own statistics": (
        conv("c", "data", "c") + bn("b", "c", "c", "batch_norm_param { use_global_stats: false }"),
        "normalises by each batch's own statistics",
    ),
    "vectors in rows": (
        layer("InnerProduct", "i", "data", "i", "inner_product_param { num_output: 5 axis: 3 }")
        + bn("b", "i", "i"),
        'follows "i", whose outputs are not axis 1',
    ),
    "shared weights": (
        conv("c", "data", "c").replace("top:", 'param { name: "w" } top:')
        + conv("d", "data", "d").replace("top:", 'param { name: "w" } top:')
        + bn("b", "c", "c"),
        'would change c\'s parameter "w", which is shared',
    ),
    "a loss": (
        conv("c", "data", "c") + scale("s", "c", "s").replace("top:", "loss_weight: 1 top:"),
        "is a loss, or has not one top",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", KEPT)
def test_what_stays(case: str) -> None:
    text, reason = KEPT[case]
    merge = merged(FOUR + text)
    assert what(merge) == [reason]
    assert merged_text(FOUR + text, parse_graph(FOUR + text), merge) == FOUR + text


def test_scale_by_one_number_and_by_negative_axes() -> None:
    text = FOUR + conv("c", "data", "c", outputs=6) + scale("s", "c", "c", "num_axes: 0")
    text += scale("t", "c", "c", "axis: -3 num_axes: 1 bias_term: true")
    text += layer("InnerProduct", "i", "c", "i", "inner_product_param { num_output: 5 }")
    text += scale("u", "i", "i", "axis: -1") + scale("v", "i", "i", "num_axes: -1")
    assert what(merged(text)) == ["c", "c", "i", "i"]


def test_what_follows_a_kept_one_stays_too() -> None:
    merge = merged(
        FOUR + bn("b", "data", "b") + scale("s", "b", "b") + conv("c", "b", "c", "pad: 1")
    )
    assert what(merge) == ['follows Input "data"', 'follows BatchNorm "b"']


def test_a_chain_ends_where_another_reads() -> None:
    """The convolution's BatchNorm goes in; the Scale behind stays: a second layer reads before."""
    text = FOUR + conv("c", "data", "c") + bn("b", "c", "b") + scale("s", "b", "s")
    merge = merged(text + layer("ReLU", "r", "b", "r"))
    assert what(merge) == ["c", 'reads "b", as "r" does']


def test_layers_of_one_name_take_their_own_arrays() -> None:
    text = FOUR + conv("x", "data", "a") + bn("x", "a", "a") + scale("x", "a", "a")
    text += conv("x", "a", "b") + bn("x", "b", "b") + scale("x", "b", "b")
    merge = merged(text)
    assert what(merge) == ["x"] * 4
    assert [len(layer.arrays) for layer in merge.merged.layers] == [2, 2]


@st.composite
def nets(draw: Any) -> str:
    """Branching nets of all that can be merged and some that cannot, in place and not."""
    text, free, count = FOUR, ["data"], draw(st.integers(1, 9))
    for i in range(count):
        bottom = draw(st.sampled_from(free))
        kinds = ["conv", "depthwise", "BatchNorm", "Scale", "ReLU", "Eltwise", "BatchNorm", "Scale"]
        kind = draw(st.sampled_from(kinds))
        top = bottom if bottom != "data" and draw(st.booleans()) else f"t{i}"
        bias = draw(st.sampled_from(["true", "false"]))
        if kind in ("conv", "depthwise"):
            group = 4 if kind == "depthwise" else draw(st.sampled_from([1, 2]))
            rest = f"pad: 1 group: {group} bias_term: {bias}"
            text += conv(f"n{i}", bottom, top, rest)
        elif kind == "Eltwise":
            top = f"t{i}"
            text += layer(kind, f"n{i}", f"{bottom} {draw(st.sampled_from(free))}", top)
        elif kind == "Scale":
            text += scale(f"n{i}", bottom, top, f"bias_term: {bias}")
        else:
            text += layer(kind, f"n{i}", bottom, top)
        free = list(dict.fromkeys([*free, top]))
    return text


@given(nets(), st.integers(0, 1000))
@settings(max_examples=60)
def test_random_nets(text: str, seed: int) -> None:
    merged(text, seed)


def test_the_text_keeps_the_rest() -> None:
    text = """# a net of ours
name: 'net'  force_backward: false
layer { name: "data" type: "Input" top: "data"  # what comes in
  input_param { shape { dim: [1, 4, 7] dim: 7 } } }
layer < # a convolution
  type: "Convolution" name: "c # {" bottom: "data"
  convolution_param { kernel_size: [3] bias_term: 0  # none
    num_output: 4 weight_filler { type: "msra" } }
  top: 'c'   # its top
>
layer { name: "b" type: "BatchNorm" bottom: "c" top: "b" }   layer {
  name: "relu" type: "ReLU" bottom: "b" top: "b" some_quantize_param { bias_term: false } }
layer { name: "train" type: "Silence" bottom: "b" include { phase: TRAIN } }
# the end
"""
    graph = parse_graph(text)
    merge = merge_bn(TrainedNet(graph, random_weights(graph)))
    assert merged_text(text, graph, merge) == text.replace("'c'", '"b"').replace(
        "bias_term: 0 ", "bias_term: true "
    ).replace('layer { name: "b" type: "BatchNorm" bottom: "c" top: "b" }', "").replace(
        'layer { name: "train" type: "Silence" bottom: "b" include { phase: TRAIN } }\n', ""
    )


def test_a_text_that_cannot_be_edited_is_written_anew() -> None:
    text = FOUR + conv("c", "data", "c").replace('top: "c"', 'top: "" "c"') + bn("b", "c", "b")
    graph = parse_graph(text)
    merge = merge_bn(TrainedNet(graph, random_weights(graph)))
    assert parse_graph(merged_text(text, graph, merge)).outputs == ["b"]


def test_old_input_fields_stay() -> None:
    text = 'input: "data" input_dim: 1 input_dim: 4 input_dim: 5 input_dim: 5\n'
    text += conv("c", "data", "c", "bias_term: false") + bn("b", "c", "c")
    graph = parse_graph(text)
    merge = merge_bn(TrainedNet(graph, random_weights(graph)))
    assert merged_text(text, graph, merge).startswith('input: "data" input_dim: 1')


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda layers: layers.pop(0), "no arrays for it"),
        (lambda layers: layers.pop(1), "no arrays for it"),
        (lambda layers: layers[0].arrays[0].__setitem__((0, 0, 0, 0), np.nan), "1 values of its"),
        (lambda layers: layers[1].arrays[1].__setitem__(2, np.inf), "no numbers"),
        (lambda layers: layers[1].arrays[1].__setitem__(2, -1), "channel 2 has a variance"),
        (lambda layers: layers[1].arrays.pop(), "one factor"),
        (lambda layers: layers[1].arrays.__setitem__(0, np.zeros(3, np.float32)), "shape 3, 4, 1"),
        (lambda layers: layers[0].arrays.__setitem__(1, np.zeros(3, np.float32)), "3 biases"),
        (
            lambda layers: layers[0].arrays.__setitem__(0, np.zeros((3, 4, 3, 3), np.float32)),
            "weights of shape 3x4x3x3 do not fit 4 outputs",
        ),
        (lambda layers: layers[2].arrays.__setitem__(0, np.zeros(1, np.float32)), "shape 1, 4"),
    ],
)
def test_bad_weights(change: Any, said: str) -> None:
    graph = parse_graph(FOUR + conv("c", "data", "c") + bn("b", "c", "c") + scale("s", "c", "c"))
    layers = random_weights(graph)
    change(layers)
    with pytest.raises(InputError) as caught:
        merge_bn(TrainedNet(graph, layers))
    assert said in caught.value.what
    assert 'layer "' in caught.value.where


@pytest.mark.parametrize("eps", [-1.0, float("nan"), float("inf")])
def test_bad_eps(eps: float) -> None:
    with pytest.raises(UsageError):
        merge_bn(TrainedNet(parse_graph(FOUR + bn("b", "data", "b")), []), eps)


# ---- the command ----


@pytest.fixture
def small(tmp_path: Path) -> tuple[Path, Path]:
    """A net of one convolution with BatchNorm and Scale, and one BatchNorm that must stay."""
    text = FOUR + conv("c", "data", "c", "bias_term: false") + bn("b", "c", "c")
    text += scale("s", "c", "c") + layer("ReLU", "r", "c", "c") + bn("k", "c", "c")
    graph = parse_graph(text)
    (tmp_path / "deploy.prototxt").write_text(text)
    model = to_bytes(graph.net, random_weights(graph))
    (tmp_path / "net.caffemodel").write_bytes(model)
    return tmp_path / "deploy.prototxt", tmp_path / "net.caffemodel"


def test_the_command(run: Any, small: tuple[Path, Path], tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = run("merge-bn", *small, "-o", out)
    assert (done.status, done.err) == (0, "")
    lines = done.out.splitlines()
    assert lines[1] == "c      BatchNorm b, Scale s"
    assert lines[4] == 'k     BatchNorm  follows ReLU "r"'
    assert lines[6] == "2 of 3 merged, 1 kept"
    assert lines[7].startswith("largest difference to the net before, in c: ")
    assert lines[8] == f"done: {out / 'deploy.prototxt'}, {out / 'net.caffemodel'}"
    layers = read_caffemodel(out / "net.caffemodel").layers
    assert [layer.name for layer in layers] == ["c", "k"]
    assert not Net(out / "deploy.prototxt", "TEST").copy_from(out / "net.caffemodel").new
    assert run("merge-bn", *small, "-o", out).out == done.out  # it lies there already
    failed = run("merge-bn", *small, "-o", out, "--eps", "0.1")
    assert failed.status == 1
    assert "--redo" in failed.err
    assert run("merge-bn", *small, "-o", out, "--redo", "-q").out == ""
    assert run("merge-bn", *small, "-o", tmp_path, "--redo").status == 2  # onto itself
    done = run("merge-bn", *small, "-o", out, "--redo", "--json", "--eps", "0.1")
    assert done.json["rows"][0] == {"name": "b", "type": "BatchNorm", "into": "c", "reason": ""}
    same, own = done.json["differences"]["merged"], done.json["differences"]["own eps"]
    assert same[0]["largest"] < 1e-4 * same[0]["scale"]
    assert own[0]["largest"] > 1e-3 * own[0]["scale"]


def test_a_merge_that_is_not_the_same_is_not_written(
    run: Any,
    small: tuple[Path, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from ssd_data.nets.edit import merge_bn as module

    right = module._Host.apply
    monkeypatch.setattr(module._Host, "apply", lambda self, s, t: right(self, s * 1.01, t))
    done = run("merge-bn", *small, "-o", tmp_path / "out")
    assert done.status == 1
    assert "differs by" in done.err
    assert not (tmp_path / "out").exists()
    assert run("merge-bn", *small, "-o", tmp_path / "out", "--no-check").status == 0


def test_the_proof_takes_each_of_one_names_own_arrays() -> None:
    """Also where the first of that name is not needed for what is compared."""
    text = FOUR + conv("x", "data", "unused") + layer("PriorBox", "p", "unused data", "prior")
    text += conv("x", "data", "loc") + bn("b", "loc", "loc") + conv("y", "data", "conf")
    text += layer("DetectionOutput", "out", "loc conf prior", "out")
    graph = parse_graph(text)
    layers = random_weights(graph.part(["unused", "loc", "conf"]))
    merge = merge_bn(TrainedNet(graph, layers))
    found = compare_nets(TrainedNet(graph, layers), merge.merged)
    assert [difference.output for difference in found] == ["loc", "conf"]
    assert all(difference.relative < 1e-5 for difference in found)


def test_a_net_that_gives_nan_is_said(run: Any, small: tuple[Path, Path], tmp_path: Path) -> None:
    model = read_caffemodel(small[1])
    model["k"][1][...] = -1
    write_caffemodel(small[1], parse_graph(small[0].read_text()).net, model.layers)
    done = run("merge-bn", *small, "-o", tmp_path / "out")
    assert done.status == 1
    assert "no numbers" in done.err


# ---- a published net ----


def test_the_published_face_detector(shared: Path, tmp_path: Path) -> None:
    """Equal to the unmerged net; equal to its authors' merge only by their eps."""
    folder = shared / "models" / "sfd_mobilenetv2_mod11"
    graph = read_graph(folder / "deploy.prototxt")
    model = read_caffemodel(folder / "wider_iter_90000.caffemodel")
    theirs = read_caffemodel(folder / "deploy_no_bn.caffemodel")
    merge = merge_bn(TrainedNet(graph, model.layers))
    assert all(row.into for row in merge.rows)
    assert len(merge.rows) == 124
    by_theirs = merge_bn(TrainedNet(graph, model.layers), eps=1e-5)
    assert [x.name for x in by_theirs.merged.layers] == [x.name for x in theirs.layers]
    for ours, other in zip(by_theirs.merged.layers, theirs.layers, strict=True):
        for a, b in zip(ours.arrays, other.arrays, strict=True):
            assert np.abs(a - b).max() <= 1e-5 * np.abs(b).max(), ours.name
    pairs = zip(merge.merged.layers, theirs.layers, strict=True)
    far = [np.abs(a.arrays[0] - b.arrays[0]).max() for a, b in pairs]
    assert max(far) > 0.01


@pytest.mark.parametrize("value_range", [1.0, 128.0])
def test_the_published_face_detector_finds_the_same(shared: Path, value_range: float) -> None:
    folder = shared / "models" / "sfd_mobilenetv2_mod11"
    graph = read_graph(folder / "deploy.prototxt")
    layers = read_caffemodel(folder / "wider_iter_90000.caffemodel").layers
    names = ["mbox_loc-_", "mbox_conf_flatten"]
    merge = merge_bn(TrainedNet(graph, layers))
    nets = []
    for part, arrays in ((graph, layers), (merge.merged.graph, merge.merged.layers)):
        net = Net(part.part(names))
        net.copy_from(Caffemodel(arrays))
        picture = np.random.default_rng(0).uniform(-value_range, value_range, (1, 3, 320, 320))
        net.forward(data=picture)
        nets.append({name: np.array(net.blobs[name].data) for name in names})
    for name in names:
        scale = max(1, np.abs(nets[0][name]).max())
        assert np.abs(nets[0][name] - nets[1][name]).max() <= 1e-5 * scale


def test_opencv_finds_the_same(shared: Path, tmp_path: Path) -> None:
    """An independent judge: the merged net in OpenCV against the unmerged one, and the authors'."""
    folder = shared / "models" / "sfd_mobilenetv2_mod11"
    graph = read_graph(folder / "deploy.prototxt")
    merge = merge_bn(
        TrainedNet(graph, read_caffemodel(folder / "wider_iter_90000.caffemodel").layers)
    )
    text = merged_text((folder / "deploy.prototxt").read_text(), graph, merge)
    (tmp_path / "deploy.prototxt").write_text(text)
    write_caffemodel(tmp_path / "net.caffemodel", merge.merged.graph.net, merge.merged.layers)
    picture = np.random.default_rng(0).uniform(-128, 128, (1, 3, 320, 320)).astype(np.float32)
    found = []
    for prototxt, weights in (
        (folder / "deploy.prototxt", folder / "wider_iter_90000.caffemodel"),
        (tmp_path / "deploy.prototxt", tmp_path / "net.caffemodel"),
        (folder / "deploy_no_bn.prototxt", folder / "deploy_no_bn.caffemodel"),
    ):
        net = cv2.dnn.readNetFromCaffe(str(prototxt), str(weights))
        net.setInput(picture, "data")
        found.append(net.forward("mbox_conf_flatten"))
    assert np.abs(found[0] - found[1]).max() < 1e-5
    assert np.abs(found[0] - found[2]).max() > 1e-3


MARGIN = (
    conv("c", "data", "wide", "pad: 2 stride: 2 bias_term: false")
    + layer("Slice", "slice", "wide", "over", "slice_param { axis: 2 slice_point: 1 }").replace(
        'top: "over"', 'top: "over" top: "rows"'
    )
    + layer("Slice", "slice", "rows", "left", "slice_param { axis: 3 slice_point: 1 }").replace(
        'top: "left"', 'top: "left" top: "cut"'
    )
)
SILENCE = 'layer { name: "silence" type: "Silence" bottom: "over" bottom: "left" }\n'


@pytest.mark.parametrize("top", ["cut", "new"])
def test_a_margin_cut_off_as_tensorflow_pads(top: str) -> None:
    text = FOUR + MARGIN + bn("b", "cut", top) + scale("s", top, top) + SILENCE
    merge = merged(text + layer("ReLU", "r", top, top))
    assert what(merge) == ["c", "c"]
    assert list(merge.merged.graph.net.layer[3].top) == ["left", top]


def test_margins_that_someone_reads_stay() -> None:
    assert what(merged(FOUR + MARGIN + bn("b", "cut", "cut"))) == ['follows Slice "slice"']
    text = FOUR + MARGIN + bn("b", "cut", "cut") + SILENCE
    merge = merged(text + layer("ReLU", "r", "rows", "r"))
    assert what(merge) == ['goes back to "rows", as "r" does']
    text = text.replace("axis: 2 slice_point: 1", "axis: 1 slice_point: 1")
    assert what(merged(text)) == ['follows Slice "slice"']


# ---- nets that are merged already ----


def test_a_merged_prototxt_with_unmerged_weights(tmp_path: Path, run: Any) -> None:
    deploy, weights = write_detector(tmp_path)
    merged = run("merge-bn", deploy, weights, "-o", tmp_path / "merged")
    assert merged.status == 0, merged.err
    lean = tmp_path / "merged" / deploy.name, tmp_path / "merged" / weights.name
    found = run("merge-bn", lean[0], weights, "-o", tmp_path / "x")
    assert found.status == 1
    assert 'the caffemodel has 1 BatchNorm, such as "bn1", and the prototxt none' in found.err
    assert "trained with" in found.err
    found = run("merge-bn", deploy, lean[1], "-o", tmp_path / "x")
    assert found.status == 1
    assert "merged already; give its own prototxt" in found.err
    assert not (tmp_path / "x").exists()
    again = run("merge-bn", *lean, "-o", tmp_path / "again")
    assert again.status == 0, again.err
    assert "nothing to merge: the net has no BatchNorm" in again.out
    assert (tmp_path / "again" / deploy.name).read_text() == lean[0].read_text()
