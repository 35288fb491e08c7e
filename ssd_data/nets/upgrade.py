"""Old forms of a net, brought to the one of today, as Caffe does when it reads them.

Rules: weiliu89/caffe, ``src/caffe/util/upgrade_proto.cpp``.
"""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from ssd_data.core.errors import InputError
from ssd_data.proto import caffe_pb2

# The V1 enum's names whose type is not the same words in capitals, parted by underscores.
_TYPES = {
    "NONE": "", "ABSVAL": "AbsVal", "ARGMAX": "ArgMax", "BNLL": "BNLL", "HDF5_DATA": "HDF5Data",
    "HDF5_OUTPUT": "HDF5Output", "IM2COL": "Im2col", "LRN": "LRN", "MVN": "MVN",
    "RELU": "ReLU", "SOFTMAX_LOSS": "SoftmaxWithLoss", "TANH": "TanH",
}  # fmt: skip
# Types of forks that are others by another name.
_SAME_TYPES = {"ConvolutionDepthwise": "DepthwiseConvolution", "HSwish": "HardSwish"}
_MOVED = ("scale", "mean_file", "crop_size", "mirror")
_SAME = ("bottom", "top", "name", "include", "exclude", "blobs", "loss_weight")


def upgrade(net: caffe_pb2.NetParameter, origin: str) -> caffe_pb2.NetParameter:
    """A copy in today's form: ``layers`` as ``layer``, ``input`` fields as an Input layer.

    Raises:
        InputError: the net mixes ``layer`` and ``layers``, has layers of the form before 2013, or
            its input fields contradict one another.
    """
    new = deepcopy(net)
    if net.layers:
        if net.layer:
            raise InputError('the net mixes "layer" and "layers"', where=origin)
        del new.layers[:]
        new.layer.extend(_from_v1(old, origin) for old in net.layers)
    if net.input:
        _input_fields_to_layer(new, origin)
    for layer in new.layer:
        _rename(layer)
        if layer.type == "BatchNorm" and len(layer.param) == 3:
            del layer.param[:]  # rates for statistics, which are not learned
    return new


def _rename(layer: caffe_pb2.LayerParameter) -> None:
    """Give a fork's type the name that others have; a ConvolutionDepthwise needs no group."""
    if layer.type not in _SAME_TYPES:
        return
    convolution = layer.convolution_param
    if layer.type == "ConvolutionDepthwise" and not convolution.HasField("group"):
        convolution.group = convolution.num_output or 1
    layer.type = _SAME_TYPES[layer.type]


def _from_v1(old: caffe_pb2.V1LayerParameter, origin: str) -> caffe_pb2.LayerParameter:
    if old.HasField("layer"):
        raise InputError(
            "this net has the form of before 2013",
            where=origin,
            hint="Bring it to the next form with Caffe's upgrade_net_proto_text",
        )
    same: dict[str, Any] = {
        descriptor.name: value
        for descriptor, value in old.ListFields()
        if descriptor.name in _SAME or descriptor.name.endswith("_param")
    }
    name = caffe_pb2.V1LayerParameter.LayerType.Name(old.type)
    new = caffe_pb2.LayerParameter(type=_TYPES.get(name, name.title().replace("_", "")), **same)
    for field, values in (
        ("name", old.param),
        ("share_mode", old.blob_share_mode),
        ("lr_mult", old.blobs_lr),
        ("decay_mult", old.weight_decay),
    ):
        for i, value in enumerate(values):
            while len(new.param) <= i:
                new.param.add()
            setattr(new.param[i], field, value)
    _move_transform_fields(new)
    return new


def _input_fields_to_layer(net: caffe_pb2.NetParameter, origin: str) -> None:
    """``input`` with ``input_shape`` or four ``input_dim`` each, as one Input layer in front.

    Without sizes nothing is left of them: so old caffemodels have them.
    """
    shapes, dims = list(net.input_shape), list(net.input_dim)
    if not shapes and not dims:
        net.ClearField("input")
        return
    if not shapes and len(dims) == 4 * len(net.input):
        shapes = [caffe_pb2.BlobShape(dim=dims[i : i + 4]) for i in range(0, len(dims), 4)]
    if len(shapes) != len(net.input):
        raise InputError(
            f"{len(net.input)} inputs, but {len(shapes)} input_shape and {len(dims)} input_dim",
            where=origin,
            hint="Give each input one input_shape, or four input_dim",
        )
    layer = caffe_pb2.LayerParameter(name="input", type="Input", top=list(net.input))
    layer.input_param.shape.extend(shapes)
    rest = list(net.layer)
    for field in ("layer", "input", "input_shape", "input_dim"):
        net.ClearField(field)
    net.layer.extend([layer, *rest])


def _move_transform_fields(layer: caffe_pb2.LayerParameter) -> None:
    """Scale, mean, crop and mirror once lay in the data layers' own messages."""
    for name in ("data_param", "image_data_param", "window_data_param"):
        if not layer.HasField(name):
            continue
        old = getattr(layer, name)
        for field in _MOVED:
            if old.HasField(field):
                setattr(layer.transform_param, field, getattr(old, field))
                old.ClearField(field)
