"""A net's blobs as an ncnn net, and which function writes which type of layer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ssd_data.nets.geometry import Shape
from ssd_data.nets.graph import Node
from ssd_data.nets.layer_step import Array
from ssd_data.nets.layer_writers import LayerWriters
from ssd_data.nets.matching import TrainedNet
from ssd_data.nets.ncnn.emission import NcnnBlob, NcnnEmission, NcnnStep
from ssd_data.nets.ncnn.fuse import fused
from ssd_data.nets.ncnn.model import NcnnModel

_FILES = ("activations", "pointwise", "pooling", "resizing", "shaping", "weighted")
_WRITERS: LayerWriters[NcnnStep, NcnnBlob] = LayerWriters(
    "for ncnn",
    [f"{__package__}.{name}" for name in _FILES],
    lambda array: NcnnBlob("", array.shape, array),
)
writes = _WRITERS.register


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
    wanted, own = set(blobs), trained.graph.inputs[0]
    emission = NcnnEmission(names=set(reserved))
    emission.prefix = own
    start = emission.add("Input", [], shape, dict(zip((2, 1, 0), map(int, shape[1:]), strict=True)))
    values = {own: start}

    def step(node: Node, bottoms: list[NcnnBlob], arrays: Sequence[Array]) -> NcnnStep:
        emission.prefix = node.name
        return NcnnStep(node, bottoms, arrays, emission)

    _WRITERS.write(trained, wanted, values, step)
    emission.prefix = ""
    return NcnnNet(emission, start, {name: values[name] for name in wanted})
