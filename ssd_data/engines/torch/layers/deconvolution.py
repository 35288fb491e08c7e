"""Deconvolution: a convolution's transpose (``convolution_param``)."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from ssd_data.engines.torch.layers.convolution import Convolution
from ssd_data.nets.geometry import Size


class Deconvolution(Convolution):
    """Weight (inputs, outputs / group, kernel height, width), then bias."""

    def _sides(self, size: Size) -> Size:
        return self.window.deconvolved(size)

    def forward(self, *bottoms: Tensor) -> Tensor:
        """(batch, outputs, height, width)."""
        weight, bias = (*self.weights, None)[:2]
        assert weight is not None
        w = self.window
        return functional.conv_transpose2d(
            bottoms[0], weight, bias, w.stride, w.pad, 0, self.group, w.dilation
        )

    def _weight_axes(self, channels: int, outputs: int) -> tuple[int, int]:
        return channels, outputs // self.group
