"""Test protocols against a naive twin, and the threshold that takes the place of a net's own."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.nets import write_detector

from ssd_data.core.errors import InputError, UsageError
from ssd_data.core.registry import PROTOCOLS
from ssd_data.core.structures import Detections
from ssd_data.engines import Array, Engine, load_engine
from ssd_data.evaluation.protocols import make_plan, sfd
from ssd_data.nets.graph import parse_graph
from ssd_data.nets.preprocessing import Preprocessing

INPUT = """layer { name: "data" type: "Input" top: "data"
  input_param { shape { dim: 1 dim: 3 dim: 8 dim: 8 } } }"""
PLAIN = Preprocessing((0.0, 0.0, 0.0))


class Faces(Engine):
    """Finds a white square in a black picture, once a pass, and some of given sizes."""

    def __init__(self, more: Any = ()) -> None:
        super().__init__(parse_graph(INPUT))
        self.sizes: list[tuple[int, int]] = []
        self.more = list(more)

    def forward(self, batch: Array) -> dict[str, Array]:
        raise NotImplementedError

    def detect(self, batch: Array) -> list[Detections]:
        assert len(batch) == 1
        height, width = batch.shape[2:]
        self.sizes.append((width, height))
        rows, columns = np.nonzero(batch[0, 0] > 127)
        scale = np.array([width, height] * 2)
        box = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
        boxes = np.array([box / scale, *self.more], np.float32)
        scores = np.linspace(0.9, 0.5, len(boxes)).astype(np.float32)
        return [Detections(np.ones(len(boxes), np.int32), scores, boxes)]


def picture(width: int, height: int, box: tuple[int, int, int, int]) -> Any:
    drawn = np.zeros((height, width, 3), np.uint8)
    drawn[box[1] : box[3], box[0] : box[2]] = 255
    return drawn


def test_the_protocols_there_are() -> None:
    assert PROTOCOLS.names() == ["sfd", "single"]
    with pytest.raises(UsageError, match="no protocol"):
        make_plan("tta", PLAIN, None)
    with pytest.raises(UsageError, match="its sizes itself"):
        make_plan("sfd", PLAIN, (300, 300))


def test_one_pass() -> None:
    engine = Faces()
    seen = picture(60, 40, (10, 10, 30, 30))
    as_it_is, warped = make_plan("single", PLAIN, None, 8), make_plan("single", PLAIN, (30, 30), 8)
    (found,) = as_it_is.run(engine, [as_it_is.prepare(seen)])
    np.testing.assert_allclose(found.in_pixels(60, 40), [[10, 10, 30, 30]], atol=1e-4)
    warped.run(engine, [warped.prepare(seen)])
    assert engine.sizes == [(60, 40), (30, 30)]
    assert (as_it_is.batch, warped.batch) == (1, 8)


@pytest.mark.parametrize(
    ("most", "half", "larger"),
    [
        (0.5, 0.25, [0.375]),  # enlarging is halfway between shrinking and the most
        (0.8, 0.5, [0.65]),
        (1.0, 0.5, [0.75]),
        (1.067, 0.5, [1.067]),
        (1.9, 0.5, [1.9]),
        (2.0, 0.5, [2.0]),
        (2.5, 0.5, [2.0, 4.0]),  # the last exceeds the most
        (4.0, 0.5, [2.0, 4.0]),
        (9.0, 0.5, [2.0, 4.0, 8.0, 16.0]),
    ],
)
def test_the_factors(most: float, half: float, larger: list[float]) -> None:
    assert sfd.scales(most) == (pytest.approx(half), pytest.approx(larger))


def test_the_passes_of_a_picture() -> None:
    engine = Faces()
    found = sfd.detect(engine, picture(1024, 768, (100, 100, 180, 190)), PLAIN)
    # sqrt(0x7fffffff / 800 / (1024 * 768 * 3)) = 1.0667
    assert sorted(engine.sizes) == sorted([(1024, 768)] * 2 + [(512, 384), (1092, 819)])
    assert len(found) == 1
    np.testing.assert_allclose(found.in_pixels(1024, 768), [[100, 100, 181, 191]], atol=1.0)
    engine = Faces()
    sfd.detect(engine, picture(400, 300, (100, 100, 180, 190)), PLAIN)  # most is 2.73
    assert sorted(engine.sizes) == [(200, 150), (400, 300), (400, 300), (800, 600), (1600, 1200)]


def test_a_face_that_one_pass_finds_is_thrown_away() -> None:
    """A pass finds 20 pixels only where they are over 30 in it; nothing else overlaps them."""

    class Once(Faces):
        def detect(self, batch: Array) -> list[Detections]:
            (found,) = super().detect(batch)
            return [found if len(self.sizes) == 2 else found.above(2.0)]

    assert len(sfd.detect(Once(), picture(1024, 768, (100, 100, 180, 190)), PLAIN)) == 0


def test_extreme_shapes() -> None:
    for width, height in ((1, 400), (400, 1), (1, 1)):
        sfd.detect(Faces(), np.full((height, width, 3), 255, np.uint8), PLAIN)


def naive_vote(rows: list[list[float]]) -> list[list[float]]:
    """Box by box, as the protocol is told."""
    left = sorted(rows, key=lambda row: -row[4])
    result = []
    while left:
        best = left[0]
        taken = [best, *(row for row in left[1:] if overlap(best, row) >= 0.3)]
        left = [row for row in left[1:] if overlap(best, row) < 0.3]
        if len(taken) > 1:
            total = sum(row[4] for row in taken)
            mean = [sum(row[k] * row[4] for row in taken) / total for k in range(4)]
            result.append([*mean, best[4]])
    return result[:750]


def overlap(a: list[float], b: list[float]) -> float:
    width = min(a[2], b[2]) - max(a[0], b[0]) + 1
    height = min(a[3], b[3]) - max(a[1], b[1]) + 1
    both = max(width, 0) * max(height, 0)
    areas = [(r[2] - r[0] + 1) * (r[3] - r[1] + 1) for r in (a, b)]
    return both / (sum(areas) - both)


@given(
    st.lists(
        st.tuples(*[st.integers(0, 60)] * 2, *[st.integers(5, 40)] * 2, st.integers(1, 10**6)),
        max_size=30,
        unique_by=lambda row: row[4],
    )
)
def test_voting_against_a_naive_twin(drawn: list[tuple[int, ...]]) -> None:
    rows = [[x, y, x + w, y + h, s / 10**6] for x, y, w, h, s in drawn]
    voted = sfd.vote(np.array(rows, np.float64).reshape(-1, 5))
    np.testing.assert_allclose(voted, np.array(naive_vote(rows)).reshape(-1, 5), atol=1e-9)


def test_inverted_boxes_end_the_voting_too() -> None:
    rows = np.array([[50, 50, 10, 10, 0.9], [0, 0, 20, 20, 0.8], [1, 1, 20, 20, 0.7]])
    assert sfd.vote(rows).shape == (1, 5)


def naive_sfd(engine: Engine, seen: Any) -> list[list[float]]:
    """The whole protocol once more, without arrays."""
    height, width = seen.shape[:2]
    most = (0x7FFFFFFF / 800 / (height * width * 3)) ** 0.5

    def at(factor: float, image: Any) -> list[list[float]]:
        image = image.astype(np.float32)
        if factor != 1:
            image = cv2.resize(image, None, fx=factor, fy=factor)
        (found,) = engine.detect(((image - 127.5) * 0.02).transpose(2, 0, 1)[None].copy())
        h, w = image.shape[:2]
        return [
            [x0 * w / factor, y0 * h / factor, x1 * w / factor, y1 * h / factor, score]
            for (x0, y0, x1, y1), score in zip(
                found.boxes.tolist(), found.scores.tolist(), strict=True
            )
        ]

    rows = at(min(most, 1), seen)
    for x0, y0, x1, y1, score in at(min(most, 1), seen[:, ::-1]):
        rows.append([width - x1, y0, width - x0, y1, score])
    small = 0.5 if most >= 0.75 else most / 2
    rows += [r for r in at(small, seen) if max(r[2] - r[0], r[3] - r[1]) + 1 > 30]
    factors = [min(2, most) if most > 1 else (small + most) / 2]
    if most > 2:
        for doubled in itertools.count(2):
            factors.append(2.0**doubled)
            if factors[-1] >= most:
                break
    for row in itertools.chain(*(at(f, seen) for f in factors)):
        sides = [row[2] - row[0] + 1, row[3] - row[1] + 1]
        if min(sides) < 100 if factors[-1] > 1 else max(sides) > 30:
            rows.append(row)
    voted = naive_vote(rows)
    result = []
    for x0, y0, x1, y1, score in voted:  # as in their files: x y w h score
        x, y, w, h = (round(v, 1) for v in (x0, y0, x1 - x0 + 1, y1 - y0 + 1))
        result.append([x, y, x + w, y + h, round(score, 3)])
    return result


@pytest.mark.parametrize("size", [(60, 44), (150, 100), (700, 500), (1400, 1100)])
def test_a_net_against_a_naive_twin(size: tuple[int, int], tmp_path: Path) -> None:
    deploy, weights = write_detector(tmp_path, classes=2)
    engine = load_engine("torch", deploy, weights, threshold=0.3)
    random = np.random.default_rng(1)
    small = random.integers(0, 255, (9, 11, 3), np.uint8)
    seen = cv2.resize(small, size)
    found = sfd.detect(engine, seen, Preprocessing((127.5,) * 3, 0.02))
    expected = np.array(naive_sfd(engine, seen)).reshape(-1, 5)
    assert len(expected) > 5
    assert len(found) == len(expected)
    np.testing.assert_allclose(found.scores, expected[:, 4], atol=1e-6)
    np.testing.assert_allclose(found.in_pixels(*size), expected[:, :4], atol=0.02)
    assert set(found.labels.tolist()) <= {1}


@pytest.mark.parametrize("name", ["torch", "opencv"])
def test_a_threshold_below_the_nets_own(name: str, tmp_path: Path) -> None:
    deploy, weights = write_detector(tmp_path)  # its own is 0.4
    deploy.write_text(deploy.read_text().replace("keep_top_k: 50", "keep_top_k: 1000"))
    batch = np.random.default_rng(0).normal(size=(2, 3, 64, 64)).astype(np.float32)
    own = load_engine(name, deploy, weights).detect(batch)
    lower = load_engine(name, deploy, weights, threshold=0.01).detect(batch)
    higher = load_engine(name, deploy, weights, threshold=0.45).detect(batch)
    for mine, more, fewer in zip(own, lower, higher, strict=True):
        assert min(mine.scores) > 0.4
        assert min(more.scores) < 0.4
        above = mine.above(0.45)
        np.testing.assert_array_equal(fewer.labels, above.labels)
        np.testing.assert_allclose(fewer.scores, above.scores, rtol=1e-5)
    assert "confidence_threshold: 0.4" in deploy.read_text()


def test_opencv_writes_beyond_its_memory_without_keep_top_k(tmp_path: Path) -> None:
    deploy, weights = write_detector(tmp_path)
    deploy.write_text(deploy.read_text().replace("keep_top_k: 50", "keep_top_k: -1"))
    with pytest.raises(InputError, match="keep_top_k"):
        load_engine("opencv", deploy, weights)


def test_a_threshold_needs_a_detector(tmp_path: Path) -> None:
    deploy, weights = write_detector(tmp_path)
    text = deploy.read_text()
    deploy.write_text(text[: text.index('layer { name: "detection_out"')])
    with pytest.raises(InputError, match="no DetectionOutput"):
        load_engine("torch", deploy, weights, threshold=0.01)
