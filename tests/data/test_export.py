"""What is built from an export is what was exported, and hostile keys come to nothing."""

import json
import os
import resource
import signal
import tracemalloc
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from lxml import etree
from support.trees import jpeg

from ssd_data import (
    BuildOptions,
    InputError,
    LabelMap,
    LabelMapItem,
    LmdbReader,
    LmdbWriter,
    OutputError,
    UsageError,
    build,
    find,
    read_labelmap,
    recognise,
)
from ssd_data.cli import main, root
from ssd_data.cli.export import command as export_command
from ssd_data.core.registry import WRITERS
from ssd_data.data.export import ExportResult, export
from ssd_data.data.formats.foldernames import is_left_behind
from ssd_data.data.formats.pixels import corners, xywh
from ssd_data.data.formats.writing import is_safe, plain_names
from ssd_data.data.lmdb.records import decode_record, encode_record, key_of
from ssd_data.proto import caffe_pb2

Items = list[tuple[bytes, bytes]]
FORMATS = ("voc", "coco")
GRAY = b"00000007_JPEGImages/000008.jpg"
MAP = LabelMap.from_names(["cat", "dog", "eel"])


def items(lmdb: Path) -> Items:
    with LmdbReader(lmdb) as records:
        return list(records.items())


def rebuilt(result: ExportResult) -> Items:
    """What the command that the export names builds."""
    root.main([*result.command[1:], "-q"], standalone_mode=False)
    (lmdb,) = Path(f"{result.out}_lmdb").glob("*_lmdb")
    return items(lmdb)


def values(records: Items) -> list[bytes]:
    return [value for _, value in records]


def tree(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*")}


def record(boxes: Any = ((0.1, 0.2, 0.5, 0.6),), labels: Any = None, picture: Any = None) -> bytes:
    corners = np.array(boxes, np.float32).reshape(-1, 4)
    numbers = np.array([1] * len(corners) if labels is None else labels, np.int32)
    hard = np.zeros(len(corners), np.bool_)
    return encode_record(picture or jpeg(), (3, 48, 64), numbers, corners, hard)


def lmdb_of(path: Path, records: Iterable[tuple[str | bytes, bytes]]) -> Path:
    with LmdbWriter(path) as writer:
        for key, value in records:
            writer.put(key if isinstance(key, bytes) else key.encode(), value)
    return path


# Pixels


def ulps(a: Any, b: Any) -> Any:
    """How many float32 lie between; signs agree."""
    return np.abs(np.asarray(a).view(np.int32).astype(int) - np.asarray(b).view(np.int32))


def around(value: np.float32, steps: int) -> list[np.float32]:
    found = [value]
    for direction in (np.float32(np.inf), np.float32(-np.inf)):
        step = value
        for _ in range(steps):
            step = np.nextafter(step, direction)
            found.append(step)
    return found


def bits(value: np.float32) -> int:
    return int(value.view(np.int32))


def naive(fraction: np.float32, side: np.float32, steps: int) -> list[np.float32]:
    """All float32 near by that make this fraction, one after the other."""
    near = around(np.float32(float(fraction) * float(side)), steps)
    return [pixel for pixel in near if bits(pixel / side) == bits(fraction)]


sides = st.integers(1, 5000) | st.sampled_from([1, 2, 300, 320, 333, 500, 512, 640, 65535, 1 << 20])
fractions = st.floats(-2, 3, width=32) | st.sampled_from([0.0, -0.0, 1.0, 0.5, 2**-9, 1e-30, 1e-44])
pixels = (
    st.integers(-100, 6000).map(float)
    | st.integers(-10000, 600000).map(lambda n: n / 100)
    | st.integers(-100000, 6000000).map(lambda n: n / 1000)
    | st.floats(-100, 6000, width=32)
)


@settings(max_examples=150, deadline=None)
@given(fractions, sides)
def test_a_pixel_is_found_where_there_is_one(fraction: float, side: int) -> None:
    stored = np.full((1, 4), fraction, np.float32)
    found, exact = corners(stored, side, side)
    read = np.array([float(repr(float(v))) for v in found[0]], np.float32) / np.float32(side)
    assert exact[0] == bool(naive(stored[0, 0], np.float32(side), 8))
    assert (ulps(read, stored[0]) <= (0 if exact[0] else 1)).all()
    assert all(len(repr(float(v))) <= 16 for v in found[0])  # no float32 needs more


@settings(max_examples=150, deadline=None)
@given(st.lists(pixels, min_size=4, max_size=4), sides, sides)
def test_boxes_that_were_pixels_come_back_as_short(
    box: list[float], width: int, height: int
) -> None:
    size = np.array([width, height] * 2, np.float32)
    stored = (np.array([box], np.float32) / size).astype(np.float32)
    found, exact = corners(stored, width, height)
    assert exact.all()
    assert ((found.astype(np.float32) / size).view(np.int32) == stored.view(np.int32)).all()
    for value, original in zip(found[0], box, strict=True):
        assert len(repr(float(value))) <= len(repr(float(original))) or abs(value) < 1e-4


@settings(max_examples=150, deadline=None)
@given(st.lists(pixels, min_size=4, max_size=4), sides, sides)
@example([-15.987940788269043, 0, 18.211198806762695, 1], 500, 500)  # x is not the nearest pixel
@example([-62.83598327636719, 0, 64.14485931396484, 1], 427, 427)
def test_boxes_that_were_widths_come_back(box: list[float], width: int, height: int) -> None:
    size = np.array([width, height] * 2, np.float32)
    corners = np.array([box], np.float32)
    corners[:, 2:] += corners[:, :2]
    stored = corners / size
    found, exact = xywh(stored, width, height)
    read = found.astype(np.float32)
    read[:, 2:] += read[:, :2]
    assert exact.all()
    assert all(len(repr(float(value))) <= 16 for value in found[0])
    assert ((read / size).view(np.int32) == stored.view(np.int32)).all()


@settings(max_examples=150, deadline=None)
@given(fractions, fractions, sides)
def test_a_width_is_found_where_there_is_one(low: float, high: float, side: int) -> None:
    stored = np.array([[low, 0, high, 0]], np.float32)
    found, exact = xywh(stored, side, 1)
    wide = np.float32(side)
    possible = any(
        bits((start + extent) / wide) == bits(stored[0, 2])
        for start in naive(stored[0, 0], wide, 4)
        for end in naive(stored[0, 2], wide, 4)
        for extent in (np.float32(-0.0), *around(np.float32(float(end) - float(start)), 3))
    )
    assert exact[0] == possible
    read = found.astype(np.float32)
    if exact[0]:
        assert bits(read[0, 0] / wide) == bits(stored[0, 0])
        assert bits((read[0, 0] + read[0, 2]) / wide) == bits(stored[0, 2])


def test_whole_pixels_are_written_as_such() -> None:
    stored = np.array([[7, 8, 99, 100]], np.float32) / np.array([333, 500] * 2, np.float32)
    assert corners(stored, 333, 500)[0].tolist() == [[7, 8, 99, 100]]
    assert xywh(stored, 333, 500)[0].tolist() == [[7, 8, 92, 92]]


# Build, export, build


@pytest.mark.parametrize("to", FORMATS)
@pytest.mark.parametrize("name", ["plain", "min_dim", "max_dim", "resize300"])
def test_the_originals_records_come_back(name: str, to: str, golden: Path, tmp_path: Path) -> None:
    source = golden / "lmdb" / f"lmdb_{name}"
    labelmap = read_labelmap(golden / "lmdb" / "voc" / "labelmap.prototxt")
    result = export(source, to, tmp_path / "out", labelmap=labelmap)
    before, after = items(source), rebuilt(result)
    assert len(before) == len(after) == result.pictures
    rounded = 0
    for (key, value), (new_key, new_value) in zip(before, after, strict=True):
        assert to == "coco" or key == new_key
        if value == new_value:
            continue
        old, new = decode_record(key, value), decode_record(key, new_value)
        for field in ("labels", "difficult", "instance_ids"):
            assert np.array_equal(getattr(old, field), getattr(new, field))
        if (name, key) == ("plain", GRAY):  # a gray file in a color LMDB; a build makes it color
            assert np.array_equal(old.boxes, new.boxes)
            continue
        assert old.data == new.data
        assert ulps(old.boxes, new.boxes).max() == 1
        rounded += int((old.boxes != new.boxes).any(axis=1).sum())
    assert rounded == result.rounded
    assert rounded == 0 if name == "plain" else rounded > 0
    anew = result.notes.to_json().get("picture is encoded anew when it is built again")
    assert (anew or {"count": 0})["count"] == (1 if name == "plain" else 0)
    folder = result.out / ("all" if to == "coco" else "")
    for key, value in before:
        stored = decode_record(key, value)
        assert (folder / stored.image).read_bytes() == stored.data


def odd_coco(folder: Path) -> Path:
    """Boxes with fractions, outside the picture, without area, inverted; crowds; no boxes."""
    boxes = [
        [10.37, 5.5, 20.013, 17.2], [-3.7, -2.21, 100.3, 90.9], [5, 5, 0, 0], [20, 20, -5.5, 3.3],
        [0, 0, 64, 48], [63.99, 0.01, 0.01, 47.98], [1 / 3, 2 / 3, 10 / 3, 20 / 3],
    ]  # fmt: skip
    annotations = [
        {"id": 100 + i, "image_id": 7 + i % 2, "category_id": (90, 3, 7)[i % 3], "bbox": box,
         "iscrowd": i % 2}
        for i, box in enumerate(boxes * 3)
    ]  # fmt: skip
    images = [
        {"id": n, "file_name": f"{n:06d}.jpg", "width": 64, "height": 48} for n in (8, 7, 123456)
    ]
    categories = [{"id": n, "name": f"class {n}"} for n in (90, 7, 3)]
    content = {"images": images, "annotations": annotations, "categories": categories}
    (folder / "annotations").mkdir(parents=True)
    (folder / "annotations/instances_val2017.json").write_text(json.dumps(content))
    (folder / "val2017").mkdir()
    for seed, image in enumerate(images):
        (folder / "val2017" / image["file_name"]).write_bytes(jpeg(seed=seed))  # type: ignore[operator]
    return folder


@pytest.mark.parametrize("to", FORMATS)
@pytest.mark.parametrize("gray", [False, True])
@pytest.mark.parametrize("encode", ["jpg", "png", "raw"])
def test_odd_boxes_come_back_however_stored(
    encode: Any, gray: bool, to: str, tmp_path: Path
) -> None:
    options = BuildOptions(encode=encode, gray=gray, empty="keep")
    built = build(find(str(odd_coco(tmp_path / "raw"))), tmp_path / "built", options)
    source = built.out / "raw_val2017_lmdb"
    result = export(source, to, tmp_path / "out")
    assert (result.split, result.rounded) == ("val2017", 0)
    before, after = items(source), rebuilt(result)
    assert values(before) == values(after)
    if to == "coco":
        kept = encode == "jpg"
        assert result.renamed == (0 if kept else 3)  # 000008.jpg holds a PNG, which is .png
        assert (before == after) == kept


def test_a_voc_folder_is_recognised_and_the_same(golden: Path, tmp_path: Path) -> None:
    source = golden / "lmdb" / "lmdb_plain"
    labelmap = read_labelmap(golden / "lmdb" / "voc" / "labelmap.prototxt")
    export(source, "voc", tmp_path / "out", labelmap=labelmap, split="test")
    options = BuildOptions(empty="keep")
    build(recognise(tmp_path / "out"), tmp_path / "built", options, splits=["test"])
    pairs = zip(items(tmp_path / "built" / "out_test_lmdb"), items(source), strict=True)
    assert [ours[0] for ours, theirs in pairs if ours != theirs] == [GRAY]
    document = etree.parse(str(tmp_path / "out" / "Annotations" / "000003.xml"))
    assert [o.text for o in document.findall("object/bndbox/xmin")] == ["190", "86", "99"]
    assert document.findtext("size/depth") == "3"
    assert document.findtext("filename") == "000003.jpg"


def test_coco_keeps_the_ids(tmp_path: Path) -> None:
    built = build(find(str(odd_coco(tmp_path / "raw"))), tmp_path / "built")
    export(built.out / "raw_val2017_lmdb", "coco", tmp_path / "out")
    content = json.loads((tmp_path / "out/annotations/instances_val2017.json").read_bytes())
    assert [image["id"] for image in content["images"]] == [8, 7, 123456]
    assert content["categories"] == [{"id": n, "name": f"class {n}"} for n in (3, 7, 90)]
    boxes = {tuple(a["bbox"]): a for a in content["annotations"]}
    assert boxes[10.37, 5.5, 20.013, 17.2]["category_id"] in (3, 7, 90)
    assert all(a["area"] == a["bbox"][2] * a["bbox"][3] for a in content["annotations"])
    assert [a["id"] for a in content["annotations"]] == list(range(1, len(boxes) * 3 + 1))


@pytest.mark.parametrize(
    "lines", ["1 48 64\n", "a 48 64\nb 48 64\n", "5 48 64\n05 48 64\n", "5 4\n6 4\n"]
)
def test_a_size_file_that_does_not_fit_gives_no_ids(lines: str, tmp_path: Path) -> None:
    lmdb = lmdb_of(tmp_path / "x_val_lmdb", [(f"{i:08d}_{i}.jpg", record()) for i in range(2)])
    (tmp_path / "val_name_size.txt").write_text(lines)
    export(lmdb, "coco", tmp_path / "out", labelmap=MAP)
    content = json.loads((tmp_path / "out/annotations/instances_val.json").read_bytes())
    assert [image["id"] for image in content["images"]] == [1, 2]


def test_names_that_are_no_numbers_become_labels_in_coco(tmp_path: Path) -> None:
    labels = [3, 1, 3, 2]
    boxes = np.arange(16, dtype=np.float32).reshape(4, 4) / np.array([64, 48] * 2, np.float32)
    lmdb = lmdb_of(
        tmp_path / "lmdb", [("00000000_a.jpg", record(boxes[[0, 2, 1, 3]], [3, 3, 1, 2]))]
    )
    result = export(lmdb, "coco", tmp_path / "out", labelmap=MAP)
    content = json.loads((tmp_path / "out/annotations/instances_all.json").read_bytes())
    assert sorted(a["category_id"] for a in content["annotations"]) == sorted(labels)
    assert [c["name"] for c in content["categories"]] == ["cat", "dog", "eel"]
    written = read_labelmap(tmp_path / "out" / "labelmap.prototxt")
    assert [(i.name, i.display_name) for i in written][1:] == [
        ("1", "cat"),
        ("2", "dog"),
        ("3", "eel"),
    ]
    assert values(rebuilt(result)) == values(items(lmdb))


def test_the_two_years_of_voc_keep_their_folders(tmp_path: Path) -> None:
    keys = ["VOC2012/JPEGImages/2008_1.jpg", "VOC2007/JPEGImages/1.jpg", "VOC2012/JPEGImages/0.jpg"]
    records = [(f"{i:08d}_{k}", record([[0, 0, i / 8, 0.5]])) for i, k in enumerate(keys, 1)]
    lmdb = lmdb_of(tmp_path / "VOC0712_trainval_lmdb", records)
    result = export(lmdb, "voc", tmp_path / "out", labelmap=MAP)
    listed = (tmp_path / "out/trainval.txt").read_text().split()
    assert listed[::2] == keys
    assert listed[1] == "VOC2012/Annotations/2008_1.xml"
    assert (tmp_path / "out/VOC2012/ImageSets/Main/trainval.txt").read_text() == "2008_1\n0\n"
    assert [key[9:].decode() for key, _ in rebuilt(result)] == keys
    assert result.renamed == 3  # the keys' numbers began with 1


# Hostile keys

HOSTILE = [
    b"../../escape.jpg", b"/absolute/x.jpg", b"JPEGImages/../../up.jpg", b"a/JPEGImages/../../../u",
    b"n\0l.jpg", b"JPEGImages/n\0l.jpg", b"x" * 490, b"JPEGImages/" + b"y" * 480 + b".jpg",
    b"line\nbreak.jpg", b"JPEGImages/line\nbreak.jpg", b"JPEGImages/tab\tcontrol\x1b[31m.jpg",
    b"<&\"'>]]>.jpg", b"JPEGImages/<&\"'>]]>.jpg", b"JPEGImages/a.jpg", b"JPEGImages/a.png",
    b"JPEGImages/a.jpg/b.jpg", b"JPEGImages/a.xml/c.jpg", b"JPEGImages/a.jpg", b"", b".", b"..",
    b"/", b"//", b"JPEGImages/.jpg", b"JPEGImages/..jpg", b"JPEGImages/a .jpg",
    b"JPEGImages/ a.jpg", b"JPEGImages/with two spaces.jpg", b"all.txt/JPEGImages/x.jpg",
    b"annotations/instances_all.json", b"labelmap.prototxt/JPEGImages/x.jpg",
    b"ImageSets/Main/all.txt/JPEGImages/q.jpg", b"JPEGImages/ImageSets/Main/all.txt",
    "JPEGImages/\u2028\x85.jpg".encode(), "\ufffe.jpg".encode(), "JPEGImages/ä/Ü文.jpg".encode(),
    b"JPEGImages/\xff\xfe.jpg", b"con\\nul.jpg", b"JPEGImages//d.jpg",
    b"JPEGImages/a_00000017.jpg", b"JPEGImages", b"JPEGImages/", b"all/x.jpg", b"all/../../y.jpg",
]  # fmt: skip


@pytest.mark.parametrize("to", FORMATS)
def test_hostile_keys_stay_below_the_folder(to: str, tmp_path: Path) -> None:
    inner = tmp_path / "deep" / "inner"
    inner.mkdir(parents=True)
    records = [
        (b"%08d_" % i + path, record([[0, 0, (i + 1) / 128, 1]], picture=jpeg(seed=i)))
        for i, path in enumerate(HOSTILE)
    ]
    records.append((b"no number <&\n.jpg", record([[0, 0, 1, 1]])))
    lmdb = lmdb_of(inner / "lmdb", records)
    before = tree(tmp_path)
    result = export(lmdb, to, inner / "out", labelmap=MAP)
    assert all(p.startswith("deep/inner/out") for p in tree(tmp_path) - before)
    assert result.pictures == len(HOSTILE) + 1
    after = rebuilt(result)
    assert values(after) == [value for _, value in records]
    assert len({key[9:] for key, _ in after}) == len(records)
    changed = sum(a != b for a, (b, _) in zip((k for k, _ in after), records, strict=True))
    assert changed == result.renamed
    if to == "voc":
        lines = (inner / "out" / "all.txt").read_bytes().splitlines()
        assert all(b"\t" in line for line in lines if line.count(b" ") > 1)
        kept = {
            b"JPEGImages/<&\"'>]]>.jpg",
            b"JPEGImages/with two spaces.jpg",
            "JPEGImages/ä/Ü文.jpg".encode(),
        }
        assert kept <= {key[9:] for key, _ in after}


@pytest.mark.parametrize("to", ["voc", "coco", "yolo", "retinaface"])
def test_hidden_pictures_are_not_lost(to: str, tmp_path: Path) -> None:
    paths = ["JPEGImages/.a.jpg", "JPEGImages/..b.jpg", "__MACOSX/c.jpg", "x/.d/e.jpg", "x/f.jpg"]
    records = [(key_of(n, path), record()) for n, path in enumerate(paths)]
    result = export(
        lmdb_of(tmp_path / "lmdb", records), to, tmp_path / "out",
        labelmap=LabelMap.from_names(["face"]), split="train",
    )  # fmt: skip
    assert not any(is_left_behind(path) for path in tree(tmp_path / "out"))
    assert result.renamed >= 4
    assert (
        build(find(tmp_path / "out"), tmp_path / "built").manifest["splits"]["train"]["boxes"] == 5
    )


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=60) | st.text("./ \t\n\0a", max_size=12), st.sampled_from(["jpg", "png"]))
def test_names_are_safe(image: str, kind: str) -> None:
    first, second, *_ = (name for name, _ in zip(plain_names(image, kind, 5), "ab", strict=False))
    for name in (first, second):
        assert is_safe(name)
        assert "/" not in name
        assert name.endswith(f".{kind}") or (
            kind == "jpg" and name.lower().endswith((".jpg", ".jpeg"))
        )
    assert first != second


def test_a_picture_listed_twice_is_written_once(tmp_path: Path) -> None:
    value = record()
    lmdb = lmdb_of(tmp_path / "lmdb", [(f"{i:08d}_JPEGImages/a.jpg", value) for i in range(3)])
    result = export(lmdb, "voc", tmp_path / "out", labelmap=MAP)
    assert [p.name for p in (tmp_path / "out" / "JPEGImages").iterdir()] == ["a.jpg"]
    assert rebuilt(result) == items(lmdb)


# Refusals


def plain(tmp_path: Path, *more: tuple[str, bytes], name: str = "lmdb") -> Path:
    good = [(f"{i:08d}_JPEGImages/{i}.jpg", record()) for i in range(3)]
    return lmdb_of(tmp_path / name, [*good, *more])


def datum() -> bytes:
    value: bytes = caffe_pb2.Datum(channels=3, height=4, width=4, data=b"x").SerializeToString()
    return value


def raw(data: bytes, shape: tuple[int, int, int]) -> bytes:
    nothing = np.zeros(0, np.int32)
    boxes = np.zeros((0, 4), np.float32)
    return encode_record(data, shape, nothing, boxes, np.zeros(0, np.bool_), encoded=False)


BROKEN = {
    "garbage": (b"\xff\xff\xff\xff", "not an AnnotatedDatum"),
    "a plain datum": (datum(), "classification"),
    "a web page": (record(picture=b"<html>no picture"), "a web page"),
    "cut short": (record(picture=jpeg()[:-40]), "truncated"),
    "not a number": (record([[0, 0, np.nan, 1]]), "no pixels"),
    "infinite": (record([[0, 0, 1, np.inf]]), "no pixels"),
    "too far away": (record([[0, 0, 1e9, 1]]), "no pixels"),
    "an unknown label": (record(labels=[4]), "the label 4 is not in the labelmap"),
    "background": (record(labels=[0]), "the label 0 is no class"),
    "negative": (record(labels=[-1]), "the label -1"),
    "too few raw values": (raw(b"abc", (3, 4, 4)), "3 raw bytes"),
    "two channels": (raw(b"x" * 32, (2, 4, 4)), "2 raw channels"),
}


@pytest.mark.parametrize("to", FORMATS)
@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_record_is_named_and_nothing_is_left(what: str, to: str, tmp_path: Path) -> None:
    value, message = BROKEN[what]
    lmdb = plain(tmp_path, ("00000003_JPEGImages/bad.jpg", value))
    before = tree(tmp_path)
    with pytest.raises(InputError, match=message) as caught:
        export(lmdb, to, tmp_path / "new" / "out", labelmap=MAP)
    assert caught.value.where == "00000003_JPEGImages/bad.jpg"
    assert tree(tmp_path) == before


def test_without_a_labelmap_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(plain(tmp_path).parent)
    for lmdb in ("lmdb", tmp_path / "lmdb"):  # named as the call names it
        with pytest.raises(InputError, match="(?s)no labelmap.*--labelmap") as caught:
            export(lmdb, "voc", tmp_path / "out")
        assert caught.value.where == str(lmdb)
    assert tree(tmp_path) == {"lmdb", "lmdb/data.mdb"}


@pytest.mark.parametrize("place", ["labelmap.prototxt", "lmdb/labelmap.prototxt"])
def test_the_labelmap_is_found_beside_or_inside(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lmdb = plain(tmp_path)
    (tmp_path / place).write_text(MAP.to_text())
    assert export(lmdb, "voc", tmp_path / "out").pictures == 3
    monkeypatch.chdir(lmdb)
    assert export(".", "voc", tmp_path / "from inside").pictures == 3
    assert read_labelmap(tmp_path / "out" / "labelmap.prototxt") == MAP


def test_a_labelmap_with_gaps_is_refused(tmp_path: Path) -> None:
    gaps = LabelMap([*MAP.items, LabelMapItem("far", 9, "far")])
    with pytest.raises(InputError, match="gaps"):
        export(plain(tmp_path), "voc", tmp_path / "out", labelmap=gaps)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["", " cat", "c\0t", "cat\n", "\ufffe"])
def test_a_class_name_that_xml_cannot_hold_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read back"):
        export(plain(tmp_path), "voc", tmp_path / "out", labelmap=LabelMap.from_names([name]))
    assert not (tmp_path / "out").exists()


def test_a_class_name_of_xml_characters_comes_back(tmp_path: Path) -> None:
    lmdb = plain(tmp_path)
    result = export(lmdb, "voc", tmp_path / "out", labelmap=LabelMap.from_names(["<&]]> 'ü'"]))
    assert rebuilt(result) == items(lmdb)


def test_a_folder_that_is_not_empty_is_left_alone(tmp_path: Path) -> None:
    lmdb, out = plain(tmp_path), tmp_path / "out"
    out.mkdir()
    (out / "mine").write_text("mine")
    with pytest.raises(OutputError, match="not empty"):
        export(lmdb, "voc", out, labelmap=MAP)
    assert tree(tmp_path) == {"lmdb", "lmdb/data.mdb", "out", "out/mine"}
    with pytest.raises(OutputError, match="no folder"):
        export(lmdb, "voc", out / "mine", labelmap=MAP)
    with pytest.raises(OutputError, match="Not a directory"):
        export(lmdb, "voc", out / "mine" / "below", labelmap=MAP)
    (out / "mine").unlink()
    assert export(lmdb, "voc", out, labelmap=MAP).pictures == 3
    assert len(tree(out)) == 13


@pytest.mark.parametrize("split", ["../up", "a/b", "..", " ", ".hidden", "a\nb", "x" * 300, "\0"])
def test_a_split_that_is_no_file_name_is_refused(split: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        export(plain(tmp_path), "voc", tmp_path / "out", labelmap=MAP, split=split)
    assert caught.value.where == "--split"


@pytest.mark.parametrize("split", ["annotations", "labelmap.prototxt"])
def test_a_split_called_as_the_layout_is_refused(split: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        export(plain(tmp_path), "coco", tmp_path / "out", labelmap=MAP, split=split)


@pytest.mark.parametrize(
    ("name", "split"),
    [("VOC0712_test_lmdb", "test"), ("test_lmdb", "test"), ("lmdb", "all"), ("_lmdb", "all")],
)
def test_the_split_is_that_of_the_name(name: str, split: str, tmp_path: Path) -> None:
    assert export(plain(tmp_path, name=name), "voc", tmp_path / "out", labelmap=MAP).split == split


def test_the_split_is_that_of_the_build(tmp_path: Path) -> None:
    folder = odd_coco(tmp_path / "raw")
    (folder / "annotations/instances_val2017.json").rename(
        folder / "annotations/instances_a_b.json"
    )
    (folder / "val2017").rename(folder / "a_b")
    build(find(str(folder)), tmp_path / "built")
    result = export(tmp_path / "built" / "raw_a_b_lmdb", "coco", tmp_path / "out")
    assert result.split == "a_b"
    content = json.loads((tmp_path / "out/annotations/instances_a_b.json").read_bytes())
    assert [image["id"] for image in content["images"]] == [8, 7, 123456]


def test_a_training_split_keeps_its_order(tmp_path: Path) -> None:
    records = [(f"{i:08d}_train/{i}.jpg", record([[0, 0, i / 16, 1]])) for i in range(9)]
    lmdb = lmdb_of(tmp_path / "x_train_lmdb", records)
    assert rebuilt(export(lmdb, "coco", tmp_path / "out", labelmap=MAP)) == items(lmdb)


def test_what_a_build_would_change_is_counted(tmp_path: Path) -> None:
    message = caffe_pb2.AnnotatedDatum.FromString(record([[0, 0, 1, 1]] * 2))
    message.annotation_group[0].annotation[0].instance_id = 5
    message.datum.width = 65
    value = message.SerializeToString()
    gray = raw(bytes(16), (1, 4, 4))
    bmp = record(picture=jpeg(format="BMP"))
    lmdb = plain(
        tmp_path,
        ("00000007_JPEGImages/odd.jpg", value),
        ("00000008_JPEGImages/g.png", gray),
        ("00000009_JPEGImages/b.bmp", bmp),
    )
    notes = export(lmdb, "voc", tmp_path / "out", labelmap=MAP).notes.to_json()
    assert {kind.split(" (")[0]: entry["count"] for kind, entry in notes.items()} == {
        "the header states another size than the picture has": 1,
        "boxes are grouped or numbered unlike a build does it": 1,
        "picture is encoded anew when it is built again": 1,
        "key changes when it is built again": 3,
        "pictures are not all stored alike": 1,
    }


# Whole or not at all


def in_child(action: Callable[[], Any]) -> int:
    """Run in a forked process; its exit status, negative for a signal."""
    pid = os.fork()
    if not pid:
        status = 70
        try:
            action()
            status = 0
        except OutputError:
            status = 3
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


@pytest.mark.parametrize("to", FORMATS)
def test_a_killed_export_leaves_no_folder_and_the_next_clears_up(to: str, tmp_path: Path) -> None:
    lmdb = plain(tmp_path)

    def dying(records: Any, total: int, name: str) -> Iterator[Any]:
        for index, pair in enumerate(records):
            if index == 2:
                assert list(tmp_path.glob(".out.staging/new/*"))
                os.kill(os.getpid(), signal.SIGKILL)
            yield pair

    kill = in_child(lambda: export(lmdb, to, tmp_path / "out", labelmap=MAP, track=dying))
    assert kill == -signal.SIGKILL
    assert not (tmp_path / "out").exists()
    result = export(lmdb, to, tmp_path / "out", labelmap=MAP)
    assert values(rebuilt(result)) == values(items(lmdb))
    assert not [p for p in tree(tmp_path) if "export" in p or "staging" in p or ".lock" in p]


@pytest.mark.parametrize("to", FORMATS)
def test_a_full_disk_is_an_error_and_nothing_is_left(to: str, tmp_path: Path) -> None:
    lmdb = plain(tmp_path, ("00000003_big.jpg", record(picture=jpeg(2000, 2000, quality=100))))
    before = tree(tmp_path)

    def limited() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
        export(lmdb, to, tmp_path / "out", labelmap=MAP)

    assert in_child(limited) == 3
    assert tree(tmp_path) == before


def test_two_exports_do_not_mix(tmp_path: Path) -> None:
    lmdb, other = plain(tmp_path), plain(tmp_path, name="other")

    def second(records: Any, total: int, name: str) -> Any:
        with pytest.raises(OutputError, match="another"):
            export(other, "coco", tmp_path / "out", labelmap=MAP)
        return records

    assert export(lmdb, "voc", tmp_path / "out", labelmap=MAP, track=second).pictures == 3
    assert (tmp_path / "out" / "JPEGImages").is_dir()


def test_an_interrupt_leaves_nothing(tmp_path: Path) -> None:
    lmdb = plain(tmp_path)
    before = tree(tmp_path)

    def interrupted(records: Any, total: int, name: str) -> Iterator[Any]:
        yield next(iter(records))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export(lmdb, "voc", tmp_path / "out", labelmap=MAP, track=interrupted)
    assert tree(tmp_path) == before


def test_the_memory_does_not_grow_with_the_records(tmp_path: Path) -> None:
    def held(count: int) -> int:
        """Bytes that the package's own lines hold when the last record is at hand."""
        small = raw(bytes(3072), (3, 32, 32))
        records = ((f"{i:08d}_JPEGImages/{i}.png", small) for i in range(count))
        lmdb = lmdb_of(tmp_path / f"{count}_lmdb", records)
        found = []

        def last(pairs: Any, total: int, name: str) -> Iterator[Any]:
            yield from pairs
            ours = tracemalloc.Filter(True, "*/ssd_data/*")
            traces = tracemalloc.take_snapshot().filter_traces([ours]).statistics("filename")
            found.append(sum(trace.size for trace in traces))

        tracemalloc.start()
        export(lmdb, "voc", tmp_path / f"out{count}", labelmap=MAP, track=last)
        tracemalloc.stop()
        return found[0]

    held(5)
    assert held(150) < held(30) + 10_000


# Real data


def real(dataset: Any, split: str, tmp_path: Path) -> Path:
    options = BuildOptions(empty="keep", shuffle=False, limit=60)
    built = build(dataset, tmp_path / "built", options, splits=[split])
    return built.out / dataset.lmdb_name(split)


@pytest.mark.parametrize("to", FORMATS)
def test_real_voc(to: str, shared: Path, tmp_path: Path) -> None:
    source = real(find("voc2007", shared / "VOCdevkit"), "test", tmp_path)
    result = export(source, to, tmp_path / "out")
    before, after = items(source), rebuilt(result)
    assert (before if to == "voc" else values(before)) == (after if to == "voc" else values(after))
    assert (result.rounded, result.renamed) == (0, 0 if to == "voc" else 60)


@pytest.mark.parametrize("to", FORMATS)
def test_real_coco(to: str, shared: Path, tmp_path: Path) -> None:
    source = real(find(str(shared / "coco-tiny" / "tiny_coco")), "val2017", tmp_path)
    result = export(source, to, tmp_path / "out")
    before, after = items(source), rebuilt(result)
    assert (before if to == "coco" else values(before)) == (
        after if to == "coco" else values(after)
    )
    assert result.rounded == 0
    if to == "coco":
        original = shared / "coco-tiny/tiny_coco/annotations/instances_val2017.json"
        assert boxes_of(tmp_path / "out/annotations/instances_val2017.json") == boxes_of(original)


def boxes_of(path: Path) -> list[tuple[Any, ...]]:
    """Every box with its image, class and crowd flag; areas and ids of boxes are not its own."""
    content = json.loads(path.read_bytes())
    held = {image["id"] for image in content["images"][:60]}
    return sorted(
        (a["image_id"], a["category_id"], a["iscrowd"], *map(float, a["bbox"]))
        for a in content["annotations"]
        if a["image_id"] in held
    )


def test_real_faces_to_voc(shared: Path, tmp_path: Path) -> None:
    source = real(find("widerface", shared / "WIDER_FACE"), "val", tmp_path)
    result = export(source, "voc", tmp_path / "out")
    assert values(rebuilt(result)) == values(items(source))
    assert (result.rounded, result.renamed) == (0, 60)


# The command line


def run(args: Sequence[object]) -> int:
    try:
        main([str(a) for a in args])
    except SystemExit as error:
        return int(error.code or 0)
    return 0


def test_the_command_prints_a_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "labelmap.prototxt").write_text(MAP.to_text())
    args = ["export", plain(tmp_path, name="x_val_lmdb"), "--to", "voc", "-o", tmp_path / "a b"]
    assert run(args) == 0
    out = capsys.readouterr().out
    assert out.splitlines()[0].split() == "split pictures boxes difficult rounded renamed".split()
    assert out.splitlines()[1].split() == "val 3 3 0 0 0".split()
    assert f"ssd-data build --list '{tmp_path}/a b/val.txt'" in out
    assert run(args) == 0
    assert capsys.readouterr().out == out  # it lies there already
    assert run([*args, "--split", "other"]) == 1
    assert "not empty" in capsys.readouterr().err


def test_json_is_one_object(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "labelmap.prototxt").write_text(MAP.to_text())
    lmdb, out = plain(tmp_path), tmp_path / "out"
    assert run(["export", lmdb, "--to", "coco", "--out", out, "--split", "s", "--json"]) == 0
    table = json.loads(capsys.readouterr().out)
    assert (table["pictures"], table["boxes"], table["rounded"], table["renamed"]) == (3, 3, 0, 3)
    assert table["out"] == str(out)
    assert table["command"][:3] == ["ssd-data", "build", str(out)]
    assert run(["export", lmdb, "--to", "coco", "--out", out, "-q", "--json"]) == 1
    assert "not empty" in json.loads(capsys.readouterr().out)["error"]["what"]


def test_quiet_is_quiet(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "labelmap.prototxt").write_text(MAP.to_text())
    assert run(["export", plain(tmp_path), "--to", "voc", "-o", tmp_path / "out", "-q"]) == 0
    assert capsys.readouterr() == ("", "")


def test_a_bare_folder_is_not_taken_for_a_recipe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    lmdb = plain(tmp_path)
    result = export(lmdb, "coco", "coco2017", labelmap=MAP)
    assert values(rebuilt(result)) == values(items(lmdb))


def test_help_knows_all_layouts(capsys: pytest.CaptureFixture[str]) -> None:
    (to,) = (p for p in export_command.params if p.name == "to")
    assert list(to.type.choices) == WRITERS.names()  # type: ignore[attr-defined]
    assert run(["export", "--help"]) == 0
    assert "Examples:" in capsys.readouterr().out
