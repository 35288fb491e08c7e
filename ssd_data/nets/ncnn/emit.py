"""A net's blobs as an ncnn net, and which function writes which type of layer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import TypeAlias

from ssd_data.nets.constants import fold
from ssd_data.nets.geometry import Shape, shape_text
from ssd_data.nets.matching import TrainedNet
from ssd_data.nets.ncnn.emission import NcnnBlob, NcnnEmission, NcnnStep
from ssd_data.nets.ncnn.fuse import fused
from ssd_data.nets.ncnn.model import NcnnModel

Writer: TypeAlias = Callable[[NcnnStep], NcnnBlob | list[NcnnBlob]]
_FILES = ("activations", "pointwise", "pooling", "resizing", "shaping", "weighted")
_KNOWN: dict[str, Writer] = {}


@dataclass(frozen=True, slots=True)
class NcnnNet:
    """A net that was written up to some blobs.

    Attributes:
        emission: the net, to which more may be added.
        input: the net's input, as it is fed.
        blobs: what was asked for, by name.
    """

    emission: NcnnEmission
    input: NcnnBlob
    blobs: dict[str, NcnnBlob]

    def model(self, outputs: Mapping[str, NcnnBlob]) -> NcnnModel:
        """The net with outputs by name, its activations done by the layers before them."""
        made = self.emission.model(outputs)
        return NcnnModel(fused(made.layers))


def write_layers(
    trained: TrainedNet, blobs: Iterable[str], shape: Shape, reserved: Iterable[str] = ()
) -> NcnnNet:
    """Write the layers of a net that some blobs need.

    Args:
        trained: a net with one Input.
        blobs: names; of blobs written in place the last version.
        shape: of the input, (1, channels, height, width).
        reserved: names that are kept free for outputs.

    Raises:
        InputError: ncnn has no such type of layer, or it does not fit what it reads.
    """
    graph, arrays, wanted = trained.graph, trained.arrays(), set(blobs)
    emission = NcnnEmission(names=set(reserved))
    emission.prefix = graph.inputs[0]
    start = emission.add("Input", [], shape, dict(zip((2, 1, 0), map(int, shape[1:]), strict=True)))
    values: dict[str, NcnnBlob] = {graph.inputs[0]: start}
    for index in graph.needed(wanted):
        node = graph.nodes[index]
        if node.type == "Input":
            continue
        emission.prefix = node.name
        own = arrays[index].arrays if index in arrays else []
        step = NcnnStep(node, [values[name] for name in node.bottoms], own, emission)
        if not step.bottoms:
            raise step.error(f"a {node.type} without bottoms cannot be written for ncnn")
        tops = _write_layer(step)
        if len(tops) < len(node.tops):
            raise step.error(f"has {len(node.tops)} tops; {node.type} gives {len(tops)}")
        values.update(zip(node.tops, tops, strict=False))
    emission.prefix = ""
    return NcnnNet(emission, start, {name: values[name] for name in wanted})


def writes(*types: str) -> Callable[[Writer], Writer]:
    """Register a writer for layer types, as Caffe spells them."""

    def register(function: Writer) -> Writer:
        _KNOWN.update(dict.fromkeys(types, function))
        return function

    return register


@cache
def _known_types() -> list[str]:
    """All layer types that can be written."""
    for name in _FILES:
        import_module(f"ssd_data.nets.ncnn.{name}")
    return sorted(_KNOWN)


def _write_layer(step: NcnnStep) -> list[NcnnBlob]:
    """A layer's tops.

    Raises:
        LayerError: its type has no writer, or its parameters, arrays or bottoms do not fit.
    """
    known, kind = _known_types(), step.node.type
    if kind not in known:
        raise step.error(
            f'a layer of type "{kind}" cannot be written for ncnn', f"Known: {', '.join(known)}"
        )
    if (made := fold(step.node, [bottom.constant for bottom in step.bottoms])) is not None:
        return [NcnnBlob("", array.shape, array) for array in made]
    try:
        tops = _KNOWN[kind](step)
    except (ValueError, IndexError, OverflowError) as error:
        shapes = ", ".join(shape_text(bottom.shape) for bottom in step.bottoms)
        raise step.error(f"cannot take bottoms of shape {shapes}: {error}") from None
    return tops if isinstance(tops, list) else [tops] * max(1, len(step.node.tops))
