"""Im2col: a convolution's windows as channels (``convolution_param``)."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from ssd_data.engines.torch.layer import Layer, Tops, sized
from ssd_data.nets.geometry import convolution_window


class Im2col(Layer):
    """(batch, channels · kernel height · kernel width, height, width)."""

    def setup(self, *bottoms: Tensor) -> None:
        """Read the window."""
        self.require_axes(bottoms[0], 4)
        self.window = convolution_window(self.node)

    def outline(self, *bottoms: Tensor) -> Tops:
        """The window's places as channels."""
        x, (height, width) = bottoms[0], self.window.kernel
        size = self.window.convolved((x.shape[2], x.shape[3]))
        if min(size) < 1:
            raise ValueError("the kernel is larger than the padded picture")
        return sized(len(x), x.shape[1] * height * width, *size)

    def forward(self, *bottoms: Tensor) -> Tensor:
        """See :meth:`outline`."""
        x, w = bottoms[0], self.window
        columns = functional.unfold(x, w.kernel, w.dilation, w.pad, w.stride)
        return columns.reshape(*columns.shape[:2], *w.convolved((x.shape[2], x.shape[3])))
