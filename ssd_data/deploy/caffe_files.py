"""A net as the two files that readers of Caffe's take."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ssd_data.core.errors import InputError
from ssd_data.core.files.whole import write_whole
from ssd_data.core.options import option
from ssd_data.deploy.proof import Proof, WrittenEngine
from ssd_data.deploy.targets import WrittenNet
from ssd_data.engines import Array, load_engine
from ssd_data.evaluation.compare import Difference
from ssd_data.nets.caffemodel import write_caffemodel
from ssd_data.nets.matching import TrainedNet
from ssd_data.nets.prototxt import deploy_text

DEPLOY, WEIGHTS = "deploy.prototxt", "net.caffemodel"
FILES = {DEPLOY: "the net", WEIGHTS: "its arrays, float32"}
RELU = "ReLU in the place of ReLU6"


@dataclass(frozen=True, slots=True)
class CaffeOptions:
    """What targets that write Caffe's files have in common.

    Attributes:
        relu6: see :meth:`ssd_data.nets.prepare.PreparedNet.without_relu6`.
    """

    relu6: Literal["layers", "keep", "relu"] = option(
        "layers",
        "write ReLU6 as equal standard layers, keep it, or write a plain ReLU, whose cost is "
        "measured.",
        shows_default=True,
    )


def write_net(trained: TrainedNet, folder: Path, text: str = "") -> None:
    """Write :data:`FILES`; the net says nothing of phases, which readers need not know.

    Args:
        text: a prototxt in the place of the net's own.

    Raises:
        OutputError: a file cannot be written.
        LayerError: a layer does what readers of Caffe's files do not know.
    """
    for node in trained.graph.nodes:
        if node.type == "Pooling" and not node.param.pooling_param.count_include_pad:
            what = "readers of Caffe's nets count padding in a mean (count_include_pad: false)"
            raise node.error(what, "Take --profile onnx")
    write_whole(folder / DEPLOY, text or deploy_text(trained.graph.net))
    write_caffemodel(folder / WEIGHTS, trained.graph.net, trained.layers)


def prove_net(
    written: WrittenNet, options: CaffeOptions, engine: WrittenEngine, proof: Proof
) -> list[Difference]:
    """What runs the files has to agree. A ReLU in a ReLU6's place was asked for: what it costs is
    measured."""
    if options.relu6 == "relu":
        written.losses[RELU] = proof.losses(engine)
        return []
    return proof.require(engine)


def opencv_engine(
    written: WrittenNet, deploy: Path, weights: Path, name: str = "opencv"
) -> WrittenEngine:
    """The files as OpenCV's DNN reads them; rows of label 0 fill up what it gives.

    Raises:
        InputError: it does not read them; the layer is named where the net as it was given has it.
    """
    with named_as_given(written):
        engine = load_engine("opencv", deploy, weights)
    own = engine.outputs[0]

    def rows(batch: Array) -> Array:
        with named_as_given(written):
            found = engine.forward(batch)[own].reshape(-1, 7)
        return found[found[:, 1] > 0]

    return WrittenEngine(written.net, name, rows)


@contextmanager
def named_as_given(written: WrittenNet) -> Iterator[None]:
    """A layer that a reader has not is named where the net as it was given has it: what was written
    is gone by then."""
    try:
        yield
    except InputError as error:
        _, _, layer = error.where.partition(" (")
        for node in written.net.given.graph.nodes:
            if layer and node.where.endswith(f" ({layer}"):
                hint = "Take --profile onnx"
                raise InputError(error.what, where=node.where, hint=hint) from None
        raise
