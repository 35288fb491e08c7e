"""What strangers may plant: in the out folder, in records of builds, in LMDBs, as files."""

import json
import os
import random
import signal
import struct
from pathlib import Path
from typing import Any

import pytest
from support.trees import Voc, jpeg, xml

from ssd_data import (
    BuildOptions,
    InputError,
    LabelMap,
    LmdbReader,
    OutputError,
    SsdDataError,
    build,
    find,
    link,
)
from ssd_data.data.lmdb.manifest import read_manifest


@pytest.fixture
def voc(tmp_path: Path) -> Voc:
    voc = Voc(tmp_path / "raw")
    voc.held_back("4")
    return voc


@pytest.mark.parametrize(
    "journal",
    [
        '{"../victim": 0}',
        '{"/tmp/victim": 0}',
        '{"..": 0}',
        '{".lock": 0}',
        '{"a/b": 0}',
        '{"a\\u0000b": 0}',
        '{"a": "b"}',
        "[]",
        "null",
        "{bad",
        "[" * 100_000,
    ],
)
def test_a_planted_journal_is_refused(journal: str, voc: Voc, tmp_path: Path) -> None:
    (tmp_path / "out" / ".ready").mkdir(parents=True)
    (tmp_path / "out" / ".ready" / ".journal.json").write_text(journal)
    (tmp_path / "out" / "victim").write_text("evil")
    (tmp_path / "victim").write_text("precious")
    with pytest.raises(OutputError, match="interrupted build left here cannot be read"):
        build(find(voc.root), tmp_path / "out")
    assert (tmp_path / "victim").read_text() == "precious"
    assert not (tmp_path / "out" / ".lock").exists()


def change(table: dict[str, Any], path: str, value: Any) -> None:
    *above, last = path.split(".")
    for key in above:
        table = table[key]
    table[last] = value


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("links", {"../evil": "trainval"}),
        ("links", {"/tmp/evil": "trainval"}),
        ("links", {"": "trainval"}),
        ("links", {"a\0": "trainval"}),
        ("links", {"\ud800": "trainval"}),
        ("links", {"x": ["trainval"]}),
        ("links", []),
        ("splits.test.lmdb", ".."),
        ("splits.test.lmdb", "a/b"),
        ("splits.test.name_size", "a\0b"),
        ("splits.test.records", "many"),
        ("splits.test.records", float("nan")),
        ("splits.test.notes", {"x": 3}),
        ("splits", [1]),
        ("format", 7),
    ],
)
def test_a_hostile_build_json(path: str, value: Any, voc: Voc, tmp_path: Path) -> None:
    out = build(find(voc.root), tmp_path / "out").out
    manifest = json.loads((out / "build.json").read_text())
    change(manifest, path, value)
    (out / "build.json").write_text(json.dumps(manifest))
    for action in (lambda: link(out, tmp_path / "links"), lambda: build(find(voc.root), out)):
        with pytest.raises(InputError, match=r"not the record of a build|NaN is no JSON"):
            action()
    assert not (tmp_path / "links").exists()


@pytest.mark.parametrize("name", ["labelmap.prototxt", "trainval.txt"])
def test_folders_where_files_belong(name: str, voc: Voc, tmp_path: Path) -> None:
    (tmp_path / "out" / name).mkdir(parents=True)
    with pytest.raises(OutputError, match="in the way"):
        build(find(voc.root), tmp_path / "out", redo=True)
    assert [p.name for p in (tmp_path / "out").iterdir()] == [name]


def test_links_in_the_out_folder(voc: Voc, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "raw_test_lmdb").symlink_to("/nonexistent")
    with pytest.raises(OutputError, match="raw_test_lmdb: exists"):
        build(find(voc.root), tmp_path / "out")
    build(find(voc.root), tmp_path / "out", redo=True)
    assert not (tmp_path / "out" / "raw_test_lmdb").is_symlink()
    (tmp_path / "locked").mkdir()
    (tmp_path / "locked" / ".lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OutputError):
        build(find(voc.root), tmp_path / "locked")
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize("kind", ["fifo", "zero", "folder", "sparse"])
@pytest.mark.parametrize("what", ["picture", "annotation", "list"])
def test_files_that_are_none(kind: str, what: str, voc: Voc, tmp_path: Path) -> None:
    lists = voc.root / "ImageSets" / "Main" / "trainval.txt"
    path = {"picture": voc.picture(2), "annotation": voc.annotation(2), "list": lists}[what]
    path.unlink()
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "zero":
        path.symlink_to("/dev/zero")
    elif kind == "folder":
        path.mkdir()
    else:
        with path.open("wb") as file:
            file.truncate(20 << 30)
    with pytest.raises(InputError, match=r"no regular file|larger than|missing|directory"):
        build(find(voc.root, follow_links=True), tmp_path / "out")


def test_comments_do_not_part_a_value(voc: Voc, tmp_path: Path) -> None:
    text = xml().replace(">cat<", ">cat<!-- x -->fish<").replace(">30<", ">3<!-- 7 -->0<")
    for i in (1, 2, 3):
        voc.annotation(i).write_text(text)
    made = build(find(voc.root), tmp_path / "out").manifest["splits"]["trainval"]
    assert made["classes"] == {"catfish": 3}
    with LmdbReader(tmp_path / "out" / "raw_trainval_lmdb") as records:
        assert records[0].boxes[0][2] == 30 / 64
    voc.annotation(2).write_text(xml().replace(">cat<", ">c<b/>at<"))
    with pytest.raises(InputError, match="holds other elements"):
        build(find(voc.root), tmp_path / "other")


@pytest.mark.parametrize("text", ["1_0", "１０", "0x10", "", "1e999"])
def test_numbers_that_only_python_reads(text: str, voc: Voc, tmp_path: Path) -> None:
    voc.annotation(2).write_text(xml().replace(">30<", f">{text}<"), "utf-8")
    with pytest.raises(InputError, match="not a number"):
        build(find(voc.root), tmp_path / "out")


@pytest.mark.parametrize("name", ["a\nb", "a\tb", os.fsdecode(b"\xff\xfe"), "a\x7f"])
def test_names_that_no_list_can_hold(name: str, tmp_path: Path) -> None:
    for folder, ending, data in (("Images", "jpg", jpeg()), ("Labels", "xml", xml().encode())):
        (tmp_path / "raw" / folder).mkdir(parents=True)
        for stem in (name, "good", "better"):
            (tmp_path / "raw" / folder / f"{stem}.{ending}").write_bytes(data)
    dataset = find(tmp_path / "raw")
    splits = ["trainval", "test"]
    with pytest.raises(InputError, match="no list can hold"):
        build(dataset, tmp_path / "out", splits=splits)
    made = build(dataset, tmp_path / "out", BuildOptions(missing="skip"), splits=splits).manifest
    assert sum(split["records"] for split in made["splits"].values()) == 2


def test_keys_that_are_too_long(tmp_path: Path) -> None:
    deep = "/".join(["x" * 200] * 3)
    for folder, ending, data in (("Images", "jpg", jpeg()), ("Labels", "xml", xml().encode())):
        (tmp_path / "raw" / folder / deep).mkdir(parents=True)
        for stem in (f"{deep}/long", *"abcdefghi"):
            (tmp_path / "raw" / folder / f"{stem}.{ending}").write_bytes(data)
    dataset = find(tmp_path / "raw")
    with pytest.raises(InputError, match="longer than LMDB's 511 bytes"):
        build(dataset, tmp_path / "out", splits=["trainval", "test"])
    options = BuildOptions(missing="skip")
    made = build(dataset, tmp_path / "out", options, splits=["trainval", "test"]).manifest
    assert sum(split["records"] for split in made["splits"].values()) == 9


@pytest.mark.parametrize("options", [{"size": (65535, 65535)}, {"min_dim": 65535}])
def test_results_that_are_too_large(options: dict[str, Any], voc: Voc, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"resized to .* or over"):
        build(find(voc.root), tmp_path / "out", BuildOptions(**options))


def test_enormous_label_numbers(tmp_path: Path) -> None:
    from ssd_data import LabelMapItem

    labelmap = LabelMap([LabelMapItem("bg", 0, "bg"), LabelMapItem("a", 2**31 - 1, "a")], "planted")
    assert "1, 2, 3, 4, 5, 6, 7, 8 and 2147483638 more missing" in labelmap.faults()[0]


@pytest.mark.parametrize("key", ["id", "image_id", "category_id"])
@pytest.mark.parametrize("value", [2**63, -(2**63) - 1, 2**70])
def test_numbers_beyond_64_bits(key: str, value: int, tmp_path: Path) -> None:
    root = tmp_path / "raw"
    for folder in ("annotations", "train"):
        (root / folder).mkdir(parents=True)
    (root / "train" / "1.jpg").write_bytes(jpeg())
    box = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4], key: value}
    table = {
        "images": [{"id": 1, "file_name": "1.jpg"}],
        "annotations": [box],
        "categories": [{"id": 1, "name": "a"}],
    }
    (root / "annotations" / "instances_train.json").write_text(json.dumps(table))
    with pytest.raises(InputError, match=r"annotations\[0\]"):
        build(find(root), tmp_path / "out")


def outcome(lmdb: Path) -> int:
    """0 read, 1 refused with our error, negative a signal; read in a process of its own."""
    pid = os.fork()
    if not pid:
        status = 70
        try:
            with LmdbReader(lmdb) as records:
                for key, value in records.items():
                    len(key) + len(value) + sum(value[:: max(len(value) // 7, 1)])
            status = 0
        except SsdDataError:
            status = 1
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_no_damage_to_an_lmdb_kills_the_process(golden: Path, tmp_path: Path) -> None:
    whole = (golden / "lmdb" / "lmdb_plain" / "data.mdb").read_bytes()
    draw = random.Random(0)
    leaf = next(
        page
        for page in range(2, len(whole) // 4096)
        if struct.unpack_from("<H", whole, page * 4096 + 10)[0] & 2
    )
    outcomes = []
    for _ in range(250):
        data = bytearray(whole)
        page = draw.choice([0, 1, leaf, leaf, leaf])
        for _ in range(draw.randint(1, 3)):
            at = page * 4096 + draw.randrange(4096 if page == leaf else 160)
            data[at] = draw.randrange(256)
        (tmp_path / "data.mdb").write_bytes(data)
        outcomes.append(outcome(tmp_path))
    assert set(outcomes) == {0, 1}


def test_the_node_pointer_that_once_killed(golden: Path, tmp_path: Path) -> None:
    data = bytearray((golden / "lmdb" / "lmdb_plain" / "data.mdb").read_bytes())
    for page in range(2, len(data) // 4096):
        if struct.unpack_from("<H", data, page * 4096 + 10)[0] & 2:
            data[page * 4096 + 21] = 0xE9
    (tmp_path / "data.mdb").write_bytes(data)
    assert outcome(tmp_path) == 1
    assert -signal.SIGBUS not in (outcome(tmp_path),)
    with pytest.raises(InputError, match="the LMDB is damaged: a node leaves page"):
        LmdbReader(tmp_path)


def test_a_manifest_that_waits(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "build.json")
    with pytest.raises(InputError, match="no regular file"):
        read_manifest(tmp_path)
