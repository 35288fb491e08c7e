"""A sharded LMDB is read as the LMDB that is made of it, and is cut from one: byte for byte."""

from __future__ import annotations

import json
import os
import resource
import shutil
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.commands import run
from support.data_layers import training, write_records

from ssd_data import Batches, InputError, LmdbReader, LmdbWriter, OutputError
from ssd_data.data.lmdb import sharded
from ssd_data.data.lmdb.identity import digest
from ssd_data.data.lmdb.merge import merge
from ssd_data.data.lmdb.records import key_of
from ssd_data.data.lmdb.shards import SHARDS, read_shards
from ssd_data.data.lmdb.split import shard

Item = tuple[bytes, bytes]


def write(path: Path, items: list[Item]) -> Path:
    with LmdbWriter(path, map_size=1 << 20) as writer:
        for key, value in items:
            writer.put(key, value)
    return path


def numbered(count: int, gap: int = 1) -> list[Item]:
    return [(key_of(gap * n, f"p/{n}.jpg"), b"%d" % n * (1 + n % 7)) for n in range(count)]


@contextmanager
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


NUMBERED = st.lists(
    st.tuples(st.integers(0, 40), st.text("ab/é_", max_size=3), st.binary(max_size=60)),
    min_size=1,
    max_size=25,
    unique_by=lambda row: key_of(row[0], row[1]),
).map(lambda rows: sorted((key_of(n, name), value) for n, name, value in rows))
STORED = st.dictionaries(
    st.binary(min_size=1, max_size=12), st.binary(max_size=60), min_size=1, max_size=25
).map(lambda table: sorted(table.items()))


@given(items=st.one_of(NUMBERED, STORED), count=st.integers(1, 12), open_=st.integers(0, 3))
@settings(max_examples=60, deadline=None)
def test_what_is_read_is_the_same(items: list[Item], count: int, open_: int) -> None:
    before, sharded.MOST_OPEN = sharded.MOST_OPEN, open_
    try:
        with folder() as top:
            one, cut = write(top / "one", items), top / "cut"
            table = shard(one, cut, count).table
            assert len(table.shards) == min(count, len(items))
            sizes = [one.records for one in table.shards]
            assert max(sizes) - min(sizes) <= 1
            with LmdbReader(one) as whole, LmdbReader(cut) as parts:
                assert_same(whole, parts, items)
            merge(cut, top / "merged")
            with LmdbReader(top / "merged") as whole:
                assert list(whole.items()) == items
            shard(cut, top / "again", 3)
            with LmdbReader(top / "again") as parts:
                assert list(parts.items()) == items
    finally:
        sharded.MOST_OPEN = before


def assert_same(whole: LmdbReader, parts: LmdbReader, items: list[Item]) -> None:
    assert len(parts) == len(whole) == len(items)
    assert list(parts.items()) == list(whole.items()) == items
    assert [(key, bytes(view)) for key, view in parts.views()] == items
    assert [parts.key_at(n) for n in range(len(items))] == parts.keys() == whole.keys()
    for key, value in reversed(items):
        assert parts.value(key) == value
    for absent in (b"", b"0", b"00000050_no", b"99999999_no", b"\xff" * 20, items[0][0] + b"x"):
        for reader in (whole, parts):
            if absent in dict(items) or not absent:
                continue
            with pytest.raises(InputError, match="no record has the key"):
                reader.value(absent)
    assert digest(parts) == digest(whole)
    for reader in (whole, parts):
        for index in (len(items), -1):
            with pytest.raises(InputError, match="no record"):
                reader.key_at(index)


@given(items=NUMBERED, count=st.integers(1, 6), start=st.integers(0, 30))
@settings(max_examples=30, deadline=None)
def test_reading_may_begin_anywhere(items: list[Item], count: int, start: int) -> None:
    with folder() as top:
        shard(write(top / "one", items), top / "cut", count)
        with closing(sharded.ShardedLmdb(top / "cut")) as parts:
            assert [(key, bytes(value)) for key, value in parts.views(start)] == items[start:]


def test_the_keys_of_a_shard_count_from_0(tmp_path: Path) -> None:
    shard(write(tmp_path / "one", numbered(10, gap=3)), tmp_path / "cut", 3)
    table = read_shards(tmp_path / "cut")
    assert table.keys == "numbered"
    assert [(s.records, s.offset, s.numbers) for s in table.shards] == [
        (4, 0, 12),
        (3, 12, 9),
        (3, 21, 7),
    ]
    with LmdbReader(tmp_path / "cut" / table.shards[1].name) as second:
        assert second.keys() == [b"00000000_p/4.jpg", b"00000003_p/5.jpg", b"00000006_p/6.jpg"]


def test_shards_that_hold_the_same_lie_there_once(tmp_path: Path) -> None:
    items = [(key_of(n, "same.jpg"), b"same") for n in range(9)]
    table = shard(write(tmp_path / "one", items), tmp_path / "cut", 3).table
    assert len({one.name for one in table.shards}) == 1
    assert len(list((tmp_path / "cut").iterdir())) == 2
    with LmdbReader(tmp_path / "cut") as parts:
        assert list(parts.items()) == items


def test_a_thousand_shards_with_few_open_files(tmp_path: Path) -> None:
    items = numbered(1000)
    shard(write(tmp_path / "one", items), tmp_path / "cut", 1000)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    used = len([*Path("/proc/self/fd").iterdir()]) if Path("/proc/self/fd").is_dir() else 60
    resource.setrlimit(resource.RLIMIT_NOFILE, (used + 2 * sharded.MOST_OPEN + 8, hard))
    try:
        with LmdbReader(tmp_path / "cut") as parts:
            assert list(parts.items()) == items
            assert [parts.key_at(n) for n in range(0, 1000, 7)] == [k for k, _ in items[::7]]
            assert parts.keys() == [key for key, _ in items]
        merge(tmp_path / "cut", tmp_path / "merged")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    with LmdbReader(tmp_path / "merged") as whole:
        assert list(whole.items()) == items


def test_threads_read_it_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sharded, "MOST_OPEN", 1)
    items = numbered(200)
    shard(write(tmp_path / "one", items), tmp_path / "cut", 20)
    begin = threading.Barrier(4)
    with LmdbReader(tmp_path / "cut") as parts, ThreadPoolExecutor(4) as pool:

        def read(first: int) -> bool:
            begin.wait()
            ways = [list(parts.items()) == items]
            for n in range(first, 200, 3):
                ways.append(parts.value(parts.key_at(n)) == items[n][1])
            return all(ways)

        assert all(pool.map(read, range(4)))


def test_a_loop_that_is_left_early_keeps_no_shard_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sharded, "MOST_OPEN", 0)
    shard(write(tmp_path / "one", numbered(9)), tmp_path / "cut", 3)
    name = read_shards(tmp_path / "cut").shards[0].name
    with LmdbReader(tmp_path / "cut") as parts:
        for _ in parts.views():
            break
        LmdbReader(tmp_path / "cut" / name).close()  # LMDB opens one but once a process


@pytest.mark.parametrize("world", [1, 2, 3])
def test_batches_are_equal(world: int, tmp_path: Path) -> None:
    one = write_records(tmp_path / "one")
    shard(one, tmp_path / "cut", 3)
    for rank in range(world):
        with (
            Batches(training(one), seed=3, rank=rank, world=world, workers=2) as whole,
            Batches(training(tmp_path / "cut"), seed=3, rank=rank, world=world, start=0) as parts,
        ):
            assert len(whole) == len(parts)
            for _ in range(4):
                a, b = next(whole), next(parts)
                assert a.keys == b.keys
                assert np.array_equal(a.data, b.data)
                assert np.array_equal(a.label, b.label)
                assert whole.position == parts.position


class TestMerge:
    @pytest.fixture
    def cut(self, tmp_path: Path) -> Path:
        return shard(write(tmp_path / "one", numbered(30)), tmp_path / "cut", 4).out

    def test_the_same_again_is_no_error(self, cut: Path, tmp_path: Path) -> None:
        out = tmp_path / "merged"
        assert merge(cut, out).resumed == 0
        state = (out / "data.mdb").stat().st_ino
        assert merge(cut, out).resumed == 30
        assert (out / "data.mdb").stat().st_ino == state
        assert sorted(p.name for p in out.iterdir()) == ["data.mdb"]
        assert sorted(p.name for p in tmp_path.iterdir()) == ["cut", "merged", "one"]

    def test_another_stays(self, cut: Path, tmp_path: Path) -> None:
        out = write(tmp_path / "merged", numbered(29))
        with pytest.raises(OutputError, match="another LMDB is there already"):
            merge(cut, out)
        with LmdbReader(out) as there:
            assert len(there) == 29
        merge(cut, out, redo=True)
        with LmdbReader(out) as there:
            assert list(there.items()) == numbered(30)

    def test_what_is_no_lmdb_stays(self, cut: Path, tmp_path: Path) -> None:
        (tmp_path / "mine").mkdir()
        (tmp_path / "mine" / "notes.txt").write_text("mine")
        for redo in (False, True):
            with pytest.raises(OutputError, match="not empty"):
                merge(cut, tmp_path / "mine", redo=redo)
            with pytest.raises(OutputError, match="the other form"):
                merge(cut, cut, redo=redo)

    def test_it_goes_on(self, cut: Path, tmp_path: Path) -> None:
        out = tmp_path / "merged"
        stop_after(17, lambda track: merge(cut, out, track=track))
        assert not out.exists()
        assert merge(cut, out).resumed == 17
        with LmdbReader(out) as there:
            assert list(there.items()) == numbered(30)
        assert not (tmp_path / ".merged.part").exists()

    @pytest.mark.parametrize("change", ["other", "boot", "garbage", "cut short"])
    def test_what_is_of_no_use_is_done_anew(
        self, change: str, cut: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        out, part = tmp_path / "merged", tmp_path / ".merged.part"
        stop_after(17, lambda track: merge(cut, out, track=track))
        source, wanted = cut, numbered(30)
        if change == "other":
            wanted = numbered(31)
            source = shard(write(tmp_path / "two", wanted), tmp_path / "cut2", 2).out
        elif change == "boot":
            monkeypatch.setattr("ssd_data.data.lmdb.merge.this_boot", lambda: "another")
        elif change == "garbage":
            (part / "source.json").write_bytes(b"\xff{")
        else:
            os.truncate(part / "merged/data.mdb", 5000)
        assert merge(source, out).resumed == 0
        with LmdbReader(out) as there:
            assert list(there.items()) == wanted

    def test_a_labelmap_comes_along(self, cut: Path, tmp_path: Path) -> None:
        (tmp_path / "labelmap.prototxt").write_text("item {}")
        merge(cut, tmp_path / "deep/merged")
        assert (tmp_path / "deep/merged/labelmap.prototxt").read_text() == "item {}"

    def test_what_is_whole_already(self, tmp_path: Path) -> None:
        one = write(tmp_path / "one", numbered(3))
        with pytest.raises(InputError, match="whole already") as caught:
            merge(one, tmp_path / "merged")
        assert "ssd-data shard" in caught.value.hint
        shard(one, tmp_path / "build/x_lmdb", 2)
        with pytest.raises(InputError, match=r"shards\.json is missing") as caught:
            merge(tmp_path / "build", tmp_path / "merged")
        assert "x_lmdb" in caught.value.hint
        assert not (tmp_path / "merged").exists()


def stop_after(count: int, act: Any) -> None:
    """Stopped when so many records are written, of which each is committed."""

    class Stop(Exception):
        pass

    def track(items: Any, total: int, what: str) -> Iterator[Any]:
        for number, item in enumerate(items):
            if number == count:
                raise Stop
            yield item

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ssd_data.data.lmdb.writer.BATCH_BYTES", 1)
        with pytest.raises(Stop):
            act(track)


class TestShard:
    def test_the_same_again_is_no_error(self, tmp_path: Path) -> None:
        one, out = write(tmp_path / "one", numbered(5)), tmp_path / "cut"
        shard(one, out, 2)
        state = (out / SHARDS).stat().st_ino
        shard(one, out, 2)
        assert (out / SHARDS).stat().st_ino == state
        with pytest.raises(OutputError, match="2 shards of it already"):
            shard(one, out, 3)
        assert len(shard(one, out, 3, redo=True).table.shards) == 3
        with LmdbReader(out) as parts:
            assert list(parts.items()) == numbered(5)
        assert len(list(out.iterdir())) == 4  # what was there is gone

    def test_two_of_one_number(self, tmp_path: Path) -> None:
        """Keys that cannot be counted from a cut between them stay as they are."""
        items = [(b"00000001_a", b"1"), (b"00000001_b", b"2")]
        table = shard(write(tmp_path / "one", items), tmp_path / "cut", 2).table
        assert table.keys == "stored"

    def test_the_command(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        write(tmp_path / "one", numbered(5))
        assert run("shard", tmp_path / "one", "-o", tmp_path / "cut", "--shards", 2) == 0
        assert capsys.readouterr().out == f"done: {tmp_path}/cut (2 shards, 5 records, 0.0 MB)\n"
        assert run("merge", tmp_path / "cut", "-o", tmp_path / "m") == 0
        assert "5 records" in capsys.readouterr().out
        assert run("merge", tmp_path / "cut", "-o", tmp_path / "m", "--json") == 0
        assert json.loads(capsys.readouterr().out)["resumed"] == 5
        assert run("shard", tmp_path / "one", "-o", tmp_path / "cut", "--shards", 0) == 2


class TestHostile:
    @pytest.fixture
    def cut(self, tmp_path: Path) -> Path:
        return shard(write(tmp_path / "one", numbered(9)), tmp_path / "cut", 3).out

    def changed(self, cut: Path, change: Any) -> None:
        table = json.loads((cut / SHARDS).read_text())
        change(table)
        (cut / SHARDS).write_text(json.dumps(table))

    @pytest.mark.parametrize(
        ("change", "what"),
        [
            (lambda t: t.update(version=2), "a later version wrote"),
            (lambda t: t.update(version=0), "there is no version 0"),
            (lambda t: t.update(version="1"), "should be a int"),
            (lambda t: t.update(keys="other"), "keys"),
            (lambda t: t.update(shards=[]), "there is no shard"),
            (lambda t: t["shards"][1].update(name="../one"), "no name of a shard"),
            (lambda t: t["shards"][1].update(name="a" * 31 + "\n"), "no name of a shard"),
            (lambda t: t["shards"][1].update(name=".." + "a" * 30), "no name of a shard"),
            (lambda t: t["shards"][1].update(name="a" * 32), "a shard is missing"),
            (lambda t: t["shards"][1].update(offset=4), "after the others 3"),
            (lambda t: t["shards"][1].update(records=-1), "cannot be"),
            (lambda t: t["shards"][1].update(records=4), "cannot be"),
            (lambda t: t["shards"][1].pop("records"), "missing"),
            (lambda t: t["shards"].insert(1, dict(t["shards"][0], bytes=1, offset=3)), "otherwise"),
            (
                lambda t: t["shards"][2].update(records=10**8, numbers=10**8),
                "more than 100,000,000",
            ),
            (lambda t: t["shards"][2].update(records=10**7, numbers=10**7), "too few for"),
        ],
    )
    def test_what_no_list_says(self, change: Any, what: str, cut: Path) -> None:
        self.changed(cut, change)
        with pytest.raises(InputError) as caught:
            LmdbReader(cut)
        assert what in str(caught.value)

    @pytest.mark.parametrize("text", ["", "[]", "{", "[" * 100_000, '{"version": 1}', "\xff"])
    def test_what_is_no_list(self, text: str, cut: Path) -> None:
        (cut / SHARDS).write_bytes(text.encode("latin-1"))
        with pytest.raises(InputError, match="shards"):
            LmdbReader(cut)

    @pytest.mark.parametrize(
        ("change", "what"),
        [
            (lambda t: t["shards"][2].update(records=2), "it has 3 records"),
            (lambda t: t["shards"][2].update(numbers=2, records=2), "it has 3 records"),
            (lambda t: t["shards"].reverse(), "after the others"),
        ],
    )
    def test_what_its_shards_do_not_hold(self, change: Any, what: str, cut: Path) -> None:
        self.changed(cut, change)
        with pytest.raises(InputError, match=what):
            LmdbReader(cut).keys()

    def test_foreign_and_damaged_shards(self, cut: Path) -> None:
        shards = [cut / one.name for one in read_shards(cut).shards]
        parts = LmdbReader(cut)
        shutil.rmtree(shards[2])
        write(shards[2], [(b"cat", b"1"), (b"dog", b"2"), (b"owl", b"3")])
        with pytest.raises(InputError, match="not among"):
            parts.keys()
        shutil.rmtree(shards[2])
        write(shards[2], [(key_of(n, "x"), b"1") for n in (0, 1, 3)])
        with pytest.raises(InputError, match="not among the 3"):
            parts.keys()
        shutil.rmtree(shards[2])
        write(shards[2], [(b"00000000_a", b""), (b"00000001a", b""), (b"00000002_a", b"")])
        with pytest.raises(InputError, match="no number"):
            parts.keys()
        os.truncate(shards[2] / "data.mdb", 4000)
        with pytest.raises(InputError, match="cut short") as caught:
            parts.keys()
        assert shards[2].name in caught.value.where
        parts.close()

    def test_a_shard_that_goes_while_it_is_read(self, cut: Path) -> None:
        last = cut / read_shards(cut).shards[2].name
        with LmdbReader(cut) as parts:
            shutil.rmtree(last)
            with pytest.raises(InputError, match="a shard is missing"):
                parts.keys()
            (cut / SHARDS).write_text((cut / SHARDS).read_text() + "\n")
            with pytest.raises(InputError, match="built anew, or changed"):
                parts.keys()

    def test_both_forms_at_once(self, cut: Path, tmp_path: Path) -> None:
        shutil.copy(tmp_path / "one/data.mdb", cut)
        with pytest.raises(InputError, match="which of the two"):
            LmdbReader(cut)
