"""The same LMDB is known again, another one is not taken for it."""

from __future__ import annotations

import shutil
from pathlib import Path

import lmdb
import pytest

from ssd_data.data.lmdb.identity import TAIL, digest
from ssd_data.data.lmdb.store import LmdbReader
from ssd_data.data.lmdb.writer import LmdbWriter

RECORDS = [(b"00000000_a.jpg", b"x" * 9000 + b"boxes"), (b"00000001_b.jpg", b"y")]


def written(folder: Path, records: list[tuple[bytes, bytes]]) -> str:
    with LmdbWriter(folder) as writer:
        for key, value in records:
            writer.put(key, value)
    return digest_of(folder)


def digest_of(folder: Path) -> str:
    with LmdbReader(folder) as reader:
        return digest(reader)


def test_a_copy_is_the_same(tmp_path: Path) -> None:
    first = written(tmp_path / "first", RECORDS)
    shutil.copytree(tmp_path / "first", tmp_path / "copied")
    with lmdb.open(str(tmp_path / "first"), readonly=True) as env:
        (tmp_path / "compact").mkdir()
        env.copy(str(tmp_path / "compact"), compact=True)
    assert first == digest_of(tmp_path / "copied") == digest_of(tmp_path / "compact")
    assert written(tmp_path / "again", RECORDS) == first


@pytest.mark.parametrize(
    "records",
    [
        RECORDS[:1],
        [*RECORDS, (b"00000002_c.jpg", b"")],
        [(b"00000000_b.jpg", RECORDS[0][1]), RECORDS[1]],
        [(RECORDS[0][0], b"x" * 9000 + b"bOxes"), RECORDS[1]],
        [(RECORDS[0][0], b"x" * (9005 - TAIL) + b"z" + b"x" * (TAIL - 6) + b"boxes"), RECORDS[1]],
        [(RECORDS[0][0], b"x" * 9001 + b"boxes"), RECORDS[1]],
        [RECORDS[0], (b"00000001_b.jp", b"gy")],
    ],
)  # fmt: skip
def test_others_are_not(records: list[tuple[bytes, bytes]], tmp_path: Path) -> None:
    assert written(tmp_path / "first", RECORDS) != written(tmp_path / "other", records)
