"""MobileNet V2 (arXiv:1801.04381) with SSDLite heads: depthwise, ReLU6, 300x300."""

from __future__ import annotations

from typing import Any

from ssd_data.mobilenetv2 import Body, MobileNetV2, blocks
from ssd_data.netbuilder import NetBuilder
from ssd_data.netdata import HALF_RANGE, jaccard_samplers
from ssd_data.netdesign import Detector, Settings, Stage, finish, new_solver, start
from ssd_data.netheads import Heads, Output, Scores, ssd_maps
from ssd_data.proto import caffe_pb2

TITLE = "MobileNet V2 with SSDLite heads"
SOURCE = "github.com/chuanqi305/MobileNetv2-SSDLite"
VARIANTS: dict[str, dict[str, Any]] = {
    "v2": {
        "size": (300, 300),
        "batch_size": 24,
        "test_batch_size": 8,
        "iter_size": 1,
        "width_multiplier": 1.0,
        "relu6": True,
        "min_sizes": (),
        "tf_padding": True,
        "merged": True,  # of all three nets, the heads' depthwise layers excepted
    }
}
DETECTOR = Detector(
    preprocessing=HALF_RANGE,
    samplers=jaccard_samplers,
    expand=True,
    scores=Scores(logistic=True),
    heads=Heads(depthwise=True),
    test_output=Output(0.45, 400, 200, 0.01),
    deploy_output=Output(0.45, 100, 100, 0.35),
)
BODY = Body(blocks([6]), extras=((256, 512), (128, 256), (128, 256), (64, 128)))
MAPS = ("conv_13/expand", "Conv_1", *(f"layer_19_2_{i}" for i in (2, 3, 4, 5)))


def build(settings: Settings, stage: Stage) -> caffe_pb2.NetParameter:
    """The net of a stage."""
    net = NetBuilder(
        "MobileNetv2-SSDLite",
        eps=0.001,
        merged=settings.merged,
        relu6=settings.relu6,
    )
    start(net, DETECTOR, settings, stage)
    padded = settings.size if settings.tf_padding else None
    MobileNetV2(net, BODY, settings.width_multiplier, padded).add()
    maps = ssd_maps(MAPS, settings.size, settings.min_sizes)
    return finish(net, DETECTOR, settings, stage, maps)


def solver(settings: Settings) -> caffe_pb2.SolverParameter:
    """``solver_train.prototxt``; interval and batches of the test as ``solver_test`` has them."""
    return new_solver(
        settings,
        test_iter=[1000],
        test_interval=10000,
        base_lr=0.00001,
        max_iter=120000,
        gamma=0.5,
        weight_decay=0.00001,
        snapshot=1000,
        test_initialization=False,
        stepvalue=[20000, 40000],
        type="RMSProp",
    )
