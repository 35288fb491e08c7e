"""The exponential moving average of a net's parameters (``--ema``)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch

from ssd_data.engines.torch.blob import Blob


class Average:
    """a = d · a + (1 - d) · w after each update, with d = min(decay, (1 + n) / (10 + n)).

    n counts the updates before: so the first weights, which are random or another task's, soon
    weigh nothing. BatchNorm's sums and their factor are averaged as all else is: their quotient is
    then a weighted mean of the means and variances that there were.

    Args:
        blobs: all parameters, once each. The average begins as what they hold.
        decay: in 0 … 1, 1 excluded.

    Attributes:
        updates: how many updates went into it.
    """

    def __init__(self, blobs: Sequence[Blob], decay: float) -> None:
        self.blobs, self.decay, self.updates = blobs, decay, 0
        self._tensors = [blob.tensor.detach().clone() for blob in blobs]

    def restart(self) -> None:
        """Begin anew with what the parameters hold."""
        self.updates = 0
        with torch.no_grad():
            for average, blob in zip(self._tensors, self.blobs, strict=True):
                average.copy_(blob.tensor)

    def update(self) -> None:
        """Take the parameters in as they are now."""
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        self.updates += 1
        with torch.no_grad():
            for average, blob in zip(self._tensors, self.blobs, strict=True):
                average.lerp_(blob.tensor, 1 - decay)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """For as long as it lasts, the parameters hold the average."""
        kept = [blob.tensor for blob in self.blobs]
        try:
            for blob, average in zip(self.blobs, self._tensors, strict=True):
                blob.tensor = average
            yield
        finally:
            for blob, tensor in zip(self.blobs, kept, strict=True):
                blob.tensor = tensor
