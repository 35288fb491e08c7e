"""Decoded pictures kept in memory: the batches are the same, the work is less."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from support.data_layers import COUNT, layer, training, value, write

from ssd_data.batches import Batches
from ssd_data.batches.augment.transform import DataTransformer
from ssd_data.batches.cache import MEGABYTE, PictureCache
from ssd_data.core.errors import InputError
from ssd_data.core.structures import Pixels
from ssd_data.data.lmdb.records import Record, decode_record


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each record was decoded."""
    count: Counter[str] = Counter()
    ordinary = DataTransformer.decode

    def counting(self: DataTransformer, record: Record) -> Pixels:
        count[record.key] += 1
        return ordinary(self, record)

    monkeypatch.setattr(DataTransformer, "decode", counting)
    return count


@pytest.mark.parametrize("workers", [0, 3])
@pytest.mark.parametrize("roundtrip", [True, False])
def test_the_same_batches_to_the_byte(
    records: Path,
    decoded: Counter[str],
    workers: int,
    roundtrip: bool,
) -> None:
    found = []
    for cache in (0, 4):
        decoded.clear()
        settings = {"seed": 3, "workers": workers, "jpeg_roundtrip": roundtrip, "cache": cache}
        with Batches(training(records), **settings) as batches:
            found.append([next(batches) for _ in range(8)])
        most = max(decoded.values())
        assert (most > 2) if not cache else (most <= 2)  # two may begin on the same one
    for plain, cached in zip(*found, strict=True):
        assert plain.keys == cached.keys
        np.testing.assert_array_equal(plain.data, cached.data)
        np.testing.assert_array_equal(plain.label, cached.label)


def test_raw_and_gray_pictures(tmp_path: Path) -> None:
    shape = (1, 20, 30)
    data = np.arange(600, dtype=np.uint8).tobytes()
    source = write(tmp_path / "db", [value(n, data, shape, encoded=False) for n in range(2)])
    found = []
    for cache in (0, 1):
        with Batches(layer(source, batch_size=2), 0, workers=0, cache=cache) as batches:
            found.append([next(batches).data for _ in range(2)])
    np.testing.assert_array_equal(*found)


def test_the_limit_holds_and_the_first_stay(decoded: Counter[str], tmp_path: Path) -> None:
    source = write(tmp_path / "db", [value(n, shape=(3, 300, 400)) for n in range(COUNT)])
    with Batches(training(source, 1), workers=0, cache=1) as batches:
        for _ in range(3 * COUNT):
            next(batches)
        assert batches.cache is not None
        assert len(batches.cache) == MEGABYTE // (3 * 300 * 400) == 2
    assert sorted(decoded.values()) == [1, 1, *[3] * (COUNT - 2)]


def test_what_is_kept_cannot_be_changed() -> None:
    record = decode_record(b"0_a", value(0))
    cache = PictureCache(1)
    pixels = np.zeros((4, 4, 3), np.uint8)
    cache.put(5, record, pixels)
    kept = cache.get(5)
    assert kept is not None
    assert kept[0].data == b""
    assert kept[0].key == record.key
    with pytest.raises(ValueError, match="read-only"):
        kept[1][0] = 1
    assert cache.get(4) is None


def test_a_broken_picture_is_still_named(tmp_path: Path) -> None:
    source = write(tmp_path / "db", [value(0), value(1, data=b"\xff\xd8no picture")])
    with Batches(layer(source, batch_size=2), 0, workers=0, cache=1) as batches:
        with pytest.raises(InputError) as error:
            next(batches)
        assert error.value.where == f"{source}: 00000001_1.jpg"
