"""Normalize: SSD's L2 normalisation with a learned scale (``norm_param``)."""

from __future__ import annotations

from torch import Tensor

from ssd_data.engines.torch.layer import Stretched, along


class Normalize(Stretched):
    """y = scale · x / sqrt(Σ x² + eps), the sum over the channels of each place, or over all
    values of a picture (``across_spatial``)."""

    single = True

    def setup(self, *bottoms: Tensor) -> None:
        """Make the scale: one a channel, or one for all."""
        p = self.param.norm_param
        self.require_axes(bottoms[0], 2, 4)
        filler = p.scale_filler if p.HasField("scale_filler") else 1.0
        self.add_weight(() if p.channel_shared else (bottoms[0].shape[1],), filler)

    def forward(self, *bottoms: Tensor) -> Tensor:
        """The bottom's shape."""
        p, x = self.param.norm_param, bottoms[0]
        axes = tuple(range(1, x.dim())) if p.across_spatial else (1,)
        norm = ((x * x).sum(axes, keepdim=True) + p.eps).sqrt()
        return x / norm * along(self.weights[0], x)
