"""The box table of an LMDB says what its records say."""

from pathlib import Path

import numpy as np
import pytest
from support import GOLDEN
from support.trees import jpeg

from ssd_data import InputError, LmdbReader, LmdbWriter
from ssd_data.data.lmdb.records import encode_record
from ssd_data.data.lmdb.skim import Skimmed
from ssd_data.data.lmdb.survey import Survey, look
from ssd_data.data.lmdb.table import BROKEN, BoxColumns, BoxTable, read_table


def record(labels: list[int], boxes: object, difficult: object = ()) -> bytes:
    corners = np.array(boxes, np.float32).reshape(-1, 4)
    hard = np.array(difficult or [False] * len(labels), np.bool_)
    return encode_record(jpeg(), (3, 48, 64), np.array(labels, np.int32), corners, hard)


def lmdb_of(path: Path, *values: bytes) -> Path:
    with LmdbWriter(path) as writer:
        for number, value in enumerate(values):
            writer.put(f"{number:08d}_JPEGImages/{number}.jpg".encode(), value)
    return path


def surveyed(reader: LmdbReader) -> BoxTable:
    survey = Survey()
    for key, value in reader.items():
        survey.add(look(key, value))
    return survey.table()


@pytest.mark.parametrize("path", ["training/lmdb", "lmdb/lmdb_plain", "lmdb/lmdb_min_dim"])
def test_the_originals_records(path: str) -> None:
    with LmdbReader(GOLDEN / path) as reader:
        records, table, other = list(reader), read_table(reader), surveyed(reader)
    assert len(table) == len(records) > 1
    assert table.images == [one.image for one in records]
    for one, size, channels, mine in zip(
        records, table.sizes.tolist(), table.channels.tolist(), table.rows(), strict=True
    ):
        assert (size, channels) == ([one.width, one.height], one.channels)
        for name in ("labels", "boxes", "difficult"):
            found, wanted = getattr(table, name)[mine], getattr(one, name)
            assert found.dtype == wanted.dtype
            assert found.tobytes() == wanted.tobytes()
    assert table.count().tolist() == [len(one.labels) for one in records]
    for name in ("channels", "sizes", "record", "labels", "boxes", "difficult"):
        assert np.array_equal(getattr(table, name), getattr(other, name))
    assert (table.keys, table.faults) == (other.keys, other.faults)


def test_what_is_measured(tmp_path: Path) -> None:
    inf, nan = np.inf, np.nan
    boxes = [[0, 0, 0.5, 1], [0.5, 0.5, 0.25, 0.75], [0, 0, inf, 1], [nan, 0, 1, 1]]
    values = record([], []), record([1, 2, 2, 1], boxes, [0, 1, 0, 0]), record([3], boxes[0])
    path = lmdb_of(tmp_path / "x_lmdb", *values)
    with LmdbReader(path) as reader:
        table = read_table(reader)
    assert table.record.tolist() == [1, 1, 1, 1, 2]
    assert [table.labels[mine].tolist() for mine in table.rows()] == [[], [1, 1, 2, 2], [3]]
    assert table.count().tolist() == [0, 4, 1]
    assert table.count(table.labels == 1).tolist() == [0, 2, 0]
    assert table.finite.sum() == 3
    assert table.sound.sum() == 2
    assert table.sides[table.sound].tolist() == [[32, 48], [32, 48]]


def test_a_broken_record_is_named(tmp_path: Path) -> None:
    path = lmdb_of(tmp_path / "x_lmdb", record([1], [0, 0, 1, 1]), b"\xffnothing")
    with LmdbReader(path) as reader:
        with pytest.raises(InputError, match=r"x_lmdb: 00000001_JPEGImages/1\.jpg: not an Anno"):
            read_table(reader)
        table = surveyed(reader)
    assert table.channels.tolist() == [3, 0]
    assert table.sizes.tolist() == [[64, 48], [0, 0]]
    assert table.faults[0] == ""
    assert table.faults[1].startswith("00000001_JPEGImages/1.jpg: not an AnnotatedDatum")


def test_none_at_all() -> None:
    columns = BoxColumns()
    table = columns.table()
    assert (len(table), table.boxes.shape, table.sizes.shape) == (0, (0, 4), (0, 2))
    assert list(table.rows()) == []
    columns.add(b"\xff\n", BROKEN, "cut short")
    columns.add(b"b", Skimmed(1, 2, 3, True, [], [], []))
    table = columns.table()
    assert table.names == ["\\xff\\n", "b"]
    assert table.count().tolist() == [0, 0]
