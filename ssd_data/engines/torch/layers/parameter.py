"""Parameter: an array that is learned, and read by other layers (``parameter_param``)."""

from __future__ import annotations

from torch import Tensor

from ssd_data.engines.torch.layer import Layer


class Parameter(Layer):
    """Gives its array; it begins as zeros."""

    bottoms = (0, 0)

    def setup(self, *bottoms: Tensor) -> None:
        """Make the array."""
        shape = tuple(self.param.parameter_param.shape.dim)
        if any(n < 1 for n in shape):
            raise self.error("has a size that is not above 0", "See parameter_param's shape")
        self.add_weight(shape, 0.0)

    def forward(self, *bottoms: Tensor) -> Tensor:
        """The array."""
        return self.weights[0].clone()
