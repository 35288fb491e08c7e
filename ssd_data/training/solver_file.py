"""A solver's prototxt with its nets: which files, which phases, in Caffe's order."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from ssd_data.core.errors import InputError, cure
from ssd_data.core.files.remote.address import as_path
from ssd_data.core.files.there import is_link, is_there
from ssd_data.core.legible import reason
from ssd_data.nets.foreign import faults_of
from ssd_data.nets.graph import Graph, to_graph
from ssd_data.nets.phases import phase_number
from ssd_data.nets.prototxt import Prototxt, read_prototxt
from ssd_data.proto import caffe_pb2

if TYPE_CHECKING:
    from ssd_data.batches.mix import Share

_TRAIN_FIELDS = ("train_net", "net", "train_net_param", "net_param")
_Net: TypeAlias = str | caffe_pb2.NetParameter  # a file's name, or the net itself


@dataclass(slots=True)
class SolverFile:
    """What ``ssd-data train`` is given.

    Attributes:
        param: the solver's message.
        train: the training net.
        tests: the test nets, one for each ``test_iter``.
        origin: the file's name.
        faults: what is wrong with solver and nets; a net that cannot be read has no nodes.
        mix: what the training net reads in the place of its source; empty for that alone.
    """

    param: caffe_pb2.SolverParameter
    train: Graph
    tests: list[Graph]
    origin: str
    faults: list[InputError] = field(default_factory=list)
    mix: tuple[Share, ...] = ()


def read_solver(source: Path | str | caffe_pb2.SolverParameter) -> SolverFile:
    """Read a solver (its file, or its message) and its nets; their paths are relative to the
    working folder, as Caffe's.

    Raises:
        InputError: a file is missing or wrong, or the solver's fields contradict one another.
    """
    file = look_at_solver(source)
    if file.faults:
        raise file.faults[0]
    return file


def look_at_solver(source: Path | str | caffe_pb2.SolverParameter) -> SolverFile:
    """As :func:`read_solver`, but what is wrong behind the solver itself lies in ``faults``.

    Raises:
        InputError: the solver is missing, or no solver.
    """
    if isinstance(source, caffe_pb2.SolverParameter):
        read = Prototxt(source, "solver")
    else:
        read = read_prototxt(source, caffe_pb2.SolverParameter)
        _refuse_other_kinds(read)
    param, origin = read.message, read.origin
    faults = list(faults_of(read.foreign, origin))
    faults += [InputError(what, where=origin, hint=hint) for what, hint in _contradictions(param)]
    given = [name for name in _TRAIN_FIELDS if param.HasField(name)]
    state = param.train_state if param.HasField("train_state") else None
    train = _nothing("TRAIN", origin)
    if given:
        train = _graph(getattr(param, given[0]), origin, "TRAIN", state, faults)
    return SolverFile(param, train, _tests(param, origin, faults), origin, faults)


def _refuse_other_kinds(read: Prototxt[caffe_pb2.SolverParameter]) -> None:
    """A net or a labelmap in the place of a solver."""
    names = {field.name for field in read.foreign}
    kind = "net" if names & {"layer", "layers"} else "labelmap" if "item" in names else ""
    if kind and not any(map(read.message.HasField, _TRAIN_FIELDS)):
        raise InputError(
            f"this is a {kind}'s prototxt, not a solver's",
            where=read.origin,
            hint="Give the solver.prototxt that names the net",
        )


def _tests(param: caffe_pb2.SolverParameter, origin: str, faults: list[InputError]) -> list[Graph]:
    """One for each ``test_iter``, as Caffe counts them."""
    count = len(param.test_iter)
    nets: list[_Net] = [*param.test_net, *param.test_net_param]
    if param.HasField("net") or param.HasField("net_param"):
        nets += [param.net if param.HasField("net") else param.net_param] * (count - len(nets))
    states: list[caffe_pb2.NetState | None] = [*param.test_state]
    if len(nets) != count:
        text = f"{count} test_iter for {len(nets)} test nets"
        faults.append(InputError(text, where=origin))
    if states and len(states) != count:
        text = f"{len(states)} test_state for {count} test nets"
        faults.append(InputError(text, where=origin))
    states = [*states, *[None] * count][:count]
    pairs = zip(nets, states, strict=False)
    graphs = [_graph(net, origin, "TEST", state, faults) for net, state in pairs]
    return graphs + [_nothing("TEST", origin)] * (count - len(graphs))


def _nothing(phase: str, origin: str) -> Graph:
    """In the place of a net that cannot be read."""
    return Graph(caffe_pb2.NetParameter(), [], [], [], phase_number(phase), origin)


def solver_weights(file: SolverFile) -> list[Path]:
    """What a solver says to begin with (BVLC's ``weights``), one file or several by commas each.

    Raises:
        InputError: one is not there.
    """
    names = [name.strip() for one in file.param.weights for name in one.split(",")]
    return [find(name, file.origin) for name in names if name]


def find(name: str, origin: str) -> Path:
    """A file that a solver or net names: relative to the working folder, as with Caffe.

    Raises:
        InputError: it is not there; the error says so where it lies beside the solver.
    """
    path = as_path(name)
    try:
        if is_there(path):
            return path
        what, hint = f'"{name}" is not there', "Write your own path, or link it there"
        if is_link(path):
            what = f'"{name}" is a link to {os.path.realpath(path)}, which is not there'
            hint = "Link it anew: ssd-data link BUILD"
        elif not path.is_absolute():
            what = f'"{name}" is not there from {Path.cwd()}'
            hint = "Paths are relative to the folder you run in, as with caffe train"
            if base := _base_of(path, origin):
                hint += f". It is there from {base}: run in that folder"
    except (OSError, ValueError) as error:  # no permission; a name that no file can have
        what, hint = f'"{name}" cannot be looked at: {reason(error)}', cure(error)
    raise InputError(what, where=origin, hint=hint)


def _base_of(path: Path, origin: str) -> Path | None:
    """The solver's folder, or one of the two above it, from which the path leads somewhere."""
    folder = Path(origin).resolve().parent
    return next((b for b in (folder, *folder.parents[:2]) if is_there(b / path)), None)


def _graph(
    net: _Net,
    origin: str,
    phase: str,
    state: caffe_pb2.NetState | None,
    faults: list[InputError],
) -> Graph:
    """The net in its phase, with the level and stages that the solver asks for."""
    try:
        source = _read(net, origin)
        if state is None:
            return to_graph(source, phase)
        return to_graph(source, phase, level=state.level, stages=tuple(state.stage))
    except InputError as error:
        if str(error) not in map(str, faults):  # the training net is often the test net
            faults.append(error)
        return _nothing(phase, net if isinstance(net, str) else origin)


def _read(net: _Net, origin: str) -> Prototxt[caffe_pb2.NetParameter]:
    if not isinstance(net, str):
        return Prototxt(net, origin)
    return read_prototxt(find(net, origin), caffe_pb2.NetParameter)


def _contradictions(param: caffe_pb2.SolverParameter) -> Iterator[tuple[str, str]]:
    """What is wrong with the fields, and what to do."""
    given = [name for name in _TRAIN_FIELDS if param.HasField(name)]
    if len(given) != 1:
        what = f"has {' and '.join(given)}" if given else "names no training net"
        yield what, "Give one of net, train_net"
    if param.test_interval < 0 or any(n < 0 for n in param.test_iter):
        yield "test_interval and test_iter must not be negative", ""
    if param.iter_size < 1 or param.average_loss < 1:
        yield "iter_size and average_loss must be at least 1", ""
    if param.test_interval and not param.test_iter:
        yield "test_interval needs test_iter", ""
    if param.snapshot and not param.HasField("snapshot_prefix"):
        yield "snapshot needs a snapshot_prefix", ""
    if param.eval_type not in ("classification", "detection"):
        yield f'no eval_type is called "{param.eval_type}"', "Known are classification, detection"
