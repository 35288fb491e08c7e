"""What a profile wrote."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Made:
    """What a profile wrote into a folder.

    Attributes:
        net: files of the net and facts of it, for ``preprocess.json``.
        outputs: name → its shape and what it holds.
        detection: the post-processing's settings, where some of it is left to do; None where the
            net gives detections.
        notes: what to know of it.
        losses: name → numbers that say what was given up (half precision, whole numbers).
    """

    net: dict[str, Any]
    outputs: dict[str, dict[str, Any]]
    detection: dict[str, Any] | None
    notes: list[str] = field(default_factory=list)
    losses: dict[str, Any] = field(default_factory=dict)
