"""Priors in a denser grid than their map's, as FaceBoxes has them and two forks write them.

``fixed_size`` and ``density`` (and ``fixed_ratio``): boxes of a fixed size, ``density`` of them
down and across in each place's square of that size; as OpenVINO's PriorBox defines them.
``faceboxes``: what FaceBoxes' own Caffe does without a word in its prototxt (sfzhang15/FaceBoxes,
``src/caffe/layers/prior_box_layer.cpp``): 16 boxes for a ``min_size`` of 32, 4 for one of 64, and
all squares a pixel smaller; synopsys-caffe gave it the name.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TypeAlias

from ssd_data.proto import caffe_pb2

# Width, height, and how far right and down of the place's own centre; in pixels.
DenseBox: TypeAlias = tuple[float, float, float, float]
MOST_DENSITY = 64
MOST_AT_A_PLACE = 1 << 16  # boxes
_FACES = {32: (4, 8), 64: (2, 16)}  # min_size: boxes down and across, pixels between them


def dense_fields(param: caffe_pb2.PriorBoxParameter) -> list[str]:
    """Which fields of forks are set."""
    names = ("fixed_size", "fixed_ratio", "density")
    return [name for name in names if getattr(param, name)] + ["faceboxes"] * param.faceboxes


def dense_fault(param: caffe_pb2.PriorBoxParameter, most_side: float, most_ratio: float) -> str:
    """What is wrong with them, or nothing."""
    sizes, densities, ratios = param.fixed_size, param.density, param.fixed_ratio
    if len(densities) != len(sizes) or (ratios and not sizes):
        return f"{len(densities)} density and {len(ratios)} fixed_ratio for {len(sizes)} fixed_size"
    if not all(1 <= size < most_side for size in sizes):
        return "fixed_size must be 1 or more, and fit into an int"
    if not all(1 <= density <= MOST_DENSITY for density in densities):
        return f"density must be from 1 to {MOST_DENSITY}"
    shapes = max(len(ratios), 1 + 2 * len(param.aspect_ratio))
    if shapes * sum(int(density) ** 2 for density in densities) > MOST_AT_A_PLACE:
        return f"would give more than {MOST_AT_A_PLACE:,} boxes at each place"
    sound = all(1 / most_ratio <= ratio <= most_ratio for ratio in ratios)
    return "" if sound else f"fixed_ratio must be from 1/{most_ratio} to {most_ratio}"


def fixed_boxes(param: caffe_pb2.PriorBoxParameter, ratios: list[float]) -> Iterator[DenseBox]:
    """The boxes of ``fixed_size``, which come before all others and never leave the picture.

    Args:
        ratios: of ``aspect_ratio``, 1 first; they count where there is no ``fixed_ratio``.
    """
    for size, density in zip(param.fixed_size, param.density, strict=True):
        count = int(density)
        step, whole = int(size / count), int(size)
        sides = [(float(whole), float(whole))] if not param.fixed_ratio else []
        for ratio in param.fixed_ratio or ratios[1:]:
            root = math.sqrt(ratio)
            sides.append((size * root, size / root))
        shifts = [-(whole // 2) + step / 2 + i * step for i in range(count)]
        for width, height in sides:
            for down in shifts:
                for across in shifts:
                    yield width, height, across, down


def face_boxes(size: int) -> Iterator[DenseBox]:
    """FaceBoxes' squares for one ``min_size``."""
    count, step = _FACES.get(size, (1, 0))
    shifts = [(i - count // 2) * step for i in range(count)]
    for down in shifts:
        for across in shifts:
            yield size - 1.0, size - 1.0, float(across), float(down)
