"""A net's heads map by map: what only orders their values again is left to whoever reads them.

Toolchains for NPUs compute ``Permute``, ``Flatten`` and ``Concat`` of a head badly, or with much
memory (a file of RKNN's was sixty times as large), though nothing is computed there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import prod

import numpy as np
import onnx

from ssd_data.core.errors import InputError
from ssd_data.nets.geometry import Shape
from ssd_data.nets.layer_step import Array

_SAME_ORDER = ("Reshape", "Flatten", "Identity")


@dataclass(frozen=True, slots=True)
class MapsOfHeads:
    """A model for one picture that ends with maps.

    Attributes:
        model: ends with them, each once. shapes: theirs by name, in the order of its outputs.
        heads: each output of the model as it was: the maps whose values, channels last, it has
            one after the other. An output that is not so is its own.
        values: how many all of its nodes give.
    """

    model: onnx.ModelProto
    shapes: dict[str, Shape]
    heads: dict[str, list[str]] = field(default_factory=dict)
    values: int = 0

    def joined(self, values: Sequence[Array]) -> dict[str, Array]:
        """The outputs as they were, each flat (1, count), of the maps' values in their order."""
        found = dict(zip(self.shapes, values, strict=True))
        return {
            name: np.concatenate([_flat(found[key], key != name) for key in maps], 1)
            for name, maps in self.heads.items()
        }


def _flat(values: Array, is_map: bool) -> Array:
    return (values.transpose(0, 2, 3, 1) if is_map else values).reshape(1, -1)


def maps_of_heads(model: onnx.ModelProto) -> MapsOfHeads:
    """A model for one picture without what only orders its outputs' values again.

    Raises:
        InputError: its shapes cannot be inferred.
    """
    try:
        inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True)
    except onnx.shape_inference.InferenceError as error:
        raise InputError(f"ONNX finds no shapes in this net: {error}") from None
    held = {one.name: one for one in [*inferred.graph.value_info, *inferred.graph.output]}
    makers = {name: node for node in model.graph.node for name in node.output}
    heads = {}
    for output in model.graph.output:
        maps = _maps(output.name, makers)
        ranks = {len(_shape(held[name])) for name in maps}
        heads[output.name] = maps if ranks == {4} else [output.name]
    ends = list(dict.fromkeys(name for maps in heads.values() for name in maps))
    cut = onnx.ModelProto()
    cut.CopyFrom(model)
    del cut.graph.output[:]
    cut.graph.output.extend(held[name] for name in ends)
    _prune(cut.graph)
    shapes = {name: _shape(held[name]) for name in ends}
    count = sum(prod(_shape(held[name])) for node in cut.graph.node for name in node.output)
    return MapsOfHeads(cut, shapes, heads, count)


def _shape(value: onnx.ValueInfoProto) -> Shape:
    return tuple(int(dim.dim_value) for dim in value.type.tensor_type.shape.dim)


def _maps(name: str, makers: dict[str, onnx.NodeProto]) -> list[str]:
    """The maps that an output has one after the other; none where it is not so."""
    node = _source(name, makers)
    parts = [name]
    if node is not None and node.op_type == "Concat":
        if _attribute(node, "axis") != 1:
            return []
        parts = list(node.input)
    found = []
    for part in parts:
        turned = _source(part, makers)
        if turned is None or turned.op_type != "Transpose":
            return []
        if _attribute(turned, "perm") != [0, 2, 3, 1] or turned.input[0] not in makers:
            return []
        found.append(str(turned.input[0]))
    return found


def _source(name: str, makers: dict[str, onnx.NodeProto]) -> onnx.NodeProto | None:
    """What makes a blob's values, in their order."""
    node = makers.get(name)
    while node is not None and node.op_type in _SAME_ORDER:
        node = makers.get(node.input[0])
    return node


def _attribute(node: onnx.NodeProto, name: str) -> object:
    held = {one.name: onnx.helper.get_attribute_value(one) for one in node.attribute}
    return held.get(name)


def _prune(graph: onnx.GraphProto) -> None:
    """Take out what no output needs."""
    wanted = {one.name for one in graph.output}
    kept = []
    for node in reversed(graph.node):
        if wanted & set(node.output):
            wanted |= set(node.input)
            kept.append(node)
    arrays = [one for one in graph.initializer if one.name in wanted]
    del graph.node[:], graph.initializer[:], graph.value_info[:]
    graph.node.extend(reversed(kept))
    graph.initializer.extend(arrays)
