"""What is built from a YOLO export is what was exported; what the format cannot hold is counted."""

from fractions import Fraction
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from support.trees import jpeg
from support.yolo import exact_corners

from ssd_data import (
    InputError,
    LabelMap,
    LabelMapItem,
    LmdbReader,
    LmdbWriter,
    Tally,
    UsageError,
    read_labelmap,
    recognise,
)
from ssd_data.cli import root
from ssd_data.core.files.plain_yaml import read_yaml
from ssd_data.data.export import ExportResult, export
from ssd_data.data.formats.yolo.decimals import centres
from ssd_data.data.lmdb.records import decode_record, encode_record

Items = list[tuple[bytes, bytes]]
MAP = LabelMap.from_names(["cat", "dog", "eel"])
sides = st.floats(0, 1, width=32)
wild = st.floats(-2, 3, width=32) | st.sampled_from([0.0, -0.0, 1.0, 0.5, 2**-9, 1e-12, 1e-30])


def record(boxes: Any, labels: Any = None, difficult: Any = None, picture: Any = None) -> bytes:
    corners = np.array(boxes, np.float32).reshape(-1, 4)
    numbers = np.array([1] * len(corners) if labels is None else labels, np.int32)
    hard = np.array([False] * len(corners) if difficult is None else difficult, np.bool_)
    return encode_record(picture or jpeg(), (3, 48, 64), numbers, corners, hard)


def lmdb_of(path: Path, values: Any, names: Any = None) -> Path:
    with LmdbWriter(path) as writer:
        for number, value in enumerate(values):
            name = names[number] if names else f"images/train/p{number}.jpg"
            writer.put(f"{number:08d}_{name}".encode(), value)
    return path


def items(lmdb: Path) -> Items:
    with LmdbReader(lmdb) as records:
        return list(records.items())


def rebuilt(result: ExportResult) -> Items:
    """What the command that the export names builds."""
    root.main([*result.command[1:], "-q"], standalone_mode=False)
    (lmdb,) = Path(f"{result.out}_lmdb").glob("*_lmdb")
    return items(lmdb)


def counted(result: ExportResult) -> dict[str, int]:
    return {kind.split(" (")[0]: count.count for kind, count in result.notes.kinds.items()}


# Decimals


def bits(value: Any) -> int:
    return int(np.float32(value).view(np.int32))


def as_read(x: float, w: float) -> tuple[int, int]:
    return bits(x - w / 2), bits(x + w / 2)


def around(value: float, steps: int) -> list[float]:
    found = [value]
    for direction in (np.inf, -np.inf):
        step = value
        for _ in range(steps):
            step = float(np.nextafter(step, direction))
            found.append(step)
    return found


@settings(max_examples=300, deadline=None)
@given(wild, wild)
@example(1e-12, 0.5)
@example(2.342161742330262e-10, 0.4320601224899292)  # only doubles beside the best do
@example(7.919546268775335e-11, 0.11841756105422974)
@example(-0.0, 0.5)
def test_decimals_are_found_where_there_are_any(low: float, high: float) -> None:
    stored = np.array([[low, 0.25, high, 0.75]], np.float32)
    (values,), (exact,) = centres(stored)
    wanted = bits(low), bits(high)
    middle, extent = (low + high) / 2, high - low
    possible = any(
        as_read(x, w) == wanted for x, w in product(around(middle, 3), around(extent, 3))
    )
    assert bool(exact) == possible or bits(-0.0) in wanted
    if exact:
        assert as_read(float(repr(float(values[0]))), float(repr(float(values[2])))) == wanted
    else:
        read = np.array([values[0] - values[2] / 2, values[0] + values[2] / 2])
        assert np.allclose(read, [low, high], rtol=1e-6, atol=1e-15)
    assert values[[1, 3]].tolist() == [0.5, 0.5]


@settings(max_examples=300, deadline=None)
@given(*[st.integers(0, 10**6)] * 4)
def test_what_was_read_is_written_as_short(x: int, y: int, w: int, h: int) -> None:
    line = f"0 {x / 1e6:.6f} {y / 1e6:.6f} {w / 1e6:.6f} {h / 1e6:.6f}"
    (values,), (exact,) = centres(np.array([exact_corners(line)], np.float32))
    assert exact
    assert all(Fraction(str(float(value))).denominator <= 10**17 for value in values)
    if min(exact_corners(line)) > 1e-3:
        assert max(len(repr(float(value))) for value in values) <= 12


def test_pixels_are_written_as_short_decimals() -> None:
    random = np.random.default_rng(0)
    low = random.integers(0, 400, (200, 2))
    boxes = np.hstack([low, low + random.integers(1, 99, (200, 2))]).astype(np.float32)
    boxes /= np.array([533, 601] * 2, np.float32)
    values, exact = centres(boxes)
    assert exact.all()
    assert max(len(repr(value)) for row in values.tolist() for value in row) <= 14


# Export, build


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_any_records_come_back(tmp_path_factory: Any, data: st.DataObject) -> None:
    """Boxes inside their pictures, not two alike, none difficult: nothing is lost."""
    folder = tmp_path_factory.mktemp("x")
    pictures = []
    for seed in range(data.draw(st.integers(1, 4))):
        count = data.draw(st.integers(0, 5))
        boxes = []
        for _ in range(count):
            xs, ys = (sorted(data.draw(st.tuples(sides, sides))) for _ in "xy")
            boxes.append((xs[0], ys[0], xs[1], ys[1]))
        boxes = list(dict.fromkeys(boxes))
        labels = sorted(data.draw(st.integers(1, 3)) for _ in boxes)
        pictures.append(record(boxes, labels, picture=jpeg(seed=seed)))
    if not any(len(decode_record(b"x", value).labels) for value in pictures):
        pictures.append(record([[0, 0, 1, 1]]))
    source = lmdb_of(folder / "x_train_lmdb", pictures)
    result = export(source, "yolo", folder / "out", labelmap=MAP)
    before, after = items(source), rebuilt(result)
    if not result.rounded:
        assert before == after
        assert not result.notes
    for (key, old), (new_key, new) in zip(before, after, strict=True):
        assert key == new_key
        a, b = decode_record(key, old), decode_record(key, new)
        assert a.data == b.data
        assert a.labels.tolist() == b.labels.tolist()
        assert np.allclose(a.boxes, b.boxes, rtol=1e-6, atol=1e-15)


def test_the_originals_records_come_back(golden: Path, tmp_path: Path) -> None:
    source = golden / "lmdb" / "lmdb_resize300"
    labelmap = read_labelmap(golden / "lmdb" / "voc" / "labelmap.prototxt")
    result = export(source, "yolo", tmp_path / "out", labelmap=labelmap, split="test")
    before, after = items(source), rebuilt(result)
    assert len(before) == len(after) == result.pictures
    hard = 0
    for (key, old), (_, new) in zip(before, after, strict=True):
        a, b = decode_record(key, old), decode_record(key, new)
        assert a.data == b.data
        assert a.boxes.tobytes() == b.boxes.tobytes()
        assert a.labels.tolist() == b.labels.tolist()
        assert a.instance_ids.tolist() == b.instance_ids.tolist()
        assert not b.difficult.any()
        hard += int(a.difficult.sum())
    assert result.rounded == 0
    assert counted(result).get("difficult is lost", 0) == hard == result.difficult


def test_the_folder_is_as_others_read_it(tmp_path: Path) -> None:
    values = [record([[0.25, 0.5, 0.75, 1], [0.1, 0.2, 0.3, 0.6]], [1, 3]), record([])]
    names = ["VOC/JPEGImages/b.jpg", "c/train/images/a.jpg"]
    source = lmdb_of(tmp_path / "x_train_lmdb", values, names)
    result = export(source, "yolo", tmp_path / "out", labelmap=MAP)
    files = sorted(
        p.relative_to(result.out).as_posix() for p in result.out.rglob("*") if p.is_file()
    )
    assert files == [
        "data.yaml", "images/train/VOC_JPEGImages_b.jpg", "images/train/a.jpg",
        "labelmap.prototxt", "labels/train/VOC_JPEGImages_b.txt", "labels/train/a.txt", "train.txt",
    ]  # fmt: skip
    text = (result.out / "labels/train/VOC_JPEGImages_b.txt").read_text()
    assert text == "0 0.5 0.75 0.5 0.5\n2 0.2 0.4 0.2 0.4\n"
    assert (result.out / "labels/train/a.txt").read_text() == ""
    assert (result.out / "train.txt").read_text() == (
        "./images/train/VOC_JPEGImages_b.jpg\n./images/train/a.jpg\n"
    )
    assert read_yaml(result.out / "data.yaml", "x") == {
        "train": "train.txt",
        "names": {"0": "cat", "1": "dog", "2": "eel"},
        "line": "class cx cy w h",
    }


def test_one_data_yaml_above_two_exports(tmp_path: Path) -> None:
    for split, boxes in (("train", [[0, 0, 0.5, 0.5]]), ("val", [[0.5, 0.5, 1, 1]])):
        source = lmdb_of(tmp_path / f"x_{split}_lmdb", [record(boxes)], ["a.jpg"])
        export(source, "yolo", tmp_path / "both" / split.upper(), labelmap=MAP)
    text = (tmp_path / "both/TRAIN/data.yaml").read_text()
    text = text.replace("train: train.txt", "train: TRAIN/train.txt\nval: VAL/val.txt")
    (tmp_path / "both" / "data.yaml").write_text(text)
    dataset = recognise(tmp_path / "both")
    entries = {split: list(dataset.entries(split, Tally())) for split in dataset.splits}
    assert {split: [e.image for e in found] for split, found in entries.items()} == {
        "train": ["TRAIN/images/train/a.jpg"], "val": ["VAL/images/val/a.jpg"],
    }  # fmt: skip
    assert entries["val"][0].boxes.tolist() == [[0.5, 0.5, 1, 1]]  # type: ignore[union-attr]


def test_what_the_format_cannot_hold_is_counted(tmp_path: Path) -> None:
    boxes = [
        [0.25, 0.5, 0.75, 1], [0.25, 0.5, 0.75, 1],  # twice
        [0.75, 0.5, 0.25, 1],  # exchanged
        [-0.5, 0, 1.75, 1],  # far over the edges
        [1.5, 0, 2, 1],  # not in the picture
        [-0.1, 0.5, 0.3, 0.6],  # over the edge, as any reader takes it
        [0.5, 0.5, 0.5, 0.75],  # no area
        [1e-30, 0, 1, 1],  # no decimals say it
    ]  # fmt: skip
    hard = [index == 3 for index in range(8)]
    source = lmdb_of(tmp_path / "x_val_lmdb", [record(boxes, difficult=hard)])
    result = export(source, "yolo", tmp_path / "out", labelmap=MAP)
    assert counted(result) == {
        "box stands twice": 2,  # one after it was cut and rounded
        "box with exchanged corners left out": 1,
        "box cut at the picture's border": 1,
        "box outside its picture left out": 1,
        "box rounded": 1,
        "difficult is lost": 1,
        "key changes when it is built again": 1,
    }
    ((_, value),) = rebuilt(result)
    left = [boxes[0], [0, 0, 1, 1], boxes[5], boxes[6]]
    found = decode_record(b"x", value).boxes
    assert found.tolist() == np.array(left, np.float32).tolist()
    assert result.rounded == 1


def test_an_orientation_is_not_written(tmp_path: Path) -> None:
    from PIL import Image

    exif = Image.Exif()
    exif[0x0112] = 6
    picture = jpeg(exif=exif.tobytes())
    source = lmdb_of(tmp_path / "x_val_lmdb", [record([[0, 0, 0.5, 0.25]], picture=picture)])
    result = export(source, "yolo", tmp_path / "out", labelmap=MAP)
    assert counted(result)["EXIF orientation set to 1"] == 1
    ((_, value),) = rebuilt(result)
    assert decode_record(b"x", value).boxes.tolist() == [[0, 0, 0.5, 0.25]]


@pytest.mark.parametrize(
    ("split", "key"),
    [
        ("train", "train"), ("trainval", "train"), ("minival", "val"), ("Test", "test"),
        ("all", "all"), ("my split", "my split"), ("no", "no"),
    ],
)  # fmt: skip
def test_splits_are_called_as_ultralytics_knows_them(split: str, key: str, tmp_path: Path) -> None:
    source = lmdb_of(tmp_path / "lmdb", [record([[0, 0, 1, 1]])])
    result = export(source, "yolo", tmp_path / "out", labelmap=MAP, split=split)
    assert list(recognise(result.out).splits) == [key]
    assert len(rebuilt(result)) == 1


@pytest.mark.parametrize("split", ["images", "names", "path", "data.yaml"])
def test_a_split_called_as_the_layout_is_refused(split: str, tmp_path: Path) -> None:
    source = lmdb_of(tmp_path / "lmdb", [record([[0, 0, 1, 1]])])
    with pytest.raises(UsageError):
        export(source, "yolo", tmp_path / "out", labelmap=MAP, split=split)


def test_names_come_back_whatever_they_are(tmp_path: Path) -> None:
    names = [
        "no",
        "1",
        "a: b",
        "'q'",
        '"',
        "#x",
        "- y",
        "é 犬",
        "{a}",
        "null",
        "*a",
        "!t",
        "%",
        "\\",
    ]
    source = lmdb_of(tmp_path / "x_train_lmdb", [record([[0, 0, 1, 1]], [len(names)])])
    result = export(source, "yolo", tmp_path / "out", labelmap=LabelMap.from_names(names))
    (result.out / "labelmap.prototxt").unlink()
    assert [item.name for item in recognise(result.out).classes()][1:] == names


def test_people_read_the_display_names(tmp_path: Path) -> None:
    labelmap = LabelMap.from_names(["17", "18"], ["cat", "dog"])
    source = lmdb_of(tmp_path / "x_train_lmdb", [record([[0, 0, 1, 1]], [2])])
    result = export(source, "yolo", tmp_path / "out", labelmap=labelmap)
    assert [item.name for item in recognise(result.out).classes()][1:] == ["cat", "dog"]
    assert items(source)[0][1] == rebuilt(result)[0][1]
    same = LabelMap.from_names(["17", "18"], ["N/A", "N/A"])
    result = export(source, "yolo", tmp_path / "same", labelmap=same)
    assert [item.name for item in recognise(result.out).classes()][1:] == ["17", "18"]


@pytest.mark.parametrize("name", [" x", "a\nb", "a\x1b[1m"])
def test_names_that_cannot_be_read_back_are_refused(name: str, tmp_path: Path) -> None:
    labelmap = LabelMap([*MAP.items[:1], LabelMapItem(name, 1, name)])
    source = lmdb_of(tmp_path / "lmdb", [record([[0, 0, 1, 1]])])
    with pytest.raises(InputError, match="cannot be read back"):
        export(source, "yolo", tmp_path / "out", labelmap=labelmap)


@pytest.mark.parametrize(
    "names",
    [
        ["a.jpg", "a.png", "b/a.jpg", "b/A.jpg"],
        ["../../x.jpg", "/abs.jpg", "images/images/a.jpg", "a.jpg/b.jpg"],
        ["images/train/a.jpg", "train/a.jpg", "a.jpg", "x\ny.jpg"],
    ],
)
def test_hostile_and_equal_keys_come_to_nothing(names: list[str], tmp_path: Path) -> None:
    values = [record([[0, 0, (n + 1) / 8, 1]], picture=jpeg(seed=n)) for n in range(len(names))]
    result = export(
        lmdb_of(tmp_path / "x_train_lmdb", values, names), "yolo", tmp_path / "out", labelmap=MAP
    )
    assert [value for _, value in rebuilt(result)] == values
    assert {p.name for p in tmp_path.iterdir()} == {"x_train_lmdb", "out", "out_lmdb"}
