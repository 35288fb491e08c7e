"""Where boxes go and which regions are sampled: against naive twins, and what always holds."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.augment_twin import project, satisfied
from support.pictures import as_rows, picture

from ssd_data import InputError
from ssd_data.batches import generator_at
from ssd_data.batches.augment import DataTransformer, crop, mirror, resize, rows
from ssd_data.batches.augment.sampler import Samplers
from ssd_data.families.parts.data import coverage_samplers, jaccard_samplers
from ssd_data.proto import caffe_pb2

Transform, Constraint = caffe_pb2.TransformationParameter, caffe_pb2.EmitConstraint
CENTER = Constraint(emit_type=Constraint.CENTER)
HALF = Constraint(emit_type=Constraint.MIN_OVERLAP, emit_overlap=0.5)
seeds = st.integers(0, 1 << 32)
single = st.floats(-0.5, 1.5, width=32)
boxes = st.lists(st.tuples(single, single, single, single), max_size=5)


# Boxes.


@given(boxes, st.tuples(single, single, single, single), st.sampled_from([None, CENTER, HALF]))
@settings(max_examples=200)
def test_projected_boxes(found, region, constraint):
    left, right = sorted(region[::2])
    top, bottom = sorted(region[1::2])
    if not (right - left > 1e-3 and bottom - top > 1e-3):
        return
    area = np.array((left, top, right, bottom), np.float32)
    before = as_rows(found)
    after = rows.project(before, area, constraint)
    kept = [(n, project(box, area, constraint)) for n, box in enumerate(found)]
    expected = [(n, box) for n, box in kept if box is not None]
    assert [int(n) for n in after[:, 2]] == [n for n, _ in expected], "the order stays"
    assert np.array_equal(after[:, rows.BOX], np.reshape([box for _, box in expected], (-1, 4)))
    assert np.array_equal(after[:, 7], after[:, 2] % 2), "difficult stays with its box"
    assert ((after[:, rows.BOX] >= 0) & (after[:, rows.BOX] <= 1)).all()


def test_an_emit_constraint_of_nothing_keeps_what_lies_inside():
    inside, half, outside = (0.2, 0.2, 0.4, 0.4), (-0.5, 0, 0.4, 1), (1.1, 0, 1.3, 1)
    found = as_rows([inside, half, outside])
    assert len(rows.project(found, rows.WHOLE, None)) == 2
    assert len(rows.project(found, rows.WHOLE, CENTER)) == 1


def test_mirrored_boxes():
    moved = mirror.move(as_rows([(0.25, 0.1, 0.5, 0.2)]))
    assert moved[0, rows.BOX].tolist() == np.array([0.5, 0.1, 0.75, 0.2], np.float32).tolist()
    pixels = picture(5, 4)
    assert np.array_equal(mirror.apply(pixels), pixels[:, ::-1])


# Batch samplers.


def constraints():
    for kind in ("jaccard_overlap", "sample_coverage", "object_coverage"):
        for low, high in ((0.3, None), (None, 0.3), (0.2, 0.6)):
            bounds = {"min": low, "max": high}
            named = {f"{end}_{kind}": v for end, v in bounds.items() if v is not None}
            yield caffe_pb2.SampleConstraint(**named)
    yield caffe_pb2.SampleConstraint(min_jaccard_overlap=0.2, min_object_coverage=0.9)
    yield caffe_pb2.SampleConstraint(max_sample_coverage=0.4, min_object_coverage=0.5)


@pytest.mark.parametrize("constraint", list(constraints()), ids=lambda c: str(c).strip())
@given(seeds, boxes)
@settings(max_examples=25)
def test_constraints(constraint, seed, found):
    sampler = caffe_pb2.BatchSampler(sample_constraint=constraint, max_trials=20)
    found = np.array(found, np.float32).reshape(-1, 4)
    low, high = np.random.default_rng(seed).random((2, 20, 2), np.float32)
    tried = np.hstack([np.minimum(low, high), np.maximum(low, high)])
    expected = [satisfied(region, found, constraint) for region in tried]
    assert Samplers([sampler]).fitting(tried, found).tolist() == expected


@given(seeds, boxes, st.floats(0.01, 1), st.floats(0.01, 1), st.floats(0.1, 9), st.floats(0.1, 9))
@settings(max_examples=150)
def test_no_sampler_leaves_the_picture(seed, found, scale, other, aspect, ratio):
    sampler = caffe_pb2.BatchSampler(max_trials=30)
    sampler.sampler.min_scale, sampler.sampler.max_scale = sorted((scale, other))
    low, high = sorted((aspect, ratio))
    sampler.sampler.min_aspect_ratio, sampler.sampler.max_aspect_ratio = low, high
    found = np.array(found, np.float32).reshape(-1, 4)
    region = Samplers([sampler]).draw(found, generator_at(seed, 0))
    assert region is not None
    assert (region >= 0).all()
    assert (region <= 1).all(), "the original draws a width of 1.0000001 and aborts"
    for size in ((1, 1), (3, 500), (500, 375)):
        left, top, right, bottom = crop.rect(region, *size)
        assert 0 <= left < right <= size[0]
        assert 0 <= top < bottom <= size[1]


def test_a_sampler_keeps_the_first_of_those_that_fit():
    whole = caffe_pb2.BatchSampler(max_sample=1, max_trials=1)
    never = caffe_pb2.BatchSampler(max_sample=1, max_trials=50)
    never.sampler.max_scale = never.sampler.min_scale = 0.5
    never.sample_constraint.min_object_coverage = 1.0
    box = np.array([[0, 0, 1, 1]], np.float32)
    regions = [Samplers([whole, never]).draw(box, generator_at(0, n)) for n in range(20)]
    assert all(region.tolist() == [0, 0, 1, 1] for region in regions)
    assert Samplers([never]).draw(box, generator_at(0, 0)) is None
    assert Samplers([]).draw(box, generator_at(0, 0)) is None
    off = caffe_pb2.BatchSampler(use_original_image=False)
    assert Samplers([off]).draw(box, generator_at(0, 0)) is None


def test_more_boxes_than_are_compared_at_a_time(monkeypatch):
    monkeypatch.setattr("ssd_data.batches.augment.sampler.BOXES", 2)
    constraint = caffe_pb2.SampleConstraint(min_object_coverage=1.0)
    sampler = Samplers([caffe_pb2.BatchSampler(sample_constraint=constraint, max_trials=3)])
    tried = np.array([[0, 0, 0.5, 1], [0.5, 0, 1, 1], [0.4, 0, 0.6, 1]], np.float32)
    found = np.tile(np.array([[0.1, 0.1, 0.3, 0.3]], np.float32), (5, 1))
    found[4] = 0.6, 0.1, 0.9, 0.9
    assert sampler.fitting(tried, found).tolist() == [True, True, False]


def test_each_region_that_was_kept_is_as_likely():
    """Of SSD's seven only the first can keep a region where there is no box."""
    regions = [Samplers(jaccard_samplers()).draw(np.zeros((0, 4), np.float32), generator_at(0, n))
               for n in range(50)]  # fmt: skip
    assert all(region.tolist() == [0, 0, 1, 1] for region in regions)
    assert (
        Samplers(coverage_samplers()).draw(np.zeros((0, 4), np.float32), generator_at(0, 0)) is None
    )
    half = [caffe_pb2.BatchSampler(max_sample=n, max_trials=9) for n in (1, 3)]
    half[1].sampler.min_scale = half[1].sampler.max_scale = 0.5
    box = np.array([[0, 0, 1, 1]], np.float32)
    small = [Samplers(half).draw(box, generator_at(1, n))[2:].max() < 1 for n in range(800)]
    assert 0.7 < np.mean(small) < 0.8


@pytest.mark.parametrize(
    "fault", ["min_scale: 0", "min_scale: .9 max_scale: .5", "max_scale: 1.1", "min_scale: nan",
              "min_aspect_ratio: 0", "min_aspect_ratio: 2", "max_aspect_ratio: inf"],
)  # fmt: skip
def test_samplers_that_cannot_work(fault):
    from google.protobuf import text_format

    sampler = caffe_pb2.BatchSampler(sampler=text_format.Parse(fault, caffe_pb2.Sampler()))
    with pytest.raises(InputError, match="layer x: a batch_sampler"):
        DataTransformer(Transform(), [sampler], where="layer x")


# Resize.


def resized_box(box, param, width, height):
    """UpdateBBoxByResizePolicy, a number at a time in doubles."""
    xmin, ymin, xmax, ymax = box
    wide, high = float(param.width), float(param.height)
    left = top = 0.0
    inner_w, inner_h = wide, high
    if param.resize_mode == resize.FIT_LARGE_AND_PAD:
        if width / height > wide / high:
            inner_h = wide * height / width
            top = (high - inner_h) / 2
        else:
            inner_w = high * width / height
            left = (wide - inner_w) / 2
    xs = left + max(0, xmin * inner_w), left + min(wide, xmax * inner_w)
    ys = top + max(0, ymin * inner_h), top + min(high, ymax * inner_h)
    if param.resize_mode == resize.FIT_SMALL:  # its own size, of which fractions stay
        return [max(0, xmin), max(0, ymin), min(1, xmax), min(1, ymax)]
    return [xs[0] / wide, ys[0] / high, xs[1] / wide, ys[1] / high]


@pytest.mark.parametrize("mode", [resize.WARP, resize.FIT_SMALL, resize.FIT_LARGE_AND_PAD])
@given(st.integers(1, 300), st.integers(1, 300), boxes)
@settings(max_examples=60)
def test_resized(mode, width, height, found):
    param = caffe_pb2.ResizeParameter(resize_mode=mode, width=60, height=40, pad_value=[7])
    if max(width / height, height / width) > 50:
        return
    pixels = resize.apply(picture(width, height), param, cv2.INTER_LINEAR)
    wide, high = resize.new_size(param, width, height)
    assert wide >= 1
    assert high >= 1
    if mode == resize.FIT_LARGE_AND_PAD:
        assert pixels.shape == (40, 60, 3)
        assert wide == 60 or high == 40
        left, top = (60 - wide) // 2, (40 - high) // 2
        inside = pixels[top : top + high, left : left + wide]
        assert np.array_equal(inside, cv2.resize(picture(width, height), (wide, high)))
        framed = pixels.astype(int).sum() - inside.astype(int).sum()
        assert framed == 7 * 3 * (60 * 40 - wide * high)
    else:
        assert pixels.shape == (high, wide, 3)
        assert (
            mode != resize.FIT_SMALL or (wide >= 60 and high >= 39) or (wide >= 59 and high >= 40)
        )
    moved = resize.move(as_rows(found), param, width, height)[:, rows.BOX]
    expected = [resized_box(box, param, width, height) for box in found]
    assert np.allclose(moved, np.reshape(expected, (-1, 4)), atol=1e-5)


def test_interpolations_are_opencvs():
    param = caffe_pb2.ResizeParameter(width=30, height=20)
    assert resize.draw(param, generator_at(0, 0)) == cv2.INTER_LINEAR
    modes = caffe_pb2.ResizeParameter.Interp_mode.keys()
    for mode in modes:
        del param.interp_mode[:]
        param.interp_mode.append(getattr(caffe_pb2.ResizeParameter, mode))
        drawn = resize.draw(param, generator_at(0, 0))
        assert drawn == getattr(cv2, f"INTER_{mode}")
        pixels = picture(57, 43)
        expected = cv2.resize(pixels, (30, 20), interpolation=drawn)
        assert np.array_equal(resize.apply(pixels, param, drawn), expected)
        near = resize.apply(pixels, param, drawn, exact=False).astype(int)
        assert np.abs(near - expected).max() <= 1
    del param.interp_mode[:]
    param.interp_mode.extend(caffe_pb2.ResizeParameter.Interp_mode.values())
    assert len({resize.draw(param, generator_at(0, n)) for n in range(60)}) == 5


def test_extrapolated_boxes():
    param = caffe_pb2.ResizeParameter(resize_mode=resize.FIT_SMALL, width=60, height=60)
    found = as_rows([(0.5, 0.5, 1, 1)])
    assert resize.extrapolate(found, param, (200, 100), rows.WHOLE) is found
    param.width_scale, param.height_scale = 30, 60
    moved = resize.extrapolate(found, param, (200, 100), rows.WHOLE)  # resized to 120x60
    assert moved[0, rows.BOX].tolist() == [2, 0.5, 4, 1]
    param.width_scale = 300
    with pytest.raises(InputError, match="width_scale"):
        resize.extrapolate(found, param, (200, 100), rows.WHOLE)
