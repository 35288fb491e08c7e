"""Convolution: groups, dilation, rectangular kernels (``convolution_param``)."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from ssd_data.engines.torch.layer import Layer, sized
from ssd_data.nets.geometry import Size, convolution_group, convolution_window


class Convolution(Layer):
    """y = weight * x + bias; weight (outputs, inputs / group, kernel height, width)."""

    def setup(self, *bottoms: Tensor) -> None:
        """Read the geometry and make weight and bias."""
        p = self.param.convolution_param
        self.require_axes(bottoms[0], 4)
        self.window = convolution_window(self.node)
        channels = self._channels = bottoms[0].shape[1]
        outputs, self.group = convolution_group(self.node, channels)
        axes = self._weight_axes(channels, outputs)
        self.add_weight((*axes, *self.window.kernel), p.weight_filler)
        if p.bias_term:
            self.add_weight((outputs,), p.bias_filler)

    def outline(self, *bottoms: Tensor) -> Tensor:
        """(batch, outputs, height, width)."""
        x = bottoms[0]
        if x.shape[1] != self._channels:
            raise ValueError(f"it has not {self._channels} channels")
        sides = self._sides((x.shape[2], x.shape[3]))
        if min(sides) < 1:
            raise ValueError("the kernel is larger than the padded picture")
        return sized(x.shape[0], self.param.convolution_param.num_output, *sides)

    def _sides(self, size: Size) -> Size:
        return self.window.convolved(size)

    def forward(self, *bottoms: Tensor) -> Tensor:
        """(batch, outputs, height, width)."""
        weight, bias = (*self.weights, None)[:2]
        assert weight is not None
        w = self.window
        return functional.conv2d(bottoms[0], weight, bias, w.stride, w.pad, w.dilation, self.group)

    def _weight_axes(self, channels: int, outputs: int) -> tuple[int, int]:
        return outputs, channels // self.group
