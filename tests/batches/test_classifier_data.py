"""Data, ImageData and the transform they share, against plain arithmetic on the same pixels."""

from __future__ import annotations

from pathlib import Path

import cv2
import lmdb
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from support.trees import jpeg

from ssd_data.batches.classifier import Transform, read_mean
from ssd_data.core.errors import InputError
from ssd_data.engines.torch.net import Net
from ssd_data.nets.graph import parse_graph
from ssd_data.proto import caffe_pb2


def net(kind: str, more: str, phase: str = "TEST", tops: str = 'top: "data" top: "label"') -> Net:
    text = f'layer {{ name: "it" type: "{kind}" {tops} {more} }}'
    return Net(parse_graph(text, phase))


def png(seed: int, width: int = 6, height: int = 5, gray: bool = False) -> np.ndarray:
    shape = (height, width) if gray else (height, width, 3)
    return np.random.default_rng(seed).integers(0, 256, shape).astype(np.uint8)


def encode(picture: np.ndarray) -> bytes:
    return cv2.imencode(".png", picture)[1].tobytes()


def datum(seed: int, raw: bool = False, floats: bool = False, **size: int) -> caffe_pb2.Datum:
    picture = png(seed, **size)
    height, width, channels = picture.shape
    message = caffe_pb2.Datum(label=seed, channels=channels, height=height, width=width)
    if floats:
        message.float_data.extend((picture.transpose(2, 0, 1) / 2).ravel().tolist())
    elif raw:
        message.data = picture.transpose(2, 0, 1).tobytes()
    else:
        message.data, message.encoded = encode(picture), True
    return message


def write(folder: Path, values: list[bytes]) -> Path:
    with lmdb.open(str(folder), map_size=1 << 22) as env, env.begin(write=True) as transaction:
        for i, value in enumerate(values):
            transaction.put(f"{i:08d}".encode(), value)
    return folder


def data_param(folder: Path, batch: int, more: str = "") -> str:
    return f'data_param {{ source: "{folder}" batch_size: {batch} backend: LMDB {more} }}'


def blobs(n: Net) -> tuple[np.ndarray, list[float]]:
    n.forward()
    return n.blobs["data"].data.copy(), n.blobs["label"].data.tolist()


# ---- Data ----


@pytest.mark.parametrize("form", ["encoded", "raw", "floats"])
def test_records_come_in_key_order_and_wrap_round(tmp_path: Path, form: str) -> None:
    kind = {"raw": form == "raw", "floats": form == "floats"}
    values = [datum(i, **kind).SerializeToString() for i in range(3)]
    layer = net("Data", data_param(write(tmp_path / "db", values), 2))
    assert layer.blobs["data"].shape == (2, 3, 5, 6)
    assert layer.blobs["label"].shape == (2,)
    for labels in ([0, 1], [2, 0], [1, 2], [0, 1]):
        pictures, got = blobs(layer)
        assert got == labels
        expected = np.stack([png(i).transpose(2, 0, 1) for i in labels])
        np.testing.assert_array_equal(pictures, expected / (2 if form == "floats" else 1))


def test_two_nets_may_read_one_database(tmp_path: Path) -> None:
    more = data_param(write(tmp_path / "db", [datum(i).SerializeToString() for i in range(3)]), 2)
    one, other = net("Data", more), net("Data", more)
    assert blobs(one)[1] == [0, 1]
    assert blobs(other)[1] == [0, 1]
    assert blobs(one)[1] == [2, 0]


def test_without_labels(tmp_path: Path) -> None:
    more = data_param(write(tmp_path / "db", [datum(0).SerializeToString()]), 1)
    layer = net("Data", more, tops='top: "data"')
    assert list(layer.forward()) == ["data"]


def test_gray_and_forced(tmp_path: Path) -> None:
    gray = caffe_pb2.Datum(label=1, encoded=True, data=encode(png(1, gray=True)))
    folder = write(tmp_path / "db", [gray.SerializeToString()])
    pictures, _ = blobs(net("Data", data_param(folder, 1)))
    np.testing.assert_array_equal(pictures[0], png(1, gray=True)[None])
    forced = "transform_param { force_color: true }" + data_param(folder, 1)
    pictures, _ = blobs(net("Data", forced))
    np.testing.assert_array_equal(pictures[0], np.stack([png(1, gray=True)] * 3))


def test_rand_skip_leaves_out_some_of_the_first_once(tmp_path: Path) -> None:
    folder = write(tmp_path / "db", [datum(i).SerializeToString() for i in range(6)])
    starts = set()
    for seed in range(20):
        torch.manual_seed(seed)
        _, labels = blobs(net("Data", data_param(folder, 8, "rand_skip: 4")))
        starts.add(labels[0])
        assert labels == [(labels[0] + i) % 6 for i in range(8)]
    assert starts == {0, 1, 2, 3}


def test_pictures_of_two_sizes_in_a_batch(tmp_path: Path) -> None:
    values = [datum(0), datum(1, width=7), datum(2, width=8)]
    folder = write(tmp_path / "db", [v.SerializeToString() for v in values])
    layer = net("Data", data_param(folder, 1))
    for width in (6, 7, 8):
        assert blobs(layer)[0].shape == (1, 3, 5, width)
    with pytest.raises(InputError, match="3x5x7, the first of its batch 3x5x6") as error:
        net("Data", data_param(folder, 2)).forward()
    assert f"{folder}: 00000001" in str(error.value)
    cropped = "transform_param { crop_size: 5 }" + data_param(folder, 3)
    assert blobs(net("Data", cropped))[0].shape == (3, 3, 5, 5)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (b"\xff\xff", "the record is no Datum"),
        (b"", "no Datum with a picture"),
        (caffe_pb2.AnnotatedDatum(datum=datum(0)).SerializeToString(), "AnnotatedData's"),
        (caffe_pb2.Datum(data=b"abc", channels=3, height=1, width=2).SerializeToString(), "3 raw"),
        (caffe_pb2.Datum(data=b"abc").SerializeToString(), "3 raw values do not make"),
        (caffe_pb2.Datum(data=b"abc", encoded=True).SerializeToString(), "not a picture"),
    ],
)
def test_bad_records(tmp_path: Path, value: bytes, message: str) -> None:
    folder = write(tmp_path / "db", [value])
    with pytest.raises(InputError, match=message) as error:
        net("Data", data_param(folder, 1))
    assert f"{folder}: 00000000" in str(error.value)


def test_bad_sources(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no LMDB here"):
        net("Data", data_param(tmp_path / "none", 1))
    with pytest.raises(InputError, match="LevelDBs are not read"):
        net("Data", f'data_param {{ source: "{tmp_path}" batch_size: 1 }}')
    folder = write(tmp_path / "db", [datum(0).SerializeToString()])
    with pytest.raises(InputError, match="batch_size is missing"):
        net("Data", data_param(folder, 0))


# ---- ImageData ----


@pytest.fixture
def listed(tmp_path: Path) -> Path:
    for i in range(4):
        (tmp_path / f"a b{i}.png").write_bytes(encode(png(i)))
    lines = [f"a b{i}.png {i}" for i in range(4)]
    (tmp_path / "list.txt").write_text("\n".join([*lines[:2], "", *lines[2:], ""]))
    return tmp_path


def image_param(folder: Path, more: str = "") -> str:
    return f'image_data_param {{ source: "{folder}/list.txt" root_folder: "{folder}/" {more} }}'


def test_files_come_in_the_lists_order(listed: Path) -> None:
    layer = net("ImageData", image_param(listed, "batch_size: 3"))
    for labels in ([0, 1, 2], [3, 0, 1]):
        pictures, got = blobs(layer)
        assert got == labels
        np.testing.assert_array_equal(pictures, [png(i).transpose(2, 0, 1) for i in labels])


def test_resized_and_gray(listed: Path) -> None:
    more = image_param(listed, "new_height: 3 new_width: 4 is_color: false")
    pictures, _ = blobs(net("ImageData", more))
    gray = cv2.imdecode(np.frombuffer(encode(png(0)), np.uint8), cv2.IMREAD_GRAYSCALE)
    np.testing.assert_array_equal(pictures, cv2.resize(gray, (4, 3))[None, None])


def test_shuffled_anew_each_time_round(listed: Path) -> None:
    torch.manual_seed(1)
    layer = net("ImageData", image_param(listed, "batch_size: 4 shuffle: true"))
    rounds = [blobs(layer)[1] for _ in range(8)]
    assert all(sorted(r) == [0, 1, 2, 3] for r in rounds)
    assert len({tuple(r) for r in rounds}) > 3
    torch.manual_seed(1)
    again = net("ImageData", image_param(listed, "batch_size: 4 shuffle: true"))
    assert [blobs(again)[1] for _ in range(8)] == rounds


def test_image_rand_skip(listed: Path) -> None:
    starts = set()
    for seed in range(20):
        torch.manual_seed(seed)
        starts.add(blobs(net("ImageData", image_param(listed, "rand_skip: 3")))[1][0])
    assert starts == {0, 1, 2}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("missing.png 1", "missing.png is missing"),
        ("x.png", "is not a path, a space and a label"),
        ("x.png cat", "is not a path, a space and a label"),
        (" 7", "is not a path, a space and a label"),
        ("broken.jpg 1", "truncated JPEG"),
        ("text.png 1", "not a picture"),
        (". 1", "is no regular file"),
        (f"x.png {1 << 31}", "is not a path, a space and a label"),
    ],
)
def test_bad_lines(tmp_path: Path, line: str, message: str) -> None:
    (tmp_path / "broken.jpg").write_bytes(jpeg()[:-200])
    (tmp_path / "text.png").write_text("hello")
    (tmp_path / "list.txt").write_text(f"\n{line}\n")
    with pytest.raises(InputError, match=message) as error:
        net("ImageData", image_param(tmp_path))
    assert f"{tmp_path}/list.txt:2" in str(error.value)


def test_bad_image_param(listed: Path) -> None:
    with pytest.raises(InputError, match="go together"):
        net("ImageData", image_param(listed, "new_height: 3"))
    with pytest.raises(InputError, match="batch_size is missing"):
        net("ImageData", image_param(listed, "batch_size: 0"))
    (listed / "list.txt").write_text("\n")
    with pytest.raises(InputError, match="the list is empty"):
        net("ImageData", image_param(listed))
    (listed / "list.txt").unlink()
    with pytest.raises(InputError, match="the list is missing"):
        net("ImageData", image_param(listed))


@pytest.mark.parametrize("kind", ["Data", "ImageData"])
def test_it_goes_on_from_any_position(kind: str, listed: Path) -> None:
    """With the same pictures, crops and sides as if it had read all of them."""
    records = [datum(i).SerializeToString() for i in range(4)]
    more = {
        "Data": data_param(write(listed / "db", records), 3, "rand_skip: 3"),
        "ImageData": image_param(listed, "batch_size: 3 shuffle: true rand_skip: 3"),
    }[kind]
    more += " transform_param { crop_size: 3 mirror: true }"

    def layer() -> Net:
        torch.manual_seed(7)
        return net(kind, more, "TRAIN")

    whole = layer()
    batches = [blobs(whole) for _ in range(6)]
    assert whole.steps[0].position == 18  # type: ignore[attr-defined]
    for read in (5, 1, 3, 0):
        later = layer()
        later.steps[0].position = 3 * read  # type: ignore[attr-defined]
        for pictures, labels in batches[read:]:
            again = blobs(later)
            np.testing.assert_array_equal(again[0], pictures)
            assert again[1] == labels


# ---- the transform ----


@given(
    seed=st.integers(0, 2**32),
    size=st.tuples(st.integers(1, 3), st.integers(1, 7), st.integers(1, 7)),
    crop=st.none() | st.tuples(st.integers(1, 7), st.integers(1, 7)),
    at_random=st.booleans(),
    mirror=st.booleans(),
    kind=st.sampled_from(["none", "one", "channels", "picture", "crop"]),
)
def test_transform(
    seed: int,
    size: tuple[int, int, int],
    crop: tuple[int, int] | None,
    at_random: bool,
    mirror: bool,
    kind: str,
) -> None:
    rng = np.random.default_rng(seed)
    planes = rng.integers(0, 256, size).astype(np.uint8)
    crop = crop and (min(crop[0], size[1]), min(crop[1], size[2]))
    height, width = crop or size[1:]
    shapes = {
        "one": (1, 1, 1),
        "channels": (size[0], 1, 1),
        "picture": size,
        "crop": (size[0], height, width),
    }
    mean = None if kind == "none" else rng.integers(0, 256, shapes[kind]).astype(np.float32)
    out = Transform(crop, at_random, mirror, 0.5, mean)(planes, rng)
    assert out.shape == (size[0], height, width)
    assert out.dtype == np.float32
    full = np.broadcast_to(0 if mean is None else mean, size if kind != "crop" else shapes["crop"])
    possible = []
    for top in range(size[1] - height + 1):
        for left in range(size[2] - width + 1):
            window = np.s_[:, top : top + height, left : left + width]
            own = full if kind == "crop" else full[window]
            value = (planes[window] - own) * 0.5
            middle = (top, left) == ((size[1] - height) // 2, (size[2] - width) // 2)
            if at_random or middle:
                possible += [value, value[:, :, ::-1]] if mirror else [value]
    assert any(np.array_equal(out, p) for p in possible)


def test_every_place_and_both_sides_are_drawn() -> None:
    planes = np.arange(12, dtype=np.uint8).reshape(1, 3, 4)
    transform = Transform((2, 2), at_random=True, mirror=True)
    rng = np.random.default_rng(0)
    assert len({transform(planes, rng).tobytes() for _ in range(400)}) == 2 * 3 * 2


def read(text: str, training: bool = False) -> Transform:
    param = parse_graph(f'layer {{ name: "x" type: "Data" top: "y" transform_param {{ {text} }} }}')
    return Transform.read(param.net.layer[0].transform_param, training)


def test_transform_param(tmp_path: Path) -> None:
    found = read("mean_value: 104 mean_value: 117 mean_value: 123 scale: 0.5 crop_h: 2 crop_w: 3")
    assert found.mean is not None
    assert (found.mean.ravel().tolist(), found.scale, found.crop) == ([104, 117, 123], 0.5, (2, 3))
    assert read("crop_size: 4 mirror: true", True).crop == (4, 4)
    assert read("").crop is None
    blob = caffe_pb2.BlobProto(num=1, channels=2, height=1, width=3, data=range(6))
    (tmp_path / "mean.binaryproto").write_bytes(blob.SerializeToString())
    mean = read(f'mean_file: "{tmp_path}/mean.binaryproto"').mean
    assert mean is not None
    assert mean.tolist() == [[[0, 1, 2]], [[3, 4, 5]]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('mean_file: "m" mean_value: 1', "both given"),
        ('mean_file: "m"', "the mean file is missing"),
        ("force_color: true force_gray: true", "both set"),
        ("resize_param { height: 3 width: 3 }", "is for pictures with boxes"),
        ("noise_param { hist_eq: true }", "is for pictures with boxes"),
    ],
)
def test_refused_transforms(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read(text)


def test_what_does_not_fit(tmp_path: Path) -> None:
    planes = np.zeros((3, 4, 5), np.uint8)
    rng = np.random.default_rng(0)
    with pytest.raises(InputError, match="picture of 5x4 is smaller than the crop of 5x5"):
        Transform((5, 5))(planes, rng, "here")
    with pytest.raises(InputError, match="mean of 2x1x1 does not fit the picture of 3x4x5"):
        Transform(mean=np.zeros((2, 1, 1), np.float32))(planes, rng, "here")
    (tmp_path / "mean").write_bytes(b"\xff\xff\xff")
    with pytest.raises(InputError, match="is no mean file"):
        read_mean(str(tmp_path / "mean"))
    (tmp_path / "mean").write_bytes(b"")
    with pytest.raises(InputError, match="not that of a picture"):
        read_mean(str(tmp_path / "mean"))
