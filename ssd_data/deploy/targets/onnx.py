"""For ONNX Runtime, OpenCV and all that reads ONNX: one file, emitted layer by layer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from ssd_data.core.errors import InputError, UsageError
from ssd_data.core.files.whole import write_whole
from ssd_data.deploy.extras_files import detector, write_beside
from ssd_data.deploy.made import Made
from ssd_data.deploy.proof import Proof, Written, losses, measure, require
from ssd_data.deploy.scoring import scores
from ssd_data.deploy.source import HEADS, Options, Source
from ssd_data.engines import Array
from ssd_data.engines.onnxruntime import open_session, require_onnxruntime

SUMMARY = "One ONNX file, as ONNX Runtime, OpenCV and others read it."
TAKES = {
    "head": "nms",
    "dynamic_batch": None,
    "half": None,
    "int8": None,
    "calibrate": None,
    "records": None,
    "test": None,
}
NET = "net.onnx"
RECORDS = 128
LOWER = {False: "half precision", True: "whole numbers"}


def write(source: Source, options: Options, folder: Path) -> Made:
    """Write the ONNX file, and beside it what its head leaves to do."""
    require_onnxruntime()
    from ssd_data.deploy.onnxfile import make_model
    from ssd_data.nets.onnx.emission import BATCH, IR_VERSION, OPSET

    _check(options)
    head = options.head or "nms"
    model = make_model(source, head, dynamic=options.dynamic_batch, half=options.half)
    notes = []
    if options.int8:
        from ssd_data.deploy.onnx_model import quantise

        model, text = quantise(model, source, options.calibrate, options.records or RECORDS)
        notes.append(text)
    write_whole(folder / NET, model.SerializeToString())
    kind = "float16 within, float32 at its ends" if options.half else "float32"
    kind = "8-bit whole numbers in convolutions, float32 at its ends" if options.int8 else kind
    net: dict[str, Any] = {
        "files": {NET: f"the net, opset {OPSET}, {kind}"},
        "opset": OPSET,
        "ir_version": IR_VERSION,
        "head": head,
        "batch": "any" if options.dynamic_batch else source.shape[0],
    }
    if head != "nms":
        net["files"] |= write_beside(source, folder, priors=head == "raw")
    batch = BATCH if options.dynamic_batch else source.shape[0]
    return Made(net, _outputs(source, head, batch), _left(source, head), notes)


def _check(options: Options) -> None:
    if options.head not in HEADS:
        raise UsageError(f"a head is one of {', '.join(HEADS)}", where="--head")
    if options.half and options.int8:
        raise UsageError("--half and --int8 exclude each other")
    if options.int8 and options.calibrate is None:
        raise UsageError("says how large values get", where="--int8", hint="Give --calibrate LMDB")
    if not options.int8 and (options.calibrate or options.records):
        raise UsageError("--calibrate and --records belong to --int8")


def _outputs(source: Source, head: str, batch: int | str) -> dict[str, dict[str, Any]]:
    count, settings = len(source.boxes), source.heads.settings
    classes = settings["num_classes"]
    each = (4,) if settings["share_location"] else (classes, 4)
    activation = source.heads.activation
    if head == "raw":
        return {
            "locations": {
                "shape": [batch, count, *each],
                "holds": f"by {settings['code_type']}, to be decoded with priors and variances",
            },
            "confidences": {
                "shape": [batch, count, classes],
                "holds": f"activation left to do: {activation}",
            },
        }
    if head == "decoded":
        return {
            "boxes": {"shape": [batch, count, *each], "holds": "decoded"},
            "scores": {"shape": [batch, count, classes], "holds": "of each class"},
        }
    holds = "label, score, xmin, ymin, xmax, ymax by falling score; the rest has label -1"
    return {"detections": {"shape": [batch, "most", 6], "holds": holds}}


def _left(source: Source, head: str) -> dict[str, Any] | None:
    if head == "nms":
        return None
    if head == "raw":
        return source.settings()
    settings = {**source.heads.settings, "activation": "none", "code_type": "DECODED"}
    return settings


def prove(
    source: Source, options: Options, folder: Path, made: Made, pictures: Sequence[Array]
) -> list[Proof]:
    """Through ONNX Runtime, which has to agree, and OpenCV's DNN, of which is said what it does.

    A net of lower precision is held against the limits of nobody: the one it was made of has to
    agree, and what the lower precision costs is measured.
    """
    import onnx

    onnx.checker.check_model(str(folder / NET), full_check=True)
    written = _by_runtime(source, folder, made, (folder / NET).read_bytes())
    if options.dynamic_batch:
        pictures = [*pictures, np.concatenate(list(pictures))]
    if not (options.half or options.int8):
        proofs = measure(source, written, pictures)
        require(proofs, source.deploy)
        proofs += _by_opencv(source, folder, made, pictures)
    else:
        proofs = _prove_single(source, options, folder, made, pictures)
        made.losses[LOWER[options.int8]] = losses(source, written, pictures)
    if options.test is not None:
        made.losses[f"mAP on {options.test.name}"] = scores(source, written, options.test)
    return proofs


def _prove_single(
    source: Source, options: Options, folder: Path, made: Made, pictures: Sequence[Array]
) -> list[Proof]:
    """The same net in single precision, which is not written, has to agree."""
    from ssd_data.deploy.onnxfile import make_model

    model = make_model(source, made.net["head"], dynamic=options.dynamic_batch)
    name = "onnxruntime, in single precision"
    single = _by_runtime(source, folder, made, model.SerializeToString(), name)
    proofs = measure(source, single, pictures)
    require(proofs, source.deploy)
    return proofs


def _by_runtime(
    source: Source, folder: Path, made: Made, model: bytes, name: str = "onnxruntime"
) -> Written:
    session = open_session(model, folder / NET)
    own, names = session.get_inputs()[0].name, list(made.outputs)

    def run(batch: Array) -> list[Array]:
        found: list[Array] = session.run(names, {own: batch})
        return found

    return _written(source, name, folder, made, run)


def _written(
    source: Source,
    name: str,
    folder: Path,
    made: Made,
    run: Callable[[Array], list[Array]],
) -> Written:
    """The file that was written, as an engine."""
    if made.detection is None:
        return Written(source, name, lambda batch: _rows(run(batch)[0]))
    after = detector(folder)

    def values(batch: Array) -> dict[str, Array]:
        return dict(zip(made.outputs, run(batch), strict=True))

    return Written(source, name, lambda batch: after(*run(batch)), values)


def _rows(detections: Array) -> Array:
    """(batch, most, 6) as DetectionOutput's rows."""
    picture, place = np.nonzero(detections[..., 0] >= 0)
    found = detections[picture, place]
    return np.concatenate([picture[:, None], found], 1).astype(np.float32)


def _by_opencv(source: Source, folder: Path, made: Made, pictures: Sequence[Array]) -> list[Proof]:
    """What OpenCV's DNN makes of it; nothing where it cannot read this head."""
    names = list(made.outputs)

    def run(batch: Array) -> list[Array]:
        net.setInput(batch)
        return [np.asarray(array) for array in net.forward(names)]

    if made.net["head"] == "nms":
        made.notes.append(f"OpenCV {cv2.__version__} reads no NonMaxSuppression")
        return []
    try:
        net = cv2.dnn.readNetFromONNX(str(folder / NET))
        proofs = measure(source, _written(source, "opencv", folder, made, run), pictures)
    except (cv2.error, InputError, ValueError) as error:
        text = str(getattr(error, "err", "") or error).strip().splitlines()[0][:120]
        made.notes.append(f"OpenCV {cv2.__version__} does not run it: {text}")
        return []
    if all(proof.holds for proof in proofs):
        return proofs
    worst = max(proofs, key=lambda proof: proof.relative)
    made.notes.append(f"OpenCV {cv2.__version__} gives other values: {worst.sentence()}")
    return []
