"""SFD's second stage of matching, and boxes too small to train on, against plain loops."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from support.data_layers import WARP, layer, write_records
from support.multibox import draw, draw_boxes, make
from support.multibox_twin import Settings, overlap_of, twin

from ssd_data.batches import Batches
from ssd_data.batches.augment.rows import large_enough
from ssd_data.core.errors import UsageError
from ssd_data.engines.torch.matching import GroundTruth, match
from ssd_data.training.extras import prepare
from ssd_data.training.options import Extras

# ---- scale compensation ----


def second_stage(
    index: list[list[int]], boxes: np.ndarray, picture: list[int], truths: np.ndarray
) -> list[list[int]]:
    """arXiv:1708.05237, section 3.2, face by face."""
    counts = [sum(own.count(j) for own in index) for j in range(len(truths))]
    average = round(sum(counts) / len(counts))  # both round halves to the even number
    wishes: dict[tuple[int, int], list[tuple[float, int]]] = {}
    for j, truth in enumerate(truths):
        free = [i for i, owner in enumerate(index[picture[j]]) if owner == -1]
        found = [(-overlap_of(truth, boxes[i]), i) for i in free]
        near = sorted(pair for pair in found if -pair[0] > np.float32(0.1))
        for overlap, i in near[: max(average - counts[j], 0)]:
            wishes.setdefault((picture[j], i), []).append((overlap, j))
    again = [list(own) for own in index]
    for (n, i), rivals in wishes.items():
        again[n][i] = min(rivals)[1]
    return again


@settings(max_examples=150)
@given(
    seed=st.integers(0, 2**32),
    pictures=st.integers(1, 3),
    priors=st.integers(1, 40),
    count=st.integers(0, 8),
    grid=st.sampled_from([4, 8, 1000]),
)
def test_compensation_like_the_twin(
    seed: int, pictures: int, priors: int, count: int, grid: int
) -> None:
    rng = np.random.default_rng(seed)
    boxes, truths = draw_boxes(rng, priors, grid), draw_boxes(rng, count, grid)
    picture = rng.integers(0, pictures, count)
    truth = GroundTruth(
        torch.from_numpy(picture), torch.ones(count).long(), torch.from_numpy(truths)
    )
    given_ = torch.from_numpy(boxes)
    first, _ = match(given_, truth, pictures, threshold=0.35)
    both, best = match(given_, truth, pictures, threshold=0.35, compensates=True)
    expected = first.tolist()
    if count:
        expected = second_stage(expected, boxes, picture.tolist(), truths)
    assert both.tolist() == expected
    assert torch.equal(both[first >= 0], first[first >= 0])
    assert best.shape == both.shape


def test_a_face_between_the_priors_gets_its_share() -> None:
    priors = torch.tensor([[x / 10, 0, x / 10 + 0.2, 0.2] for x in range(9)])
    faces = torch.tensor([[0.0, 0, 0.2, 0.2], [0.72, 0.1, 0.8, 0.18]])
    truth = GroundTruth(torch.tensor([0, 0]), torch.ones(2).long(), faces)
    first, _ = match(priors, truth, 1, threshold=0.3)
    assert first.tolist() == [[0, 0, -1, -1, -1, -1, 1, -1, -1]]
    assert match(priors, truth, 1, threshold=0.3, compensates=True)[0].tolist() == [
        [0, 0, -1, -1, -1, -1, 1, 1, -1]
    ]  # 1.5 a face on average, rounded to 2
    crossed, _ = match(priors - 0.05, truth, 1, threshold=0.3, ignore_outside=True)
    again, _ = match(priors - 0.05, truth, 1, threshold=0.3, ignore_outside=True, compensates=True)
    assert torch.equal(again == -2, crossed == -2)


def test_of_priors_that_tie_the_lower_ones_are_taken() -> None:
    large, near = [0.5, 0.5, 0.9, 0.9], [0.5, 0.5, 0.7, 0.9]  # overlaps 0.2 and 0.4
    priors = torch.tensor([[0.0, 0, 0.2, 0.2]] * 5 + [large] * 3 + [near] * 2)
    faces = torch.tensor([[0.0, 0, 0.2, 0.2], [0.5, 0.5, 0.68, 0.68]])
    truth = GroundTruth(torch.tensor([0, 0]), torch.ones(2).long(), faces)
    first, _ = match(priors, truth, 1, threshold=0.5)
    assert first.tolist() == [[0] * 5 + [-1] * 3 + [1, -1]]
    index, _ = match(priors, truth, 1, threshold=0.5, compensates=True)
    assert index.tolist() == [[0] * 5 + [1, -1, -1] + [1, 1]]  # 3 a face


def test_the_loss_takes_the_second_stage() -> None:
    s = Settings(overlap_threshold=0.2)
    arrays = draw(s, 3, 2, 60, 6)
    shapes = (len(arrays[0]), arrays[2].shape[1], len(arrays[3]))
    blobs = [
        torch.from_numpy(a.reshape(shape))
        for a, shape in zip(
            arrays,
            [(2, -1), (2, -1), (1, 2, -1), (1, 1, -1, 8)],
            strict=True,
        )
    ]
    found = []
    for compensates in (False, True):
        loss = make(s, *shapes)
        loss.compensates = compensates
        loss.forward(*blobs)
        assert loss.parts is not None
        found.append(int(loss.parts.matches))
    assert found[0] == int(twin(s, *arrays).matches)
    assert found[1] > found[0]


@pytest.mark.parametrize(
    "s", [Settings(match_type="BIPARTITE"), Settings(share_location=False, mining_type="NONE")]
)
def test_where_there_is_no_second_stage(s: Settings) -> None:
    loss = make(s, 1, 4, 2)
    net = type("Bare", (), {"steps": [loss]})()
    with pytest.raises(UsageError, match="PER_PREDICTION") as error:
        prepare(net, Extras(scale_compensation=True))
    assert error.value.where == "--scale-compensation"


# ---- boxes that are too small ----


@given(
    sides=st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)), max_size=6),
    least=st.integers(0, 12),
)
def test_boxes_that_are_large_enough(sides: list[tuple[int, int]], least: int) -> None:
    rows = np.zeros((len(sides), 8), np.float32)
    for row, (width, height) in zip(rows, sides, strict=True):
        row[3:7] = 0.25, 0.5, 0.25 + width / 64, 0.5 + height / 32
    kept = large_enough(rows, 64, 32, least)
    wanted = [row for row, side in zip(rows, sides, strict=True) if min(side) >= least]
    np.testing.assert_array_equal(kept, np.array(wanted, np.float32).reshape(-1, 8))


def test_a_batch_without_small_boxes(tmp_path: Path) -> None:
    """The pictures become 30 x 20: of 12 x 8 and 18 x 18 pixels are their boxes."""
    records = write_records(tmp_path / "db")
    labels = {}
    for least in (0, 8, 9, 19):
        with Batches(layer(records, WARP), 0, workers=0, min_box=least) as batches:
            rows = next(batches).label[0, 0]
        labels[least] = [tuple(row[[0, 1]]) for row in rows.tolist() if 0] or rows[:, 1].tolist()
    assert labels[0] == labels[8]
    assert len(labels[9]) == len(labels[0]) / 2
    assert labels[19] == [-1]
