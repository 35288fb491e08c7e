"""AdamW: Adam with decoupled weight decay (arXiv:1711.05101, algorithm 2)."""

from __future__ import annotations

import math
from typing import Annotated, ClassVar

import msgspec

from ssd_data.training.recipe.optimisers._base import Optimiser
from ssd_data.training.recipe.parts import Positive
from ssd_data.training.updates import Histories, Tensors, adam

Beta = Annotated[float, msgspec.Meta(ge=0, lt=1)]


class AdamW(Optimiser, frozen=True):
    """m = β₁ m + (1 - β₁) g; v = β₂ v + (1 - β₂) g²; w -= rate · m̂ / (√v̂ + delta), in update n with
    m̂ = m / (1 - β₁ⁿ) and v̂ = v / (1 - β₂ⁿ).

    Attributes:
        beta1, beta2: how long means and squares are remembered.
    """

    kind: ClassVar[str] = "adamw"
    histories: ClassVar[int] = 2
    beta1: Beta = 0.9
    beta2: Beta = 0.999
    delta: Positive = 1e-8

    def update(self, g: Tensors, history: Histories, rate: float, iteration: int) -> Tensors:
        """See :class:`Optimiser`."""
        delta = self.delta * math.sqrt(1 - self.beta2 ** (iteration + 1))  # Caffe adds it to √v
        return adam(g, history, rate, (self.beta1, self.beta2), delta, iteration)


ELEMENT = AdamW
