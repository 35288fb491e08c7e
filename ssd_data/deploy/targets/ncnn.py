"""For ncnn: ``.param`` and ``.bin``, written layer by layer, with the detections inside where ncnn
has them equal."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from ssd_data.core.files.scratch import scratch
from ssd_data.core.options import option
from ssd_data.deploy.calibration import RECORDS
from ssd_data.deploy.examples import write_examples
from ssd_data.deploy.extras_files import load_postprocess, write_extras
from ssd_data.deploy.heads import head_outputs_table, left_to_do
from ssd_data.deploy.layer_errors import furthest_off
from ssd_data.deploy.ncnn_model import make_ncnn, quantise_ncnn, write_ncnn
from ssd_data.deploy.precision import PrecisionOptions, measure_lower
from ssd_data.deploy.proof import REPORT, TIES, Proof, WrittenEngine
from ssd_data.deploy.targets import WrittenNet
from ssd_data.engines import Array
from ssd_data.engines.ncnn import BIN, LOWER, PARAM, NcnnFiles, require_ncnn
from ssd_data.evaluation.compare import Difference
from ssd_data.nets.ncnn.detection_end import why_not
from ssd_data.nets.prepare import PreparedNet

BRIEF = "net.param and net.bin, with the detections inside where ncnn has them equal."
SUMMARY = "A net for ncnn, one picture at a time."
SETTINGS = "run with half precision off, as in the examples; ncnn has it on where a device has it"


@dataclass(frozen=True, slots=True)
class NcnnOptions(PrecisionOptions):
    """What is wanted of ncnn's files.

    Attributes:
        head: "nms", detections by ncnn's DetectionOutput; "raw", locations and confidences; None
            for detections where ncnn's are equal.
    """

    head: Literal["raw", "nms"] | None = option(None, "the net's end.")


OPTIONS = NcnnOptions


def write(net: PreparedNet, options: NcnnOptions, folder: Path) -> WrittenNet:
    """Write ncnn's files, the examples, and what the head leaves to do."""
    head, notes = _head(net, options)
    notes.append(SETTINGS)
    model, kind = make_ncnn(net, head), "float32"
    own = model.layers[0].tops[0]
    facts: dict[str, Any] = {"head": head, "batch": 1, "runtime": dict.fromkeys(LOWER, False)}
    if options.calibrate is not None:
        require_ncnn()
        model, errors, count = quantise_ncnn(
            model, net, options.calibrate, options.records or RECORDS
        )
        notes += _quantised(errors, count, options.calibrate)
        facts["layer_errors"] = errors
        kind = "8-bit whole numbers in convolutions"
    write_ncnn(model, folder, options.half)
    kind = "float16, computed as the runtime's options say" if options.half else kind
    facts["files"] = {PARAM: "the net's layers", BIN: f"its arrays, {kind}"}
    if head != "nms":
        facts["files"] |= write_extras(net, folder)
    facts["files"] |= write_examples("ncnn", net, folder, own, "detections" * (head == "nms"))
    outputs = head_outputs_table(net, head, 1, "found")
    if head == "nms":
        outputs["detections"]["shape"] = ["found", 6]
        outputs["detections"]["holds"] = "label, score, xmin, ymin, xmax, ymax by falling score"
    return WrittenNet(net, facts, outputs, left_to_do(net, head), notes, input_name=own)


def _head(net: PreparedNet, options: NcnnOptions) -> tuple[str, list[str]]:
    """How the net ends, and a note where it is not as one would think."""
    reason = why_not(net.head)
    if options.head == "nms" and reason:
        raise net.head.node.error(reason, "Take --head raw, with the post-processing beside it")
    if options.head is None and reason:
        return "raw", [f"it ends with locations and confidences: {reason}"]
    return options.head or "nms", []


def _quantised(errors: dict[str, float], count: int, lmdb: Path) -> list[str]:
    return [
        f"convolutions in 8 bits, weights per output channel, calibrated on {count} records of "
        f"{lmdb.name}",
        *furthest_off(errors),
    ]


def prove(
    written: WrittenNet, options: NcnnOptions, folder: Path, proof: Proof
) -> list[Difference]:
    """Through ncnn. A net of lower precision is measured; the same in single precision, which is
    not written, has to agree."""
    require_ncnn()
    engine = _engine(written, folder, folder)
    hint = REPORT if written.detection else TIES
    if not options.lower:
        return proof.require(engine, hint)
    with scratch() as whole:
        write_ncnn(make_ncnn(written.net, written.facts["head"]), whole)
        single = _engine(written, whole, folder, "ncnn, in single precision")
    return measure_lower(written, options.lower, engine, single, proof, hint=hint)


def _engine(written: WrittenNet, files: Path, folder: Path, name: str = "ncnn") -> WrittenEngine:
    """The files that were written, as an engine; ``folder`` holds what follows them."""
    loaded = NcnnFiles(files, written.net.deploy)
    own, names = written.input, list(written.outputs)

    def each(batch: Array) -> list[dict[str, Array]]:
        return [loaded.run(picture, own, names) for picture in batch]

    def rows(batch: Array) -> Array:
        found = [one["detections"].reshape(-1, 6) for one in each(batch)]
        number = np.repeat(np.arange(len(found)), [len(one) for one in found])
        return np.column_stack([number, np.concatenate(found)]).astype(np.float32)

    if written.detection is None:
        return WrittenEngine(written.net, name, rows)
    after = load_postprocess(folder)

    def values(batch: Array) -> dict[str, Array]:
        parts = each(batch)
        return {key: np.stack([part[key] for part in parts]) for key in names}

    return WrittenEngine(written.net, name, lambda batch: after(*values(batch).values()), values)
