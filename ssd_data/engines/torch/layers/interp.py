"""Interp, of DeepLab's and PSPNet's forks: bilinear, corner on corner (``interp_param``)."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from ssd_data.engines.torch.layer import Layer, Tops, sized
from ssd_data.nets.resizing import interp_size, interp_window


class Interp(Layer):
    """A map in another size: ``height`` and ``width``, or ``zoom_factor`` and ``shrink_factor``
    of the distances between its places. Negative ``pad_beg`` and ``pad_end`` crop it first."""

    single = True

    def outline(self, *bottoms: Tensor) -> Tops:
        """(batch, channels, height, width)."""
        x = bottoms[0]
        self.require_axes(x, 4)
        return sized(*x.shape[:2], *interp_size(self.node, (x.shape[2], x.shape[3])))

    def forward(self, *bottoms: Tensor) -> Tensor:
        """(batch, channels, height, width)."""
        x = bottoms[0]
        given = (x.shape[2], x.shape[3])
        size, (rows, columns) = interp_size(self.node, given), interp_window(self.node, given)
        x = x[:, :, rows, columns]
        return functional.interpolate(x, size, mode="bilinear", align_corners=True)
