"""What a layer of weights says, and along which axes of its weight array its outputs lie."""

from __future__ import annotations

import math

from ssd_data.core.errors import InputError
from ssd_data.nets.geometry import shape_text
from ssd_data.proto import caffe_pb2

CONVOLUTIONS = ("Convolution", "DepthwiseConvolution", "Deconvolution")
LINEAR = (*CONVOLUTIONS, "InnerProduct")


def linear_param(
    param: caffe_pb2.LayerParameter,
) -> caffe_pb2.ConvolutionParameter | caffe_pb2.InnerProductParameter:
    """What a layer of one of the ``LINEAR`` types says: ``num_output``, ``bias_term``, ``axis``."""
    inner = param.type == "InnerProduct"
    return param.inner_product_param if inner else param.convolution_param


def by_output(
    param: caffe_pb2.LayerParameter, shape: tuple[int, ...], where: str
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Two shapes: one for the weights, and one for a value an output that broadcasts to it.

    A convolution's and an InnerProduct's outputs are the first axis (the second with
    ``transpose``). A Deconvolution has (inputs, outputs / group, …): each group's outputs belong to
    that group's inputs.

    Raises:
        InputError: the weights' shape does not fit the layer's ``num_output``.
    """
    view: tuple[int, ...]
    channels: tuple[int, ...]
    outputs, count = linear_param(param).num_output, math.prod(shape)
    group = max(param.convolution_param.group, 1)
    fits = outputs > 0 and count > 0 and count % outputs == 0
    if param.type == "InnerProduct":
        across = param.inner_product_param.transpose
        view, channels = ((-1, outputs), (1, outputs)) if across else ((outputs, -1), (outputs, 1))
    elif param.type == "Deconvolution":
        fits = fits and outputs % group == 0 and shape[0] % group == 0
        fits = fits and len(shape) > 1 and shape[1] * group == outputs
        each = outputs // group
        view, channels = (group, shape[0] // group, each, -1), (group, 1, each, 1)
    else:
        fits = fits and shape[0] == outputs
        view, channels = (outputs, -1), (outputs, 1)
    if not fits:
        what = f"weights of shape {shape_text(shape)} do not fit {outputs} outputs"
        raise InputError(what, where=where)
    return view, channels
