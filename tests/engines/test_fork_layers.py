"""What forks write in Pooling and BatchNorm, in every engine, against NumPy."""

from __future__ import annotations

from importlib.util import find_spec
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from support.nets import detector_text, write_detector
from support.prototxts import INPUT, conv, layer, parse_graph

from ssd_data import load_engine
from ssd_data.core.errors import InputError, OutputError
from ssd_data.deploy import deploy as deploy_net
from ssd_data.engines.torch.net import Net
from ssd_data.engines.torch.randomise import write_random_weights
from ssd_data.nets.caffemodel import Caffemodel, LayerWeights, read_caffemodel, write_caffemodel
from ssd_data.nets.edit.merge_bn import merge_bn
from ssd_data.nets.matching import TrainedNet, with_scales
from ssd_data.nets.onnx.emit import emit
from ssd_data.nets.preprocessing import Preprocessing
from ssd_data.nets.prototxt import to_text

Array = np.ndarray
ENGINES = ("torch", "onnxruntime", "opencv")


def pooled(x: Array, size: int, stride: int, pad: int, down: bool, padded: bool | None) -> Array:
    """Pooling by its definition; ``padded``: whether a mean counts padding; None: the largest."""
    side = x.shape[2]
    count = (side + 2 * pad - size) / stride
    count = int(np.floor(count) if down else np.ceil(count)) + 1
    if pad and (count - 1) * stride >= side + pad:
        count -= 1
    made = np.zeros((*x.shape[:2], count, count))
    for i, j in product(range(count), repeat=2):
        (top, left), margin = (i * stride - pad, j * stride - pad), pad if padded else 0
        rows = range(max(top, 0), min(top + size, side))
        columns = range(max(left, 0), min(left + size, side))
        part = x[:, :, rows.start : rows.stop, columns.start : columns.stop]
        if padded is None:
            made[:, :, i, j] = part.max((2, 3))
            continue
        height, width = (min(at + size, side + margin) - max(at, -margin) for at in (top, left))
        made[:, :, i, j] = part.sum((2, 3)) / (height * width)
    return made


def pooling_net(side: int, rest: str) -> str:
    return INPUT % f"dim: 1 dim: 2 dim: {side} dim: {side}" + layer(
        "Pooling", "p", "data", "p", f"pooling_param {{ {rest} }}"
    )


@settings(max_examples=60, deadline=None)
@given(
    side=st.integers(3, 12),
    size=st.integers(1, 4),
    stride=st.integers(1, 4),
    pad=st.integers(0, 2),
    down=st.booleans(),
    padded=st.sampled_from([None, True, False]),
)
def test_pooling_in_torch_and_onnx(
    side: int, size: int, stride: int, pad: int, down: bool, padded: bool | None
) -> None:
    assume(pad < size <= side)
    reaches = (side + 2 * pad - size) / stride
    assume(int(np.floor(reaches) if down else np.ceil(reaches)) * stride - pad < side)
    kind = "MAX" if padded is None else "AVE"
    words = f"pool: {kind} kernel_size: {size} stride: {stride} pad: {pad} "
    words += "ceil_mode: false " if down else ""
    words += "count_include_pad: false" if padded is False else ""
    graph = parse_graph(pooling_net(side, words))
    x = np.random.default_rng(0).normal(size=(1, 2, side, side)).astype(np.float32)
    net = Net(graph)
    expected = pooled(x, size, stride, pad, down, padded)
    np.testing.assert_allclose(net.forward(data=x)["p"], expected, atol=1e-5)
    made = emit(TrainedNet(graph, []), ["p"], x.shape, reserved=["p"])
    from ssd_data.engines.onnxruntime import open_session

    model = made.emission.model({"data": made.input}, made.blobs)
    (found,) = open_session(model.SerializeToString()).run(["p"], {made.input.name: x})
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("word", ["round_mode: FLOOR", "ceil_mode: false"])
def test_each_forks_word_for_rounding_down(word: str, tmp_path: Path) -> None:
    deploy, weights = tmp_path / "n.prototxt", tmp_path / "n.caffemodel"
    text = INPUT % "dim: 1 dim: 3 dim: 30 dim: 30" + conv("c", "data", "c", "pad: 1")
    text += layer("Pooling", "p", "c", "p", f"pooling_param {{ {word} kernel_size: 3 stride: 2 }}")
    deploy.write_text(text)
    write_random_weights(deploy, weights)
    batch = np.random.default_rng(0).normal(size=(1, 3, 30, 30)).astype(np.float32)
    answers = [load_engine(name, deploy, weights).forward(batch)["p"] for name in ENGINES]
    if find_spec("ncnn"):
        answers.append(load_engine("ncnn", deploy, weights).forward(batch)["p"])
    assert {answer.shape for answer in answers} == {(1, 4, 14, 14)}
    for answer in answers[1:]:
        np.testing.assert_allclose(answer, answers[0], atol=1e-4)
    assert "ceil_mode: false" in to_text(parse_graph(text).net)


def test_words_that_contradict_one_another() -> None:
    for words in ("round_mode: CEIL ceil_mode: false", "ceil_mode: true round_mode: FLOOR"):
        with pytest.raises(InputError, match=r'layer "p"\): .* contradict one another'):
            parse_graph(pooling_net(8, f"kernel_size: 2 {words}"))
    plain = parse_graph(pooling_net(8, "kernel_size: 2 round_mode: CEIL count_include_pad: false"))
    assert to_text(plain.nodes[1].param.pooling_param) == "kernel_size: 2\n"


def test_what_a_reader_cannot_do_is_refused(tmp_path: Path) -> None:
    deploy, weights = tmp_path / "n.prototxt", tmp_path / "n.caffemodel"
    text = INPUT % "dim: 1 dim: 3 dim: 8 dim: 8" + conv("c", "data", "c")
    words = "pool: AVE kernel_size: 3 pad: 1 avg_include_pad: false"
    deploy.write_text(text + layer("Pooling", "p", "c", "p", f"pooling_param {{ {words} }}"))
    write_random_weights(deploy, weights)
    with pytest.raises(InputError, match=r'layer "p"\): OpenCV.*no count_include_pad: false'):
        load_engine("opencv", deploy, weights)
    with pytest.raises(InputError, match=r'layer "p"\): the SSD branch.*no count_include_pad'):
        load_engine("caffe", deploy, weights)
    deploy.write_text(deploy.read_text().replace("avg_include_pad", "ceil_mode"))
    with pytest.raises(InputError, match=r'layer "p"\): the SSD branch.*no ceil_mode: false'):
        load_engine("caffe", deploy, weights)


def floor_detector(folder: Path, more: str = "") -> tuple[Path, Path]:
    deploy, weights = write_detector(folder)
    pool = f"pooling_param {{ kernel_size: 3 stride: 2 ceil_mode: false {more} }}"
    text = detector_text().replace('bottom: "conv1" top: "conv2"', 'bottom: "pool" top: "conv2"')
    at = text.index('layer { name: "conv2"')
    deploy.write_text(text[:at] + layer("Pooling", "pool", "conv1", "pool", pool) + text[at:])
    return deploy, weights


def test_every_profile_writes_pooling_that_rounds_down(tmp_path: Path) -> None:
    deploy, weights = floor_detector(tmp_path)
    preparing = Preprocessing((127.5, 127.5, 127.5), 0.007843)
    for profile in ("caffe-ssd", "npu", "onnx"):
        made = deploy_net(profile, deploy, weights, tmp_path / profile, preparing)
        assert made.proofs
        if profile != "onnx":
            assert "ceil_mode: false" in (tmp_path / profile / "deploy.prototxt").read_text()
        assert any("1 Pooling that rounds down" in note for note in made.notes)
    deploy.write_text(
        deploy.read_text().replace("kernel_size: 3 stride: 2 ceil", "kernel_size: 2 stride: 2 ceil")
    )
    made = deploy_net("caffe-ssd", deploy, weights, tmp_path / "same", preparing)
    assert "ceil_mode" not in (tmp_path / "same" / "deploy.prototxt").read_text()
    assert not any("rounds down" in note for note in made.notes)


def test_a_mean_without_padding_is_for_onnx_alone(tmp_path: Path) -> None:
    deploy, weights = floor_detector(tmp_path, "pool: AVE pad: 1 count_include_pad: false")
    preparing = Preprocessing((127.5, 127.5, 127.5), 0.007843)
    for profile in ("onnx", "ncnn") if find_spec("ncnn") else ("onnx",):
        assert deploy_net(profile, deploy, weights, tmp_path / profile, preparing).proofs
    for profile in ("caffe-ssd", "npu"):
        with pytest.raises(InputError, match=r'layer "pool"\): readers .* count padding') as error:
            deploy_net(profile, deploy, weights, tmp_path / profile, preparing)
        assert error.value.where.startswith(f"{deploy}:")
        assert not (tmp_path / profile).exists()


def test_what_opencv_cannot_prove_is_said_with_its_reason(tmp_path: Path) -> None:
    deploy, weights = write_detector(tmp_path)
    deploy.write_text(detector_text().replace("clip: false", "clip: false img_size: 96"))
    preparing = Preprocessing((127.5, 127.5, 127.5), 0.007843)
    with pytest.raises(OutputError, match="not the same net") as error:
        deploy_net("caffe-ssd", deploy, weights, tmp_path / "out", preparing)
    assert "OpenCV differs" in error.value.hint
    assert "not img_size" in error.value.hint
    assert deploy_net("onnx", deploy, weights, tmp_path / "onnx", preparing).proofs


# ---- BatchNorm with a Scale within ----

BN = INPUT % "dim: 1 dim: 3 dim: 6 dim: 6" + conv("c", "data", "c", "bias_term: false")
SHAPE = (1, 4, 1, 1)


def parts(seed: int = 0) -> dict[str, Array]:
    random = np.random.default_rng(seed)
    return {
        "mean": random.normal(size=4).astype(np.float32),
        "variance": random.uniform(0.5, 2, 4).astype(np.float32),
        "scale": random.uniform(2, 3, 4).astype(np.float32),
        "bias": random.uniform(3, 6, 4).astype(np.float32),
        "one": np.float32([1]),
        "none": np.float32([0]),
    }


ORDERS = {  # of the arrays in the file → of what is missing, what it is
    "mean variance": {"scale": 1, "bias": 0},
    "mean variance one": {"scale": 1, "bias": 0},
    "mean variance scale bias": {},
    "mean variance one scale": {"bias": 0},
    "mean variance one scale bias": {},
    "mean variance none scale bias": {},
    "scale bias mean variance one": {},
    "scale bias mean variance none": {},
}
SAYS = ["", "batch_norm_param { scale_bias: true }",
        "batch_norm_param { scale_filler { value: 1 } bias_filler { value: 0 } }",
        "batch_norm_param { use_weight_bias: true }"]  # fmt: skip


def bn_files(folder: Path, order: str, says: str) -> tuple[Path, Path, dict[str, Array]]:
    own = parts()
    deploy, weights = folder / "n.prototxt", folder / "n.caffemodel"
    deploy.write_text(BN + layer("BatchNorm", "bn", "c", "c", says) + layer("ReLU", "r", "c", "y"))
    kernel = np.random.default_rng(1).normal(size=(4, 3, 3, 3)).astype(np.float32)
    layers = [LayerWeights("c", "Convolution", [kernel])]
    layers.append(LayerWeights("bn", "BatchNorm", [own[name] for name in order.split()]))
    plain = parse_graph(BN + layer("BatchNorm", "bn", "c", "c"))
    write_caffemodel(weights, plain.net, layers)
    return deploy, weights, {**own, "kernel": kernel}


def expected_bn(batch: Array, own: dict[str, Array], missing: dict[str, float]) -> Array:
    net = Net(parse_graph(BN))
    weights = LayerWeights("c", "Convolution", [own["kernel"]])
    net.copy_from(Caffemodel([weights], origin="x"))
    y = net.forward(data=batch)["c"].astype(np.float64)
    scale, bias = (np.full(4, missing[n]) if n in missing else own[n] for n in ("scale", "bias"))
    mean, variance = own["mean"].reshape(SHAPE), own["variance"].reshape(SHAPE)
    y = (y - mean) / np.sqrt(variance + 1e-5) * scale.reshape(SHAPE) + bias.reshape(SHAPE)
    return np.maximum(y, 0)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("says", SAYS)
def test_arrays_in_every_order(order: str, says: str, tmp_path: Path) -> None:
    if ("scale" in order) != bool(says) and says:
        pytest.skip("a BatchNorm that scales has arrays for it")
    deploy, weights, own = bn_files(tmp_path, order, says)
    batch = np.random.default_rng(2).normal(size=(1, 3, 6, 6)).astype(np.float32)
    expected = expected_bn(batch, own, ORDERS[order])
    if order == "mean variance one scale" and says:
        deploy.write_text(
            deploy.read_text().replace("batch_norm_param {", "batch_norm_param { bias_term: false")
        )
    for name in ENGINES:
        found = load_engine(name, deploy, weights).forward(batch)["y"]
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3)


def test_merged_and_written(tmp_path: Path, run: Any) -> None:
    deploy, weights, own = bn_files(tmp_path, "scale bias mean variance one", "")
    made = run("merge-bn", deploy, weights, "-o", tmp_path / "merged", "--json")
    assert made.status == 0, made.err
    assert [row["into"] for row in made.json["rows"]] == ["c", "c"]
    batch = np.random.default_rng(2).normal(size=(1, 3, 6, 6)).astype(np.float32)
    files = tmp_path / "merged" / "n.prototxt", tmp_path / "merged" / "n.caffemodel"
    found = load_engine("torch", *files).forward(batch)["y"]
    np.testing.assert_allclose(found, expected_bn(batch, own, {}), rtol=1e-4, atol=1e-4)
    shown = run("weights", "show", weights, "--json").json["layers"]
    assert [(one["name"], one["type"]) for one in shown] == [
        ("c", "Convolution"), ("bn", "BatchNorm"), ("bn/scale", "Scale"),
    ]  # fmt: skip


def test_a_net_that_lacks_the_scale_is_refused(tmp_path: Path) -> None:
    deploy, weights, _ = bn_files(tmp_path, "mean variance one scale bias", "")
    with pytest.raises(InputError, match='the BatchNorm "bn" scales as well') as error:
        Net(str(deploy), "TEST").copy_from(weights)
    assert "scale_bias: true" in error.value.hint
    graph = parse_graph(deploy.read_text())
    given = with_scales(graph, read_caffemodel(weights).layers)
    assert [node.name for node in given.nodes] == ["data", "c", "bn", "bn/scale", "r"]
    trained = TrainedNet(given, read_caffemodel(weights).layers)
    assert len(merge_bn(trained).into) == 2


def test_what_learns() -> None:
    says = "param { lr_mult: 0 } param { lr_mult: 0 } param { lr_mult: 0 } param { lr_mult: 2 } "
    says += "batch_norm_param { scale_bias: true scale_filler { value: 3 } }"
    graph = parse_graph(BN + layer("BatchNorm", "bn", "c", "y", says), "TRAIN")
    bn, scale = graph.nodes[2:]
    assert (bn.bottoms, bn.tops, len(bn.param.param)) == (["c"], ["y"], 0)
    assert (scale.bottoms, scale.tops) == (["y"], ["y"])
    assert [spec.lr_mult for spec in scale.param.param] == [2]
    net = Net(graph)
    assert net.params["bn/scale"][0].data.tolist() == [3, 3, 3, 3]
    assert net.params["bn/scale"][1].data.tolist() == [0, 0, 0, 0]
    assert scale.where == bn.where
    assert scale.param.phase == bn.param.phase == 0
    assert [layer.type for layer in net.to_proto().layer[-2:]] == ["BatchNorm", "Scale"]


# ---- OpenCV ----


def test_opencv_gives_each_blob_its_own_values(tmp_path: Path) -> None:
    deploy, weights = tmp_path / "n.prototxt", tmp_path / "n.caffemodel"
    cut = 'top: "b" top: "d" slice_param { axis: 1 slice_point: 1 slice_point: 3 }'
    text = INPUT % "dim: 1 dim: 3 dim: 8 dim: 8" + conv("c", "data", "c", outputs=5)
    text += layer("Slice", "s", "c", "a", cut)
    text += layer("Slice", "s", "d", "e", 'top: "f" slice_param { axis: 2 slice_point: 2 }')
    deploy.write_text(text)
    write_random_weights(deploy, weights)
    batch = np.random.default_rng(0).normal(size=(1, 3, 8, 8)).astype(np.float32)
    ours, theirs = (load_engine(n, deploy, weights).forward(batch) for n in ("torch", "opencv"))
    assert list(ours) == list(theirs) == ["a", "b", "e", "f"]
    for name, values in ours.items():
        np.testing.assert_allclose(theirs[name], values, atol=1e-5)
    deploy.write_text(text.replace("slice_point: 1 slice_point: 3", ""))
    deploy.write_text(deploy.read_text().replace("num_output: 5", "num_output: 6"))
    write_random_weights(deploy, weights)
    with pytest.raises(InputError, match=r'layer "s"\): .*nothing reads "a"'):
        load_engine("opencv", deploy, weights)


PRIOR = 'layer { name: "p" type: "PriorBox" bottom: "c" bottom: "data" top: "p" prior_box_param {'
DIFFERENT = {
    "fractions": PRIOR + "variance: 0.1 min_size: 7.5 max_size: 11.5 clip: false } }",
    "img_size": PRIOR + "variance: 0.1 min_size: 7 clip: false img_size: 64 } }",
    "write clip: false": PRIOR + "variance: 0.1 min_size: 7 } }",
    "takes k as 1": layer("LRN", "p", "c", "p", "lrn_param { k: 2 }"),
    "transpose": layer(
        "InnerProduct", "p", "c", "p", "inner_product_param { num_output: 3 transpose: true }"
    ),
}


@pytest.mark.parametrize("reason", DIFFERENT)
def test_parity_says_why_opencv_differs(reason: str, tmp_path: Path, run: Any) -> None:
    deploy = tmp_path / "n.prototxt"
    text = INPUT % "dim: 1 dim: 3 dim: 16 dim: 16" + conv("c", "data", "c", "stride: 4 pad: 1")
    deploy.write_text(text + DIFFERENT[reason])
    found = run("parity", deploy, "random", "--json")
    assert found.status == 1
    (said,) = found.json["reasons"]
    assert said.startswith(f'{deploy}:3 (layer "p"): ')
    assert reason in said
    assert f"opencv differs, {said}" in run("parity", deploy, "random").out
    same = run("parity", deploy, "random", "--engines", "torch,onnxruntime", "--json")
    assert (same.status, same.json["reasons"]) == (0, [])
