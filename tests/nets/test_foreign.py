"""Fields of other forks: honoured, known to change nothing, or refused with their place."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.prototxts import INPUT, layer

from ssd_data.core.errors import InputError
from ssd_data.nets.foreign import ForeignField, changes_nothing
from ssd_data.nets.graph import parse_graph, read_graph
from ssd_data.nets.prototxt import MOST_FOREIGN, parse_prototxt, read_prototxt
from ssd_data.proto import caffe_pb2

X = INPUT % "dim: 1 dim: 4 dim: 8 dim: 8"
KINDS = {
    "Convolution": ("convolution_param", "num_output: 4 kernel_size: 3"),
    "Pooling": ("pooling_param", "kernel_size: 2"),
    "BatchNorm": ("batch_norm_param", ""),
    "PriorBox": ("prior_box_param", "min_size: 4"),
    "DetectionOutput": ("detection_output_param", "num_classes: 2"),
    "MultiBoxLoss": ("multibox_loss_param", "num_classes: 2"),
    "Scale": ("scale_param", ""),
    "Eltwise": ("eltwise_param", ""),
    "Normalize": ("norm_param", ""),
    "LRN": ("lrn_param", ""),
    "Reshape": ("reshape_param", ""),
    "InnerProduct": ("inner_product_param", "num_output: 4"),
    "Softmax": ("softmax_param", ""),
    "AnnotatedData": ("transform_param", ""),
}


def net(kind: str, fields: str, more: str = "") -> str:
    name, own = KINDS[kind]
    return X + layer(kind, "one", "data", "top", f"{name} {{ {own}\n {fields} }} {more}")


@pytest.mark.parametrize("kind", KINDS)
def test_what_may_change_numbers_is_refused_with_its_place(kind: str) -> None:
    name = KINDS[kind][0]
    for field in ("spin: 3", 'spin: "x"', "spin { a: 1 }", "spin: [1, 2]"):
        with pytest.raises(InputError) as error:
            parse_graph(net(kind, field), origin="n")
        assert error.value.where == 'n:3 (layer "one")'
        assert f"is no field of {name} in the SSD branch" in error.value.what
        assert "spin" in error.value.what
        assert "Take it out" in error.value.hint


@pytest.mark.parametrize("kind", KINDS)
def test_hints_are_ignored(kind: str) -> None:
    hints = 'engine: MKLDNN quantize_param { bits: 8 } engine: "CUDNN_NEW"'
    hints = hints.replace("engine: MKLDNN ", "", 1) if kind != "Reshape" else "quantized: true"
    more = 'forward_type: FLOAT16 quantization_param { precision: "x" } cudnn_math_override: 1'
    graph = parse_graph(net(kind, hints, more), origin="n")
    assert not graph.as_written
    assert graph.nodes[1].type == kind


@pytest.mark.parametrize(
    ("kind", "field", "same", "other"),
    [
        ("Convolution", "relu", "false", "true"),
        ("Convolution", "negative_slope", "0.0", "0.1"),
        ("Pooling", "dilation", "1", "2"),
        ("BatchNorm", "relu", "0", "1"),
        ("PriorBox", "reduce_boxes", "f", "t"),
        ("DetectionOutput", "normalized_bbox", "true", "false"),
        ("DetectionOutput", "clip", "False", "True"),
        ("MultiBoxLoss", "ignore_difficult_gt", "false", "true"),
        ("Reshape", "pixelshuffler", "1", "2"),
        ("InnerProduct", "relu", "false", "true"),
        ("AnnotatedData", "bgr2rgb", "false", "true"),
    ],
)
def test_what_is_meant_anyway_is_ignored_and_nothing_else(
    kind: str, field: str, same: str, other: str
) -> None:
    parse_graph(net(kind, f"{field}: {same}"))
    with pytest.raises(InputError, match=f'"{field}: {other}" is no field'):
        parse_graph(net(kind, f"{field}: {other}"))


def test_cures() -> None:
    for kind, field, cure in (
        ("Convolution", "relu: true", "Write a ReLU layer behind it"),
        ("Pooling", "torch_pooling: true", "write ceil_mode: false"),
        ("Pooling", "kernel_siz: 2", "Did you mean kernel_size?"),
        ("DetectionOutput", "objectness_score: 0.1", "RefineDet"),
        ("Convolution", "pad_l: 1", "Take it out, if the net is the same without it"),
        ("Convolution", "kernel_d: 3", "Take it out, if the net is the same without it"),
        ("PriorBox", "aspect_ratios: 2", "Did you mean aspect_ratio?"),
    ):
        with pytest.raises(InputError) as error:
            parse_graph(net(kind, field))
        assert cure in error.value.hint


def test_messages_within_messages() -> None:
    for kind, field, name in (
        ("DetectionOutput", "nms_param { nms_type: SOFT }", "nms_param"),
        ("AnnotatedData", "resize_param { jitter: 2 }", "resize_param"),
    ):
        with pytest.raises(InputError, match=f"is no field of {name} in the SSD branch"):
            parse_graph(net(kind, field))
    with pytest.raises(InputError, match="is no field of param in the SSD branch"):
        parse_graph(net("Scale", "", "param { lr_mult: 1 freeze: true }"))


def test_layers_that_take_no_part_are_not_looked_at() -> None:
    odd = layer("Pooling", "p", "data", "p", "include { phase: TRAIN } pooling_param { spin: 1 }")
    text = X + layer("ReLU", "r", "data", "r") + odd
    assert [node.name for node in parse_graph(text, "TEST").nodes] == ["data", "r"]
    with pytest.raises(InputError, match='"spin: 1" is no field of pooling_param'):
        parse_graph(text, "TRAIN")
    unknown = X + layer("Strange", "s", "data", "s", "strange_param { spin: 1 }")
    assert parse_graph(unknown).nodes[1].type == "Strange"  # its type is the error, elsewhere


def test_what_only_learning_needs() -> None:
    text = net("Convolution", 'weight_filler { type: "xavier" scale: 2 }')
    parse_graph(text, "TEST")
    with pytest.raises(InputError, match="scale: 2"):
        parse_graph(text, "TRAIN")
    parse_graph(net("BatchNorm", "update_global_stats: true"), "TEST")


def test_outside_of_layers() -> None:
    parse_graph('default_forward_type: FLOAT16 mem_param { x: 1 } opt_level: 2 engine: "X"\n' + X)
    for field, hint in (("laier { name: 'x' }", "mean layer?"), ("rounds: 3", "Take it out")):
        with pytest.raises(InputError, match=r"^n:2: .* is no field of a net") as error:
            parse_graph(f"\n{field}\n" + X, origin="n")
        assert hint in error.value.hint


# ---- what stands twice ----

TWICE = """transform_param {
 resize_param { height: 300 width: 300 }
 resize_param { height: 512 width: 512 } }"""


def test_a_field_that_stands_twice() -> None:
    text = X + layer("AnnotatedData", "d", "", "x", "include { phase: TRAIN } " + TWICE)
    text += layer("ReLU", "r", "data", "r")
    assert parse_graph(text, "TEST", "n").nodes[1].name == "r"
    with pytest.raises(InputError) as error:
        parse_graph(text, "TRAIN", "n")
    assert error.value.where == 'n:4 (layer "d")'
    assert error.value.what == '"resize_param" stands in line 3 already; it can stand once'
    unknown = X + 'layer { name: "x" type: "Strange" bottom: "data" top: "s"\n name: "y" }'
    with pytest.raises(InputError, match='"name" stands in line 2 already'):
        parse_graph(unknown)
    with pytest.raises(InputError, match=r'^s:2: "base_lr" stands in line 1 already'):
        parse_prototxt("base_lr: 1\nbase_lr: 2", caffe_pb2.SolverParameter, "s")
    with pytest.raises(InputError, match=r'^n:2: "name" stands in line 1 already'):
        parse_prototxt('name: "a"\nname: "b"', caffe_pb2.NetParameter, "n")


def test_lists_and_messages_of_their_own_may_repeat() -> None:
    text = X + net("Convolution", "kernel_size: 3 pad: 1 pad: 1")[len(X) :]
    text += 'layer { name: "b" type: "ReLU" bottom: "top" top: "b" param { lr_mult: 1 }\n'
    assert len(parse_graph(text + "param { lr_mult: 1 } }").nodes) == 3


def test_many_are_too_many() -> None:
    text = "x: 1 " * (MOST_FOREIGN + 1)
    with pytest.raises(InputError, match="more than 10,000 fields"):
        parse_prototxt(text, caffe_pb2.NetParameter)


# ---- texts that are no text, or another one ----


def test_comments_may_be_in_any_encoding(tmp_path: Path) -> None:
    path = tmp_path / "n.prototxt"
    lines = [b"# \xb2\xe2\xca\xd4 {{{ \xcd\xf8\xc2\xe7", X.encode().strip()]
    lines += [b'layer { name: "#" type: "ReLU" bottom: "data" top: "y" } # \xc4\xe3\xba\xc3 "']
    path.write_bytes(b"\n".join(lines))
    graph = read_graph(path)
    assert [node.name for node in graph.nodes] == ["data", "#"]
    assert graph.nodes[1].where == f'{path}:3 (layer "#")'
    path.write_bytes(b'name: "a"\nname: "\xc4\xe3" # x')
    with pytest.raises(InputError) as error:
        read_graph(path)
    assert error.value.where == f"{path}:2"
    assert "UTF-8" in error.value.hint


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("base_lr: 0.1\ntrain_net: 'x'", "a solver's prototxt"),
        ("item { name: 'cat' label: 1 }", "a labelmap"),
    ],
)
def test_one_prototxt_for_another(text: str, what: str, tmp_path: Path) -> None:
    path = tmp_path / "x.prototxt"
    path.write_text(text)
    with pytest.raises(InputError, match=f"this is {what}, not a net's"):
        read_prototxt(path, caffe_pb2.NetParameter)


# ---- properties ----


@given(st.sampled_from(sorted(KINDS)), st.from_regex(r"[a-z_]{1,12}", fullmatch=True), st.text())
def test_nothing_unknown_passes_but_what_is_listed(kind: str, name: str, value: str) -> None:
    scope = caffe_pb2.LayerParameter.DESCRIPTOR.fields_by_name[KINDS[kind][0]].message_type
    field = ForeignField(scope.name, name, 1, 0, value)
    if changes_nothing(field, learns=True):
        listed = name == "engine" or "quant" in name
        again = ForeignField(scope.name, name, 1, 0, value + "7")
        assert listed or not changes_nothing(again, learns=True) or name in ("paramq", "params")
