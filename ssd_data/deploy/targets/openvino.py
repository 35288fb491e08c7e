"""For OpenVINO: its own files, with the detections inside."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ssd_data.core.options import option
from ssd_data.deploy.calibration import RECORDS
from ssd_data.deploy.examples import write_examples
from ssd_data.deploy.extras_files import write_extras
from ssd_data.deploy.heads import head_outputs_table, left_to_do, one_picture, written_engine
from ssd_data.deploy.layer_errors import errors_by_node
from ssd_data.deploy.openvino_model import (
    NET,
    layers_within,
    quantise_openvino,
    read_folded,
    write_openvino,
)
from ssd_data.deploy.precision import PrecisionOptions, measure_lower
from ssd_data.deploy.proof import Proof, WrittenEngine
from ssd_data.deploy.targets import WrittenNet
from ssd_data.engines.openvino import open_net, read_net, require_openvino
from ssd_data.evaluation.compare import Difference
from ssd_data.nets.prepare import PreparedNet

BRIEF = "net.xml and net.bin, as OpenVINO reads them."
SUMMARY = "A net in OpenVINO's own files, for Intel's processors, graphics and NPUs."


@dataclass(frozen=True, slots=True)
class OpenvinoOptions(PrecisionOptions):
    """What is wanted of OpenVINO's files.

    Attributes:
        dynamic_batch: whether the net takes batches of any size.
    """

    dynamic_batch: bool = option(False, "take batches of any size.")


OPTIONS = OpenvinoOptions


def write(net: PreparedNet, options: OpenvinoOptions, folder: Path) -> WrittenNet:
    """Write OpenVINO's files, the example, and what the head leaves to do."""
    require_openvino()
    from ssd_data.nets.onnx.emission import BATCH

    head = options.head or "nms"
    made, notes = _single(net, options), []
    if options.calibrate is not None:
        records = options.records or RECORDS
        made, text = quantise_openvino(made, net, options.calibrate, records)
        notes.append(text)
    batch = BATCH if options.dynamic_batch else 1
    facts: dict[str, Any] = {"files": write_openvino(made, folder, options.half, options.int8)}
    facts |= {"head": head, "batch": "any" if options.dynamic_batch else batch}
    if head != "nms":
        facts["files"] |= write_extras(net, folder, priors=head == "raw")
    own = str(made.inputs[0].get_any_name())
    facts["files"] |= write_examples("openvino", net, folder, own)
    outputs = head_outputs_table(net, head, batch)
    ends = left_to_do(net, head)
    return WrittenNet(net, facts, outputs, ends, notes, input_name=own, given=one_picture(net))


def _single(net: PreparedNet, options: OpenvinoOptions) -> Any:
    """The net in single precision, as OpenVINO holds it."""
    from ssd_data.deploy.onnx_model import make_model

    model = make_model(net, options.head or "nms", dynamic=options.dynamic_batch, batch=1)
    return read_folded(model.SerializeToString(), net.deploy)


def prove(
    written: WrittenNet, options: OpenvinoOptions, folder: Path, proof: Proof
) -> list[Difference]:
    """Through OpenVINO, from the folder. A net of lower precision is measured; the same in single
    precision, which is not written, has to agree."""
    if options.dynamic_batch:
        proof.batches.append(np.concatenate(proof.batches))  # and all at once
    shipped = read_net(folder / NET)
    engine = _engine(written, folder, shipped)
    if not options.lower:
        return proof.require(engine)
    single = _single(written.net, options)
    return measure_lower(
        written,
        options.lower,
        engine,
        _engine(written, folder, single, "openvino, in single precision"),
        proof,
        errors=(lambda: _errors(written.net, single, shipped, proof)) if options.int8 else None,
    )


def _engine(written: WrittenNet, folder: Path, net: Any, name: str = "openvino") -> WrittenEngine:
    run = open_net(net, list(written.outputs), folder / NET)
    return written_engine(written, name, folder, run)


def _errors(net: PreparedNet, single: Any, shipped: Any, proof: Proof) -> dict[str, float]:
    """How far each convolution is off in whole numbers, by layer."""
    from ssd_data.deploy.onnx_model import make_model

    model = make_model(net, "raw", batch=1)
    return errors_by_node(layers_within, single, shipped, model, proof.batches)
