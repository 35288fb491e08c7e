"""Upsample, in the two forms that forks have (``upsample_param``)."""

from __future__ import annotations

from torch import Tensor

from ssd_data.engines.torch.layer import Layer, Tops, sized
from ssd_data.nets.resizing import Upsampling, upsampling


class Upsample(Layer):
    """Darknet's: each value stands for ``scale`` x ``scale`` places. SegNet's, where there is a
    second bottom, the mask of a MAX Pooling: each value goes to the place that its mask names, and
    all others are 0."""

    bottoms = (1, 2)
    no_gradient = (1,)

    def outline(self, *bottoms: Tensor) -> Tops:
        """(batch, channels, height, width).

        Raises:
            ValueError: the mask has another shape.
        """
        x = bottoms[0]
        self.require_axes(x, 4)
        if len(bottoms) > 1 and bottoms[1].shape != x.shape:
            raise ValueError("the mask has another shape")
        return sized(*x.shape[:2], *self._how(x).size)

    def forward(self, *bottoms: Tensor) -> Tensor:
        """(batch, channels, height, width)."""
        x, how = bottoms[0], self._how(bottoms[0])
        if len(bottoms) > 1:
            return self._placed(x, bottoms[1], how)
        y = x.repeat_interleave(how.factor[0], 2).repeat_interleave(how.factor[1], 3)
        return y if how.scale == 1 else y * how.scale

    def _how(self, x: Tensor) -> Upsampling:
        return upsampling(self.node, (x.shape[2], x.shape[3]))

    def _placed(self, x: Tensor, mask: Tensor, how: Upsampling) -> Tensor:
        height, width = how.size
        place = mask.flatten(2).long()
        if (
            not x.is_meta
            and place.numel()
            and not 0 <= int(place.min()) <= int(place.max()) < (height * width)
        ):
            raise self.error(
                f"its mask names a place outside of {width}x{height}",
                "The sizes must be those of the Pooling that made the mask",
            )
        empty = x.new_zeros((*x.shape[:2], height * width))
        return empty.scatter(2, place, x.flatten(2)).reshape(*x.shape[:2], *how.size)
