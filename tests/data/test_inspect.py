"""``ssd-data inspect``: counts, statistics, one record, broken ones, drawn pictures."""

from __future__ import annotations

import io
import json
import struct
from collections import Counter
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from ssd_data.cli import main
from ssd_data.core.errors import InputError
from ssd_data.core.labelmap import LabelMap
from ssd_data.core.legible import visible
from ssd_data.data.lmdb.records import encode_record
from ssd_data.data.lmdb.store import LmdbReader
from ssd_data.data.lmdb.survey import Survey, bands, find_item, look
from ssd_data.data.lmdb.writer import LmdbWriter
from ssd_data.proto import caffe_pb2

Rows = list[tuple[float, ...]]
SOUND: Rows = [(1, 0.1, 0.2, 0.5, 0.6, 0)]


def picture(
    width: int = 64, height: int = 48, mode: str = "RGB", kind: str = "JPEG", **save: Any
) -> bytes:
    file = io.BytesIO()
    Image.linear_gradient("L").resize((width, height)).convert(mode).save(file, kind, **save)
    return file.getvalue()


def value(
    rows: Rows = SOUND,
    data: bytes | None = None,
    shape: tuple[int, int, int] = (3, 48, 64),
    encoded: bool = True,
) -> bytes:
    """A record; rows are label, xmin, ymin, xmax, ymax, difficult."""
    table = np.array(rows, np.float32).reshape(-1, 6)
    labels, boxes, difficult = table[:, 0].astype(np.int32), table[:, 1:5], table[:, 5] > 0
    data = picture(shape[2], shape[1]) if data is None else data
    return encode_record(data, shape, labels, boxes, difficult, encoded)


def write(path: Path, values: dict[bytes, bytes] | list[bytes]) -> Path:
    if isinstance(values, list):
        values = {f"{i:08d}_p/{i}.jpg".encode(): value for i, value in enumerate(values)}
    with LmdbWriter(path) as writer:
        for key in sorted(values):
            writer.put(key, values[key])
    return path


def run(capsys: pytest.CaptureFixture[str], *args: object) -> tuple[int, str, str]:
    """Exit status, standard output and standard error of ``ssd-data inspect``."""
    with pytest.raises(SystemExit) as stop:
        main(["inspect", *map(str, args)])
    out, err = capsys.readouterr()
    return int(stop.value.code or 0), out, err


def table(capsys: pytest.CaptureFixture[str], *args: object, status: int = 0) -> Any:
    """The one JSON object on standard output."""
    code, out, _ = run(capsys, *args, "--json")
    assert code == status
    return json.loads(out)


@pytest.mark.parametrize("name", ["plain", "min_dim", "max_dim", "resize300"])
def test_the_originals_databases_are_counted(
    golden: Path, name: str, capsys: pytest.CaptureFixture[str]
):
    path = golden / "lmdb" / f"lmdb_{name}"
    found = table(capsys, path)
    labels: Counter[int] = Counter()
    difficult = records = empty = 0
    with LmdbReader(path) as reader:
        for _, data in reader.items():
            message = caffe_pb2.AnnotatedDatum.FromString(data)
            records += 1
            empty += not message.annotation_group
            for group in message.annotation_group:
                labels[group.group_label] += len(group.annotation)
                difficult += sum(a.bbox.difficult for a in group.annotation)
    assert found["records"] == found["records_in_lmdb"] == records
    assert found["boxes"] == labels.total()
    assert found["difficult"] == difficult
    assert found["without_boxes"] == empty
    assert {row["label"]: row["boxes"] for row in found["classes"]} == labels
    assert found["broken"] == {"count": 0, "listed": []}
    assert found["pictures"]["formats"] == {"jpg": records}
    if name == "resize300":
        assert found["pictures"]["sizes"] == [{"width": 300, "height": 300, "pictures": records}]


def test_statistics_are_those_of_the_boxes(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    rows: Rows = [
        (1, 0, 0, 0.25, 0.5, 0),
        (1, 0.5, 0.5, 1, 1, 1),
        (2, 0.25, 0.25, 0.5, 0.375, 0),
        (2, 0.5, 0.5, 0.5, 0.75, 0),  # no area
        (2, 0.75, 0.5, 1.25, 0.75, 1),  # leaves the picture
        (3, np.nan, 0, 1, 1, 0),
    ]
    path = write(tmp_path / "a_lmdb", [value(rows), value([], shape=(3, 100, 20)), value()])
    found = table(capsys, path)
    assert (found["records"], found["boxes"], found["most_boxes"]) == (3, 7, 6)
    assert (found["difficult"], found["without_boxes"]) == (2, 1)
    pairs = {(r["label"], r["boxes"], r["pictures"], r["difficult"]) for r in found["classes"]}
    assert pairs == {(1, 3, 2, 1), (2, 3, 1, 1), (3, 1, 1, 0)}
    assert found["pictures"]["width"] | {"5%": 0, "95%": 0} == {
        "min": 20,
        "5%": 0,
        "median": 64,
        "95%": 0,
        "max": 64,
    }
    boxes = found["box_statistics"]
    assert boxes["boxes"] == 5
    assert (boxes["width"]["min"], boxes["width"]["max"]) == (16, 32)
    assert boxes["height"]["median"] == pytest.approx(19.2)
    assert boxes["width_share"]["median"] == pytest.approx(0.4)
    assert boxes["area_share"]["max"] == 0.25
    assert boxes["aspect_ratio"]["max"] == pytest.approx((64 * 0.5) / (48 * 0.25), 1e-5)
    key = "00000000_p/0.jpg"
    assert found["empty"] == {"count": 1, "listed": [f"{key}: box 3: label 2 32 24 32 36"]}
    assert found["outside"] == {"count": 1, "listed": [f"{key}: box 4: label 2 48 24 80 36"]}
    assert found["not_finite"]["count"] == 1


def test_kinds_are_told_by_content(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    raw = value(data=bytes(48 * 64), shape=(1, 48, 64), encoded=False)
    png = value(data=picture(kind="PNG"))
    found = table(capsys, write(tmp_path / "a_lmdb", [value(), png, raw, value()]))
    assert found["pictures"]["formats"] == {"jpg": 2, "png": 1, "raw": 1}
    assert found["pictures"]["channels"] == {"3": 3, "1": 1}


@pytest.mark.parametrize(
    ("mode", "kind", "save", "expected"),
    [
        ("L", "JPEG", {}, 1),
        ("CMYK", "JPEG", {}, 3),
        ("RGBA", "PNG", {}, 4),
        ("P", "PNG", {}, 3),
        ("P", "PNG", {"transparency": 0}, 4),
        ("1", "PNG", {}, 1),
    ],
)
def test_bands_are_those_of_opencv(mode: str, kind: str, save: dict[str, int], expected: int):
    data = picture(mode=mode, kind=kind, **save)
    seen = look(b"0_a", value(data=data))
    assert seen.info is not None
    assert bands(seen.info) == expected
    decoded = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    assert (decoded.shape[2] if decoded.ndim == 3 else 1) == expected


def test_the_labelmap_beside_the_lmdb_names_the_classes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    path = write(tmp_path / "a_lmdb", [value()])
    assert table(capsys, path)["classes"][0]["name"] == "label 1"
    (tmp_path / "labelmap.prototxt").write_text(LabelMap.from_names(["cat", "dog"]).to_text())
    found = table(capsys, path)
    assert found["classes"][0]["name"] == "cat"
    assert found["absent"] == ["dog"]
    other = tmp_path / "other.prototxt"
    other.write_text(LabelMap.from_names(["bird"]).to_text())
    assert table(capsys, path, "--labelmap", other)["classes"][0]["name"] == "bird"


def test_broken_records_are_listed_and_the_rest_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    broken = [b"\xff\xff\xff", b"", value(data=b"no picture"), value(data=picture()[:-2])]
    path = write(tmp_path / "a_lmdb", [value(), *broken, value()])
    found = table(capsys, path, status=1)
    assert (found["records"], found["broken"]["count"], found["boxes"]) == (6, 4, 2)
    assert [line.split(":")[0] for line in found["broken"]["listed"]] == [
        f"0000000{i}_p/{i}.jpg" for i in (1, 2, 3, 4)
    ]
    code, out, err = run(capsys, path)
    assert code == 1
    assert "boxes" in out
    assert err.count("broken: ") == 4
    assert "4 of 6 records are broken" in err
    code, out, err = run(capsys, path, "-q")
    assert (code, out) == (1, "")
    assert "4 of 6 records are broken" in err


def test_a_sound_database_is_silent_with_quiet(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert run(capsys, write(tmp_path / "a_lmdb", [value()]), "-q") == (0, "", "")


def test_one_record_by_key_and_by_index(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    path = write(tmp_path / "a_lmdb", [value(), value([(2, 0.5, 0.25, 1, 1.5, 1)])])
    by_key = table(capsys, path, "--key", "00000001_p/1.jpg")
    assert by_key == table(capsys, path, "--index", 1) == table(capsys, path, "--index", -1)
    assert (by_key["channels"], by_key["height"], by_key["width"]) == (3, 48, 64)
    assert by_key["boxes"] == [
        {
            "label": 2,
            "name": "label 2",
            "instance_id": 0,
            "difficult": True,
            "pixels": [32, 12, 64, 72],
            "fractions": [0.5, 0.25, 1, 1.5],
            "remark": "leaves the picture",
        }
    ]
    _, out, _ = run(capsys, path, "--index", 1)
    assert "32.0 12.0 64.0 72.0 0.5000 0.2500 1.0000 1.5000" in " ".join(out.split())


def test_a_record_with_corners_that_are_no_numbers_is_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    path = write(tmp_path / "a_lmdb", [value([(1, np.nan, np.inf, 3e38, 1, 0)])])
    box = table(capsys, path, "--index", 0)["boxes"][0]
    assert box["pixels"] == [None, None, None, 48]
    assert box["remark"] == "not finite"


@pytest.mark.parametrize("which", ["7", "-3"])
def test_an_index_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str], which: str):
    path = write(tmp_path / "a_lmdb", [value(), value()])
    code, _, err = run(capsys, path, "--index", which)
    assert code == 1
    assert f"no record {which}: there are 2" in err


@pytest.mark.parametrize("key", ["", "1.jpg", "x" * 600, "\udcff", "a\0b", "a\nb"])
def test_a_key_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str], key: str):
    path = write(tmp_path / "a_lmdb", [value(), value()])
    code, _, err = run(capsys, path, "--key", key)
    assert code == 1
    assert "no record has the key" in err
    assert ("Keys with it: 00000001_p/1.jpg" in err) == (key == "1.jpg")


def test_options_that_exclude_each_other(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    path = write(tmp_path / "a_lmdb", [value()])
    assert run(capsys, path, "--index", 0, "--limit", 1)[0] == 2
    assert run(capsys, path, "--index", 0, "--key", "a")[0] == 2


def test_a_limit_takes_the_first_records(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    path = write(tmp_path / "a_lmdb", [value(), value(), b"\xff"])
    found = table(capsys, path, "--limit", 2)
    assert (found["records"], found["records_in_lmdb"]) == (2, 3)


@pytest.mark.parametrize("content", [None, b"", b"no database" * 1000])
def test_what_is_no_lmdb_is_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes | None
):
    if content is not None:
        (tmp_path / "data.mdb").write_bytes(content)
    code, out, err = run(capsys, tmp_path, "--json")
    assert code == 1
    assert json.loads(out)["error"]["where"] == str(tmp_path)
    assert "Traceback" not in err


HOSTILE = [
    b"00000000_../../x",
    b"/etc/passwd",
    b"..",
    b"a\0b",
    b"a\nb",
    b"a/b.jpg",
    b"a_b.jpg",
    b"A/B.jpg",
    b"x" * 511,
    b"\xff\xfe",
    "猫.jpg".encode(),
    b"\x1b[2J",
]


def test_hostile_keys_write_only_into_the_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    path = write(tmp_path / "in" / "a_lmdb", dict.fromkeys(HOSTILE, value()))
    folder = tmp_path / "in" / "deep" / "drawn"
    code, out, _ = run(capsys, path, "--draw", folder)
    assert code == 0
    assert f"{len(HOSTILE)} pictures drawn into {folder}" in out
    assert "\\x1b[2J" in out  # the first key, escaped
    drawn = [p for p in tmp_path.rglob("*") if p.is_file() and p.parent != path]
    assert len(drawn) == len(HOSTILE)
    assert all(p.parent == folder for p in drawn)
    for file in drawn:
        with Image.open(file) as image:
            image.load()


def test_one_record_is_drawn_and_limits_hold(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    path = write(tmp_path / "a_lmdb", [value(), value(), value()])
    run(capsys, path, "--draw", tmp_path / "one", "--index", 1)
    assert [p.name for p in (tmp_path / "one").iterdir()] == ["00000001_p_1.jpg"]
    assert table(capsys, path, "--draw", tmp_path / "two", "--limit", 2)["drawn"]["pictures"] == 2
    assert len(list((tmp_path / "two").iterdir())) == 2


def test_what_does_not_decode_is_broken_when_drawn(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    # A header that is whole, nothing behind it, and an end: only decoding tells.
    whole = picture(kind="PNG")
    hollow = whole[: whole.index(b"IDAT") - 4] + whole[-12:]
    path = write(tmp_path / "a_lmdb", [value(), value(data=hollow), value()])
    assert table(capsys, path)["broken"]["count"] == 0
    found = table(capsys, path, "--draw", tmp_path / "drawn", status=1)
    assert found["broken"]["count"] == 1
    assert found["drawn"]["pictures"] == len(list((tmp_path / "drawn").iterdir())) == 2


def test_random_bytes_are_looked_at_and_never_raise():
    random = np.random.default_rng(0)
    sound = [value(), value(data=picture(kind="PNG")), value(data=picture(kind="BMP"))]
    survey = Survey(LabelMap.from_names(["cat"]))
    for number in range(600):
        data = bytearray(sound[number % 3])
        for _ in range(random.integers(1, 6)):
            data[random.integers(0, min(len(data), 400))] = random.integers(0, 256)
        del data[random.integers(1, len(data)) if number % 4 == 0 else len(data) :]
        survey.add(look(b"0_a", bytes(data)))
    summary = json.loads(json.dumps(survey.summary(), allow_nan=False))
    assert summary["records"] == 600
    assert 100 < summary["broken"]["count"] < 600


def test_whatever_a_reader_of_pictures_raises_is_that_records_error(
    monkeypatch: pytest.MonkeyPatch,
):
    def fail(*_: object) -> None:
        raise struct.error("unpack requires a buffer of 4 bytes")

    monkeypatch.setattr("ssd_data.data.lmdb.survey.probe", fail)
    seen = look(b"0_a", value())
    assert seen.record is not None
    assert seen.info is None
    assert "unpack requires a buffer" in seen.fault


def test_nothing_is_left_of_a_database_of_broken_records(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    code, out, _ = run(capsys, write(tmp_path / "a_lmdb", [b"\xff", b"\xfe"]))
    assert code == 1
    assert "broken" in out


def test_text_that_cannot_be_printed_is_escaped():
    assert visible("a\nb\x1b[1m\udcff猫") == "a\\nb\\x1b[1m\\udcff猫"


def test_items_stop_at_a_limit(tmp_path: Path):
    with LmdbReader(write(tmp_path / "a_lmdb", [b"a", b"b", b"c"])) as reader:
        assert [data for _, data in islice(reader.items(), 2)] == [b"a", b"b"]
        assert find_item(reader, -1)[1] == b"c"
        with pytest.raises(InputError):
            find_item(reader, 3)


def test_real_builds_are_measured(shared: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    from ssd_data.data.build.builder import build
    from ssd_data.data.build.options import BuildOptions
    from ssd_data.data.find import find

    build(find(str(shared / "BCCD")), tmp_path / "out", BuildOptions(limit=20))
    found = table(capsys, tmp_path / "out" / "BCCD_test_lmdb", "--draw", tmp_path / "drawn")
    assert found["records"] == found["drawn"]["pictures"] == 20
    assert {row["name"] for row in found["classes"]} == {"Platelets", "RBC", "WBC"}
    assert found["pictures"]["sizes"] == [{"width": 640, "height": 480, "pictures": 20}]
