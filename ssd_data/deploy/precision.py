"""Lower precision in a net: how it is asked for, and how what it costs is measured."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ssd_data.core.errors import OutputError, UsageError
from ssd_data.core.options import option
from ssd_data.deploy.calibration import RECORDS
from ssd_data.deploy.layer_errors import furthest_off
from ssd_data.deploy.proof import REPORT, Proof, WrittenEngine
from ssd_data.deploy.targets import WrittenNet
from ssd_data.evaluation.compare import Difference

NEAR = 0.1  # of a head's largest value, in half precision; another net is off by about all of it


@dataclass(frozen=True, slots=True)
class Int8Options:
    """What targets have in common that compute in whole numbers.

    Attributes:
        int8: whole numbers of 8 bits, by ``calibrate``, an LMDB, and its first ``records`` records.
    """

    int8: bool = option(False, "8-bit convolutions (mnn: weights alone); the loss is measured.")
    calibrate: Path | None = option(None, "whose pictures.", of="int8", metavar="LMDB")
    records: int | None = option(
        None, f"how many of its records.  [default: {RECORDS}]", of="int8", metavar="N", low=1
    )

    def __post_init__(self) -> None:
        if self.int8 and self.calibrate is None:
            hint = "Give --calibrate LMDB"
            raise UsageError("says how large values get", where="--int8", hint=hint)
        if not self.int8 and (self.calibrate or self.records):
            raise UsageError("--calibrate and --records belong to --int8")


@dataclass(frozen=True, slots=True)
class PrecisionOptions(Int8Options):
    """What targets have in common that write a net's head and arrays in several ways.

    Attributes:
        head: what the net ends with, see :func:`ssd_data.nets.onnx.detection_head.head_outputs`;
            None for what the target has.
        half: half precision, within or of the weights.
    """

    head: Literal["raw", "decoded", "nms"] | None = option(
        None,
        "end with locations and confidences; with boxes and scores (not ncnn); or with detections "
        "(not litert).  [default: nms; litert: decoded; mnn and ncnn: raw where their nms is not "
        "equal]",
    )
    half: bool = option(
        False, "half precision within (litert, mnn and ncnn: weights); its loss is measured."
    )

    def __post_init__(self) -> None:
        if self.half and self.int8:
            raise UsageError("--half and --int8 exclude each other")
        Int8Options.__post_init__(self)

    @property
    def lower(self) -> str:
        """See :func:`lower_precision`."""
        return lower_precision(self.half, self.int8)


def lower_precision(half: bool, int8: bool) -> str:
    """What is lower than single precision, for people; nothing where nothing is."""
    return "half precision" if half else "whole numbers" if int8 else ""


def require_near(proof: Proof, engine: WrittenEngine) -> None:
    """Refuse a net in half precision, of a runtime that has no other, which is another net.

    Raises:
        OutputError: a head is off by more than half precision explains.
    """
    for found in proof.measure(engine):
        if found.output != "detections" and not found.relative <= NEAR:
            raise OutputError(
                "what was made is not the same net, nothing was written: " + found.sentence(),
                where=proof.net.deploy,
                hint=REPORT,
            )


def measure_lower(
    written: WrittenNet,
    lower: str,
    engine: WrittenEngine,
    single: WrittenEngine,
    proof: Proof,
    *,
    errors: Callable[[], dict[str, float]] | None = None,
    hint: str = REPORT,
) -> list[Difference]:
    """Hold a net of lower precision against the limits of nobody: the same in single precision,
    which is not written, has to agree, and what the lower precision costs is measured.

    Args:
        lower: what it is called. engine: what is shipped; single: the same in single precision.
        errors: how far each layer is off, by name, where that is to be told.

    Raises:
        OutputError: see :meth:`ssd_data.deploy.proof.Proof.require`.
    """
    found = proof.require(single, hint)
    if errors is not None:
        written.facts["layer_errors"] = told = errors()
        written.notes += furthest_off(told)
    written.losses[lower] = proof.losses(engine)
    return found
