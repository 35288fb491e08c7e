"""A training run on PyTorch from beginning to end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import torch

from ssd_data.engines.torch.layers.annotateddata import Feed
from ssd_data.engines.torch.mode import find_device
from ssd_data.nets.matching import Matching
from ssd_data.training.extras import check_device
from ssd_data.training.feeding import feeding
from ssd_data.training.log import Listener, RunLog
from ssd_data.training.options import settle
from ssd_data.training.processes import ALONE, Processes
from ssd_data.training.run import Run, TrainOptions, about, find_resume, listeners_of, open_log
from ssd_data.training.solver import Solver
from ssd_data.training.solver_file import SolverFile
from ssd_data.training.stopping import signals
from ssd_data.training.together import align, connect


def train(
    file: SolverFile,
    options: TrainOptions | None = None,
    listeners: Sequence[Listener] = (),
    say: Callable[[str], None] = lambda text: None,
    processes: Processes = ALONE,
) -> Run:
    """Train as a solver says.

    Args:
        file: from :func:`~ssd_data.training.solver_file.read_solver`.
        listeners: are told of every event. say: is told what is happening besides.
        processes: those that train together; each calls this. The weights, the snapshot to go on
            from, listeners and logs are process 0's affair.

    Raises:
        InputError: solver, nets, data or weights are wrong.
        DivergedError: the loss is no number any more.
        PeerError: another process has ended, or does not answer.
        OutputError: a snapshot or log cannot be written.
    """
    options = options or TrainOptions()
    if options.max_iter is not None:
        file.param.max_iter = options.max_iter
    seed = options.seed if options.seed is not None else max(file.param.random_seed, 0)
    file.param.random_seed = seed
    resume = find_resume(file, options.resume) if processes.rank == 0 else None
    extras = processes.broadcast_object(settle(options.extras, resume, say))
    options = replace(options, extras=asdict(extras))
    solver = Solver(file, processes.device(options.device), extras)
    run = Run(resumed=resume, extras=extras.on())
    connect(solver, processes)
    feed = Feed(
        seed,
        processes.workers(options.workers),
        options.jpeg_roundtrip,
        rank=processes.rank,
        world=processes.world,
    )
    for layer in feeding(solver.net):
        layer.feed = replace(feed, min_box=extras.min_face, cache=extras.cache)
    if processes.rank == 0:
        _load(solver, options, run, say)
    align(solver)
    solver.options = {**asdict(options), "seed": seed}
    log = _begin(solver, options, run, listeners) if processes.rank == 0 else None
    done = False
    try:
        with signals(say, solver.stop):
            solver.solve()
            if solver.stopped and solver.saved != solver.iter:
                solver.snapshot()
        done = not solver.stopped
    finally:
        if log is not None:
            log.end(done)
        for layer in feeding(solver.net, *solver.test_nets):
            layer.close()
    run.iteration, run.finished = solver.iter, not solver.stopped
    run.loss = solver.progress.smoothed_loss
    return run


def _load(solver: Solver, options: TrainOptions, run: Run, say: Callable[[str], None]) -> None:
    """What the run begins with: a snapshot, else weights, if any."""
    if run.resumed is not None:
        say(f"resuming from {run.resumed}")
        solver.restore(run.resumed)
        return
    for path in options.weights:
        matching = solver.net.copy_from(path, skip_mismatch=options.skip_mismatch)
        run.matchings.append(matching)
        say(_told(path, matching))


def check_extras(file: SolverFile, options: TrainOptions) -> None:
    """The extras can be had on this device; :func:`train` checks it as well.

    Raises:
        UsageError: one cannot. InputError: what the snapshot records makes no sense.
    """
    extras = settle(options.extras, find_resume(file, options.resume))
    check_device(extras, find_device(options.device))


def _begin(
    solver: Solver, options: TrainOptions, run: Run, listeners: Sequence[Listener]
) -> RunLog:
    file = solver.file
    log = open_log(file)
    solver.listeners += listeners_of(file, options, run, log, listeners)
    facts = about(file, options, run.resumed, "torch")
    facts["versions"]["torch"] = torch.__version__
    facts |= {
        "seed": file.param.random_seed,
        "threads": torch.get_num_threads(),
        "device": str(solver.net.device),
        "processes": solver.processes.world,
    }
    log.begin(file.train.net.name, file.param.lr_policy, facts)
    return log


def _told(path: Path, matching: Matching) -> str:
    anew = len(matching.new) + len(matching.mismatched)
    text = f"{path}: {len(matching.kept)} layers kept, {anew} start anew"
    return f"{text}, {len(matching.left_out)} left out"
