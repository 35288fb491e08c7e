"""Where a detector's pictures come from: data layers and their augmentation, or an input."""

from __future__ import annotations

from collections.abc import Iterable

from ssd_data.families.parts.builder import NetBuilder
from ssd_data.nets.preprocessing import Preprocessing
from ssd_data.proto import caffe_pb2

TRAIN, TEST = caffe_pb2.TRAIN, caffe_pb2.TEST
TRAIN_SOURCE, TEST_SOURCE, LABEL_MAP_FILE = "trainval_lmdb", "test_lmdb", "labelmap.prototxt"
_RESIZE = caffe_pb2.ResizeParameter
_INTERPOLATIONS = (
    _RESIZE.LINEAR,
    _RESIZE.AREA,
    _RESIZE.NEAREST,
    _RESIZE.CUBIC,
    _RESIZE.LANCZOS4,
)
JACCARD_OVERLAPS = (0.1, 0.3, 0.5, 0.7, 0.9)


CAFFE_MEAN = Preprocessing((104.0, 117.0, 123.0))
HALF_RANGE = Preprocessing((127.5, 127.5, 127.5), 0.007843)


def input_blob(net: NetBuilder, size: tuple[int, int]) -> None:
    """The input ``data`` of one picture of that size (width, height), as deploy nets declare it."""
    width, height = size
    net.net.input.append("data")
    net.net.input_shape.add(dim=[1, 3, height, width])


def training_data(
    net: NetBuilder,
    preprocessing: Preprocessing,
    size: tuple[int, int],
    batch_size: int,
    samplers: Iterable[caffe_pb2.BatchSampler],
    *,
    expand: bool,
) -> None:
    """The training phase's data layer.

    Colours are distorted and pictures mirrored as in SSD (arXiv:1512.02325, section 2.2);
    ``expand`` also places half of them in a larger area, up to four times as wide.
    """
    layer = _data_layer(net, TRAIN, preprocessing, size, batch_size)
    transform = layer.transform_param
    transform.mirror = True
    transform.resize_param.interp_mode.extend(_INTERPOLATIONS)
    transform.emit_constraint.emit_type = caffe_pb2.EmitConstraint.CENTER
    distort = transform.distort_param
    distort.brightness_prob = distort.contrast_prob = 0.5
    distort.hue_prob = distort.saturation_prob = 0.5
    distort.brightness_delta, distort.hue_delta = 32, 18
    distort.contrast_lower = distort.saturation_lower = 0.5
    distort.contrast_upper = distort.saturation_upper = 1.5
    distort.random_order_prob = 0
    if expand:
        transform.expand_param.prob = 0.5
        transform.expand_param.max_expand_ratio = 4
    layer.annotated_data_param.batch_sampler.extend(samplers)


def test_data(
    net: NetBuilder, preprocessing: Preprocessing, size: tuple[int, int], batch_size: int
) -> None:
    """The test phase's data layer: whole pictures, resized."""
    layer = _data_layer(net, TEST, preprocessing, size, batch_size)
    layer.transform_param.resize_param.interp_mode.append(_INTERPOLATIONS[0])
    layer.annotated_data_param.batch_sampler.add()


def overlap_samplers(overlaps: Iterable[float]) -> list[caffe_pb2.BatchSampler]:
    """The picture, and for each of ``overlaps`` a crop that overlaps a box by as much."""
    samplers = [caffe_pb2.BatchSampler(max_sample=1, max_trials=1)]
    for overlap in overlaps:
        sampler = _sampler(0.3)
        sampler.sampler.min_aspect_ratio, sampler.sampler.max_aspect_ratio = 0.5, 2
        sampler.sample_constraint.min_jaccard_overlap = overlap
        samplers.append(sampler)
    return samplers


def jaccard_samplers() -> list[caffe_pb2.BatchSampler]:
    """SSD's seven: the picture, a crop that overlaps a box by .1, .3, .5, .7 or .9, or any."""
    samplers = overlap_samplers(JACCARD_OVERLAPS)
    anywhere = _sampler(0.3)
    anywhere.sampler.CopyFrom(samplers[-1].sampler)
    anywhere.sample_constraint.max_jaccard_overlap = 1
    return [*samplers, anywhere]


def coverage_samplers() -> list[caffe_pb2.BatchSampler]:
    """SFD's five: one crop of the whole, four of 0.3 to 1 of its size; all hold a whole box."""
    samplers = [_sampler(scale) for scale in (1.0, 0.3, 0.3, 0.3, 0.3)]
    for sampler in samplers:
        sampler.sampler.min_aspect_ratio = sampler.sampler.max_aspect_ratio = 1
        sampler.sample_constraint.min_object_coverage = 1
    return samplers


def _sampler(min_scale: float) -> caffe_pb2.BatchSampler:
    sampler = caffe_pb2.BatchSampler(max_sample=1, max_trials=50)
    sampler.sampler.min_scale, sampler.sampler.max_scale = min_scale, 1
    return sampler


def _data_layer(
    net: NetBuilder,
    phase: caffe_pb2.Phase,
    how: Preprocessing,
    size: tuple[int, int],
    batch_size: int,
) -> caffe_pb2.LayerParameter:
    layer = net.add("AnnotatedData", "data", [], ["data", "label"])
    layer.include.add(phase=phase)
    transform = layer.transform_param
    if how.scale != 1:
        transform.scale = how.scale
    transform.mean_value.extend(how.mean)
    transform.resize_param.prob = 1
    transform.resize_param.width, transform.resize_param.height = size
    layer.data_param.source = TRAIN_SOURCE if phase == TRAIN else TEST_SOURCE
    layer.data_param.batch_size = batch_size
    layer.data_param.backend = caffe_pb2.DataParameter.LMDB
    layer.annotated_data_param.label_map_file = LABEL_MAP_FILE
    return layer
