"""Snapshots: ``.caffemodel`` and ``.solverstate`` as Caffe writes them, and a small file beside.

That file, ``.resume.json``, holds the resume state, which Caffe does not keep: where the data
stands, the random state and the options; ``.ema.caffemodel``, where there is one, the moving
average of the weights. All are written whole, the solver state last: a snapshot is there when it is
there. One that it replaces goes first: weights of one run never lie beside the state of another.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ssd_data.core.errors import InputError, UsageError
from ssd_data.core.files.messages import parse_message
from ssd_data.core.files.paths import read_bytes
from ssd_data.core.files.there import is_file, is_folder, is_there
from ssd_data.core.files.whole import failed, write_whole
from ssd_data.nets.caffemodel import (
    Array,
    Caffemodel,
    LayerWeights,
    read_caffemodel,
    to_array,
    to_blob,
    to_bytes,
)
from ssd_data.nets.filetypes import CAFFEMODEL, SOLVERSTATE, file_type
from ssd_data.proto import caffe_pb2
from ssd_data.training.options import DEFAULTS, Extras
from ssd_data.training.rates import Progress
from ssd_data.training.resumestate import RESUME, read_resume_state

MOST_BYTES = 2 << 30
STATE, MODEL = ".solverstate", ".caffemodel"
HDF5 = ".h5"  # behind either, where the solver's snapshot_format says so
AVERAGE = ".ema.caffemodel"
BETWEEN = "between"  # marks a snapshot that only a stop has asked for
_ITERATION = re.compile(r"_iter_(\d{1,9})\.", re.ASCII)


@dataclass(slots=True)
class Snapshot:
    """What a solver state holds.

    Attributes:
        progress: where the run stood.
        learned_net: path of the caffemodel, as written.
        history: the update rule's arrays.
        resume_state: what Caffe does not keep; empty where it is Caffe's own.
    """

    progress: Progress
    learned_net: str
    history: list[Array]
    resume_state: Mapping[str, Any] = field(default_factory=dict)


def snapshot_paths(prefix: str, iteration: int) -> tuple[Path, Path]:
    """Caffemodel and solver state, ``<prefix>_iter_<iteration>`` with their endings, as Caffe names
    them."""
    start = f"{prefix}_iter_{iteration}"
    return Path(start + MODEL), Path(start + STATE)


def write_snapshot(
    prefix: str,
    progress: Progress,
    net: caffe_pb2.NetParameter,
    layers: Sequence[LayerWeights],
    history: Sequence[Array],
    resume_state: Mapping[str, Any],
    average: Sequence[LayerWeights] | None = None,
) -> tuple[Path, Path]:
    """Write the three files, and the average's; returns the paths of caffemodel and solver state.

    Raises:
        OutputError: a file cannot be written; then there is no snapshot of this iteration.
    """
    model, state = snapshot_paths(prefix, progress.iteration)
    message = caffe_pb2.SolverState(
        iter=progress.iteration,
        learned_net=str(model),
        current_step=progress.step,
        minimum_loss=progress.minimum_loss,
        iter_last_event=progress.last_event,
        history=[to_blob(array) for array in history],
    )
    try:
        state.unlink(missing_ok=True)
    except OSError as error:
        raise failed(error, state) from None
    write_whole(model, to_bytes(net, layers))
    if average is not None:
        write_whole(model.with_suffix(AVERAGE), to_bytes(net, average))
    write_whole(
        state.with_suffix(RESUME), json.dumps(dict(resume_state), indent=1, default=str) + "\n"
    )
    write_whole(state, message.SerializeToString())
    return model, state


def read_snapshot(path: Path | str) -> Snapshot:
    """Read a solver state and the file beside it.

    Raises:
        InputError: the file is missing, cut short, or no solver state.
    """
    path = Path(path)
    if path.suffix == HDF5:
        raise InputError(
            "HDF5 snapshots are not read",
            where=path,
            hint="Take the .solverstate of snapshot_format BINARYPROTO, or --engine caffe",
        )
    data = read_bytes(path, "solver state", MOST_BYTES)
    found = file_type(data)
    if found is not None and found is not SOLVERSTATE:
        hint = "Give the .solverstate beside it" if found is CAFFEMODEL else ""
        raise InputError(f"this is {found.what}, not a solver state", where=path, hint=hint)
    state = parse_message(data, caffe_pb2.SolverState, "solver state", path)
    if not state.HasField("iter") or min(state.iter, state.current_step) < 0:
        raise InputError("this is no solver state", where=path)
    history = [to_array(blob, f"{path}: history {i}") for i, blob in enumerate(state.history)]
    progress = Progress(
        state.iter, state.current_step, 0.0, state.minimum_loss, state.iter_last_event
    )
    return Snapshot(progress, state.learned_net, history, read_resume_state(path))


def recorded_options(state: Path) -> dict[str, Any]:
    """The options that the resume state beside a solver state records; none of Caffe's own.

    Raises:
        InputError: they are no table.
    """
    options = read_resume_state(state).get("options", {})
    if not isinstance(options, dict):
        raise InputError("its options are no table", where=state.with_suffix(RESUME))
    return options


def recorded_extras(state: Path) -> dict[str, Any]:
    """The extras among them.

    Raises:
        InputError: what it records are no such options.
    """
    where, found = state.with_suffix(RESUME), recorded_options(state).get("extras", {})
    if not isinstance(found, dict):
        raise InputError("its options are no table", where=where)
    if unknown := found.keys() - DEFAULTS.keys():
        raise InputError(
            f"it records an option that is not known: {sorted(unknown)[0][:40]!a}",
            where=where,
            hint="Was it written by a later version of ssd-data?",
        )
    try:
        return asdict(Extras(**found))
    except UsageError as error:
        raise InputError(f"it records {error.where}, but {error.what}", where=where) from None


def learned_net(snapshot: Snapshot, state: Path | str) -> Path:
    """The snapshot's caffemodel: beside the state, else where the state says.

    What was copied or moved together stays together, also where another run has written a file of
    the old name meanwhile.

    Raises:
        InputError: it is at neither place.
    """
    named = Path(snapshot.learned_net)
    for path in (Path(state).parent / named.name, Path(state).with_suffix(MODEL), named):
        if is_file(path):
            return path
    raise InputError(
        f'its caffemodel "{named}" is missing',
        where=state,
        hint="The path is relative to the folder that the training ran in; the file may also lie "
        "beside the solver state",
    )


def averaged_net(resume_state: Mapping[str, Any], state: Path | str) -> Path | None:
    """The caffemodel of a snapshot's average; None where it has none.

    Raises:
        InputError: the file is missing.
    """
    if not resume_state.get("average"):
        return None
    path = Path(state).with_suffix(AVERAGE)
    if not is_file(path):
        raise InputError(
            f'its averaged weights "{path.name}" are missing',
            where=state,
            hint="--ema 0 goes on without an average",
        )
    return path


def iteration_of(state: Path) -> int:
    """A snapshot's iteration as its file's name has it; 0 where it has none."""
    found = _ITERATION.search(state.name)
    return int(found[1]) if found else 0


def find_snapshots(prefix: str, ending: str = STATE) -> list[tuple[int, Path]]:
    """(iteration, solver state) of all snapshots of a prefix, the newest first."""
    start = Path(prefix)
    pattern = re.escape(start.name) + r"_iter_(\d{1,9})" + re.escape(ending)
    if not is_folder(start.parent):
        return []
    found = [(re.fullmatch(pattern, path.name, re.ASCII), path) for path in start.parent.iterdir()]
    return sorted(((int(m[1]), path) for m, path in found if m), reverse=True)


def newest_whole(prefix: str, say: Callable[[str], None] = lambda text: None) -> Path | None:
    """The newest snapshot that can be read, its caffemodel included; None where there is none.

    Args:
        say: is told of newer ones, and what is wrong with them.
    """
    return next((path for path, _ in _whole(prefix, say)), None)


def newest_good(prefix: str) -> Path | None:
    """The newest snapshot whose weights are all numbers; None where there is none."""
    for path, model in _whole(prefix, lambda text: None):
        if all(np.isfinite(array).all() for layer in model.layers for array in layer.arrays):
            return path
    return None


def _whole(prefix: str, say: Callable[[str], None]) -> Iterator[tuple[Path, Caffemodel]]:
    """Solver state and caffemodel of the snapshots that can be read, the newest first."""
    for _, path in find_snapshots(prefix):
        try:
            snapshot = read_snapshot(path)
            model = read_caffemodel(learned_net(snapshot, path))
            if (average := averaged_net(snapshot.resume_state, path)) is not None:
                read_caffemodel(average)
        except InputError as error:
            say(f"warning: {path} is passed over: {error.sentence}")
            continue
        yield path, model


def own_snapshots(prefix: str) -> dict[int, Path]:
    """Iteration → solver state of the snapshots of a prefix that are the solver's own, not a stop's
    (:data:`BETWEEN`), the newest first."""
    return {n: path for n, path in find_snapshots(prefix) if not _is_between(path)}


def _is_between(path: Path) -> bool:
    try:
        return read_resume_state(path).get(BETWEEN) is True
    except InputError:
        return False


def prune(prefix: str, keep: int, spare: Sequence[Path] = ()) -> None:
    """Delete all but the ``keep`` newest of the solver's own snapshots; those in ``spare`` stay as
    well, and a stop's for as long as it is the newest.

    The caffemodel goes first and the solver state last: that tells of what one that was killed here
    has left, which is no snapshot any more and goes as well.
    """
    own = {
        n: path for n, path in own_snapshots(prefix).items() if is_there(path.with_suffix(MODEL))
    }
    stay = {*list(own.values())[:keep], *spare}
    for iteration, state in find_snapshots(prefix):
        if state in stay or iteration > max(own, default=-1):
            continue
        for ending in (MODEL, AVERAGE, RESUME, STATE):
            path = state.with_suffix(ending)
            if is_file(path):
                path.unlink()
