"""What a page shows, where the caller does not say."""

from __future__ import annotations

from dataclasses import dataclass

from ssd_data.core.options import option

PICTURES = 6  # of each kind


@dataclass(frozen=True, slots=True)
class RunView:
    """What is shown of each run.

    Attributes:
        pictures: of each kind; 0 for none.
        iteration: whose training pictures are shown.
        test_pictures: among which mistakes are looked for; 0 leaves detections out.
        device: what runs the snapshots; None is the CPU.
    """

    pictures: int = PICTURES
    iteration: int = option(
        0,
        "Of a run: whose training pictures to show.  [default: 0]",
        metavar="N",
        low=0,
        most=(1 << 31) - 1,
    )
    test_pictures: int = option(
        200,
        "Of a run: pictures to look for mistakes in; 0 runs no snapshot.  [default: 200]",
        metavar="N",
        low=0,
        most=10_000,
    )
    device: str | None = None
