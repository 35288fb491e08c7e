"""InnerProduct: a fully connected layer (``inner_product_param``)."""

from __future__ import annotations

import math

from torch import Tensor

from ssd_data.engines.torch.layer import Layer, sized


class InnerProduct(Layer):
    """y = weight · x + bias, x the values from ``axis`` on as one vector.

    weight (outputs, inputs), or (inputs, outputs) with ``transpose``.
    """

    def setup(self, *bottoms: Tensor) -> None:
        """Make weight and bias."""
        p = self.param.inner_product_param
        self.start = self.axis(p.axis, bottoms[0])
        if not p.num_output:
            raise self.error("has no num_output")
        inputs = math.prod(bottoms[0].shape[self.start :])
        shape = (inputs, p.num_output) if p.transpose else (p.num_output, inputs)
        self.add_weight(shape, p.weight_filler)
        if p.bias_term:
            self.add_weight((p.num_output,), p.bias_filler)

    def outline(self, *bottoms: Tensor) -> Tensor:
        """The axes before ``axis``, then the outputs."""
        p, x = self.param.inner_product_param, bottoms[0]
        if math.prod(x.shape[self.start :]) * p.num_output != self.weights[0].numel():
            raise ValueError(f"it has not the inputs of {tuple(self.weights[0].shape)}")
        return sized(*x.shape[: self.start], p.num_output)

    def forward(self, *bottoms: Tensor) -> Tensor:
        """The axes before ``axis``, then the outputs."""
        weight = self.weights[0]
        if not self.param.inner_product_param.transpose:
            weight = weight.t()
        y = bottoms[0].flatten(self.start) @ weight
        return y + self.weights[1] if len(self.weights) > 1 else y
