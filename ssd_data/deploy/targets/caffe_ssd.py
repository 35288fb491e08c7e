"""For what reads SSD's own prototxts and caffemodels: OpenCV 4, ncnn, MNN, Sophgo and others."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

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

BRIEF = "BatchNorm merged, standard layers alone."
SUMMARY = (
    "A Caffe net with SSD's layers, as OpenCV 4, ncnn, MNN and other readers take it: BatchNorm "
    "merged, standard layers alone."
)
OPTIONS = CaffeOptions


def write(net: PreparedNet, options: CaffeOptions, folder: Path) -> WrittenNet:
    """Write prototxt and caffemodel."""
    net = net.without_relu6(options.relu6).in_standard_layers()
    write_net(net.canonical, folder)
    output = net.head.node.tops[0]
    holds = "detections: picture, label, score, xmin, ymin, xmax, ymax"
    types = sorted({node.type for node in net.canonical.graph.nodes})
    return WrittenNet(
        net,
        {"files": dict(FILES)},
        {output: {"shape": [1, 1, "detections", 7], "holds": holds}},
        None,
        [f"layer types: {', '.join(types)}"],
    )


def prove(
    written: WrittenNet, options: CaffeOptions, folder: Path, proof: Proof
) -> list[Difference]:
    """Through OpenCV's DNN, which has to agree; what MNN makes of it, where it is installed, is
    said."""
    engine = opencv_engine(written, folder / DEPLOY, folder / WEIGHTS)
    differences = prove_net(written, options, engine, proof)
    if not differences or find_spec("MNN") is None or find_spec("onnx") is None:
        return differences
    from ssd_data.deploy.mnn_files import reread_caffe

    more, note = reread_caffe(written, folder, proof)
    written.notes += [note] if note else []
    return [*differences, *more]
