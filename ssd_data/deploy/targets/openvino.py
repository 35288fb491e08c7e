"""For OpenVINO: its own files, with the detections inside."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from ssd_data.core.options import option
from ssd_data.deploy.calibration import RECORDS, check_precision, lower_precision
from ssd_data.deploy.examples import write_examples
from ssd_data.deploy.extras_files import write_extras
from ssd_data.deploy.heads import head_outputs_table, left_to_do, one_picture, written_engine
from ssd_data.deploy.layer_errors import furthest_off, layer_errors, layer_of, weighted
from ssd_data.deploy.openvino_model import (
    NET,
    layers_within,
    quantise_openvino,
    read_folded,
    write_openvino,
)
from ssd_data.deploy.proof import Proof, WrittenEngine
from ssd_data.deploy.targets import WrittenNet
from ssd_data.engines.openvino import open_net, read_net, require_openvino
from ssd_data.evaluation.compare import Difference
from ssd_data.nets.prepare import PreparedNet

BRIEF = "net.xml and net.bin, as OpenVINO reads them."
SUMMARY = "A net in OpenVINO's own files, for Intel's processors, graphics and NPUs."


@dataclass(frozen=True, slots=True)
class OpenvinoOptions:
    """What is wanted of OpenVINO's files.

    Attributes:
        head: what the net ends with, see :func:`ssd_data.nets.onnx.detection_head.head_outputs`.
        dynamic_batch: whether it takes batches of any size.
        half: arrays in half precision.
        int8: whole numbers of 8 bits, by ``calibrate``, an LMDB, and its first ``records`` records.
    """

    head: Literal["raw", "decoded", "nms"] | None = option(
        None,
        "end with locations and confidences; with boxes and scores (not ncnn); or with detections "
        "(not litert).  [default: nms; litert: decoded; mnn and ncnn: raw where their nms is not "
        "equal]",
    )
    dynamic_batch: bool = option(False, "take batches of any size.")
    half: bool = option(
        False, "half precision within (litert, mnn and ncnn: weights); its loss is measured."
    )
    int8: bool = option(False, "8-bit convolutions (mnn: weights alone); the loss is measured.")
    calibrate: Path | None = option(None, "whose pictures.", of="int8", metavar="LMDB")
    records: int | None = option(
        None, f"how many of its records.  [default: {RECORDS}]", of="int8", metavar="N", low=1
    )

    def __post_init__(self) -> None:
        check_precision(self.half, self.int8, self.calibrate, self.records)


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
    if not (lower := lower_precision(options.half, options.int8)):
        return proof.require(engine)
    single = _single(written.net, options)
    found = proof.require(_engine(written, folder, single, "openvino, in single precision"))
    if options.int8:
        errors = _errors(written.net, single, shipped, proof)
        written.facts["layer_errors"] = errors
        written.notes += furthest_off(errors)
    written.losses[lower] = proof.losses(engine)
    return found


def _engine(written: WrittenNet, folder: Path, net: Any, name: str = "openvino") -> WrittenEngine:
    run = open_net(net, list(written.outputs), folder / NET)
    return written_engine(written, name, folder, run)


def _errors(net: PreparedNet, single: Any, shipped: Any, proof: Proof) -> dict[str, float]:
    """How far each convolution is off in whole numbers, by layer."""
    from ssd_data.deploy.onnx_model import make_model

    names = weighted(make_model(net, "raw", batch=1))
    found = layer_errors(
        layers_within(single.clone(), names), layers_within(shipped.clone(), names), proof.batches
    )
    return {layer_of(name): error for name, error in found.items()}
