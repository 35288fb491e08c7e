"""Test protocols: how pictures go through a detector. One file a protocol; its name registers it.

Each has ``plan(preprocessing, size, batch) -> Plan``: what threads may do ahead, and what the net
does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ssd_data.core.registry import PROTOCOLS
from ssd_data.core.structures import Detections, Pixels
from ssd_data.engines import Engine
from ssd_data.nets.preprocessing import Preprocessing


@dataclass(frozen=True, slots=True)
class Plan:
    """A protocol ready to be run over many pictures.

    Attributes:
        prepare: a picture, uint8 (height, width, 3) BGR or (height, width) gray, to what ``run``
            takes; threads may call it ahead.
        run: the detections of up to ``batch`` prepared pictures, in order.
        batch: how many pictures go through the net at a time.
        gray: pictures are to be read gray, since the net has one channel.
    """

    prepare: Callable[[Pixels], Any]
    run: Callable[[Engine, Sequence[Any]], list[Detections]]
    batch: int = 1
    gray: bool = False


def make_plan(
    protocol: str, preprocessing: Preprocessing, size: tuple[int, int] | None, batch: int = 1
) -> Plan:
    """A protocol by name.

    Args:
        protocol: "single" or "sfd".
        size: (width, height) that pictures are warped to; None leaves them as they are.
        batch: how many pictures at a time, where the protocol allows it.

    Raises:
        UsageError: there is no such protocol, or it takes no such size.
    """
    plan: Plan = PROTOCOLS.load(protocol).plan(preprocessing, size, batch)
    return plan
