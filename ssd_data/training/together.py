"""How a solver becomes one of several that train the same net."""

from __future__ import annotations

from ssd_data.core.errors import InputError, UsageError
from ssd_data.engines.torch.layers.batchnorm import BatchNorm
from ssd_data.engines.torch.loss import LossLayer
from ssd_data.nets.graph import Graph
from ssd_data.training.options import settle
from ssd_data.training.preflight.report import Preflight
from ssd_data.training.processes import Processes
from ssd_data.training.run import TrainOptions, find_resume
from ssd_data.training.snapshots import read_snapshot
from ssd_data.training.solver import Solver
from ssd_data.training.solver_file import SolverFile

UNDIVIDED = ("Data", "ImageData")


def connect(solver: Solver, processes: Processes) -> None:
    """Make a solver's batches parts of those that all processes train on together.

    The losses' normalisers are summed over the processes; with ``--sync-bn`` so are the sums that
    BatchNorm normalises by. Test nets stay alone.

    Raises:
        InputError: a layer reads records that cannot be divided.
        UsageError: the net is compiled, and BatchNorm cannot be shared then.
    """
    solver.processes = processes
    if processes.world == 1:
        return
    extras = solver.additions.extras
    if extras.sync_bn and extras.compile:
        raise UsageError("compiled layers cannot wait for other processes", where="--compile")
    for where in undivided(solver.file.train):
        raise InputError(*_CANNOT[:1], where=where, hint=_CANNOT[1])
    for layer in solver.net.steps:
        if isinstance(layer, LossLayer) or (extras.sync_bn and isinstance(layer, BatchNorm)):
            layer.all_reduce = processes.all_reduce


def align(solver: Solver) -> None:
    """Give every process what process 0 starts with: parameters, histories, progress, position.

    Raises:
        PeerError: a process has ended, or does not answer.
    """
    processes = solver.processes
    if processes.world == 1:
        return
    tensors = [p.blob.tensor.detach() for p in solver.params]
    processes.broadcast([*tensors, *(h for p in solver.params for h in p.history)])
    told = processes.broadcast_object((solver.progress, solver.restored, solver.additions.scale))
    solver.progress, solver.restored, solver.additions.scale = told
    if processes.rank:
        solver.resume_from(solver.restored)


def undivided(graph: Graph) -> list[str]:
    """The layers of a training net that would read the same records in every process."""
    return [node.where for node in graph.nodes if node.type in UNDIVIDED]


_CANNOT = (
    "several processes would each read all of its records",
    "Only AnnotatedData divides them: train without torchrun",
)


def check_processes(found: Preflight, file: SolverFile, options: TrainOptions, world: int) -> None:
    """What a preflight looks for where several processes train, or could.

    Raises:
        InputError: what the snapshot to go on from records makes no sense.
    """
    resume = find_resume(file, options.resume)
    if world > 1:
        for where in undivided(file.train):
            found.error(where, *_CANNOT)
    if settle(options.extras, resume).sync_bn:
        _check_sync(found, file, world)
    if resume is None:
        return
    try:
        beside = read_snapshot(resume).beside
    except InputError:
        return  # which is an error of its own
    before = beside.get("processes", 1) if beside else world
    if before != world:
        found.warn(
            resume,
            f"it was made by {before} processes, now there are {world}: the batch of all changes",
            "Change batch_size, or the number of processes",
        )


def _check_sync(found: Preflight, file: SolverFile, world: int) -> None:
    norms = [node.param.batch_norm_param for node in file.train.nodes if node.type == "BatchNorm"]
    if world == 1:
        found.warn("--sync-bn", "one process trains: there is nothing to synchronise")
    elif all(norm.use_global_stats for norm in norms):
        found.warn("--sync-bn", "no BatchNorm of the training net takes a batch's statistics")
