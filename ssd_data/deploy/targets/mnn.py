"""For MNN: one file, made by MNN's converter of an ONNX net or of Caffe's files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ssd_data.core.errors import UsageError
from ssd_data.core.files.scratch import scratch
from ssd_data.core.options import option
from ssd_data.deploy.examples import write_examples
from ssd_data.deploy.extras_files import write_extras
from ssd_data.deploy.heads import head_outputs_table, left_to_do
from ssd_data.deploy.mnn_files import mnn_engine, mnn_outputs, why_no_detections, write_mnn
from ssd_data.deploy.precision import lower_precision, measure_lower
from ssd_data.deploy.proof import REPORT, TIES, Proof
from ssd_data.deploy.targets import WrittenNet
from ssd_data.engines.mnn import require_mnn
from ssd_data.evaluation.compare import Difference
from ssd_data.nets.prepare import PreparedNet

BRIEF = "net.mnn, with the detections inside where MNN has them equal."
SUMMARY = "A net for MNN, one picture at a time."
NET = "net.mnn"
SETTINGS = "run in high precision and by small tiles, as in the examples; MNN is coarser by itself"


@dataclass(frozen=True, slots=True)
class MnnOptions:
    """What is wanted of MNN's file.

    Attributes:
        head: what it ends with: "raw", locations and confidences; "decoded", boxes and scores;
            "nms", detections; None for detections where MNN's are equal, else "raw".
        source: what the converter is given.
        half: weights in half precision.
        int8: weights in 8 bits.
    """

    head: Literal["raw", "decoded", "nms"] | None = option(
        None,
        "end with locations and confidences; with boxes and scores (not ncnn); or with "
        "detections.  [default: nms; for mnn and ncnn where they have it equal, else raw]",
    )
    source: Literal["onnx", "caffe"] = option(
        "onnx", "what MNN's converter is given.", shows_default=True
    )
    half: bool = option(
        False, "half precision within (mnn and ncnn: weights); its loss is measured."
    )
    int8: bool = option(False, "8-bit convolutions (mnn: weights alone); the loss is measured.")

    def __post_init__(self) -> None:
        if self.half and self.int8:
            raise UsageError("--half and --int8 exclude each other")
        if self.source == "caffe" and self.head == "decoded":
            raise UsageError("--head decoded belongs to --source onnx")


OPTIONS = MnnOptions


def write(net: PreparedNet, options: MnnOptions, folder: Path) -> WrittenNet:
    """Write MNN's file, the examples, and what the head leaves to do."""
    require_mnn()
    net = net.in_standard_layers() if options.source == "caffe" else net
    head, notes = _head(net, options)
    notes.append(SETTINGS)
    own = write_mnn(net, folder / NET, options.source, head, _more(options))
    kind = "float16" if options.half else "8-bit whole numbers" if options.int8 else "float32"
    facts: dict[str, Any] = {
        "files": {NET: f"the net, weights {kind}"},
        "head": head,
        "source": options.source,
        "batch": 1,
        "runtime": {"precision": "high", "WINOGRAD_MEMORY_LEVEL": 0},
    }
    if head != "nms":
        facts["files"] |= write_extras(net, folder, priors=head == "raw")
    outputs = head_outputs_table(net, head, 1)
    names = mnn_outputs(net, options.source, head)
    facts["files"] |= write_examples("mnn", net, folder, own, names[0] * (head == "nms"))
    held = dict(zip(names, outputs.values(), strict=True))
    return WrittenNet(net, facts, held, left_to_do(net, head), notes, input_name=own)


def _more(options: MnnOptions) -> list[str]:
    """What the converter is told of weights."""
    if options.half:
        return ["--fp16"]
    return ["--weightQuantBits", "8"] if options.int8 else []


def _head(net: PreparedNet, options: MnnOptions) -> tuple[str, list[str]]:
    """How the net ends, and a note where it is not as one would think."""
    reason = why_no_detections(net.head, options.source, len(net.boxes))
    if options.head == "nms" and reason:
        raise net.head.node.error(reason, "Take --head raw, with the post-processing beside it")
    if options.head is None and reason:
        return "raw", [f"it ends with locations and confidences: {reason}"]
    return options.head or "nms", []


def prove(written: WrittenNet, options: MnnOptions, folder: Path, proof: Proof) -> list[Difference]:
    """Through MNN. A net of lower precision is measured; the same in single precision, which is not
    written, has to agree."""
    net, head, lower = (
        written.net,
        written.facts["head"],
        lower_precision(options.half, options.int8),
    )
    held = list(head_outputs_table(net, head, 1))
    names = dict(zip(written.outputs, held, strict=True))
    engine = mnn_engine(written, folder / NET, names, folder)
    hint = REPORT if written.detection else TIES
    if not lower:
        return proof.require(engine, hint)
    with scratch() as whole:
        write_mnn(net, whole / NET, options.source, head)
        single = mnn_engine(written, whole / NET, names, folder, "mnn, in single precision")
    return measure_lower(written, lower, engine, single, proof, hint=hint)
