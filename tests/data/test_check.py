"""``ssd-data check``: for each rule something that breaks it, and a sound thing that does not."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support import ROOT

from ssd_data.cli import main
from ssd_data.core.errors import InputError, UsageError
from ssd_data.core.labelmap import LabelMap, LabelMapItem
from ssd_data.data.build.builder import build
from ssd_data.data.build.options import BuildOptions
from ssd_data.data.check import job, raw, rules
from ssd_data.data.check.check import check, check_build, check_lmdb
from ssd_data.data.check.findings import Findings
from ssd_data.data.check.raw import check_dataset
from ssd_data.data.find import find, recognise
from ssd_data.data.lmdb.records import encode_record
from ssd_data.data.lmdb.writer import LmdbWriter

LABELS = LabelMap.from_names(["cat", "dog"])
Rows = list[tuple[float, ...]]
BOTH: Rows = [(1, 0.1, 0.2, 0.5, 0.6, 0), (2, 0.3, 0.3, 0.9, 0.9, 1)]


def picture(seed: int = 0, mode: str = "RGB", kind: str = "JPEG", **save: Any) -> bytes:
    """A picture of 64 x 48 pixels, another one for each seed."""
    tiles = np.random.default_rng(seed).integers(0, 255, (4, 5, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(tiles).resize((64, 48)).convert(mode).save(file, kind, **save)
    return file.getvalue()


def turned(seed: int = 0) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    return picture(seed, exif=exif)


def value(
    rows: Rows = BOTH,
    data: bytes | None = None,
    shape: tuple[int, int, int] = (3, 48, 64),
    encoded: bool = True,
    seed: int = 9,
) -> bytes:
    """A record; rows are label, xmin, ymin, xmax, ymax, difficult."""
    table = np.array(rows, np.float32).reshape(-1, 5 + 1)
    labels, boxes, difficult = table[:, 0].astype(np.int32), table[:, 1:5], table[:, 5] > 0
    data = picture(seed) if data is None else data
    return encode_record(data, shape, labels, boxes, difficult, encoded)


def key(number: int) -> bytes:
    return f"{number:08d}_p/{number}.jpg".encode()


def sound() -> dict[bytes, bytes]:
    return {key(i): value(seed=i) for i in range(3)}


def write(path: Path, values: dict[bytes, bytes]) -> Path:
    with LmdbWriter(path) as writer:
        for name in sorted(values):
            writer.put(name, values[name])
    return path


def kinds(findings: Findings) -> dict[str, int]:
    """The count of each kind."""
    return {kind: finding.count for (kind, _), finding in findings.found.items()}


def run(capsys: pytest.CaptureFixture[str], *args: object) -> tuple[int, str, str]:
    """Exit status, standard output and standard error of ``ssd-data check``."""
    with pytest.raises(SystemExit) as stop:
        main(["check", *map(str, args)])
    out, err = capsys.readouterr()
    return int(stop.value.code or 0), out, err


# What is added to a sound LMDB of three records, and the kinds that are then found. The name is the
# rule that is broken; what else is found beside it is a consequence.
BROKEN: dict[str, tuple[dict[bytes, bytes], dict[str, int]]] = {
    "unreadable-record": ({key(3): b"\xff\xff\xff"}, {}),
    "unreadable-picture": ({key(3): value(data=b"no picture")}, {}),
    "header-size": ({key(3): value(shape=(3, 64, 48))}, {}),
    "header-channels": (
        {key(3): value(data=picture(7, "L"))},
        {"mixed-channels": 1},
    ),
    "exif-orientation": ({key(3): value(data=turned(7))}, {}),
    "without-boxes": ({key(3): value([])}, {}),
    "label-below-1": ({key(3): value([(0, 0, 0, 1, 1, 0), (-4, 0, 0, 0.5, 1, 0)])}, {}),
    "unknown-label": ({key(3): value([(3, 0, 0, 1, 1, 0)])}, {}),
    "not-finite": (
        {key(3): value([(1, np.nan, 0, 1, 1, 0), (1, 0, 0, np.inf, 1, 0)])},
        {},
    ),
    "empty-box": (
        {key(3): value([(1, 0.5, 0, 0.5, 1, 0), (1, 0.6, 0.6, 0.5, 0.5, 0)])},
        {},
    ),
    "lost-box": (
        {key(3): value([(1, 1, 0, 1.5, 1, 0), (1, -0.5, 0, 0, 1, 0), (2, 0, 30, 20, 40, 0)])},
        {},
    ),
    "outside-box": (
        {key(3): value([(1, -0.01, 0, 0.5, 1, 0), (1, 0.5, 0.5, 1, 1.01, 0)])},
        {},
    ),
    "duplicated-box": ({key(3): value([*BOTH, BOTH[0], BOTH[0]])}, {}),
    "mixed-channels": (
        {key(3): value(data=picture(7, "L"), shape=(1, 48, 64))},
        {},
    ),
    "unnumbered-key": ({b"p.jpg": value()}, {}),
    "key-order": ({b"00000002_q": value()}, {}),
    "key-gap": ({key(4): value(), key(7): value(seed=10)}, {}),
    "duplicated-picture": ({key(3): value(seed=1)}, {}),
}
COUNTS = {
    "label-below-1": 2,
    "not-finite": 2,
    "empty-box": 2,
    "lost-box": 3,
    "outside-box": 2,
    "duplicated-box": 2,
    "key-gap": 2,
}
WARNINGS = {
    "exif-orientation",
    "without-boxes",
    "outside-box",
    "duplicated-box",
    "unnumbered-key",
    "key-order",
    "key-gap",
    "duplicated-picture",
}


def test_a_sound_lmdb_has_no_findings(tmp_path: Path):
    findings = check_lmdb(write(tmp_path / "a", sound()), LABELS)
    assert not findings.found
    assert findings.checked == [{"name": str(tmp_path / "a"), "records": 3, "boxes": 6}]


@pytest.mark.parametrize("rule", BROKEN)
def test_a_broken_rule_is_found(tmp_path: Path, rule: str):
    added, consequences = BROKEN[rule]
    findings = check_lmdb(write(tmp_path / "a", sound() | added), LABELS)
    assert kinds(findings) == {rule: COUNTS.get(rule, 1), **consequences}
    named = findings.warnings if rule in WARNINGS else findings.errors
    places = next(finding for finding in named if finding.kind == rule).places
    assert all(any(k.decode() in place for k in added) for place in places)
    json.dumps(findings.to_json(), allow_nan=False)


def test_every_rule_has_a_test():
    tested = {*BROKEN, "no-box-at-all", "absent-class", "name-size", "build-json"}
    assert {name for _, name, _ in (*rules.RECORD_RULES, *rules.SPLIT_RULES)} == tested


def test_a_rule_of_ones_own_is_asked(tmp_path: Path):
    @rules.box_rule(rules.WARNING, "hard-box", "box is difficult")
    def _hard(record: Any, labelmap: Any) -> Any:
        return record.difficult

    findings = check_lmdb(write(tmp_path / "a", sound()), LABELS)
    del rules.RECORD_RULES[rules.WARNING, "hard-box", "box is difficult"]
    assert kinds(findings) == {"hard-box": 3}
    assert findings.warnings[0].places[0] == ("00000000_p/0.jpg: box 1: dog 19.2 14.4 57.6 43.2")


def test_no_box_at_all(tmp_path: Path):
    findings = check_lmdb(write(tmp_path / "a", {key(0): value([])}), LABELS)
    assert kinds(findings) == {"without-boxes": 1, "no-box-at-all": 1, "absent-class": 2}


def test_a_class_without_boxes(tmp_path: Path):
    findings = check_lmdb(write(tmp_path / "a", {key(0): value(BOTH[:1])}), LABELS)
    assert kinds(findings) == {"absent-class": 1}
    assert findings.warnings[0].places == ["dog"]


def test_only_decoding_finds_what_headers_hide(tmp_path: Path):
    whole = picture(kind="PNG")
    hollow = whole[: whole.index(b"IDAT") - 4] + whole[-12:]
    path = write(tmp_path / "a", sound() | {key(3): value(data=hollow)})
    assert kinds(check_lmdb(path, LABELS)) == {"unreadable-picture": 1}
    assert not check_lmdb(path, LABELS, decode=False).found


def test_raw_values_that_do_not_fill_their_size(tmp_path: Path):
    for length, expected in ((48 * 64 * 3, {}), (100, {"unreadable-picture": 1})):
        raw = value(data=bytes(length), encoded=False)
        path = write(tmp_path / str(length), sound() | {key(3): raw})
        assert kinds(check_lmdb(path, LABELS, decode=False)) == expected


@pytest.mark.parametrize(
    "make",
    [
        lambda path: path.mkdir(),
        lambda path: (path.mkdir(), (path / "data.mdb").write_bytes(b"")),
        lambda path: (path.mkdir(), (path / "data.mdb").write_bytes(b"x" * 9999)),
        lambda path: write(path, {}),
        lambda path: os.truncate(write(path, sound()) / "data.mdb", 8192),
    ],
    ids=["missing", "empty file", "no database", "empty database", "cut short"],
)
def test_what_is_no_lmdb(tmp_path: Path, make: Callable[[Path], Any]):
    path = tmp_path / "a_lmdb"
    make(path)
    assert kinds(check(path, LABELS)) == {"unreadable-lmdb": 1}


def test_labelmaps_are_found_read_and_judged(tmp_path: Path):
    path, beside = write(tmp_path / "a", sound()), tmp_path / "labelmap.prototxt"
    assert kinds(check_lmdb(path)) == {"no-labelmap": 1}
    beside.write_text(LABELS.to_text())
    findings = check_lmdb(path)
    assert not findings.found
    assert findings.labelmap == str(beside)
    beside.write_text("item {")
    assert kinds(check_lmdb(path)) == {"unreadable-labelmap": 1}
    beside.write_text(LabelMap([*LABELS, LabelMapItem("cat", 5, "cat")]).to_text())
    assert kinds(check_lmdb(path)) == {"labelmap-fault": 2, "absent-class": 1}


def test_the_originals_database_is_found_to_have_its_known_fault(golden: Path):
    findings = check_lmdb(golden / "lmdb" / "lmdb_plain")
    assert kinds(findings) == {
        "no-labelmap": 1,
        "header-channels": 1,
        "mixed-channels": 1,
        "without-boxes": 7,
    }
    for name in ("min_dim", "max_dim", "resize300"):
        findings = check_lmdb(golden / "lmdb" / f"lmdb_{name}")
        assert not findings.errors
        assert kinds(findings) == {"no-labelmap": 1, "without-boxes": 7}


def test_random_bytes_are_findings_and_never_raise(tmp_path: Path):
    random = np.random.default_rng(0)
    values = {}
    for number in range(200):
        data = bytearray(value(data=picture(number, kind=("JPEG", "PNG")[number % 2])))
        for _ in range(random.integers(1, 6)):
            data[random.integers(0, len(data))] = random.integers(0, 256)
        del data[random.integers(1, len(data)) if number % 4 == 0 else len(data) :]
        values[key(number)] = bytes(data)
    findings = check_lmdb(write(tmp_path / "a", values), LABELS)
    assert findings.checked[0]["records"] == 200
    assert findings.errors
    json.dumps(findings.to_json(), allow_nan=False)


# A raw data set and its build.


def xml(boxes: str = "", size: str = "<width>64</width><height>48</height>") -> str:
    return f"<annotation>\n<size>{size}</size>\n{boxes}</annotation>\n"


def box(name: str, *corners: float) -> str:
    tags = zip(("xmin", "ymin", "xmax", "ymax"), corners, strict=True)
    inner = "".join(f"<{tag}>{corner}</{tag}>" for tag, corner in tags)
    return f"<object><name>{name}</name><bndbox>{inner}</bndbox></object>\n"


CAT, DOG = box("cat", 5, 6, 30, 40), box("dog", 10, 10, 40, 30)


class Voc:
    """A VOC folder: pictures 1, 2, 3 in trainval, 4 and 5 in test."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for folder in ("JPEGImages", "Annotations", "ImageSets/Main"):
            (root / folder).mkdir(parents=True)
        for number in range(1, 6):
            self.picture(number).write_bytes(picture(number))
            self.annotation(number).write_text(xml(CAT + DOG))
        self.list("trainval", "1", "2", "3")
        self.list("test", "4", "5")
        (root / "labelmap.prototxt").write_text(LABELS.to_text())

    def picture(self, number: int) -> Path:
        return self.root / "JPEGImages" / f"{number}.jpg"

    def annotation(self, number: int) -> Path:
        return self.root / "Annotations" / f"{number}.xml"

    def list(self, split: str, *stems: str) -> None:
        path = self.root / "ImageSets" / "Main" / f"{split}.txt"
        path.write_text("".join(f"{stem}\n" for stem in stems))

    def check(self, **settings: Any) -> Findings:
        return check_dataset(recognise(self.root), **settings)


@pytest.fixture
def voc(tmp_path: Path) -> Voc:
    return Voc(tmp_path / "voc")


def places(findings: Findings, wanted: str) -> list[str]:
    return [
        p for (kind, _), found in findings.found.items() if kind == wanted for p in found.places
    ]


def test_a_sound_data_set_has_no_findings(voc: Voc):
    findings = voc.check()
    assert not findings.found
    assert findings.checked == [
        {"name": "trainval", "records": 3, "boxes": 6},
        {"name": "test", "records": 2, "boxes": 4},
    ]
    assert voc.check(splits=["test"]).checked == findings.checked[1:]


BOXES = {
    "empty-box": (box("cat", 20, 5, 20, 30), 1),
    "lost-box": (box("cat", 64, 5, 70, 30), 1),
    "outside-box": (box("cat", -1, 5, 20, 30), 1),
    "duplicated-box": (CAT, 1),
    "unknown-class": (box("catt", 1, 5, 20, 30), 1),
}


@pytest.mark.parametrize("rule", BOXES)
def test_boxes_of_a_data_set_are_judged_at_their_line(voc: Voc, rule: str):
    added, count = BOXES[rule]
    voc.annotation(2).write_text(xml(CAT + DOG + added))
    findings = voc.check()
    assert kinds(findings) == {rule: count}
    assert "Annotations/2.xml:5" in places(findings, rule)[0]


def test_an_unknown_class_names_the_nearest(voc: Voc):
    voc.annotation(2).write_text(xml(CAT + BOXES["unknown-class"][0]))
    (place,) = places(voc.check(), "unknown-class")
    assert place.startswith('"catt": 1 box, nearest "cat", first at Annotations/2.xml')


def test_a_picture_that_is_missing_broken_or_hollow(voc: Voc):
    voc.picture(1).unlink()
    voc.picture(2).write_bytes(picture(2)[:-2])
    whole = picture(kind="PNG")
    voc.picture(3).write_bytes(whole[: whole.index(b"IDAT") - 4] + whole[-12:])
    findings = voc.check()
    assert kinds(findings)["unreadable-picture"] == 3
    assert places(findings, "unreadable-picture")[0] == ("JPEGImages/1.jpg: the picture is missing")
    assert findings.checked[1] == {"name": "test", "records": 2, "boxes": 4}


def test_annotations_and_lists_that_are_broken(voc: Voc):
    voc.annotation(1).write_text("<annotation>")
    voc.annotation(2).unlink()
    findings = voc.check()
    assert kinds(findings) == {"unreadable-annotation": 2}
    assert places(findings, "unreadable-annotation")[0].startswith("Annotations/1.xml:1: ")
    voc.list("test")
    findings = voc.check()  # pictures 4 and 5 are in no list any more
    assert kinds(findings) == {"unreadable-annotation": 2, "unreadable-split": 1, "layout": 1}
    assert places(findings, "layout")[0].startswith("2 of 5 pictures are in no list")


def test_what_a_build_would_note(voc: Voc):
    voc.annotation(1).write_text(xml(CAT + DOG, "<width>65</width><height>48</height>"))
    voc.picture(2).write_bytes(turned(2))
    voc.picture(3).write_bytes(picture(3, "L"))
    voc.picture(4).write_bytes(picture(4, kind="PNG"))
    findings = voc.check()
    assert not findings.errors
    assert kinds(findings) == {
        "size-disagrees": 1,
        "exif-orientation": 1,
        "note": 1,
        "file-ending": 1,
    }


def test_notes_are_still_called_as_the_build_calls_them():
    notes = (ROOT / "ssd_data" / "data" / "build" / "convert.py").read_text()
    notes += (ROOT / "ssd_data" / "data" / "build" / "frames.py").read_text()
    notes += (ROOT / "ssd_data" / "data" / "formats" / "annoset" / "read.py").read_text()
    assert all(f'"{start}' in notes for start in job.NOTES)


def test_a_picture_that_is_listed_twice_and_one_in_both_splits(voc: Voc):
    voc.list("trainval", "1", "2", "1", "1")
    voc.picture(5).write_bytes(picture(2))
    findings = voc.check()
    assert kinds(findings) == {"duplicated-line": 2, "split-leak": 1, "layout": 1}
    assert places(findings, "duplicated-line") == ["trainval: JPEGImages/1.jpg"] * 2
    assert places(findings, "split-leak") == [
        "test: JPEGImages/5.jpg is trainval: JPEGImages/2.jpg"
    ]


def test_a_split_that_holds_another_is_no_leak(voc: Voc):
    voc.list("val", "2")
    assert not places(voc.check(splits=["trainval", "val"]), "split-leak")


def test_a_data_set_without_any_class(voc: Voc):
    (voc.root / "labelmap.prototxt").write_text("item {")
    assert kinds(voc.check()) == {"unreadable-labelmap": 1}


@pytest.fixture
def out(voc: Voc, tmp_path: Path) -> Path:
    """A build of the VOC folder."""
    return build(recognise(voc.root), tmp_path / "out").out


def test_a_sound_build_has_no_findings(out: Path):
    findings = check_build(out)
    assert not findings.found
    assert [table["name"] for table in findings.checked] == ["trainval", "test"]
    assert not check_lmdb(out / "voc_test_lmdb").found
    assert check_build(out, splits=["test"]).checked == findings.checked[1:]


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


@pytest.mark.parametrize("entry", ["records", "boxes", "difficult", "without_boxes", "bytes"])
def test_counts_that_build_json_gets_wrong(out: Path, entry: str):
    manifest = json.loads((out / "build.json").read_text())
    manifest["splits"]["test"][entry] += 1
    (out / "build.json").write_text(json.dumps(manifest))
    for findings in (check_build(out), check_lmdb(out / "voc_test_lmdb")):
        assert kinds(findings) == {"build-json": 1}
        assert f"{entry} is" in findings.errors[0].places[0]


def test_content_that_was_changed_after_the_build(out: Path, tmp_path: Path):
    other = write(tmp_path / "other", {key(i): value(seed=i) for i in (0, 1)})
    (other / "data.mdb").replace(out / "voc_test_lmdb" / "data.mdb")
    found = places(check_build(out), "build-json")
    assert any("content_digest" in place for place in found)


def test_a_labelmap_that_was_changed_after_the_build(out: Path):
    edit(out / "labelmap.prototxt", '"cat"', '"tiger"')
    findings = check_build(out)
    assert kinds(findings) == {"build-json": 1}
    assert "not the labelmap that the LMDB was built with" in findings.errors[0].places[0]


def test_a_labelmap_that_is_given_is_not_held_against_build_json(out: Path):
    given = LabelMap.from_names(["tiger", "dog"])
    assert not check_build(out, given).found


def test_an_lmdb_or_labelmap_that_is_missing_from_a_build(out: Path):
    (out / "voc_test_lmdb" / "data.mdb").unlink()
    (out / "labelmap.prototxt").unlink()
    found = kinds(check_build(out))
    assert found == {"unreadable-lmdb": 1, "unreadable-labelmap": 1}


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ("4 48 64\n", "", "1 lines for 2 records"),
        ("4 48 64\n5 48 64", "5 48 64\n4 48 64", "5, the record is 00000000_JPEGImages/4.jpg"),
        ("4 48 64", "4 48 65", "48 65, the record 48 64"),
        ("4 48 64", "4 48", "not a name, height and width"),
        ("4 48 64", "4 48 " + "9" * 5000, "not a name, height and width"),
        ("4 48 64", "", "not a name, height and width"),
        ("4 48 64", "x 48 64", "x, the record is"),
    ],
)
def test_a_file_of_names_and_sizes_that_does_not_fit(out: Path, old: str, new: str, what: str):
    edit(out / "test_name_size.txt", old, new)
    for findings in (check_build(out), check_lmdb(out / "voc_test_lmdb")):
        assert set(kinds(findings)) == {"name-size"}
        assert what in findings.errors[0].places[0]


def test_a_file_of_names_and_sizes_beside_an_lmdb_without_a_build(out: Path):
    (out / "build.json").unlink()
    assert not check_lmdb(out / "voc_test_lmdb").found
    edit(out / "test_name_size.txt", "4 48 64\n", "")
    assert kinds(check_lmdb(out / "voc_test_lmdb")) == {"name-size": 1}


def test_image_ids_are_no_names(tmp_path: Path):
    path = write(tmp_path / "coco_val_lmdb", sound())
    names = tmp_path / "val_name_size.txt"
    names.write_text("17 48 64\n5 48 64\n8 48 64\n")
    assert not check_lmdb(path, LABELS).found
    names.write_text("0 48 64\n2 48 64\n1 48 64\n")
    assert kinds(check_lmdb(path, LABELS)) == {"name-size": 2}


def test_sizes_are_those_before_resizing(voc: Voc, tmp_path: Path):
    done = build(recognise(voc.root), tmp_path / "out", BuildOptions(size=(32, 32)))
    assert not check_build(done.out).found


def test_a_picture_in_two_splits_of_a_build(voc: Voc, tmp_path: Path):
    voc.picture(5).write_bytes(picture(2))
    done = build(recognise(voc.root), tmp_path / "out", BuildOptions(shuffle=False))
    findings = check_build(done.out)
    assert kinds(findings) == {"split-leak": 1}
    assert findings.warnings[0].places == [
        "test: 00000001_JPEGImages/5.jpg is trainval: 00000001_JPEGImages/2.jpg"
    ]


def test_a_build_json_that_is_none(out: Path):
    (out / "build.json").write_text("{}")
    with pytest.raises(InputError, match="not the record of a build"):
        check_build(out)
    assert kinds(check_lmdb(out / "voc_test_lmdb")) == {"build-json": 1}


def test_what_is_checked_follows_from_what_is_there(voc: Voc, out: Path):
    assert [t["name"] for t in check(out).checked] == ["trainval", "test"]
    lmdb = out / "voc_test_lmdb"
    assert [t["name"] for t in check(lmdb).checked] == [str(lmdb)]
    assert check(voc.root).labelmap == str(voc.root / "labelmap.prototxt")
    for wrong in ({"root": out}, {"splits": ["test"]}):
        with pytest.raises(UsageError):
            check(lmdb, **wrong)
    with pytest.raises(UsageError, match='no split "x"'):
        check(out, splits=["x"])


# The command line.


def test_the_exit_status_is_1_on_errors_only(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    labelmap = tmp_path / "labelmap.prototxt"
    labelmap.write_text(LABELS.to_text())
    for name, added, status in (
        ("sound", {}, 0),
        ("warning", BROKEN["without-boxes"][0], 0),
        ("error", BROKEN["empty-box"][0], 1),
    ):
        path = write(tmp_path / name / "a", sound() | added)
        code, out, err = run(capsys, path, "--labelmap", labelmap)
        assert (code, err) == (status, "")
        assert ("\nerrors:" in out) == (name == "error")
        assert ("\nwarnings:" in out) == (name == "warning")
        code, quiet, _ = run(capsys, path, "--labelmap", labelmap, "-q")
        assert code == status
        assert bool(quiet) == (name == "error")
        code, out, err = run(capsys, path, "--labelmap", labelmap, "--json")
        table = json.loads(out)
        assert (code, err) == (status, "")
        assert bool(table["errors"]) == (name == "error")
        assert bool(table["warnings"]) == (name == "warning")
        assert set(table) == {"checked", "labelmap", "left_out", "errors", "warnings"}


def test_json_is_all_of_standard_output(tmp_path: Path):
    path = write(tmp_path / "a", sound() | {b"\x1b[2J\n\xff": b"\xff", key(3): value(seed=1)})
    done = subprocess.run(
        [sys.executable, "-m", "ssd_data", "check", str(path), "--json"],
        capture_output=True,
        check=False,
    )
    assert done.returncode == 1
    table = json.loads(done.stdout)
    assert {finding["kind"] for finding in table["errors"]} == {"unreadable-record"}
    assert done.stderr == b""


def test_keys_cannot_write_to_the_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    path = write(tmp_path / "a", {b"\x1b[2J\n\xff": b"\xff"})
    _, out, _ = run(capsys, path)
    assert "\\x1b[2J\\n\\xff: not an AnnotatedDatum" in out
    findings = Findings()
    findings.add(raw.UNKNOWN_CLASS, ["\x1b[2J\n"])
    assert findings.errors[0].places == ["\\x1b[2J\\n"]


def test_what_is_not_there_is_an_error_in_a_line(capsys: pytest.CaptureFixture[str]):
    code, _, err = run(capsys, "no_such_thing")
    assert code == 2
    assert err.startswith("error: ") or "Error" in err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("name", "root", "warnings"),
    [
        ("BCCD", "BCCD", set()),
        ("voc0712", "VOCdevkit", {"duplicated-picture"}),
        ("widerface", "WIDER_FACE", {"without-boxes"}),
        ("coco-tiny", "coco-tiny", {"without-boxes", "absent-class"}),
    ],
)
def test_real_builds_have_no_errors(
    shared: Path, tmp_path: Path, name: str, root: str, warnings: set[str]
):
    known = find(name, shared / root) if name != root else find(str(shared / root))
    done = build(known, tmp_path / "out", BuildOptions(limit=20))
    findings = check_build(done.out)
    assert findings.errors == []
    assert {finding.kind for finding in findings.warnings} <= warnings | {"absent-class"}


def test_real_data_sets_show_their_known_faults(shared: Path):
    found = check(shared / "BCCD", decode=False)
    assert kinds(found) == {"empty-box": 2}
    assert [place.split(": ")[0] for place in found.errors[0].places] == [
        "Annotations/BloodImage_00338.xml:158",
        "Annotations/BloodImage_00343.xml:50",
    ]
    faces = check("widerface", root=shared / "WIDER_FACE", splits=["val"], decode=False)
    assert kinds(faces) == {"empty-box": 1, "without-boxes": 4}
