"""Each element against a naive twin, what it refuses, and what it draws."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import element_twins
from support.composing import Table, transform
from support.painted import painted
from support.pictures import as_rows, picture

from ssd_data.batches.augment.canvas import round_trip
from ssd_data.batches.augment.expand import ground
from ssd_data.batches.augment.rows import COLUMNS
from ssd_data.batches.augment.transform import DataTransformer, Draft
from ssd_data.batches.composer import faults, known_elements
from ssd_data.batches.elements import mosaic as mosaics
from ssd_data.batches.elements import square as squares
from ssd_data.batches.elements._base import Context, Piece
from ssd_data.batches.streams import generator_at
from ssd_data.core.errors import InputError
from ssd_data.families import generate
from ssd_data.proto import caffe_pb2

KINDS = known_elements()
COLOURS = ("blur", "compress", "gamma", "gray", "hsv")
seeds = st.integers(0, 1 << 32)


def draw(element, seed, text=None, records=10):
    setting = Context(transform() if text is None else transform(text))
    return element.draw(generator_at(seed, 0, element.name), setting, records)


# Openings


def corner(x, y, scale, ways=(0, 0, 0, 0)):
    tiles = [
        mosaics.MosaicTile(at % 2 == 1, at >= 2, at or None, way) for at, way in enumerate(ways)
    ]
    return mosaics.Tiles(x, y, scale, tuple(tiles))


@pytest.mark.parametrize("ways", [(0, 1, 2, 3), (4, 0, 0, 1)])
def test_a_mosaic_of_whole_pictures_is_the_twins(ways):
    drawn, element = corner(60, 45, 0.5, ways), KINDS["mosaic"]()
    pieces = [painted(n, 150 - n, 110 + 7 * n) for n in range(4)]
    setting = Context(transform("mean_value: 104 mean_value: 117 mean_value: 123 " + _SIZE))
    own, *others = (Piece(*piece) for piece in pieces)
    opened = element.open(drawn, own, others, setting)
    wanted, rows = element_twins.mosaic(drawn, pieces, (120, 90), (104, 117, 123), 0.2, 2)
    assert np.array_equal(opened.piece.pixels, wanted)
    assert np.allclose(opened.piece.rows, rows, atol=1e-6)
    assert opened.expansion is opened.region is None


_SIZE = "resize_param { width: 120 height: 90 }"


def ramp(number, width, height):
    """Its values say where a pixel was."""
    across = np.linspace(20, 220, width)[None, :].repeat(height, 0)
    down = np.linspace(20, 220, height)[:, None].repeat(width, 1)
    pixels = np.stack([across, down, np.full((height, width), 60.0 + number)], 2)
    return np.rint(pixels).astype(np.uint8), painted(number, width, height)[1]


@given(seeds, st.floats(0.4, 2), st.tuples(st.integers(5, 115), st.integers(5, 85)))
@settings(max_examples=30, deadline=None)
def test_parts_of_a_mosaic_are_those_of_whole_pictures(seed, scale, point):
    sizes = np.random.default_rng(seed)
    drawn, element = corner(*point, scale, (1, 1, 1, 1)), KINDS["mosaic"]()
    pieces = [ramp(n, *(int(v) for v in sizes.integers(60, 300, 2))) for n in range(4)]
    own, *others = (Piece(*piece) for piece in pieces)
    opened = element.open(drawn, own, others, Context(transform(_SIZE)))
    wanted, rows = element_twins.mosaic(drawn, pieces, (120, 90), (0, 0, 0), 0.2, 2)
    differ = np.abs(opened.piece.pixels.astype(int) - wanted)
    assert np.quantile(differ, 0.97) <= 5  # a pixel of a border may be another's
    assert differ.mean() < 2
    sides = (rows[:, 5:7] - rows[:, 3:5]) * (120, 90)
    if len(rows) == len(opened.piece.rows) > 0 and (sides > 3).all():
        off = np.abs(opened.piece.rows[:, 3:7] - rows[:, 3:7]) * (120, 90, 120, 90)
        assert off.max() <= 1.6


def test_a_mosaic_takes_what_is_seen_alone():
    element = KINDS["mosaic"](scale=(1.5, 1.5))
    seen = [len(draw(element, seed).seen) for seed in range(200)]
    assert set(seen) >= {1, 2, 4}
    for seed in range(50):
        drawn = draw(element, seed)
        assert len(element.others(drawn)) == sum(tile.other is not None for tile in drawn.seen)


def test_a_mosaics_point_and_scale_are_yoloxs():
    element = KINDS["mosaic"]()
    drawn = [draw(element, seed) for seed in range(3000)]
    scales = np.array([one.scale for one in drawn])
    assert (scales >= 0.5).all()
    assert (scales <= 1.5).all()
    assert abs(scales.mean() - 1) < 0.02
    x = (np.array([one.x for one in drawn]) / 120 - 0.5) / scales  # ± 0.5, moved by ± 0.1 / scale
    assert np.abs(x).max() <= 0.5 + 0.1 / 0.5 + 0.02
    assert 0.27 < x.std() < 0.33


@given(seeds, st.integers(12, 60), st.integers(12, 60), st.lists(st.floats(0, 0.8), max_size=3))
@settings(max_examples=60, deadline=None)
def test_a_square_is_scrfds(seed, width, height, corners):
    element, pixels = KINDS["square"](), picture(width, height, seed)
    rows = as_rows([(v, v / 2, v + 0.2, v / 2 + 0.3) for v in corners])
    drawn = draw(element, seed)
    setting = Context(transform("mean_value: 127.5 " + _SIZE))
    opened = element.open(drawn, Piece(pixels, rows), [], setting)
    steps = DataTransformer(setting.param, jpeg_roundtrip=False)
    ours = steps.crop(pixels, Draft(None, opened.expansion, opened.region), False)
    if corners:
        wanted, kept = element_twins.square(drawn.factors, drawn.places, pixels, rows, (128,) * 3)
        assert np.array_equal(ours, wanted)
        assert np.allclose(opened.piece.rows, kept, atol=2e-5)
    else:
        assert ours.shape[0] == ours.shape[1] == int(drawn.factors[0] * min(width, height))


def test_without_a_box_in_any_square_the_picture_stays_whole():
    rows = as_rows([(0.999, 0.999, 1.2, 1.2)])  # its centre lies outside
    drawn = squares.Squares(np.full(10, 0.3), np.zeros((10, 250, 2)))
    own = Piece(picture(40, 30), rows)
    opened = KINDS["square"]().open(drawn, own, [], Context(transform(_SIZE)))
    assert opened.piece is own
    assert opened.expansion is opened.region is None


# Joinings


@given(seeds)
@settings(max_examples=20, deadline=None)
def test_mixup_is_the_twins(seed):
    element = KINDS["mixup"](share=0.25)
    drawn = draw(element, seed, "resize_param { width: 60 height: 40 interp_mode: NEAREST }")
    own = Piece(picture(60, 40, seed), as_rows([]))
    other = Piece(ramp(seed % 50, 60, 40)[0], as_rows([(0, 0, 1, 1)]))
    setting = Context(transform("resize_param { width: 60 height: 40 interp_mode: NEAREST }"))
    joined = element.join(drawn, own, [other], setting)
    wanted = element_twins.mixup(drawn, own.pixels, other.pixels, 0.25)
    differ = np.abs(joined.pixels - wanted)
    assert np.mean(differ <= 3) > 0.95  # a border's pixel may be another's
    assert len(joined.rows) == 1


def test_mixup_without_a_box_to_be_seen_leaves_the_picture():
    element, own = KINDS["mixup"](), Piece(picture(60, 40), as_rows([(0, 0, 1, 1)]))
    setting = Context(transform(_SIZE))
    for boxes in ([], [(0, 0, 0.01, 0.01)]):
        other = Piece(picture(60, 40, 1), as_rows(boxes))
        assert element.join(draw(element, 1), own, [other], setting) is own


def test_paste_leaves_the_own_picture_as_it_was():
    element = KINDS["paste"](count=3)
    own = Piece(np.zeros((90, 120, 3), np.uint8), as_rows([]))
    own.pixels.setflags(write=False)
    other = Piece(picture(120, 90), as_rows([(0.2, 0.2, 0.4, 0.5)]))
    drawn = draw(element, 4)
    joined = element.join(drawn, own, [other], Context(transform(_SIZE)))
    assert not own.pixels.any()
    assert 1 <= len(joined.rows) <= 3
    edges = (joined.rows[:, 3:7] * (120, 90, 120, 90)).round().astype(int)
    for left, top, right, bottom in edges:
        assert (joined.pixels[top:bottom, left:right] > 0).mean() > 0.95
    far = np.ones((90, 120), bool)
    for left, top, right, bottom in edges:
        far[max(top - 6, 0) : bottom + 6, max(left - 6, 0) : right + 6] = False
    assert not joined.pixels[far].any()


def test_paste_fades_at_its_edges_alone():
    element = KINDS["paste"](count=1, margin=0.5, scale=(1, 1))
    own = Piece(np.zeros((90, 120, 3), np.uint8), as_rows([]))
    other = Piece(np.full((90, 120, 3), 200, np.uint8), as_rows([(0.4, 0.4, 0.6, 0.6)]))
    joined = element.join(draw(element, 1), own, [other], Context(transform(_SIZE)))
    left, top, right, bottom = (joined.rows[0, 3:7] * (120, 90, 120, 90)).round().astype(int)
    assert (joined.pixels[top:bottom, left:right] == 200).all()
    line = joined.pixels[(top + bottom) // 2, :, 0].astype(int)
    assert (np.diff(line[: left + 1]) >= 0).all()
    assert 0 < line[left - 6] < 200


@pytest.mark.parametrize(
    "boxes", [[], [(0.1, 0.1, 0.9, 0.9)], [(0, 0, 0.3, 0.3), (0.2, 0, 0.5, 1)]]
)
def test_paste_copies_neither_what_is_too_large_nor_what_another_touches(boxes):
    element, own = KINDS["paste"](), Piece(picture(120, 90), as_rows([]))
    other = Piece(picture(120, 90, 1), as_rows(boxes))
    for seed in range(10):
        joined = element.join(draw(element, seed), own, [other], Context(transform(_SIZE)))
        assert joined.pixels is own.pixels
        assert joined.rows.shape == (0, COLUMNS)


@pytest.mark.parametrize("name", ["mosaic", "mixup", "paste"])
def test_gray_and_coloured_pictures_are_not_joined(name):
    element = KINDS[name]()
    own = Piece(picture(40, 30, channels=1), as_rows([]))
    others = [Piece(picture(40, 30), as_rows([(0, 0, 0.3, 0.3)]))] * 3
    for seed in range(20):
        drawn = draw(element, seed)
        count = len(element.others(drawn))
        if not count:
            continue
        act = element.open if name == "mosaic" else element.join
        with pytest.raises(InputError, match="it is gray, a picture that is to be joined with it"):
            act(drawn, own, others[:count], Context(transform(_SIZE)))


@pytest.mark.parametrize("name", ["mosaic", "mixup", "paste"])
def test_gray_pictures_are_joined(name):
    def give(number):
        pixels, rows = painted(number, 100, 80)
        return np.ascontiguousarray(pixels[:, :, 0]), rows

    one = Table(give, 20, [KINDS[name](prob=1.0)])
    for position in range(10):
        pixels, rows = one(position)
        assert pixels.shape == (90, 120, 1)
        assert len(rows)


# Colours


def test_hsv_is_the_twins():
    element = KINDS["hsv"](hue=0.2, saturation=0.7, value=0.4)
    for seed in range(5):
        pixels = picture(16, 12, seed)
        drawn = draw(element, seed)
        factors = generator_at(seed, 0, "hsv").uniform(-1, 1, 3) * (0.2, 0.7, 0.4) + 1
        differ = np.abs(element.paint(drawn, pixels) - element_twins.hsv(pixels, factors))
        assert np.quantile(differ, 0.95) <= 8  # a hue is one of 180, and cut
        assert differ.mean() < 3


def test_gray_and_blur_are_the_twins():
    gray, blur = KINDS["gray"](), KINDS["blur"]()
    for seed in range(8):
        pixels = picture(20, 14, seed)
        assert np.abs(gray.paint(None, pixels) - element_twins.gray(pixels)).max() <= 1
        sigma = draw(blur, seed)
        assert 0.1 <= sigma <= 2
        differ = np.abs(blur.paint(sigma, pixels) - element_twins.blur(pixels, sigma))
        assert differ.max() <= 1.5


def test_gamma_and_compress():
    gamma, compress = KINDS["gamma"](), KINDS["compress"]()
    powers = []
    for seed in range(300):
        table = draw(gamma, seed)
        assert table[0] == 0
        assert table[255] == 255
        powers.append(np.log(table[128] / 255) / np.log(128 / 255))
    assert 0.49 < min(powers) < 0.55
    assert 1.8 < max(powers) < 2.02
    assert abs(np.mean(np.log(powers))) < 0.1
    pixels = picture(40, 30)
    assert np.array_equal(gamma.paint(table, pixels), table[pixels])
    assert {draw(compress, seed) for seed in range(2000)} == set(range(30, 96))
    assert np.array_equal(compress.paint(95, pixels), round_trip(pixels))
    rough, fine = (np.abs(compress.paint(q, pixels).astype(int) - pixels) for q in (30, 90))
    assert rough.mean() > 1.3 * fine.mean()


@pytest.mark.parametrize("name", COLOURS)
@pytest.mark.parametrize("channels", [1, 3])
def test_colours_leave_their_argument_and_its_shape(name, channels):
    element, pixels = KINDS[name](), picture(30, 20, channels=channels)
    pixels.setflags(write=False)
    before = pixels.copy()
    found = element.paint(draw(element, 3), pixels)
    assert found.shape == pixels.shape
    assert found.dtype == np.uint8
    assert np.array_equal(before, pixels)


# What may be said


@pytest.mark.parametrize("name", sorted(KINDS))
def test_an_element_says_what_it_is(name):
    kind = KINDS[name]
    assert kind.name == name
    assert kind() == msgspec.convert({}, kind)
    assert 0 <= kind().prob <= 1
    assert len({other.rank for other in KINDS.values()}) == len(KINDS)


@pytest.mark.parametrize(
    ("name", "table", "what"),
    [
        ("mosaic", {"scale": [1.5, 0.5]}, "scale falls from 1.5 to 0.5"),
        ("mosaic", {"prob": 1.5}, "<= 1"),
        ("mosaic", {"scale": [0, 1]}, ">= 0.01"),
        ("mixup", {"scale": [2, 1]}, "scale falls"),
        ("mixup", {"shares": 1}, "unknown field"),
        ("paste", {"count": 0}, ">= 1"),
        ("square", {"scales": []}, "length >= 1"),
        ("square", {"scales": [9.0]}, "<= 4"),
        ("gamma", {"power": [2, 0.5]}, "power falls"),
        ("blur", {"sigma": [0, 1]}, ">= 0.1"),
        ("compress", {"quality": [0, 50]}, ">= 1"),
        ("compress", {"quality": [60, 50]}, "quality falls"),
    ],
)
def test_what_makes_no_sense_is_refused(name, table, what):
    with pytest.raises(msgspec.ValidationError, match=what):
        msgspec.convert(table, KINDS[name])


def layer(text):
    found = generate("mobilenet_ssd", 21).nets["train"].layer[0]
    found.transform_param.CopyFrom(transform(text))
    return found


@pytest.mark.parametrize(
    ("name", "text", "min_box", "what"),
    [
        ("mosaic", "", 0, "mosaic: it needs a resize_param of WARP"),
        (
            "mosaic",
            "resize_param { resize_mode: FIT_SMALL_SIZE width: 9 height: 9 }",
            0,
            "mosaic: it needs a resize_param of WARP",
        ),
        ("mosaic", _SIZE, 6, "mosaic: it makes boxes small: those below 6 pixels would be seen"),
        ("square", "crop_size: 9", 0, "square: it needs a resize_param"),
        ("hsv", "noise_param { convert_to_hsv: true }", 0, "convert_to_hsv leaves no colours"),
    ],
)
def test_what_does_not_fit_a_layer(name, text, min_box, what):
    (fault,) = faults([KINDS[name]()], layer(text), min_box, "here")
    assert what in fault.what
    assert fault.where == "here"
    assert fault.hint


def test_what_fits_a_layer():
    every = [kind() for kind in KINDS.values()]
    assert not [*faults(every, layer(_SIZE), 0, "")]
    honoured = [kind() for name, kind in KINDS.items() if name != "mosaic"]
    assert not [*faults(honoured, layer(_SIZE), 6, "")]
    assert not [*faults([KINDS["mixup"](), KINDS["paste"]()], layer(""), 0, "")]


def test_the_ground_is_the_means():
    assert ground((127.5,), 3) == (128,) * 3
    assert caffe_pb2.EmitConstraint.CENTER == 0
