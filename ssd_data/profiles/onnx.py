"""For ONNX Runtime, OpenCV and all that reads ONNX: one file, emitted layer by layer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from ssd_data.emitting.ends import HEADS
from ssd_data.engines import Array
from ssd_data.engines.onnxruntime import open_session, require_onnxruntime
from ssd_data.errors import InputError, UsageError
from ssd_data.files.whole import write_whole
from ssd_data.shipping.beside import detector, write_beside
from ssd_data.shipping.made import Made
from ssd_data.shipping.proving import Proof, Written, measure, require
from ssd_data.shipping.source import Options, Source

SUMMARY = "One ONNX file, as ONNX Runtime, OpenCV and others read it."
TAKES = {
    "head": "nms",
    "dynamic_batch": None,
    "half": None,
    "int8": None,
    "calibrate": None,
    "records": None,
}
NET = "net.onnx"


def write(source: Source, options: Options, folder: Path) -> Made:
    """Write the ONNX file, and beside it what its head leaves to do."""
    require_onnxruntime()
    from ssd_data.emitting.emission import BATCH, IR_VERSION, OPSET
    from ssd_data.shipping.onnxfile import make_model

    _check(options)
    head = options.head or "nms"
    model = make_model(source, head, dynamic=options.dynamic_batch, half=options.half)
    write_whole(folder / NET, model.SerializeToString())
    kind = "float16 within, float32 at its ends" if options.half else "float32"
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
    return Made(net, _outputs(source, head, batch), _left(source, head))


def _check(options: Options) -> None:
    if options.head not in HEADS:
        raise UsageError(f"a head is one of {', '.join(HEADS)}", where="--head")
    if options.half and options.int8:
        raise UsageError("--half and --int8 exclude each other")


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
    """Through ONNX Runtime, which has to agree, and OpenCV's DNN, of which is said what it does."""
    import onnx

    onnx.checker.check_model(str(folder / NET), full_check=True)
    names = list(made.outputs)
    session = open_session((folder / NET).read_bytes(), folder / NET)
    own = session.get_inputs()[0].name

    def run(batch: Array) -> list[Array]:
        found: list[Array] = session.run(names, {own: batch})
        return found

    if options.dynamic_batch:
        pictures = [*pictures, np.concatenate(list(pictures))]
    proofs = measure(source, _written(source, "onnxruntime", folder, made, run), pictures)
    if options.half:
        made.losses["half precision"] = _loss(proofs)
        return []
    require(proofs, source.deploy)
    return [*proofs, *_by_opencv(source, folder, made, pictures)]


def _loss(proofs: Sequence[Proof]) -> dict[str, Any]:
    return {
        f"{p.output}, largest difference": p.largest for p in proofs
    } | {"detections that only one side has": sum(p.unmatched for p in proofs)}


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


def _by_opencv(
    source: Source, folder: Path, made: Made, pictures: Sequence[Array]
) -> list[Proof]:
    """What OpenCV's DNN makes of it; nothing where it cannot read this head."""
    names = list(made.outputs)

    def run(batch: Array) -> list[Array]:
        net.setInput(batch)
        return [np.asarray(array) for array in net.forward(names)]

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
