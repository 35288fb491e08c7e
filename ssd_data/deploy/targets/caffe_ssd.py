"""For what reads SSD's own prototxts and caffemodels: OpenCV 4, ncnn, MNN, Sophgo and others."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ssd_data.deploy.caffe_files import DEPLOY, FILES, WEIGHTS, write_net
from ssd_data.deploy.made import Made
from ssd_data.deploy.proof import RELU, Proof, Written, losses, measure, require
from ssd_data.deploy.source import Options, Source
from ssd_data.engines import Array, load_engine

SUMMARY = (
    "A Caffe net with SSD's layers, as OpenCV 4, ncnn, MNN and other readers take it: BatchNorm "
    "merged, standard layers alone."
)
TAKES = {"relu6": "layers"}


def write(source: Source, options: Options, folder: Path) -> Made:
    """Write prototxt and caffemodel."""
    write_net(source.graph, source.layers, folder)
    output = source.heads.node.tops[0]
    holds = "detections: picture, label, score, xmin, ymin, xmax, ymax"
    return Made(
        {"files": dict(FILES)},
        {output: {"shape": [1, 1, "detections", 7], "holds": holds}},
        None,
        [f"layer types: {', '.join(sorted({layer.type for layer in source.graph.net.layer}))}"],
    )


def prove(
    source: Source, options: Options, folder: Path, made: Made, pictures: Sequence[Array]
) -> list[Proof]:
    """Through OpenCV's DNN. A ReLU in a ReLU6's place was asked for: what it costs is measured."""
    engine = load_engine("opencv", folder / DEPLOY, folder / WEIGHTS)
    own = engine.outputs[0]

    def rows(batch: Array) -> Array:
        found = engine.forward(batch)[own].reshape(-1, 7)
        return found[found[:, 1] > 0]

    written = Written(source, "opencv", rows)
    if options.relu6 == "relu":
        made.losses[RELU] = losses(source, written, pictures)
        return []
    proofs = measure(source, written, pictures)
    require(proofs, source.deploy)
    return proofs
