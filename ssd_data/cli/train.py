"""``ssd-data train``"""

from __future__ import annotations

import sys
from contextlib import ExitStack, redirect_stderr
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ssd_data.cli.parts import shared
from ssd_data.cli.parts.fields import options_of
from ssd_data.cli.parts.places import LOCAL, on_option
from ssd_data.cli.parts.stops import STOPPED
from ssd_data.training.options import DEFAULTS, Extras, TrainOptions

if TYPE_CHECKING:
    from ssd_data.training.log import Event
    from ssd_data.training.preflight.report import Preflight
    from ssd_data.training.run import TrainResult
    from ssd_data.training.solver_file import SolverFile


WORDS = "ssd_data.words"
# How long it takes stands before what a narrow terminal cuts off.
BAR = "{percentage:3.0f}%|{bar:12}| {n_fmt}/{total_fmt}, {remaining} left, {rate_fmt}{postfix}"


class GroupedCommand(click.Command):
    """A command whose help shows these options below the others, under a heading.

    Its words can be given to others, see :data:`WORDS`.
    """

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Note the words."""
        ctx.meta[WORDS] = list(args)
        return super().parse_args(ctx, args)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write both groups."""
        common: list[tuple[str, str]] = []
        extras: list[tuple[str, str]] = []
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx)
            if record is not None and isinstance(param, click.Option):
                (extras if param.name in DEFAULTS else common).append(record)
        with formatter.section("Options"):
            formatter.write_dl(common)
        with formatter.section("Beyond the original (off by default; kept on --resume)"):
            formatter.write_dl(extras)


@click.command(cls=GroupedCommand, short_help="Train a detector as a solver's prototxt says.")
@click.argument("solver", required=False, type=shared.PATH)
@options_of(TrainOptions)
@options_of(Extras, told=True)
@on_option
@click.option(
    "--num-workers",
    type=click.IntRange(1),
    metavar="N",
    help="With --on ray: so many processes train one net, each on a worker.",
)
@shared.output_options
def command(
    solver: Path | None,
    on: str,
    num_workers: int | None,
    as_json: bool,
    quiet: bool,
    **options: Any,
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
      ssd-data train solver.prototxt --recipe small-data
      ssd-data train solver.prototxt --engine caffe --caffe ~/caffe
      torchrun --nproc-per-node 2 -m ssd_data train solver.prototxt --sync-bn
      ssd-data train solver.prototxt --sync-bn --on ray --num-workers 8
      ssd-data train solver.prototxt --mix VOC0712=1,MINE=3
    """
    from ssd_data.training.log import Screen
    from ssd_data.training.processes import FirstProcessError, is_follower
    from ssd_data.training.run import train

    if len({solver is None, options["build"] is not None, options["family"] is not None}) > 1:
        raise click.UsageError("Give a SOLVER, or --build with --family.")
    context = click.get_current_context()
    if (num_workers is None) != (on == LOCAL):
        raise click.UsageError("--on ray and --num-workers N go together.")
    if num_workers is not None:
        from ssd_data.cli.parts.launched import launch

        words = ["train", *without(context.meta[WORDS], "--on", "--num-workers")]
        context.exit(launch(words, num_workers, on, options["device"], quiet))
    bars: list[ProgressBar] = []
    with ExitStack() as stack:

        def show(file: SolverFile, found: Preflight) -> None:
            print_preflight(found, quiet)
            if not found.errors:
                bars.append(stack.enter_context(ProgressBar(file.param.max_iter, quiet)))

        def move(event: Event) -> None:
            bars[0](event)

        shown = options["engine"] == "torch" and not quiet  # a real Caffe prints its own lines
        screen = [Screen()] if shown else []
        try:
            run = train(
                solver,
                listeners=[*screen, move],
                say=lambda text: shared.say(text, err=True),
                show=show,
                quiet=quiet,
                **{name: value for name, value in options.items() if value is not None},
            )
        except FirstProcessError:
            context.exit(1)
    if not is_follower():
        if as_json:
            shared.print_json(_table(run))
        elif not quiet:
            _print(run)
    if not run.finished:
        context.exit(STOPPED)


def without(words: list[str], *options: str) -> list[str]:
    """The words of a command less some options and their values."""
    kept, rest = [], iter(words)
    for word in rest:
        if word in options:
            next(rest, None)
        elif word.partition("=")[0] not in options:
            kept.append(word)
    return kept


def print_preflight(found: Preflight, quiet: bool = False) -> None:
    """Where the paths lead, how long a mix's sources last, what the weights give, then all errors
    and warnings.

    Args:
        quiet: show errors alone.
    """
    if not quiet:
        shared.print_table(found.rows(), right=[3], err=True)
        if found.mix:
            shared.print_table(found.mix_rows(), right=[1, 2, 4], err=True)
        for loaded in found.weights:
            shared.say(f"weights: {loaded}", err=True)
    for trouble in found.errors:
        shared.complain(trouble)
    for trouble in found.warnings if not quiet else ():
        shared.complain(trouble, "warning")


class ProgressBar:
    """A progress bar on standard error, on a terminal only; lines written meanwhile go above it."""

    def __init__(self, total: int, quiet: bool) -> None:
        from tqdm import tqdm

        hidden = True if quiet else None  # None: unless it is a terminal
        self.bar: Any = tqdm(
            total=total,
            unit="it",
            file=sys.stderr,
            dynamic_ncols=True,
            disable=hidden,
            bar_format=BAR,
        )
        self._pace = ""
        self._stack = ExitStack()

    def __enter__(self) -> ProgressBar:
        if not self.bar.disable:
            from tqdm.contrib import DummyTqdmFile

            above: Any = DummyTqdmFile(sys.stderr)
            self._stack.enter_context(redirect_stderr(above))
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()
        self.bar.close()

    def __call__(self, event: Event) -> None:
        """Move on with each update."""
        from ssd_data.training.log import Displayed, Stepped

        if self.bar.disable or not isinstance(event, (Displayed, Stepped)):
            return
        if not self.bar.n:  # a run that goes on is not done with its iterations in no time
            self.bar.initial = self.bar.n = event.iteration - isinstance(event, Stepped)
        self.bar.update(event.iteration - self.bar.n)
        if isinstance(event, Displayed):
            self._pace = f", lr {event.rate:.3g}"
            if event.speed is not None and event.waiting is not None:
                self._pace += f", {event.speed:.1f} pictures/s, {event.waiting:.0%} waiting"
        self.bar.set_postfix_str(f"loss {event.loss:.4g}{self._pace}", refresh=False)


def _table(run: TrainResult) -> dict[str, Any]:
    from ssd_data.training.recipe.kept import said_of

    averaged = run.tested is not None and run.tested.averaged
    return {
        "iteration": run.iteration,
        "finished": run.finished,
        "loss": run.loss,
        "test": None if run.tested is None else run.scores,
        "test_weights": "average" if averaged else "last",
        "best": None
        if run.best is None
        else dict(zip(("iteration", "value"), run.best, strict=True)),
        "snapshots": [snapshot.files() for snapshot in run.snapshots],
        "resumed": run.resumed,
        "extras": run.extras,
        "recipe": said_of(run.recipe),
        "weights": [{"rows": matching.rows()} for matching in run.matchings],
    }


def _print(run: TrainResult) -> None:
    state = "done" if run.finished else "stopped"
    loss = "" if run.loss is None else f", loss {run.loss:.6g}"
    shared.say(f"{state} at iteration {run.iteration}{loss}")
    if run.tested is not None:
        averaged = " (averaged weights)" if run.tested.averaged else ""
        for name, value in run.tested.outputs:
            shared.say(f"{name} {value:.4f}{averaged}")
    if run.snapshots:
        for path in run.snapshots[-1].files().values():
            shared.say(path)
