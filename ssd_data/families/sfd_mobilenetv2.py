"""SFD, a face detector (arXiv:1708.05237), on MobileNet V2: one net and its modifications."""

from __future__ import annotations

from typing import Any

from ssd_data.families.parts.builder import NetBuilder
from ssd_data.families.parts.data import CAFFE_MEAN, coverage_samplers
from ssd_data.families.parts.detector import Design, Settings, Stage, finish, new_solver, start
from ssd_data.families.parts.heads import FeatureMap, Heads, Output, Scoring, with_sizes
from ssd_data.families.parts.mobilenetv2 import STRIDES, Body, MobileNetV2, blocks
from ssd_data.proto import caffe_pb2

TITLE = "SFD, a face detector, on MobileNet V2"
SOURCE = "github.com/bonseyes/SFD"
COMMON: dict[str, Any] = {
    "width_multiplier": 1.0,
    "relu6": False,
    "expand": False,
    "min_sizes": (),
    "aspect_ratios": (),
    "merged": False,
}
LARGE = {"size": (640, 640), "test_batch_size": 2, **COMMON}
SMALL = {"size": (320, 320), "batch_size": 16, "test_batch_size": 4, "iter_size": 2, **COMMON}
VARIANTS: dict[str, dict[str, Any]] = {
    "mod2": {**LARGE, "batch_size": 6, "iter_size": 6},
    "mod2-320": SMALL,
    "plain": {**LARGE, "batch_size": 2, "iter_size": 10},
    "mod1": SMALL,
    "mod3": SMALL,
    "mod4": {**SMALL, "size": (640, 640)},
    "mod5": SMALL,
}
OUTPUT = Output(0.3, 5000, 750, 0.05)
DETECTOR = Design(
    preprocessing=CAFFE_MEAN,
    samplers=coverage_samplers,
    scores=Scoring(logistic=True, overlap=0.3, neg_overlap=0.35),
    heads=Heads(kernel=3, suffix="_"),
    test_output=OUTPUT,
    deploy_output=OUTPUT,
)

EARLY = (2, 1, 1, 1, 1, 2, 1, 1, 1, 1, 1, 1, 2, 1, 1, 1)  # the second halving already in conv_1
MOD5_CHANNELS = (48,) * 5 + (96,) * 7 + (128,) * 4
BODIES = {
    "plain": Body(blocks([6], (1, *STRIDES[1:]))),
    "mod1": Body(blocks([6], EARLY)),
    "mod2": Body(blocks([3], EARLY), mark="_"),
    "mod3": Body(
        blocks([3], (1,) * 16),
        stem_stride=1,
        mark="_",
        pools={-1: "Conv_pool", 1: "conv1_pool", 6: "conv6_pool", 13: "conv13_pool"},
    ),
    "mod4": Body(blocks([3], EARLY), first=24, stem_per_first=2, mark="_", pools={-1: "Conv_pool"}),
    "mod5": Body(
        blocks([2 * stride for stride in EARLY], EARLY, MOD5_CHANNELS),
        first=48,
        narrow=48,
        top=256,
        extras=((128, 256),) * 3,
        mark="_",
    ),
}

# Where the learning rate halves; the last step is also the end.
LARGE_STEPS = {"mod2": (35000, 60000, 80000), "plain": (80000, 90000, 100000)}
SMALL_STEPS = (60000, 80000, 90000)


def build(settings: Settings, stage: Stage) -> caffe_pb2.NetParameter:
    """The net of a stage."""
    net = NetBuilder(
        "MobileNetv2-SSD",
        eps=0.001,
        merged=settings.merged and stage == "deploy",
        relu6=settings.relu6,
    )
    start(net, DETECTOR, settings, stage)
    body = BODIES[settings.variant.split("-")[0]]
    MobileNetV2(net, body, settings.width_multiplier).add()
    return finish(net, DETECTOR, settings, stage, _maps(body, settings))


def _maps(body: Body, settings: Settings) -> list[FeatureMap]:
    """Priors of 16 to 512 pixels whatever the picture's size; the steps are the published ones."""
    names = (f"conv_13/expand{body.mark}", "Conv_1", *(f"layer_19_2_{i}" for i in (2, 3, 4)))
    sizes = ((16.0, 32.0), (64.0,), (128.0,), (256.0,), (512.0,))
    maps = [
        FeatureMap(name, min_sizes=sides, flip=False, step=8 << i)
        for i, (name, sides) in enumerate(zip(names, sizes, strict=True))
    ]
    return with_sizes(maps, settings.min_sizes)


def solver(settings: Settings) -> caffe_pb2.SolverParameter:
    """The variant's ``solver.prototxt``."""
    steps = LARGE_STEPS.get(settings.variant, SMALL_STEPS)
    large = settings.variant in LARGE_STEPS
    return new_solver(
        settings,
        test_iter=[1614 if large else 807],
        test_interval=1000,
        base_lr=0.00005 if large else 0.00004,
        max_iter=steps[-1],
        gamma=0.5,
        weight_decay=0.00001,
        snapshot=5000,
        device_id=0,
        test_initialization=True,
        stepvalue=list(steps),
        type="RMSProp",
    )
