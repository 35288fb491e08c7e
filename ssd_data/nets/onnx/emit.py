"""A net's blobs as an ONNX graph, and which function emits which type of layer."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import TypeAlias

from ssd_data.nets.constants import fold
from ssd_data.nets.geometry import Shape, shape_text
from ssd_data.nets.matching import TrainedNet
from ssd_data.nets.onnx.emission import Emission, EmitStep, Value

Emitter: TypeAlias = Callable[[EmitStep], Value | list[Value]]
_FILES = ("activations", "pointwise", "pooling", "reducing", "resizing", "shaping", "weighted")
_SOURCES = ("Parameter",)  # layers without bottoms whose values the caffemodel has
_KNOWN: dict[str, Emitter] = {}


@dataclass(frozen=True, slots=True)
class Emitted:
    """A net that was emitted up to some blobs.

    Attributes:
        emission: the graph, to which more may be added.
        input: the net's input, as it is fed (float32).
        blobs: what was asked for, by name.
    """

    emission: Emission
    input: Value
    blobs: dict[str, Value]


def emit(
    trained: TrainedNet,
    blobs: Iterable[str],
    shape: Shape,
    *,
    dynamic: bool = False,
    half: bool = False,
    reserved: Iterable[str] = (),
) -> Emitted:
    """Emit the layers of a net that some blobs need.

    Args:
        trained: a net with one Input.
        blobs: names; of blobs written in place the last version.
        shape: of the input, (batch, channels, height, width).
        dynamic: whether the batch may have any size when the net runs.
        half: half precision within; the input stays single.
        reserved: names that are kept free for outputs.

    Raises:
        InputError: a layer's type is not known, or it does not fit what it reads.
    """
    graph, arrays, wanted = trained.graph, trained.arrays(), set(blobs)
    emission = Emission(dynamic, half, names=set(reserved))
    start = Value(emission.name(graph.inputs[0]), shape)
    values: dict[str, Value] = {graph.inputs[0]: emission.cast(start)}
    for index in graph.needed(wanted):
        node = graph.nodes[index]
        if node.type == "Input":
            continue
        emission.prefix = node.name
        own = arrays[index].arrays if index in arrays else []
        step = EmitStep(node, [values[name] for name in node.bottoms], own, emission)
        if not step.bottoms and node.type not in _SOURCES:
            raise step.error(f"a {node.type} without bottoms cannot be written as ONNX")
        tops = _emit_layer(step)
        if len(tops) < len(node.tops):
            raise step.error(f"has {len(node.tops)} tops; {node.type} gives {len(tops)}")
        values.update(zip(node.tops, tops, strict=False))
    emission.prefix = ""
    return Emitted(emission, start, {name: values[name] for name in wanted})


def emits(*types: str) -> Callable[[Emitter], Emitter]:
    """Register an emitter for layer types, as Caffe spells them."""

    def register(function: Emitter) -> Emitter:
        _KNOWN.update(dict.fromkeys(types, function))
        return function

    return register


@cache
def _known_types() -> list[str]:
    """All layer types that can be emitted."""
    for name in _FILES:
        import_module(f"ssd_data.nets.onnx.{name}")
    return sorted(_KNOWN)


def _emit_layer(step: EmitStep) -> list[Value]:
    """A layer's tops.

    Raises:
        LayerError: its type has no emitter, or its parameters, arrays or bottoms do not fit.
    """
    known, kind = _known_types(), step.node.type
    if kind not in known:
        raise step.error(
            f'a layer of type "{kind}" cannot be written as ONNX', f"Known: {', '.join(known)}"
        )
    if (made := fold(step.node, [bottom.constant for bottom in step.bottoms])) is not None:
        return [Value("", array.shape, False, array) for array in made]
    try:
        tops = _KNOWN[kind](step)
    except (ValueError, IndexError, OverflowError) as error:
        shapes = ", ".join(shape_text(bottom.shape) for bottom in step.bottoms)
        raise step.error(f"cannot take bottoms of shape {shapes}: {error}") from None
    return tops if isinstance(tops, list) else [tops] * max(1, len(step.node.tops))
