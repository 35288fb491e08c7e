"""A prepared net as ncnn's two files; and with whole numbers, calibrated by ncnn itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from ssd_data.core.errors import InputError
from ssd_data.core.files.scratch import scratch
from ssd_data.core.files.whole import write_whole
from ssd_data.deploy.calibration import calibration_batches
from ssd_data.engines import Array
from ssd_data.engines.ncnn import BIN, PARAM, NcnnFiles
from ssd_data.nets.ncnn.detection_end import NcnnEnd, detections, raw_outputs
from ssd_data.nets.ncnn.emit import write_layers
from ssd_data.nets.ncnn.model import NcnnModel
from ssd_data.nets.ncnn.quantise import quantised, to_quantise
from ssd_data.nets.prepare import PreparedNet

OUTPUTS = ("locations", "confidences", "detections")
SHOWN = 4  # pictures on which layers are compared


def make_ncnn(net: PreparedNet, head: str) -> NcnnModel:
    """The net, for one picture at a time.

    Args:
        head: "raw" or "nms", see :mod:`ssd_data.nets.ncnn.detection_end`.

    Raises:
        InputError: ncnn has no such layer.
    """
    blobs = [net.head.locations, net.head.confidences]
    made = write_layers(net.ending, blobs, (1, *net.shape[1:]), OUTPUTS)
    locations, confidences = (made.blobs[blob] for blob in blobs)
    end = NcnnEnd(made.emission, locations, confidences, net.boxes, net.variances, net.head)
    return made.model(raw_outputs(end) if head == "raw" else detections(end))


def write_ncnn(model: NcnnModel, folder: Path, half: bool = False) -> None:
    """Write the two files.

    Raises:
        OutputError: one cannot be written.
    """
    write_whole(folder / PARAM, model.text())
    write_whole(folder / BIN, model.data(half))


def quantise_ncnn(
    model: NcnnModel, net: PreparedNet, lmdb: Path, records: int
) -> tuple[NcnnModel, dict[str, float], int]:
    """The net in whole numbers, how far each layer then is off, and by how many records.

    A layer's error is that of its values' length, as a fraction of it: |a - b| / |a|.

    Raises:
        InputError: the LMDB holds no record, or one that cannot be read.
    """
    layers = to_quantise(model)
    inputs = sorted({layer.bottoms[0] for layer in layers})
    outputs = {layer.name: layer.tops[0] for layer in layers}
    sums, kept, count = dict.fromkeys(inputs, 0.0), [], 0
    run = _runner(model, net)
    for batch in calibration_batches(net, lmdb, records):
        values = run(batch, [*inputs, *(outputs.values() if count < SHOWN else ())])
        for name in inputs:
            sums[name] += float(np.abs(values[name]).max(initial=0))
        if count < SHOWN:
            kept.append((batch, {name: values[blob] for name, blob in outputs.items()}))
        count += 1
    if not count:
        raise InputError("holds no record to calibrate by", where=lmdb)
    made = quantised(model, {name: total / count for name, total in sums.items()})
    run = _runner(made, net)
    errors = dict.fromkeys(outputs, 0.0)
    for batch, theirs in kept:
        ours = run(batch, list(outputs.values()))
        for name, blob in outputs.items():
            errors[name] += _error(theirs[name], ours[blob]) / len(kept)
    return made, errors, count


def _runner(
    model: NcnnModel, net: PreparedNet
) -> Callable[[Array, list[str]], Mapping[str, Array]]:
    with scratch() as folder:
        write_ncnn(model, folder)
        files = NcnnFiles(folder, net.deploy, keeps=True)

    def run(batch: Array, names: list[str]) -> Mapping[str, Array]:
        return files.run(batch[0], model.layers[0].tops[0], names)

    return run


def _error(a: Array, b: Array) -> float:
    length = float(np.linalg.norm(a))
    return float(np.linalg.norm(a - b)) / length if length else 0.0
