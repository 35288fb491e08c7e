"""A detector's weights for other classes: heads by class name, the rest by layer name."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from ssd_data.core.errors import InputError
from ssd_data.core.labelmap import LabelMap
from ssd_data.nets.caffemodel import Array, Caffemodel, LayerWeights
from ssd_data.nets.detection import find_confidence_layers
from ssd_data.nets.edit.channels import CONVOLUTIONS, LINEAR, by_output, linear_param
from ssd_data.nets.edit.classes import ClassRow
from ssd_data.nets.geometry import convolution_window
from ssd_data.nets.graph import Graph, Node
from ssd_data.nets.matching import pair, refuse_lost_scales
from ssd_data.proto import caffe_pb2

_NEW = "_new"  # what the MobileNet-SSD template puts behind a head's name, so that it starts anew
_HAVE_ARRAYS = (*LINEAR, "BatchNorm", "Scale", "Bias", "PReLU", "Normalize", "Embed", "LSTM", "RNN")


@dataclass(slots=True)
class Transfer:
    """Weights for a net of other classes.

    Attributes:
        layers: the arrays, in the net's order.
        classes: for each class of the net where it comes from.
        heads: (layer, the file's layer, priors a place) for each confidence head.
        kept: names of the other layers that were taken as they are.
        anew: ``name: why`` of the net's layers that start anew, which the result does not hold.
        left_out: names of the file's layers that the net does not have.
    """

    layers: list[LayerWeights] = field(default_factory=list)
    classes: list[ClassRow] = field(default_factory=list)
    heads: list[tuple[str, str, int]] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    anew: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)


def transfer(
    model: Caffemodel,
    old: LabelMap,
    graph: Graph,
    classes: Sequence[ClassRow],
    seed: int = 0,
) -> Transfer:
    """Move weights into a net of other classes.

    Args:
        model: the weights.
        old: the labelmap they were trained with.
        graph: the net they are for, of as many classes as ``classes`` has rows.
        classes: where each class comes from, see :func:`ssd_data.nets.edit.classes.assign`.
        seed: of the values of classes that start anew, which the net's fillers draw.

    Raises:
        InputError: the net is no detector, class counts do not fit, or a head has another number of
            priors a place than the file's.
    """
    heads = find_confidence_layers(graph)
    if heads.classes != len(classes):
        raise InputError(
            f"num_classes is {heads.classes}, but its labelmap has {len(classes)} with background",
            where=graph.origin,
        )
    unmoved = all(row.source == row.label for row in classes) and len(classes) == _count(old)
    if heads.others and not unmoved:
        node = heads.others[0]
        raise node.error(
            f"confidences come through {node.type}, whose outputs are not ordered by class",
            "A BatchNorm or Scale goes away with ssd-data merge-bn",
        )
    result = Transfer(classes=list(classes))
    called = _names_in(model, (graph.nodes[i].name for i in heads.layers))
    new_names = {old: new for new, old in called.items()}
    layers = [replace(x, name=new_names.get(x.name, x.name)) for x in model.layers]
    refuse_lost_scales(model, {node.name for node in graph.nodes})
    found, result.left_out = pair(graph.nodes, layers)
    random = np.random.default_rng(seed)
    for index, node in enumerate(graph.nodes):
        layer = found.get(index)
        if layer is None:
            if node.type in _HAVE_ARRAYS:
                result.anew.append(f"{node.name}: not in the file")
        elif index in heads.layers and not heads.others:
            arrays, priors = _head(node, layer.arrays, old, classes, random)
            result.layers.append(LayerWeights(node.name, node.type, arrays))
            result.heads.append((node.name, called.get(node.name, node.name), priors))
        elif fault := difference(node, layer.arrays):
            result.anew.append(f"{node.name}: {fault}")
        else:
            result.layers.append(LayerWeights(node.name, node.type, layer.arrays))
            result.kept.append(node.name)
    if not result.layers:
        raise InputError("no layer's name is one of the net's", where=model.origin)
    return result


def _count(labelmap: LabelMap) -> int:
    return max(item.label for item in labelmap) + 1


def _names_in(model: Caffemodel, heads: Iterable[str]) -> dict[str, str]:
    """The file's names of heads that the net alone calls ``…_new``."""
    names = {layer.name for layer in model.layers}
    return {name: name.removesuffix(_NEW) for name in heads if name not in names}


def _head(
    node: Node,
    arrays: Sequence[Array],
    old: LabelMap,
    classes: Sequence[ClassRow],
    random: np.random.Generator,
) -> tuple[list[Array], int]:
    """A head's arrays for the new classes, and its priors a place."""
    p, before, count = node.param.convolution_param, _count(old), len(classes)
    if len(arrays) != 1 + p.bias_term:
        raise node.error(f"has {len(arrays)} arrays in the file")
    outputs = arrays[0].shape[0] if arrays[0].ndim else 0
    if not outputs or outputs % before or any(not a.size or a.size % outputs for a in arrays):
        raise node.error(
            f"has {outputs} outputs in the file, no multiple of {before} classes",
            f"Is {old.origin} the labelmap that the weights were trained with?",
        )
    priors = outputs // before
    if priors * count != p.num_output:
        raise node.error(
            f"has {priors} priors a place in the file, but num_output {p.num_output} for "
            f"{count} classes",
            f"The same priors with {count} classes have num_output {priors * count}",
        )
    made = []
    for i, array in enumerate(arrays):
        filler, rest = (p.bias_filler, ()) if i else (p.weight_filler, array.shape[1:])
        source = array.reshape(priors, before, -1)
        new = start((priors * count, *rest), filler, random, node.where).reshape(priors, count, -1)
        for row in classes:
            if row.source is not None:
                new[:, row.label] = source[:, row.source]
        made.append(new.reshape(priors * count, *rest))
    if fault := difference(node, made):
        raise node.error(fault)
    return made, priors


def difference(node: Node, arrays: Sequence[Array]) -> str:
    """What speaks against a layer's arrays; input channels are left to whoever loads them."""
    if node.type not in LINEAR:
        return ""
    p = linear_param(node.param)
    if len(arrays) != 1 + p.bias_term:
        return f"{len(arrays)} arrays in the file, {1 + p.bias_term} in the net"
    try:
        by_output(node.param, arrays[0].shape, node.where)
    except InputError as error:
        return error.what
    if node.type in CONVOLUTIONS:
        kernel = convolution_window(node).kernel
        if arrays[0].shape[2:] != kernel:
            return f"kernel {'x'.join(map(str, arrays[0].shape[2:]))} in the file, not {kernel}"
    if p.bias_term and arrays[1].size != p.num_output:
        return f"{arrays[1].size} biases in the file"
    return ""


def start(
    shape: tuple[int, ...],
    filler: caffe_pb2.FillerParameter,
    random: np.random.Generator,
    where: str = "",
) -> Array:
    """Values that a filler starts with, float32.

    Raises:
        InputError: the filler's type is none of constant, uniform, gaussian, xavier, msra.
    """
    inputs = math.prod(shape[1:])
    if filler.type == "xavier":
        values = random.uniform(-math.sqrt(3 / inputs), math.sqrt(3 / inputs), shape)
    elif filler.type == "msra":
        values = random.normal(0, math.sqrt(2 / inputs), shape)
    elif filler.type == "gaussian":
        values = random.normal(filler.mean, max(filler.std, 0), shape)
    elif filler.type == "uniform":
        values = random.uniform(filler.min, filler.max, shape)
    elif filler.type == "constant":
        values = np.full(shape, filler.value)
    else:
        raise InputError(f'no class can start anew by the filler "{filler.type}"', where=where)
    return values.astype(np.float32)
