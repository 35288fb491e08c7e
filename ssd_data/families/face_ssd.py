"""A face detector of our own near half a billion multiply-adds at 640x640, and one near a tenth.

Its layers are those that every reader of Caffe's files has: convolutions, ReLU, sums, and a fixed
bilinear Deconvolution. Where its computation goes follows two papers on small face detectors: much
of it into the early maps that small faces are found in, a pyramid that brings context down to
them, two square priors a place on strides of 8, 16 and 32, sigmoid scores (SCRFD,
arXiv:2105.04714; YuNet, doi:10.1007/s11633-023-1423-y).
"""

from __future__ import annotations

from typing import Any

from ssd_data.core.errors import UsageError
from ssd_data.families.parts.builder import NetBuilder
from ssd_data.families.parts.data import CAFFE_MEAN, coverage_samplers
from ssd_data.families.parts.detector import (
    Design,
    Settings,
    Stage,
    finish,
    from_nothing,
    multiplied,
    start,
)
from ssd_data.families.parts.heads import FeatureMap, Heads, Output, Scoring, with_sizes
from ssd_data.proto import caffe_pb2

TITLE = "Faces at strides of 8 to 32 with a pyramid, to learn from nothing"
SOURCE = "this package"
COMMON: dict[str, Any] = {
    "size": (640, 640),
    "batch_size": 16,
    "test_batch_size": 4,
    "iter_size": 1,
    "width_multiplier": 1.0,
    "expand": False,
    "min_sizes": (),
    "aspect_ratios": (),
    "merged": False,
}
VARIANTS: dict[str, dict[str, Any]] = {"500m": COMMON, "100m": COMMON}
OUTPUT = Output(0.45, 5000, 750, 0.02)
DETECTOR = Design(
    preprocessing=CAFFE_MEAN,
    samplers=coverage_samplers,
    scores=Scoring(logistic=True, overlap=0.35, neg_overlap=0.35),
    heads=Heads(kernel=3),
    test_output=OUTPUT,
    deploy_output=OUTPUT,
)
SHORT = 0.98  # BatchNorm's averages forget within 50 iterations

# The stem's channels; then of each stage, which halves the side, its channels and blocks.
BODIES = {
    "500m": (16, ((16, 1), (40, 2), (72, 3), (152, 2), (256, 2))),
    "100m": (8, ((8, 1), (16, 2), (32, 2), (64, 2), (96, 1))),
}
STRIDE = 32  # of the coarsest map
PYRAMID = {"500m": 40, "100m": 24}  # its channels, and the heads'
SIZES = ((16.0, 32.0), (64.0, 128.0), (256.0, 512.0))  # of the priors, whatever the picture's size


def build(settings: Settings, stage: Stage) -> caffe_pb2.NetParameter:
    """The net of a stage.

    Raises:
        UsageError: a side of the input is no multiple of 32.
    """
    if odd := [side for side in settings.size if side % STRIDE]:
        hint = "Its maps are halved five times, and then added up"
        raise UsageError(f"{odd[0]} is no multiple of {STRIDE}", where="--size", hint=hint)
    net = NetBuilder(
        "Face-SSD",
        merged=settings.merged and stage == "deploy",
        moving_average_fraction=SHORT,
    )
    start(net, DETECTOR, settings, stage)
    maps = _pyramid(net, _body(net, settings), multiplied(PYRAMID[settings.variant], settings))
    return finish(net, DETECTOR, settings, stage, with_sizes(maps, settings.min_sizes))


def solver(settings: Settings) -> caffe_pb2.SolverParameter:
    """Adam, its rate falling to nothing in a straight line."""
    return from_nothing(settings, base_lr=0.002, test_iter=[807])


def _body(net: NetBuilder, settings: Settings) -> list[str]:
    """Depthwise blocks; the maps of its last three stages, strides of 8, 16 and 32."""
    stem, stages = BODIES[settings.variant]
    top = net.unit("stem", "data", multiplied(stem, settings), 3, stride=2)
    ends = []
    for number, (channels, blocks) in enumerate(stages):
        for block in range(blocks):
            stride = 2 if number and not block else 1
            name = f"stage{number}_{block + 1}"
            top = _block(net, name, top, multiplied(channels, settings), stride)
        ends.append(top)
    return ends[-3:]


def _block(net: NetBuilder, name: str, bottom: str, channels: int, stride: int = 1) -> str:
    """Each channel's own 3x3, then all of a place together."""
    own = net.depthwise(f"{name}/dw", bottom, stride)
    return net.unit(name, own, channels)


def _pyramid(net: NetBuilder, ends: list[str], channels: int) -> list[FeatureMap]:
    """From the coarsest map down: each is enlarged and added to the next, then one for heads."""
    top, maps = "", []
    for number in reversed(range(len(ends))):
        level = net.unit(f"lateral{number}", ends[number], channels)
        if top:
            level = _sum(net, f"sum{number}", level, _enlarged(net, f"up{number}", top))
        top = _block(net, f"pyramid{number}", level, channels)
        blob = _block(net, f"head{number}", top, channels)
        maps.append(FeatureMap(blob, min_sizes=SIZES[number], flip=False, step=8 << number))
    return maps[::-1]


def _sum(net: NetBuilder, name: str, one: str, other: str) -> str:
    net.add("Eltwise", name, [one, other]).eltwise_param.operation = caffe_pb2.EltwiseParameter.SUM
    net.channels[name] = net.channels[one]
    return name


def _enlarged(net: NetBuilder, name: str, bottom: str) -> str:
    """Twice as wide and high, bilinear; it learns nothing."""
    channels = net.channels[bottom]
    layer = net.add("Deconvolution", name, [bottom])
    layer.param.add(lr_mult=0, decay_mult=0)
    param = layer.convolution_param
    param.num_output = param.group = channels
    param.bias_term = False
    param.pad.append(1)
    param.kernel_size.append(4)
    param.stride.append(2)
    param.weight_filler.type = "bilinear"
    net.channels[name] = channels
    return name
