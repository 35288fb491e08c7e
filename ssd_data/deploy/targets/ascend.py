"""For Ascend's converter (ATC): a Caffe net whose end is Ascend's own layer SSDDetectionOutput.

Its fields and their limits are those of CANN's documents ("Modifying SSD Prototxt", and the
operator's page). No program that reads the layer can be installed here, so the proof runs the files
with a DetectionOutput of the same settings in its place; what Ascend makes of them is not shown.
"""

from __future__ import annotations

import re
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

from ssd_data.core.files.scratch import scratch
from ssd_data.core.files.whole import write_whole
from ssd_data.deploy.caffe_files import (
    DEPLOY,
    FILES,
    WEIGHTS,
    CaffeOptions,
    opencv_engine,
    prove_net,
    write_net,
)
from ssd_data.deploy.proof import Proof
from ssd_data.deploy.targets import WrittenNet
from ssd_data.evaluation.compare import Difference
from ssd_data.nets.prepare import PreparedNet
from ssd_data.nets.prototxt import deploy_text, parse_prototxt
from ssd_data.proto import caffe_pb2

BRIEF = "a Caffe net that ends with Ascend's SSDDetectionOutput; that layer is not run here."
SUMMARY = (
    "A Caffe net for Ascend's converter (ATC), which ends with its own layer SSDDetectionOutput."
)
OPTIONS = CaffeOptions
LAYER, FIELD = "SSDDetectionOutput", "ssddetectionoutput_param"
COUNT, END = "out_boxnum", "}\n"
MOST = 1024  # boxes before and after suppression, and classes, that the layer takes
CAPPED = f"{LAYER} takes at most {MOST} boxes"
NOT_RUN = f"not run on Ascend: it was run with a DetectionOutput in the place of {LAYER}"
Settings = dict[str, int | float | bool]


def write(net: PreparedNet, options: CaffeOptions, folder: Path) -> WrittenNet:
    """Write prototxt and caffemodel.

    Raises:
        InputError: the net's DetectionOutput says what the layer cannot do.
    """
    net = net.without_relu6(options.relu6).in_standard_layers()
    settings, notes = ascend_settings(net)
    taken = {name: settings[name] for name in ("top_k", "keep_top_k")}
    net = replace(net, head=replace(net.head, settings=net.head.settings | taken))
    whole = deepcopy(net.canonical.graph.net)
    (last,) = (layer for layer in whole.layer if layer.name == net.head.node.name)
    last.type = LAYER
    last.ClearField("detection_output_param")
    del last.bottom[3:]
    last.top.insert(0, COUNT)
    whole.layer.remove(last)
    whole.layer.append(last)
    write_net(net.canonical, folder, with_settings(deploy_text(whole), settings))
    batch = net.shape[0]
    outputs: dict[str, dict[str, Any]] = {
        COUNT: {"shape": [batch], "holds": "how many boxes were found, int32"},
        net.head.node.tops[0]: {
            "shape": [batch, settings["keep_top_k"], 8],
            "holds": "picture, label, score, xmin, ymin, xmax, ymax (fractions), nothing",
        },
    }
    facts = {"files": dict(FILES), "detection": settings}
    return WrittenNet(net, facts, outputs, None, [NOT_RUN, *notes])


def ascend_settings(net: PreparedNet) -> tuple[Settings, list[str]]:
    """The layer's settings, and notes on what had to change.

    Raises:
        InputError: the layer cannot do what the DetectionOutput says.
    """
    said, node = net.head.settings, net.head.node
    if said["code_type"] != "CENTER_SIZE":
        raise node.error(f"has code_type {said['code_type']}, {LAYER} takes CENTER_SIZE alone")
    if said["eta"] != 1:
        raise node.error(f"has eta {said['eta']:g}, {LAYER} takes 1 alone")
    if said["num_classes"] > MOST:
        raise node.error(f"has {said['num_classes']} classes, {LAYER} takes at most {MOST}")
    if not 0 < said["nms_threshold"] <= 1:
        raise node.error(f"has nms_threshold {said['nms_threshold']:g}, {LAYER} takes 0 to 1")
    notes, most = [], {}
    there = {"top_k": len(net.boxes), "keep_top_k": len(net.boxes) * said["num_classes"]}
    for name, all_of_them in there.items():
        count = min(said[name], all_of_them) if said[name] > 0 else all_of_them
        most[name] = min(count, MOST)
        if count > MOST:
            notes.append(f"{name} is {MOST}, not {said[name]}: {CAPPED}")
    return {
        "num_classes": said["num_classes"],
        "share_location": said["share_location"],
        "background_label_id": said["background_label_id"],
        "iou_threshold": said["nms_threshold"],
        "top_k": most["top_k"],
        "eta": 1.0,
        "variance_encoded_in_target": said["variance_encoded_in_target"],
        "code_type": 2,
        "keep_top_k": most["keep_top_k"],
        "confidence_threshold": max(said["confidence_threshold"], 0.0),
    }, notes


def with_settings(text: str, settings: Settings) -> str:
    """A prototxt whose last layer gets parameters that Caffe's own schema has no field for."""
    lines = "".join(f"    {name}: {_word(value)}\n" for name, value in settings.items())
    return f"{text.removesuffix(END)}  {FIELD} {{\n{lines}  }}\n{END}"


def _word(value: float | bool) -> str:
    return str(value).lower() if isinstance(value, bool) else f"{value:g}"


def read_back(file: Path, net: PreparedNet) -> caffe_pb2.NetParameter:
    """What was written, with a DetectionOutput in the place of Ascend's layer."""
    text = file.read_text("utf-8")
    start = text.rindex(f"  {FIELD} {{\n")
    says = dict(re.findall(r"^    (\w+): (\S+)$", text[start:], re.MULTILINE))
    whole = parse_prototxt(text[:start] + END, caffe_pb2.NetParameter, str(file)).message
    last = whole.layer[-1]
    last.type = net.head.node.type
    last.top.remove(COUNT)
    param = last.detection_output_param
    param.num_classes, param.keep_top_k = int(says["num_classes"]), int(says["keep_top_k"])
    param.share_location = says["share_location"] == "true"
    param.variance_encoded_in_target = says["variance_encoded_in_target"] == "true"
    param.background_label_id = int(says["background_label_id"])
    param.code_type = caffe_pb2.PriorBoxParameter.CodeType.CENTER_SIZE
    param.confidence_threshold = float(says["confidence_threshold"])
    param.nms_param.nms_threshold = float(says["iou_threshold"])
    param.nms_param.top_k = int(says["top_k"])
    return whole


def prove(
    written: WrittenNet, options: CaffeOptions, folder: Path, proof: Proof
) -> list[Difference]:
    """Through OpenCV's DNN, with a DetectionOutput in the place of Ascend's layer. Where the layer
    takes fewer boxes than the net gives, what that costs is measured."""
    with scratch() as readable:
        write_whole(readable / DEPLOY, deploy_text(read_back(folder / DEPLOY, written.net)))
        name = f"opencv, without {LAYER}"
        runtime = opencv_engine(written, readable / DEPLOY, folder / WEIGHTS, name)
    if any(CAPPED in note for note in written.notes):
        written.losses[CAPPED] = proof.losses(runtime)
        return []
    return prove_net(written, options, runtime, proof)
