"""Pictures of very many boxes: what is found in them is what a comparison of all would find."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.limited import limited

from ssd_data.core import overlaps
from ssd_data.core.overlaps import best_overlaps, jaccard, near_pairs
from ssd_data.core.pairing import pair_greedily

side = st.integers(0, 6)
box = st.tuples(side, side, st.integers(-1, 4), st.integers(-1, 4))
boxes = st.lists(box, min_size=1, max_size=8)


def corners(rows: Any) -> Any:
    found = np.array(rows, np.float64)
    found[:, 2:] += found[:, :2]
    return found


@given(boxes, boxes, st.integers(0, 1), st.randoms(use_true_random=False))
@settings(max_examples=200)
def test_a_crowds_best_overlaps(found: Any, truth: Any, plus: int, random: Any) -> None:
    found, truth = corners(found), corners(truth)
    groups = [np.array([random.randrange(2) for _ in part]) for part in (found, truth)]
    plain = best_overlaps(found, groups[0], truth, groups[1], plus)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(overlaps, "CROWD", 0)
        crowd = best_overlaps(found, groups[0], truth, groups[1], plus)
    assert plain[0].tolist() == crowd[0].tolist()
    assert plain[1].tolist() == crowd[1].tolist()


@given(boxes, boxes, st.sampled_from([0.3, 0.5, 0.9]))
def test_near_pairs_hold_all_that_overlap(rows: Any, others: Any, least: float) -> None:
    rows, others = corners(rows), corners(others)
    count, portions = near_pairs(rows, others, least)
    found = [pair for i, j in portions for pair in zip(i.tolist(), j.tolist(), strict=True)]
    assert len(found) == len(set(found)) == count
    wanted = np.argwhere(jaccard(rows[:, None], others[None]) >= least)
    assert set(map(tuple, wanted.tolist())) <= set(found)


def test_boxes_that_are_no_numbers_are_near_nothing() -> None:
    odd = np.array([[np.nan, 0, 1, 1], [0, 0, np.inf, 1]])
    assert near_pairs(odd, odd, 0.5)[0] == 0
    assert list(near_pairs(odd, odd, 0.5)[1]) == []


value = st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.75, 1.0])


@given(
    st.integers(1, 4).flatmap(lambda n: st.lists(st.tuples(*[value] * n), min_size=1, max_size=7)),
    st.data(),
)
@settings(max_examples=200)
def test_pairs_are_those_of_a_walk_through_all_values(rows: Any, data: Any) -> None:
    table = np.array(rows, np.float32).reshape(len(rows), -1)
    group = np.array([data.draw(st.integers(0, 1)) for _ in rows], np.int64)
    walk = sorted(
        ((-table[i, j], j, i) for i in range(len(rows)) for j in range(table.shape[1])),
    )
    wanted: dict[int, int] = {}
    gone: set[tuple[int, int]] = set()
    for less, j, i in walk:
        if -less > np.float32(0.1) and i not in wanted and (int(group[i]), j) not in gone:
            wanted[i] = j
            gone.add((int(group[i]), j))
    found = pair_greedily(table, group, np.float32(0.1))
    assert dict(zip(*(part.tolist() for part in found), strict=True)) == wanted


CROWDS = {
    "scores": """
from ssd_data.core.overlaps import best_overlaps
group = np.zeros(N, np.int64)
best, index = best_overlaps(boxes, group, boxes, group)
assert best.tolist() == [1.0] * N and index.tolist() == first
""",
    "a picture of faces": """
from ssd_data.metrics.scores import Found, Truth
from ssd_data.metrics.widerface.rules import best_faces
one, none, boxes = np.zeros(N, np.int64), np.zeros(N, bool), boxes * 1e6
truth = Truth("", ("a",), ("face",), one, one, boxes, none, np.zeros((1, 2), np.int64))
found = Found("", one, one, one + 0.5, boxes, np.array([True]))
best, index = best_faces(truth, found)
assert best.tolist() == [1.0] * N and index.tolist() == first
""",
    "priors": """
from ssd_data.families.fit.matching import pairs
from ssd_data.families.fit.layout import Rules
priors = np.tile(boxes[:1], (300, 1)) + np.arange(300)[:, None] / 1e4
found = pairs(boxes[:5000].astype(np.float32), priors.astype(np.float32), Rules(0.99))
assert len(set(found[1].tolist())) > 200 * alike
""",
    "a training's priors": """
import torch
from ssd_data.engines.torch.matching import GroundTruth, match
priors = torch.tensor(np.tile(boxes[:1], (300, 1)) + np.arange(300)[:, None] / 1e4).float()
one = torch.zeros(5000, dtype=torch.int64)
truth = GroundTruth(one, one + 1, torch.tensor(boxes[:5000]).float())
index, _ = match(priors, truth, 1, threshold=0.99)
assert (index >= 0).any()
""",
}


@pytest.mark.parametrize("alike", [True, False])
@pytest.mark.parametrize("name", CROWDS)
def test_a_crowd_takes_no_more_than_its_number(name: str, alike: bool) -> None:
    """Compared each with each, these would take gigabytes, or minutes."""
    if "torch" in CROWDS[name]:
        pytest.importorskip("torch")
    program = f"""
import numpy as np
N, alike = 40_000, {alike}
if alike:
    boxes = np.tile([[0.1, 0.1, 0.5, 0.5]], (N, 1))
    first = [0] * N
else:
    starts = np.stack([np.arange(N) * 1e-5 + 0.1, np.full(N, 0.1)], 1)
    boxes = np.hstack([starts, starts + 5e-6])
    first = list(range(N))
"""
    ended = limited("-c", program + CROWDS[name], seconds=25)
    assert ended.status == 0, ended.err[-2000:]
    assert ended.peak < (700 if "torch" in CROWDS[name] else 500)
