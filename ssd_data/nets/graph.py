"""A net's layers as they take part in one phase, wired by blob names, and checked.

Names may be shared: published nets have several layers of one name, and a layer may write onto its
own bottom (in place), which gives the blob a new version under the same name.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import TypeAlias

from ssd_data.core.errors import InputError
from ssd_data.nets.prototxt import Prototxt, parse_prototxt, read_prototxt
from ssd_data.nets.upgrade import upgrade
from ssd_data.proto import caffe_pb2

Phase: TypeAlias = int  # caffe_pb2.TRAIN or caffe_pb2.TEST
PHASES = {"TRAIN": 0, "TEST": 1}


class LayerError(InputError):
    """A layer's parameters or the shapes of what it reads are wrong; ``where`` names file, line
    and layer."""


@dataclass(slots=True)
class Node:
    """One layer that takes part.

    Attributes:
        param: its message.
        where: ``file:line (layer "name")``, for errors.
        bottoms: names of the blobs it reads.
        tops: names of the blobs it writes; one that is also a bottom is written in place.
    """

    param: caffe_pb2.LayerParameter
    where: str
    bottoms: list[str] = field(default_factory=list)
    tops: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The layer's name."""
        return self.param.name

    @property
    def type(self) -> str:
        """The layer's type, as Caffe spells it."""
        return self.param.type

    def error(self, what: str, hint: str = "") -> LayerError:
        """An error that names this layer."""
        return LayerError(what, where=self.where, hint=hint)


@dataclass(slots=True)
class Graph:
    """A net in one phase.

    Attributes:
        net: the message without the layers that do not take part.
        inputs: names of the blobs that the Input layers give, in order.
        outputs: names of the blobs that nothing reads, sorted, as Caffe has them.
        ignored: fields of other forks that were left out, ``file:line: field``.
    """

    net: caffe_pb2.NetParameter
    nodes: list[Node]
    inputs: list[str]
    outputs: list[str]
    phase: Phase
    origin: str
    ignored: list[str] = field(default_factory=list)

    def producers(self) -> dict[str, list[Node]]:
        """For each blob the layers that write it, in order; all but the first do so in place."""
        found: dict[str, list[Node]] = {}
        for node in self.nodes:
            for top in node.tops:
                found.setdefault(top, []).append(node)
        return found


def read_graph(
    path: Path | str, phase: Phase | str = "TEST", *, level: int = 0, stages: tuple[str, ...] = ()
) -> Graph:
    """Read a net's prototxt for one phase.

    Raises:
        InputError: the file is no net, or its layers do not fit together.
    """
    return to_graph(read_prototxt(path, caffe_pb2.NetParameter), phase, level=level, stages=stages)


def parse_graph(text: str, phase: Phase | str = "TEST", origin: str = "prototxt") -> Graph:
    """A net's graph from its text, see :func:`read_graph`."""
    return to_graph(parse_prototxt(text, caffe_pb2.NetParameter, origin), phase)


def to_graph(
    source: Prototxt[caffe_pb2.NetParameter] | caffe_pb2.NetParameter,
    phase: Phase | str = "TEST",
    *,
    level: int = 0,
    stages: tuple[str, ...] = (),
    origin: str = "",
) -> Graph:
    """Filter a net's layers by phase, level and stages, and wire them.

    Raises:
        InputError: the net is empty, or its layers do not fit together.
    """
    if isinstance(source, caffe_pb2.NetParameter):
        source = Prototxt(source, origin or source.name or "net")
    state = caffe_pb2.NetState()
    state.CopyFrom(source.message.state)
    state.phase = phase_number(phase)  # type: ignore[assignment]
    state.level = state.level or level
    state.stage.extend(s for s in stages if s not in state.stage)
    if source.message.input and not (source.message.input_shape or source.message.input_dim):
        raise InputError(
            "the inputs have no sizes",
            where=source.origin,
            hint="Give each input one input_shape, or four input_dim",
        )
    net = upgrade(source.message, source.origin)
    shift = len(net.layer) - len(source.layer_lines)  # an Input layer made of input fields
    nodes = []
    for index, param in enumerate(net.layer):
        line = source.layer_lines[index - shift] if source.layer_lines and index >= shift else 0
        place = f"{source.origin}:{line}" if line else source.origin
        where = f'{place} (layer "{param.name}")'
        if takes_part(param, state, where):
            if not param.HasField("phase"):
                param.phase = state.phase
            nodes.append(Node(param, where, list(param.bottom), list(param.top)))
    if not nodes:
        raise InputError("no layer takes part in this phase", where=source.origin)
    del net.layer[:]
    net.layer.extend(node.param for node in nodes)
    net.state.CopyFrom(state)
    inputs = [top for node in nodes if node.type == "Input" for top in node.tops]
    graph = Graph(net, nodes, inputs, _wire(nodes), state.phase, source.origin, source.ignored)
    return graph


def phase_number(phase: Phase | str) -> Phase:
    """0 for ``TRAIN``, 1 for ``TEST``, from either form.

    Raises:
        ValueError: it is neither.
    """
    number = PHASES.get(phase, -1) if isinstance(phase, str) else phase
    if number not in (0, 1):
        raise ValueError(f"phase is {phase!r}, neither 'TRAIN' (0) nor 'TEST' (1)")
    return number


def takes_part(param: caffe_pb2.LayerParameter, state: caffe_pb2.NetState, where: str = "") -> bool:
    """Whether a layer's include or exclude rules let it take part.

    Raises:
        InputError: it has rules of both kinds.
    """
    if param.include and param.exclude:
        raise InputError("has include rules and exclude rules", where=where, hint="Keep one kind")
    if param.include:
        return any(_meets(state, rule) for rule in param.include)
    return not any(_meets(state, rule) for rule in param.exclude)


def _meets(state: caffe_pb2.NetState, rule: caffe_pb2.NetStateRule) -> bool:
    return (
        (not rule.HasField("phase") or rule.phase == state.phase)
        and (not rule.HasField("min_level") or state.level >= rule.min_level)
        and (not rule.HasField("max_level") or state.level <= rule.max_level)
        and all(stage in state.stage for stage in rule.stage)
        and not any(stage in state.stage for stage in rule.not_stage)
    )


def _wire(nodes: list[Node]) -> list[str]:
    """Check that each bottom is there when it is read; the blobs that nothing reads, sorted."""
    known: set[str] = set()
    unread: set[str] = set()
    for node in nodes:
        for bottom in node.bottoms:
            if bottom not in known:
                near = get_close_matches(bottom, known, n=1)
                hint = f'Did you mean "{near[0]}"?' if near else "No layer before it has such a top"
                raise InputError(f'bottom "{bottom}" is not there', where=node.where, hint=hint)
            unread.discard(bottom)
        for index, top in enumerate(node.tops):
            in_place = index < len(node.bottoms) and node.bottoms[index] == top
            if top in known and not in_place:
                raise InputError(
                    f'top "{top}" is another layer\'s already',
                    where=node.where,
                    hint="Give it another name, or write in place (bottom and top the same)",
                )
            known.add(top)
            unread.add(top)
    return sorted(unread)
