"""A net to be shipped, as an ONNX model."""

from __future__ import annotations

import onnx

from ssd_data.deploy.proof import arrays_of
from ssd_data.deploy.source import Source
from ssd_data.nets.onnx.detection_head import End, outputs
from ssd_data.nets.onnx.emit import emit


def make_model(
    source: Source, head: str, *, dynamic: bool = False, half: bool = False
) -> onnx.ModelProto:
    """Emit a net with one of the heads of :mod:`ssd_data.nets.onnx.detection_head`.

    Raises:
        InputError: a layer's type has no emitter, or the head cannot be had of this net.
    """
    heads = source.heads
    names = ("locations", "confidences", "boxes", "scores", "detections")
    made = emit(
        source.cut,
        arrays_of(source),
        [heads.locations, heads.confidences],
        source.shape,
        dynamic=dynamic,
        half=half,
        reserved=names,
    )
    end = End(
        made.emission,
        made.blobs[heads.locations],
        made.blobs[heads.confidences],
        source.boxes,
        source.variances,
        heads.settings,
        heads.activation,
        heads.node.where,
    )
    text = f"{source.deploy.name} with {source.weights.name}"
    return made.emission.model({made.input.name: made.input}, outputs(end, head), text)
