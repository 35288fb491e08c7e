"""Each step against a naive twin, and what must hold whatever is drawn."""

import augment_twin
import cv2
import numpy as np
import pytest
from augment_twin import draft, project, satisfied
from hypothesis import given, settings
from hypothesis import strategies as st

from ssd_data import InputError
from ssd_data.augment import Transformer, crop, distort, expand, mirror, noise, resize, rows
from ssd_data.augment.canvas import Canvas, round_trip
from ssd_data.augment.sampler import Samplers
from ssd_data.augment.values import Values
from ssd_data.batches import generator_at
from ssd_data.families import generate
from ssd_data.netdata import coverage_samplers, jaccard_samplers
from ssd_data.proto import caffe_pb2
from ssd_data.structures import Record

Transform, Constraint = caffe_pb2.TransformationParameter, caffe_pb2.EmitConstraint
CENTER = Constraint(emit_type=Constraint.CENTER)
HALF = Constraint(emit_type=Constraint.MIN_OVERLAP, emit_overlap=0.5)
FAMILIES = ("mobilenet_ssd", "sfd_mobilenetv2")
MEANS = {"mobilenet_ssd": [127.5] * 3, "sfd_mobilenetv2": [104, 117, 123]}
seeds = st.integers(0, 1 << 32)
single = st.floats(-0.5, 1.5, width=32)
boxes = st.lists(st.tuples(single, single, single, single), max_size=5)


def picture(width, height, seed=0, channels=3):
    """Smooth with noise, so that JPEG changes it."""
    random = np.random.default_rng(seed)
    small = random.integers(0, 256, (4, 5, channels), np.uint8)
    smooth = cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)
    smooth = smooth.reshape(height, width, channels).astype(int)
    noisy = (smooth + random.integers(-20, 21, smooth.shape)).clip(0, 255).astype(np.uint8)
    return noisy if channels == 3 else noisy[:, :, 0]


def record(pixels, found=(), key="00000000_a.jpg", ending=".png"):
    data = cv2.imencode(ending, pixels)[1].tobytes()
    high, wide = pixels.shape[:2]
    channels = 1 if pixels.ndim == 2 else 3
    count = len(found)
    corners = np.array(found, np.float32).reshape(-1, 4)
    labels, numbers = np.arange(1, count + 1, dtype=np.int32), np.arange(count, dtype=np.int32)
    hard = np.arange(count) % 2 == 1
    return Record(key, channels, high, wide, True, data, labels, corners, hard, numbers)


def as_rows(found):
    return rows.rows_of(record(np.zeros((1, 1, 3), np.uint8), found))


def transformer(family, **options):
    layer = generate(family, 21).nets["train"].layer[0]
    samplers = layer.annotated_data_param.batch_sampler
    return Transformer(layer.transform_param, samplers, **options)


def cropped(drawn, width, height):
    size = (drawn.expansion.width, drawn.expansion.height) if drawn.expansion else (width, height)
    return augment_twin.cropped(np.zeros(size[::-1], np.uint8), drawn.region)


# The whole way up to the crop: parts of pictures give what whole pictures give.


@pytest.mark.parametrize("again", [True, False])
@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("channels", [1, 3])
def test_parts_give_what_whole_pictures_give(family, again, channels):
    steps = transformer(family)
    steps.param.distort_param.random_order_prob = 0.5 if channels == 3 else 0
    if channels == 1:
        steps.param.distort_param.hue_prob = steps.param.distort_param.saturation_prob = 0
        del steps.param.mean_value[1:]
    sizes = np.random.default_rng(1)
    for seed in range(60):
        width, height = (int(n) for n in sizes.integers(1, 260, 2))
        pixels = picture(width, height, seed, channels)
        given_rows = as_rows([(0.2, 0.1, 0.6, 0.9)])
        drawn, _ = steps.draw(given_rows, width, height, generator_at(0, seed))
        if drawn.region is not None and 0 in cropped(drawn, width, height).shape:
            continue  # where the original aborts
        ours = steps.crop(pixels, drawn, again)
        twin = draft(pixels, drawn, MEANS[family], again)
        assert np.array_equal(ours, twin), (seed, width, height, drawn)


@given(
    seeds, st.integers(1, 90), st.integers(1, 90), st.lists(st.floats(0, 1), min_size=4, max_size=4)
)
@settings(max_examples=60)
def test_a_round_trip_of_a_part_is_that_of_the_whole(seed, width, height, edges):
    pixels = picture(width, height, seed)
    left, right = sorted(int(edge * (width - 1)) for edge in edges[:2])
    top, bottom = sorted(int(edge * (height - 1)) for edge in edges[2:])
    needed = (left, top, right + 1, bottom + 1)
    ours = Canvas.of(pixels).reencode(needed).pixels(needed)
    assert np.array_equal(ours, round_trip(pixels)[top : bottom + 1, left : right + 1])


@given(seeds, st.integers(1, 40), st.integers(1, 40), st.integers(0, 99), st.integers(0, 99))
@settings(max_examples=60)
def test_a_canvas_is_what_it_stands_for(seed, width, height, x, y):
    held = Canvas(140, 140, picture(width, height, seed), x, y, (104, 117, 123))
    whole = np.full((140, 140, 3), (104, 117, 123), np.uint8)
    whole[y : y + height, x : x + width] = held.part
    assert np.array_equal(held.pixels(held.whole), whole)
    assert np.array_equal(held.reencode(held.whole).pixels(held.whole), round_trip(whole))
    inside = (30, 20, 100, 90)
    piece = held.crop(inside)
    assert np.array_equal(piece.pixels(piece.whole), whole[20:90, 30:100])


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


def test_each_region_that_was_kept_is_as_likely():
    """SSD's seven: without a box only the first and, of the rest, none can be kept."""
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
        Transformer(Transform(), [sampler], where="layer x")


# Distort, expand.


@pytest.mark.parametrize(("factor", "offset"), [(1, 13.5), (1, -40), (1.37, 0), (0.5, 0)])
def test_a_table_rounds_and_cuts(factor, offset):
    expected = [min(max(round(v * factor + offset), 0), 255) for v in range(256)]
    assert distort.table(factor, offset).tolist() == expected


def test_distortions_come_in_either_order():
    param = generate("mobilenet_ssd", 21).nets["train"].layer[0].transform_param.distort_param
    for name in ("brightness", "contrast", "saturation", "hue"):
        setattr(param, f"{name}_prob", 1)
    orders = set()
    for n in range(40):
        drawn = distort.draw(param, generator_at(0, n))
        orders.add(tuple(channel for channel, _ in drawn.steps))
        assert drawn.order is None
    both = {
        (None, None, distort.SATURATION, distort.HUE),
        (None, distort.SATURATION, distort.HUE, None),
    }
    assert orders == both
    param = caffe_pb2.DistortionParameter(random_order_prob=1)
    drawn = {distort.draw(param, generator_at(0, n)).order for n in range(60)}
    assert len(drawn) == 6
    assert not distort.draw(caffe_pb2.DistortionParameter(), generator_at(0, 0)).steps


def test_expanded_pictures():
    param = caffe_pb2.ExpansionParameter(prob=0.5, max_expand_ratio=4)
    drawn = [expand.draw(param, 50, 30, generator_at(0, n)) for n in range(400)]
    made = [e for e in drawn if e is not None]
    assert 150 < len(made) < 250
    for e in made:
        assert 50 <= e.width <= 200
        assert 0 <= e.x <= e.width - 50
        assert 0 <= e.y <= e.height - 30
        area = e.region(50, 30)
        back = rows.project(as_rows([(0, 0, 1, 1)]), area, CENTER)[0, rows.BOX]
        pixels = back * [e.width, e.height, e.width, e.height]
        assert np.allclose(pixels, [e.x, e.y, e.x + 50, e.y + 30], atol=1e-3)
    assert expand.ground((127.5,) * 3, 3) == (128, 128, 128)
    assert expand.ground((104.0,), 3) == (104, 104, 104)
    assert expand.ground((), 1) == (0,)
    with pytest.raises(InputError, match="pixels"):
        expand.draw(caffe_pb2.ExpansionParameter(max_expand_ratio=1e6), 50, 30, generator_at(0, 0))


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


# Noise, values.

LOW = [cv2.IMWRITE_JPEG_QUALITY, 30]
NOISES = {
    "decolorize: true": lambda p: np.dstack([cv2.cvtColor(p, cv2.COLOR_BGR2GRAY)] * 3),
    "gauss_blur: true": lambda p: cv2.GaussianBlur(p, (7, 7), 1.5),
    "inverse: true": lambda p: 255 - p,
    "posterize: true": lambda p: p // 64 * 64 + 32,
    "jpeg: 30": lambda p: cv2.imdecode(cv2.imencode(".jpg", p, LOW)[1], 1),
    "convert_to_hsv: true": lambda p: cv2.cvtColor(p, cv2.COLOR_BGR2HSV),
    "erode: true": lambda p: cv2.erode(p, np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]], np.uint8)),
}  # fmt: skip


@pytest.mark.parametrize("text", NOISES)
def test_noise(text):
    from google.protobuf import text_format

    param = text_format.Parse(text, caffe_pb2.NoiseParameter())
    pixels = picture(40, 30)
    before = pixels.copy()
    assert np.array_equal(noise.apply(pixels, param, generator_at(0, 0)), NOISES[text](pixels))
    assert np.array_equal(pixels, before), "a pure function"


def test_noise_on_brightness_and_grains():
    pixels = picture(80, 60) // 4 + 90
    for name in ("hist_eq", "clahe"):
        for one in (pixels, pixels[:, :, 0].copy()):
            changed = noise.apply(one, caffe_pb2.NoiseParameter(**{name: True}), generator_at(0, 0))
            assert changed.shape == one.shape
            assert changed.std() > one.std()
    param = caffe_pb2.NoiseParameter(saltpepper=True)
    param.saltpepper_param.fraction = 0.1
    param.saltpepper_param.value.append(0)
    black = noise.apply(np.full((60, 80, 3), 9, np.uint8), param, generator_at(0, 0)) == 0
    assert 0.08 < black.mean() <= 0.1
    assert (black.all(2) == black.any(2)).all()


@pytest.mark.parametrize("channels", [1, 3])
def test_values_are_single_precision(channels):
    param = Transform(mean_value=[104, 117, 123][:channels], scale=0.007843)
    pixels = picture(20, 10, channels=channels)
    out = np.empty((channels, 10, 20), np.float32)
    Values.of(param, "").write(pixels, out)
    for c, mean in enumerate(param.mean_value):
        plane = pixels if channels == 1 else pixels[:, :, c]
        expected = (plane.astype(np.float32) - np.float32(mean)) * np.float32(0.007843)
        assert np.array_equal(out[c], expected)
    with pytest.raises(InputError, match="2 mean_value"):
        Values.of(Transform(mean_value=[1, 2]), "").write(pixels, out)


# The whole.


def test_a_crop_of_a_fixed_size():
    param = Transform(crop_size=20, mirror=True, mean_value=[0])
    param.resize_param.width = param.resize_param.height = 40
    found = [(0.5, 0.5, 0.75, 0.75)]
    one = record(picture(80, 60), found)
    test = Transformer(param, training=False)
    assert test.shape() == (20, 20)
    unmirrored = Transform.FromString(param.SerializeToString())
    unmirrored.mirror = False
    data, kept = Transformer(unmirrored, training=False)(one, generator_at(0, 0))
    middle = cv2.resize(one.decode(), (40, 40))[10:30, 10:30]
    assert np.array_equal(data, middle.transpose(2, 0, 1).astype(np.float32))
    assert np.allclose(kept[0, rows.BOX], [0.5, 0.5, 1, 1])
    places = {Transformer(param)(one, generator_at(0, n))[0].tobytes() for n in range(30)}
    assert len(places) > 20
    sides = {test(one, generator_at(0, n))[0].tobytes() for n in range(30)}
    assert len(sides) == 2, "only mirrored or not"
    with pytest.raises(InputError, match="no crop of 20x20 fits in 9x9"):
        Transformer(Transform(crop_size=20))(record(picture(9, 9)), generator_at(0, 0))


@given(seeds, st.integers(1, 70), st.integers(1, 70), boxes)
@settings(max_examples=60)
@pytest.mark.parametrize("family", FAMILIES)
def test_nothing_aborts(family, seed, width, height, found):
    steps = transformer(family)
    steps.param.resize_param.width = steps.param.resize_param.height = 32
    one = record(picture(width, height), found)
    first, kept = steps(one, generator_at(seed, 0))
    again, also = steps(one, generator_at(seed, 0))
    assert np.array_equal(first, again)
    assert np.array_equal(kept, also)
    assert first.shape == (3, 32, 32)
    assert ((kept[:, rows.BOX] >= 0) & (kept[:, rows.BOX] <= 1)).all()
    assert (np.diff(kept[:, 2]) > 0).all(), "the order stays"


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("mean_file: 'mean.binaryproto'", "mean_file"),
        ("force_color: true force_gray: true", "force_gray"),
        ("expand_param { max_expand_ratio: 1 }", "max_expand_ratio"),
        ("resize_param { width: 300 }", "height 0"),
        ("resize_param { width: 300 height: 4000000000 }", "height 4000000000"),
        ("distort_param { contrast_prob: .5 contrast_lower: 2 contrast_upper: 1 }", "contrast"),
        ("distort_param { hue_delta: -1 }", "hue_delta"),
        ("noise_param { convert_to_lab: true }", "convert_to_lab"),
        ("noise_param { saltpepper: true }", "saltpepper"),
        ("noise_param { jpeg: 101 }", "jpeg"),
    ],
)
def test_parameters_that_cannot_work(text, match):
    from google.protobuf import text_format

    with pytest.raises(InputError, match=match) as caught:
        Transformer(text_format.Parse(text, Transform()), where='layer "data"')
    assert caught.value.where == 'layer "data"'
