"""What the nets of all families have in common: their settings, how they start, how they end."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

from ssd_data.core.errors import UsageError
from ssd_data.families.parts.builder import NetBuilder
from ssd_data.families.parts.data import input_blob, test_data, training_data
from ssd_data.families.parts.heads import (
    FeatureMap,
    Heads,
    Output,
    Scoring,
    add_heads,
    detections,
    evaluation,
    loss,
    with_shapes,
)
from ssd_data.nets.preprocessing import Preprocessing
from ssd_data.proto import caffe_pb2

Scores: TypeAlias = Literal["softmax", "sigmoid"]
Stage: TypeAlias = Literal["train", "test", "deploy"]
STAGES: tuple[Stage, ...] = ("train", "test", "deploy")
# What chuanqi305's conversions of TensorFlow's SSDs have in common.
SSD_SETTINGS: dict[str, Any] = {
    "size": (300, 300),
    "batch_size": 24,
    "test_batch_size": 8,
    "iter_size": 1,
    "width_multiplier": 1.0,
    "relu6": False,
    "expand": True,
    "min_sizes": (),
    "max_sizes": (),
    "aspect_ratios": (),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """A net's settings. A family's variants say which of them it has, and their published values.

    Attributes:
        variant: the variant's name.
        num_classes: classes, the background included.
        size: width and height of the input in pixels.
        batch_size: pictures in a training batch.
        test_batch_size: pictures in a test batch.
        iter_size: batches that one step of the solver adds up.
        width_multiplier: times the channels of the body.
        relu6: activations stop at 6.
        expand: training also places pictures in a larger area.
        min_sizes: the priors' sides in pixels, map by map; empty for the family's own.
        max_sizes: of the second square priors, map by map; empty for the family's own.
        aspect_ratios: of the other priors, a tuple a map or one for all; empty likewise.
        from_scratch: all layers learn at the same rate.
        new_heads: layers that predict classes have names that no published weights have.
        tf_padding: strided layers pad as TensorFlow does.
        scores: what class scores come from: one softmax over all, or a sigmoid each.
        merged: BatchNorm is in the convolutions (which nets that concerns is the family's).
    """

    variant: str
    num_classes: int
    size: tuple[int, int]
    batch_size: int
    test_batch_size: int
    iter_size: int = 1
    width_multiplier: float = 1.0
    relu6: bool = False
    expand: bool = False
    min_sizes: tuple[float, ...] = ()
    max_sizes: tuple[float, ...] = ()
    aspect_ratios: tuple[tuple[float, ...], ...] = ()
    from_scratch: bool = False
    new_heads: bool = False
    tf_padding: bool = False
    scores: Scores = "softmax"
    merged: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Design:
    """What a family's nets do before and behind their layers.

    Attributes:
        preprocessing: of all its nets.
        samplers: makes the crops of its training.
        scores: how classes are scored.
        heads: how its heads look.
        test_output: DetectionOutput's thresholds in the test net.
        deploy_output: those in the deploy net.
        pixels: the published test net knows the pictures' sizes and evaluates in pixels.
    """

    preprocessing: Preprocessing
    samplers: Callable[[], Iterable[caffe_pb2.BatchSampler]]
    scores: Scoring
    heads: Heads
    test_output: Output
    deploy_output: Output
    pixels: bool = False


def start(net: NetBuilder, detector: Design, settings: Settings, stage: Stage) -> None:
    """The data layer or the input of a net."""
    how, size = detector.preprocessing, settings.size
    if stage == "train":
        samplers = detector.samplers()
        training_data(net, how, size, settings.batch_size, samplers, expand=settings.expand)
    elif stage == "test":
        test_data(net, how, size, settings.test_batch_size)
    else:
        input_blob(net, size)


def finish(
    net: NetBuilder,
    detector: Design,
    settings: Settings,
    stage: Stage,
    maps: Iterable[FeatureMap],
) -> caffe_pb2.NetParameter:
    """Heads, and the loss or the detections and their evaluation; the whole net."""
    classes = settings.num_classes
    scores = replace(detector.scores, logistic=settings.scores == "sigmoid")
    maps = with_shapes(maps, settings.max_sizes, settings.aspect_ratios)
    heads = add_heads(net, maps, classes, detector.heads)
    if stage == "train":
        loss(net, heads, classes, scores)
        return net.net
    output = detector.test_output if stage == "test" else detector.deploy_output
    detections(net, heads, classes, scores, output)
    if stage == "test":
        evaluation(net, classes)
    return net.net


def multiplied(channels: int, settings: Settings) -> int:
    """Times the width multiplier, rounded down as MobileNet-SSD's published generator does.

    Raises:
        UsageError: no channel is left.
    """
    result = int(channels * settings.width_multiplier)
    if result < 1:
        raise UsageError(
            f"{settings.width_multiplier:g} leaves no channel of {channels}",
            where="--width-multiplier",
        )
    return result


def new_solver(
    settings: Settings, *, lr_policy: str = "multistep", **values: Any
) -> caffe_pb2.SolverParameter:
    """A solver with what all published ones have, and with ``values``; nets are not named yet."""
    return caffe_pb2.SolverParameter(
        display=10,
        average_loss=10,
        lr_policy=lr_policy,
        iter_size=settings.iter_size,
        solver_mode=caffe_pb2.SolverParameter.GPU,
        debug_info=False,
        snapshot_after_train=True,
        eval_type="detection",
        ap_version="11point",
        **values,
    )


def halving_solver(settings: Settings, **values: Any) -> caffe_pb2.SolverParameter:
    """chuanqi305's solver: RMSProp, its rate halved twice."""
    return new_solver(
        settings,
        test_interval=10000,
        max_iter=120000,
        gamma=0.5,
        snapshot=1000,
        test_initialization=False,
        stepvalue=[20000, 40000],
        type="RMSProp",
        **values,
    )


def from_nothing(settings: Settings, **values: Any) -> caffe_pb2.SolverParameter:
    """A solver for a net without weights to begin with: Adam, its rate falling in a straight line.

    6,000 iterations are enough for hundreds of pictures; a larger set needs a larger max_iter.
    """
    return new_solver(
        settings,
        lr_policy="poly",
        max_iter=6000,
        power=1.0,
        momentum=0.9,
        momentum2=0.999,
        weight_decay=0.0001,
        test_interval=1000,
        snapshot=1000,
        test_initialization=False,
        type="Adam",
        **values,
    )
