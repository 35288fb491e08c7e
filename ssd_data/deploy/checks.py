"""How a net is held against the embedded engine before it is written: the same for all targets."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from ssd_data.core.errors import UsageError
from ssd_data.core.options import option


@dataclass(frozen=True, slots=True)
class CheckOptions:
    """What is asked of a net before it is written.

    Attributes:
        score: an LMDB on which both nets are scored. allow_loss: how much lower what is shipped may
            score, as a fraction (.01 is one point of mAP); what is lower is not written.
        draw_worst: how many pictures of ``score`` to draw, those with most errors.
        unproven: nothing is run, and the folder says so.
    """

    score: Path | None = option(
        None,
        "Score both nets on it (mAP), the written one by what runs it.",
        metavar="LMDB",
        also="--test",
    )
    allow_loss: float | None = option(
        None, "write nothing whose mAP is lower by more than this.", of="score", metavar="F"
    )
    draw_worst: int | None = option(
        None,
        "draw the N pictures with most errors by what is written, into its folder.",
        of="score",
        metavar="N",
        low=1,
    )
    unproven: bool = option(False, "Write without running it; the folder's README says so.")

    def __post_init__(self) -> None:
        if self.unproven and self.score is not None:
            raise UsageError("--score runs the net, --unproven does not: they exclude each other")
        if self.draw_worst is not None and self.score is None:
            hint = "Give --score LMDB"
            raise UsageError("goes with a score", where="--draw-worst", hint=hint)
        if self.allow_loss is None:
            return
        if self.score is None:
            hint = "Give --score LMDB"
            raise UsageError("goes with a score", where="--allow-loss", hint=hint)
        if not (math.isfinite(self.allow_loss) and 0 <= self.allow_loss <= 1):
            raise UsageError("is a fraction, from 0 to 1", where="--allow-loss")
