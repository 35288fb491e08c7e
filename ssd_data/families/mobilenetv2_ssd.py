"""MobileNet V2 (arXiv:1801.04381) under six SSD heads, 300x300, converted from TensorFlow."""

from __future__ import annotations

from typing import Any

from ssd_data.families.parts.data import HALF_RANGE, jaccard_samplers
from ssd_data.families.parts.detector import SSD_SETTINGS, Design, Settings, Stage
from ssd_data.families.parts.heads import Heads, Output, Scoring
from ssd_data.families.parts.mobilenetv2 import ssd_net, ssd_solver
from ssd_data.proto import caffe_pb2

TITLE = "MobileNet V2 with SSD heads"
SOURCE = "github.com/chuanqi305/MobileNetv2-SSDLite"
VARIANTS: dict[str, dict[str, Any]] = {
    "v2": {
        **SSD_SETTINGS,
        "tf_padding": True,
        "merged": False,  # of the deploy net
    }
}
DETECTOR = Design(
    preprocessing=HALF_RANGE,
    samplers=jaccard_samplers,
    scores=Scoring(logistic=True),
    heads=Heads(kernel=3),
    test_output=Output(0.45, 400, 200, 0.01),
    deploy_output=Output(0.45, 100, 100, 0.25),
)


def build(settings: Settings, stage: Stage) -> caffe_pb2.NetParameter:
    """The net of a stage."""
    return ssd_net(settings, stage, DETECTOR, merged=settings.merged and stage == "deploy")


solver = ssd_solver
