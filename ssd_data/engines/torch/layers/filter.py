"""Filter: the pictures of a batch whose selector is not 0."""

from __future__ import annotations

import torch
from torch import Tensor

from ssd_data.engines.torch.layer import Layer


class Filter(Layer):
    """Bottoms: blobs, and last the selector, one value a picture. How many pictures the tops have
    is known only when it runs."""

    bottoms = (2, 1000)

    def setup(self, *bottoms: Tensor) -> None:
        """Check the selector and the tops."""
        *blobs, selector = bottoms
        self.no_gradient = (len(blobs),)  # type: ignore[misc]  # the last, how many there may be
        if len(self.node.tops) != len(blobs):
            raise self.error(f"has {len(self.node.tops)} tops for {len(blobs)} blobs to filter")
        self.require_pictures(*bottoms)
        if selector.numel() != len(selector):
            raise self.error("its last bottom, the selector, has not one value a picture")
        if any(len(blob) != len(selector) for blob in blobs):
            raise self.error("its bottoms have different numbers of pictures")

    def forward(self, *bottoms: Tensor) -> tuple[Tensor, ...]:
        """The chosen pictures of each blob."""
        *blobs, selector = bottoms
        if selector.is_meta:
            return tuple(blobs)
        chosen = torch.nonzero(selector.detach().flatten()).flatten()
        return tuple(blob[chosen] for blob in blobs)
