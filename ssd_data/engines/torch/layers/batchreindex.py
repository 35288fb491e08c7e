"""BatchReindex: a batch's pictures in another order, also left out or repeated."""

from __future__ import annotations

from torch import Tensor

from ssd_data.engines.torch.layer import Layer, Tops, sized


class BatchReindex(Layer):
    """Bottoms: a blob, and the numbers of its pictures that the top has, one axis."""

    bottoms = (2, 2)
    no_gradient = (1,)

    def setup(self, *bottoms: Tensor) -> None:
        """Check the axes."""
        self.require_pictures(bottoms[0])

    def outline(self, *bottoms: Tensor) -> Tops:
        """As many pictures as there are numbers."""
        if bottoms[1].dim() != 1:
            raise self.error(f"its second bottom has {bottoms[1].dim()} axes, not 1")
        return sized(len(bottoms[1]), *bottoms[0].shape[1:])

    def forward(self, *bottoms: Tensor) -> Tensor:
        """The pictures.

        Raises:
            LayerError: a number is none of a picture.
        """
        x, index = bottoms[0], bottoms[1].detach().long()
        if index.numel() and not 0 <= int(index.min()) <= int(index.max()) < len(x):
            raise self.error(f"reads a number that is none of its {len(x)} pictures")
        return x[index]
