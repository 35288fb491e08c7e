"""Several sources by turns: the stream is a function of seed, weights and position alone."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.data_layers import COUNT, WARP, layer, training, value, write

from ssd_data import InputError
from ssd_data.batches import Batches
from ssd_data.batches.mix import Mix, Share
from ssd_data.core.structures import Batch

LESS = 3


class Twin:
    """A mix read from its beginning, one position after another, with a counter for each source."""

    def __init__(self, weights: list[int], counts: list[int], seed: int) -> None:
        self.weights, self.counts, self.seed = weights, counts, seed
        self.read = [0] * len(weights)
        self.round: list[int] = []
        self.rounds = 0

    def __next__(self) -> tuple[int, int]:
        if not self.round:
            self.round = self._draw()
        source = self.round.pop(0)
        number = self.read[source] % self.counts[source]
        self.read[source] += 1
        return source, number

    def _draw(self) -> list[int]:
        """A turn for each unit of weight, sorted by a word of Philox each."""
        turns = [at for at, weight in enumerate(self.weights) for _ in range(weight)]
        bits = np.random.Philox(
            key=np.array([self.seed % 2**64, self.rounds], np.uint64),
            counter=np.array([0, 0, 0, 1], np.uint64),
        )
        words = [int(bits.random_raw()) for _ in turns]
        self.rounds += 1
        return [turn for _, turn in sorted(zip(words, turns, strict=True), key=lambda one: one[0])]


sources = st.lists(st.tuples(st.integers(1, 12), st.integers(1, 9)), min_size=1, max_size=5)


@given(sources, st.integers(-5, 2**64 + 5), st.integers(1, 200))
@settings(max_examples=60, deadline=None)
def test_it_is_what_reading_one_after_another_gives(
    pairs: list[tuple[int, int]], seed: int, length: int
) -> None:
    weights, counts = map(list, zip(*pairs, strict=True))
    twin, mix = Twin(weights, counts, seed), Mix(weights, counts, seed)
    expected = [next(twin) for _ in range(length)]
    assert [mix.at(position) for position in range(length)] == expected
    again = Mix(weights, counts, seed)  # in any order, as threads and processes ask
    order = np.random.default_rng(0).permutation(length).tolist()
    assert {position: again.at(position) for position in order} == dict(enumerate(expected))


def test_every_round_has_the_weights_and_every_source_its_order() -> None:
    weights, counts = [2, 5, 1], [7, 3, 4]
    mix = Mix(weights, counts, 9)
    stream = [mix.at(position) for position in range(8 * 40)]
    for first in range(0, len(stream), 8):
        turns = Counter(source for source, _ in stream[first : first + 8])
        assert turns == {0: 2, 1: 5, 2: 1}
    for source, count in enumerate(counts):
        own = [number for at, number in stream if at == source]
        assert own == [n % count for n in range(len(own))]
    assert len({tuple(s for s, _ in stream[f : f + 8]) for f in range(0, len(stream), 8)}) > 10
    other = Mix(weights, counts, 10)
    assert [other.at(position) for position in range(8 * 40)] != stream


def test_far_into_the_stream_it_costs_a_round(monkeypatch: pytest.MonkeyPatch) -> None:
    weights, counts = [1, 3], [16551, 300]
    drawn: list[int] = []
    ordinary = Mix._draw
    monkeypatch.setattr(Mix, "_draw", lambda self, n: drawn.append(n) or ordinary(self, n))
    mix = Mix(weights, counts, 4)
    start = 10**9
    stream = [mix.at(start + at) for at in range(400)]
    assert drawn == [start // 4 + n for n in range(100)]
    for source, (weight, count) in enumerate(zip(weights, counts, strict=True)):
        own = [number for at, number in stream if at == source]
        first = start // 4 * weight
        assert own == [(first + n) % count for n in range(len(own))]
    assert mix.at(2**62)[0] in (0, 1)  # the last that a snapshot may hold


def test_the_stream_stays_what_it_is() -> None:
    """Runs go on with it: another order would be another training."""
    mix = Mix([1, 3, 2], [5, 7, 11], 1)
    assert "".join(str(mix.at(position)[0]) for position in range(24)) == (
        "202111011212221011201211"
    )


@pytest.fixture
def mixed(records: Path, tmp_path: Path) -> list[Share]:
    other = write(tmp_path / "other", [value(n, boxes=1) for n in (4, 5, 6)][:LESS])
    return [Share(str(records), 1), Share(str(other), 2)]


def take(count: int, data: Any, **options: Any) -> list[Batch]:
    with Batches(data, **options) as batches:
        return [next(batches) for _ in range(count)]


def same(found: list[Batch], wanted: list[Batch]) -> None:
    assert len(found) == len(wanted)
    for one, other in zip(found, wanted, strict=True):
        assert one.keys == other.keys
        np.testing.assert_array_equal(one.data, other.data)
        np.testing.assert_array_equal(one.label, other.label)


def test_batches_take_their_turns(mixed: list[Share]) -> None:
    data = layer("nowhere", WARP)
    batches = take(6, data, seed=3, workers=0, mix=mixed)
    mix = Mix([1, 2], [COUNT, LESS], 3)
    keys = [key for batch in batches for key in batch.keys]
    at = [mix.at(position) for position in range(len(keys))]
    paths = [share.source for share in mixed]
    assert [key.rpartition(": ")[0] for key in keys] == [paths[source] for source, _ in at]
    assert [int(key.rpartition(": ")[2][:8]) for key in keys] == [number for _, number in at]
    with Batches(data, workers=0, mix=mixed) as one:
        assert len(one) == COUNT + LESS


@pytest.mark.parametrize("options", [{"workers": 3}, {"cache": 1}, {"cache": 1, "workers": 2}])
def test_the_same_whatever_reads_it(mixed: list[Share], options: dict[str, int]) -> None:
    data = training("nowhere")
    same(take(8, data, seed=3, mix=mixed, **options), take(8, data, seed=3, workers=0, mix=mixed))


def test_it_goes_on_and_several_share_it(mixed: list[Share]) -> None:
    data = training("nowhere", 6)
    whole = take(8, data, seed=3, workers=0, mix=mixed)
    same(take(5, data, seed=3, workers=0, mix=mixed, start=18), whole[3:])
    half = training("nowhere", 3)
    parts = [take(8, half, seed=3, workers=0, mix=mixed, rank=r, world=2) for r in range(2)]
    for number, batch in enumerate(whole):
        for rank in range(2):
            assert parts[rank][number].keys == batch.keys[rank::2]
            np.testing.assert_array_equal(parts[rank][number].data, batch.data[rank::2])


def test_a_skip_is_of_the_stream(mixed: list[Share]) -> None:
    data = layer("nowhere", WARP)
    data.data_param.rand_skip = 100
    skipped = [key for batch in take(3, data, seed=3, workers=0, mix=mixed) for key in batch.keys]
    plain = take(40, layer("nowhere", WARP), seed=3, workers=0, mix=mixed)
    keys = [key for batch in plain for key in batch.keys]
    assert any(keys[at : at + 12] == skipped for at in range(100))


def test_one_source_alone_is_as_without_a_mix(records: Path) -> None:
    same(
        take(5, training("nowhere"), seed=2, workers=0, mix=[Share(str(records), 1)]),
        take(5, training(records), seed=2, workers=0),
    )


def test_what_cannot_be_used_is_named_with_its_source(mixed: list[Share], tmp_path: Path) -> None:
    broken = write(tmp_path / "broken", [value(0, data=b"\xff\xd8no picture")])
    with pytest.raises(InputError) as error:
        take(9, layer("nowhere", WARP), workers=0, mix=[mixed[0], Share(str(broken), 1)])
    assert error.value.where == f"{broken}: 00000000_0.jpg"
    with pytest.raises(InputError, match="data.mdb is missing"):
        Batches(layer("nowhere", WARP), mix=[mixed[0], Share(str(tmp_path / "none"), 1)])


def test_gray_and_colour_do_not_go_together(mixed: list[Share], tmp_path: Path) -> None:
    picture = cv2.imencode(".png", np.zeros((48, 64), np.uint8))[1].tobytes()
    gray = write(tmp_path / "gray", [value(0, data=picture, shape=(1, 48, 64))])
    with pytest.raises(InputError) as error:
        take(9, layer("nowhere", WARP), workers=0, mix=[mixed[0], Share(str(gray), 1)])
    assert "channels" in str(error.value)
    assert str(gray) in str(error.value)


def test_sizes_that_differ_are_named(mixed: list[Share], tmp_path: Path) -> None:
    large = tmp_path / "large"
    shutil.rmtree(large, ignore_errors=True)
    write(large, [value(0, shape=(3, 50, 64))])
    with pytest.raises(InputError, match="pictures of several sizes"):
        take(9, layer("nowhere"), workers=0, mix=[mixed[0], Share(str(large), 1)])
