"""A PyTorch backbone's weights for a Caffe net.

What differs is made up for in the arrays: PyTorch's eps is another one than the net's, so Scale's
factor gets ``sqrt(variance + eps of the net) / sqrt(variance + eps of PyTorch)``; the first
convolution sees blue first, and other means and scales. With p the picture's value (0 … 255) of a
channel, PyTorch sees ``(p / 255 - mean) / std``, the net sees ``(p - m) s``. One is a times the
other plus b, with a = 1 / (255 s std) and b = (m / 255 - mean) / std: a goes into the weights, b,
summed over the kernel, into BatchNorm's mean. Both variances are the unbiased ones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from ssd_data.core.errors import InputError
from ssd_data.nets.caffemodel import LayerWeights
from ssd_data.nets.edit.backbones import Unit, recognise
from ssd_data.nets.edit.transfer import difference
from ssd_data.nets.graph import Graph, Node, Wiring
from ssd_data.nets.preprocessing import Preprocessing

Doubles = npt.NDArray[np.float64]
State = Mapping[str, npt.NDArray[np.float32]]
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
EPS = 1e-5  # torch.nn.BatchNorm2d's own


@dataclass(frozen=True, slots=True)
class Backbone:
    """What the state dict's module was trained with.

    Attributes:
        mean, std: of red, green and blue, of values 0 … 1.
        eps: of its normalisations.
    """

    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD
    eps: float = EPS


@dataclass(slots=True)
class Imported:
    """Attributes:
    kind: whose names the state dict has.
    layers: arrays for the net, float32.
    taken: (the net's convolution, the state dict's key) of each unit.
    left_out: keys that no layer of the net takes (the classifier's), but for counters.
    notes: where the net computes something else than the PyTorch module.
    """

    kind: str
    layers: list[LayerWeights] = field(default_factory=list)
    taken: list[tuple[str, str]] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Values:
    """One unit's arrays, doubles; ``factor`` is gamma / sqrt(variance + eps of PyTorch)."""

    weight: Doubles
    factor: Doubles
    beta: Doubles
    mean: Doubles
    variance: Doubles


def import_backbone(
    state: State, graph: Graph, inputs: Preprocessing, source: Backbone | None = None
) -> Imported:
    """Give a net's body the weights of a PyTorch state dict.

    Args:
        state: name → values.
        graph: the net, with or without BatchNorm and Scale layers.
        inputs: what the net sees of a picture.
        source: what the state dict's module saw.

    Raises:
        InputError: names are not known, are missing, or hold NaN; or a shape is not the net's.
    """
    source = source or Backbone()
    kind, units = recognise(state)
    result = Imported(kind)
    wiring = graph.wiring()
    places = {node.name: i for i, node in reversed([*enumerate(graph.nodes)])}
    used = set()
    for number, unit in enumerate(units):
        index = places.get(unit.name, places.get(unit.name + "_"))
        if index is None or graph.nodes[index].type not in ("Convolution", "DepthwiseConvolution"):
            continue
        values = _values(state, unit, source.eps)
        if number == 0:
            _fold_inputs(values, inputs, source)
        result.layers += _layers(graph, wiring, index, values)
        result.taken.append((graph.nodes[index].name, unit.conv))
        used |= {unit.conv, unit.norm}
    if not result.taken:
        raise InputError(
            f"no layer has a name of {kind}'s body",
            where=graph.origin,
            hint=f'The first would be "{units[0].name}"',
        )
    result.left_out = [
        key
        for key in state
        if key.rpartition(".")[0] not in used and not key.endswith("num_batches_tracked")
    ]
    result.notes = _notes(graph, units, inputs, source)
    return result


def _values(state: State, unit: Unit, eps: float) -> _Values:
    keys = [f"{unit.conv}.weight"]
    keys += [f"{unit.norm}.{n}" for n in ("weight", "bias", "running_mean", "running_var")]
    arrays: list[Doubles] = []
    for key in keys:
        if key not in state:
            raise InputError(f'the state dict has no "{key}"')
        array = state[key].astype(np.float64)
        if not np.isfinite(array).all():
            raise InputError("holds values that are no numbers (NaN or infinite)", where=key)
        arrays.append(array)
    outputs = arrays[0].shape[0] if arrays[0].ndim == 4 else -1
    for key, array in zip(keys[1:], arrays[1:], strict=True):
        if array.shape != (outputs,):
            raise InputError(
                f"has shape {array.shape}, its convolution {arrays[0].shape}", where=key
            )
    if (arrays[4] + eps <= 0).any():
        raise InputError("holds a variance that, with eps, is not above 0", where=keys[4])
    weight, gamma, beta, mean, variance = arrays
    return _Values(weight, gamma / np.sqrt(variance + eps), beta, mean, variance)


def _fold_inputs(values: _Values, inputs: Preprocessing, source: Backbone) -> None:
    """The stem, which saw red first in PyTorch's scale, for what the net sees."""
    if values.weight.shape[1] != 3:
        raise InputError(f"the first convolution takes {values.weight.shape[1]} channels, not 3")
    factor, shift = _input_terms(inputs, source)
    weight = values.weight[:, ::-1]
    values.mean = values.mean - (weight.sum(axis=(2, 3)) * shift).sum(axis=1)
    values.weight = weight * factor[:, None, None]


def _input_terms(inputs: Preprocessing, source: Backbone) -> tuple[Doubles, Doubles]:
    """a and b of the module's docstring, of blue, green and red."""
    mean, std = np.array(source.mean[::-1]), np.array(source.std[::-1])
    return 1 / (255 * inputs.scale * std), (np.array(inputs.mean) / 255 - mean) / std


def _layers(graph: Graph, wiring: Wiring, index: int, values: _Values) -> list[LayerWeights]:
    """Arrays for a convolution, and for the BatchNorm and Scale behind it where there are."""
    node = graph.nodes[index]
    norm, scale = _behind(graph, wiring, index)
    bias = node.param.convolution_param.bias_term
    if norm is None or scale is None:
        if norm is not None or scale is not None or not bias:
            what = "BatchNorm and Scale, or a bias_term in place of both"
            raise InputError(f"needs {what}", where=node.where)
        weight = values.weight * values.factor[:, None, None, None]
        return [_checked(node, [weight, values.beta - values.mean * values.factor])]
    eps = norm.param.batch_norm_param.eps
    gamma = values.factor * np.sqrt(values.variance + eps)
    if not scale.param.scale_param.bias_term and values.beta.any():
        raise InputError("has no bias_term, but the weights a bias", where=scale.where)
    betas = [values.beta] if scale.param.scale_param.bias_term else []
    own = [np.zeros_like(values.beta)] if bias else []
    return [
        _checked(node, [values.weight, *own]),
        _rounded(norm, [values.mean, values.variance, np.ones(1)]),
        _rounded(scale, [gamma, *betas]),
    ]


def _behind(graph: Graph, wiring: Wiring, index: int) -> tuple[Node | None, Node | None]:
    """The BatchNorm and the Scale behind a convolution, also behind Slices of its margin."""
    norm = scale = None
    waiting = list(wiring.tops[index])
    while waiting:
        for reader in wiring.readers[waiting.pop(0)]:
            node = graph.nodes[reader]
            if node.type == "BatchNorm" and norm is None:
                norm = node
            elif node.type == "Scale" and len(node.bottoms) == 1 and scale is None:
                scale = node
            elif node.type != "Slice":
                continue
            waiting += wiring.tops[reader]
    return norm, scale


def _checked(node: Node, arrays: Sequence[Doubles]) -> LayerWeights:
    layer = _rounded(node, arrays)
    if fault := difference(node, layer.arrays):
        raise InputError(fault, where=node.where, hint="Is the width multiplier the same?")
    return layer


def _rounded(node: Node, arrays: Sequence[Doubles]) -> LayerWeights:
    return LayerWeights(node.name, node.type, [array.astype(np.float32) for array in arrays])


def _notes(
    graph: Graph, units: Sequence[Unit], inputs: Preprocessing, source: Backbone
) -> list[str]:
    found = []
    if np.abs(_input_terms(inputs, source)[1]).max() > 1e-3:
        found.append(
            "the net pads its input with its own mean, PyTorch with its: what reaches the "
            "picture's border differs"
        )
    names = {unit.name for unit in units}
    named = [node for node in graph.nodes if node.name.rstrip("_") in names]
    if cut := [node for node in named if list(node.param.convolution_param.pad) == [2]]:
        found.append(
            f'strided layers pad as TensorFlow does ("{cut[0].name}"), PyTorch on both sides: '
            "features shift by a pixel there"
        )
    if all(node.type != "ReLU6" for node in graph.nodes):
        found.append("activations are ReLU, not cut off at 6 as ReLU6 does")
    return found
