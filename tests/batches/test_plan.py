"""What changes along the stream: sizes in turn, augmentation that rests; always the same."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from support.data_layers import COUNT, WARP, layer, training

from ssd_data.batches import Batches, generator_at
from ssd_data.batches.plan import STEPS, FeedPlan

SIZES = ((30, 20), (40, 32), (64, 64))


def sizes_of(batches: Batches, count: int) -> list[tuple[int, int]]:
    return [(b.data.shape[3], b.data.shape[2]) for b in islice(batches, count)]


@pytest.mark.parametrize("workers", [0, 3])
def test_sizes_in_turn(records: Path, workers: int) -> None:
    plan = FeedPlan(sizes=SIZES, every=3)
    with Batches(layer(records, WARP, 2), seed=5, workers=workers, plan=plan) as batches:
        found = sizes_of(batches, 30)
    assert set(found) == set(SIZES)
    assert all(len(set(found[n : n + 3])) == 1 for n in range(0, 30, 3))
    wanted = [SIZES[int(generator_at(5, -2 - n).integers(3))] for n in range(10)]
    assert found[::3] == wanted


def test_a_stream_goes_on_with_the_same_sizes_and_bytes(records: Path) -> None:
    plan = FeedPlan(sizes=SIZES, every=2, closes=13, resting=("expand", "crop"))
    source = training(records, 2)
    with Batches(source, seed=3, plan=plan) as batches:
        whole = [b.data for b in islice(batches, 12)]
    with Batches(source, seed=3, plan=plan, start=10) as batches:
        rest = [b.data for b in islice(batches, 7)]
    for ours, theirs in zip(rest, whole[5:], strict=True):
        assert np.array_equal(ours, theirs)


def test_processes_have_one_size(records: Path) -> None:
    plan = FeedPlan(sizes=SIZES, every=1)
    found = []
    for rank in range(2):
        with Batches(layer(records, WARP, 2), plan=plan, rank=rank, world=2) as batches:
            found.append(sizes_of(batches, 8))
    assert found[0] == found[1]
    with Batches(layer(records, WARP, 4), plan=plan) as batches:
        assert sizes_of(batches, 8) == found[0]


def test_of_one_size_all_is_as_without(records: Path) -> None:
    source = layer(records, WARP, 3)
    plan = FeedPlan(sizes=((30, 20),), closes=100, resting=("crop",))
    with Batches(source, plan=plan) as ours, Batches(source) as plain:
        for a, b in zip(islice(ours, 5), islice(plain, 5), strict=True):
            assert np.array_equal(a.data, b.data)
            assert np.array_equal(a.label, b.label)


def test_what_rests_does_so_from_its_position_on(records: Path) -> None:
    source = training(records, 1)
    closes = 2 * COUNT + 3
    with Batches(source, seed=1, plan=FeedPlan(closes=closes, resting=(*STEPS,))) as batches:
        found = list(islice(batches, 5 * COUNT))
    with Batches(source, seed=1) as plain:
        wanted = list(islice(plain, 5 * COUNT))
    same = [
        np.array_equal(a.data, b.data) and a.label.shape == b.label.shape
        for a, b in zip(found, wanted, strict=True)
    ]
    assert all(same[:closes])
    assert not any(same[closes:])
    assert source.transform_param.HasField("expand_param")  # the layer stays as it is
    bare = training(records, 1)
    for name in STEPS.values():
        if name:
            bare.transform_param.ClearField(name)
    del bare.annotated_data_param.batch_sampler[:]
    with Batches(bare, seed=1, start=closes) as plain:
        for a, b in zip(found[closes:], islice(plain, 5 * COUNT - closes), strict=True):
            assert np.array_equal(a.data, b.data)
            assert np.array_equal(a.label, b.label)
