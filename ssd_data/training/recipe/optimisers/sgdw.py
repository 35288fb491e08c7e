"""SGDW: SGD with momentum and decoupled weight decay (arXiv:1711.05101, algorithm 1)."""

from __future__ import annotations

from typing import Annotated, ClassVar

import msgspec

from ssd_data.training.recipe.optimisers._base import Optimiser
from ssd_data.training.updates import Histories, Tensors, nesterov, sgd


class SgdW(Optimiser, frozen=True):
    """h = momentum · h + rate · g; w -= h: as Caffe's SGD, the history contains the rate.

    Attributes:
        nesterov: as Caffe's Nesterov instead.
    """

    kind: ClassVar[str] = "sgdw"
    momentum: Annotated[float, msgspec.Meta(ge=0, lt=1)] = 0.9
    nesterov: bool = False

    def update(self, g: Tensors, history: Histories, rate: float, iteration: int) -> Tensors:
        """See :class:`Optimiser`."""
        rule = nesterov if self.nesterov else sgd
        return rule(g, history, rate, self.momentum)


ELEMENT = SgdW
