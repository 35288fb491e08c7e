"""Names of MobileNet's layers: in PyTorch's state dicts, and in Caffe's nets.

torchvision counts its layers (``features.3.conv.1.0``); timm has stages of blocks
(``blocks.2.0.conv_dw``). Caffe's names are chuanqi305's, which the nets of all families here keep.
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass

from ssd_data.core.errors import InputError

_V1_STAGES = (1, 2, 2, 6, 2)
_V2_STAGES = (2, 3, 4, 3, 3, 1)  # behind the first block, which does not expand


@dataclass(frozen=True, slots=True)
class Unit:
    """A convolution with its normalisation.

    Attributes:
        name: the Convolution's in a Caffe net.
        conv: the weights' key, without ``.weight``.
        norm: the normalisation's key, without ``.weight``, ``.bias``, ``.running_mean``, ….
    """

    name: str
    conv: str
    norm: str


def recognise(keys: Container[str]) -> tuple[str, list[Unit]]:
    """Whose names a state dict has, and its units in order, the stem first.

    Raises:
        InputError: it is neither torchvision's MobileNet V2 nor timm's V1 or V2.
    """
    if "features.0.0.weight" in keys and "features.1.conv.0.0.weight" in keys:
        return "MobileNet V2 (torchvision)", _torchvision_v2()
    if "conv_stem.weight" in keys and "blocks.1.0.conv_pwl.weight" in keys:
        return "MobileNet V2 (timm)", _timm_v2()
    if "conv_stem.weight" in keys and "blocks.1.0.conv_pw.weight" in keys:
        return "MobileNet V1 (timm)", _timm_v1()
    raise InputError(
        "the state dict's names are not those of a MobileNet V1 or V2",
        hint="Known are torchvision's mobilenet_v2, and timm's mobilenetv1_100 and mobilenetv2_100",
    )


def _torchvision_v2() -> list[Unit]:
    units = [Unit("Conv", "features.0.0", "features.0.1")]
    at = "features.1.conv"
    units += [
        Unit("conv/depthwise", f"{at}.0.0", f"{at}.0.1"),
        Unit("conv/project", f"{at}.1", f"{at}.2"),
    ]
    for number in range(1, 1 + sum(_V2_STAGES)):
        at, name = f"features.{number + 1}.conv", f"conv_{number}"
        units += [
            Unit(f"{name}/expand", f"{at}.0.0", f"{at}.0.1"),
            Unit(f"{name}/depthwise", f"{at}.1.0", f"{at}.1.1"),
            Unit(f"{name}/project", f"{at}.2", f"{at}.3"),
        ]
    last = f"features.{2 + sum(_V2_STAGES)}"
    return [*units, Unit("Conv_1", f"{last}.0", f"{last}.1")]


def _timm_v2() -> list[Unit]:
    units = [
        Unit("Conv", "conv_stem", "bn1"),
        Unit("conv/depthwise", "blocks.0.0.conv_dw", "blocks.0.0.bn1"),
        Unit("conv/project", "blocks.0.0.conv_pw", "blocks.0.0.bn2"),
    ]
    places = [(s, b) for s, count in enumerate(_V2_STAGES, 1) for b in range(count)]
    for number, (stage, block) in enumerate(places, 1):
        at, name = f"blocks.{stage}.{block}", f"conv_{number}"
        units += [
            Unit(f"{name}/expand", f"{at}.conv_pw", f"{at}.bn1"),
            Unit(f"{name}/depthwise", f"{at}.conv_dw", f"{at}.bn2"),
            Unit(f"{name}/project", f"{at}.conv_pwl", f"{at}.bn3"),
        ]
    return [*units, Unit("Conv_1", "conv_head", "bn2")]


def _timm_v1() -> list[Unit]:
    units = [Unit("conv0", "conv_stem", "bn1")]
    places = [(s, b) for s, count in enumerate(_V1_STAGES) for b in range(count)]
    for number, (stage, block) in enumerate(places, 1):
        at = f"blocks.{stage}.{block}"
        units += [
            Unit(f"conv{number}/dw", f"{at}.conv_dw", f"{at}.bn1"),
            Unit(f"conv{number}", f"{at}.conv_pw", f"{at}.bn2"),
        ]
    return units
