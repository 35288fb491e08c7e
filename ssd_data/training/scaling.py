"""The factor of the loss under half precision (``--amp fp16``), which keeps small gradients from
becoming 0. It is torch's GradScaler with its numbers, for gradients that no torch optimizer has."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from ssd_data.core.errors import SsdDataError

GROWTH, BACKOFF, INTERVAL = 2.0, 0.5, 2000
LEAST = 2.0**-14  # what the factor cannot be halved below without the loss itself being wrong


class OverflowedError(SsdDataError):
    """No gradient is finite, however small the factor."""


@dataclass(slots=True)
class LossScale:
    """The factor, and how it moves: doubled after 2,000 good updates in a row, halved after one
    whose gradients were not all finite, which is left out.

    Attributes:
        factor: the present one. good: updates since it last moved. skipped: updates left out.
    """

    factor: float = 65536.0
    good: int = 0
    skipped: int = 0

    def unscale(self, gradients: Iterable[Tensor]) -> bool:
        """Divide the gradients by the factor, then move it; False where they are of no use.

        Raises:
            OverflowedError: they have not been for so often that the loss itself must be wrong.
        """
        found = list(gradients)
        for gradient in found:
            gradient.mul_(1 / self.factor)
        finite = torch.stack([torch.isfinite(g).all() for g in found]).all()
        if not bool(finite):
            self.factor, self.good = self.factor * BACKOFF, 0
            self.skipped += 1
            if self.factor < LEAST:
                raise OverflowedError(
                    "the gradients are no numbers, however small the loss scale",
                    where="--amp fp16",
                    hint="Take --amp bf16, or lower base_lr",
                )
            return False
        self.good += 1
        if self.good == INTERVAL:
            self.factor, self.good = self.factor * GROWTH, 0
        return True
