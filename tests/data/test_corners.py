"""What four numbers are: never the wrong one, and mostly the right one."""

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssd_data.data.formats.fournumbers import fractions_among, meaning_of

WIDTH, HEIGHT = 320, 240
BOX = st.tuples(*(st.floats(0, 1, width=32) for _ in range(4)))
Numbers = npt.NDArray[np.float32]


def boxes_of(shares: list[tuple[float, ...]]) -> Numbers:
    """Boxes of a picture, xmin ymin xmax ymax."""
    x, y, w, h = np.array(shares, np.float64).reshape(-1, 4).T
    left, top = x * (WIDTH - 1), y * (HEIGHT - 1)
    right, bottom = left + 1 + w * (WIDTH - 1 - left), top + 1 + h * (HEIGHT - 1 - top)
    return np.stack([left, top, right, bottom], axis=1).astype(np.float32)


def as_sides(boxes: Numbers) -> Numbers:
    return np.hstack([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]])


def judged(numbers: Numbers, *, stated: bool = True) -> str | None:
    owner = np.zeros(len(numbers), np.int64)
    sizes = np.array([[WIDTH, HEIGHT] if stated else [0, 0]], np.int64)
    return meaning_of(numbers, owner, sizes, lambda picture: (WIDTH, HEIGHT))


@given(st.lists(BOX, min_size=1, max_size=20), st.booleans())
def test_never_the_wrong_one(shares: list[tuple[float, ...]], stated: bool) -> None:
    boxes = boxes_of(shares)
    assert judged(boxes, stated=stated) in ("corners", None)
    assert judged(as_sides(boxes), stated=stated) in ("sides", None)


@pytest.mark.parametrize("stated", [True, False])
def test_a_hundred_boxes_tell(stated: bool) -> None:
    random = np.random.default_rng(0)
    boxes = boxes_of([tuple(row) for row in random.random((100, 4))])
    assert judged(boxes, stated=stated) == "corners"
    assert judged(as_sides(boxes), stated=stated) == "sides"
    boxes[7, 2] = boxes[7, 0] - 1  # one is inverted
    assert judged(boxes, stated=stated) == "corners"
    sides = as_sides(boxes_of([tuple(row) for row in random.random((100, 4))]))
    sides[3, 2] = 400  # one leaves the picture
    assert judged(sides, stated=stated) == "sides"


def test_nothing_tells() -> None:
    assert judged(np.array([[10, 20, 50, 90]], np.float32)) is None
    assert judged(np.zeros((0, 4), np.float32)) is None
    both_wrong = np.array([[300, 200, 100, 90], [300, 200, 310, 230]], np.float32)
    assert judged(both_wrong) is None


def test_pictures_without_a_size_tell_less() -> None:
    owner, sizes = np.zeros(1, np.int64), np.zeros((1, 2), np.int64)
    far = np.array([[200, 100, 300, 200]], np.float32)
    assert meaning_of(far, owner, sizes, lambda picture: None) is None
    assert meaning_of(far[:, [2, 3, 0, 1]], owner, sizes, lambda picture: None) == "sides"


def test_fractions() -> None:
    boxes = np.array([[0, 0, 1, 1], [0, 0, 0.5, 1], [0.5, 0, 2, 1], [1, 2, 3, 4]], np.float32)
    assert fractions_among(boxes).tolist() == [False, True, False, False]
