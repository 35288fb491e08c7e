"""Batches with elements: always the same ones, whatever makes them, and from wherever on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support.data_layers import COUNT, training, value, write
from support.trees import jpeg

from ssd_data.batches import NO_PLAN, Batches
from ssd_data.batches.augment import DataTransformer
from ssd_data.batches.composer import Composer, known_elements, needed
from ssd_data.batches.elements._base import Context
from ssd_data.batches.mix import Share
from ssd_data.batches.plan import FeedPlan
from ssd_data.core.errors import InputError

KINDS = known_elements()
OTHERS = ("mixup", "mosaic", "paste")
ALL = tuple(kind(prob=0.7) for kind in KINDS.values())
PLAN = FeedPlan(elements=ALL)
_TRANSFORM = training("").transform_param


def pictures(source, count, batch=2, **options):
    """Of each picture its values, its rows without the item's number, its key, the others'."""
    options = {"seed": 4, "plan": PLAN, **options}
    found = []
    with Batches(training(source, batch), workers=options.pop("workers", 0), **options) as batches:
        for _ in range(count // batch):
            one = next(batches)
            rows = one.label.reshape(-1, 8)
            for item, values in enumerate(one.data):
                own = rows[rows[:, 0] == item, 1:]
                others = one.others[item] if one.others else ()
                found.append((values.tobytes(), own.tobytes(), one.keys[item], others))
    return found


@pytest.fixture(scope="module")
def wanted(records):
    return pictures(records, 24)


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("batch", [1, 3, 4, 12])
def test_neither_workers_nor_the_batch_matter(records, wanted, workers, batch):
    assert pictures(records, 24, batch, workers=workers) == wanted


@pytest.mark.parametrize("start", [1, 6, 23])
def test_a_stream_goes_on_anywhere(records, wanted, start):
    assert pictures(records, 24 - start, 1, start=start) == wanted[start:]


@pytest.mark.parametrize("world", [2, 3])
def test_processes_share_one_stream(records, wanted, world):
    for rank in range(world):
        assert pictures(records, 24 // world, 2, rank=rank, world=world) == wanted[rank::world]


@pytest.mark.parametrize("roundtrip", [True, False])
def test_kept_pictures_give_the_same(records, roundtrip):
    settings = {"jpeg_roundtrip": roundtrip}
    plain = pictures(records, 24, **settings)
    assert pictures(records, 24, cache=4, workers=2, **settings) == plain


def test_another_seed_gives_others(records, wanted):
    assert pictures(records, 24, seed=5) != wanted


def test_decoding_is_spared(records, monkeypatch):
    decoded = []
    plain = DataTransformer.decode
    monkeypatch.setattr(
        DataTransformer, "decode", lambda self, r: decoded.append(r.key) or plain(self, r)
    )
    pictures(records, 24, cache=4, plan=FeedPlan(elements=(KINDS["mosaic"](),)))
    assert len(decoded) == COUNT


# Where no element happens


@pytest.mark.parametrize("roundtrip", [True, False])
def test_without_elements_nothing_changes(records, roundtrip):
    plain = pictures(records, 14, plan=NO_PLAN, jpeg_roundtrip=roundtrip)
    never = FeedPlan(elements=tuple(kind(prob=0.0) for kind in KINDS.values()))
    assert pictures(records, 14, plan=never, jpeg_roundtrip=roundtrip) == plain
    rare = FeedPlan(elements=(KINDS["gray"](prob=0.5),))
    some = pictures(records, 14, plan=rare, jpeg_roundtrip=roundtrip)
    same = [a == b for a, b in zip(some, plain, strict=True)]
    assert 2 < sum(same) < 12
    assert [(b, k) for _, b, k, _ in some] == [(b, k) for _, b, k, _ in plain]


def test_strong_ones_rest_from_their_position_on(records):
    strong = tuple(kind(prob=1.0) for kind in KINDS.values() if kind.strong)
    assert {one.name for one in strong} == {*OTHERS}
    plain = pictures(records, 20, plan=NO_PLAN)
    closing = pictures(records, 20, plan=FeedPlan(elements=strong, closes=7))
    assert closing[7:] == plain[7:]
    assert closing[:7] == pictures(records, 20, plan=FeedPlan(elements=strong))[:7]
    assert all(a != b for a, b in zip(closing[:7], plain[:7], strict=True))
    gentle = FeedPlan(elements=(KINDS["hsv"](),), closes=0)
    assert pictures(records, 4, plan=gentle) != plain[:4]


# What each draws is its own


@pytest.mark.parametrize("name", sorted(KINDS))
def test_what_an_element_draws_depends_on_no_other(name):
    setting = Context(_TRANSFORM)
    alone = Composer(FeedPlan(elements=(KINDS[name](prob=0.5),)), 3)
    together = Composer(FeedPlan(elements=tuple(kind(prob=0.5) for kind in KINDS.values())), 3)
    happened = 0
    for position in range(40):
        own = alone.draw(position, setting, 9)
        among = [h for h in together.draw(position, setting, 9) if h.element.name == name]
        if name == "square" and not among:
            continue  # a mosaic came before
        assert repr(own) == repr(among)
        happened += len(own)
    assert 5 < happened < 35


def test_elements_happen_in_one_order(records, wanted):
    backwards = FeedPlan(elements=ALL[::-1])
    assert pictures(records, 24, plan=backwards) == wanted


def test_one_opening_alone_happens():
    both = Composer(FeedPlan(elements=(KINDS["square"](), KINDS["mosaic"](prob=0.4))), 0)
    setting = Context(_TRANSFORM)
    drawn = [[h.element.name for h in both.draw(n, setting, 9)] for n in range(200)]
    assert all(len(names) == 1 for names in drawn)
    assert 50 < sum(names == ["mosaic"] for names in drawn) < 110


# Others


def test_others_are_named(records):
    every = {f"0000000{n}_{n}.jpg" for n in range(COUNT)}
    with Batches(training(records, 6), plan=PLAN, seed=2) as batches:
        batch = next(batches)
    assert len(batch.others) == 6
    taken = {key for others in batch.others for key in others}
    assert taken <= every
    assert len(taken) > 3
    with Batches(training(records, 6), plan=FeedPlan(elements=(KINDS["hsv"](),))) as batches:
        assert next(batches).others == ()


def test_others_come_from_everywhere_of_a_mix(records, tmp_path):
    second = write(tmp_path / "db", [value(n) for n in range(3)])
    mix = (Share(str(records), 1), Share(str(second), 1))
    plan = FeedPlan(elements=(KINDS["mixup"](),))
    with Batches(training(records, 10), plan=plan, mix=mix) as batches:
        taken = [other[0] for _ in range(20) for other in next(batches).others]
    shares = np.mean([key.startswith(f"{second}: ") for key in taken])
    assert 0.4 < shares < 0.6
    assert len({*taken}) == COUNT + 3


def first_that_takes(name, record, position, records=6):
    """The seed with which an element takes of that record at a position."""
    plan, setting = FeedPlan(elements=(KINDS[name](prob=1.0),)), Context(_TRANSFORM)
    for seed in range(100):
        offsets = needed(Composer(plan, seed).draw(position, setting, records))
        if record in [(position + offset) % records for offset in offsets]:
            return plan, seed
    raise AssertionError


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("name", OTHERS)
def test_a_broken_picture_of_others_is_named(tmp_path, name, workers):
    broken = value(1, data=jpeg(64, 48)[:300])
    source = write(tmp_path / "db", [value(0), broken, *[value(n) for n in range(2, 6)]])
    plan, seed = first_that_takes(name, 1, 2)
    with (
        Batches(training(source, 1), plan=plan, seed=seed, start=2, workers=workers) as batches,
        pytest.raises(InputError) as caught,
    ):
        next(batches)
    assert str(caught.value.where) == f"{source}: 00000001_1.jpg"


@pytest.mark.parametrize("name", OTHERS)
def test_a_gray_picture_among_coloured_ones_is_said(tmp_path, name):
    gray = value(1, data=jpeg(64, 48, "L"), shape=(1, 48, 64))
    source = write(tmp_path / "db", [value(0), gray, *[value(n) for n in range(2, 6)]])
    plan, seed = first_that_takes(name, 1, 2)
    with (
        Batches(training(source, 1), plan=plan, seed=seed, start=2, workers=0) as batches,
        pytest.raises(InputError, match="that is to be joined with it gray") as caught,
    ):
        next(batches)
    assert str(caught.value.where) == f"{source}: 00000002_2.jpg"


def test_one_record_is_enough(tmp_path):
    source = write(tmp_path / "db", [value(0)])
    assert len(pictures(source, 6)) == 6


# What is refused


def test_small_boxes_are_left_out_of_all_but_mosaics(records):
    plan = FeedPlan(elements=tuple(k(prob=0.8) for n, k in KINDS.items() if n != "mosaic"))
    with Batches(training(records, 8), plan=plan, min_box=5) as batches:
        rows = np.concatenate([next(batches).label.reshape(-1, 8) for _ in range(5)])
    sides = (rows[:, 5:7] - rows[:, 3:5]) * 40
    assert (sides[rows[:, 0] >= 0] >= 4.999).all()
    with pytest.raises(InputError, match="mosaic: it makes boxes small") as caught:
        Batches(training(records), plan=PLAN, min_box=5)
    assert caught.value.hint == "Leave --min-face out, or mosaic"


def test_sizes_in_turn_with_elements(records: Path) -> None:
    sizes = ((32, 32), (48, 40))
    plan = FeedPlan(elements=ALL, sizes=sizes, every=1)
    with Batches(training(records, 4), plan=plan, seed=1) as batches:
        found = [next(batches) for _ in range(8)]
    assert {one.data.shape[2:] for one in found} == {(32, 32), (40, 48)}
    with Batches(training(records, 4), plan=plan, seed=1, start=16, workers=3) as batches:
        for one in found[4:]:
            again = next(batches)
            assert np.array_equal(one.data, again.data)
            assert np.array_equal(one.label, again.label)
