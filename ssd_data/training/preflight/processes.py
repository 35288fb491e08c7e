"""What a preflight looks for where several processes train, or could."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ssd_data.nets.graph import Graph
from ssd_data.training.options import Extras
from ssd_data.training.preflight.report import Preflight
from ssd_data.training.solver_file import SolverFile

UNDIVIDED = ("Data", "HDF5Data", "ImageData", "VideoData")
ALL_OF_THEM = "several processes would each read all of its records"
ALL_HINT = "Only AnnotatedData divides them: train without torchrun"


def check_processes(
    found: Preflight,
    file: SolverFile,
    extras: Extras,
    world: int,
    resume: Path | None,
    resume_state: Mapping[str, Any],
) -> None:
    """That the training's records can be divided, that BatchNorm has what to synchronise, and that
    a run goes on with as many processes as it had.

    Args:
        world: how many processes there are.
        resume: the solver state to go on from. resume_state: what lies beside it.
    """
    if world > 1:
        for where in undivided(file.train):
            found.error(where, ALL_OF_THEM, ALL_HINT)
    norms = [node.param.batch_norm_param for node in file.train.nodes if node.type == "BatchNorm"]
    if extras.sync_bn and world == 1:
        found.warn("--sync-bn", "one process trains: there is nothing to synchronise")
    elif extras.sync_bn and all(norm.use_global_stats for norm in norms):
        found.warn("--sync-bn", "no BatchNorm of the training net takes a batch's statistics")
    before = resume_state.get("processes", 1) if resume_state else world
    if resume is not None and before != world:
        found.warn(
            resume,
            f"it was made by {before} processes, now there are {world}: the batch of all changes",
            "Change batch_size, or the number of processes",
        )


def undivided(graph: Graph) -> list[str]:
    """The layers of a training net that would read the same records in every process."""
    return [node.where for node in graph.nodes if node.type in UNDIVIDED]
