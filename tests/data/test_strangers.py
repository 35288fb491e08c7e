"""Other databases in an LMDB's place: each is called what it is, and its cure cures it."""

import os
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lmdb
import numpy as np
import pytest
from support.trees import Voc, jpeg

from ssd_data import InputError, LmdbReader, build, find
from ssd_data.data.lmdb.records import encode_record, key_of
from ssd_data.data.lmdb.store import open_shared
from ssd_data.data.lmdb.strangers import refuse_stranger
from ssd_data.evaluation.sources import open_set
from ssd_data.nets.graph import parse_graph
from ssd_data.proto import caffe_pb2

PAGE = 4096


def records(count: int = 3) -> dict[bytes, bytes]:
    boxes, labels = np.array([[0.1, 0.2, 0.3, 0.4]], np.float32), np.array([1], np.int32)
    value = encode_record(jpeg(), (3, 48, 64), labels, boxes, labels > 1)
    return {key_of(n, f"{n}.jpg"): value for n in range(count)}


def write(path: Path, name: bytes | None = None, subdir: bool = True) -> Path:
    """An LMDB with the records in a database of that name."""
    env = lmdb.open(str(path), map_size=1 << 20, max_dbs=9, subdir=subdir)
    database = env.open_db(name)
    with env.begin(write=True) as transaction:
        for key, value in records().items():
            transaction.put(key, value, db=database)
    env.close()
    return path


def single(folder: Path) -> Path:
    return write(folder / "train.lmdb", subdir=False)


def named(folder: Path) -> Path:
    return write(folder / "named_lmdb", b"train")


def leveldb(folder: Path) -> Path:
    path = folder / "old_leveldb"
    path.mkdir()
    for name in ("000005.ldb", "LOCK", "LOG", "MANIFEST-000002"):
        (path / name).write_bytes(b"")
    (path / "CURRENT").write_text("MANIFEST-000002\n")
    return path


STRANGERS: dict[Callable[[Path], Path], str] = {
    single: "this is a single-file LMDB, Caffe's are folders",
    named: 'its records lie in the named database "train"',
    leveldb: "this is a LevelDB, only LMDBs are read",
}


@pytest.fixture(params=STRANGERS, ids=lambda make: make.__name__)
def other(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, str]:
    """Another database, and what it is called."""
    return request.param(tmp_path), STRANGERS[request.param]


@pytest.mark.parametrize(
    "command",
    [
        "inspect {}",
        "check {}",
        "build {} -o out",
        "export {} --to voc -o out",
        "view {} --no-browser",
        "report {} -o page.html",
        "labelmap {}",
        "labelmap --check map.prototxt {}",
        "diff {} {}",
        "fit {} --net net.prototxt",
        "score voc --truth {} --detections found",
    ],
)
def test_every_command_calls_it_what_it_is(
    command: str, other: tuple[Path, str], run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("map.prototxt").write_text('item { name: "bg" label: 0 } item { name: "a" label: 1 }')
    run("model", "tiny_ssd", "--num-classes", 2, "-o", "nets", "-q")
    Path("nets/train.prototxt").rename("net.prototxt")
    before = sorted(tmp_path.iterdir())
    path, what = other
    done = run(*command.replace("{}", path.name).split())
    assert (done.status, done.out) == (1, "")
    assert done.err.startswith(f"error: {path.name}: {what}")
    assert len(done.err.splitlines()) > 1  # the cure
    assert sorted(tmp_path.iterdir()) == before


def test_evaluations_call_it_what_it_is(other: tuple[Path, str]) -> None:
    path, what = other
    with pytest.raises(InputError, match=what):
        open_set(path)


@pytest.mark.parametrize("backend", ["", "backend: LMDB"])
def test_nets_call_it_what_it_is(other: tuple[Path, str], backend: str) -> None:
    pytest.importorskip("torch")
    from ssd_data.engines.torch.net import Net

    path, what = other
    param = f'data_param {{ source: "{path}" batch_size: 1 {backend} }}'
    with pytest.raises(InputError, match=what):
        Net(parse_graph(f'layer {{ name: "it" type: "Data" top: "data" {param} }}', "TEST"))


def cured(error: InputError, folder: Path, start: str) -> None:
    """Run the line of the hint that starts so, as a shell would."""
    (line,) = [text for text in error.hint.replace(": ", ":\n", 1).split("\n") if start in text]
    line = line.strip().replace("python -c", f"{sys.executable} -c")
    subprocess.run(line, shell=True, check=True, cwd=folder, env=os.environ)


def test_the_cure_of_a_single_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError) as error:
        LmdbReader(single(tmp_path).name)
    cured(error.value, tmp_path, "mkdir")
    with LmdbReader("train_lmdb") as reader:
        assert dict(reader.items()) == records()


@pytest.mark.parametrize("name", ["train", "käse", "a b'c\"d"])
def test_the_cure_of_a_named_database(name: str, tmp_path: Path) -> None:
    path = write(tmp_path / "it's named_lmdb", name.encode())
    write(path, b"zz")
    with pytest.raises(InputError, match='named databases .*, "zz"') as error:
        LmdbReader(path)
    cured(error.value, tmp_path, "python")
    with LmdbReader(tmp_path / f"{name}_lmdb") as reader:
        assert dict(reader.items()) == records()
    with pytest.raises(subprocess.CalledProcessError):  # what is there is not added to
        cured(error.value, tmp_path, "python")


def test_named_databases_beside_records(tmp_path: Path) -> None:
    path = write(write(tmp_path / "db", b"0"))
    with pytest.raises(InputError, match='named database "0"'):
        LmdbReader(path)
    assert LmdbReader(write(tmp_path / "plain")).keys() == list(records())


def test_names_cannot_write_to_the_terminal(tmp_path: Path) -> None:
    with pytest.raises(InputError) as error:
        LmdbReader(write(tmp_path / "db", b"\x1b[31m\xff/../x"))
    assert "\x1b" not in str(error.value)
    assert '"x_lmdb"' in error.value.hint


def patched(path: Path, at: int, new: bytes) -> Path:
    """Both first pages of an LMDB with other bytes at a place."""
    data = bytearray((write(path) / "data.mdb").read_bytes())
    for page in (0, PAGE):
        data[page + at : page + at + len(new)] = new
    (path / "data.mdb").write_bytes(data)
    return path


def swapped(path: Path) -> Path:
    return patched(path, 16, struct.pack("=I", 0xBEEFC0DE)[::-1])


def of_32_bits(path: Path) -> Path:
    data = (write(path) / "data.mdb").read_bytes()
    (path / "data.mdb").write_bytes(data[:12] + data[16:])
    return path


def with_content(content: bytes) -> Callable[[Path], Path]:
    def make(path: Path) -> Path:
        path.mkdir()
        (path / "data.mdb").write_bytes(content.ljust(600))
        return path

    return make


@pytest.mark.parametrize(
    ("make", "what", "cure"),
    [
        (swapped, "another word size or byte order", "mdb_load"),
        (of_32_bits, "another word size or byte order", "mdb_load"),
        (lambda p: patched(p, 20, struct.pack("=I", 2)), "data version 2, not 1", "mdb_load"),
        (lambda p: patched(p, 92, struct.pack("=H", 4)), "made with dupsort", "Build it anew"),
        (with_content(b"version https://git-lfs.github.com/spec/v1\n"), "Git LFS", "git lfs pull"),
        (with_content(b"PK\x03\x04"), "data.mdb is a zip archive", "Unpack"),
        (with_content(b"\n".join([b"<!DOCTYPE HTML>"])), "saved web page", "Download"),
    ],
)
def test_data_that_are_no_lmdbs(
    make: Callable[[Path], Path], what: str, cure: str, run: Any, tmp_path: Path
) -> None:
    path = make(tmp_path / "x_lmdb")
    for command in ("inspect", "check"):
        done = run(command, path)
        assert done.status == 1
        assert done.err.startswith(f"error: {path}: ")
        assert what in done.err
        assert cure in done.err


@pytest.mark.parametrize(
    ("files", "named", "what", "cure"),
    [
        (["lock.mdb"], "", "an LMDB without its data.mdb", "copy the data.mdb"),
        (["lock.mdb", "labelmap.prototxt"], "", "an LMDB without its data.mdb", "copy"),
        (["a.tfrecord", "label_map.pbtxt"], "", "TFRecords", "VOC or COCO"),
        (["a.record-00000-of-00009", "a.record-00001-of-00009"], "", "TFRecords", "VOC or COCO"),
        (["a.tfrecords"], "a.tfrecords", "TFRecords", "VOC or COCO"),
        (["a.zip"], "a.zip", "a zip archive", "Unpack"),
        (["a.h5"], "a.h5", "an HDF5 file", "ssd-data build"),
        (["a.db"], "a.db", "an SQLite database", "ssd-data build"),
    ],
)
def test_other_files_and_folders(
    files: list[str], named: str, what: str, cure: str, run: Any, tmp_path: Path
) -> None:
    heads = {".zip": b"PK\x03\x04", ".h5": b"\x89HDF\r\n\x1a\n", ".db": b"SQLite format 3\0"}
    (tmp_path / "x").mkdir()
    for name in files:
        (tmp_path / "x" / name).write_bytes(heads.get(Path(name).suffix, b"x") + b"0" * 300)
    for command in (["inspect"], ["check"], ["build", "-o", tmp_path / "out"]):
        done = run(*command, tmp_path / "x" / named)
        assert done.status == 1
        assert what in done.err
        assert cure in done.err


def test_a_part_of_an_lmdb(run: Any, tmp_path: Path) -> None:
    path = write(tmp_path / "x_lmdb")
    for name in ("data.mdb", "lock.mdb"):
        for command in ("inspect", "check", "labelmap"):
            done = run(command, path / name)
            assert done.status == 1
            assert f"Name the folder: {path}\n" in done.err


def test_single_files_in_a_folder(tmp_path: Path) -> None:
    single(tmp_path)
    write(tmp_path / "val.lmdb", subdir=False)
    with pytest.raises(InputError, match=r"train\.lmdb: this is a single-file LMDB"):
        LmdbReader(tmp_path)


def test_an_lmdb_is_no_data_set_to_build(run: Any, tmp_path: Path) -> None:
    (tmp_path / "all").mkdir()
    write(tmp_path / "all" / "x_lmdb")
    write(tmp_path / "all" / "y_lmdb")
    done = run("build", tmp_path / "all" / "x_lmdb", "-o", tmp_path / "out")
    assert "this is an LMDB, not a data set" in done.err
    assert "ssd-data export" in done.err
    done = run("build", tmp_path / "all", "-o", tmp_path / "out")
    assert "here are LMDBs (x_lmdb, y_lmdb), no data set" in done.err


def test_an_lmdb_without_records(run: Any, tmp_path: Path) -> None:
    lmdb.open(str(tmp_path / "x_lmdb")).close()
    assert "Build it anew" in run("inspect", tmp_path / "x_lmdb").err
    assert "Build it anew" in run("check", tmp_path / "x_lmdb").out


def test_a_classification_database(tmp_path: Path) -> None:
    env = lmdb.open(str(tmp_path / "x_lmdb"))
    datum = caffe_pb2.Datum(channels=3, height=1, width=1, data=b"abc", label=7)
    with env.begin(write=True) as transaction:
        transaction.put(b"00000000", datum.SerializeToString())
    env.close()
    with pytest.raises(InputError, match="classification database") as error:
        LmdbReader(tmp_path / "x_lmdb")[0]
    assert "ssd-data build" in error.value.hint


def test_raw_data_beside_such_files_are_found(tmp_path: Path) -> None:
    """Files of databases among those of a data set hide nothing."""
    voc = Voc(tmp_path / "raw")
    (voc.root / "lock.mdb").write_bytes(b"x")
    (voc.root / "old.tfrecord").write_bytes(b"x")
    write(voc.root / "old.lmdb", subdir=False)
    write(voc.root / "trainval_lmdb")
    assert build(find(voc.root), tmp_path / "out").built == ["trainval"]


def test_what_is_not_known_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "text").write_text("item { }")
    (tmp_path / "bad_lmdb").mkdir()
    (tmp_path / "bad_lmdb" / "data.mdb").write_bytes(b"hello" * 3000)
    for path in (tmp_path / "nothing", *tmp_path.iterdir(), tmp_path):
        refuse_stranger(path)


def test_a_builds_folder_has_a_labelmap(run: Any, tmp_path: Path) -> None:
    build(find(Voc(tmp_path / "raw").root), tmp_path / "out")
    assert run("labelmap", tmp_path / "out").out == (tmp_path / "out/labelmap.prototxt").read_text()
    (tmp_path / "out/labelmap.prototxt").unlink()
    done = run("labelmap", tmp_path / "out" / "raw_trainval_lmdb")
    assert "no labelmap lies in this LMDB or beside it" in done.err


def test_a_name_that_no_file_can_have() -> None:
    with pytest.raises(InputError, match="no file can have that name"):
        refuse_stranger(Path("a\0b"))
    with pytest.raises(InputError, match="no file can have that name"):
        open_shared("a\0b")
    with pytest.raises(InputError, match="no LMDB here"):
        open_shared("a " * 200)
