"""A net's layers as they take part in one phase, wired by blob names, and checked.

Names may be shared: published nets have several layers of one name, and a layer may write onto its
own bottom (in place), which gives the blob a new version under the same name.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path

from ssd_data.core.errors import InputError
from ssd_data.core.registry import LAYERS
from ssd_data.nets.foreign import ForeignField, refuse
from ssd_data.nets.forks import plain_layers
from ssd_data.nets.phases import Phase, phase_number, takes_part
from ssd_data.nets.prototxt import Prototxt, parse_prototxt, read_prototxt
from ssd_data.nets.upgrade import upgrade
from ssd_data.proto import caffe_pb2

MOST_VALUES = (1 << 31) - 1  # of a blob, which Caffe counts in an int
MOST_AXES = 32  # as src/caffe/blob.hpp has it


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
class Wiring:
    """Which layer reads what which other one wrote; layers are meant by their index.

    A blob written in place has one name and several values, one after another: a *version* each.

    Attributes:
        writers: for each version the layer that wrote it.
        readers: for each version the layers that read it, once a bottom.
        bottoms: for each layer the versions that it reads.
        tops: for each layer the versions that it writes.
        last: blob name → its last version.
    """

    writers: list[int] = field(default_factory=list)
    readers: list[list[int]] = field(default_factory=list)
    bottoms: list[list[int]] = field(default_factory=list)
    tops: list[list[int]] = field(default_factory=list)
    last: dict[str, int] = field(default_factory=dict)

    def unread(self) -> list[str]:
        """The blobs that nothing reads, sorted."""
        return sorted(name for name, version in self.last.items() if not self.readers[version])


@dataclass(slots=True)
class Graph:
    """A net in one phase.

    Attributes:
        net: the message without the layers that do not take part.
        inputs: names of the blobs that the Input layers give, in order.
        outputs: names of the blobs that nothing reads, sorted, as Caffe has them.
        as_written: whether the file's text says no more, and no other, than this.
        made: how it was made of a net for training or testing, for people; see
            :func:`ssd_data.nets.edit.deploy_form.read_deploy_form`.
    """

    net: caffe_pb2.NetParameter
    nodes: list[Node]
    inputs: list[str]
    outputs: list[str]
    phase: Phase
    origin: str
    as_written: bool = True
    made: str = ""

    def producers(self) -> dict[str, list[Node]]:
        """For each blob the layers that write it, in order; all but the first do so in place."""
        found: dict[str, list[Node]] = {}
        for node in self.nodes:
            for top in node.tops:
                found.setdefault(top, []).append(node)
        return found

    def input_shape(self) -> tuple[int, int, int, int]:
        """(batch, channels, height, width) of the one input.

        Raises:
            InputError: the net has none or several, or its input has not four axes of some size.
        """
        if len(self.inputs) != 1:
            raise InputError(
                f"a deploy net has one input, this has {len(self.inputs)}",
                where=self.origin,
                hint="Nets for training have data layers; give the deploy net",
            )
        node = next(node for node in self.nodes if node.type == "Input")
        shapes = node.param.input_param.shape
        if len(shapes) != 1:
            raise node.error(f"has {len(shapes)} shapes for one input", "Give it one")
        dims = tuple(shapes[0].dim)
        if len(dims) != 4:
            raise node.error(f"the input has {len(dims)} axes, not 4")
        if min(dims) < 1 or math.prod(dims) > MOST_VALUES:
            raise node.error(f"the input's shape is {'x'.join(map(str, dims))}", "See its dim")
        return dims[0], dims[1], dims[2], dims[3]

    def input_place(self) -> str:
        """Where the one input is stated, for errors."""
        return next((node.where for node in self.nodes if node.type == "Input"), self.origin)

    def wiring(self) -> Wiring:
        """Who reads what, version by version."""
        return wire(self.nodes)

    def needed(self, blobs: Iterable[str], without: Collection[int] = ()) -> list[int]:
        """Indices of the layers that compute some blobs (their last versions), in order.

        Args:
            without: layers that are left out; those that only they need are left out too.
        """
        wanted = set(blobs)
        found = []
        for index in range(len(self.nodes) - 1, -1, -1):
            if index not in without and wanted & set(self.nodes[index].tops):
                wanted |= set(self.nodes[index].bottoms)
                found.append(index)
        return found[::-1]

    def part(self, blobs: Iterable[str], without: Collection[int] = ()) -> Graph:
        """The part of the net that computes some blobs, which become its outputs.

        >>> text = 'layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 1 } } }'
        >>> text += 'layer { name: "y" type: "ReLU" bottom: "x" top: "y" }'
        >>> text += 'layer { name: "z" type: "ReLU" bottom: "x" top: "z" }'
        >>> [node.name for node in parse_graph(text).part(["z"]).nodes]
        ['x', 'z']
        """
        blobs = list(blobs)
        nodes = [self.nodes[index] for index in self.needed(blobs, without)]
        net = deepcopy(self.net)
        del net.layer[:]
        net.layer.extend(node.param for node in nodes)
        read = {*blobs, *(bottom for node in nodes for bottom in node.bottoms)}
        inputs = [name for name in self.inputs if name in read]
        return Graph(net, nodes, inputs, blobs, self.phase, self.origin, self.as_written, self.made)


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
    places: Sequence[str] = (),
) -> Graph:
    """Filter a net's layers by phase, level and stages, and wire them.

    Args:
        places: where each layer stands, of a net that was made of another one's layers.

    Raises:
        InputError: the net is empty, or its layers do not fit together.
    """
    if isinstance(source, caffe_pb2.NetParameter):
        source = Prototxt(source, origin or source.name or "net")
    state = deepcopy(source.message.state)
    state.phase = phase_number(phase)  # type: ignore[assignment]
    state.level = state.level or level
    state.stage.extend(s for s in stages if s not in state.stage)
    if source.message.input and not (source.message.input_shape or source.message.input_dim):
        raise InputError(
            "the inputs have no sizes",
            where=source.origin,
            hint="Give each input one input_shape, or four input_dim",
        )
    learns = state.phase == caffe_pb2.TRAIN
    refuse((f for f in source.foreign if f.layer is None), source.origin, learns=learns)
    net = upgrade(source.message, source.origin)
    nodes: list[Node] = []
    as_written = source.as_written
    for where, layer, fields in _layers(source, net, places):
        if not takes_part(layer, state, where):
            continue
        if not layer.HasField("phase"):
            layer.phase = state.phase
        known = layer.type.lower() in LAYERS.names()  # of others whoever computes them says more
        odd = [one for one in fields if known or one.first]
        refuse(odd, source.origin, layer.name, layer.phase == caffe_pb2.TRAIN)
        plain = plain_layers(layer, where)
        as_written = as_written and plain == [layer]
        for param in plain:
            nodes.append(Node(param, where, list(param.bottom), list(param.top)))
    if not nodes:
        raise InputError("no layer takes part in this phase", where=source.origin)
    del net.layer[:]
    net.layer.extend(node.param for node in nodes)
    net.state.CopyFrom(state)
    inputs = [top for node in nodes if node.type == "Input" for top in node.tops]
    outputs = wire(nodes).unread()
    return Graph(net, nodes, inputs, outputs, state.phase, source.origin, as_written)


def _layers(
    source: Prototxt[caffe_pb2.NetParameter], net: caffe_pb2.NetParameter, places: Sequence[str]
) -> Iterator[tuple[str, caffe_pb2.LayerParameter, list[ForeignField]]]:
    """Each layer of a net in today's form: where it stands, itself, and what is foreign in it."""
    foreign: dict[int | None, list[ForeignField]] = {}
    for one in source.foreign:
        foreign.setdefault(one.layer, []).append(one)
    shift = len(net.layer) - len(source.layer_lines)  # an Input layer made of input fields
    for index, layer in enumerate(net.layer):
        line = source.input_line
        if index >= shift:
            line = source.layer_lines[index - shift] if source.layer_lines else 0
        place = f"{source.origin}:{line}" if line else source.origin
        where = places[index] if places else f'{place} (layer "{layer.name}")'
        yield where, layer, foreign.get(index - shift, [])


def wire(nodes: Iterable[Node]) -> Wiring:
    """Follow every blob through the net.

    Raises:
        LayerError: a bottom is not there when it is read, or a top is another layer's already.
    """
    wiring = Wiring()
    last = wiring.last
    for index, node in enumerate(nodes):
        for bottom in node.bottoms:
            if bottom not in last:
                near = get_close_matches(bottom, last, n=1)
                hint = f'Did you mean "{near[0]}"?' if near else "No layer before it has such a top"
                raise node.error(f'bottom "{bottom}" is not there', hint)
            wiring.readers[last[bottom]].append(index)
        wiring.bottoms.append([last[bottom] for bottom in node.bottoms])
        wiring.tops.append([])
        for number, top in enumerate(node.tops):
            in_place = number < len(node.bottoms) and node.bottoms[number] == top
            if top in last and not in_place:
                raise node.error(
                    f'top "{top}" is another layer\'s already',
                    "Give it another name, or write in place (bottom and top the same)",
                )
            last[top] = len(wiring.writers)
            wiring.tops[-1].append(last[top])
            wiring.writers.append(index)
            wiring.readers.append([])
    return wiring
