"""Each step against a naive twin, and what must hold whatever is drawn."""

import cv2
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from support import augment_twin
from support.augment_twin import draft
from support.pictures import as_rows, picture, record

from ssd_data import InputError
from ssd_data.batches import generator_at
from ssd_data.batches.augment import DataTransformer, distort, expand, noise, rows
from ssd_data.batches.augment.canvas import Canvas, round_trip
from ssd_data.batches.augment.values import tables_of, write_values
from ssd_data.families import generate
from ssd_data.proto import caffe_pb2

Transform = caffe_pb2.TransformationParameter
FAMILIES = ("mobilenet_ssd", "sfd_mobilenetv2")
MEANS = {"mobilenet_ssd": [127.5] * 3, "sfd_mobilenetv2": [104, 117, 123]}
seeds = st.integers(0, 1 << 32)
single = st.floats(-0.5, 1.5, width=32)
boxes = st.lists(st.tuples(single, single, single, single), max_size=5)


def transformer(family, **options):
    layer = generate(family, 21).nets["train"].layer[0]
    samplers = layer.annotated_data_param.batch_sampler
    return DataTransformer(layer.transform_param, samplers, **options)


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
@example(0, 19, 1, [1.0, 1.0, 0.0, 0.0])  # the last block is three pixels wide
@example(0, 20, 1, [1.0, 1.0, 0.0, 0.0])
@settings(max_examples=100)
def test_a_round_trip_of_a_part_is_that_of_the_whole(seed, width, height, edges):
    pixels = picture(width, height, seed)
    left, right = sorted(int(edge * (width - 1)) for edge in edges[:2])
    top, bottom = sorted(int(edge * (height - 1)) for edge in edges[2:])
    needed = (left, top, right + 1, bottom + 1)
    ours = Canvas.of(pixels).reencode(needed).pixels(needed)
    assert np.array_equal(ours, round_trip(pixels)[top : bottom + 1, left : right + 1])


@pytest.mark.parametrize("height", [1, 17])
def test_round_trips_at_every_column_of_small_pictures(height):
    for width in range(1, 40):
        pixels = picture(width, height, width)
        whole = round_trip(pixels)
        for x in range(width):
            needed = (x, height - 1, x + 1, height)
            ours = Canvas.of(pixels).reencode(needed).pixels(needed)
            assert np.array_equal(ours, whole[height - 1 :, x : x + 1]), (width, x)


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
        back = rows.project(as_rows([(0, 0, 1, 1)]), area, None)[0, rows.BOX]
        pixels = back * [e.width, e.height, e.width, e.height]
        assert np.allclose(pixels, [e.x, e.y, e.x + 50, e.y + 30], atol=1e-3)
    assert expand.ground((127.5,) * 3, 3) == (128, 128, 128)
    assert expand.ground((104.0,), 3) == (104, 104, 104)
    assert expand.ground((), 1) == (0,)
    with pytest.raises(InputError, match="pixels"):
        expand.draw(caffe_pb2.ExpansionParameter(max_expand_ratio=1e6), 50, 30, generator_at(0, 0))


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
    write_values(pixels, tables_of(param, ""), out)
    for c, mean in enumerate(param.mean_value):
        plane = pixels if channels == 1 else pixels[:, :, c]
        expected = (plane.astype(np.float32) - np.float32(mean)) * np.float32(0.007843)
        assert np.array_equal(out[c], expected)
    with pytest.raises(InputError, match="2 mean_value"):
        write_values(pixels, tables_of(Transform(mean_value=[1, 2]), ""), out)


# The whole.


def test_a_crop_of_a_fixed_size():
    param = Transform(crop_size=20, mirror=True, mean_value=[0])
    param.resize_param.width = param.resize_param.height = 40
    found = [(0.5, 0.5, 0.75, 0.75)]
    one = record(picture(80, 60), found)
    test = DataTransformer(param, training=False)
    assert test.shape() == (20, 20)
    unmirrored = Transform.FromString(param.SerializeToString())
    unmirrored.mirror = False
    data, kept = DataTransformer(unmirrored, training=False)(one, generator_at(0, 0))
    middle = cv2.resize(one.decode(), (40, 40))[10:30, 10:30]
    assert np.array_equal(data, middle.transpose(2, 0, 1).astype(np.float32))
    assert np.allclose(kept[0, rows.BOX], [0.5, 0.5, 1, 1])
    places = {DataTransformer(param)(one, generator_at(0, n))[0].tobytes() for n in range(30)}
    assert len(places) > 20
    sides = {test(one, generator_at(0, n))[0].tobytes() for n in range(30)}
    assert len(sides) == 2, "only mirrored or not"
    with pytest.raises(InputError, match="no crop of 20x20 fits in 9x9"):
        DataTransformer(Transform(crop_size=20))(record(picture(9, 9)), generator_at(0, 0))


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
        ("distort_param { hue_delta: -1 }", "a negative hue_delta"),
        ("distort_param { hue_prob: 1 hue_delta: inf }", "inf as hue_delta"),
        ("distort_param { brightness_prob: 1 brightness_delta: nan }", "nan as brightness_delta"),
        ("noise_param { convert_to_lab: true }", "convert_to_lab"),
        ("noise_param { saltpepper: true }", "saltpepper"),
        ("noise_param { jpeg: 101 }", "jpeg"),
    ],
)
def test_parameters_that_cannot_work(text, match):
    from google.protobuf import text_format

    with pytest.raises(InputError, match=match) as caught:
        DataTransformer(text_format.Parse(text, Transform()), where='layer "data"')
    assert caught.value.where == 'layer "data"'
