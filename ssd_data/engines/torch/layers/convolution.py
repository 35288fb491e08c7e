"""Convolution: groups, dilation, rectangular kernels (``convolution_param``)."""

from __future__ import annotations

from collections.abc import Iterable

from torch import Tensor
from torch.nn import functional

from ssd_data.engines.torch.layer import Layer, sized
from ssd_data.nets.sizes import convolved


class Convolution(Layer):
    """y = weight * x + bias; weight (outputs, inputs / group, kernel height, width)."""

    def setup(self, *bottoms: Tensor) -> None:
        """Read the geometry and make weight and bias."""
        p = self.param.convolution_param
        if bottoms[0].dim() != 4:
            raise self.error(f"takes a bottom of 4 axes, not of {bottoms[0].dim()}")
        if p.axis != 1:
            raise self.error("only axis 1 can hold the channels")
        self.kernel = self._pair("kernel", p.kernel_size, p.kernel_h, p.kernel_w, 0)
        self.pad = self._pair("pad", p.pad, p.pad_h, p.pad_w, 0)
        self.stride = self._pair("stride", p.stride, p.stride_h, p.stride_w, 1)
        self.dilation = self._pair("dilation", p.dilation, 0, 0, 1)
        if min(self.kernel) < 1 or min(self.stride) < 1 or min(self.dilation) < 1:
            raise self.error("has a kernel, stride or dilation of 0", "Set kernel_size")
        channels, self.group, outputs = bottoms[0].shape[1], max(p.group, 1), p.num_output
        self._channels = channels
        if not outputs or channels % self.group or outputs % self.group:
            raise self.error(
                f"group {self.group} does not divide {channels} channels and {outputs} outputs"
                if outputs
                else "has no num_output"
            )
        self.add_weight((*self._weight_axes(channels, outputs), *self.kernel), p.weight_filler)
        if p.bias_term:
            self.add_weight((outputs,), p.bias_filler)

    def outline(self, *bottoms: Tensor) -> Tensor:
        """(batch, outputs, height, width)."""
        x = bottoms[0]
        if x.shape[1] != self._channels:
            raise ValueError(f"it has not {self._channels} channels")
        sides = [self._side(x.shape[axis + 2], axis) for axis in (0, 1)]
        if min(sides) < 1:
            raise ValueError("the kernel is larger than the padded picture")
        return sized(x.shape[0], self.param.convolution_param.num_output, *sides)

    def _side(self, length: int, axis: int) -> int:
        of_axis = (side[axis] for side in (self.kernel, self.stride, self.pad, self.dilation))
        return convolved(length, *of_axis)

    def forward(self, *bottoms: Tensor) -> Tensor:
        """(batch, outputs, height, width)."""
        weight, bias = (*self.weights, None)[:2]
        assert weight is not None
        return functional.conv2d(
            bottoms[0], weight, bias, self.stride, self.pad, self.dilation, self.group
        )

    def _weight_axes(self, channels: int, outputs: int) -> tuple[int, int]:
        return outputs, channels // self.group

    def _pair(
        self, name: str, both: Iterable[int], height: int, width: int, default: int
    ) -> tuple[int, int]:
        """(height, width) of a repeated field or its _h and _w."""
        values = list(both)
        if height or width:
            if values:
                raise self.error(f"has {name} both as one number and as {name}_h and {name}_w")
            return height, width
        if len(values) > 2:
            raise self.error(f"has {len(values)} numbers for {name}; 2 at most")
        values = values or [default]
        return values[0], values[-1]
