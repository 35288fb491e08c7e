"""For LiteRT (TensorFlow Lite): one file, written by this package, without TensorFlow."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ssd_data.core.errors import UsageError
from ssd_data.core.files.paths import spelled
from ssd_data.core.files.whole import write_whole
from ssd_data.deploy.calibration import RECORDS
from ssd_data.deploy.examples import write_examples
from ssd_data.deploy.extras_files import write_extras
from ssd_data.deploy.heads import head_outputs_table, left_to_do, written_engine
from ssd_data.deploy.layer_errors import errors_by_node
from ssd_data.deploy.precision import PrecisionOptions, measure_lower
from ssd_data.deploy.proof import Proof, WrittenEngine
from ssd_data.deploy.targets import WrittenNet
from ssd_data.engines.litert import open_interpreter, open_net, require_litert
from ssd_data.evaluation.compare import Difference
from ssd_data.nets.prepare import PreparedNet

BRIEF = "net.tflite, as LiteRT and TensorFlow Lite read it."
SUMMARY = (
    "A net for LiteRT (TensorFlow Lite), one picture at a time, channels last, with its "
    "post-processing in NumPy."
)
NET = "net.tflite"


@dataclass(frozen=True, slots=True)
class LitertOptions(PrecisionOptions):
    """What is wanted of LiteRT's file: "decoded" by itself, since LiteRT has no suppression that
    chooses as DetectionOutput does; ``half`` of the weights; ``int8`` with "raw" throughout, ends
    too."""

    def __post_init__(self) -> None:
        PrecisionOptions.__post_init__(self)
        if self.head == "nms":
            raise UsageError(
                "LiteRT has no suppression that chooses as DetectionOutput does",
                where="--head",
                hint="Take decoded or raw, with postprocess.py beside it",
            )


OPTIONS = LitertOptions


def write(net: PreparedNet, options: LitertOptions, folder: Path) -> WrittenNet:
    """Write LiteRT's file, the example, and what the head leaves to do."""
    require_litert()
    head = options.head or "decoded"
    made, notes = _single(net, options, options.half), []
    kind = "weights in float16, computed in float32" if options.half else "float32"
    if options.calibrate is not None:
        made, text = _quantised(made, net, options, options.calibrate)
        notes.append(text)
        kind = "8-bit whole numbers" + ("" if head == "raw" else ", float32 behind the heads")
    write_whole(folder / NET, made)
    facts: dict[str, Any] = {"files": {NET: f"the net, {kind}"}, "head": head, "batch": 1}
    facts["files"] |= write_extras(net, folder, priors=head == "raw")
    outputs = head_outputs_table(net, head, 1)
    written = WrittenNet(net, facts, outputs, left_to_do(net, head), notes)
    _add_ends(written, made)
    facts["files"] |= write_examples("litert", net, folder, written.input)
    return written


def _single(net: PreparedNet, options: LitertOptions, half: bool = False) -> bytes:
    from ssd_data.deploy.onnx_model import make_model
    from ssd_data.nets.tflite.translate import to_tflite

    return to_tflite(make_model(net, options.head or "decoded", batch=1), half)


def _quantised(
    single: bytes, net: PreparedNet, options: LitertOptions, lmdb: Path
) -> tuple[bytes, str]:
    """The net in whole numbers, and a sentence on how it was made."""
    from ssd_data.deploy.litert_model import behind_heads, quantise_litert
    from ssd_data.deploy.onnx_model import make_model

    stays = [] if options.head == "raw" else behind_heads(make_model(net, "decoded"))
    return quantise_litert(single, stays, net, lmdb, options.records or RECORDS)


def _add_ends(written: WrittenNet, model: bytes) -> None:
    """Write down how the input lies, and of whole numbers what they mean."""
    net = open_interpreter(model, written.net.deploy)
    runner = net.get_signature_runner()
    ((written.input_name, given),) = runner.get_input_details().items()
    written.given = {"layout": "NHWC", "shape": given["shape"].tolist(), **_type(given)}
    for name, detail in runner.get_output_details().items():
        written.outputs[name] |= _type(detail)


def _type(detail: Any) -> dict[str, Any]:
    kind = detail["dtype"].__name__
    if kind == "float32":
        return {"type": kind}
    scale, zero = detail["quantization"]
    return {"type": kind, "scale_of_one": float(scale), "zero": int(zero)}


def prove(
    written: WrittenNet, options: LitertOptions, folder: Path, proof: Proof
) -> list[Difference]:
    """Through LiteRT, from the folder. A net of lower precision is measured; the same in single
    precision, which is not written, has to agree."""
    shipped = (folder / NET).read_bytes()
    engine = _engine(written, folder, shipped)
    if not options.lower:
        return proof.require(engine)
    single = _single(written.net, options)
    return measure_lower(
        written,
        options.lower,
        engine,
        _engine(written, folder, single, "litert, in single precision"),
        proof,
        errors=(lambda: _errors(written.net, single, shipped, proof)) if options.int8 else None,
    )


def _engine(written: WrittenNet, folder: Path, model: bytes, name: str = "litert") -> WrittenEngine:
    run = open_net(model, list(written.outputs), spelled(folder / NET))
    return written_engine(written, name, folder, run)


def _errors(net: PreparedNet, single: bytes, shipped: bytes, proof: Proof) -> dict[str, float]:
    """How far each convolution is off in whole numbers, by layer."""
    from ssd_data.deploy.litert_model import layers_within
    from ssd_data.deploy.onnx_model import make_model

    return errors_by_node(layers_within, single, shipped, make_model(net, "raw"), proof.batches)
