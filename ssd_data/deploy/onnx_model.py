"""Convolutions in whole numbers of 8 bits, by ONNX Runtime's post-training calibration.

Weights have a scale for each output channel, values one for each blob: from the least and largest
values of each record, averaged, so that one odd picture does not coarsen all. What follows the
net's last convolutions stays in single precision.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import onnx

from ssd_data.core.errors import InputError, UsageError
from ssd_data.data.lmdb.store import LmdbReader
from ssd_data.deploy.source import Source
from ssd_data.engines import Array
from ssd_data.nets.preprocessing import Preprocessing

KINDS = ["Conv", "Add", "Relu", "Clip", "LeakyRelu", "MaxPool"]


def quantise(
    model: onnx.ModelProto, source: Source, lmdb: Path | None, records: int
) -> tuple[onnx.ModelProto, str]:
    """The model with 8-bit convolutions, and a sentence on how it was made.

    Args:
        lmdb: training records; the first ``records`` of them are run.

    Raises:
        UsageError: no LMDB is given.
        InputError: it holds no record, or one that cannot be read.
    """
    if lmdb is None:
        raise UsageError("needs pictures", where="--int8", hint="Give --calibrate LMDB")
    from onnxruntime.quantization import (
        CalibrationMethod,
        QuantFormat,
        QuantType,
        quantize_static,
    )

    reader = _Records(source, lmdb, records)
    logging.getLogger().addFilter(_quiet)
    try:
        with TemporaryDirectory(prefix="ssd-data-") as folder:
            whole, file = Path(folder) / "float.onnx", Path(folder) / "int8.onnx"
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
                nodes_to_exclude=[n.name for n in model.graph.node if _at_the_end(n)],
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


def _at_the_end(node: onnx.NodeProto) -> bool:
    """Whether a node belongs to what follows the heads."""
    return str(node.name).startswith("end/")


def _quiet(record: logging.LogRecord) -> bool:
    """Its advice on preprocessing is not for the user."""
    return "pre-processing" not in record.getMessage()


class _Records:
    """The records as ONNX Runtime's calibration asks for them."""

    def __init__(self, source: Source, lmdb: Path, records: int) -> None:
        self.name, self.count = source.reference.input, 0
        size = (source.shape[3], source.shape[2])
        self._batches = _pictures(lmdb, records, source.preprocessing, size)

    def get_next(self) -> dict[str, Any] | None:
        """The next input, None after the last."""
        batch = next(self._batches, None)
        if batch is None:
            return None
        self.count += 1
        return {self.name: batch}


def _pictures(
    lmdb: Path, records: int, preprocessing: Preprocessing, size: tuple[int, int]
) -> Iterator[Array]:
    with LmdbReader(lmdb) as reader:
        for index, record in enumerate(reader):
            if index == records:
                return
            with reader.naming():
                picture = record.decode()
            if picture.ndim == 2:
                picture = picture[..., None].repeat(3, 2)
            yield preprocessing.apply(picture, size)[None]
