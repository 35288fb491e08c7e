"""For ONNX Runtime, OpenCV and all that reads ONNX: one file, emitted layer by layer."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np

from ssd_data.core.errors import InputError, OutputError, UsageError
from ssd_data.core.files.paths import read_bytes
from ssd_data.core.files.whole import write_whole
from ssd_data.core.options import option
from ssd_data.deploy.calibration import RECORDS
from ssd_data.deploy.examples import write_examples
from ssd_data.deploy.extras_files import write_extras
from ssd_data.deploy.heads import head_outputs_table, left_to_do, one_picture, written_engine
from ssd_data.deploy.layer_errors import layer_errors
from ssd_data.deploy.precision import PrecisionOptions, measure_lower
from ssd_data.deploy.proof import TOLERANCE, Proof, WrittenEngine
from ssd_data.deploy.targets import WrittenNet
from ssd_data.engines import Array
from ssd_data.engines.onnxruntime import open_session, require_onnxruntime
from ssd_data.engines.openvino import open_net, read_net, require_openvino
from ssd_data.evaluation.compare import Difference
from ssd_data.nets.caffemodel import MOST_BYTES
from ssd_data.nets.prepare import PreparedNet

BRIEF = "one ONNX file."
SUMMARY = "One ONNX file, as ONNX Runtime, OpenCV and others read it."
NET = "net.onnx"


@dataclass(frozen=True, slots=True)
class OnnxOptions(PrecisionOptions):
    """What is wanted of an ONNX file.

    Attributes:
        head: what it ends with.
        dynamic_batch: whether it takes batches of any size.
    """

    head: Literal["raw", "decoded", "nms"] = option(
        "nms",
        "end with locations and confidences; with boxes and scores; or with detections.",
        shows_default=True,
    )
    dynamic_batch: bool = option(False, "take batches of any size.")


OPTIONS = OnnxOptions


def write(net: PreparedNet, options: OnnxOptions, folder: Path) -> WrittenNet:
    """Write the ONNX file, and beside it what its head leaves to do."""
    require_onnxruntime()
    from ssd_data.deploy.onnx_model import make_model, quantise
    from ssd_data.nets.onnx.emission import BATCH, IR_VERSION, OPSET

    head = options.head
    dynamic = options.dynamic_batch
    model = make_model(net, head, dynamic=dynamic, half=options.half, batch=1)
    notes = []
    if options.calibrate is not None:
        model, text = quantise(model, net, options.calibrate, options.records or RECORDS)
        notes.append(text)
    write_whole(folder / NET, model.SerializeToString())
    kind = "float16 within, float32 at its ends" if options.half else "float32"
    kind = "8-bit whole numbers in convolutions, float32 at its ends" if options.int8 else kind
    facts: dict[str, Any] = {
        "files": {NET: f"the net, opset {OPSET}, {kind}"},
        "opset": OPSET,
        "ir_version": IR_VERSION,
        "head": head,
        "batch": "any" if dynamic else 1,
    }
    if head != "nms":
        facts["files"] |= write_extras(net, folder, priors=head == "raw")
    outputs = head_outputs_table(net, head, BATCH if dynamic else 1)
    written = WrittenNet(net, facts, outputs, left_to_do(net, head), notes)
    written.input_name = str(model.graph.input[0].name)
    written.given = one_picture(net)
    facts["files"] |= write_examples("onnx", net, folder, written.input_name)
    return written


def prove(
    written: WrittenNet, options: OnnxOptions, folder: Path, proof: Proof
) -> list[Difference]:
    """Through ONNX Runtime, which has to agree, and OpenCV's DNN and OpenVINO, of which is said
    what they do.

    A net of lower precision is held against the limits of nobody: the same net in single precision,
    which is not written, has to agree, and what the lower precision costs is measured.
    """
    import onnx

    made = read_bytes(folder / NET, "ONNX net", MOST_BYTES)
    onnx.checker.check_model(made, full_check=True)
    engine = _by_runtime(written, folder, made)
    if options.dynamic_batch:
        proof.batches.append(np.concatenate(proof.batches))  # and all at once
    if not options.lower:
        return [*proof.require(engine), *_by_others(written, options, made, folder, proof)]
    from ssd_data.deploy.onnx_model import make_model

    model = make_model(written.net, options.head, dynamic=options.dynamic_batch, batch=1)
    name = "onnxruntime, in single precision"
    return measure_lower(
        written,
        options.lower,
        engine,
        _by_runtime(written, folder, model.SerializeToString(), name),
        proof,
        errors=(lambda: _errors(written.net, options.head, made, proof)) if options.int8 else None,
    )


def _by_runtime(
    written: WrittenNet, folder: Path, model: bytes, name: str = "onnxruntime"
) -> WrittenEngine:
    session = open_session(model, folder / NET)
    own, names = session.get_inputs()[0].name, list(written.outputs)

    def run(batch: Array) -> list[Array]:
        found: list[Array] = session.run(names, {own: batch})
        return found

    return written_engine(written, name, folder, run)


def _by_others(
    written: WrittenNet, options: OnnxOptions, made: bytes, folder: Path, proof: Proof
) -> list[Difference]:
    """What OpenCV's DNN and OpenVINO make of it, and notes of what they do not."""
    found = []
    if options.head == "nms" and int(cv2.__version__.partition(".")[0]) < 5:
        written.notes.append(f"OpenCV {cv2.__version__} reads no NonMaxSuppression (OpenCV 5 does)")
    else:
        found += _by_other(
            f"OpenCV {cv2.__version__}", "opencv", _by_opencv, written, made, folder, proof
        )
    with suppress(UsageError):  # it is not installed
        version = require_openvino().__version__.partition("-")[0]
        found += _by_other(
            f"OpenVINO {version}", "openvino", _by_openvino, written, made, folder, proof
        )
    return found


def _by_other(
    title: str,
    name: str,
    load: Callable[[bytes, list[str], Path], Callable[[Array], list[Array]]],
    written: WrittenNet,
    made: bytes,
    folder: Path,
    proof: Proof,
) -> list[Difference]:
    """How another runtime agrees; a note where it does not, or cannot."""
    try:
        run = load(made, list(written.outputs), folder / NET)
        found = proof.measure(written_engine(written, name, folder, run))
    except (cv2.error, InputError, OutputError, RuntimeError, ValueError) as error:
        text = str(getattr(error, "err", "") or error).strip().splitlines()[0][:120]
        written.notes.append(f"{title} does not run it: {text}")
        return []
    if all(one.within(TOLERANCE) for one in found):
        return found
    worst = max(found, key=lambda one: (one.relative, one.unmatched))
    written.notes.append(f"{title} gives other values: {worst.sentence()}")
    return []


def _by_opencv(made: bytes, names: list[str], file: Path) -> Callable[[Array], list[Array]]:
    net = cv2.dnn.readNetFromONNX(np.frombuffer(made, np.uint8))

    def run(batch: Array) -> list[Array]:
        net.setInput(batch)
        return [np.asarray(array) for array in net.forward(names)]

    return run


def _by_openvino(made: bytes, names: list[str], file: Path) -> Callable[[Array], list[Array]]:
    return open_net(read_net(made, file), names, file)


def _errors(net: PreparedNet, head: str, shipped: bytes, proof: Proof) -> dict[str, float]:
    """How far each convolution is off in whole numbers, by layer."""
    import onnx

    from ssd_data.deploy.onnx_model import layers_of_both, make_model

    single, low = make_model(net, head, batch=1), onnx.load_model_from_string(shipped)
    return layer_errors(*layers_of_both(single, low), proof.batches)
