"""Short trainings by a recipe, in a folder that holds ``short.prototxt``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ssd_data.training.log import Displayed, Event
from ssd_data.training.run import train
from support.golden_run import TRAINED


def run_of(
    path: Path | None, most: int = 12, *, resume: Path | None = None, **extras: Any
) -> dict[int, float]:
    """The loss of each iteration of a run of ``short.prototxt``."""
    losses: dict[int, float] = {}

    def note(event: Event) -> None:
        if isinstance(event, Displayed):
            losses[event.iteration] = event.loss

    train(
        "short.prototxt",
        [] if resume else TRAINED,
        resume=resume,
        recipe=path,
        device="cpu",
        max_iter=most,
        workers=0,
        listeners=[note],
        **extras,
    )
    return losses
