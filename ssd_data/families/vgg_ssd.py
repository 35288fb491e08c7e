"""SSD300 and SSD512 (arXiv:1512.02325) on VGG-16, as the SSD branch's scripts make them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from ssd_data.families.parts.builder import NetBuilder
from ssd_data.families.parts.data import CAFFE_MEAN, jaccard_samplers
from ssd_data.families.parts.detector import Design, Settings, Stage, finish, start
from ssd_data.families.parts.heads import FeatureMap, Heads, Output, Scoring, rising_maps
from ssd_data.families.parts.vgg import add_pair, add_vgg, vgg_solver
from ssd_data.proto import caffe_pb2

TITLE = "SSD300 and SSD512 on VGG-16"
SOURCE = "github.com/weiliu89/caffe (branch ssd)"
OUTPUT = Output(0.45, 400, 200, 0.01)
DETECTOR = Design(
    preprocessing=CAFFE_MEAN,
    samplers=jaccard_samplers,
    scores=Scoring(),
    heads=Heads(kernel=3),
    test_output=OUTPUT,
    deploy_output=OUTPUT,
    pixels=True,
)
HALVE, SHRINK, END = (3, 2, 1), (3, 1, 0), (4, 1, 1)  # kernel, stride, pad


@dataclass(frozen=True, slots=True)
class Extent:
    """The numbers that go with an input size.

    Attributes:
        pairs: conv6 and following: channels of the 1x1 and the other convolution, and its shape.
        sizes: the priors' sides in pixels and, at the end, the last map's max_size.
        steps: pixels from one prior to the next.
        few: maps without priors of aspect ratio 3.
    """

    pairs: tuple[tuple[int, int, tuple[int, int, int]], ...]
    sizes: tuple[float, ...]
    steps: tuple[int, ...]
    few: tuple[int, ...]


EXTENTS = {
    "ssd300": Extent(
        ((256, 512, HALVE), (128, 256, HALVE), (128, 256, SHRINK), (128, 256, SHRINK)),
        (30, 60, 111, 162, 213, 264, 315),
        (8, 16, 32, 64, 100, 300),
        (0, 4, 5),
    ),
    "ssd512": Extent(
        ((256, 512, HALVE), *((128, 256, HALVE),) * 3, (128, 256, END)),
        (35.84, 76.8, 153.6, 230.4, 307.2, 384, 460.8, 537.6),
        (8, 16, 32, 64, 128, 256, 512),
        (0, 5, 6),
    ),
}
COMMON: dict[str, Any] = {
    "test_batch_size": 8,
    "expand": True,
    "min_sizes": (),
    "max_sizes": (),
    "aspect_ratios": (),
}
VARIANTS: dict[str, dict[str, Any]] = {
    "ssd300": {"size": (300, 300), "batch_size": 32, "iter_size": 1, **COMMON},
    "ssd512": {"size": (512, 512), "batch_size": 16, "iter_size": 2, **COMMON},
}
FIXED = ("size",)  # layers, priors and steps are made for it: take the other variant


def build(settings: Settings, stage: Stage) -> caffe_pb2.NetParameter:
    """The net of a stage."""
    width, height = settings.size
    net = NetBuilder(f"VGG_SSD_{width}x{height}", filler="xavier")
    start(net, DETECTOR, settings, stage)
    extent = EXTENTS[settings.variant]
    top = add_vgg(net, keep_size=True)
    blobs = ["conv4_3", top]
    for number, (narrow, wide, last) in enumerate(extent.pairs, 6):
        top = add_pair(net, number, top, narrow, wide, last=last)
        blobs.append(top)
    return finish(net, DETECTOR, settings, stage, _maps(blobs, extent, settings))


def _maps(blobs: list[str], extent: Extent, settings: Settings) -> list[FeatureMap]:
    maps = rising_maps(blobs, settings.min_sizes or extent.sizes[:-1], extent.sizes[-1])
    return [
        replace(
            one,
            aspect_ratios=(2.0,) if i in extent.few else (2.0, 3.0),
            norm=20 if one.blob == "conv4_3" else 0,
            step=extent.steps[i],
        )
        for i, one in enumerate(maps)
    ]


def solver(settings: Settings) -> caffe_pb2.SolverParameter:
    """The solver of ``ssd_pascal.py``; 4,952 test pictures are those of VOC2007."""
    return vgg_solver(
        settings,
        test_iter=[-(-4952 // settings.test_batch_size)],
        test_interval=10000,
        snapshot=80000,
        test_initialization=False,
    )
