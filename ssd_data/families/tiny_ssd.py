"""A small SSD of our own: nine convolutions under four heads, 128x128, that learns from nothing.

Deep bodies of depthwise layers want ImageNet's weights before they learn to detect; this one does
not, which makes it the net to try a data set with.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ssd_data.families.parts.builder import NetBuilder
from ssd_data.families.parts.data import HALF_RANGE, overlap_samplers
from ssd_data.families.parts.detector import (
    SSD_SETTINGS,
    Design,
    Settings,
    Stage,
    finish,
    from_nothing,
    multiplied,
    start,
)
from ssd_data.families.parts.heads import FeatureMap, Heads, Output, Scoring, rising_maps
from ssd_data.proto import caffe_pb2

TITLE = "Nine convolutions with SSD heads, to learn from nothing in minutes"
SOURCE = "this package"
VARIANTS: dict[str, dict[str, Any]] = {
    "tiny": {
        **SSD_SETTINGS,
        "size": (128, 128),
        "batch_size": 8,
        "test_batch_size": 10,
        "expand": False,
        "merged": False,  # of the deploy net: trained weights load into it as they are
    }
}
DETECTOR = Design(
    preprocessing=HALF_RANGE,
    samplers=lambda: overlap_samplers((0.5, 0.7)),
    scores=Scoring(),
    heads=Heads(kernel=3),
    test_output=Output(0.45, 400, 200, 0.01),
    deploy_output=Output(0.45, 100, 100, 0.25),
)
SHORT = 0.98  # BatchNorm's averages forget within 50 iterations: a training has few

# conv1 … conv9: channels and stride.
BODY = ((16, 2), (32, 2), (64, 1), (96, 2), (96, 1), (128, 2), (128, 1), (128, 2), (128, 2))
MAPS = {"conv5": 0.1, "conv7": 0.22, "conv8": 0.42, "conv9": 0.7}  # sides of the input's


def build(settings: Settings, stage: Stage) -> caffe_pb2.NetParameter:
    """The net of a stage."""
    net = NetBuilder(
        "Tiny-SSD",
        merged=settings.merged and stage == "deploy",
        relu6=settings.relu6,
        moving_average_fraction=SHORT,
    )
    start(net, DETECTOR, settings, stage)
    top = "data"
    for i, (channels, stride) in enumerate(BODY, 1):
        top = net.unit(f"conv{i}", top, multiplied(channels, settings), 3, stride=stride)
    return finish(net, DETECTOR, settings, stage, _maps(settings))


def solver(settings: Settings) -> caffe_pb2.SolverParameter:
    """Adam, its rate falling to nothing in a straight line."""
    return from_nothing(settings, base_lr=0.004, test_iter=[100])


def _maps(settings: Settings) -> list[FeatureMap]:
    """Priors of both shapes at each place."""
    side = min(settings.size)
    sizes = settings.min_sizes or tuple(float(round(side * share)) for share in MAPS.values())
    return [replace(one, aspect_ratios=(2.0,)) for one in rising_maps(MAPS, sizes, float(side))]
