"""Embed: a learned vector for each whole number (``embed_param``)."""

from __future__ import annotations

from torch import Tensor

from ssd_data.engines.torch.layer import Layer, Tops, sized


class Embed(Layer):
    """The bottom's shape and an axis of ``num_output`` more. Weight: (input_dim, num_output)."""

    no_gradient = (0,)

    def setup(self, *bottoms: Tensor) -> None:
        """Make the weights."""
        p = self.param.embed_param
        if not p.num_output or not p.input_dim:
            raise self.error("has no num_output or no input_dim")
        self.add_weight((p.input_dim, p.num_output), p.weight_filler)
        if p.bias_term:
            self.add_weight((p.num_output,), p.bias_filler)

    def outline(self, *bottoms: Tensor) -> Tops:
        """One axis more."""
        return sized(*bottoms[0].shape, self.param.embed_param.num_output)

    def forward(self, *bottoms: Tensor) -> Tensor:
        """One axis more.

        Raises:
            LayerError: a number has no vector.
        """
        index, size = bottoms[0].detach().long(), self.param.embed_param.input_dim
        if index.numel() and not 0 <= int(index.min()) <= int(index.max()) < size:
            raise self.error(f"reads a number that is not in [0, {size})", "See input_dim")
        y = self.weights[0][index]
        return y + self.weights[1] if len(self.weights) > 1 else y
