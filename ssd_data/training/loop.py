"""A training run from beginning to end: resume, signals, logs, snapshots kept, curves."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from ssd_data import __version__
from ssd_data.errors import UsageError
from ssd_data.nets.matching import Matching
from ssd_data.training import snapshots
from ssd_data.training.curves import draw_run
from ssd_data.training.events import Displayed, Event, Listener, Snapshotted, Tested
from ssd_data.training.log import RunLog
from ssd_data.training.realcaffe import run_caffe
from ssd_data.training.solverfile import SolverFile

if TYPE_CHECKING:
    from ssd_data.training.solver import Solver

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
    """

    iteration: int = 0
    finished: bool = False
    loss: float = 0.0
    tested: Tested | None = None
    best: tuple[int, float] | None = None
    snapshots: list[Snapshotted] = field(default_factory=list)
    matchings: list[Matching] = field(default_factory=list)
    resumed: Path | None = None


def train(
    file: SolverFile,
    options: TrainOptions | None = None,
    listeners: Sequence[Listener] = (),
    say: Callable[[str], None] = lambda text: None,
) -> Run:
    """Train as a solver says.

    Args:
        file: from :func:`~ssd_data.training.solverfile.read_solver`.
        listeners: are told of every event. say: is told what is happening besides.

    Raises:
        InputError: solver, nets, data or weights are wrong.
        DivergedError: the loss is no number any more.
        OutputError: a snapshot or log cannot be written.
    """
    # Here and not above: a real Caffe trains without PyTorch.
    import torch

    from ssd_data.engines.torch.layers.annotateddata import Feed
    from ssd_data.training.feeding import feeding
    from ssd_data.training.solver import Solver

    options = options or TrainOptions()
    if options.max_iter is not None:
        file.param.max_iter = options.max_iter
    seed = options.seed if options.seed is not None else max(file.param.random_seed, 0)
    file.param.random_seed = seed
    resume = find_resume(file, options.resume)
    solver = Solver(file, options.device)
    run = Run(resumed=resume)
    for layer in feeding(solver.net):
        layer.feed = Feed(seed, options.workers, options.jpeg_roundtrip)
    for path in options.weights if resume is None else ():
        matching = solver.net.copy_from(path, skip_mismatch=options.skip_mismatch)
        run.matchings.append(matching)
        say(_told(path, matching))
    if resume is not None:
        say(f"resuming from {resume}")
        solver.restore(resume)
    solver.options = {**asdict(options), "seed": seed}
    log = RunLog(file.param.snapshot_prefix or "train")
    solver.listeners += _listeners(file, options, run, log, listeners)
    about = _begin(file, options, resume)
    about["versions"]["torch"] = torch.__version__
    about |= {"threads": torch.get_num_threads(), "device": str(solver.net.device)}
    log.begin(file.train.net.name, file.param.lr_policy, about)
    done = False
    try:
        with _signals(say, solver.stop):
            solver.solve()
            if solver.stopped and not _is_saved(solver, run):
                solver.snapshot()
        done = not solver.stopped
    finally:
        log.end(done)
        for layer in feeding(solver.net, *solver.test_nets):
            layer.close()
    run.iteration, run.finished = solver.iter, not solver.stopped
    run.loss = solver.progress.smoothed_loss
    return run


def train_on_caffe(
    file: SolverFile,
    options: TrainOptions,
    binary: Path | None = None,
    listeners: Sequence[Listener] = (),
    say: Callable[[str], None] = lambda text: None,
) -> Run:
    """The same run by a real Caffe, see :func:`~ssd_data.training.realcaffe.run_caffe`.

    Raises:
        UsageError: there is no Caffe, or it has not what an option asks for.
        CaffeError: it could not be started, or ended with an error.
    """
    for name, value in (("--workers", options.workers), ("--skip-mismatch", options.skip_mismatch)):
        if value:
            raise UsageError("a real Caffe does not have this option", where=name)
    if not options.jpeg_roundtrip:
        raise UsageError("a real Caffe always makes them", where="--no-jpeg-roundtrip")
    resume = find_resume(file, options.resume)
    run = Run(resumed=resume)
    log = RunLog(file.param.snapshot_prefix or "train")
    log.begin(file.train.net.name, file.param.lr_policy, _begin(file, options, resume))
    changes = {"max_iter": options.max_iter, "random_seed": options.seed}
    count = 0

    def asked() -> None:
        nonlocal count
        count += 1

    def follow(event: Event) -> None:
        if isinstance(event, Displayed):
            run.iteration, run.loss = event.iteration, event.loss
        if isinstance(event, Snapshotted):
            run.iteration = max(run.iteration, event.iteration)

    try:
        with _signals(say, asked, twice=asked):
            run_caffe(
                file.origin,
                binary=binary,
                weights=options.weights if resume is None else (),
                resume=resume,
                device=options.device,
                listeners=[*_listeners(file, options, run, log, listeners), follow],
                asked=lambda: count,
                changes={name: value for name, value in changes.items() if value is not None},
            )
    finally:
        log.end(done=not count)
    run.finished = not count
    return run


def _listeners(
    file: SolverFile, options: TrainOptions, run: Run, log: RunLog, others: Sequence[Listener]
) -> list[Listener]:
    keeper = _Keeper(file.param.snapshot_prefix, options.keep, run)
    return [log, keeper, *others, _Curves(log.table_path)]


def find_resume(file: SolverFile, resume: Path | str | None) -> Path | None:
    """The solver state to go on from, None to begin."""
    if resume == AUTO:
        return snapshots.newest_whole(file.param.snapshot_prefix)
    return None if resume is None else Path(resume)


def _told(path: Path, matching: Matching) -> str:
    anew = len(matching.new) + len(matching.mismatched)
    text = f"{path}: {len(matching.kept)} layers kept, {anew} start anew"
    return f"{text}, {len(matching.left_out)} left out"


def _begin(file: SolverFile, options: TrainOptions, resume: Path | None) -> dict[str, Any]:
    return {
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


def _is_saved(solver: Solver, run: Run) -> bool:
    return bool(run.snapshots) and run.snapshots[-1].iteration == solver.iter


@contextmanager
def _signals(
    say: Callable[[str], None],
    once: Callable[[], None],
    twice: Callable[[], None] | None = None,
) -> Iterator[None]:
    """The first SIGINT or SIGTERM ends the run after this update; the second ends it at once."""
    asked = False

    def handle(number: int, frame: FrameType | None) -> None:
        nonlocal asked
        if not asked:
            say("stopping: a snapshot is written after this iteration; once more stops at once")
            once()
        elif twice is not None:
            twice()
        else:
            os._exit(128 + number)
        asked = True

    old = {}
    for number in (signal.SIGINT, signal.SIGTERM):
        try:
            old[number] = signal.signal(number, handle)
        except ValueError:  # not in the main thread: whoever runs us has the signals
            break
    try:
        yield
    finally:
        for number, before in old.items():
            signal.signal(number, before)


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
        tested = [i for i in self._values if i in there]
        return [there[max(tested, key=self._values.__getitem__)]] if tested else []


class _Curves:
    """Draws the run at every test."""

    def __init__(self, table: Path) -> None:
        self.table = table

    def __call__(self, event: Event) -> None:
        if isinstance(event, Tested):
            draw_run(self.table)
