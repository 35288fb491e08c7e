"""Activations as a part of the layer before them: less memory is gone over."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from ssd_data.nets.ncnn.model import NcnnLayer, Param, renamed

TAKES_ACTIVATION = (
    "Convolution", "ConvolutionDepthWise", "Deconvolution", "DeconvolutionDepthWise",
    "InnerProduct",
)  # fmt: skip
KIND, NUMBERS = 9, 10  # of a layer's parameters


def fused(layers: Sequence[NcnnLayer]) -> list[NcnnLayer]:
    """The layers without the activations that alone read a convolution, which does them instead.

    What is read from outside has a name that no layer reads.
    """
    counts = Counter(blob for layer in layers for blob in layer.bottoms)
    writers = {top: layer for layer in layers for top in layer.tops}
    made = []
    for layer in layers:
        activation = _activation(layer)
        before = writers.get(layer.bottoms[0]) if activation else None
        blob = layer.bottoms[0] if before else ""
        free = before is not None and before.type in TAKES_ACTIVATION and KIND not in before.params
        if before is None or not free or counts[blob] > 1:
            made.append(layer)
            continue
        before.params |= activation
        writers[layer.tops[0]] = before
        renamed([before], {blob: layer.tops[0]})
    return made


def _activation(layer: NcnnLayer) -> dict[int, Param]:
    """What a convolution says of an activation; nothing of another layer."""
    if layer.type == "ReLU":
        slope = layer.params.get(0, 0.0)
        return {KIND: 2, NUMBERS: [slope]} if slope else {KIND: 1}  # type: ignore[list-item]
    if layer.type == "Clip":
        return {KIND: 3, NUMBERS: [layer.params[0], layer.params[1]]}  # type: ignore[list-item]
    return {KIND: 4} if layer.type == "Sigmoid" else {}
