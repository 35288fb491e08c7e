"""The deploy form of nets for training and testing: that of families is their own deploy net."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.nets import CLASSIFIER, DATA, MEANS, detector_text, evaluated_text, training_text

from ssd_data import families
from ssd_data.core.errors import InputError
from ssd_data.core.registry import FAMILIES
from ssd_data.engines import load_engine
from ssd_data.engines.torch.randomise import write_random_weights
from ssd_data.evaluation.compare import compare_engines
from ssd_data.nets.edit.deploy_form import read_deploy_form
from ssd_data.nets.graph import Graph, parse_graph, read_graph, to_graph
from ssd_data.nets.preprocessing import Preprocessing, find_preprocessing, read_preprocessing
from ssd_data.nets.prototxt import to_text

VARIANTS = [(name, v) for name in FAMILIES.names() for v in FAMILIES.load(name).VARIANTS]
# What a layer says of its training, and DetectionOutput's choice of boxes.
TRAINING = {
    "convolution_param": ("weight_filler", "bias_filler", "engine"),
    "scale_param": ("filler", "bias_filler"),
    "norm_param": ("scale_filler",),
    "batch_norm_param": ("moving_average_fraction",),
    "detection_output_param": ("nms_param", "keep_top_k", "confidence_threshold"),
}


def form(text: str, folder: Path, name: str = "train.prototxt") -> Graph:
    path = folder / name
    path.write_text(text)
    return read_deploy_form(path)


def computed(graph: Graph) -> list[str]:
    """What the layers of a net compute, as text."""
    rows = []
    for node in graph.nodes:
        layer = type(node.param)()
        layer.CopyFrom(node.param)
        for field in ("param", "include", "phase"):
            layer.ClearField(field)
        if layer.type == "Input":
            layer.name = "data"
        for holder, fields in TRAINING.items():
            if layer.HasField(holder):
                for field in fields:
                    getattr(layer, holder).ClearField(field)
                if not getattr(layer, holder).ListFields():
                    layer.ClearField(holder)
        rows.append(to_text(layer))
    return rows


@pytest.mark.parametrize(("name", "variant"), VARIANTS)
@pytest.mark.parametrize("stage", ["train", "test"])
def test_families(name: str, variant: str, stage: Any, tmp_path: Path) -> None:
    options = {"variant": variant}
    if "merged" in families.options_of(FAMILIES.load(name), variant):
        options["merged"] = False
    model = families.generate(name, 4, **options)
    made = form(to_text(model.nets[stage]), tmp_path)
    assert computed(made) == computed(to_graph(model.nets["deploy"], "TEST"))
    kind = {"train": "training", "test": "testing"}[stage]
    assert made.made.startswith(f"train.prototxt is a net for {kind}; its deploy form is taken")
    # Its own data layer says mean and scale, as the family has them.
    found = find_preprocessing(tmp_path / "train.prototxt")
    assert found.mean == model.preprocessing.mean
    assert found.scale == np.float32(model.preprocessing.scale)


def test_the_same_detections(tmp_path: Path) -> None:
    deploy, weights = tmp_path / "deploy.prototxt", tmp_path / "w.caffemodel"
    deploy.write_text(detector_text())
    write_random_weights(deploy, weights)
    batch = np.random.default_rng(0).uniform(-1, 1, (1, 3, 64, 64)).astype(np.float32)
    wanted = load_engine("torch", deploy, weights, threshold=0.4)
    tested = form(evaluated_text(), tmp_path, "test.prototxt")
    engines = [load_engine(name, tested, weights) for name in ("torch", "opencv", "onnxruntime")]
    for row in compare_engines([wanted, *engines], [batch]):
        assert row.within(1e-4), row
        assert row.compared > 10
    made = form(training_text(), tmp_path)
    param = made.nodes[-1].param.detection_output_param
    assert [param.keep_top_k, param.nms_param.top_k] == [200, 400]
    assert [param.nms_param.nms_threshold, param.confidence_threshold] == [
        np.float32(0.45),
        np.float32(0.01),
    ]
    param = made.net.layer[-1].detection_output_param
    param.keep_top_k, param.nms_param.top_k = 50, 100  # as the deploy net has them
    (row,) = compare_engines([wanted, load_engine("torch", made, weights, threshold=0.4)], [batch])
    assert row.within(1e-5)


def test_a_deploy_net_is_as_it_is(tmp_path: Path) -> None:
    for text in (
        detector_text(),
        'input: "data" input_dim: 1 input_dim: 3 input_dim: 64 input_dim: 64'
        + detector_text().partition("} }")[2].partition("}")[2],
    ):
        made = form(text, tmp_path)
        assert made.made == ""
        assert computed(made) == computed(parse_graph(text))


def test_both_phases_in_one_file(tmp_path: Path) -> None:
    """The test's data layer, mean and end are taken, the training's left out."""
    train = DATA.format(phase="TRAIN", transform="mean_value: 1 force_gray: true")
    text = evaluated_text("mean_value: 2 force_gray: true").replace("height: 64", "height: 32")
    loss = 'layer { name: "mbox_loss"' + training_text().partition('layer { name: "mbox_loss"')[2]
    made = form(train + text + loss, tmp_path)
    assert made.input_shape() == (1, 1, 32, 64)
    assert made.outputs == ["detection_out"]
    assert "net for testing" in made.made
    assert made.nodes[-1].param.detection_output_param.confidence_threshold == np.float32(0.4)
    assert read_preprocessing(tmp_path / "train.prototxt").mean == (2.0,)


def test_the_training_alone_has_data(tmp_path: Path) -> None:
    """A file whose end for testing has no data layer of its own."""
    body = evaluated_text().replace("phase: TEST", "phase: TRAIN", 1)
    made = form(body, tmp_path)
    assert made.outputs == ["detection_out"]


def test_what_belongs_to_training_goes(tmp_path: Path) -> None:
    text = training_text().replace(
        'type: "BatchNorm"', 'type: "BatchNorm" batch_norm_param { use_global_stats: false }'
    )
    made = form(text.replace('type: "ReLU"', 'type: "ReLU" propagate_down: true'), tmp_path)
    norm = next(node.param for node in made.nodes if node.type == "BatchNorm")
    assert not norm.HasField("batch_norm_param")
    assert not any(node.param.propagate_down or node.param.include for node in made.nodes)
    kept = form(
        evaluated_text().replace(
            "{ num_classes: 3 share",
            ('{ visualize: true save_output_param { output_directory: "/" } num_classes: 3 share'),
        ),
        tmp_path,
    )
    param = kept.nodes[-1].param.detection_output_param
    assert not param.HasField("save_output_param")
    assert not param.visualize
    assert param.keep_top_k == 50


@pytest.mark.parametrize(
    ("loss", "kind", "other"),
    [
        ("", "Softmax", {}),
        ("conf_loss_type: LOGISTIC", "Sigmoid", {}),
        ("share_location: false", "Softmax", {"share_location": False}),
        ("background_label_id: 2", "Softmax", {"background_label_id": 2}),
        ("encode_variance_in_target: true", "Softmax", {"variance_encoded_in_target": True}),
    ],
)
def test_of_the_loss(loss: str, kind: str, other: dict[str, object], tmp_path: Path) -> None:
    made = form(training_text(loss=loss), tmp_path)
    assert [node.type for node in made.nodes[-4:]] == [
        "Reshape",
        kind,
        "Flatten",
        "DetectionOutput",
    ]
    param = made.nodes[-1].param.detection_output_param
    wanted = {
        "num_classes": 3,
        "share_location": True,
        "background_label_id": 0,
        "code_type": 2,
        "variance_encoded_in_target": False,
    }
    assert {name: getattr(param, name) for name in wanted} == {**wanted, **other}


@pytest.mark.parametrize(
    ("transform", "shape", "said"),
    [
        (MEANS, (1, 3, 64, 64), ""),
        ("force_gray: true", (1, 1, 64, 64), ""),
        ("force_color: true", (1, 3, 64, 64), ""),
        ("mean_value: 9", (1, 3, 64, 64), "colour is assumed"),
        ("force_gray: true crop_size: 48", (1, 1, 48, 48), ""),
        ("force_gray: true crop_h: 32 crop_w: 40", (1, 1, 32, 40), ""),
    ],
)
def test_of_the_data_layer(
    transform: str, shape: tuple[int, ...], said: str, tmp_path: Path
) -> None:
    made = form(training_text(transform), tmp_path)
    assert made.input_shape() == shape
    assert ("colour is assumed" in made.made) == bool(said)
    assert made.inputs == ["data"]
    assert made.nodes[0].where == f'{tmp_path / "train.prototxt"}:1 (layer "data")'


def test_the_weights_tell_the_channels(tmp_path: Path) -> None:
    gray = tmp_path / "gray.prototxt"
    gray.write_text(detector_text(channels=1))
    write_random_weights(gray, tmp_path / "gray.caffemodel")
    path = tmp_path / "train.prototxt"
    path.write_text(training_text("mean_value: 9"))
    made = read_deploy_form(path, tmp_path / "gray.caffemodel")
    assert made.input_shape()[1] == 1
    assert "assumed" not in made.made
    path.write_text(training_text("force_color: true"))  # what is said holds
    assert read_deploy_form(path, tmp_path / "gray.caffemodel").input_shape()[1] == 3


def test_classifiers(tmp_path: Path) -> None:
    made = form(CLASSIFIER, tmp_path)
    assert made.input_shape() == (1, 1, 8, 6)
    assert [node.type for node in made.nodes] == ["Input", "InnerProduct", "Dropout", "Softmax"]
    assert made.outputs == ["prob"]
    assert 'Softmax for SoftmaxWithLoss "loss"' in made.made
    scores = 'layer { name: "scores" type: "Softmax" bottom: "fc" top: "scores" }'
    assert form(CLASSIFIER + scores, tmp_path).outputs == ["scores"]  # which has them already
    made = form(CLASSIFIER.replace("SoftmaxWithLoss", "EuclideanLoss"), tmp_path)
    assert made.outputs == ["fc"]


def test_the_form_before_today(tmp_path: Path) -> None:
    text = """
    layers { name: "d" type: DATA top: "data" top: "label"
      data_param { source: "x" batch_size: 2 crop_size: 12 } }
    layers { name: "fc" type: INNER_PRODUCT bottom: "data" top: "fc"
      inner_product_param { num_output: 2 } }
    layers { name: "loss" type: SOFTMAX_LOSS bottom: "fc" bottom: "label" }
    """
    made = form(text, tmp_path)
    assert made.input_shape() == (1, 3, 12, 12)
    assert made.nodes[1].where.endswith('train.prototxt:4 (layer "fc")')


@pytest.mark.parametrize(
    ("old", "new", "what", "hint"),
    [
        ("resize_param { height: 64 width: 64 }", "", "how large", "resize_param"),
        ("height: 64 width", "resize_mode: FIT_SMALL_SIZE height: 64 width", "how large", "resize"),
        ("height: 64 width", "height: 0 width", "3x0x64", "above 0"),
        ("num_classes: 3 code", "code", "no num_classes", ""),
        ("scale: 0.5", "force_gray: true force_color: true", "both force_color", "Keep one"),
        ('bottom: "priors" bottom: "label"', "", "cannot be replaced", "deploy net"),
        ('type: "AnnotatedData"', 'type: "HDF5Data"', "", ""),
    ],
)
def test_what_cannot_be_told(old: str, new: str, what: str, hint: str, tmp_path: Path) -> None:
    text = training_text()
    assert old in text
    if not what:
        assert form(text.replace(old, new), tmp_path).made
        return
    with pytest.raises(InputError) as caught:
        form(text.replace(old, new), tmp_path)
    assert what in caught.value.what
    assert hint in caught.value.hint
    assert str(tmp_path / "train.prototxt:") in str(caught.value.where)


def test_two_layers_of_pictures(tmp_path: Path) -> None:
    other = DATA.format(phase="TRAIN", transform=MEANS).replace('"data"', '"more"')
    join = 'layer { name: "j" type: "Eltwise" bottom: "more" bottom: "data" top: "j" }'
    text = other.replace('"label"', '"l2"') + training_text()
    text = text.replace('layer { name: "conv1"', join + 'layer { name: "conv1"')
    text = text.replace('"Convolution" bottom: "data"', '"Convolution" bottom: "j"')
    with pytest.raises(InputError, match="not one layer of pictures") as caught:
        form(text, tmp_path)
    assert '"more" (AnnotatedData)' in caught.value.what
    with pytest.raises(InputError, match="needs its top"):
        form(
            training_text().replace('bottom: "data" top: "conv1"', 'bottom: "label" top: "conv1"'),
            tmp_path,
        )
    with pytest.raises(InputError, match="nothing but what needs labels"):
        form(
            'layer { name: "d" type: "Data" top: "data" top: "label" }'
            'layer { name: "l" type: "EuclideanLoss" bottom: "data" bottom: "label" top: "l" }',
            tmp_path,
        )


def test_mean_of_a_single_value() -> None:
    prepare = Preprocessing((9.0,))
    picture = np.full((2, 2, 3), 10, np.uint8)
    assert prepare.fitted(parse_graph(detector_text())).mean == (9.0, 9.0, 9.0)
    assert prepare.apply(picture, None).tolist() == [[[1.0] * 2] * 2] * 3


def test_what_forks_say_of_reading_and_drawing_is_nothing_to_an_input(tmp_path: Path) -> None:
    odd = (
        "annotated_data_param { yoloformat: true crop_type: CROP_BATCH "
        "batch_sampler { odd: 1 sampler { odd: 2 } } data_anchor_sampler { odd: 3 } } data_param {"
    )
    path = tmp_path / "test.prototxt"
    path.write_text(evaluated_text().replace("data_param {", odd, 1))
    graph = read_deploy_form(path)
    assert graph.input_shape() == (1, 3, 64, 64)
    with pytest.raises(InputError, match='"yoloformat: true" is no field'):
        read_graph(path, "TEST")  # for whoever reads data by it
    path.write_text(path.read_text().replace("resize_param {", "resize_param { odd: 4 "))
    with pytest.raises(InputError, match='"odd: 4" is no field of resize_param'):
        read_deploy_form(path)


def test_a_detection_output_that_reads_labels(tmp_path: Path) -> None:
    """Forks draw the truth beside what was found."""
    path = tmp_path / "test.prototxt"
    more = 'bottom: "priors" bottom: "label" top: "detection_out"'
    assert 'bottom: "priors" top: "detection_out"' in evaluated_text()
    path.write_text(evaluated_text().replace('bottom: "priors" top: "detection_out"', more))
    graph = read_deploy_form(path)
    assert graph.nodes[-1].bottoms == ["loc", "scores", "priors"]
    assert list(graph.net.layer[-1].bottom) == ["loc", "scores", "priors"]
