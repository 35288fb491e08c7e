"""A training run on a real Caffe from beginning to end; needs no PyTorch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from ssd_data.core.errors import UsageError
from ssd_data.training.caffe.binary import run_caffe
from ssd_data.training.log import Displayed, Event, Listener, Snapshotted
from ssd_data.training.options import recorded_by, refuse, spelled
from ssd_data.training.processes import world_size
from ssd_data.training.run import Run, TrainOptions, about, find_resume, listeners_of, open_log
from ssd_data.training.solver_file import SolverFile
from ssd_data.training.stopping import signals


def train_on_caffe(
    file: SolverFile,
    options: TrainOptions,
    binary: Path | None = None,
    listeners: Sequence[Listener] = (),
    say: Callable[[str], None] = lambda text: None,
) -> Run:
    """The same run by a real Caffe, see :func:`~ssd_data.training.caffe.binary.run_caffe`.

    Raises:
        UsageError: there is no Caffe, or it has not what an option asks for.
        CaffeError: it could not be started, or ended with an error.
    """
    check_options(options)
    resume = find_resume(file, options.resume)
    if resume is not None and (lost := spelled(recorded_by(resume))):
        say(f"warning: the snapshot was made with {lost}, which a real Caffe does not have")
    run = Run(resumed=resume)
    log = open_log(file)
    facts = about(file, options, resume, "caffe")
    log.begin(file.train.net.name, file.param.lr_policy, facts)
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
        with signals(say, asked, twice=asked):
            run_caffe(
                file.origin,
                binary=binary,
                weights=options.weights if resume is None else (),
                resume=resume,
                device=options.device,
                listeners=[*listeners_of(file, options, run, log, listeners), follow],
                asked=lambda: count,
                changes={name: value for name, value in changes.items() if value is not None},
            )
    finally:
        log.end(done=not count)
    run.finished = not count
    return run


def check_options(options: TrainOptions) -> None:
    """A real Caffe has what is asked for.

    Raises:
        UsageError: it has not.
    """
    if (world := world_size()) > 1:
        raise UsageError(
            f"torchrun starts {world} processes, a real Caffe is one",
            where="--engine caffe",
            hint="Leave torchrun out, and say --device cuda:0,1",
        )
    asked_for = {
        "--workers": options.workers,
        "--skip-mismatch": options.skip_mismatch,
    }
    for name, value in asked_for.items():
        if value:
            raise UsageError("a real Caffe does not have this option", where=name)
    if not options.jpeg_roundtrip:
        raise UsageError("a real Caffe always makes them", where="--no-jpeg-roundtrip")
    refuse(options.extras, "a real Caffe")
