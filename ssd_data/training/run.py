"""What a run of either engine is: its options, what it came to, its log, snapshots kept, curves."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ssd_data.core.version import __version__
from ssd_data.nets.matching import Matching
from ssd_data.training import snapshots
from ssd_data.training.curves import draw_run
from ssd_data.training.log import Event, Listener, RunLog, Snapshotted, Tested
from ssd_data.training.run_folder import best_of
from ssd_data.training.solver_file import SolverFile

AUTO = "auto"


@dataclass(slots=True)
class TrainOptions:
    """How a run differs from what its solver says.

    Attributes:
        weights: caffemodels to start from, one after another.
        resume: a solver state, or ``auto`` for the newest whole one of the solver's prefix.
        device: as for Net; ``auto`` takes a GPU where there is one.
        seed: of weights, order and augmentation; by default the solver's ``random_seed``, else 0.
        workers: threads that read and augment; the run does not depend on their number.
        max_iter: instead of the solver's.
        jpeg_roundtrip: whether training pictures pass the original's JPEG round trips.
        keep: how many snapshots stay, besides the best by mAP; None keeps all.
        skip_mismatch: start layers of another shape anew.
        extras: what the original has not, by the fields of
            :class:`~ssd_data.training.options.Extras`. What is not named is off, or on resuming as
            the snapshot records.
    """

    weights: Sequence[Path] = ()
    resume: Path | str | None = None
    device: str | None = None
    seed: int | None = None
    workers: int | None = None
    max_iter: int | None = None
    jpeg_roundtrip: bool = True
    keep: int | None = None
    skip_mismatch: bool = False
    extras: Mapping[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Run:
    """What a run came to.

    Attributes:
        iteration: how many updates were made in all.
        finished: False where it was stopped by a signal.
        loss: the last smoothed one.
        tested: what the last test gave.
        best: iteration and value of the best test, by its first output.
        snapshots: the files that were written. matchings: what became of each ``weights``.
        resumed: the solver state that it went on from.
        extras: what it did that the original does not.
    """

    iteration: int = 0
    finished: bool = False
    loss: float = 0.0
    tested: Tested | None = None
    best: tuple[int, float] | None = None
    snapshots: list[Snapshotted] = field(default_factory=list)
    matchings: list[Matching] = field(default_factory=list)
    resumed: Path | None = None
    extras: dict[str, Any] = field(default_factory=dict)


def find_resume(
    file: SolverFile,
    resume: Path | str | None,
    say: Callable[[str], None] = lambda text: None,
) -> Path | None:
    """The solver state to go on from, None to begin; ``say`` is told of snapshots passed over."""
    if resume == AUTO:
        return snapshots.newest_whole(file.param.snapshot_prefix, say)
    return None if resume is None else Path(resume)


def open_log(file: SolverFile) -> RunLog:
    """The log beside the snapshots."""
    return RunLog(file.param.snapshot_prefix or "train")


def listeners_of(
    file: SolverFile, options: TrainOptions, run: Run, log: RunLog, others: Sequence[Listener]
) -> list[Listener]:
    """What listens to every run, and ``others``."""
    keeper = _Keeper(file.param.snapshot_prefix, options.keep, run)
    return [log, keeper, *others, _Curves(log.table_path)]


def about(
    file: SolverFile, options: TrainOptions, resume: Path | None, engine: str
) -> dict[str, Any]:
    """What the log says of a run at its beginning."""
    return {
        "engine": engine,
        "solver": file.origin,
        "options": asdict(options),
        "resumed": resume,
        "command": sys.argv,
        "folder": Path.cwd(),
        "versions": {
            "ssd-data": __version__,
            "python": sys.version.split()[0],
        },
    }


class _Keeper:
    """Remembers tests and snapshots, and deletes old ones."""

    def __init__(self, prefix: str, keep: int | None, run: Run) -> None:
        self.prefix, self.keep, self.run = prefix, keep, run
        self._values: dict[int, float] = {}

    def __call__(self, event: Event) -> None:
        if isinstance(event, Tested):
            self.run.tested = event
            if event.net == 0 and event.outputs:
                value = event.outputs[0][1]
                self._values[event.iteration] = value
                if self.run.best is None or value > self.run.best[1]:
                    self.run.best = (event.iteration, value)
        if isinstance(event, Snapshotted):
            self.run.snapshots.append(event)
            if self.keep is not None:
                snapshots.prune(self.prefix, max(self.keep, 1), self._best())

    def _best(self) -> list[Path]:
        """The snapshot that the best test was made of."""
        there = dict(snapshots.find_snapshots(self.prefix))
        best = best_of((i for i in self._values if i in there), self._values.get)
        return [there[best[0]]] if best else []


class _Curves:
    """Draws the run at every test."""

    def __init__(self, table: Path) -> None:
        self.table = table

    def __call__(self, event: Event) -> None:
        if isinstance(event, Tested):
            draw_run(self.table)
