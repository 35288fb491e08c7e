"""For NPU toolchains (RKNN, NNIE and others) that read Caffe's convolutions and leave the rest of
SSD to the CPU: the net ends at its heads."""

from __future__ import annotations

from pathlib import Path

from ssd_data.deploy.caffe_files import (
    DEPLOY,
    FILES,
    WEIGHTS,
    CaffeOptions,
    named_as_given,
    prove_net,
    write_net,
)
from ssd_data.deploy.extras_files import load_postprocess, write_extras
from ssd_data.deploy.proof import Proof, WrittenEngine
from ssd_data.deploy.targets import WrittenNet
from ssd_data.engines import Array, Engine
from ssd_data.engines.opencv import OpenCV
from ssd_data.evaluation.compare import Difference
from ssd_data.nets.graph import read_graph
from ssd_data.nets.prepare import PreparedNet

BRIEF = "the net up to its locations and confidences, the priors, and the rest in NumPy."
SUMMARY = (
    "A Caffe net that ends with its locations and confidences; the prior boxes as a file, and the "
    "post-processing in NumPy, to be run on the CPU or to be ported."
)
OPTIONS = CaffeOptions


def write(net: PreparedNet, options: CaffeOptions, folder: Path) -> WrittenNet:
    """Write the net up to its heads, the priors and the post-processing."""
    net = net.without_relu6(options.relu6).in_standard_layers()
    write_net(net.ending, folder)
    extras = write_extras(net, folder)
    count, head = len(net.boxes), net.head
    classes = head.settings["num_classes"]
    each = 4 if head.settings["share_location"] else 4 * classes
    outputs = {
        head.locations: {
            "shape": [net.shape[0], count * each],
            "holds": f"locations of {count} priors, by {head.settings['code_type']}",
        },
        head.confidences: {
            "shape": [net.shape[0], count * classes],
            "holds": f"confidences of {count} priors, {classes} each, "
            f"activation left to do: {head.activation}",
        },
    }
    return WrittenNet(net, {"files": {**FILES, **extras}}, outputs, net.settings())


def prove(
    written: WrittenNet, options: CaffeOptions, folder: Path, proof: Proof
) -> list[Difference]:
    """Through OpenCV's DNN and the post-processing that was written."""
    graph = read_graph(folder / DEPLOY, "TEST")
    with named_as_given(written):
        engine: Engine = OpenCV(graph, folder / DEPLOY, folder / WEIGHTS)
    head, postprocess = written.net.head, load_postprocess(folder)

    def values(batch: Array) -> dict[str, Array]:
        with named_as_given(written):
            found = engine.forward(batch)
        return {"locations": found[head.locations], "confidences": found[head.confidences]}

    def rows(batch: Array) -> Array:
        return postprocess(*values(batch).values())

    runtime = WrittenEngine(written.net, "opencv and postprocess.py", rows, values)
    return prove_net(written, options, runtime, proof)
