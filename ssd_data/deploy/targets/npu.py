"""For NPU toolchains (RKNN, NNIE and others) that read Caffe's convolutions and leave the rest of
SSD to the CPU: the net ends at its heads."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ssd_data.deploy.caffe_files import DEPLOY, FILES, WEIGHTS, write_net
from ssd_data.deploy.extras_files import detector, write_beside
from ssd_data.deploy.made import Made
from ssd_data.deploy.proof import RELU, Proof, Written, arrays_of, losses, measure, require
from ssd_data.deploy.source import Options, Source
from ssd_data.engines import Array, Engine
from ssd_data.engines.opencv import OpenCV
from ssd_data.nets.graph import read_graph

SUMMARY = (
    "A Caffe net that ends with its locations and confidences; the prior boxes as a file, and the "
    "post-processing in NumPy, to be run on the CPU or to be ported."
)
TAKES = {"relu6": "layers"}


def write(source: Source, options: Options, folder: Path) -> Made:
    """Write the cut net, the priors and the post-processing."""
    write_net(source.cut, list(arrays_of(source).values()), folder)
    beside = write_beside(source, folder)
    count, settings = len(source.boxes), source.heads.settings
    each = 4 if settings["share_location"] else 4 * settings["num_classes"]
    batch = source.shape[0]
    outputs = {
        source.heads.locations: {
            "shape": [batch, count * each],
            "holds": f"locations of {count} priors, by {settings['code_type']}",
        },
        source.heads.confidences: {
            "shape": [batch, count * settings["num_classes"]],
            "holds": f"confidences of {count} priors, {settings['num_classes']} each, "
            f"activation left to do: {source.heads.activation}",
        },
    }
    files = {**FILES, **beside}
    return Made({"files": files}, outputs, source.settings())


def prove(
    source: Source, options: Options, folder: Path, made: Made, pictures: Sequence[Array]
) -> list[Proof]:
    """Through OpenCV's DNN and the post-processing that was written."""
    engine: Engine = OpenCV(read_graph(folder / DEPLOY, "TEST"), folder / DEPLOY, folder / WEIGHTS)
    found = source.heads

    def values(batch: Array) -> dict[str, Array]:
        outputs = engine.forward(batch)
        names = {"locations": found.locations, "confidences": found.confidences}
        return {name: outputs[blob] for name, blob in names.items()}

    run = detector(folder)
    written = Written(
        source, "opencv and postprocess.py", lambda batch: run(*values(batch).values()), values
    )
    if options.relu6 == "relu":
        made.losses[RELU] = losses(source, written, pictures)
        return []
    proofs = measure(source, written, pictures)
    require(proofs, source.deploy)
    return proofs
