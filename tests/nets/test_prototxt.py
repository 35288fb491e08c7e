"""Prototxts as people have them: old forms, other forks' fields, and files that are none."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ssd_data.core.errors import InputError
from ssd_data.nets.graph import Graph, parse_graph, read_graph, to_graph
from ssd_data.nets.prototxt import MOST_BYTES, parse_prototxt, read_prototxt, to_text
from ssd_data.nets.upgrade import upgrade
from ssd_data.proto import caffe_pb2

INPUT = 'layer { name: "in" type: "Input" top: "x" input_param { shape { dim: 1 dim: 2 } } }\n'


def relu(name: str, rules: str = "", bottom: str = "x", top: str = "x") -> str:
    return f'layer {{ name: "{name}" type: "ReLU" bottom: "{bottom}" top: "{top}" {rules} }}\n'


def net(text: str) -> caffe_pb2.NetParameter:
    return parse_prototxt(text, caffe_pb2.NetParameter).message


def upgraded(text: str) -> caffe_pb2.NetParameter:
    return upgrade(net(text), "old.prototxt")


def names(graph: Graph) -> list[str]:
    return [node.name for node in graph.nodes]


# ---- which layers take part ----


def test_phases_by_include_and_exclude() -> None:
    text = INPUT + relu("train", "include { phase: TRAIN }") + relu("both")
    text += relu("not_test", "exclude { phase: TEST }") + relu("test", "exclude { phase: TRAIN }")
    assert names(parse_graph(text, "TRAIN")) == ["in", "train", "both", "not_test"]
    assert names(parse_graph(text, "TEST")) == ["in", "both", "test"]
    assert [n.param.phase for n in parse_graph(text, 0).nodes] == [0] * 4


@pytest.mark.parametrize(
    ("rule", "level", "stages", "taken"),
    [
        ("min_level: 2", 1, (), False),
        ("min_level: 2", 2, (), True),
        ("max_level: 2", 2, (), True),
        ("max_level: 2", 3, (), False),
        ('stage: "a" stage: "b"', 0, ("b", "a"), True),
        ('stage: "a" stage: "b"', 0, ("a",), False),
        ('not_stage: "a"', 0, ("b",), True),
        ('not_stage: "a"', 0, ("a",), False),
        ('phase: TRAIN stage: "a"', 0, ("a",), False),
        ('phase: TRAIN } include { stage: "a"', 0, ("a",), True),  # any rule is enough
    ],
)
def test_levels_and_stages(rule: str, level: int, stages: tuple[str, ...], taken: bool) -> None:
    for kind, expected in (("include", taken), ("exclude", not taken)):
        text = INPUT + relu("y", f"{kind} {{ {rule.replace('include', kind)} }}")
        graph = to_graph(net(text), "TEST", level=level, stages=stages)
        assert ("y" in names(graph)) is expected


def test_the_state_in_the_file_counts() -> None:
    text = 'state { level: 3 stage: "deep" }' + INPUT
    text += relu("y", 'include { min_level: 3 stage: "deep" }')
    assert names(parse_graph(text)) == ["in", "y"]


def test_both_kinds_of_rules_are_refused() -> None:
    text = INPUT + relu("y", "include { phase: TRAIN } exclude { phase: TEST }")
    with pytest.raises(InputError, match=r'n.prototxt:2 \(layer "y"\): has include rules and exc'):
        parse_graph(text, origin="n.prototxt")


def test_no_layer_in_this_phase() -> None:
    with pytest.raises(InputError, match="no layer takes part"):
        parse_graph(INPUT.replace("top:", "include { phase: TRAIN } top:"), "TEST")
    with pytest.raises(ValueError, match="neither 'TRAIN'"):
        parse_graph(INPUT, "VALIDATE")


# ---- wiring ----


def test_in_place_layers_and_duplicate_names() -> None:
    text = INPUT + relu("same") + relu("same") + relu("out", top="y")
    graph = parse_graph(text)
    assert names(graph) == ["in", "same", "same", "out"]
    assert [n.where.split(" ")[0] for n in graph.nodes[1:3]] == ["prototxt:2", "prototxt:3"]
    assert [n.name for n in graph.producers()["x"]] == ["in", "same", "same"]
    assert (graph.inputs, graph.outputs) == (["x"], ["y"])


def test_wiring_errors_name_file_line_and_layer(tmp_path: Path) -> None:
    path = tmp_path / "n.prototxt"
    path.write_text(INPUT + "\n# two lines\n" + relu("y", bottom="xx", top="y"))
    with pytest.raises(InputError) as error:
        read_graph(path)
    assert str(error.value.where) == f'{path}:4 (layer "y")'
    assert error.value.what == 'bottom "xx" is not there'
    assert error.value.hint == 'Did you mean "x"?'
    with pytest.raises(InputError, match=r'n:3 \(layer "b"\): top "y" is another layer\'s already'):
        parse_graph(INPUT + relu("a", top="y") + relu("b", top="y"), origin="n")


def test_lists_and_other_brackets_keep_the_lines() -> None:
    one = 'name: "a" type: "Input" top: "x" input_param < shape: { dim: [1, 2] } >'
    two = 'name: "b" type: "ReLU" bottom: "x" top: "x" relu_param: { engine: ODD }'
    graph = parse_graph(f"layer: [\n{{ {one} }},\n{{ {two} }}\n]\nlayer\n{{ {two} }}")
    assert [n.where.split(" ")[0] for n in graph.nodes] == [f"prototxt:{i}" for i in (2, 3, 6)]
    assert graph.nodes[1].param.HasField("relu_param")


# ---- inputs ----


@pytest.mark.parametrize(
    "text",
    [
        'input: "x" input_dim: 1 input_dim: 2 input_dim: 3 input_dim: 4',
        'input: "x" input_shape { dim: 1 dim: 2 dim: 3 dim: 4 }',
        'layer { name: "input" type: "Input" top: "x" '
        "input_param { shape { dim: 1 dim: 2 dim: 3 dim: 4 } } }",
    ],
)
def test_three_ways_to_say_an_input(text: str) -> None:
    graph = parse_graph(text + "\n" + relu("y", top="y"))
    assert graph.inputs == ["x"]
    assert list(graph.nodes[0].param.input_param.shape[0].dim) == [1, 2, 3, 4]
    assert graph.nodes[1].where == 'prototxt:2 (layer "y")'
    assert not graph.net.input


def test_two_inputs() -> None:
    dims = "".join(f"input_dim: {n} " for n in (1, 2, 3, 4, 5, 6, 7, 8))
    graph = parse_graph(f'input: "a" input: "b" {dims}' + relu("y", bottom="b", top="y"))
    assert [list(s.dim) for s in graph.nodes[0].param.input_param.shape] == [
        [1, 2, 3, 4],
        [5, 6, 7, 8],
    ]
    with pytest.raises(InputError, match="2 inputs, but 0 input_shape and 4 input_dim"):
        parse_graph(f'input: "a" input: "b" {dims[:52]}' + relu("y", bottom="b", top="y"))
    with pytest.raises(InputError, match="have no sizes"):
        parse_graph('input: "a"' + relu("y", bottom="a", top="y"))


def test_an_input_without_sizes_is_an_old_caffemodels() -> None:
    new = upgraded('input: "a" layers { type: RELU name: "y" }')
    assert [layer.name for layer in new.layer] == ["y"]
    assert not new.input


# ---- old forms, by src/caffe/util/upgrade_proto.cpp ----


def test_v1_layers() -> None:
    new = upgraded(
        """
        name: "old"
        layers { name: "c" type: CONVOLUTION bottom: "x" top: "c" blobs_lr: 1 blobs_lr: 2
          weight_decay: 3 param: "w" blob_share_mode: PERMISSIVE loss_weight: 0.5
          include { phase: TRAIN } convolution_param { num_output: 4 kernel_size: 3 } }
        """
    )
    assert to_text(new) == to_text(
        net(
            """
            name: "old"
            layer { name: "c" type: "Convolution" bottom: "x" top: "c"
              param { name: "w" share_mode: PERMISSIVE lr_mult: 1 decay_mult: 3 }
              param { lr_mult: 2 } loss_weight: 0.5
              include { phase: TRAIN } convolution_param { num_output: 4 kernel_size: 3 } }
            """
        )
    )


V1_TYPES = {
    "ABSVAL": "AbsVal", "ACCURACY": "Accuracy", "ARGMAX": "ArgMax", "BNLL": "BNLL",
    "CONCAT": "Concat", "CONTRASTIVE_LOSS": "ContrastiveLoss", "CONVOLUTION": "Convolution",
    "DATA": "Data", "DECONVOLUTION": "Deconvolution", "DROPOUT": "Dropout",
    "DUMMY_DATA": "DummyData", "ELTWISE": "Eltwise", "EUCLIDEAN_LOSS": "EuclideanLoss",
    "EXP": "Exp", "FLATTEN": "Flatten", "HDF5_DATA": "HDF5Data", "HDF5_OUTPUT": "HDF5Output",
    "HINGE_LOSS": "HingeLoss", "IM2COL": "Im2col", "IMAGE_DATA": "ImageData",
    "INFOGAIN_LOSS": "InfogainLoss", "INNER_PRODUCT": "InnerProduct", "LRN": "LRN",
    "MEMORY_DATA": "MemoryData", "MULTINOMIAL_LOGISTIC_LOSS": "MultinomialLogisticLoss",
    "MVN": "MVN", "NONE": "", "POOLING": "Pooling", "POWER": "Power", "RELU": "ReLU",
    "SIGMOID": "Sigmoid", "SIGMOID_CROSS_ENTROPY_LOSS": "SigmoidCrossEntropyLoss",
    "SILENCE": "Silence", "SLICE": "Slice", "SOFTMAX": "Softmax",
    "SOFTMAX_LOSS": "SoftmaxWithLoss", "SPLIT": "Split", "TANH": "TanH",
    "THRESHOLD": "Threshold", "WINDOW_DATA": "WindowData",
}  # fmt: skip


def test_every_v1_type_has_its_name() -> None:
    values = caffe_pb2.V1LayerParameter.LayerType.DESCRIPTOR.values
    assert {v.name for v in values} == set(V1_TYPES)
    for old, new in V1_TYPES.items():
        assert upgraded(f"layers {{ type: {old} }}").layer[0].type == new


@pytest.mark.parametrize(
    ("kind", "param"),
    [("DATA", "data"), ("IMAGE_DATA", "image_data"), ("WINDOW_DATA", "window_data")],
)
def test_old_transform_fields_move(kind: str, param: str) -> None:
    new = upgraded(
        f'layers {{ type: {kind} {param}_param {{ source: "s" scale: 0.5 mean_file: "m" '
        "crop_size: 7 mirror: true } transform_param { scale: 9 } }"
    ).layer[0]
    own = getattr(new, f"{param}_param")
    assert [field.name for field, _ in own.ListFields()] == ["source"]
    moved = new.transform_param
    assert (moved.scale, moved.mean_file, moved.crop_size, moved.mirror) == (0.5, "m", 7, True)


def test_what_is_too_old_or_mixed_is_refused() -> None:
    with pytest.raises(InputError, match=r'mixes "layer" and "layers"'):
        parse_graph(INPUT + "layers { type: RELU }")
    with pytest.raises(InputError, match="form of before 2013") as error:
        parse_graph('layers { layer { name: "x" type: "relu" } }')
    assert "upgrade_net_proto_text" in error.value.hint


def test_rates_of_statistics_are_dropped() -> None:
    rates = "param { lr_mult: 0 } " * 3
    new = upgraded(f'layer {{ type: "BatchNorm" {rates} }} layer {{ type: "Scale" {rates} }}')
    assert [len(layer.param) for layer in new.layer] == [0, 3]


# ---- fields of other forks ----


def test_fields_that_change_nothing_are_ignored() -> None:
    text = INPUT + relu("a", "relu_param { negative_slope: 1 engine: MKL2017 }")
    text += relu("b", 'forward_type: FLOAT16 quant_param { deep { x: 1 } y: [1, 2] z: "}" }')
    graph = parse_graph(text + 'quant: "q" engine: "MKLDNN"\n', origin="n")
    assert graph.nodes[1].param.relu_param.negative_slope == 1
    assert not graph.nodes[1].param.relu_param.HasField("engine")
    assert not graph.as_written
    assert parse_graph(INPUT).as_written


# ---- faults, each in one sentence with its line ----


@pytest.mark.parametrize(
    ("text", "sentence", "hint"),
    [
        ("layer {\n pooling_param { pool: MAXX } }", "n:2: MAXX is no PoolMethod", "mean MAX?"),
        ("layer {\n phase: TESTING }", "n:2: TESTING is no Phase", "mean TEST?"),
        ("layer {\n phase: 0x }", "n:2: ", ""),
        ("layer {\n phase: QQQQ }", "n:2: QQQQ is no Phase", "Known are TRAIN, TEST"),
        ("layer {\n name: 5 }", "n:2: ", ""),
        ('layer {\n name: "a" name: "b" }', 'n:2 (layer "b"): "name" stands in line 2', ""),
        ('layer { name: "a\n" }', "n:1: ", ""),
        ("layer { blobs {\n num: 99999999999 } }", "n:2: ", ""),
        ('layer {\n name: "a"', "n:2: ", ""),
        ("}", "n:1: ", ""),
        ("just some words", "n:1: ", ""),
        ("\x00\x00layer", "n: this is a binary file", ""),
        ("  <!DOCTYPE html><html>", "n: this is a saved web page", "Raw button"),
        ("layer: {" * 500, "n:1: nested deeper than 32", ""),
        ("x { " * 5000, "n:1: nested deeper than 32", ""),
        ("x: [" * 5000, "n:1: ", ""),
    ],
)
def test_faults(text: str, sentence: str, hint: str) -> None:
    with pytest.raises(InputError) as error:
        parse_graph(text, origin="n")
    assert error.value.sentence.startswith(sentence)
    assert hint in error.value.hint
    assert len(str(error.value)) < 400
    assert str(error.value).isprintable() or "\n" in str(error.value)


def test_odd_line_ends_and_strings() -> None:
    text = 'name: "a\u2028b\x0cc"\r\nlayer { name: "#{" type: "x" } # layer {\r\nodd: 1'
    found = parse_prototxt(text, caffe_pb2.NetParameter)
    assert found.message.name == "a\u2028b\x0cc"
    assert found.layer_lines == [2]
    assert [(f.line, f.scope, f.name) for f in found.foreign] == [(3, "NetParameter", "odd")]


def test_files_that_are_none(tmp_path: Path) -> None:
    path = tmp_path / "n.prototxt"
    with pytest.raises(InputError, match="is missing"):
        read_prototxt(path, caffe_pb2.NetParameter)
    with pytest.raises(InputError, match="no regular file"):
        read_prototxt(tmp_path, caffe_pb2.NetParameter)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="not UTF-8"):
        read_prototxt(path, caffe_pb2.NetParameter)
    with path.open("wb") as file:
        file.truncate(MOST_BYTES + 1)
    with pytest.raises(InputError, match="larger than"):
        read_prototxt(path, caffe_pb2.NetParameter)
    path.write_bytes(b"\xef\xbb\xbf" + INPUT.encode())  # a byte order mark
    assert names(read_graph(path)) == ["in"]
    path.write_text("")
    with pytest.raises(InputError, match="no layer takes part"):
        read_graph(path)


# ---- properties ----

FLOATS = st.floats(width=32, allow_nan=False)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)


@st.composite
def layers(draw: st.DrawFn) -> caffe_pb2.LayerParameter:
    layer = caffe_pb2.LayerParameter(name=draw(TEXTS), type=draw(TEXTS))
    layer.bottom.extend(draw(st.lists(TEXTS, max_size=3)))
    layer.loss_weight.extend(draw(st.lists(FLOATS, max_size=3)))
    layer.convolution_param.weight_filler.std = draw(FLOATS)
    layer.convolution_param.kernel_size.extend(draw(st.lists(st.integers(0, 2**32 - 1))))
    layer.prior_box_param.min_size.extend(draw(st.lists(FLOATS, max_size=3)))
    layer.include.add(phase=draw(st.sampled_from([0, 1])), stage=draw(st.lists(TEXTS, max_size=2)))
    layer.pooling_param.pool = draw(st.sampled_from([0, 1, 2]))
    layer.blobs.add(double_data=draw(st.lists(st.floats(allow_nan=False), max_size=3)))
    return layer


@settings(max_examples=60)
@given(st.lists(layers(), max_size=3), TEXTS)
def test_a_message_survives_as_text(params: list[caffe_pb2.LayerParameter], name: str) -> None:
    message = caffe_pb2.NetParameter(name=name, layer=params)
    found = parse_prototxt(to_text(message), caffe_pb2.NetParameter)
    assert found.message == message
    assert len(found.layer_lines) == len(params)
    assert not found.foreign


@settings(max_examples=80)
@given(st.text(st.sampled_from('layer{}<>[]:",;# \n10.ex-input_shapdm'), max_size=60))
def test_any_text_is_a_net_or_one_error(text: str) -> None:
    with suppress(InputError):
        parse_graph(text)
