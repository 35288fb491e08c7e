"""For Sophgo's chips: one file of TPU-MLIR's, which its emulator of the chip has run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ssd_data.core.errors import UsageError
from ssd_data.core.options import option
from ssd_data.deploy.calibration import RECORDS, CalibrationPictures
from ssd_data.deploy.examples import write_examples
from ssd_data.deploy.extras_files import load_postprocess, write_extras
from ssd_data.deploy.precision import Int8Options, lower_precision, measure_lower
from ssd_data.deploy.proof import Proof, WrittenEngine
from ssd_data.deploy.sophgo_model import COMPILED, CompiledNet
from ssd_data.deploy.targets import WrittenNet
from ssd_data.engines import Array
from ssd_data.engines._toolkits import TPU_MLIR
from ssd_data.evaluation.compare import Difference
from ssd_data.nets.prepare import PreparedNet

BRIEF = "net.bmodel, for a chip of Sophgo's (TPU-MLIR, in a Python of its own)."
SUMMARY = (
    "A net for a chip of Sophgo's, one picture at a time, that ends with its locations and "
    "confidences; its post-processing in NumPy."
)
EMULATED = (
    "run in TPU-MLIR's emulator of the chip, on no chip: one picture, {:.1e} of the largest value "
    "from what the compiler has, which ran all"
)


@dataclass(frozen=True, slots=True)
class SophgoOptions(Int8Options):
    """What is wanted of TPU-MLIR's file.

    Attributes:
        half: half precision.
        processor: for which chip.
        tpu_mlir_python: the interpreter that has the toolkit.
    """

    half: bool = option(
        False, "half precision within (litert, mnn and ncnn: weights); its loss is measured."
    )
    processor: Literal["bm1684x", "bm1688"] = option(
        "bm1684x", "for which chip.", shows_default=True
    )
    tpu_mlir_python: Path | None = option(
        None, "the Python that has TPU-MLIR.  [default: $TPU_MLIR_PYTHON]", metavar="FILE"
    )

    def __post_init__(self) -> None:
        if self.half and self.int8:
            raise UsageError("--half and --int8 exclude each other")
        Int8Options.__post_init__(self)


OPTIONS = SophgoOptions


def write(net: PreparedNet, options: SophgoOptions, folder: Path) -> WrittenNet:
    """Have TPU-MLIR compile the net; the example, and what is left to do."""
    TPU_MLIR.interpreter(options.tpu_mlir_python)
    net = net.without_relu6("keep").in_standard_layers()
    pictures, notes = [], []
    if options.calibrate is not None:
        held = CalibrationPictures(net, options.calibrate, options.records or RECORDS)
        pictures = list(held)
        notes.append(held.sentence("in 8 bits"))
    kind = "INT8" if options.int8 else "F16" if options.half else "F32"
    made = CompiledNet(net, options.processor, kind, pictures, options.tpu_mlir_python)
    made.write(folder / COMPILED)
    facts: dict[str, Any] = {
        "files": {COMPILED: f"the net, {kind}, for {options.processor}"},
        "head": "raw",
        "batch": 1,
        "chip": options.processor,
    }
    facts["files"] |= write_extras(net, folder)
    own = net.given.graph.inputs[0]
    facts["files"] |= write_examples("sophgo", net, folder, own)
    settings, count = net.head.settings, len(net.boxes)
    each = 4 if settings["share_location"] else 4 * settings["num_classes"]
    outputs: dict[str, dict[str, Any]] = {
        net.head.locations: {
            "shape": [1, count * each],
            "holds": f"locations of {count} priors, by {settings['code_type']}",
        },
        net.head.confidences: {
            "shape": [1, count * settings["num_classes"]],
            "holds": f"confidences of {count} priors, activation left to do: {net.head.activation}",
        },
    }
    given = {"shape": [1, *net.shape[1:]]}
    return WrittenNet(net, facts, outputs, net.settings(), notes, given=given, session=made)


def prove(
    written: WrittenNet, options: SophgoOptions, folder: Path, proof: Proof
) -> list[Difference]:
    """The compiled file, in the emulator, has to give what the compiler has, on one picture; that
    has to agree, or is measured: then what it took, in single precision, has to agree."""
    made: CompiledNet = written.session
    written.notes.append(EMULATED.format(made.require_emulated(proof.batches[0])))
    shipped = _engine(written, folder, "TPU-MLIR", made.kind)
    lower = lower_precision(options.half, options.int8)
    if not lower:
        return proof.require(shipped)
    single = _engine(written, folder, "TPU-MLIR, in single precision", "")
    return measure_lower(written, lower, shipped, single, proof)


def _engine(written: WrittenNet, folder: Path, name: str, kind: str) -> WrittenEngine:
    after, run = load_postprocess(folder), written.session.runner(kind)

    def values(batch: Array) -> dict[str, Array]:
        return dict(zip(("locations", "confidences"), run(batch), strict=True))

    return WrittenEngine(written.net, name, lambda batch: after(*run(batch)), values)
