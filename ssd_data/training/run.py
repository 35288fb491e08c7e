"""A training run from top to bottom, whichever engine makes it, in one process or in several.

:func:`train` reads the solver, finds the snapshot to go on from and looks at everything; then
:func:`train_file` makes nets with their weights, goes through the loop with all that listens to it,
and says what it came to. An engine is PyTorch (``loop.py``) or a real Caffe (``caffe/run.py``).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, Union, get_args

from ssd_data.core.errors import InputError, UsageError
from ssd_data.core.legible import Legible
from ssd_data.core.version import __version__
from ssd_data.nets.matching import Matching
from ssd_data.training.caffe.hdf5 import or_newer_hdf5
from ssd_data.training.caffe.run import CaffeEngine
from ssd_data.training.curves import draw_at_tests, open_board, require_tensorboard
from ssd_data.training.fresh import solver_of
from ssd_data.training.log import Listener, RunLog, Snapshotted, Tested
from ssd_data.training.mixing import mix_into
from ssd_data.training.options import AUTO, EngineName, Extras, TrainOptions
from ssd_data.training.preflight import preflight
from ssd_data.training.preflight.report import Preflight
from ssd_data.training.processes import FirstProcessError, PeerError, signals
from ssd_data.training.recipe.kept import in_a_line, keep_recipe
from ssd_data.training.recipe.parts import TrainRecipe
from ssd_data.training.run_folder import SnapshotKeeper
from ssd_data.training.snapshots import newest_whole
from ssd_data.training.solver_file import SolverFile, look_at_solver, read_solver, solver_weights
from ssd_data.training.written import homes_of, outputs_of_run, require_named

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from ssd_data.training.loop import TorchEngine
    from ssd_data.training.options import ExtrasTold

Engine: TypeAlias = Union["TorchEngine", CaffeEngine]
Say: TypeAlias = Callable[[str], None]


@dataclass(slots=True)
class TrainResult:
    """What a run came to.

    Attributes:
        iteration: how many updates were made in all.
        finished: False where it was stopped by a signal.
        loss: the last smoothed one; None where a real Caffe did not say.
        tested: what the last test gave.
        best: iteration and value of the best test, by its first output.
        snapshots: the files that were written. matchings: what became of each ``weights``.
        resumed: the solver state that it went on from.
        extras: what it did that the original does not.
        recipe: what it was trained by; None where it was the original's.

    >>> TrainResult(tested=Tested(10, net=0, outputs=[("detection_eval", 0.5)])).scores
    {'detection_eval': 0.5}
    """

    iteration: int = 0
    finished: bool = False
    loss: float | None = None
    tested: Tested | None = None
    best: tuple[int, float] | None = None
    snapshots: list[Snapshotted] = field(default_factory=list)
    matchings: list[Matching] = field(default_factory=list)
    resumed: Path | None = None
    extras: dict[str, Any] = field(default_factory=dict)
    recipe: TrainRecipe | None = None

    @property
    def scores(self) -> dict[str, float]:
        """The last test's, by output: mean AP of a detector; empty where there was no test."""
        return {} if self.tested is None else dict(self.tested.outputs)


def train(
    solver: Path | str | None = None,
    weights: Sequence[Path | str] | Path | str = (),
    *,
    resume: Path | str | None = None,
    device: str | None = AUTO,
    workers: int | None = None,
    seed: int | None = None,
    max_iter: int | None = None,
    recipe: Path | str | None = None,
    jpeg_roundtrip: bool = True,
    tensorboard: Path | str | None = None,
    keep: int | None = None,
    write_in: Sequence[Path | str] = (),
    skip_mismatch: bool = False,
    other_data: bool = False,
    engine: EngineName = "torch",
    caffe: Path | str | None = None,
    build: Path | str | None = None,
    family: str | None = None,
    out: Path | str | None = None,
    listeners: Sequence[Listener] = (),
    say: Say = lambda text: None,
    show: Callable[[SolverFile, Preflight], None] | None = None,
    quiet: bool = False,
    **extras: Unpack[ExtrasTold],
) -> TrainResult:
    """Train as a solver's prototxt says: what ``ssd-data train`` does, with the same options.

    Paths in the solver and its nets are relative to the working folder. Under torchrun each process
    calls this; snapshots, tests, logs and listeners are the first one's.

    Args:
        solver: the prototxt. weights: the caffemodels to start from. The other options are those of
            :class:`~ssd_data.training.options.TrainOptions` and (``extras``) of
            :class:`~ssd_data.training.options.Extras`.
        listeners: are told of every event, see ``log.py``, whose ``Screen()`` prints the lines of
            ``caffe train``.
        say: is told in lines what is happening besides.
        show: is given what was found before the run starts, or is refused.
        quiet: of what a real Caffe logs warnings and errors alone are shown.

    Raises:
        UsageError: the options contradict one another, or the engine has not what they ask for.
        InputError: solver, nets, data or weights are wrong; if that was found beforehand, nothing
            was started, and all of it is said.
        DivergedError: the loss is no number any more.
        CaffeError: Caffe could not be started, or ended with an error.
        PeerError: another process has ended, or does not answer.
        OutputError: a snapshot or log cannot be written.

    >>> result = train("tiny_ssd/solver.prototxt", max_iter=1, device="cpu", ema=0.9)
    >>> result.iteration, result.snapshots[-1].model.name
    (1, 'tiny_ssd_iter_1.caffemodel')
    """
    files = [weights] if isinstance(weights, (str, Path)) else weights
    options = TrainOptions(
        weights=[Path(name) for name in files],
        resume=resume,
        device=device,
        workers=workers,
        seed=seed,
        max_iter=max_iter,
        recipe=recipe,
        jpeg_roundtrip=jpeg_roundtrip,
        tensorboard=tensorboard,
        keep=keep,
        write_in=[Path(name) for name in write_in],
        skip_mismatch=skip_mismatch,
        other_data=other_data,
        engine=engine,
        caffe=caffe,
        build=build,
        family=family,
        out=out,
        extras=extras,
    )
    chosen = _find_engine(options, quiet)
    try:
        if chosen.processes.rank:
            return follow(chosen)
        if tensorboard is not None:
            require_tensorboard()
        file = look_at_solver(solver_of(solver, options))
        notes: list[str] = []
        options = _settle(file, options, chosen, say, notes.append)
        found = _check(file, options, chosen, show)
        with open_board(tensorboard) as board:
            if isinstance(options.recipe, TrainRecipe):
                say(in_a_line(options.recipe))
            for note in notes:
                say(note)
            chosen.processes.broadcast_object((file.origin, options))
            result = train_file(file, options, [*listeners, *board], say, chosen)
            found.readers.clear()
            return result
    finally:
        chosen.processes.close()


def train_file(
    file: SolverFile,
    options: TrainOptions | None = None,
    listeners: Sequence[Listener] = (),
    say: Say = lambda text: None,
    engine: Engine | None = None,
) -> TrainResult:
    """The run itself, of a solver that was read; see :func:`train`, which looks at it before.

    Args:
        engine: by default PyTorch in this process alone. Each of several processes calls this with
            the same options; weights, listeners and logs are process 0's affair.
    """
    if engine is None:
        from ssd_data.training.loop import TorchEngine

        engine = TorchEngine()
    options = _settle(file, options or TrainOptions(), engine, say, say)
    if file.faults:
        raise file.faults[0]
    homes = homes_of(file.origin, options.write_in)
    require_named(outputs_of_run(file, engine.name), homes)
    facts = engine.prepare(file, options, say)
    keeper = SnapshotKeeper(file.param.snapshot_prefix, options.keep)
    with signals(say, engine.stop, engine.kill), ExitStack() as stack:
        stack.callback(engine.close)
        if engine.processes.rank == 0:
            log = RunLog(file.param.snapshot_prefix or "train")
            stack.callback(lambda: log.end(engine.finished))
            if isinstance(engine, CaffeEngine):
                engine.held = (log.descriptor,)
            keeper.go_on(log.table_path, engine.iteration)
            keep_recipe(log.table_path, options.recipe)
            log.begin(
                file.train.net.name,
                options.policy(file.param.lr_policy),
                {**_about(file, options, engine), **facts},
            )
            listeners = [log, keeper, *listeners, draw_at_tests(log.table_path)]
        engine.solve(listeners)
    return TrainResult(
        iteration=engine.iteration,
        finished=engine.finished,
        loss=engine.loss,
        tested=keeper.tested,
        best=keeper.best,
        snapshots=keeper.snapshots,
        matchings=engine.matchings,
        resumed=None if options.resume is None else Path(options.resume),
        extras=options.extras.on() if isinstance(options.extras, Extras) else {},
        recipe=options.recipe if isinstance(options.recipe, TrainRecipe) else None,
    )


def follow(engine: Engine) -> TrainResult:
    """Train along with process 0, which says what, and tells of it.

    Raises:
        FirstProcessError: process 0 has ended the run, and says why.
        InputError: the solver, its nets or data are not here as they are at process 0.
        PeerError: another process has ended, or does not answer.
    """
    from ssd_data.training.display import DivergedError

    processes = engine.processes
    try:
        solver, options = processes.broadcast_object(("", TrainOptions()))
    except PeerError as error:
        raise FirstProcessError(error.what, where=error.where) from None
    try:
        return train_file(read_solver(solver), options, engine=engine)
    except DivergedError as error:
        raise FirstProcessError(error.what, where=error.where) from None
    except InputError as error:
        where = f"process {processes.rank}: {error.where}"
        raise InputError(error.what, where=where, hint=error.hint) from None


# ---- before it starts ----


def _find_engine(options: TrainOptions, quiet: bool) -> Engine:
    if options.engine not in get_args(EngineName):
        what = f'no engine is called "{options.engine}"'
        raise UsageError(
            what, where="--engine", hint=f"Known are {', '.join(get_args(EngineName))}"
        )
    if options.engine == "caffe":
        return CaffeEngine(options.caffe, quiet)
    from ssd_data.engines.torch import require_torch

    require_torch()
    from ssd_data.training.group import join
    from ssd_data.training.loop import TorchEngine

    return TorchEngine(join(options.device))


def _settle(
    file: SolverFile, options: TrainOptions, engine: Engine, say: Say, note: Say
) -> TrainOptions:
    """The options with the snapshot to go on from, else the solver's own ``weights``, and all
    extras; once settled they stay.

    Args:
        say: is told of snapshots passed over. note: of what the run does otherwise than before.
    """
    if options.max_iter is not None:
        file.param.max_iter = options.max_iter
    resume = options.resume
    if resume == AUTO:  # it reads whole snapshots
        resume = newest_whole(file.param.snapshot_prefix, say)
        resume = or_newer_hdf5(file.param.snapshot_prefix, resume, engine.name)
    resume = None if resume is None else Path(resume)
    weights = options.weights or (solver_weights(file) if resume is None else ())
    options = engine.settle(replace(options, resume=resume, weights=weights), note)
    if isinstance(options.extras, Extras):
        mix_into(file, options.extras.mix)
    return options


def _check(
    file: SolverFile,
    options: TrainOptions,
    engine: Engine,
    show: Callable[[SolverFile, Preflight], None] | None,
) -> Preflight:
    """Look at solver, nets, data and weights.

    Raises:
        InputError: some of it is wrong.
    """
    found = preflight(
        file,
        options.weights,
        None if options.resume is None else Path(options.resume),
        engine=engine.name,
        skip_mismatch=options.skip_mismatch,
        other_data=options.other_data,
        write_in=options.write_in,
        extras=options.extras if isinstance(options.extras, Extras) else None,
        recipe=options.recipe if isinstance(options.recipe, TrainRecipe) else None,
        world=engine.processes.world,
    )
    if show is not None:
        show(file, found)
    if found.errors:
        count = "1 error" if len(found.errors) == 1 else f"{len(found.errors)} errors"
        hint = [Legible(one) for one in found.errors] if show is None else ""
        raise InputError(f"{count}; nothing was started", where=file.origin, hint=hint)
    return found


def _about(file: SolverFile, options: TrainOptions, engine: Engine) -> dict[str, Any]:
    """What the log says of a run at its beginning."""
    python = sys.version.split()[0]
    return {
        "engine": engine.name,
        "solver": file.origin,
        "options": options.recorded(),
        "resumed": options.resume,
        "command": sys.argv,
        "folder": Path.cwd(),
        "versions": {"ssd-data": __version__, "python": python, **engine.versions},
    }
