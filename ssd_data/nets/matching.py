"""Which array of a caffemodel belongs to which layer of a net: by name, and type or shape."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from itertools import dropwhile

from ssd_data.core.errors import InputError
from ssd_data.nets.caffemodel import Array, Caffemodel, LayerWeights
from ssd_data.nets.forks import SCALE
from ssd_data.nets.geometry import shape_text
from ssd_data.nets.graph import Graph, Node, to_graph


def pair(
    nodes: Sequence[Node], layers: Iterable[LayerWeights]
) -> tuple[dict[int, LayerWeights], list[str]]:
    """Index of a layer → its arrays, and the names of those that no layer of the net takes.

    Several layers of one name are taken in their order; one of the array's own type goes first.
    """
    waiting: dict[str, list[int]] = {}
    for index, node in enumerate(nodes):
        waiting.setdefault(node.name, []).append(index)
    found: dict[int, LayerWeights] = {}
    left_out = []
    for layer in layers:
        free = waiting.get(layer.name)
        if not free:
            left_out.append(layer.name)
            continue
        index = next((i for i in free if nodes[i].type == layer.type), free[0])
        free.remove(index)
        found[index] = layer
    return found, left_out


def with_scales(graph: Graph, layers: Sequence[LayerWeights]) -> Graph:
    """The net with a Scale behind each BatchNorm of which the file has one and the prototxt not.

    So NVCaffe's nets are trained whose prototxts say nothing of it.
    """
    names = {node.name for node in graph.nodes}
    scales = {w.name: len(w.arrays) for w in layers if w.within and w.type == "Scale"}
    if not scales.keys() - names:
        return graph
    net = deepcopy(graph.net)
    for layer in net.layer:
        scale = layer.name + SCALE
        if layer.type == "BatchNorm" and scale in scales and scale not in names:
            layer.batch_norm_param.scale_bias = True
            layer.batch_norm_param.bias_term = scales[scale] > 1
    places = [node.where for node in graph.nodes]
    found = to_graph(net, graph.phase, origin=graph.origin, places=places)
    found.made = graph.made
    return found


@dataclass(frozen=True, slots=True, eq=False)
class TrainedNet:
    """A net with its arrays.

    Attributes:
        graph: the net.
        layers: its arrays, as a caffemodel has them; those of one name in the net's order.
    """

    graph: Graph
    layers: Sequence[LayerWeights]

    def arrays(self) -> dict[int, LayerWeights]:
        """Index of a layer → its arrays."""
        return pair(self.graph.nodes, self.layers)[0]

    def part(self, blobs: Iterable[str], without: Collection[int] = ()) -> TrainedNet:
        """What computes some blobs, see :meth:`ssd_data.nets.graph.Graph.part`."""
        blobs = list(blobs)
        found = self.arrays()
        kept = [found[i] for i in self.graph.needed(blobs, without) if i in found]
        return TrainedNet(self.graph.part(blobs, without), kept)


@dataclass(frozen=True, slots=True)
class Slot:
    """A layer's place for arrays: its name, where it stands, and the shapes of its parameters."""

    name: str
    where: str
    shapes: tuple[tuple[int, ...], ...]


@dataclass(slots=True)
class Matching:
    """What became of each layer.

    Attributes:
        found: index of a slot → its arrays, in the slot's shapes.
        kept: names of the layers whose arrays were taken.
        left_out: names of the caffemodel's layers that the net does not have.
        new: names of the net's layers that the caffemodel does not have.
        mismatched: ``name: shape in the file → shape in the net``; these start anew as well.
    """

    found: dict[int, list[Array]] = field(default_factory=dict)
    kept: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    new: list[str] = field(default_factory=list)
    mismatched: list[str] = field(default_factory=list)

    def rows(self) -> list[tuple[str, str]]:
        """(layer, what became of it), the net's layers first."""
        return [
            *((name, "kept") for name in self.kept),
            *((line, "started anew: other shape") for line in self.mismatched),
            *((name, "started anew: not in the file") for name in self.new),
            *((name, "left out: not in the net") for name in self.left_out),
        ]


def match(model: Caffemodel, slots: Sequence[Slot], skip_mismatch: bool = False) -> Matching:
    """Assign a caffemodel's arrays to a net's parameters.

    Layers of one name are taken in their order. A shape may differ by leading ones, as between the
    old form of four numbers and the new one.

    Raises:
        InputError: an array has another shape than the net's, and not ``skip_mismatch``; or no
            layer is in both.
    """
    refuse_lost_scales(model, {slot.name for slot in slots})
    result = Matching()
    waiting: dict[str, list[int]] = {}
    for index, slot in enumerate(slots):
        waiting.setdefault(slot.name, []).append(index)
    for layer in model.layers:
        if not waiting.get(layer.name):
            result.left_out.append(layer.name)
            continue
        index = waiting[layer.name].pop(0)
        slot = slots[index]
        if difference := _difference(layer.arrays, slot):
            if not skip_mismatch:
                raise InputError(
                    f'the arrays of layer "{layer.name}" have another shape: {difference}',
                    where=model.origin,
                    hint=f"The net is {slot.where}. {_cure(model, slots)}",
                )
            result.mismatched.append(f"{layer.name}: {difference}")
            continue
        pairs = zip(layer.arrays, slot.shapes, strict=True)
        result.found[index] = [array.reshape(shape) for array, shape in pairs]
        result.kept.append(layer.name)
    result.new = [slots[i].name for indices in waiting.values() for i in indices]
    if not model.layers and slots:
        raise InputError(
            "none of its layers holds an array",
            where=model.origin,
            hint="Is it a net's text in binary form? Fetch the weights",
        )
    if not result.kept and slots and not result.mismatched:
        raise InputError(
            "no layer's name is one of the net's",
            where=model.origin,
            hint=f'The file has "{model.layers[0].name}", the net "{slots[0].name}"',
        )
    return result


def refuse_lost_scales(model: Caffemodel, names: Collection[str]) -> None:
    """A BatchNorm is another one without the Scale that the file has within it.

    Args:
        names: of the net's layers.

    Raises:
        InputError: the net has the BatchNorm, and no such Scale.
    """
    for layer in model.layers:
        name = layer.name.removesuffix(SCALE)
        if layer.within and layer.type == "Scale" and layer.name not in names and name in names:
            raise InputError(
                f"the BatchNorm \"{name}\" scales as well (as NVCaffe's), and the net's does not",
                where=model.origin,
                hint="Write scale_bias: true into its batch_norm_param",
            )


def _cure(model: Caffemodel, slots: Sequence[Slot]) -> str:
    names = {slot.name for slot in slots}
    if any(layer.type == "BatchNorm" and layer.name not in names for layer in model.layers):
        return (
            "The weights have BatchNorm, the net has not: take one that has (ssd-data model "
            "--unmerged), and merge both if you like (ssd-data merge-bn)"
        )
    return "Start such layers anew (skip_mismatch=True, train --skip-mismatch), or rename them"


def _difference(arrays: list[Array], slot: Slot) -> str:
    if len(arrays) != len(slot.shapes):
        return f"{len(arrays)} arrays in the file, {len(slot.shapes)} in the net"
    for array, shape in zip(arrays, slot.shapes, strict=True):
        if _significant(array.shape) != _significant(shape):
            return f"{shape_text(array.shape)} in the file, {shape_text(shape)} in the net"
    return ""


def _significant(shape: tuple[int, ...]) -> list[int]:
    return list(dropwhile(lambda size: size == 1, shape))
