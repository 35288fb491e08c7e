"""Layers of a net under construction, in the words and the habits of Caffe's SSD prototxts.

A layer's first top has the layer's name; normalising and activation layers write in place. The
heads and ends of a detector are in ``heads.py``, its data layers in ``data.py``.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

from ssd_data.proto import caffe_pb2

CAFFE = caffe_pb2.ConvolutionParameter.CAFFE  # the engine that is not cuDNN
Engine: TypeAlias = caffe_pb2.ConvolutionParameter.Engine


class NetBuilder:
    """Writes a ``NetParameter`` layer by layer.

    Args:
        name: the net's name.
        lr_mult: multiplies the solver's learning rate for weights (and, as the published nets have
            it, their decay); a bias learns at twice that rate and does not decay.
        filler: how weights start: ``msra`` or ``xavier``.
        eps: of BatchNorm; None for Caffe's own, 1e-5.
        moving_average_fraction: of BatchNorm in training; None for Caffe's own, 0.999.
        merged: BatchNorm and Scale are in the convolutions' weights: those have a bias instead.
        relu6: activations stop at 6, by layers of type ``ReLU6``.
        engine: the engine of depthwise convolutions; None leaves the choice to Caffe.
    """

    def __init__(
        self,
        name: str,
        *,
        lr_mult: float = 1.0,
        filler: str = "msra",
        eps: float | None = None,
        moving_average_fraction: float | None = None,
        merged: bool = False,
        relu6: bool = False,
        engine: Engine | None = None,
    ) -> None:
        self.net = caffe_pb2.NetParameter(name=name)
        self.channels: dict[str, int] = {"data": 3}
        self.lr_mult = lr_mult
        self.filler = filler
        self.eps = eps
        self.moving_average_fraction = moving_average_fraction
        self.merged = merged
        self.activation = "ReLU6" if relu6 else "ReLU"
        self.engine = engine

    def add(
        self, kind: str, name: str, bottoms: Iterable[str], tops: Iterable[str] | None = None
    ) -> caffe_pb2.LayerParameter:
        """A layer of type ``kind``; its one top has its name where ``tops`` is not given."""
        layer = self.net.layer.add(name=name, type=kind)
        layer.bottom.extend(bottoms)
        layer.top.extend([name] if tops is None else tops)
        return layer

    def convolution(
        self,
        name: str,
        bottom: str,
        num_output: int,
        kernel: int = 1,
        *,
        stride: int = 1,
        pad: int | None = None,
        group: int = 1,
        dilation: int = 1,
        bias: bool = True,
        lr_mult: float | None = None,
        top: str | None = None,
    ) -> str:
        """A convolution; ``pad`` keeps the size (times 1 / stride) where it is not given.

        Returns:
            its top's name.
        """
        top = top or name
        layer = self.add("Convolution", name, [bottom], [top])
        lr_mult = self.lr_mult if lr_mult is None else lr_mult
        layer.param.add(lr_mult=lr_mult, decay_mult=lr_mult)
        param = layer.convolution_param
        param.num_output = num_output
        if bias:
            layer.param.add(lr_mult=2 * lr_mult, decay_mult=0)
        else:
            param.bias_term = False
        pad = dilation * (kernel // 2) if pad is None else pad
        if pad:
            param.pad.append(pad)
        param.kernel_size.append(kernel)
        if group > 1:
            param.group = group
        if stride > 1:
            param.stride.append(stride)
        if dilation > 1:
            param.dilation.append(dilation)
        if self.engine is not None and group > 1:
            param.engine = self.engine
        param.weight_filler.type = self.filler
        if bias:
            param.bias_filler.type = "constant"
            param.bias_filler.value = 0
        self.channels[top] = num_output
        return top

    def batch_norm(self, name: str, blob: str) -> None:
        """BatchNorm and Scale onto a blob, ``<name>/bn`` and ``<name>/scale``."""
        layer = self.add("BatchNorm", f"{name}/bn", [blob], [blob])
        for _ in range(3):
            layer.param.add(lr_mult=0, decay_mult=0)
        if self.eps is not None:
            layer.batch_norm_param.eps = self.eps
        if self.moving_average_fraction is not None:
            layer.batch_norm_param.moving_average_fraction = self.moving_average_fraction
        layer = self.add("Scale", f"{name}/scale", [blob], [blob])
        layer.param.add(lr_mult=self.lr_mult, decay_mult=0)
        layer.param.add(lr_mult=2 * self.lr_mult, decay_mult=0)
        layer.scale_param.filler.value = 1
        layer.scale_param.bias_term = True
        layer.scale_param.bias_filler.value = 0

    def activate(self, name: str, blob: str) -> None:
        """The net's activation onto a blob."""
        self.add(self.activation, name, [blob], [blob])

    def unit(
        self,
        name: str,
        bottom: str,
        num_output: int,
        kernel: int = 1,
        *,
        stride: int = 1,
        group: int = 1,
        linear: bool = False,
    ) -> str:
        """Convolution, normalisation (in it where the net is merged), activation unless linear.

        Returns:
            the name of the unit and of its blob.
        """
        self.convolution(
            name, bottom, num_output, kernel, stride=stride, group=group, bias=self.merged
        )
        self.finish_unit(name, linear)
        return name

    def finish_unit(self, name: str, linear: bool = False) -> None:
        """What follows a unit's convolution, see :meth:`unit`."""
        if not self.merged:
            self.batch_norm(name, name)
        if not linear:
            self.activate(f"{name}/relu", name)

    def depthwise(self, name: str, bottom: str, stride: int = 1) -> str:
        """A unit of 3x3 convolutions, one a channel."""
        channels = self.channels[bottom]
        return self.unit(name, bottom, channels, 3, stride=stride, group=channels)

    def max_pool(self, name: str, bottom: str, kernel: int, stride: int, pad: int = 0) -> str:
        """A maximum pooling, whose size Caffe rounds up."""
        param = self.add("Pooling", name, [bottom]).pooling_param
        param.pool = caffe_pb2.PoolingParameter.MAX
        param.kernel_size = kernel
        param.stride = stride
        if pad:
            param.pad = pad
        self.channels[name] = self.channels[bottom]
        return name
