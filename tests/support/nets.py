"""Small nets for tests."""

from __future__ import annotations

from pathlib import Path

from ssd_data.engines.torch.randomise import write_random_weights

# A detector of 64 x 64 pictures with two maps, BatchNorm, ReLU in place, and 3 classes.
DETECTOR = """
name: "tiny"
layer {{ name: "data" type: "Input" top: "data"
  input_param {{ shape {{ dim: 1 dim: {channels} dim: 64 dim: 64 }} }} }}
layer {{ name: "conv1" type: "Convolution" bottom: "data" top: "conv1"
  convolution_param {{ num_output: 8 kernel_size: 3 stride: 4 pad: 1 bias_term: false }} }}
layer {{ name: "bn1" type: "BatchNorm" bottom: "conv1" top: "conv1" }}
layer {{ name: "scale1" type: "Scale" bottom: "conv1" top: "conv1"
  scale_param {{ bias_term: true }} }}
layer {{ name: "relu1" type: "ReLU" bottom: "conv1" top: "conv1" }}
layer {{ name: "conv2" type: "Convolution" bottom: "conv1" top: "conv2"
  convolution_param {{ num_output: 8 kernel_size: 3 stride: 2 pad: 1 group: 8 }} }}
layer {{ name: "relu2" type: "ReLU" bottom: "conv2" top: "conv2" }}
{heads}
layer {{ name: "loc" type: "Concat" bottom: "loc1_flat" bottom: "loc2_flat" top: "loc" }}
layer {{ name: "conf" type: "Concat" bottom: "conf1_flat" bottom: "conf2_flat" top: "conf" }}
layer {{ name: "priors" type: "Concat" bottom: "prior1" bottom: "prior2" top: "priors"
  concat_param {{ axis: 2 }} }}
layer {{ name: "conf_rows" type: "Reshape" bottom: "conf" top: "conf_rows"
  reshape_param {{ shape {{ dim: 0 dim: -1 dim: {classes} }} }} }}
layer {{ name: "softmax" type: "Softmax" bottom: "conf_rows" top: "softmax"
  softmax_param {{ axis: 2 }} }}
layer {{ name: "scores" type: "Flatten" bottom: "softmax" top: "scores" }}
layer {{ name: "detection_out" type: "DetectionOutput" bottom: "loc" bottom: "scores"
  bottom: "priors" top: "detection_out"
  detection_output_param {{ num_classes: {classes} share_location: true background_label_id: 0
    nms_param {{ nms_threshold: 0.45 top_k: 100 }} code_type: CENTER_SIZE keep_top_k: 50
    confidence_threshold: 0.4 }} }}
"""
HEAD = """
layer {{ name: "loc{i}" type: "Convolution" bottom: "conv{i}" top: "loc{i}"
  convolution_param {{ num_output: 8 kernel_size: 1 }} }}
layer {{ name: "loc{i}_perm" type: "Permute" bottom: "loc{i}" top: "loc{i}_perm"
  permute_param {{ order: 0 order: 2 order: 3 order: 1 }} }}
layer {{ name: "loc{i}_flat" type: "Flatten" bottom: "loc{i}_perm" top: "loc{i}_flat" }}
layer {{ name: "conf{i}" type: "Convolution" bottom: "conv{i}" top: "conf{i}"
  convolution_param {{ num_output: {conf} kernel_size: 1 }} }}
layer {{ name: "conf{i}_perm" type: "Permute" bottom: "conf{i}" top: "conf{i}_perm"
  permute_param {{ order: 0 order: 2 order: 3 order: 1 }} }}
layer {{ name: "conf{i}_flat" type: "Flatten" bottom: "conf{i}_perm" top: "conf{i}_flat" }}
layer {{ name: "prior{i}" type: "PriorBox" bottom: "conv{i}" bottom: "data" top: "prior{i}"
  prior_box_param {{ min_size: {size} max_size: {larger} clip: false
    variance: 0.1 variance: 0.1 variance: 0.2 variance: 0.2 }} }}
"""


# The same net's data layer and loss, for training.
DATA = """layer {{ name: "data" type: "AnnotatedData" top: "data" top: "label"
  include {{ phase: {phase} }}
  transform_param {{ {transform} resize_param {{ height: 64 width: 64 }} }}
  data_param {{ source: "nowhere_lmdb" batch_size: 4 backend: LMDB }} }}
"""
LOSS = """layer {{ name: "mbox_loss" type: "MultiBoxLoss" bottom: "loc" bottom: "conf"
  bottom: "priors" bottom: "label" top: "mbox_loss" include {{ phase: TRAIN }}
  multibox_loss_param {{ num_classes: {classes} code_type: CENTER_SIZE {loss} }} }}
"""
EVALUATE = """layer {{ name: "detection_eval" type: "DetectionEvaluate" bottom: "detection_out"
  bottom: "label" top: "detection_eval" include {{ phase: TEST }}
  detection_evaluate_param {{ num_classes: {classes} overlap_threshold: 0.5 }} }}
"""
# A classifier of gray pictures, for both phases.
CLASSIFIER = """
layer { name: "pictures" type: "ImageData" top: "data" top: "label"
  image_data_param { source: "none.txt" new_height: 8 new_width: 6 is_color: false } }
layer { name: "fc" type: "InnerProduct" bottom: "data" top: "fc"
  inner_product_param { num_output: 5 } }
layer { name: "drop" type: "Dropout" bottom: "fc" top: "fc" }
layer { name: "accuracy" type: "Accuracy" bottom: "fc" bottom: "label" top: "accuracy" }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "fc" bottom: "label" top: "loss" }
"""
MEANS = "mean_value: 104 mean_value: 117 mean_value: 123 scale: 0.5"
# What a DetectionOutput may say: what is there, and what stands in its place.
EDGES = {
    "locations of each class": [
        ("share_location: true", "share_location: false"),
        ("num_output: 8 kernel_size: 1", "num_output: 24 kernel_size: 1"),
    ],
    "corners": [("CENTER_SIZE", "CORNER")],
    "sizes": [("CENTER_SIZE", "CORNER_SIZE")],
    "no limits": [("top_k: 100", "top_k: -1"), ("keep_top_k: 50", "keep_top_k: -1")],
    "no threshold": [("confidence_threshold: 0.4", "")],
    "a threshold that moves": [("nms_threshold: 0.45", "nms_threshold: 0.6 eta: 0.9")],
    "encoded": [("code_type:", "variance_encoded_in_target: true code_type:")],
    "another background": [("background_label_id: 0", "background_label_id: -1")],
    "sigmoid": [('type: "Softmax"', 'type: "Sigmoid"'), ("softmax_param { axis: 2 }", "")],
}


def with_edge(text: str, case: str) -> str:
    """A detector's text with one of the edges."""
    for old, new in EDGES[case]:
        assert old in text
        text = text.replace(old, new)
    if case in ("no limits", "encoded"):
        text = text.replace("confidence_threshold: 0.4", "confidence_threshold: 0.6")
    return text


def detector_text(classes: int = 3, channels: int = 3) -> str:
    heads = [HEAD.format(i=i, size=12 * i, larger=24 * i, conf=2 * classes) for i in (1, 2)]
    return DETECTOR.format(heads="".join(heads), classes=classes, channels=channels)


def training_text(transform: str = MEANS, loss: str = "", classes: int = 3) -> str:
    """The tiny detector's net for training."""
    body = _body(classes).partition('layer { name: "conf_rows"')[0]
    return (
        DATA.format(phase="TRAIN", transform=transform)
        + body
        + LOSS.format(classes=classes, loss=loss)
    )


def evaluated_text(transform: str = MEANS, classes: int = 3) -> str:
    """The tiny detector's net for testing."""
    data = DATA.format(phase="TEST", transform=transform)
    return data + _body(classes) + EVALUATE.format(classes=classes)


def _body(classes: int) -> str:
    """All but its input."""
    text = detector_text(classes)
    return text[text.index('layer { name: "conv1"') :]


def write_detector(
    folder: Path, seed: int = 0, classes: int = 3, channels: int = 3
) -> tuple[Path, Path]:
    """The tiny detector with random weights: its deploy prototxt and caffemodel."""
    deploy, weights = folder / "deploy.prototxt", folder / "tiny.caffemodel"
    deploy.write_text(detector_text(classes, channels))
    write_random_weights(deploy, weights, seed)
    return deploy, weights
