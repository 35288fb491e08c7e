"""SFD, a face detector (arXiv:1708.05237), on VGG-16, 640x640."""

from __future__ import annotations

from typing import Any

from ssd_data.families.parts.builder import NetBuilder
from ssd_data.families.parts.data import CAFFE_MEAN, coverage_samplers
from ssd_data.families.parts.detector import Design, Settings, Stage, finish, start
from ssd_data.families.parts.heads import FeatureMap, Heads, Output, Scoring, with_sizes
from ssd_data.families.parts.vgg import add_pair, add_vgg, vgg_solver
from ssd_data.proto import caffe_pb2

TITLE = "SFD, a face detector, on VGG-16"
SOURCE = "github.com/bonseyes/SFD"
VARIANTS: dict[str, dict[str, Any]] = {
    "vgg16": {
        "size": (640, 640),
        "batch_size": 8,
        "test_batch_size": 4,
        "iter_size": 4,
        "expand": False,
        "min_sizes": (),
        "aspect_ratios": (),
    }
}
OUTPUT = Output(0.3, 5000, 750, 0.05)
DETECTOR = Design(
    preprocessing=CAFFE_MEAN,
    samplers=coverage_samplers,
    scores=Scoring(overlap=0.35, neg_overlap=0.35),
    heads=Heads(kernel=3),
    test_output=OUTPUT,
    deploy_output=OUTPUT,
    pixels=True,
)
# Blob, its Normalize layer's first factor, side of its priors.
MAPS = (
    ("conv3_3", 10, 16),
    ("conv4_3", 8, 32),
    ("conv5_3", 5, 64),
    ("fc7", 0, 128),
    ("conv6_2", 0, 256),
    ("conv7_2", 0, 512),
)


def build(settings: Settings, stage: Stage) -> caffe_pb2.NetParameter:
    """The net of a stage."""
    net = NetBuilder("SFD_nm_640x640_WiderFace", filler="xavier")
    start(net, DETECTOR, settings, stage)
    top = add_vgg(net, keep_size=False)
    top = add_pair(net, 6, top, 256, 512, last=(3, 2, 1))
    add_pair(net, 7, top, 128, 256, last=(3, 2, 1))
    maps = [
        FeatureMap(blob, min_sizes=(float(side),), norm=norm, step=4 << i)
        for i, (blob, norm, side) in enumerate(MAPS)
    ]
    return finish(net, DETECTOR, settings, stage, with_sizes(maps, settings.min_sizes))


def solver(settings: Settings) -> caffe_pb2.SolverParameter:
    """The published ``solver.prototxt``."""
    return vgg_solver(
        settings, test_iter=[807], test_interval=1000, snapshot=2500, test_initialization=True
    )
