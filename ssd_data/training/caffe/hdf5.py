"""Snapshots in HDF5, which a real Caffe writes where its solver says so, and alone reads."""

from __future__ import annotations

from pathlib import Path

from ssd_data.core.errors import InputError
from ssd_data.core.files.there import is_file
from ssd_data.training.snapshots import HDF5, MODEL, STATE, find_snapshots, iteration_of


def or_newer_hdf5(prefix: str, newest: Path | None, engine: str) -> Path | None:
    """The snapshot to go on from: the newest that can be read, or one in HDF5 that is newer.

    Args:
        newest: the newest other one.

    Raises:
        InputError: there is such a one, and the engine is not ``caffe``.
    """
    least = -1 if newest is None else iteration_of(newest)
    for iteration, state in find_snapshots(prefix, STATE + HDF5):
        model = state.with_name(state.name.replace(STATE + HDF5, MODEL + HDF5))
        if iteration <= least or not is_file(model):
            continue
        if engine != "caffe":
            raise InputError(
                "the newest snapshot is in HDF5, which is not read",
                where=state,
                hint="Name another by --resume, or go on with --engine caffe",
            )
        return state
    return newest
