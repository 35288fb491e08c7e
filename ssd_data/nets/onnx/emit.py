"""A net's blobs as an ONNX graph, and which function emits which type of layer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ssd_data.nets.geometry import Shape
from ssd_data.nets.graph import Node
from ssd_data.nets.layer_step import Array
from ssd_data.nets.layer_writers import LayerWriters
from ssd_data.nets.matching import TrainedNet
from ssd_data.nets.onnx.emission import Emission, EmitStep, Value

_FILES = ("activations", "pointwise", "pooling", "reducing", "resizing", "shaping", "weighted")
_WRITERS: LayerWriters[EmitStep, Value] = LayerWriters(
    "as ONNX",
    [f"{__package__}.{name}" for name in _FILES],
    lambda array: Value("", array.shape, False, array),
    sources=["Parameter"],
)
emits = _WRITERS.register


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
    wanted, own = set(blobs), trained.graph.inputs[0]
    emission = Emission(dynamic, half, names=set(reserved))
    start = Value(emission.name(own), shape)
    values = {own: emission.cast(start)}

    def step(node: Node, bottoms: list[Value], arrays: Sequence[Array]) -> EmitStep:
        emission.prefix = node.name
        return EmitStep(node, bottoms, arrays, emission)

    _WRITERS.write(trained, wanted, values, step)
    emission.prefix = ""
    return Emitted(emission, start, {name: values[name] for name in wanted})
