"""What a data layer makes of pictures, by its prototxt and, where that is mute, by the weights."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from ssd_data.nets.caffemodel import LayerWeights, read_caffemodel
from ssd_data.nets.graph import Node
from ssd_data.nets.matching import pair
from ssd_data.nets.sizes import fixed_size


@dataclass(slots=True)
class GivenPicture:
    """What pictures become: channels, height, width; ``sure`` where the layer says the first."""

    channels: int
    height: int
    width: int
    sure: bool


def given_picture(data: Node) -> GivenPicture:
    """What a data layer makes of every picture.

    Raises:
        LayerError: it does not say how large, or leaves pictures as large as they are.
    """
    param, transform = data.param, data.param.transform_param
    if data.type == "MemoryData":
        memory = param.memory_data_param
        return _checked(data, GivenPicture(memory.channels, memory.height, memory.width, sure=True))
    size = fixed_size(transform)
    if size is None and data.type == "ImageData":
        image = param.image_data_param
        side = image.crop_size
        size = (side, side) if side else (image.new_height, image.new_width)
    if size is None:
        raise data.error(
            "does not say how large the deploy net's pictures are",
            "Give its transform_param a resize_param with height and width, or give the deploy "
            "net; ssd-data model writes one",
        )
    colour, gray = transform.force_color, transform.force_gray
    if data.type == "ImageData":
        colour, gray = param.image_data_param.is_color, not param.image_data_param.is_color
    if colour and gray:
        raise data.error("has both force_color and force_gray", "Keep one")
    sure = colour or gray or len(transform.mean_value) == 3
    return _checked(data, GivenPicture(1 if gray else 3, *size, sure=sure))


def _checked(data: Node, found: GivenPicture) -> GivenPicture:
    if not min(found.channels, found.height, found.width) > 0:
        raise data.error(
            f"would give pictures of {found.channels}x{found.height}x{found.width}",
            "Both height and width of its resize_param must be above 0",
        )
    return found


def channels_of(weights: Path, kept: Sequence[Node], blob: str) -> int:
    """Of what the first convolution takes, by its arrays; 0 where they do not say."""
    layers: Collection[LayerWeights] = read_caffemodel(weights).layers
    arrays, _ = pair(kept, layers)
    same = {blob}  # blobs with the pictures' channels
    for index, node in enumerate(kept):
        if not same.intersection(node.bottoms):
            continue
        if node.type in ("Convolution", "DepthwiseConvolution"):
            if index not in arrays or not (found := arrays[index].arrays):
                return 0
            whole = found[0].ndim == 4 and node.type == "Convolution"
            group = max(node.param.convolution_param.group, 1)
            return int(found[0].shape[1]) * group if whole else 0
        if node.type in ("BatchNorm", "Scale", "Power", "Bias"):
            same.update(node.tops)
    return 0
