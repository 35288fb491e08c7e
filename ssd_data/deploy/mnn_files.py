"""A prepared net as MNN's file, and such a file as an engine."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from ssd_data.core.errors import InputError
from ssd_data.core.files.scratch import scratch
from ssd_data.core.files.whole import write_whole
from ssd_data.deploy.caffe_files import DEPLOY, WEIGHTS, write_net
from ssd_data.deploy.extras_files import load_postprocess
from ssd_data.deploy.heads import detection_rows
from ssd_data.deploy.proof import TOLERANCE, Proof, WrittenEngine
from ssd_data.deploy.targets import WrittenNet
from ssd_data.engines import Array
from ssd_data.engines.mnn import MnnFile, convert, require_mnn
from ssd_data.evaluation.compare import Difference
from ssd_data.nets.detection import DETECTION_TYPE, DetectionHead
from ssd_data.nets.matching import TrainedNet
from ssd_data.nets.prepare import PreparedNet

CAFFE = ["-f", "CAFFE", "--modelFile", WEIGHTS, "--prototxt", DEPLOY]


def why_no_detections(head: DetectionHead, source: str, priors: int) -> str:
    """What keeps MNN from finding the same in a net of that source, or nothing."""
    settings, top = head.settings, head.settings["top_k"]
    caffe = source == "caffe"
    encoded = settings["variance_encoded_in_target"]
    reasons = {
        "top_k or keep_top_k is 0: nothing is found": 0 in (top, settings["keep_top_k"]),
        "MNN has no boxes of each class, and no eta": not settings["share_location"]
        or settings["eta"] < 1,
        "the net knows no class but the background": settings["num_classes"]
        < 1 + (settings["background_label_id"] == 0),
        f"MNN decodes no {settings['code_type']} of Caffe's, or encoded variances": caffe
        and (settings["code_type"] != "CENTER_SIZE" or encoded),
        "MNN takes class 0 as the background": caffe and settings["background_label_id"] != 0,
        f"MNN has no top_k, which is {top} of {priors} priors here": caffe and 0 <= top < priors,
    }
    return next((reason for reason, holds in reasons.items() if holds), "")


def write_mnn(
    net: PreparedNet, file: Path, source: str, head: str, more: Sequence[str] = ()
) -> str:
    """Have MNN's converter write a net, for one picture at a time; its input's name.

    Args:
        source: "onnx" or "caffe", what it is made of. head: what it ends with; by "caffe" raw or
            nms.
        more: options of the converter's.

    Raises:
        InputError: a layer cannot be written, or MNN cannot take it.
        OutputError: the file cannot be written.
    """
    with scratch() as folder:
        if source == "caffe":
            write_net(_bounded(net) if head == "nms" else net.ending, folder)
            given, own = CAFFE, net.given.graph.inputs[0]
        else:
            from ssd_data.deploy.onnx_model import make_model

            model = make_model(net, head, batch=1, fills=True)
            (folder / "net.onnx").write_bytes(model.SerializeToString())
            given, own = ["-f", "ONNX", "--modelFile", "net.onnx"], model.graph.input[0].name
        convert([*given, *more], folder, "net.mnn", net.deploy)
        write_whole(file, (folder / "net.mnn").read_bytes())
    return own


def _bounded(net: PreparedNet) -> TrainedNet:
    """The whole net, with a number where MNN's DetectionOutput needs one."""
    made = net.canonical.part([net.head.node.tops[0]])
    for layer in made.graph.net.layer:
        if layer.type == DETECTION_TYPE:
            param = layer.detection_output_param
            if param.keep_top_k < 0:
                param.keep_top_k = len(net.boxes) * param.num_classes
            param.confidence_threshold = net.head.settings["confidence_threshold"]
    return made


def mnn_outputs(net: PreparedNet, source: str, head: str) -> list[str]:
    """The names of the file's outputs, in the order of what they hold."""
    if head == "decoded":
        return ["boxes", "scores"]
    if source == "onnx":
        return ["detections"] if head == "nms" else ["locations", "confidences"]
    end = net.head
    return [end.node.tops[0]] if head == "nms" else [end.locations, end.confidences]


def mnn_engine(
    written: WrittenNet, file: Path, names: Mapping[str, str], folder: Path, name: str = "mnn"
) -> WrittenEngine:
    """A file as an engine.

    Args:
        names: what its outputs hold, "detections" or two others, by their own names.
        folder: has the post-processing, where they are not detections.
    """
    net, own = written.net, written.input
    loaded = MnnFile(file, net.deploy)

    def values(batch: Array) -> dict[str, Array]:
        parts = [loaded.run(batch[i : i + 1], own, list(names)) for i in range(len(batch))]
        return {held: np.concatenate([p[key] for p in parts]) for key, held in names.items()}

    def rows(batch: Array) -> Array:
        parts = [loaded.run(batch[i : i + 1], own, list(names)) for i in range(len(batch))]
        found = [next(iter(part.values())).reshape(1, -1, 6) for part in parts]
        tables = [detection_rows(one) for one in found]
        for number, table in enumerate(tables):
            table[:, 0] = number
        return np.concatenate(tables)

    if len(names) == 1:
        return WrittenEngine(net, name, rows)
    after = load_postprocess(folder)
    return WrittenEngine(net, name, lambda batch: after(*values(batch).values()), values)


def reread_caffe(written: WrittenNet, folder: Path, proof: Proof) -> tuple[list[Difference], str]:
    """What MNN makes of Caffe's files in a folder, or a note where that is not the same.

    Raises:
        UsageError: MNN is not installed.
    """
    require_mnn()
    net = written.net
    reason = why_no_detections(net.head, "caffe", 0)
    if reason:
        return [], f"MNN cannot find the same in it: {reason}"
    try:
        with scratch() as held:
            for name in (DEPLOY, WEIGHTS):
                shutil.copy(folder / name, held)
            convert(CAFFE, held, "net.mnn", net.deploy)
            names = {net.head.node.tops[0]: "detections"}
            engine = mnn_engine(written, held / "net.mnn", names, folder)
        found = proof.measure(engine)
    except InputError as error:
        return [], f"MNN does not run it: {error.what}"
    if all(one.within(TOLERANCE) for one in found):
        return found, ""
    cure = why_no_detections(net.head, "caffe", len(net.boxes)) or "see --profile mnn"
    return [], f"MNN gives other values: {found[-1].sentence()} ({cure})"
