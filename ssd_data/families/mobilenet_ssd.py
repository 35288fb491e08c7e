"""MobileNet-SSD: MobileNet V1 (arXiv:1704.04861) under six SSD heads, 300x300."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ssd_data.families.parts.builder import CAFFE, NetBuilder
from ssd_data.families.parts.data import HALF_RANGE, jaccard_samplers
from ssd_data.families.parts.detector import (
    SSD_SETTINGS,
    Design,
    Settings,
    Stage,
    finish,
    from_nothing,
    halving_solver,
    multiplied,
    start,
)
from ssd_data.families.parts.heads import Heads, Output, Scoring, ssd_maps
from ssd_data.proto import caffe_pb2

TITLE = "MobileNet V1 with SSD heads"
SOURCE = "github.com/chuanqi305/MobileNet-SSD"
VARIANTS: dict[str, dict[str, Any]] = {
    "v1": {
        **SSD_SETTINGS,
        "from_scratch": False,
        "new_heads": False,
        "merged": True,  # of the deploy net
    }
}
DETECTOR = Design(
    preprocessing=HALF_RANGE,
    samplers=jaccard_samplers,
    scores=Scoring(),
    heads=Heads(conf_lr_mult=1.0),
    test_output=Output(0.45, 400, 200, 0.01),
    deploy_output=Output(0.45, 100, 100, 0.25),
)
NEW_HEADS = "_new"
FINE_TUNING = 0.1  # lr_mult of all but the layers that predict classes

# conv1 … conv13: channels and stride.
BLOCKS = (
    (64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), (512, 1), (512, 1), (512, 1),
    (512, 1), (512, 1), (1024, 2), (1024, 1),
)  # fmt: skip
# conv14 … conv17: channels of the 1x1 and of the strided 3x3 convolution.
EXTRAS = ((256, 512), (128, 256), (128, 256), (64, 128))
MAPS = ("conv11", "conv13", "conv14_2", "conv15_2", "conv16_2", "conv17_2")


def build(settings: Settings, stage: Stage) -> caffe_pb2.NetParameter:
    """The net of a stage."""
    training = stage == "train"
    net = NetBuilder(
        "MobileNet-SSD",
        lr_mult=FINE_TUNING if training and not settings.from_scratch else 1.0,
        merged=settings.merged and stage == "deploy",
        relu6=settings.relu6,
        engine=None if training else CAFFE,
    )
    detector = DETECTOR
    if settings.new_heads:
        detector = replace(DETECTOR, heads=replace(DETECTOR.heads, conf_name=NEW_HEADS))
    start(net, detector, settings, stage)
    top = net.unit("conv0", "data", multiplied(32, settings), 3, stride=2)
    for i, (channels, stride) in enumerate(BLOCKS, 1):
        top = net.depthwise(f"conv{i}/dw", top, stride)
        top = net.unit(f"conv{i}", top, multiplied(channels, settings))
    for i, (narrow, wide) in enumerate(EXTRAS, 14):
        top = net.unit(f"conv{i}_1", top, narrow)
        top = net.unit(f"conv{i}_2", top, wide, 3, stride=2)
    maps = ssd_maps(MAPS, settings.size, settings.min_sizes)
    return finish(net, detector, settings, stage, maps)


def solver(settings: Settings) -> caffe_pb2.SolverParameter:
    """``solver_train.prototxt``; from scratch Adam, at a rate that falls in a straight line."""
    if settings.from_scratch:
        return from_nothing(settings, base_lr=0.008, test_iter=[673])
    return halving_solver(settings, test_iter=[673], base_lr=0.0005, weight_decay=0.00005)
