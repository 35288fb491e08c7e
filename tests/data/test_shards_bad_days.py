"""``build --shards`` where the world is not as it should be: each ends in a sentence that says what
to do, what is there stays whole, and the same command goes on."""

from __future__ import annotations

import errno
import json
import os
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.places import Mixed
from support.trees import Voc, jpeg

from ssd_data import BuildOptions, InputError, LmdbReader, OutputError, build, recognise
from ssd_data.core.errors import SsdDataError, SsdDataWarning
from ssd_data.data.build.sharding import driver, task
from ssd_data.data.lmdb.shards import VERSION

IN_ORDER = BuildOptions(shuffle=False)


@pytest.fixture
def voc(tmp_path: Path) -> Voc:
    made = Voc(tmp_path / "raw", 12)
    made.held_back("t1", "t2")
    return made


@pytest.fixture
def workers(monkeypatch: pytest.MonkeyPatch) -> Mixed:
    made = Mixed()
    monkeypatch.setattr("ssd_data.core.tasks.connect", lambda on, say: made.connect())
    return made


def made(voc: Voc, out: Path, on: str = "local", **more: Any) -> dict[str, tuple[int, int]]:
    return build(recognise(voc.root), out, IN_ORDER, shards=4, on=on, **more).shards


def items(out: Path) -> list[Any]:
    found = []
    for split in ("trainval", "test"):
        with LmdbReader(out / f"raw_{split}_lmdb") as reader:
            found += list(reader.items())
    return found


def require_whole(voc: Voc, tmp_path: Path, out: Path) -> None:
    """What is there is one build's, and nothing else was left."""
    build(recognise(voc.root), tmp_path / "one", IN_ORDER)
    assert items(out) == items(tmp_path / "one")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["one", "raw", out.name])
    assert not list(out.rglob("*.part"))


@pytest.mark.parametrize("moment", [0, 2, 4, 5])
def test_two_builds_at_once_without_locks(
    moment: int, voc: Voc, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second begins and ends while the first is at work: that is the one that counts."""

    def flock(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr("fcntl.flock", flock)
    out, begun = tmp_path / "cut", list[str]()

    def meanwhile(one: task.ShardTask) -> task.ShardOutcome:
        begun.append(one.name)
        if len(begun) == moment + 1:
            monkeypatch.setattr(driver, "build_shard", task.build_shard)
            made(voc, out)
        return task.build_shard(one)

    monkeypatch.setattr(driver, "build_shard", meanwhile)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SsdDataWarning)
        with pytest.raises(SsdDataError) as caught:
            made(voc, out)
        assert "another command" in str(caught.value)
        assert made(voc, out) == {}
    monkeypatch.undo()
    require_whole(voc, tmp_path, out)


def full(*_: object, **__: object) -> Any:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("on", ["local", "ray"])
@pytest.mark.parametrize("where", ["os.fsync", "LmdbWriter.put", "Path.mkdir", "os.rename"])
def test_a_workers_disk_is_full(
    where: str, on: str, voc: Voc, workers: Mixed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, done = tmp_path / "cut", list[str]()
    real = task.build_shard

    def third(one: task.ShardTask) -> task.ShardOutcome:
        done.append(one.name)
        if len(done) < 3:
            return real(one)
        with monkeypatch.context() as patch:
            patch.setattr(f"ssd_data.data.build.sharding.task.{where}", full)
            return real(one)

    with monkeypatch.context() as patch:
        patch.setattr(driver, "build_shard", third)
        patch.setattr(workers, "run", lambda function, tasks, needs=None: local(function, tasks))
        with pytest.raises(OutputError, match="No space left on device") as caught:
            made(voc, out, on)
    assert "space" in caught.value.hint
    assert not out.exists()
    assert len(list((tmp_path / ".cut.part").iterdir())) == 2
    assert made(voc, out, on)["trainval"] == (2, 4)
    require_whole(voc, tmp_path, out)


def local(function: Callable[[Any], Any], tasks: Any) -> Any:
    for number, one in enumerate(tasks):
        yield number, function(one)


@pytest.mark.parametrize("off", [-4e8, 4e8])
def test_a_workers_clock_is_wrong(
    off: float, voc: Voc, workers: Mixed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No result, and no name, has anything of a clock."""
    now, now_ns = time.time, time.time_ns
    monkeypatch.setattr(time, "time", lambda: now() + off)
    monkeypatch.setattr(time, "time_ns", lambda: now_ns() + int(off * 1e9))
    made(voc, tmp_path / "cut", "ray")
    monkeypatch.undo()
    assert made(voc, tmp_path / "cut") == {}
    require_whole(voc, tmp_path, tmp_path / "cut")


@pytest.mark.parametrize("on", ["local", "ray"])
def test_a_picture_changes_between_scan_and_build(
    on: str, voc: Voc, workers: Mixed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, begun = tmp_path / "cut", list[str]()

    def changing(one: task.ShardTask) -> task.ShardOutcome:
        if not begun:
            voc.picture(5).write_bytes(jpeg(seed=77))
        begun.append(one.name)
        return task.build_shard(one)

    with monkeypatch.context() as patch:
        patch.setattr(driver, "build_shard", changing)
        patch.setattr(workers, "run", lambda function, tasks, needs=None: local(function, tasks))
        with pytest.raises(InputError, match="a picture was changed while it was built") as caught:
            made(voc, out, on)
    assert caught.value.where.endswith("JPEGImages/5.jpg")
    assert not out.exists()
    made(voc, out, on)
    require_whole(voc, tmp_path, out)


def test_a_list_of_shards_of_the_future(voc: Voc, tmp_path: Path, run: Any) -> None:
    out = tmp_path / "cut"
    made(voc, out)
    file = out / "raw_trainval_lmdb/shards.json"
    table = json.loads(file.read_text())
    file.write_text(json.dumps({**table, "version": VERSION + 1, "more": []}))
    for words in (["inspect", out / "raw_trainval_lmdb"], ["merge", file.parent, "-o", "x"]):
        done = run(*words)
        assert done.status == 1
        assert "a later version wrote this list of shards (its form is 2" in done.err
        assert "Read it with a newer ssd-data" in done.err
    made(voc, out, redo=True)
    require_whole(voc, tmp_path, out)


def test_a_builds_record_of_the_future(voc: Voc, tmp_path: Path) -> None:
    """What it says more is kept from nobody who does not know it."""
    out = tmp_path / "cut"
    made(voc, out)
    table = json.loads((out / "build.json").read_text())
    table["options"]["sparkle"] = True
    table["later"] = {"x": 1}
    (out / "build.json").write_text(json.dumps(table))
    assert made(voc, out) == {}
    assert len(items(out)) == 14
