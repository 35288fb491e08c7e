"""The processes beside process 0: they train along, and leave it to that one to say so."""

from __future__ import annotations

from ssd_data.core.errors import InputError
from ssd_data.training.display import DivergedError
from ssd_data.training.loop import train
from ssd_data.training.processes import PeerError, Processes
from ssd_data.training.run import TrainOptions
from ssd_data.training.solver_file import read_solver


def follow(processes: Processes) -> int:
    """Train along with process 0, which says what, and tells of it; the exit status.

    Raises:
        InputError: the solver, its nets or data are not here as they are at process 0.
        PeerError: another process has ended, or does not answer.
    """
    try:
        solver, options = processes.broadcast_object(("", TrainOptions()))
    except PeerError:
        return 1  # it has said why
    try:
        run = train(read_solver(solver), options, processes=processes)
    except DivergedError:
        return 1  # as in all
    except InputError as error:
        where = f"process {processes.rank}: {error.where}"
        raise InputError(error.what, where=where, hint=error.hint) from None
    return 0 if run.finished else 130
