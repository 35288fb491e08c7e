"""A merged net in canonical form: standard layers alone, computing the same.

- DepthwiseConvolution becomes Convolution with ``group``.
- A convolution whose map has one place and whose padding is all around it becomes 1x1: only the
  kernel's middle meets the map. (OpenCV 4's DNN computes depthwise ones of that kind wrongly.)
- PriorBox always says ``clip``, of which readers have another default than Caffe, and its sides are
  whole pixels: Caffe cuts off the rest, readers do not.
- An InnerProduct's weights lie the common way, and an LRN's k is 1: readers know no other.
- A convolution with ``pad_h`` says ``pad_w`` too, and the other way round: OpenCV takes both alone.
- Pooling says ``ceil_mode: false`` where it rounds down and that matters.
- ReLU6 stays, unless :func:`without_relu6` takes it away for a reader that has none.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import replace

import numpy as np

from ssd_data.nets.caffemodel import LayerWeights
from ssd_data.nets.detection import DETECTION_TYPE
from ssd_data.nets.geometry import Size, pooling_window, shape_text
from ssd_data.nets.graph import Node, to_graph
from ssd_data.nets.matching import TrainedNet
from ssd_data.proto import caffe_pb2

NOTES = {
    "grouped": "{} DepthwiseConvolution written as Convolution with group",
    "narrowed": "{} convolutions on maps of one place written as 1x1: the same at the net's own "
    "size, not at others",
    "whole": "{} PriorBox with the whole pixels of its sides, as Caffe takes them",
    "down": "{} Pooling that rounds down, written as ceil_mode: false: OpenCV reads it, a reader "
    "that passes over it makes maps larger by one",
    "turned": "{} InnerProduct with their weights the common way round",
    "scaled": "{} LRN whose k is not 1 written as one with k 1 and a Power",
    "layers": "{} ReLU6 written as relu(x) - relu(x - 6), which is equal",
    "relu": "{} ReLU6 written as ReLU, which differs where values exceed 6",
}


def canonical(trained: TrainedNet, sizes: Mapping[str, Size]) -> tuple[TrainedNet, list[str]]:
    """Rewrite a merged net; also what was done, for people.

    Args:
        sizes: (height, width) of its maps, see :func:`ssd_data.nets.sizes.map_sizes`.
    """
    graph, arrays = trained.graph, trained.arrays()
    net = caffe_pb2.NetParameter(name=graph.net.name)
    layers: list[LayerWeights] = []
    counts: Counter[str] = Counter()
    places: list[str] = []
    for index, node in enumerate(graph.nodes):
        made, own = _rewritten(node, arrays.get(index), sizes, counts)
        if own is not None:
            layers.append(LayerWeights(made[0].name, made[0].type, own.arrays))
        net.layer.extend(made)
        places += [node.where] * len(made)
    new = to_graph(net, graph.phase, origin=graph.origin, places=places)
    return TrainedNet(new, layers), _notes(counts)


def _rewritten(
    node: Node, own: LayerWeights | None, sizes: Mapping[str, Size], counts: Counter[str]
) -> tuple[list[caffe_pb2.LayerParameter], LayerWeights | None]:
    """The layers in a layer's place, and the arrays of the first; what was done is counted."""
    param = _bare(node.param)
    made = [param]
    if param.type == "PriorBox":
        counts["whole"] += _cut_to_pixels(param.prior_box_param)
    elif param.type == "InnerProduct" and own is not None:
        own, turned = _upright(param, own)
        counts["turned"] += turned
    elif param.type == "LRN" and (power := _without_k(param)) is not None:
        made.append(power)
        counts["scaled"] += 1
    elif param.type == "Pooling":
        counts["down"] += _rounds_down(param, node, sizes)
    if param.type == "DepthwiseConvolution":
        param.type = "Convolution"
        counts["grouped"] += 1
    if param.type == "Convolution" and own is not None and _one_place(node, sizes):
        own = _narrow(param, own, node)
        counts["narrowed"] += 1
    return made, own


def _notes(counts: Mapping[str, int]) -> list[str]:
    return [text.format(counts[kind]) for kind, text in NOTES.items() if counts.get(kind)]


def _bare(source: caffe_pb2.LayerParameter) -> caffe_pb2.LayerParameter:
    """A layer without what only training needs; it says what readers have other defaults for."""
    param = deepcopy(source)
    for field_name in ("phase", "include", "exclude", "param", "propagate_down", "blobs"):
        param.ClearField(field_name)
    if param.type == "PriorBox":
        param.prior_box_param.clip = source.prior_box_param.clip
    if (p := param.convolution_param).pad_h or p.pad_w:
        p.pad_h, p.pad_w = p.pad_h, p.pad_w
    if param.type == DETECTION_TYPE:
        del param.bottom[3:]  # pictures to visualize
    return param


def _cut_to_pixels(param: caffe_pb2.PriorBoxParameter) -> bool:
    """Cut sides as Caffe does; whether that changed one. Those that are none are left to whoever
    lays the boxes out."""
    changed = False
    for sides in (param.min_size, param.max_size):
        if not all(map(math.isfinite, sides)):
            continue
        whole = [float(int(side)) for side in sides]
        changed = changed or whole != list(sides)
        sides[:] = whole
    return changed


def _rounds_down(param: caffe_pb2.LayerParameter, node: Node, sizes: Mapping[str, Size]) -> bool:
    """Whether a Pooling has to; where its map's size is the same either way it says nothing."""
    if param.pooling_param.ceil_mode:
        return False
    if size := sizes.get(node.bottoms[0]):
        down = pooling_window(node, size)
        if down.pooled(size) == replace(down, rounds_up=True).pooled(size):
            param.pooling_param.ClearField("ceil_mode")
            return False
    return True


def _upright(param: caffe_pb2.LayerParameter, own: LayerWeights) -> tuple[LayerWeights, bool]:
    """An InnerProduct's arrays with a row an output, and whether they lay the other way."""
    p, weight = param.inner_product_param, own.arrays[0]
    if not p.transpose or not p.num_output or weight.size % p.num_output:
        return own, False
    p.ClearField("transpose")
    turned = np.ascontiguousarray(weight.reshape(-1, p.num_output).T)
    return LayerWeights(own.name, own.type, [turned, *own.arrays[1:]]), True


def _without_k(param: caffe_pb2.LayerParameter) -> caffe_pb2.LayerParameter | None:
    """x / (k + s)^beta is k^-beta · x / (1 + s / k)^beta: the first factor as a layer of its own.

    Readers take k as 1.
    """
    p = param.lrn_param
    across = p.norm_region == caffe_pb2.LRNParameter.ACROSS_CHANNELS
    if not across or p.k == 1 or not p.k > 0:
        return None
    power = caffe_pb2.LayerParameter(
        name=f"{param.name}/k", type="Power", bottom=param.top, top=param.top
    )
    power.power_param.scale = p.k**-p.beta
    p.alpha /= p.k
    p.ClearField("k")
    return power


def _one_place(node: Node, sizes: Mapping[str, Size]) -> bool:
    """Whether a grouped convolution meets nothing but padding around one place."""
    p = node.param.convolution_param
    plain = not (p.kernel_h or p.kernel_w or p.pad_h or p.pad_w) and len(node.bottoms) == 1
    if not plain or sizes.get(node.bottoms[0]) != (1, 1) or p.group < 2 or not p.kernel_size:
        return False
    kernel, pad = {*p.kernel_size}, {*(p.pad or [0])}
    single = len(kernel) == 1 and len(pad) == 1 and not p.dilation
    return single and min(kernel) > 1 and min(kernel) == 2 * min(pad) + 1


def _narrow(param: caffe_pb2.LayerParameter, own: LayerWeights, node: Node) -> LayerWeights:
    """Make a layer 1x1; its arrays.

    Raises:
        LayerError: its weights have another size.
    """
    p = param.convolution_param
    size, middle = p.kernel_size[0], p.pad[0]
    if not p.num_output or own.arrays[0].size % (p.num_output * size * size):
        shape = shape_text(own.arrays[0].shape)
        raise node.error(f"weights of shape {shape} do not fit {p.num_output} outputs")
    for name in ("kernel_size", "pad", "stride", "stride_h", "stride_w"):
        p.ClearField(name)
    p.kernel_size.append(1)
    weight = own.arrays[0].reshape(p.num_output, -1, size, size)
    one = np.ascontiguousarray(weight[:, :, middle : middle + 1, middle : middle + 1])
    return LayerWeights(own.name, own.type, [one, *own.arrays[1:]])


def without_relu6(trained: TrainedNet, how: str) -> tuple[TrainedNet, list[str]]:
    """Write another layer in each ReLU6's place; also what was done, for people.

    Args:
        how: "layers" (equal, with four layers for each), or "relu" (a plain ReLU, not equal where
            values exceed 6).
    """
    net = caffe_pb2.NetParameter(name=trained.graph.net.name)
    renamed: dict[str, str] = {}  # blobs that a ReLU6 wrote in place
    places: list[str] = []
    count = 0
    for node in trained.graph.nodes:
        param = _renamed(node.param, renamed)
        made = [param]
        if param.type == "ReLU6":
            count += 1
            if len(node.bottoms) != 1 or len(node.tops) != 1:
                raise node.error("a ReLU6 has one bottom and one top")
            if how == "layers" and node.tops == node.bottoms:
                renamed[node.tops[0]] = param.top[0] = f"relu6_{count}/out"
            made = _in_its_place(param, count, how)
        net.layer.extend(made)
        places += [node.where] * len(made)
    graph = to_graph(net, trained.graph.phase, origin=trained.graph.origin, places=places)
    return TrainedNet(graph, trained.layers), _notes({how: count})


def _renamed(
    source: caffe_pb2.LayerParameter, names: Mapping[str, str]
) -> caffe_pb2.LayerParameter:
    """A layer that reads, and where it writes in place writes, blobs by their new names."""
    param = deepcopy(source)
    param.bottom[:] = [names.get(bottom, bottom) for bottom in source.bottom]
    param.top[:] = [names.get(top, top) if top in source.bottom else top for top in source.top]
    return param


def _in_its_place(
    param: caffe_pb2.LayerParameter, number: int, how: str
) -> list[caffe_pb2.LayerParameter]:
    """The layers that take a ReLU6's place."""
    kind = caffe_pb2.LayerParameter
    if how == "relu":
        return [kind(name=param.name, type="ReLU", bottom=param.bottom, top=param.top)]
    bottom, top = param.bottom[0], param.top[0]
    names = [f"{param.name}/{part}" for part in ("low", "shift", "high")]
    blobs = [f"relu6_{number}/{part}" for part in ("low", "shift", "high")]
    layers = [
        kind(name=names[0], type="ReLU", bottom=[bottom], top=[blobs[0]]),
        kind(name=names[1], type="Power", bottom=[bottom], top=[blobs[1]]),
        kind(name=names[2], type="ReLU", bottom=[blobs[1]], top=[blobs[2]]),
        kind(name=param.name, type="Eltwise", bottom=[blobs[0], blobs[2]], top=[top]),
    ]
    layers[1].power_param.shift = -6
    layers[3].eltwise_param.operation = caffe_pb2.EltwiseParameter.SUM
    layers[3].eltwise_param.coeff.extend([1, -1])
    return layers
