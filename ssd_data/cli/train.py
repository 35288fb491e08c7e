"""``ssd-data train``"""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from contextlib import ExitStack, redirect_stderr
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import click

from ssd_data.cli.parts import shared
from ssd_data.cli.parts.preflight_table import print_preflight
from ssd_data.cli.parts.training_options import GroupedCommand, extra_options, told
from ssd_data.core.errors import InputError

if TYPE_CHECKING:
    from ssd_data.training.events import Event, Listener, Snapshotted
    from ssd_data.training.preflight.report import Preflight
    from ssd_data.training.run import Run, TrainOptions
    from ssd_data.training.solverfile import SolverFile


@click.command(cls=GroupedCommand, short_help="Train a detector as a solver's prototxt says.")
@click.argument("solver", required=False, type=shared.PATH)
@click.option("--weights", metavar="F[,F]", help="Caffemodels to start from, one after another.")
@click.option(
    "--resume", metavar="F|auto", help="Go on from a solver state; auto: from the newest whole one."
)
@click.option(
    "--device", default="auto", show_default=True, metavar="NAME", help="cpu, cuda, cuda:1 or auto."
)
@click.option("--workers", type=click.IntRange(0), metavar="N", help="Threads that read pictures.")
@click.option("--seed", type=click.IntRange(0), metavar="N", help="Of all that is random.")
@click.option("--max-iter", type=click.IntRange(1), metavar="N", help="Instead of the solver's.")
@click.option(
    "--jpeg-roundtrip/--no-jpeg-roundtrip",
    default=True,
    help="Training pictures pass the original's JPEG round trips.  [default: they do]",
)
@click.option("--tensorboard", type=shared.PATH, metavar="DIR", help="Write TensorBoard's events.")
@click.option("--keep", type=click.IntRange(1), metavar="N", help="Delete all but N snapshots.")
@click.option("--skip-mismatch", is_flag=True, help="Start layers of another shape anew.")
@click.option(
    "--engine",
    type=click.Choice(["torch", "caffe"]),
    default="torch",
    show_default=True,
    help="What trains: PyTorch, or a real Caffe.",
)
@click.option("--caffe", type=shared.PATH, metavar="F", help="Caffe's executable, or its folder.")
@click.option("--build", type=shared.PATH, metavar="DIR", help="Write nets for this build first.")
@click.option("--family", metavar="NAME", help="Of the nets to write, see model --list.")
@shared.out_option("With --build: folder of the nets.  [default: the family's name]")
@extra_options
@shared.json_option
@shared.quiet_option
def command(
    solver: Path | None,
    weights: str | None,
    resume: str | None,
    device: str,
    workers: int | None,
    seed: int | None,
    max_iter: int | None,
    jpeg_roundtrip: bool,
    tensorboard: Path | None,
    keep: int | None,
    skip_mismatch: bool,
    engine: str,
    caffe: Path | None,
    build: Path | None,
    family: str | None,
    out: Path | None,
    as_json: bool,
    quiet: bool,
    **extras: Any,
) -> None:
    """Do what 'caffe train' does with SOLVER: train, test, and write snapshots.

    Before anything starts, solver, nets, LMDBs, labelmap and weights are checked against one
    another. Paths in the solver and its nets are relative to the folder you run in. Beside the
    snapshots lie a log in Caffe's format, a table (.jsonl) and a picture of the curves. Ctrl-C
    writes a snapshot and stops; a second one stops at once. Started by torchrun, several processes
    train one net together.

    \b
    Examples:
      ssd-data train solver.prototxt --weights mobilenet.caffemodel
      ssd-data train solver.prototxt --resume auto
      ssd-data train --build SHAPES --family mobilenet_ssd
      ssd-data train solver.prototxt --engine caffe --caffe ~/caffe
      torchrun --nproc-per-node 2 -m ssd_data train solver.prototxt --sync-bn
    """
    from ssd_data.training.board import open_board, require_tensorboard
    from ssd_data.training.preflight.preflight import preflight
    from ssd_data.training.run import TrainOptions, find_resume
    from ssd_data.training.solverfile import look_at_solver

    engine_run = _on_caffe(caffe) if engine == "caffe" else _on_torch(device)
    if tensorboard is not None:
        require_tensorboard()
    if build is not None:
        if solver is not None or family is None:
            raise click.UsageError("Give a SOLVER, or --build with --family.")
        solver = _generate(build, family, out)
    elif solver is None or family is not None:
        raise click.UsageError("Give a SOLVER, or --build with --family.")
    file = look_at_solver(solver)
    if max_iter is not None:
        file.param.max_iter = max_iter
    state = find_resume(file, resume, _say)  # looked for once: it reads whole snapshots
    options = TrainOptions(
        weights=[Path(name) for name in weights.split(",")] if weights else [],
        resume=state,
        device=device,
        seed=seed,
        workers=workers,
        max_iter=max_iter,
        jpeg_roundtrip=jpeg_roundtrip,
        keep=keep,
        skip_mismatch=skip_mismatch,
        extras=told(extras),
    )
    engine_run.check(file, options)
    found = preflight(file, options.weights, state, engine=engine, skip_mismatch=skip_mismatch)
    engine_run.look(found, file, options)
    print_preflight(found, quiet)
    if found.errors:
        count = "1 error" if len(found.errors) == 1 else f"{len(found.errors)} errors"
        raise InputError(f"{count}; nothing was started", where=solver)
    with Bar(file.param.max_iter, quiet) as bar, open_board(tensorboard) as board:
        run = engine_run.train(file, options, [bar, *board])
    if as_json:
        shared.print_json(_table(run))
    elif not quiet:
        _print(run)
    if not run.finished:
        click.get_current_context().exit(130)


@dataclass(frozen=True, slots=True)
class _EngineRun:
    """What differs between the engines.

    Attributes:
        check: refuses options that the engine does not have.
        look: adds to the preflight's findings.
        train: runs it, with listeners.
    """

    check: Callable[[SolverFile, TrainOptions], None]
    look: Callable[[Preflight, SolverFile, TrainOptions], None]
    train: Callable[[SolverFile, TrainOptions, list[Listener]], Run]


def _on_caffe(binary: Path | None) -> _EngineRun:
    from ssd_data.training.caffe.run import check_options, train_on_caffe

    return _EngineRun(
        check=lambda file, options: check_options(options),
        look=lambda found, file, options: None,
        train=lambda file, options, listeners: train_on_caffe(
            file, options, binary, listeners, _say
        ),
    )


def _on_torch(device: str) -> _EngineRun:
    """One of the processes that train; beside the first one this does not return."""
    from ssd_data.engines.torch import require_torch

    require_torch()
    from ssd_data.training.following import follow
    from ssd_data.training.log import Screen
    from ssd_data.training.loop import check_extras, train
    from ssd_data.training.processes import join
    from ssd_data.training.together import check_processes

    context = click.get_current_context()
    processes = join(device)
    context.call_on_close(processes.close)
    if processes.rank:
        context.exit(follow(processes))

    def run(file: SolverFile, options: TrainOptions, listeners: list[Listener]) -> Run:
        processes.tell((file.origin, options))
        return train(file, options, [Screen(), *listeners], _say, processes)

    return _EngineRun(
        check=check_extras,
        look=lambda found, file, options: check_processes(found, file, options, processes.world),
        train=run,
    )


def _say(text: str) -> None:
    click.echo(text, err=True)


def _generate(build: Path, family: str, out: Path | None) -> Path:
    """Write the nets and make the links that they read."""
    from ssd_data.data.build.links import link
    from ssd_data.families.parts.write import write_model

    folder = out or Path(family)
    write_model(family, folder, build=build, redo=True)
    link(build, Path())
    return folder / "solver.prototxt"


class Bar:
    """A progress bar on standard error, on a terminal only; lines written meanwhile go above it."""

    def __init__(self, total: int, quiet: bool) -> None:
        self.bar: Any = None
        self._stack = ExitStack()
        if sys.stderr.isatty() and not quiet:
            from tqdm import tqdm

            self.bar = tqdm(total=total, unit="it", file=sys.stderr, dynamic_ncols=True)

    def __enter__(self) -> Bar:
        if self.bar is not None:
            self._stack.enter_context(redirect_stderr(_Above(sys.stderr)))
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()
        if self.bar is not None:
            self.bar.close()

    def __call__(self, event: Event) -> None:
        """Move on with each update."""
        from ssd_data.training.events import Displayed, Stepped

        if self.bar is None or not isinstance(event, (Displayed, Stepped)):
            return
        if not self.bar.n:  # a run that goes on is not done with its iterations in no time
            self.bar.initial = self.bar.n = event.iteration - isinstance(event, Stepped)
        self.bar.update(event.iteration - self.bar.n)
        self.bar.set_postfix_str(f"loss {event.loss:.4g}", refresh=False)
        if isinstance(event, Displayed):
            text = f"lr {event.rate:.3g}"
            if event.speed:
                text += f", {event.speed:.1f} pictures/s, {event.waiting:.0%} waiting"
            self.bar.set_description_str(text, refresh=False)


class _Above(io.TextIOBase):
    """Writes whole lines where the bar is, which moves down."""

    def __init__(self, real: TextIO) -> None:
        self.real, self.held = real, ""

    def write(self, text: str) -> int:
        from tqdm import tqdm

        lines, end, self.held = (self.held + text).rpartition("\n")
        if end:
            with tqdm.external_write_mode(file=self.real):
                self.real.write(lines + end)
        return len(text)


def _table(run: Run) -> dict[str, Any]:
    tested = run.tested
    return {
        "iteration": run.iteration,
        "finished": run.finished,
        "loss": run.loss,
        "test": None if tested is None else dict(tested.outputs),
        "test_weights": "average" if tested is not None and tested.averaged else "last",
        "best": None
        if run.best is None
        else dict(zip(("iteration", "value"), run.best, strict=True)),
        "snapshots": [_files(snapshot) for snapshot in run.snapshots],
        "resumed": run.resumed,
        "extras": run.extras,
        "weights": [{"rows": matching.rows()} for matching in run.matchings],
    }


def _print(run: Run) -> None:
    state = "done" if run.finished else "stopped"
    click.echo(f"{state} at iteration {run.iteration}, loss {run.loss:.6g}")
    if run.tested is not None:
        averaged = " (averaged weights)" if run.tested.averaged else ""
        for name, value in run.tested.outputs:
            click.echo(f"{name} {value:.4f}{averaged}")
    if run.snapshots:
        for path in _files(run.snapshots[-1]).values():
            click.echo(path)


def _files(snapshot: Snapshotted) -> dict[str, Path]:
    files = {"model": snapshot.model, "state": snapshot.state}
    return files if snapshot.average is None else {**files, "average": snapshot.average}
