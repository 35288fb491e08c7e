"""MobileNet V2 (arXiv:1801.04381) with SSDLite heads: depthwise, ReLU6, 300x300."""

from __future__ import annotations

from typing import Any

from ssd_data.families.parts.data import HALF_RANGE, jaccard_samplers
from ssd_data.families.parts.detector import SSD_SETTINGS, Design, Settings, Stage
from ssd_data.families.parts.heads import Heads, Output, Scoring
from ssd_data.families.parts.mobilenetv2 import ssd_net, ssd_solver
from ssd_data.proto import caffe_pb2

TITLE = "MobileNet V2 with SSDLite heads"
SOURCE = "github.com/chuanqi305/MobileNetv2-SSDLite"
VARIANTS: dict[str, dict[str, Any]] = {
    "v2": {
        **SSD_SETTINGS,
        "relu6": True,
        "tf_padding": True,
        "merged": True,  # of all three nets, the heads' depthwise layers excepted
    }
}
DETECTOR = Design(
    preprocessing=HALF_RANGE,
    samplers=jaccard_samplers,
    scores=Scoring(logistic=True),
    heads=Heads(depthwise=True),
    test_output=Output(0.45, 400, 200, 0.01),
    deploy_output=Output(0.45, 100, 100, 0.35),
)


def build(settings: Settings, stage: Stage) -> caffe_pb2.NetParameter:
    """The net of a stage."""
    return ssd_net(settings, stage, DETECTOR, merged=settings.merged)


solver = ssd_solver
