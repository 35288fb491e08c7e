"""The layers through which nets get their data."""

from __future__ import annotations

from collections.abc import Iterator

from ssd_data.engines.torch.layers.annotateddata import AnnotatedData
from ssd_data.engines.torch.net import Net


def feeding(*nets: Net) -> Iterator[AnnotatedData]:
    """The layers that read an LMDB of pictures with boxes."""
    return (layer for net in nets for layer in net.steps if isinstance(layer, AnnotatedData))
