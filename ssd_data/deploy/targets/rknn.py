"""For Rockchip's NPUs: one file of rknn-toolkit2's, for a chip, which its simulator has run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ssd_data.core.errors import UsageError
from ssd_data.core.options import option
from ssd_data.deploy.calibration import RECORDS
from ssd_data.deploy.examples import write_examples
from ssd_data.deploy.extras_files import write_extras
from ssd_data.deploy.heads import left_to_do, map_outputs_table, mapped_engine
from ssd_data.deploy.layer_errors import furthest_off, layer_of, weighted
from ssd_data.deploy.npu_pictures import as_pictures, calibration_pictures, picture_input
from ssd_data.deploy.precision import Int8Options, require_near
from ssd_data.deploy.proof import Proof, WrittenEngine
from ssd_data.deploy.targets import WrittenNet
from ssd_data.engines import Array
from ssd_data.engines._through_onnx import require_onnx
from ssd_data.engines._toolkits import RKNN
from ssd_data.engines.rknn_sim import CHIP, BuiltNet
from ssd_data.evaluation.compare import Difference
from ssd_data.nets.prepare import PreparedNet

if TYPE_CHECKING:
    from ssd_data.nets.onnx.maps import MapsOfHeads

BRIEF = "net.rknn, for a chip of Rockchip's (rknn-toolkit2, in a Python of its own)."
SUMMARY = (
    "A net for the NPU of a chip of Rockchip's, one picture at a time, with its post-processing in "
    "NumPy."
)
NET = "net.rknn"
WHOLE = ("rv1103", "rv1106")  # chips, and their b, that have no half precision
MOST_VALUES = 40_000_000  # of a net's layers, which the toolkit's analysis writes as text
Chip = Literal[
    "rk3562", "rk3566", "rk3568", "rk3576", "rk3588", "rv1126b", "rk2118", "rv1103", "rv1103b",
    "rv1106", "rv1106b",
]  # fmt: skip
SIMULATED = "run in the toolkit's simulator, on no chip: a chip's own rounding may differ"


@dataclass(frozen=True, slots=True)
class RknnOptions(Int8Options):
    """What is wanted of RKNN's file.

    Attributes:
        chip: for which; some compute in whole numbers alone.
        rknn_python: the interpreter that has the toolkit.
    """

    chip: Chip = option("rk3588", "for which chip.", shows_default=True)
    rknn_python: Path | None = option(
        None, "the Python that has rknn-toolkit2.  [default: $RKNN_PYTHON]", metavar="FILE"
    )

    def __post_init__(self) -> None:
        Int8Options.__post_init__(self)
        if self.chip.startswith(WHOLE) and not self.int8:
            hint = "Add --int8 --calibrate LMDB"
            raise UsageError(f"{self.chip} takes whole numbers alone", where="--chip", hint=hint)


OPTIONS = RknnOptions


def write(net: PreparedNet, options: RknnOptions, folder: Path) -> WrittenNet:
    """Have the toolkit build the net and write it; the example, and what is left to do."""
    require_onnx("onnx")
    RKNN.interpreter(options.rknn_python)
    maps = _maps(net)
    pictures, notes = [], [SIMULATED]
    if options.calibrate is not None:
        held, text = calibration_pictures(net, options.calibrate, options.records or RECORDS)
        pictures, notes = held, [*notes, text]
    built = _built(net, maps, options, options.chip, pictures)
    built.export(folder / NET)
    kind = "8-bit whole numbers" if options.int8 else "half precision"
    facts: dict[str, Any] = {
        "files": {NET: f"the net, {kind}, for {options.chip}"},
        "head": "raw",
        "batch": 1,
        "chip": options.chip,
        "maps": maps.heads,
    }
    facts["files"] |= write_extras(net, folder)
    facts["files"] |= write_examples("rknn", net, folder, net.given.graph.inputs[0])
    return WrittenNet(
        net,
        facts,
        map_outputs_table(maps),
        left_to_do(net, "raw"),
        notes,
        given=picture_input(net),
        session=built,
    )


def _maps(net: PreparedNet) -> MapsOfHeads:
    from ssd_data.deploy.onnx_model import make_model
    from ssd_data.nets.onnx.maps import maps_of_heads

    return maps_of_heads(make_model(net, "raw", batch=1))


def _built(
    net: PreparedNet,
    maps: MapsOfHeads,
    options: RknnOptions,
    chip: str,
    pictures: Sequence[Any] = (),
) -> BuiltNet:
    prepare = net.preprocessing
    return BuiltNet(
        maps.model,
        chip,
        options.rknn_python,
        pictures=pictures,
        mean=prepare.mean,
        scale=prepare.scale,
        where=net.deploy,
    )


def prove(
    written: WrittenNet, options: RknnOptions, folder: Path, proof: Proof
) -> list[Difference]:
    """What the toolkit was given has to agree by ONNX Runtime; what it built, by its simulator, is
    measured. In half precision its heads have to be near, of whole numbers those of the same net in
    half precision, which is not written."""
    net, built = written.net, written.session
    shipped = _engine(written, folder, built, "rknn-sim")
    given = mapped_engine(written, "onnxruntime, what the toolkit is given", folder, built.given)
    found = proof.require(given)
    if options.int8:
        maps = _maps(net)
        half = _engine(written, folder, _in_half(net, maps, options), "rknn-sim, in half precision")
        require_near(proof, half)
        written.facts["layer_errors"] = told = _errors(written, maps, built, proof)
        written.notes += furthest_off(told)
    else:
        require_near(proof, shipped)
    called = "whole numbers" if options.int8 else "half precision"
    written.losses[f"{called}, in {RKNN.name}'s simulator"] = proof.losses(shipped)
    return found


def _in_half(net: PreparedNet, maps: MapsOfHeads, options: RknnOptions) -> BuiltNet:
    """The net in half precision, for another chip where the chip has none."""
    return _built(net, maps, options, CHIP if options.chip.startswith(WHOLE) else options.chip)


def _engine(written: WrittenNet, folder: Path, built: BuiltNet, name: str) -> WrittenEngine:
    def run(batch: Array) -> list[Array]:
        return built.run(as_pictures(written.net, batch))

    return mapped_engine(written, name, folder, run)


def _errors(
    written: WrittenNet, maps: MapsOfHeads, built: BuiltNet, proof: Proof
) -> dict[str, float]:
    """How far each layer with weights is off in whole numbers, on the proof's first picture: its
    own values, or those of the activation that the toolkit takes into it."""
    if maps.values > MOST_VALUES:
        written.notes.append("its layers have too many values for the toolkit's own analysis")
        return {}
    found = built.layers(as_pictures(written.net, proof.batches[0]).transpose(0, 3, 1, 2))
    behind = {node.input[0]: node.output[0] for node in maps.model.graph.node if node.input}
    names = {name: name if name in found else behind.get(name, "") for name in weighted(maps.model)}
    return {layer_of(name): found[own] for name, own in names.items() if own in found}
