"""DepthwiseConvolution: what several forks call a Convolution with one group a channel."""

from __future__ import annotations

from ssd_data.engines.torch.layers.convolution import Convolution


class DepthwiseConvolution(Convolution):
    """Computes as Convolution, whose parameters it has."""
