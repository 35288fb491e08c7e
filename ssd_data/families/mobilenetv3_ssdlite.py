"""MobileNet V3 (arXiv:1905.02244) with SSDLite heads at 320x320, to learn from nothing.

Body, maps, heads and sides of the priors are those of torchvision's
``ssdlite320_mobilenet_v3_large`` (the last stage and ``Conv_1`` of half the width) and, as
``small``, of the paper's smaller net. Its layers are those that every reader of Caffe's files has,
so two functions are not the paper's own but the ones that it approximates to be cheap on a CPU:
x * sigmoid(x) in the place of h-swish, and sigmoid in the place of the hard sigmoid of
squeeze-and-excite.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from ssd_data.families.parts.builder import NetBuilder
from ssd_data.families.parts.data import HALF_RANGE, jaccard_samplers
from ssd_data.families.parts.detector import (
    Design,
    Settings,
    Stage,
    finish,
    from_nothing,
    start,
)
from ssd_data.families.parts.heads import Heads, Output, Scoring, ssd_maps
from ssd_data.families.parts.mobilenetv2 import divisible
from ssd_data.proto import caffe_pb2


@dataclass(frozen=True, slots=True)
class Bottleneck:
    """One inverted residual.

    Attributes:
        kernel: of the depthwise convolution. wide: channels that it has. channels: that come out.
        squeezes: its channels are weighed by squeeze-and-excite. swish: its activation; else ReLU.
    """

    kernel: int
    wide: int
    channels: int
    squeezes: bool
    swish: bool
    stride: int


def rows(*given: tuple[int, int, int, bool, bool, int]) -> tuple[Bottleneck, ...]:
    """Bottlenecks of a table's rows."""
    return tuple(Bottleneck(*row) for row in given)


TITLE = "MobileNet V3 with SSDLite heads, to learn from nothing"
SOURCE = "this package"
COMMON: dict[str, Any] = {
    "size": (320, 320),
    "batch_size": 24,
    "test_batch_size": 8,
    "iter_size": 1,
    "width_multiplier": 1.0,
    "expand": True,
    "min_sizes": (),
    "max_sizes": (),
    "aspect_ratios": (),
    "merged": False,
}
VARIANTS: dict[str, dict[str, Any]] = {"large": COMMON, "small": COMMON}
DETECTOR = Design(
    preprocessing=HALF_RANGE,
    samplers=jaccard_samplers,
    scores=Scoring(),
    heads=Heads(depthwise=True),
    test_output=Output(0.45, 400, 200, 0.01),
    deploy_output=Output(0.45, 300, 100, 0.25),
)
STEM = 16
# arXiv:1905.02244, tables 1 and 2; the last three of half the width.
BODIES = {
    "large": rows(
        (3, 16, 16, False, False, 1),
        (3, 64, 24, False, False, 2), (3, 72, 24, False, False, 1),
        (5, 72, 40, True, False, 2), (5, 120, 40, True, False, 1), (5, 120, 40, True, False, 1),
        (3, 240, 80, False, True, 2), (3, 200, 80, False, True, 1),
        (3, 184, 80, False, True, 1), (3, 184, 80, False, True, 1),
        (3, 480, 112, True, True, 1), (3, 672, 112, True, True, 1),
        (5, 672, 80, True, True, 2), (5, 480, 80, True, True, 1), (5, 480, 80, True, True, 1),
    ),
    "small": rows(
        (3, 16, 16, True, False, 2),
        (3, 72, 24, False, False, 2), (3, 88, 24, False, False, 1),
        (5, 96, 40, True, True, 2), (5, 240, 40, True, True, 1), (5, 240, 40, True, True, 1),
        (5, 120, 48, True, True, 1), (5, 144, 48, True, True, 1),
        (5, 288, 48, True, True, 2), (5, 288, 48, True, True, 1), (5, 288, 48, True, True, 1),
    ),
}  # fmt: skip
TOP_PER_LAST = 6  # channels of Conv_1 for each of the last block's
EXTRAS = (512, 256, 256, 128)
EPS, SHORT = 0.001, 0.97  # of BatchNorm


def build(settings: Settings, stage: Stage) -> caffe_pb2.NetParameter:
    """The net of a stage."""
    net = NetBuilder(
        "MobileNetv3-SSDLite",
        eps=EPS,
        moving_average_fraction=SHORT,
        merged=settings.merged and stage == "deploy",
    )
    start(net, DETECTOR, settings, stage)
    first, last = _body(net, BODIES[settings.variant], settings.width_multiplier)
    maps = ssd_maps([first, last, *_extras(net, last)], settings.size, settings.min_sizes)
    # torchvision's first map has as many priors as the others.
    first_map = replace(maps[0], max_sizes=maps[1].min_sizes, aspect_ratios=(2.0, 3.0))
    return finish(net, DETECTOR, settings, stage, [first_map, *maps[1:]])


def solver(settings: Settings) -> caffe_pb2.SolverParameter:
    """Adam, its rate falling to nothing in a straight line."""
    return from_nothing(settings, base_lr=0.002, test_iter=[619])


def _body(net: NetBuilder, body: tuple[Bottleneck, ...], width: float) -> tuple[str, str]:
    """The maps of a stride of 16, as the last stage widens it, and of 32."""
    top = _unit(net, "conv", "data", divisible(STEM * width), 3, stride=2)
    first = ""
    for number, block in enumerate(body, 1):
        top, wide = _bottleneck(net, f"block{number}", block, top, width)
        if block.stride == 2:
            first = wide
    return first, _unit(net, "Conv_1", top, TOP_PER_LAST * net.channels[top])


def _bottleneck(
    net: NetBuilder, name: str, block: Bottleneck, bottom: str, width: float
) -> tuple[str, str]:
    """Its top, and the blob that its first convolution widens."""
    wide, channels = divisible(block.wide * width), divisible(block.channels * width)
    top = bottom
    if wide != net.channels[bottom]:
        top = _unit(net, f"{name}/expand", bottom, wide, swish=block.swish)
    widened = top
    top = _unit(
        net, f"{name}/dw", top, wide, block.kernel, block.stride, group=wide, swish=block.swish
    )
    if block.squeezes:
        top = _squeeze(net, f"{name}/se", top)
    top = net.unit(f"{name}/project", top, channels, linear=True)
    if block.stride == 1 and net.channels[bottom] == channels:
        net.add("Eltwise", name, [bottom, top])
        net.channels[name] = channels
        top = name
    return top, widened


def _unit(
    net: NetBuilder,
    name: str,
    bottom: str,
    channels: int,
    kernel: int = 1,
    stride: int = 1,
    *,
    group: int = 1,
    swish: bool = True,
) -> str:
    """A convolution, its normalisation, and x * sigmoid(x) or ReLU."""
    net.unit(name, bottom, channels, kernel, stride=stride, group=group, linear=swish)
    if not swish:
        return name
    net.add("Sigmoid", f"{name}/sigmoid", [name])
    product = net.add("Eltwise", f"{name}/swish", [name, f"{name}/sigmoid"])
    product.eltwise_param.operation = caffe_pb2.EltwiseParameter.PROD
    net.channels[product.name] = channels
    return product.name


def _squeeze(net: NetBuilder, name: str, bottom: str) -> str:
    """Each channel times a factor that the means of all channels say (arXiv:1709.01507)."""
    channels = net.channels[bottom]
    pooled = net.add("Pooling", f"{name}/pool", [bottom])
    pooled.pooling_param.pool = caffe_pb2.PoolingParameter.AVE
    pooled.pooling_param.global_pooling = True
    net.convolution(f"{name}/down", pooled.name, divisible(channels // 4))
    net.activate(f"{name}/relu", f"{name}/down")
    net.convolution(f"{name}/up", f"{name}/down", channels)
    net.add("Sigmoid", f"{name}/gate", [f"{name}/up"], [f"{name}/up"])
    net.add("Flatten", f"{name}/flat", [f"{name}/up"])
    net.add("Scale", name, [bottom, f"{name}/flat"]).scale_param.axis = 0
    net.channels[name] = channels
    return name


def _extras(net: NetBuilder, bottom: str) -> list[str]:
    """Four more maps, each of half the last one's side."""
    found = []
    for number, channels in enumerate(EXTRAS, 1):
        name = f"extra{number}"
        narrow = net.unit(f"{name}/reduce", bottom, channels // 2)
        own = net.depthwise(f"{name}/dw", narrow, 2)
        bottom = net.unit(name, own, channels)
        found.append(bottom)
    return found
