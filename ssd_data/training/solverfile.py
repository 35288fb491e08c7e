"""A solver's prototxt with its nets: which files, which phases, in Caffe's order."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ssd_data.errors import InputError
from ssd_data.nets.graph import Graph, to_graph
from ssd_data.nets.prototxt import Prototxt, read_prototxt
from ssd_data.proto import caffe_pb2

_TRAIN_FIELDS = ("train_net", "net", "train_net_param", "net_param")


@dataclass(slots=True)
class SolverFile:
    """What ``ssd-data train`` is given.

    Attributes:
        param: the solver's message.
        train: the training net.
        tests: the test nets, one for each ``test_iter``.
        origin: the file's name.
        ignored: fields of other forks that were left out.
    """

    param: caffe_pb2.SolverParameter
    train: Graph
    tests: list[Graph]
    origin: str
    ignored: list[str]


def read_solver(path: Path | str) -> SolverFile:
    """Read a solver and its nets; their paths are relative to the working folder, as Caffe's.

    Raises:
        InputError: a file is missing or wrong, or the solver's fields contradict one another.
    """
    source = read_prototxt(path, caffe_pb2.SolverParameter)
    return to_solver_file(source.message, str(path), source.ignored)


def to_solver_file(
    param: caffe_pb2.SolverParameter, origin: str = "solver", ignored: list[str] | None = None
) -> SolverFile:
    """A solver's message with its nets, see :func:`read_solver`."""
    _check(param, origin)
    given = [name for name in _TRAIN_FIELDS if param.HasField(name)]
    if len(given) != 1:
        what = f"has {' and '.join(given)}" if given else "names no training net"
        raise InputError(what, where=origin, hint="Give one of net, train_net")
    train = _net(getattr(param, given[0]), origin)
    tests = [_net(path, origin) for path in param.test_net]
    tests += [Prototxt(net, origin) for net in param.test_net_param]
    shared = _net(param.net if param.HasField("net") else param.net_param, origin)
    if param.HasField("net") or param.HasField("net_param"):
        tests += [shared] * (len(param.test_iter) - len(tests))
    if len(tests) != len(param.test_iter):
        raise InputError(
            f"{len(param.test_iter)} test_iter for {len(tests)} test nets", where=origin
        )
    states = list(param.test_state)
    if states and len(states) != len(tests):
        raise InputError(f"{len(states)} test_state for {len(tests)} test nets", where=origin)
    state = param.train_state if param.HasField("train_state") else None
    graphs = [_graph(net, "TEST", states[i] if states else None) for i, net in enumerate(tests)]
    return SolverFile(param, _graph(train, "TRAIN", state), graphs, origin, ignored or [])


def _net(value: str | caffe_pb2.NetParameter, origin: str) -> Prototxt[caffe_pb2.NetParameter]:
    if not isinstance(value, str):
        return Prototxt(value, origin)
    if not value:
        return Prototxt(caffe_pb2.NetParameter(), origin)
    return read_prototxt(find(value, origin), caffe_pb2.NetParameter)


def find(name: str, origin: str) -> Path:
    """A file that a solver or net names: relative to the working folder, as with Caffe.

    Raises:
        InputError: it is not there; the error says so where it lies beside the solver.
    """
    path = Path(name)
    if path.exists():
        return path
    folder = Path(origin).resolve().parent
    hint = "Paths are relative to the folder you run in, as with caffe train"
    for base in (folder, *folder.parents[:2]):
        if not path.is_absolute() and (base / path).exists():
            hint += f". It is there from {base}: run in that folder"
            break
    raise InputError(f'"{name}" is not there from {Path.cwd()}', where=origin, hint=hint)


def _graph(
    net: Prototxt[caffe_pb2.NetParameter], phase: str, state: caffe_pb2.NetState | None
) -> Graph:
    """The net in its phase, with the level and stages that the solver asks for."""
    if state is None:
        return to_graph(net, phase)
    return to_graph(net, phase, level=state.level, stages=tuple(state.stage))


def _check(param: caffe_pb2.SolverParameter, origin: str) -> None:
    if param.test_interval < 0 or any(n < 0 for n in param.test_iter):
        raise InputError("test_interval and test_iter must not be negative", where=origin)
    if param.iter_size < 1 or param.average_loss < 1:
        raise InputError("iter_size and average_loss must be at least 1", where=origin)
    if param.test_interval and not param.test_iter:
        raise InputError("test_interval needs test_iter", where=origin)
    if param.snapshot and not param.HasField("snapshot_prefix"):
        raise InputError("snapshot needs a snapshot_prefix", where=origin)
    if param.eval_type not in ("classification", "detection"):
        hint = "Known are classification, detection"
        raise InputError(f'no eval_type is called "{param.eval_type}"', where=origin, hint=hint)
