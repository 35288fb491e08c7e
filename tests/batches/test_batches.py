"""Batches: in order, the same whatever the workers, resumed where they stopped."""

import cv2
import numpy as np
import pytest
from google.protobuf import text_format
from hypothesis import given, settings
from hypothesis import strategies as st
from support.augment_twin import jpeg as round_trip
from support.data_layers import COUNT, WARP, layer, training, value, write
from support.trees import jpeg

from ssd_data import InputError, LmdbReader
from ssd_data.batches import Batches, generator_at
from ssd_data.proto import caffe_pb2

TRAIN, TEST = caffe_pb2.TRAIN, caffe_pb2.TEST
SCALE = np.float32(0.007843)


WHOLE = "annotated_data_param { batch_sampler { } }"


def take(count, *args, **options):
    with Batches(*args, **options) as batches:
        return [next(batches) for _ in range(count)]


def bytes_of(batches):
    return [(b.data.tobytes(), b.label.tobytes(), b.keys) for b in batches]


@pytest.mark.parametrize("workers", [0, 2])
def test_what_a_net_is_fed(records, workers):
    """The TEST phase: whole pictures, one JPEG round trip, resized, mean and scale."""
    batches = take(2, layer(records, WARP + WHOLE), TEST, workers=workers)
    with LmdbReader(records) as reader:
        stored = list(reader)
    numbers = [[0, 1, 2, 3], [4, 5, 6, 0]]
    for batch, chosen in zip(batches, numbers, strict=True):
        assert batch.keys == tuple(stored[n].key for n in chosen)
        assert batch.data.shape == (4, 3, 20, 30)
        assert batch.data.dtype == batch.label.dtype == np.float32
        rows = []
        for item, n in enumerate(chosen):
            pixels = cv2.resize(round_trip(stored[n].decode()), (30, 20))
            expected = (pixels.astype(np.float32) - np.float32(127.5)) * SCALE
            assert np.array_equal(batch.data[item], expected.transpose(2, 0, 1))
            if n != 3:
                rows.append([item, 2, 0, 0.1, 0.2, 0.5, 0.6, 0])
                rows.append([item, 1, 0, 0.3, 0.1, 0.9, 1.0, 1])
        assert batch.label.shape == (1, 1, len(rows), 8)
        assert np.allclose(batch.label[0, 0], rows, atol=1e-6)


def test_without_round_trips(records):
    with LmdbReader(records) as reader:
        pixels = cv2.resize(reader[0].decode(), (30, 20))
    expected = (pixels.astype(np.float32) - np.float32(127.5)) * SCALE
    for text, options in ((WARP + WHOLE, {"jpeg_roundtrip": False}), (WARP, {})):
        (batch,) = take(1, layer(records, text), TEST, **options)
        assert np.array_equal(batch.data[0], expected.transpose(2, 0, 1))


def test_no_box_in_a_batch(records):
    (batch,) = take(1, layer(records, WARP, batch_size=1), start=3)
    assert batch.keys == ("00000003_3.jpg",)
    assert batch.label.tolist() == [[[[-1] * 8]]]


@pytest.mark.parametrize("jpeg_roundtrip", [True, False])
def test_any_number_of_workers_gives_the_same(records, jpeg_roundtrip):
    options = {"jpeg_roundtrip": jpeg_roundtrip}
    for size in (1, 4, 10):
        every = [
            bytes_of(take(6, training(records, size), TRAIN, seed=5, workers=n, **options))
            for n in (0, 1, 3)
        ]
        assert every[0] == every[1] == every[2]


def test_the_seed_decides(records):
    first, same, other = (
        bytes_of(take(2, training(records), TRAIN, seed=n, workers=1)) for n in (1, 1, 2)
    )
    assert first == same
    assert first != other


def test_every_bit_of_the_seed_and_the_position_counts():
    first = {
        generator_at(s, p).random() for s in (0, 1, 2**64 - 1, 2**64 - 2) for p in (0, 1, 2**62)
    }
    assert len(first) == 12


def test_each_round_differs(records):
    batches = take(2, training(records, COUNT), TRAIN, workers=1)
    assert batches[0].keys == batches[1].keys
    assert not np.array_equal(batches[0].data, batches[1].data)


@given(st.integers(0, 9), st.integers(1, 5), st.sampled_from([0, 2]))
@settings(max_examples=25)
def test_resumed(records, batches, size, workers):
    whole = bytes_of(take(batches + 2, training(records, size), TRAIN, workers=0))
    with Batches(training(records, size), TRAIN, workers=workers) as first:
        for _ in range(batches):
            next(first)
        position = first.position
    assert position == batches * size
    rest = take(2, training(records, size), TRAIN, workers=workers, start=position)
    assert bytes_of(rest) == whole[batches:]


def test_several_processes_share_the_records(records):
    alone = take(3, training(records, 4), TRAIN, workers=0)
    shared = [take(3, training(records, 2), TRAIN, workers=1, rank=n, world=2) for n in range(2)]
    for number, batch in enumerate(alone):
        for rank in range(2):
            own = shared[rank][number]
            assert np.array_equal(own.data, batch.data[rank::2])
            assert own.keys == batch.keys[rank::2]
    with Batches(training(records, 2), TRAIN, workers=0, rank=1, world=2) as one:
        next(one)
        assert one.position == 4


def test_rand_skip(records):
    """At most that many records are left out; how many, the seed says."""
    text = WARP + "data_param { rand_skip: 5 }"
    firsts = {take(1, layer(records, text), seed=n, workers=0)[0].keys[0] for n in range(40)}
    assert firsts == {f"{n:08d}_{n}.jpg" for n in range(5)}


def test_readers_of_one_lmdb_side_by_side(records):
    with Batches(layer(records, WARP), workers=1) as one, Batches(layer(records, WARP)) as other:
        assert next(one).keys == next(other).keys
        one.close()
        assert next(other).keys


# What is stored otherwise.


def test_gray_and_raw_records(tmp_path):
    gray, raw = jpeg(mode="L", seed=1), np.arange(48 * 64 * 3, dtype=np.uint8)
    source = write(tmp_path / "gray", [value(n, gray, (1, 48, 64)) for n in range(2)])
    (batch,) = take(1, layer(source, WARP + WHOLE), workers=0)
    assert batch.data.shape == (4, 1, 20, 30)
    (coloured,) = take(
        1, layer(source, WARP.replace("scale", "force_color: true scale")), workers=0
    )
    assert coloured.data.shape == (4, 3, 20, 30)
    planes = raw.reshape(3, 48, 64)
    source = write(tmp_path / "raw", [value(0, raw.tobytes(), encoded=False)])
    (batch,) = take(1, layer(source, WARP + WHOLE), workers=0)
    expected = cv2.resize(np.ascontiguousarray(planes.transpose(1, 2, 0)), (30, 20))
    expected = (expected.astype(np.float32) - np.float32(127.5)) * SCALE
    assert np.array_equal(batch.data[0], expected.transpose(2, 0, 1)), "no round trip"
    one = np.arange(48 * 64, dtype=np.uint8).tobytes()
    source = write(tmp_path / "one", [value(0, one, (1, 48, 64), encoded=False)])
    assert take(1, layer(source, WARP), workers=0)[0].data.shape == (4, 1, 20, 30)


def test_colour_among_gray_records(tmp_path):
    values = [value(0, jpeg(mode="L"), (1, 48, 64)), value(1)]
    with pytest.raises(InputError, match="3 channels, the first record 1") as caught:
        take(1, layer(write(tmp_path / "db", values), WARP))
    assert caught.value.where == f"{tmp_path / 'db'}: 00000001_1.jpg"


def test_without_resizing(records, tmp_path):
    (batch,) = take(1, layer(records, ""), workers=0)
    assert batch.data.shape == (4, 3, 48, 64)
    mixed = write(tmp_path / "db", [value(n, shape=(3, 48, 64 + n % 2)) for n in range(4)])
    with pytest.raises(InputError, match="several sizes: 65x48, 3 channels and 64x48") as caught:
        take(1, layer(mixed, ""))
    assert "resize_param" in caught.value.hint
    shapes = [b.data.shape for b in take(2, layer(mixed, "", batch_size=1))]
    assert shapes == [(1, 3, 48, 64), (1, 3, 48, 65)]


def test_fit_small_size(records):
    text = "transform_param { resize_param { resize_mode: FIT_SMALL_SIZE width: 24 height: 24 } }"
    (batch,) = take(1, layer(records, text, batch_size=1), workers=0)
    assert batch.data.shape == (1, 3, 24, 32)
    with pytest.raises(InputError, match="FIT_SMALL_SIZE with a batch_size of 4"):
        Batches(layer(records, text))


# Bad input.


@pytest.mark.parametrize(
    ("bad", "match"),
    [
        (lambda: value(2, b"\xff\xd8 no picture"), "JPEG"),
        (lambda: value(2, jpeg()[:-200]), "truncated"),
        (lambda: value(2, b""), "empty"),
        (lambda: value(2, b"short", encoded=False), "raw bytes"),
        (lambda: b"no record", "not an AnnotatedDatum"),
    ],
)
@pytest.mark.parametrize("workers", [0, 2])
def test_a_record_that_cannot_be_used(tmp_path, bad, match, workers):
    values = [value(n) if n != 2 else bad() for n in range(5)]
    source = write(tmp_path / "db", values)
    with Batches(layer(source, WARP, batch_size=1), workers=workers) as batches:
        assert [next(batches).keys for _ in range(2)]
        with pytest.raises(InputError, match=match) as caught:
            next(batches)
        assert caught.value.where == f"{source}: 00000002_2.jpg"
        with pytest.raises(StopIteration):
            next(batches)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"source": ""}, "no source"),
        ({"batch_size": 0}, "no batch_size"),
        ({"backend": caffe_pb2.DataParameter.LEVELDB}, "LevelDB"),
    ],
)
def test_parameters_that_cannot_work(records, change, match):
    found = layer(records, WARP)
    for name, setting in change.items():
        setattr(found.data_param, name, setting)
    with pytest.raises(InputError, match=match) as caught:
        Batches(found)
    assert caught.value.where == 'layer "data"'


def test_no_lmdb(tmp_path):
    with pytest.raises(InputError, match="no LMDB here"):
        Batches(layer(tmp_path, WARP))


def test_closed_early(records):
    batches = Batches(training(records, 4), TRAIN, workers=2)
    next(batches)
    batches.close()
    batches.close()
    assert not list(batches)


# What the original was fed in the training goldens.


def test_the_training_goldens_are_read_whole(golden):
    folder = golden / "training"
    net = text_format.Parse((folder / "train.prototxt").read_text(), caffe_pb2.NetParameter())
    data = net.layer[0]
    data.data_param.source = str(folder / "lmdb")
    batches = take(9, data, TRAIN)
    with LmdbReader(folder / "lmdb") as reader:
        stored = list(reader)
    size = data.data_param.batch_size
    for number, batch in enumerate(batches):
        for item in range(size):
            record = stored[(number * size + item) % len(stored)]
            assert batch.keys[item] == record.key
            pixels = cv2.resize(round_trip(record.decode()), (96, 96))
            expected = (pixels.astype(np.float32) - np.float32(127.5)) * SCALE
            assert np.array_equal(batch.data[item], expected.transpose(2, 0, 1))
            rows = batch.label[0, 0]
            own = rows[rows[:, 0] == item]
            assert np.array_equal(own[:, 1], record.labels)
            assert np.array_equal(own[:, 7], record.difficult)
            assert np.allclose(own[:, 3:7], record.boxes, rtol=0, atol=1e-6)


def test_the_time_waited_is_told(records):
    with Batches(training(records), TRAIN, workers=0) as batches:
        assert batches.waited == 0
        next(batches)
        assert batches.waited > 0
