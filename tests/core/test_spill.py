"""Rows that may be too many for memory: given back as they came, whatever lies where."""

from __future__ import annotations

import gc
import os
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssd_data.core.errors import OutputError
from ssd_data.core.files.spill import BLOCK, Ordered, Spill
from ssd_data.core.files.spool import Spool
from ssd_data.core.structures import AnnotatedImage
from ssd_data.data.build.scan import LabelledImage

SIZES = st.integers(0, 5 * BLOCK)


@given(count=SIZES, held=st.integers(0, 3 * BLOCK), cut=st.tuples(SIZES, SIZES))
def test_rows_come_back(count: int, held: int, cut: tuple[int, int]) -> None:
    rows = list(map(str, range(count)))
    spill = Spill(rows, held)
    assert len(spill) == count
    assert list(spill) == rows
    assert spill[slice(*cut)] == rows[slice(*cut)]
    assert [spill[number] for number in range(-count, count)] == rows + rows
    with pytest.raises(IndexError):
        spill[count]
    assert list(zip(spill, spill, strict=True)) == list(zip(rows, rows, strict=True))


def test_rows_are_added_while_others_are_read() -> None:
    spill = Spill(range(3 * BLOCK), 0)
    assert spill[5] == 5
    for number in range(3 * BLOCK, 4 * BLOCK + 1):
        spill.append(number)
        assert spill[number] == number
        assert spill[5] == 5


@given(count=SIZES, held=st.sampled_from([0, 1 << 15]), seed=st.integers(0, 9), few=st.booleans())
def test_order_is_that_of_a_sort(count: int, held: int, seed: int, few: bool) -> None:
    def key() -> float:
        value = draw.random()
        return round(value, 1) * 0.9 if few else value

    draw = Random(seed)
    ordered = Ordered[int](key, held)
    for number in range(count):
        ordered.append(number)
    draw = Random(seed)
    rows = list(range(count))
    rows.sort(key=lambda _: key())
    assert len(ordered) == count
    assert list(ordered) == rows


def test_a_picture_comes_back_as_it_was() -> None:
    boxes = np.array([[1, 2, 3, 4], [5, 6, 7, 8.5]], np.float32)
    rotated = {"rotated": np.array([0, 1], np.int8)}
    entry = AnnotatedImage(
        "a.jpg", "a.xml", ("cat", 3), boxes, np.array([True, False]), 5, 6, 7, (8, 9),
        "annotation", rotated, True, False,
    )  # fmt: skip
    spill = Spill([LabelledImage(4, entry, np.array([1, 2], np.int32))] * BLOCK, 0)
    found = spill[3]
    assert (found.number, found.labels.tolist(), found.labels.dtype) == (4, [1, 2], np.int32)
    for name in AnnotatedImage.__slots__:
        old, new = getattr(entry, name), getattr(found.entry, name)
        if isinstance(old, np.ndarray):
            assert old.dtype == new.dtype
            assert old.tolist() == new.tolist()
            assert new.flags.writeable
        elif name == "attributes":
            assert new["rotated"].tolist() == [0, 1]
        else:
            assert old == new


def test_its_file_goes_with_it() -> None:
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    spill = Spill(range(9 * BLOCK), 0)
    ordered = Ordered[int](Random(0).random, 0)
    for number in range(1000 * BLOCK):
        ordered.append(number)
    assert len(os.listdir("/proc/self/fd")) == before + 2  # noqa: PTH208
    del spill, ordered
    gc.collect()
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208


def test_a_full_disk_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("ssd_data.core.files.spool.os.pwrite", full)
    with pytest.raises(OutputError, match="of the data set cannot be kept: No space left") as found:
        Spill(range(BLOCK), 0)
    assert "TMPDIR" in str(found.value)
    assert Spool("it")._what == "it"
