"""What a preflight looks for in a solver's own fields, and where its snapshots will lie."""

from __future__ import annotations

import math
import os
import shutil
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from ssd_data.core.errors import InputError
from ssd_data.core.files.paths import listable
from ssd_data.core.files.there import is_folder, is_named_there
from ssd_data.proto import caffe_pb2
from ssd_data.training.preflight.report import Preflight
from ssd_data.training.rates import Progress, learning_rate
from ssd_data.training.solver_file import SolverFile
from ssd_data.training.written import homes_of, outputs_of_run

SPARE_SNAPSHOTS = 3


def check_solver(found: Preflight, file: SolverFile, engine: str) -> None:
    """The rule, the learning rate, and numbers that make little sense together.

    Args:
        engine: ``caffe`` writes snapshots in HDF5 where it is told to, ours does not.
    """
    param, origin = file.param, file.origin
    try:
        learning_rate(param, Progress())
    except (InputError, ArithmeticError) as error:
        found.error(origin, getattr(error, "what", str(error)), getattr(error, "hint", ""))
    if param.regularization_type not in ("L1", "L2"):
        found.error(
            origin,
            f'no regularization_type is called "{param.regularization_type}"',
            "Known are L2, L1",
        )
    try:
        from ssd_data.training.updates import find_type
    except ImportError:
        pass  # without PyTorch a real Caffe trains, which says the same
    else:
        try:
            find_type(param)
        except InputError as error:
            found.error(error.where or origin, error.what, error.hint)
    for known, value in param.ListFields():
        if isinstance(value, float) and not math.isfinite(value):
            found.error(origin, f"{known.name} is {value:g}", "Write a finite number")
    for what, hint in _doubts(param):
        found.warn(origin, what, hint)
    if param.snapshot_format == caffe_pb2.SolverParameter.HDF5 and engine != "caffe":
        what = "snapshot_format is HDF5: snapshots are written as BINARYPROTO all the same"
        found.warn(origin, what)


def _doubts(p: caffe_pb2.SolverParameter) -> list[tuple[str, str]]:
    """What is allowed, but seldom meant: what, hint."""
    end = "at the end" if p.snapshot_after_train else "at no time"
    found = [
        (not p.snapshot, f"snapshot is 0: snapshots are written {end}", "Set snapshot"),
        (not p.display, "display is 0: no loss is shown", "Set display"),
        (not p.base_lr, "base_lr is 0: nothing is learned", "Set base_lr"),
        (p.base_lr < 0, f"base_lr is {p.base_lr:g}: the loss is driven up", "Set base_lr"),
        (p.max_iter < 1, f"max_iter is {p.max_iter}: nothing is trained", "Set max_iter"),
        (p.momentum >= 1, f"momentum is {p.momentum:g}: the updates grow without end", ""),
        (p.clip_gradients == 0, "clip_gradients is 0: all gradients become 0", "Leave it out"),
        (
            p.max_iter > 0 and p.test_interval > p.max_iter,
            f"test_interval is {p.test_interval}, above max_iter, {p.max_iter}: no test is run "
            f"{'after the first' if p.test_initialization else 'at all'}",
            "Lower test_interval",
        ),
        (
            bool(p.test_iter) and not p.test_interval,
            "there is a test_iter, but no test_interval: no test is run",
            "Set test_interval",
        ),
    ]
    return [(what, hint) for holds, what, hint in found if holds] + _rate_doubts(p)


def _rate_doubts(p: caffe_pb2.SolverParameter) -> list[tuple[str, str]]:
    steps, found = list(p.stepvalue), []
    if p.lr_policy in ("step", "multistep", "exp", "plateau") and not p.gamma:
        found.append((f"gamma is 0: lr_policy {p.lr_policy} drops the rate to 0", "Set gamma"))
    if p.lr_policy == "multistep":
        if not steps:
            found.append(("lr_policy multistep has no stepvalue: the rate never drops", ""))
        if any(b <= a for a, b in pairwise(steps)):
            found.append(("the values of stepvalue do not rise", "Put them in order"))
        if late := [n for n in steps if n > p.max_iter]:
            found.append((f"stepvalue {late[0]} is never reached: max_iter is {p.max_iter}", ""))
    if p.lr_policy == "plateau" and not p.plateau_winsize:
        found.append(("lr_policy plateau has no plateau_winsize: the rate never drops", ""))
    return found


def check_places(found: Preflight, file: SolverFile, write_in: Sequence[Path], engine: str) -> None:
    """Nothing is written where only solver or net say so."""
    homes = homes_of(file.origin, write_in)
    for output in outputs_of_run(file, engine):
        if (fault := output.fault(homes)) is not None:
            found.take(fault)


def check_snapshots(found: Preflight, file: SolverFile, size: int, engine: str) -> None:
    """The folder of the snapshots, and space for a few of them.

    Args:
        size: bytes of one snapshot; 0 where it is not known.
        engine: ``caffe`` needs the folder to be there, ours makes it.
    """
    param = file.param
    if not param.HasField("snapshot_prefix"):
        if param.snapshot_after_train:
            last = f"_iter_{param.max_iter}.caffemodel"
            found.warn(
                file.origin, f"has no snapshot_prefix: the last snapshot is {last}", "Set it"
            )
        return
    where = f"{file.origin}: snapshot_prefix"
    if listable(param.snapshot_prefix) != param.snapshot_prefix:
        what = f'"{param.snapshot_prefix}" holds characters that no file name should'
        found.error(where, what, "Choose another")
        return
    existing = check_folder(found, where, Path(param.snapshot_prefix).parent, engine)
    if existing is None:
        return
    free = shutil.disk_usage(existing).free
    if free < SPARE_SNAPSHOTS * size:
        found.warn(
            where,
            f"{free >> 20} MiB are free, and a snapshot takes {-(-size >> 20)} MiB",
            "Free space, or choose another snapshot_prefix",
        )


def check_folder(found: Preflight, where: str, folder: Path, engine: str) -> Path | None:
    """That files can be written into a folder; the part of its path that is there, if it is one."""
    existing = folder
    while not is_named_there(existing) and existing != existing.parent:
        existing = existing.parent
    if not is_folder(existing):
        found.error(where, f'"{existing}" is no folder', "Choose another")
        return None
    if not os.access(existing, os.W_OK | os.X_OK):
        found.error(where, f'the folder "{existing}" cannot be written', "Mend its permissions")
    if existing != folder:
        if engine == "caffe":
            found.error(where, f'the folder "{folder}" is not there', f"mkdir -p {folder}")
        else:
            found.warn(where, f'the folder "{folder}" is not there: it will be made')
    return existing
