"""Matchings of recipes, each against plain loops over priors and truths."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from support.multibox_twin import overlap_of
from support.recipe_scenes import Map, label_of, maps, scene
from torch.utils._python_dispatch import TorchDispatchMode

from ssd_data.core.errors import InputError
from ssd_data.training.recipe.matchings import _tables
from ssd_data.training.recipe.matchings._base import MatchingRule
from ssd_data.training.recipe.matchings.atss import Atss
from ssd_data.training.recipe.matchings.original import OriginalMatching
from ssd_data.training.recipe.matchings.simota import Simota
from ssd_data.training.recipe.pairs import Predictions

KINDS = (Atss(), Simota(), OriginalMatching())


def pixels(p: Predictions, boxes: torch.Tensor) -> np.ndarray:
    return (boxes * torch.tensor(p.size * 2, dtype=torch.float32)).numpy()


def centre(box: np.ndarray) -> tuple[float, float]:
    return (float(box[0] + box[2]) / 2, float(box[1] + box[3]) / 2)


def holds(box: np.ndarray, point: tuple[float, float]) -> bool:
    return bool(box[0] < point[0] < box[2] and box[1] < point[1] < box[3])


def atss_twin(p: Predictions, k: int, at_least_one: bool) -> list[dict[int, int]]:
    """arXiv:1912.02424, algorithm 1, truth by truth. Of each picture: prior → truth."""
    priors, truths = p.priors.boxes.numpy(), p.truth.boxes.numpy()
    points = [centre(box) for box in pixels(p, p.priors.boxes)]
    found: list[dict[int, int]] = [{} for _ in range(p.pictures)]
    for n in range(p.pictures):
        claims: dict[int, list[tuple[float, int]]] = {}
        mine = [j for j in range(len(truths)) if p.truth.picture[j] == n]
        for j in mine:
            box = pixels(p, p.truth.boxes)[j]
            candidates: list[int] = []
            for one in maps():
                own = range(one.first, one.first + one.count)
                near = sorted(own, key=lambda i: math.dist(points[i], centre(box)))
                candidates += near[: k * one.each]
            overlaps = [float(overlap_of(truths[j], priors[i])) for i in candidates]
            mean = sum(overlaps) / len(overlaps)
            spread = sum((v - mean) ** 2 for v in overlaps) / max(len(overlaps) - 1, 1)
            for i, overlap in zip(candidates, overlaps, strict=True):
                if overlap >= mean + math.sqrt(spread) and holds(box, points[i]) and overlap > 0:
                    claims.setdefault(i, []).append((-overlap, j))
        found[n] = {i: min(rivals)[1] for i, rivals in claims.items()}
        left = [j for j in mine if j not in found[n].values()] if at_least_one else []
        while left:
            free = [i for i in range(len(priors)) if i not in found[n]]
            pairs = [(-float(overlap_of(truths[j], priors[i])), i, j) for i in free for j in left]
            pairs = [pair for pair in pairs if pair[0] < 0]
            if not pairs:
                break
            _, i, j = min(pairs)
            found[n][i] = j
            left.remove(j)
    return found


def simota_twin(p: Predictions, how: Simota) -> list[dict[int, int]]:
    """As YOLOX's ``get_assignments`` goes about it, truth by truth."""
    points = [centre(box) for box in pixels(p, p.priors.boxes)]
    truths, boxes = p.truth.boxes.numpy(), p.boxes.numpy()
    strides = [one.stride for one in maps() for _ in range(one.count)]
    found: list[dict[int, int]] = []
    for n in range(p.pictures):
        mine = [j for j in range(len(truths)) if p.truth.picture[j] == n]
        within: dict[tuple[int, int], tuple[bool, bool]] = {}
        for j in mine:
            box = pixels(p, p.truth.boxes)[j]
            x, y = centre(box)
            for i, point in enumerate(points):
                reach = [how.radius * step for step in strides[i]]
                square = np.array([x - reach[0], y - reach[1], x + reach[0], y + reach[1]])
                within[i, j] = (holds(box, point), holds(square, point))
        possible = [i for i in range(len(points)) if any(any(within[i, j]) for j in mine)]
        chosen: dict[int, list[tuple[float, int]]] = {}
        for j in mine:
            label = int(p.truth.label[j])
            rows = []
            for i in possible:
                overlap = float(overlap_of(truths[j], boxes[n, i]))
                row = p.scores[n, i].double().numpy()
                if p.logistic:
                    others = [c for c in range(len(row)) if c != p.background]
                    score = sum(np.logaddexp(0, row[c]) - row[c] * (c == label) for c in others)
                else:
                    score = np.logaddexp.reduce(row) - row[label]
                cost = score - how.boxes * math.log(overlap + 1e-8)
                rows.append((float(cost) + 1e5 * (not all(within[i, j])), i, overlap))
            count = max(1, int(sum(sorted((row[2] for row in rows), reverse=True)[: how.most])))
            for cost, i, _ in sorted(rows)[:count]:
                chosen.setdefault(i, []).append((cost, j))
        found.append({i: min(rivals)[1] for i, rivals in chosen.items()})
    return found


def as_maps(index: torch.Tensor) -> list[dict[int, int]]:
    return [{i: j for i, j in enumerate(row) if j >= 0} for row in index.tolist()]


@settings(max_examples=60)
@given(st.integers(0, 2**32), st.integers(0, 9), st.integers(1, 9), st.booleans())
def test_atss_like_the_twin(seed: int, count: int, k: int, least: bool) -> None:
    p = scene(seed, count=count)
    found = Atss(candidates=k, at_least_one=least).match(p)
    assert as_maps(found.index) == atss_twin(p, k, least)


def test_a_crowd_like_the_twin() -> None:
    for seed in range(3):
        p = scene(seed, pictures=3, count=60)
        assert as_maps(Atss().match(p).index) == atss_twin(p, 9, True)
        assert as_maps(Simota().match(p).index) == simota_twin(p, Simota())


@settings(max_examples=60)
@given(st.integers(0, 2**32), st.integers(0, 9), st.booleans(), st.sampled_from([0.5, 2.5]))
@example(2**32 - 1, 6, True, 0.5)  # two that are not both within and near cost nearly the same
@example(2337, 7, True, 2.5)
def test_simota_like_the_twin(seed: int, count: int, logistic: bool, radius: float) -> None:
    p = scene(seed, count=count, logistic=logistic)
    how = Simota(radius=radius)
    assert as_maps(how.match(p).index) == simota_twin(p, how)


@pytest.mark.parametrize("how", KINDS, ids=lambda one: one.kind)
def test_overlaps_are_those_of_the_priors(how: MatchingRule) -> None:
    """By them mining tells negatives from what is near a truth."""
    p = scene(3, count=6)
    found = how.match(p).overlap
    wanted = OriginalMatching().match(p).overlap
    torch.testing.assert_close(found, wanted, atol=1e-6, rtol=0)


@pytest.mark.parametrize("how", KINDS[:2], ids=lambda one: one.kind)
def test_picture_by_picture_it_is_the_same(
    how: MatchingRule, monkeypatch: pytest.MonkeyPatch
) -> None:
    p = scene(4, pictures=3, count=8)
    whole = how.match(p)
    monkeypatch.setattr(_tables, "MOST_PAIRS", 6 * len(p.priors.boxes))
    parts = how.match(p)
    assert torch.equal(whole.index, parts.index)
    assert torch.equal(whole.overlap, parts.overlap)
    monkeypatch.setattr(_tables, "MOST_PAIRS", len(p.priors.boxes))
    with pytest.raises(InputError, match="boxes in one picture are too many for"):
        how.match(p)


@pytest.mark.parametrize("how", KINDS[:2], ids=lambda one: one.kind)
def test_a_truth_without_area_and_a_batch_without_truths(how: MatchingRule) -> None:
    p = scene(5, count=3)
    p.truth.boxes[0, 2:] = p.truth.boxes[0, :2]
    p.truth.boxes[1, 2] = p.truth.boxes[1, 0] - 0.1
    found = how.match(p)
    assert (found.index < 3).all()
    empty = how.match(scene(5, count=0))
    assert (empty.index == -1).all()
    assert not empty.overlap.any()


class Launches(TorchDispatchMode):
    """Counts the operations that a GPU has to be told of; views are none."""

    count = 0

    def __torch_dispatch__(self, what: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = [one for one in args if isinstance(one, torch.Tensor)]
        found = what(*args, **(kwargs or {}))
        is_view = isinstance(found, torch.Tensor) and any(
            found.untyped_storage().data_ptr() == one.untyped_storage().data_ptr() for one in given
        )
        self.count += not (is_view and what.overloadpacket.__name__[-1:] != "_")
        return found


@pytest.mark.parametrize("how", [Atss(at_least_one=False), Simota()], ids=lambda one: one.kind)
def test_a_larger_batch_takes_no_more_operations(how: MatchingRule) -> None:
    counts = []
    for pictures, count in ((1, 2), (6, 40)):
        p = scene(7, pictures=pictures, count=count)
        how.match(p)
        with Launches() as launches:
            how.match(p)
        counts.append(launches.count)
    assert counts[0] == counts[1] < 150


def test_where_places_are() -> None:
    from ssd_data.training.recipe.matchings._places import levels_of

    found = [
        Map(one.first, one.last - one.first, one.each, one.stride) for one in levels_of(scene(0))
    ]
    for ours, theirs in zip(found, maps(), strict=True):
        assert (ours.first, ours.count, ours.each) == (theirs.first, theirs.count, theirs.each)
        assert ours.stride == pytest.approx(theirs.stride)


def test_the_original_is_the_layers_own() -> None:
    p = scene(6, count=6)
    layer = p.layer
    index, overlap = layer.match_priors(p.offsets[:, :, None], p.priors, p.truth)
    found = OriginalMatching().match(p)
    assert torch.equal(found.index, index[..., 0])
    assert torch.equal(found.overlap, overlap)
    assert label_of(p).shape == (1, 1, 6, 8)
