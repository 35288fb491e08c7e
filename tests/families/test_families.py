"""The generated nets equal the published ones, row by row; other settings give sound nets."""

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from support import GOLDEN
from support.netfacts import Row, facts, priors, read_table, solver_facts

from ssd_data import families
from ssd_data.core.errors import UsageError
from ssd_data.core.registry import FAMILIES
from ssd_data.families.parts.detector import STAGES
from ssd_data.nets.graph import parse_graph
from ssd_data.nets.prototxt import to_text
from ssd_data.proto import caffe_pb2

# Where the generated nets differ from published ones on purpose, beside the data's paths.
PATHS = ("data_param.source", "annotated_data_param.label_map_file")
ENGINE = "convolution_param.engine"  # a hint to the GPU's side, no matter for the results
RATES = "param"  # learning rates in a net that is not trained
THRESHOLDS = "detection_output_param"  # that repository's files have three sets of them
# Paths of the author's machine; with --build the sizes' list is named.
SAVING = ("detection_output_param.save_output_param", "detection_evaluate_param.name_size_file")
SOLVER_PATHS = {"net", "train_net", "test_net", "snapshot_prefix"}
NO_TEST = {"test_iter", "test_interval"}  # its solver_train.prototxt does not test

# Table: family, classes, options, fields that differ.
ORACLE: dict[str, tuple[str, int, dict[str, Any], tuple[str, ...]]] = {
    "mobilenet_ssd": ("mobilenet_ssd", 21, {}, ()),
    "mobilenet_ssd-new_heads": (
        "mobilenet_ssd", 21, {"new_heads": True, "merged": False}, (ENGINE,),
    ),
    "mobilenet_ssd-unmerged": ("mobilenet_ssd", 21, {"merged": False}, (ENGINE, RATES)),
    "mobilenetv2_ssd-voc": ("mobilenetv2_ssd", 21, {}, ()),
    "mobilenetv2_ssd-coco": ("mobilenetv2_ssd", 91, {}, (THRESHOLDS,)),
    "mobilenetv2_ssd-caffe_padding": (
        "mobilenetv2_ssd", 91, {"tf_padding": False}, (ENGINE, THRESHOLDS),
    ),
    "mobilenetv2_ssdlite-voc": ("mobilenetv2_ssdlite", 21, {}, ()),
    "mobilenetv2_ssdlite-coco": ("mobilenetv2_ssdlite", 91, {}, ()),
    "mobilenetv2_ssdlite-caffe_padding": (
        "mobilenetv2_ssdlite", 91, {"tf_padding": False, "relu6": False}, (),
    ),
    # A copy that the SSD branch's script made, but for one small GPU: batch 4, base_lr 1e-5.
    "vgg_ssd-ssd300": (
        "vgg_ssd", 21, {}, (*SAVING, "data_param.batch_size", "solver.base_lr"),
    ),
    "sfd_vgg": ("sfd_vgg", 2, {}, SAVING),
    "sfd_mobilenetv2-plain-merged": (
        "sfd_mobilenetv2", 2, {"variant": "plain", "merged": True}, (),
    ),
    **{
        f"sfd_mobilenetv2-{name}": ("sfd_mobilenetv2", 2, {"variant": name}, ())
        for name in ("plain", "mod1", "mod2", "mod2-320", "mod3", "mod4", "mod5")
    },
}  # fmt: skip


def without(row: Row, fields: tuple[str, ...]) -> Row:
    """A row without some of its parameters."""
    parameters = json.loads(row[-1])
    for field in fields:
        *way, last = field.split(".")
        place = parameters
        for step in way:
            place = place.get(step, {})
        place.pop(last, None)
    return (*row[:-1], json.dumps(parameters, sort_keys=True))


def table_names() -> list[str]:
    return sorted(path.stem for path in (GOLDEN / "families").glob("*.tsv"))


def test_every_table_is_compared() -> None:
    assert table_names() == sorted(ORACLE)


@pytest.mark.parametrize("name", sorted(ORACLE))
def test_nets_equal_the_published_ones(name: str) -> None:
    family, classes, options, fields = ORACLE[name]
    nets, solver = read_table(GOLDEN / "families" / f"{name}.tsv")
    model = families.generate(family, classes, **options)
    assert nets
    for stage, published in nets.items():
        ours = facts(model.nets[stage])
        assert [row[0] for row in ours] == [row[0] for row in published]
        for mine, theirs in zip(ours, published, strict=True):
            skipped = (*PATHS, *fields)
            assert without(mine, skipped) == without(theirs, skipped)
    if solver:
        made = solver_facts(model.solver)
        skipped_too = {field.removeprefix("solver.") for field in fields} | SOLVER_PATHS
        skipped_too |= set() if "test_iter" in solver else NO_TEST
        for key in {*made, *solver} - skipped_too:
            assert made.get(key) == solver.get(key), key


def test_data_comes_from_the_links() -> None:
    model = families.generate("mobilenet_ssd", 21)
    for stage, source in (("train", "trainval_lmdb"), ("test", "test_lmdb")):
        layer = model.nets[stage].layer[0]
        assert layer.data_param.source == source
        assert layer.annotated_data_param.label_map_file == "labelmap.prototxt"


@pytest.mark.parametrize("name", ["mobilenet_ssd", "mobilenetv2_ssd-caffe_padding",
                                  "sfd_mobilenetv2-mod2", "sfd_mobilenetv2-mod4"])  # fmt: skip
def test_the_tables_shapes_are_those_of_opencv(name: str) -> None:
    """The oracle's shapes come from our own rules; OpenCV's importer is an independent witness."""
    import cv2
    import numpy as np

    family, classes, options, _ = ORACLE[name]
    nets, _ = read_table(GOLDEN / "families" / f"{name}.tsv")
    net = families.generate(family, classes, **options).nets["deploy"]
    parts = (to_text(net).encode(), zeros(net).SerializeToString())
    reader = cv2.dnn.readNetFromCaffe(*(np.frombuffer(part, np.uint8) for part in parts))
    numbers, _, made = reader.getLayersShapes([list(net.input_shape[0].dim)])
    found = {
        int(n): "x".join(str(int(i)) for i in m[0]) for n, m in zip(numbers, made, strict=True)
    }
    shapes = {row[0]: row[4].split(" ")[0] for row in nets["deploy"]}
    seen = ("Convolution", "PriorBox", "Concat", "Pooling", "Permute", "Flatten", "Eltwise")
    layers = [layer.name for layer in net.layer if layer.type in seen]
    assert len(layers) > 60
    for name_of in layers:
        assert found[reader.getLayerId(name_of)] == shapes[name_of], name_of


def zeros(net: caffe_pb2.NetParameter) -> caffe_pb2.NetParameter:
    """Weights for a net, without which OpenCV tells no shapes."""
    channels = {row[3]: int(row[4].split("x")[1]) for row in facts(net) if "x" in row[4]}
    weights = caffe_pb2.NetParameter()
    for layer in net.layer:
        out = channels.get("".join(layer.top[:1]), 0)
        param = layer.convolution_param
        shapes = {
            "BatchNorm": [(out,), (out,), (1,)],
            "Scale": [(out,), (out,)],
        }.get(layer.type, [])
        if layer.type == "Convolution":
            side = param.kernel_size[0]
            shapes = [(out, channels[layer.bottom[0]] // param.group, side, side)]
            shapes += [(out,)] if param.bias_term else []
        made = weights.layer.add(name=layer.name, type=layer.type)
        for shape in shapes:
            made.blobs.add(shape={"dim": shape}, data=[0.0] * math.prod(shape))
    return weights


ALL = [(f, v) for f in FAMILIES.names() for v in FAMILIES.load(f).VARIANTS]


@pytest.mark.parametrize(("family", "variant"), ALL)
@pytest.mark.parametrize("classes", [2, 21])
def test_every_net_is_wired(family: str, variant: str, classes: int) -> None:
    module = FAMILIES.load(family)
    assert module.TITLE
    assert module.SOURCE
    for merged in (True, False) if "merged" in module.VARIANTS[variant] else (None,):
        model = families.generate(family, classes, variant=variant, merged=merged)
        check_sound(model)


def check_sound(model: families.Model) -> None:
    classes = model.settings.num_classes
    for stage in STAGES:
        text = to_text(model.nets[stage])
        graph = parse_graph(text, "TRAIN" if stage == "train" else "TEST")
        assert graph.outputs == (
            ["mbox_loss"] if stage == "train" else
            ["detection_eval"] if stage == "test" else ["detection_out"]
        )  # fmt: skip
        if stage == "deploy":
            assert graph.inputs == ["data"]
        made = {node.name: node.param for node in graph.nodes}
        rows = {row[3].split(" ")[0]: row[4].split(" ")[0] for row in facts(model.nets[stage])}
        total = 0
        for node in graph.nodes:
            if node.type == "Convolution":
                param = node.param.convolution_param
                channels = int(rows[node.bottoms[0]].split("x")[1])
                assert channels % param.group == 0, node.name
                assert param.num_output % param.group == 0, node.name
            if node.type == "PriorBox":
                count = priors(node.param.prior_box_param)
                head = node.name.removesuffix("_mbox_priorbox")
                outputs = {
                    what: next(
                        p.convolution_param.num_output
                        for p in made.values()
                        if p.type == "Convolution" and p.top[0].rstrip("_") == f"{head}_mbox_{what}"
                    )
                    for what in ("loc", "conf")
                }  # fmt: skip
                assert outputs == {"loc": count * 4, "conf": count * classes}, node.name
                *_, height, width = rows[node.bottoms[0]].split("x")
                total += int(height) * int(width) * count
        assert rows["mbox_priorbox"] == f"1x2x{total * 4}"
        (loc,) = [name for name in ("mbox_loc", "mbox_loc_") if name in rows]
        assert rows[loc].split("x")[1] == str(total * 4)


@hypothesis_settings(max_examples=25)
@given(
    which=st.sampled_from(ALL),
    classes=st.integers(2, 200),
    width=st.floats(0.1, 2.0),
    side=st.integers(64, 700),
    merged=st.booleans(),
)
def test_other_settings_give_sound_nets(
    which: tuple[str, str], classes: int, width: float, side: int, merged: bool
) -> None:
    family, variant = which
    side = 32 * (side // 32) if family == "face_ssd" else side
    wanted = {"width_multiplier": width, "size": (side, side), "merged": merged}
    has = families.options_of(FAMILIES.load(family), variant)
    options = {key: value for key, value in wanted.items() if key in has}
    check_sound(families.generate(family, classes, variant=variant, **options))


def test_a_wide_input_works_where_nothing_needs_a_square() -> None:
    model = families.generate("mobilenet_ssd", 5, size=(512, 288))
    assert list(model.nets["deploy"].input_shape[0].dim) == [1, 3, 288, 512]
    resize = model.nets["train"].layer[0].transform_param.resize_param
    assert (resize.width, resize.height) == (512, 288)
    check_sound(model)


def test_priors_follow_the_size_or_are_given() -> None:
    def sizes(**options: Any) -> list[float]:
        net = families.generate("mobilenet_ssd", 5, **options).nets["train"]
        return [
            layer.prior_box_param.min_size[0] for layer in net.layer if layer.type == "PriorBox"
        ]

    assert sizes() == [60, 105, 150, 195, 240, 285]
    assert sizes(size=(600, 600)) == [120, 210, 300, 390, 480, 570]
    assert sizes(size=(128, 128)) == [26, 45, 64, 83, 102, 122]  # whole: engines differ otherwise
    assert sizes(min_sizes=(20, 40, 60, 80, 100, 120)) == [20, 40, 60, 80, 100, 120]
    net = families.generate("sfd_mobilenetv2", 2, min_sizes=(8, 16, 32, 64, 128, 256)).nets["train"]
    given = [list(la.prior_box_param.min_size) for la in net.layer if la.type == "PriorBox"]
    assert given == [[8, 16], [32], [64], [128], [256]]


def test_the_width_multiplier_leaves_the_extra_layers_of_mobilenet_ssd() -> None:
    net = families.generate("mobilenet_ssd", 21, width_multiplier=0.5).nets["train"]
    outputs = {la.name: la.convolution_param.num_output for la in net.layer}
    assert (outputs["conv0"], outputs["conv11"], outputs["conv13"]) == (16, 256, 512)
    assert (outputs["conv14_1"], outputs["conv17_2"]) == (256, 128)


def test_expand_is_the_familys_or_as_asked() -> None:
    def expands(family: str, **options: Any) -> bool:
        net = families.generate(family, 3, **options).nets["train"]
        return net.layer[0].transform_param.HasField("expand_param")

    assert expands("mobilenet_ssd")
    assert not expands("mobilenet_ssd", expand=False)
    assert not expands("tiny_ssd")
    assert expands("tiny_ssd", expand=True)


def test_rates_from_scratch() -> None:
    model = families.generate("mobilenet_ssd", 21, from_scratch=True)
    assert (model.solver.type, model.solver.lr_policy) == ("Adam", "poly")
    net = model.nets["train"]
    rates = {p.lr_mult for la in net.layer for p in la.param if la.type == "Convolution"}
    assert rates == {1, 2}


def test_relu6_everywhere() -> None:
    for family in ("mobilenet_ssd", "mobilenetv2_ssd", "sfd_mobilenetv2"):
        net = families.generate(family, 3, relu6=True).nets["deploy"]
        kinds = {la.type for la in net.layer}
        assert "ReLU6" in kinds
        assert "ReLU" not in kinds


@pytest.mark.parametrize(
    ("family", "classes", "options", "where", "says"),
    [
        ("mobilenet", 21, {}, "", "mobilenet_ssd"),
        ("mobilenet_ssd", 1, {}, "--num-classes", "background"),
        ("mobilenet_ssd", 21, {"variant": "mod2"}, "--variant", "mobilenet_ssd"),
        ("mobilenet_ssd", 21, {"tf_padding": True}, "--tf-padding", "mobilenet_ssd"),
        ("sfd_mobilenetv2", 2, {"from_scratch": True}, "--from-scratch", "sfd_mobilenetv2"),
        ("mobilenet_ssd", 21, {"size": (8, 8)}, "--size", "32"),
        ("mobilenet_ssd", 21, {"batch_size": 0}, "--batch-size", "1"),
        ("mobilenet_ssd", 21, {"iter_size": -1}, "--iter-size", "1"),
        ("mobilenet_ssd", 21, {"width_multiplier": float("nan")}, "--width-multiplier", "nan"),
        ("mobilenet_ssd", 21, {"width_multiplier": 0.02}, "--width-multiplier", "no channel"),
        ("mobilenet_ssd", 21, {"min_sizes": (1, 2)}, "--min-sizes", "conv17_2"),
        ("mobilenet_ssd", 21, {"min_sizes": (60, 50, 40, 30, 20, 10)}, "--min-sizes", "rise"),
        ("mobilenet_ssd", 21, {"min_sizes": (60, 70, 80, 90, 99, 300)}, "--min-sizes", "rise"),
        ("vgg_ssd", 21, {"min_sizes": (60, 50, 40, 30, 20, 10)}, "--min-sizes", "rise"),
        ("mobilenet_ssd", 21, {"min_sizes": (60, 70, 80, 90, 99, -1)}, "--min-sizes", "-1"),
        ("mobilenet_ssd", 21, {"min_sizes": (60, 70, 80, 90.5, 99, 120)}, "--min-sizes", "90.5"),
        ("vgg_ssd", 21, {"size": (512, 512)}, "--size", "vgg_ssd"),
        ("vgg_ssd", 21, {"width_multiplier": 0.5}, "--width-multiplier", "vgg_ssd"),
        ("mobilenetv2_ssd", 21, {"size": (300, 225)}, "--tf-padding", "square"),
    ],
)
def test_bad_options_are_named(
    family: str, classes: int, options: dict[str, Any], where: str, says: str
) -> None:
    with pytest.raises(UsageError) as caught:
        families.generate(family, classes, **options)
    assert caught.value.where == where
    assert says in str(caught.value)


@pytest.mark.parametrize("family", FAMILIES.names())
@pytest.mark.parametrize("scores", ["softmax", "sigmoid"])
def test_scores_are_what_is_asked_for_in_all_three_nets(family: str, scores: str) -> None:
    published = families.generate(family, 3)
    own = published.settings.scores
    model = families.generate(family, 3, scores=scores)
    assert model.settings.scores == scores
    for stage, net in model.nets.items():
        types = {layer.type for layer in net.layer if "/" not in layer.name}  # not a body's swish
        if stage == "train":
            (loss,) = (layer for layer in net.layer if layer.type == "MultiBoxLoss")
            kind = loss.multibox_loss_param.conf_loss_type
            assert kind == (scores == "sigmoid")
        else:
            assert ("Sigmoid" in types, "Softmax" in types) == (
                scores == "sigmoid",
                scores == "softmax",
            )
        assert (net == published.nets[stage]) == (scores == own)


def test_scores_that_are_none() -> None:
    with pytest.raises(UsageError, match="softmax or sigmoid") as error:
        families.generate("tiny_ssd", 3, scores="relu")
    assert error.value.where == "--scores"
