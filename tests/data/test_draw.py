"""Drawn pictures: boxes where they belong, names legible, files safe."""

from __future__ import annotations

import io
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from support.kills import in_child, killed_at

from ssd_data.core.drawing import LARGEST, MOST_NAMES, SMALLEST
from ssd_data.core.errors import InputError, OutputError
from ssd_data.core.labelmap import LabelMap
from ssd_data.core.scene import colour
from ssd_data.data.draw import FileNames, draw, draw_file, write_picture
from ssd_data.data.lmdb.records import Record, decode_record, encode_record

LABELS = LabelMap.from_names(["cat", "dog"])
GRAY = 128


def record(
    rows: list[tuple[float, ...]], width: int = 500, height: int = 400, key: str = "00000000_a.jpg"
) -> Record:
    """A gray picture; rows are label, xmin, ymin, xmax, ymax, difficult."""
    picture = cv2.imencode(".png", np.full((height, width, 3), GRAY, np.uint8))[1].tobytes()
    table = np.array(rows, np.float32).reshape(-1, 6)
    labels, boxes, difficult = table[:, 0].astype(np.int32), table[:, 1:5], table[:, 5] > 0
    value = encode_record(picture, (3, height, width), labels, boxes, difficult)
    return decode_record(key.encode(), value)


def pixels(image: Image.Image) -> np.ndarray:
    return np.asarray(image).astype(int)


def count(image: Image.Image, wanted: tuple[int, int, int]) -> int:
    return int((pixels(image) == wanted).all(axis=2).sum())


def test_a_box_is_drawn_around_its_pixels_and_not_over_them():
    image = pixels(draw(record([(1, 0.2, 0.25, 0.6, 0.75, 0)])))
    assert (image[200, 98:100] == colour(1)).all()  # left of x = 100
    assert (image[200, 300:302] == colour(1)).all()  # from xmax = 300 on
    assert (image[98:100, 200] == colour(1)).all()
    assert (image[300:302, 200] == colour(1)).all()
    assert (image[110:290, 110:290] == GRAY).all()


def test_difficult_boxes_are_dashed_and_others_are_not():
    box = (1, 0.2, 0.25, 0.6, 0.75)
    solid = pixels(draw(record([(*box, 0)])))[300, 100:300]
    dashed = pixels(draw(record([(*box, 1)])))[300, 100:300]
    assert (solid == colour(1)).all()
    inked, gaps = (dashed == colour(1)).all(axis=1), (dashed == 0).all(axis=1)
    assert (inked | gaps).all()
    assert inked.sum() > 60
    assert gaps.sum() > 60


def test_names_are_drawn_and_change_with_the_labelmap():
    plain = record([(2, 0.2, 0.25, 0.6, 0.75, 0)])
    assert draw(plain, LABELS).tobytes() != draw(plain).tobytes()
    tag = pixels(draw(plain, LABELS))[78:98, 100:120]
    assert (tag == colour(2)).all(axis=2).sum() > 100


def contrast(a: tuple[int, int, int], b: tuple[int, int, int]) -> float:
    """WCAG 2: the ratio of relative luminances."""

    def luminance(channels: tuple[int, int, int]) -> float:
        linear = [
            c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4
            for c in (v / 255 for v in channels)
        ]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted((luminance(a), luminance(b)))
    return (high + 0.05) / (low + 0.05)


def test_names_can_be_read_on_the_colour_of_every_class():
    from ssd_data.core.drawing import _ink

    assert min(contrast(colour(n), _ink(colour(n))) for n in range(1, 200)) > 3


def test_colours_are_stable_and_labels_near_each_other_differ():
    assert colour(1) == (255, 51, 90)
    assert colour(15) == (29, 86, 237)
    for label in range(1, 100):
        for other in range(label + 1, label + 4):
            distance = sum(abs(a - b) for a, b in zip(colour(label), colour(other), strict=True))
            assert distance > 100, (label, other)


@pytest.mark.parametrize("label", [-5, 0, 2**31 - 1, -(2**31)])
def test_any_label_has_a_colour(label: int):
    assert all(0 <= channel <= 255 for channel in colour(label))


@pytest.mark.parametrize(
    ("width", "height"), [(1, 1), (40, 30), (3, 900), (900, 3), (480, 10), (9000, 20)]
)
def test_small_pictures_are_enlarged_and_huge_ones_shrunk(width: int, height: int):
    image = draw(record([(1, 0.1, 0.1, 0.9, 0.9, 0)], width, height), LABELS)
    assert SMALLEST <= max(image.size) <= LARGEST + 300
    assert count(image, colour(1)) > 20


def test_a_margin_shows_how_far_boxes_leave_the_picture():
    inside = draw(record([(1, 0.1, 0.1, 0.9, 0.9, 0)]))
    outside = draw(record([(1, -0.125, 0.1, 1.0625, 0.9, 0)]))
    assert inside.width == 500
    assert outside.width == 500 + 70 + 39  # 62.5 and 31.25 pixels, and 8 of air each
    rounding = draw(record([(1, 0, 0, 1.002, 1, 0)]))
    assert rounding.width == 500


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 3e38, -3e38])
def test_absurd_corners_do_no_harm(value: float):
    rows = [(1, value, 0.1, 0.5, 0.5, 1), (2, 0.1, 0.1, 0.5, value, 1), (1, 0.2, 0.2, 0.3, 0.3, 0)]
    start = time.monotonic()
    image = draw(record(rows))
    assert time.monotonic() - start < 2
    assert image.width <= 500 * 1.5
    assert count(image, colour(1)) > 50


def test_empty_and_inverted_boxes_are_drawn():
    for row in [(1, 0.5, 0.5, 0.5, 0.5, 0), (1, 0.6, 0.6, 0.4, 0.4, 0)]:
        image = pixels(draw(record([row])))[:400]
        assert (image == colour(1)).all(axis=2).sum() > 10


def test_a_name_does_not_hide_another_box():
    # Above the large box, where its name would stand, lies a small one.
    rows = [(2, 0.2, 0.5, 0.8, 0.9, 0), (1, 0.2, 0.43, 0.3, 0.49, 0)]
    small = pixels(draw(record(rows), LABELS))[174:194, 102:148]
    assert (small == GRAY).all()


def test_a_crowd_is_drawn_in_time():
    random = np.random.default_rng(0)
    corners = random.random((2000, 2)) * 0.95
    rows = [(1, x, y, x + 0.01, y + 0.012, 0) for x, y in corners]
    start = time.monotonic()
    draw(record(rows, 1000, 800), LABELS)
    assert time.monotonic() - start < 5


def test_of_a_crowd_only_the_largest_are_named():
    # Far apart, so that each could bear its name.
    small = [(2, 0.05 + 0.1 * (n % 9), 0.1 + 0.2 * (n // 9), 0, 0, 0) for n in range(36)]
    rows = [(label, x, y, x + 0.03, y + 0.03, 0) for label, x, y, *_ in small]
    crowd, named = (draw(record(r, 1000, 800), LABELS) for r in (rows, rows[:MOST_NAMES]))
    bare = count(draw(record(rows[:1], 1000, 800)), colour(2))
    assert count(crowd, colour(2)) - count(named, colour(2)) < bare * 6


def test_colours_of_the_picture_are_its_own():
    red = np.full((48, 64, 3), (0, 0, 255), np.uint8)  # OpenCV's order: blue, green, red
    data = cv2.imencode(".png", red)[1].tobytes()
    none = (np.zeros(0, np.int32), np.zeros((0, 4), np.float32), np.zeros(0, np.bool_))
    image = draw(decode_record(b"0_a", encode_record(data, (3, 48, 64), *none)))
    assert image.getpixel((100, 100)) == (255, 0, 0)


def test_gray_and_raw_pictures_are_drawn():
    boxes, label = np.array([[0.2, 0.2, 0.8, 0.8]], np.float32), np.array([1], np.int32)
    for channels in (1, 3, 5):
        data = bytes(range(60)) * 10 * channels
        value = encode_record(
            data, (channels, 20, 30), label, boxes, np.zeros(1, np.bool_), encoded=False
        )
        assert count(draw(decode_record(b"1_a", value)), colour(1)) > 50


def test_a_picture_that_does_not_decode_is_an_input_error():
    value = encode_record(
        b"nothing", (3, 4, 5), np.zeros(0, np.int32), np.zeros((0, 4)), np.zeros(0, np.bool_)
    )
    with pytest.raises(InputError):
        draw(decode_record(b"1_a", value))


def test_hostile_names_are_drawn():
    names = LabelMap.from_names(["a\nb\x1b[31m" * 30, "猫", ""])
    rows = [(n, 0.1, 0.2 * n, 0.5, 0.2 * n + 0.15, 0) for n in (1, 2, 3, 9)]
    draw(record(rows, key="0_" + "x\n" * 200), names)


def test_the_file_is_a_jpeg():
    with Image.open(io.BytesIO(draw_file(record([])))) as image:
        assert image.format == "JPEG"


KEYS = [
    "00000000_../../x",
    "/etc/passwd",
    "..",
    ".",
    "...",
    "a\0b",
    "a\nb",
    "\x1b[2J",
    "x" * 511,
    "x" * 510 + "/",
    "a/b.jpg",
    "a_b.jpg",
    "A/B.JPG",
    "a/b",
    "..\\..\\x",
    "猫.jpg",
    "",
    ".hidden",
    "-rf",
]


def test_file_names_are_safe_and_never_given_twice():
    names = FileNames()
    given = [names.name(key) for key in KEYS]
    assert len({name.lower() for name in given}) == len(KEYS)
    for name in given:
        assert name.isascii()
        assert not set(name) & set("/\\\0\n\x1b")
        assert len(name) <= 140
        assert not name.startswith((".", "-"))
        assert name.endswith(".jpg")


def test_a_key_of_our_own_stays_legible_in_its_file_name():
    key = "00000012_VOC2007/JPEGImages/000012.jpg"
    assert FileNames().name(key) == "00000012_VOC2007_JPEGImages_000012.jpg"


def test_writing_replaces_a_link_and_leaves_what_it_leads_to(tmp_path: Path):
    outside = tmp_path / "outside"
    outside.write_bytes(b"mine")
    folder = tmp_path / "drawn"
    folder.mkdir()
    (folder / "a.jpg").symlink_to(outside)
    write_picture(folder, "a.jpg", b"drawn")
    assert outside.read_bytes() == b"mine"
    assert (folder / "a.jpg").read_bytes() == b"drawn"
    assert not (folder / "a.jpg").is_symlink()


def test_a_picture_that_is_there_stays_until_the_new_one_is_whole(tmp_path: Path):
    for event in range(1, 50):
        write_picture(tmp_path, "a.jpg", b"old")
        status = in_child(lambda: write_picture(tmp_path, "a.jpg", b"new") or 0, killed_at(event))
        assert (tmp_path / "a.jpg").read_bytes() in (b"old", b"new"), event
        if status == 0:
            break
    assert event > 3
    assert [path.name for path in tmp_path.iterdir()] == ["a.jpg"]


def test_a_folder_that_cannot_be_made_is_an_output_error(tmp_path: Path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OutputError, match="cannot write it: Not a directory"):
        write_picture(tmp_path / "file" / "x", "a.jpg", b"")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
