"""LMDBs: grown on demand, appended, and what is none is refused."""

from pathlib import Path
from types import SimpleNamespace

import lmdb
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.trees import jpeg

from ssd_data import InputError, LmdbReader, LmdbWriter, OutputError
from ssd_data.data.lmdb import writer as writing
from ssd_data.data.lmdb.records import decode_record, encode_record, key_of
from ssd_data.proto import caffe_pb2


def value(count: int = 1, data: bytes = b"") -> bytes:
    labels = np.arange(1, count + 1, dtype=np.int32)
    boxes = np.tile(np.array([[0.1, 0.2, 0.3, 0.4]], np.float32), (count, 1))
    return encode_record(data or jpeg(), (3, 48, 64), labels, boxes, labels % 2 == 0)


def test_the_map_grows(tmp_path: Path) -> None:
    big = b"x" * 3_000_000
    with LmdbWriter(tmp_path / "db", map_size=1 << 20) as writer:
        for i in range(8):
            writer.put(key_of(i, "a.jpg"), bytes([i]) + big)
    with LmdbReader(tmp_path / "db") as reader:
        assert [(key, len(v), v[0]) for key, v in reader.items()] == [
            (key_of(i, "a.jpg"), len(big) + 1, i) for i in range(8)
        ]
    assert [p.name for p in (tmp_path / "db").iterdir()] == ["data.mdb"]


def test_a_single_record_larger_than_the_first_map(tmp_path: Path) -> None:
    with LmdbWriter(tmp_path / "db", map_size=1 << 16) as writer:
        writer.put(b"1", b"y" * (70 << 20))
    with LmdbReader(tmp_path / "db") as reader:
        assert len(reader.value(b"1")) == 70 << 20


def test_keys_rise_and_are_not_too_long(tmp_path: Path) -> None:
    with LmdbWriter(tmp_path / "db") as writer:
        writer.put(b"2", b"")
        with pytest.raises(OutputError, match="does not follow"):
            writer.put(b"1", b"")
        with pytest.raises(OutputError, match="longer than"):
            writer.put(b"3" * 600, b"")


def test_errors_about_records_name_the_lmdb(tmp_path: Path) -> None:
    with LmdbWriter(tmp_path / "x_lmdb") as writer:
        writer.put(key_of(0, "a.jpg"), b"nothing of the kind")
    said = rf"{tmp_path / 'x_lmdb'}: 00000000_a.jpg: not an AnnotatedDatum"
    with LmdbReader(tmp_path / "x_lmdb") as reader:
        for look in (
            lambda: reader[0],
            lambda: list(reader),
            lambda: reader.record(key_of(0, "a.jpg")),
        ):
            with pytest.raises(InputError) as error:
                look()
            assert str(error.value).startswith(said)


def test_records_by_index_and_key(tmp_path: Path) -> None:
    with LmdbWriter(tmp_path / "db") as writer:
        for i in range(5):
            writer.put(key_of(i, f"{i}.jpg"), value(i))
    with LmdbReader(tmp_path / "db") as reader:
        assert len(reader) == 5
        assert reader[-1].key == "00000004_4.jpg" == reader["00000004_4.jpg"].key
        assert reader[3].image == "3.jpg"
        assert [len(record.labels) for record in reader] == [0, 1, 2, 3, 4]
        assert reader[0].decode().shape == (48, 64, 3)
        for missing in (5, "nothing"):
            with pytest.raises(InputError, match="no record"):
                reader[missing]


def raw_lmdb(path: Path, items: dict[bytes, bytes]) -> Path:
    env = lmdb.open(str(path), map_size=1 << 20)
    with env.begin(write=True) as transaction:
        for key, data in items.items():
            transaction.put(key, data)
    env.close()
    return path


def test_what_is_no_lmdb(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="data.mdb is missing"):
        LmdbReader(tmp_path)
    for name, data, message in (
        ("zero", b"", "data.mdb is empty"),
        ("text", b"hello" * 5000, "damaged: its first page"),
        ("short", b"hello", "damaged"),
    ):
        (tmp_path / name).mkdir()
        (tmp_path / name / "data.mdb").write_bytes(data)
        with pytest.raises(InputError, match=message):
            LmdbReader(tmp_path / name)
    with pytest.raises(InputError, match="the LMDB is empty"):
        LmdbReader(raw_lmdb(tmp_path / "none", {}))


def test_a_cut_lmdb_does_not_kill_the_process(golden: Path, tmp_path: Path) -> None:
    data = (golden / "lmdb" / "lmdb_plain" / "data.mdb").read_bytes()
    (tmp_path / "data.mdb").write_bytes(data[: len(data) // 2])
    with pytest.raises(InputError, match="cut short"):
        LmdbReader(tmp_path)


def test_damaged_pages_are_an_error(tmp_path: Path) -> None:
    with LmdbWriter(tmp_path / "db") as writer:
        for i in range(600):
            writer.put(key_of(i, f"{i}.jpg"), value(1))
    data = bytearray((tmp_path / "db" / "data.mdb").read_bytes())
    for page in range(2, len(data) // 4096):
        data[page * 4096 + 10 : page * 4096 + 16] = b"\0" * 6  # flags and bounds of each page
    (tmp_path / "db" / "data.mdb").write_bytes(data)
    with pytest.raises(InputError, match="damaged"), LmdbReader(tmp_path / "db") as reader:
        list(reader.items())


def test_other_contents(tmp_path: Path) -> None:
    datum = caffe_pb2.Datum(channels=3, height=1, width=1, data=b"abc", label=7)
    path = raw_lmdb(tmp_path / "datum", {b"0": datum.SerializeToString()})
    with LmdbReader(path) as reader, pytest.raises(InputError, match="classification database"):
        reader[0]
    path = raw_lmdb(tmp_path / "other", {b"0": b"whatever", b"1": b""})
    with LmdbReader(path) as reader:
        for index in (0, 1):
            with pytest.raises(InputError, match="not an AnnotatedDatum"):
                reader[index]


@given(st.binary(max_size=200))
def test_any_bytes_give_a_record_or_a_clear_error(data: bytes) -> None:
    try:
        decode_record(b"k", data)
    except InputError as error:
        assert str(error).startswith("k: ")  # noqa: PT017


FINITE = st.floats(-4, 4, width=32)


@given(
    st.lists(
        st.tuples(st.integers(1, 4), FINITE, FINITE, FINITE, FINITE, st.booleans()), max_size=12
    )
)
def test_records_come_back_grouped_by_label(rows: list[tuple[int, ...]]) -> None:
    labels = np.array([row[0] for row in rows], np.int32)
    boxes = np.array([row[1:5] for row in rows], np.float32).reshape(-1, 4)
    difficult = np.array([row[5] for row in rows], np.bool_)
    record = decode_record(b"0_a", encode_record(b"x", (3, 2, 5), labels, boxes, difficult))
    order = [i for label in dict.fromkeys(labels.tolist()) for i in np.flatnonzero(labels == label)]
    assert record.labels.tolist() == labels[order].tolist()
    assert record.boxes.tobytes() == boxes[order].tobytes()
    assert record.difficult.tolist() == difficult[order].tolist()
    counts: dict[int, int] = {}
    for label, instance in zip(record.labels.tolist(), record.instance_ids.tolist(), strict=True):
        assert instance == counts.get(label, 0)
        counts[label] = instance + 1
    assert (record.channels, record.height, record.width, record.encoded) == (3, 2, 5, True)


def by_protobuf(
    data: bytes, shape: tuple[int, int, int], rows: list[tuple[int, ...]], encoded: bool
) -> bytes:
    """The naive twin of encode_record: the same message, written by protobuf."""
    message = caffe_pb2.AnnotatedDatum(type=caffe_pb2.AnnotatedDatum.BBOX)
    channels, height, width = shape
    message.datum.CopyFrom(
        caffe_pb2.Datum(
            channels=channels, height=height, width=width, data=data, label=-1, encoded=encoded
        )
    )
    for label in dict.fromkeys(row[0] for row in rows):
        group = message.annotation_group.add(group_label=label)
        for row in (row for row in rows if row[0] == label):
            names = ("xmin", "ymin", "xmax", "ymax", "difficult")
            box = caffe_pb2.NormalizedBBox(**dict(zip(names, row[1:], strict=True)))
            group.annotation.add(instance_id=len(group.annotation), bbox=box)
    return message.SerializeToString()


@given(
    data=st.binary(max_size=300),
    shape=st.tuples(st.integers(1, 4), st.integers(1, 70_000), st.integers(1, 70_000)),
    rows=st.lists(
        st.tuples(
            st.sampled_from([1, 2, 127, 128, 300, 2**31 - 1, -1]),
            *[st.floats(width=32, allow_nan=False)] * 4,
            st.booleans(),
        ),
        max_size=200,
    ),
    encoded=st.booleans(),
)
def test_the_wire_format_is_protobufs(
    data: bytes, shape: tuple[int, int, int], rows: list[tuple[int, ...]], encoded: bool
) -> None:
    labels = np.array([row[0] for row in rows], np.int32)
    boxes = np.array([row[1:5] for row in rows], np.float32).reshape(-1, 4)
    difficult = np.array([row[5] for row in rows], np.bool_)
    ours = encode_record(data, shape, labels, boxes, difficult, encoded)
    assert ours == by_protobuf(data, shape, rows, encoded)


def test_the_compiled_descriptor_is_that_of_the_schema(tmp_path: Path) -> None:
    from grpc_tools import protoc

    source = Path(caffe_pb2.__file__).parent
    out = tmp_path / "caffe.desc"
    done = protoc.main(["protoc", f"-I{source}", f"--descriptor_set_out={out}", "caffe.proto"])
    assert not done
    assert out.read_bytes() == (source / "caffe.desc").read_bytes(), "run `make proto`"


class TestSyncsBeside:
    @pytest.fixture(autouse=True)
    def often(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(writing, "SYNC_BYTES", 1)
        monkeypatch.setattr(writing, "BATCH_BYTES", 1)

    def test_while_the_map_grows(self, tmp_path: Path) -> None:
        with LmdbWriter(tmp_path / "db", map_size=1 << 16) as writer:
            for i in range(200):
                writer.put(key_of(i, "a.jpg"), b"x" * 10_000)
        with LmdbReader(tmp_path / "db") as reader:
            assert [len(v) for _, v in reader.items()] == [10_000] * 200

    def test_one_that_fails_is_reported_though_later_ones_do_not(self, tmp_path: Path) -> None:
        faults = [lmdb.Error("the disk is broken")]

        def sync(force: bool) -> None:
            if faults:
                raise faults.pop()

        writer = LmdbWriter(tmp_path / "db")
        inner = writer._env
        writer._env = SimpleNamespace(
            begin=inner.begin, max_key_size=inner.max_key_size, sync=sync, close=inner.close
        )
        writer.put(b"1", b"x")
        with pytest.raises(OutputError, match="cannot write: the disk is broken"):
            writer.close()
        assert not faults
        inner.close()
