"""A net as an ONNX model; and with its convolutions in whole numbers of 8 bits, by ONNX Runtime's
post-training calibration.

Weights have a scale for each output channel, values one for each blob: from the least and largest
values of each record, averaged, so that one odd picture does not coarsen all. What follows the
net's last convolutions stays in single precision.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import onnx

from ssd_data.core.errors import InputError
from ssd_data.core.files.scratch import scratch, temporary_files_in
from ssd_data.deploy.calibration import calibration_batches
from ssd_data.deploy.layer_errors import Blobs, layer_of, weighted
from ssd_data.engines.onnxruntime import open_session
from ssd_data.nets.onnx.detection_head import EmittedHead, head_outputs
from ssd_data.nets.onnx.emit import emit
from ssd_data.nets.prepare import PreparedNet

KINDS = ["Conv", "Add", "Relu", "Clip", "LeakyRelu", "MaxPool"]


def make_model(
    net: PreparedNet,
    head: str,
    *,
    dynamic: bool = False,
    half: bool = False,
    batch: int | None = None,
    fills: bool = False,
) -> onnx.ModelProto:
    """Emit a net that ends as :func:`ssd_data.nets.onnx.detection_head.head_outputs` says.

    Args:
        batch: how many pictures it takes, as the prototxt says by default.
        fills: see :class:`ssd_data.nets.onnx.detection_head.EmittedHead`.

    Raises:
        InputError: a layer's type has no emitter, or that end cannot be had of this net.
    """
    blobs = [net.head.locations, net.head.confidences]
    shape = (batch or net.shape[0], *net.shape[1:])
    names = ("locations", "confidences", "boxes", "scores", "detections")
    made = emit(net.ending, blobs, shape, dynamic=dynamic, half=half, reserved=names)
    locations, confidences = (made.blobs[blob] for blob in blobs)
    end = EmittedHead(
        made.emission, locations, confidences, net.boxes, net.variances, net.head, fills
    )
    text = f"{net.deploy.name} with {net.weights.name}"
    return made.emission.model({made.input.name: made.input}, head_outputs(end, head), text)


def quantise(
    model: onnx.ModelProto, net: PreparedNet, lmdb: Path, records: int
) -> tuple[onnx.ModelProto, str]:
    """The model with 8-bit convolutions, and a sentence on how it was made.

    Args:
        lmdb: training records; the first ``records`` of them are run.

    Raises:
        InputError: it holds no record, or one that cannot be read.
    """
    from onnxruntime.quantization import (
        CalibrationMethod,
        QuantFormat,
        QuantType,
        quantize_static,
    )

    reader = _Records(net, lmdb, records)
    names = [str(node.name) for node in model.graph.node]  # what follows the heads: end/…
    logging.getLogger().addFilter(_quiet)
    try:
        with scratch() as folder, temporary_files_in(folder):
            whole, file = folder / "float.onnx", folder / "int8.onnx"
            onnx.save(model, whole)
            quantize_static(
                whole,
                file,
                reader,
                quant_format=QuantFormat.QDQ,
                op_types_to_quantize=KINDS,
                per_channel=True,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
                calibrate_method=CalibrationMethod.MinMax,
                nodes_to_exclude=[name for name in names if name.startswith("end/")],
                extra_options={"ActivationSymmetric": False, "CalibMovingAverage": True},
            )
            made = onnx.load(file)
    finally:
        logging.getLogger().removeFilter(_quiet)
    if not reader.count:
        raise InputError("holds no record to calibrate by", where=lmdb)
    made.producer_name = model.producer_name
    text = (
        f"convolutions in 8 bits, weights per output channel, calibrated on {reader.count} records "
        f"of {lmdb.name}"
    )
    return made, text


def layers_of_both(single: onnx.ModelProto, low: onnx.ModelProto) -> tuple[Blobs, Blobs]:
    """The values of the layers with weights in a model and the same in 8 bits: their own, or those
    of the activation behind, which 8 bits take in."""
    made = {name for node in low.graph.node for name in node.output}
    behind = {node.input[0]: node.output[0] for node in single.graph.node if node.input}
    before, after = {}, {}
    for name in weighted(single):
        value = name if name in made else behind.get(name, name)
        whole = f"{value}_DequantizeLinear_Output"
        if value in made:
            before[layer_of(name)] = value
            after[layer_of(name)] = whole if whole in made else value
    return _within(single, before), _within(low, after)


def _within(model: onnx.ModelProto, values: dict[str, str]) -> Blobs:
    """Values within a model, under other names."""
    inside = onnx.ModelProto()
    inside.CopyFrom(model)
    del inside.graph.output[:]
    inside.graph.output.extend(onnx.ValueInfoProto(name=name) for name in values.values())
    session = open_session(inside.SerializeToString())
    own, names = session.get_inputs()[0].name, list(values.values())
    return lambda batch: dict(zip(values, session.run(names, {own: batch}), strict=True))


def _quiet(record: logging.LogRecord) -> bool:
    """Its advice on preprocessing is not for the user."""
    return "pre-processing" not in record.getMessage()


class _Records:
    """The records as ONNX Runtime's calibration asks for them."""

    def __init__(self, net: PreparedNet, lmdb: Path, records: int) -> None:
        self.name, self.count = net.given.graph.inputs[0], 0
        self._batches = calibration_batches(net, lmdb, records)

    def get_next(self) -> dict[str, Any] | None:
        """The next input, None after the last."""
        batch = next(self._batches, None)
        if batch is None:
            return None
        self.count += 1
        return {self.name: batch}
