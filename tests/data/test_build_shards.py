"""``build --shards``: what is read is one build's, however it is cut and whatever was lost."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import everyformat
from support.commands import run
from support.trees import Voc, jpeg, xml

from ssd_data import BuildOptions, InputError, LmdbReader, OutputError, build, recognise
from ssd_data.core.errors import SsdDataError, UsageError
from ssd_data.data.build.builder import BuildResult
from ssd_data.data.build.sharding import driver, task
from ssd_data.data.build.sharding.ranges import Known, cut
from ssd_data.data.lmdb.shards import SHARDS, read_shards

IN_ORDER = BuildOptions(shuffle=False)


@contextmanager
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


def contents(out: Path) -> dict[str, Any]:
    """All that a build says, whether it is one LMDB or many."""
    table = json.loads((out / "build.json").read_text())
    found: dict[str, Any] = {"build.json": table}
    for split in table["splits"].values():
        split.pop("shards", None)
        with LmdbReader(out / split["lmdb"]) as records:
            found[split["lmdb"]] = list(records.items())
    for file in [*sorted(out.glob("*.txt")), out / "labelmap.prototxt"]:
        found[file.name] = file.read_text()
    return found


def names(out: Path, split: str = "trainval") -> list[str]:
    return [one.name for one in read_shards(out / f"raw_{split}_lmdb").shards]


# What a picture may be: sound, without boxes, of an odd size, damaged, without annotation, absent.
KINDS = st.sampled_from(["ok", "ok", "ok", "none", "outside", "bad xml", "bad picture", "absent"])


def draw(voc: Voc, kinds: list[str]) -> None:
    for number, kind in enumerate(kinds, 1):
        if kind == "none":
            voc.annotation(number).write_text(xml((), name=f"{number}.jpg"))
        elif kind == "outside":
            boxes = [("dog", 5, 5, 90, 20), ("cat", 9, 9, 9, 20), ("cat", 1, 2, 3, 4)]
            voc.annotation(number).write_text(xml(boxes, name=f"{number}.jpg"))
        elif kind == "bad xml":
            voc.annotation(number).write_text("<annotation>")
        elif kind == "bad picture":
            voc.picture(number).write_bytes(b"no picture")
        elif kind == "absent":
            voc.picture(number).unlink()


@given(kinds=st.lists(KINDS, max_size=12), shards=st.integers(1, 9), shuffle=st.booleans())
@settings(max_examples=25, deadline=None)
def test_what_is_read_is_one_builds(kinds: list[str], shards: int, shuffle: bool) -> None:
    with folder() as top:
        voc = Voc(top / "raw", len(kinds) + 2)
        draw(voc, ["ok", "outside", *kinds])
        voc.held_back("t1", "t2", "t3")
        options = BuildOptions(missing="skip", shuffle=shuffle)
        build(recognise(voc.root), top / "one", options)
        result = build(recognise(voc.root), top / "cut", options, shards=shards)
        assert contents(top / "cut") == contents(top / "one")
        count = len(read_shards(top / "cut/raw_trainval_lmdb").shards)
        assert count == min(shards, len(kinds) + 2) == result.shards["trainval"][1]
        assert build(recognise(voc.root), top / "cut", options, shards=3).up_to_date
        assert build(recognise(voc.root), top / "cut", options).up_to_date
        assert sorted(path.name for path in top.iterdir()) == ["cut", "one", "raw"]


@pytest.fixture
def voc(tmp_path: Path) -> Voc:
    voc = Voc(tmp_path / "raw", 20)
    voc.held_back("t1")
    return voc


def made(voc: Voc, out: Path, shards: int = 4, **more: Any) -> BuildResult:
    more.setdefault("redo", (out / "build.json").exists())
    found = build(recognise(voc.root), out, more.pop("options", IN_ORDER), shards=shards, **more)
    one = out.parent / "one"
    if one.exists():
        shutil.rmtree(one)
    build(recognise(voc.root), one, IN_ORDER)
    assert contents(out) == contents(one)
    return found


class TestAgain:
    """What was built stays."""

    def test_appended(self, voc: Voc, tmp_path: Path) -> None:
        made(voc, tmp_path / "cut")
        before = names(tmp_path / "cut")
        add(voc, 21)
        assert made(voc, tmp_path / "cut").shards["trainval"] == (1, 5)
        assert names(tmp_path / "cut")[:4] == before
        add(voc, 22)
        assert made(voc, tmp_path / "cut").shards["trainval"] == (1, 5)  # not ever more of them
        assert len(list((tmp_path / "cut/raw_trainval_lmdb").iterdir())) == 6  # stale ones go

    def test_inserted(self, voc: Voc, tmp_path: Path) -> None:
        made(voc, tmp_path / "cut")
        voc.picture("05b").write_bytes(jpeg(seed=99))
        voc.annotation("05b").write_text(xml(name="05b.jpg"))
        numbers = [str(n) for n in range(1, 21)]
        voc.list([*numbers[:7], "05b", *numbers[7:]])
        assert made(voc, tmp_path / "cut").shards["trainval"] == (1, 4)

    def test_removed_from_the_start(self, voc: Voc, tmp_path: Path) -> None:
        made(voc, tmp_path / "cut")
        voc.list([str(n) for n in range(2, 21)])
        assert made(voc, tmp_path / "cut").shards["trainval"] == (1, 4)

    def test_a_changed_picture_and_annotation(self, voc: Voc, tmp_path: Path) -> None:
        made(voc, tmp_path / "cut")
        voc.picture(7).write_bytes(jpeg(seed=77))
        voc.annotation(17).write_text(xml([("dog", 1, 2, 30, 40)], name="17.jpg"))
        assert made(voc, tmp_path / "cut").shards["trainval"] == (2, 4)

    def test_moved_shards(self, voc: Voc, tmp_path: Path) -> None:
        made(voc, tmp_path / "cut")
        before = names(tmp_path / "cut")
        voc.list([str(n) for n in [*range(11, 21), *range(1, 11)]])
        assert made(voc, tmp_path / "cut").shards["trainval"] == (0, 4)
        assert names(tmp_path / "cut") == before[2:] + before[:2]

    def test_another_number(self, voc: Voc, tmp_path: Path) -> None:
        made(voc, tmp_path / "cut")
        assert made(voc, tmp_path / "cut", 2).shards["trainval"] == (2, 2)
        assert made(voc, tmp_path / "cut", 8).shards["trainval"] == (8, 8)

    def test_other_options_make_others(self, voc: Voc, tmp_path: Path) -> None:
        made(voc, tmp_path / "cut")
        options = BuildOptions(shuffle=False, size=(20, 20))
        again = build(recognise(voc.root), tmp_path / "cut", options, shards=4, redo=True)
        assert again.shards["trainval"] == (4, 4)

    def test_without_redo_it_says_so(self, voc: Voc, tmp_path: Path) -> None:
        made(voc, tmp_path / "cut")
        add(voc, 21)
        with pytest.raises(OutputError, match="have changed since it was built"):
            made(voc, tmp_path / "cut", redo=False)

    def test_from_one_lmdb_and_back(self, voc: Voc, tmp_path: Path) -> None:
        out = tmp_path / "cut"
        build(recognise(voc.root), out, IN_ORDER)
        assert build(recognise(voc.root), out, IN_ORDER, shards=4).up_to_date
        made(voc, out)
        assert not (out / "raw_trainval_lmdb/data.mdb").exists()
        build(recognise(voc.root), out, IN_ORDER, redo=True)
        assert not (out / "raw_trainval_lmdb" / SHARDS).exists()
        assert "shards" not in (out / "build.json").read_text()

    def test_the_same_pictures_again_and_again(self, tmp_path: Path) -> None:
        """As lists may have them: the tries are bounded, and equal shards lie there once."""
        voc = Voc(tmp_path / "raw", 2)
        lines = ["JPEGImages/1.jpg Annotations/1.xml\n", "JPEGImages/2.jpg Annotations/2.xml\n"]
        (tmp_path / "list.txt").write_text("".join(lines * 50))
        words = ("build", "--list", tmp_path / "list.txt", "--root", voc.root)
        words += ("--labelmap", tmp_path / "map.prototxt")
        assert run("labelmap", "--names", "cat,dog", "-o", tmp_path / "map.prototxt", "-q") == 0
        assert run(*words, "-o", tmp_path / "one", "-q") == 0
        assert run(*words, "-o", tmp_path / "cut", "--shards", 10, "-q") == 0
        assert contents(tmp_path / "one") == contents(tmp_path / "cut")
        assert len(list((tmp_path / "cut/list_lmdb").iterdir())) == 2
        (tmp_path / "list.txt").write_text("".join([lines[1], *lines * 60]))
        assert run(*words, "-o", tmp_path / "cut", "--shards", 10, "-q", "--redo") == 0


def add(voc: Voc, *numbers: int) -> None:
    for number in numbers:
        voc.picture(number).write_bytes(jpeg(seed=number))
        voc.annotation(number).write_text(xml(name=f"{number}.jpg"))
    path = voc.root / "ImageSets/Main/trainval.txt"
    path.write_text(path.read_text() + "".join(f"{number}\n" for number in numbers))

    @pytest.mark.parametrize("what", ["gone", "cut short"])
    def test_a_shard_that_is_not_whole_any_more(self, what: str, voc: Voc, tmp_path: Path) -> None:
        made(voc, tmp_path / "cut")
        place = tmp_path / "cut/raw_trainval_lmdb" / names(tmp_path / "cut")[2]
        if what == "gone":
            shutil.rmtree(place)
        else:
            os.truncate(place / "data.mdb", 4096)
        with pytest.raises(InputError):
            LmdbReader(tmp_path / "cut/raw_trainval_lmdb").keys()
        assert made(voc, tmp_path / "cut", redo=False).shards == {"trainval": (1, 4)}


class TestInterrupted:
    """What was whole when it ended is not built again."""

    @pytest.fixture
    def counted(self, monkeypatch: pytest.MonkeyPatch) -> list[str]:
        names: list[str] = []

        def count(one: task.ShardTask) -> task.ShardOutcome:
            names.append(one.name)
            return task.build_shard(one)

        monkeypatch.setattr(driver, "build_shard", count)
        return names

    @pytest.mark.parametrize("kind", [KeyboardInterrupt, MemoryError, OSError])
    def test_it_goes_on(
        self,
        kind: type[BaseException],
        voc: Voc,
        tmp_path: Path,
        counted: list[str],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        out, really = tmp_path / "cut", driver.build_shard

        def stops(one: task.ShardTask) -> task.ShardOutcome:
            if len(counted) == 3:
                raise kind
            return really(one)

        with monkeypatch.context() as patch:
            patch.setattr(driver, "build_shard", stops)
            with pytest.raises((kind, OutputError, SsdDataError)):
                made(voc, out, 5)
        assert not out.exists()
        first = list(counted)
        assert len(first) == 3
        counted.clear()
        assert made(voc, out, 5).shards["trainval"] == (2, 5)
        assert not set(first) & set(counted)
        assert sorted(path.name for path in tmp_path.iterdir()) == ["cut", "one", "raw"]

    def test_a_broken_picture(self, voc: Voc, tmp_path: Path, counted: list[str]) -> None:
        sound = voc.picture(8).read_bytes()
        voc.picture(8).write_bytes(b"no picture")
        for _ in range(2):
            counted.clear()
            with pytest.raises(InputError, match="nothing was built: 1 problem") as caught:
                made(voc, tmp_path / "cut", 5)
            assert "JPEGImages/8.jpg" in str(caught.value)
        assert len(counted) == 1  # the sound ones are there; the test split was not begun
        voc.picture(8).write_bytes(sound)
        counted.clear()
        assert made(voc, tmp_path / "cut", 5).shards["trainval"] == (1, 5)

    def test_many_broken_pictures(self, voc: Voc, tmp_path: Path, counted: list[str]) -> None:
        for number in range(1, 21):
            voc.picture(number).write_bytes(b"no picture")
        add(voc, *range(21, 60))
        for number in range(21, 40):
            voc.picture(number).write_bytes(b"no picture")
        with pytest.raises(InputError, match="20 problems, perhaps more"):
            made(voc, tmp_path / "cut", 10)
        assert len(counted) < 6

    def test_a_broken_annotation_ends_it_before_any_picture(
        self, voc: Voc, tmp_path: Path, counted: list[str]
    ) -> None:
        voc.annotation(3).write_text("<annotation>")
        with pytest.raises(InputError, match="nothing was built: 1 problem"):
            made(voc, tmp_path / "cut")
        assert not counted

    def test_what_is_not_whole_is_built_again(
        self, voc: Voc, tmp_path: Path, counted: list[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with monkeypatch.context() as patch:
            patch.setattr("ssd_data.data.build.builder.write_lines", _no_memory)
            with pytest.raises(MemoryError):
                made(voc, tmp_path / "cut", 5)
        shards = sorted((tmp_path / ".cut.part").iterdir())
        assert len(shards) == 5
        os.truncate(shards[0] / "data.mdb", 4096)
        (shards[1] / "records.txt").unlink()
        (shards[2] / "shard.json").write_text("{")
        (tmp_path / ".cut.part" / f"{'0' * 32}.abcdef12.part").mkdir()
        counted.clear()
        assert made(voc, tmp_path / "cut", 5).shards["trainval"] == (3, 5)

    def test_one_lmdb_after_all(self, voc: Voc, tmp_path: Path) -> None:
        """What waits to be gone on with goes when it is not wanted any more."""
        voc.picture(8).unlink()
        with pytest.raises(InputError):
            made(voc, tmp_path / "cut", 5)
        assert (tmp_path / ".cut.part").is_dir()
        voc.picture(8).write_bytes(jpeg(seed=8))
        build(recognise(voc.root), tmp_path / "cut", IN_ORDER)
        assert sorted(path.name for path in tmp_path.iterdir()) == ["cut", "raw"]


def _no_memory(*_: object) -> None:
    raise MemoryError


class TestWorkers:
    """What a task is, and what a worker makes of it."""

    @pytest.fixture
    def tasks(self, voc: Voc, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
        found: list[task.ShardTask] = []

        def keep(one: task.ShardTask) -> task.ShardOutcome:
            found.append(pickle.loads(pickle.dumps(one)))
            return task.build_shard(one)

        with monkeypatch.context() as patch:
            patch.setattr(driver, "build_shard", keep)
            made(voc, tmp_path / "cut", 4)
        (tmp_path / "place").mkdir()
        return [pickle.loads(pickle.dumps(change(one, place=tmp_path / "place"))) for one in found]

    def test_a_task_is_sent_and_run(self, tasks: list[Any], tmp_path: Path) -> None:
        for one in tasks[:4]:
            assert task.build_shard(one).failures == []
            place, there = one.place / one.name, tmp_path / "cut/raw_trainval_lmdb" / one.name
            for file in ("shard.json", "records.txt"):
                assert (place / file).read_bytes() == (there / file).read_bytes()
            with LmdbReader(place) as a, LmdbReader(there) as b:
                assert list(a.items()) == list(b.items())

    def test_run_twice_it_is_built_once(self, tasks: list[Any]) -> None:
        task.build_shard(tasks[0])
        state = (tasks[0].place / tasks[0].name / "data.mdb").stat().st_ino
        task.build_shard(tasks[0])
        assert (tasks[0].place / tasks[0].name / "data.mdb").stat().st_ino == state

    def test_two_at_once(self, tasks: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
        """The second takes its place while the first is about to."""
        really = task._require_unchanged

        def meanwhile(one: task.ShardTask) -> None:
            monkeypatch.setattr(task, "_require_unchanged", really)
            task.build_shard(one)
            really(one)

        monkeypatch.setattr(task, "_require_unchanged", meanwhile)
        assert task.build_shard(tasks[0]).failures == []
        assert [path.name for path in tasks[0].place.iterdir()] == [tasks[0].name]

    def test_a_picture_that_changes_meanwhile(self, tasks: list[Any], voc: Voc) -> None:
        voc.picture(2).write_bytes(jpeg(seed=50))
        with pytest.raises(InputError, match="changed while it was built") as caught:
            task.build_shard(tasks[0])
        assert caught.value.where.endswith("JPEGImages/2.jpg")
        assert not list(tasks[0].place.iterdir())

    def test_other_options_than_it_is_named_by(self, tasks: list[Any]) -> None:
        with pytest.raises(InputError, match="other options or packages"):
            task.build_shard(change(tasks[0], options=BuildOptions(shuffle=False, quality=50)))

    def test_nowhere_to_build(self, tasks: list[Any]) -> None:
        """The driver has published meanwhile, or its disk is not seen."""
        shutil.rmtree(tasks[0].place)
        with pytest.raises(OutputError, match="cannot write"):
            task.build_shard(tasks[0])

    def test_a_link_that_leads_out(self, tasks: list[Any], voc: Voc, tmp_path: Path) -> None:
        """In a process that has not looked at the data set."""
        from ssd_data.core.files import fences

        (tmp_path / "secret.jpg").write_bytes(jpeg(seed=1))
        voc.picture(1).unlink()
        voc.picture(1).symlink_to(tmp_path / "secret.jpg")
        before = dict(fences._fences)
        fences._fences.clear()
        fences._places.clear()
        try:
            failures = task.build_shard(tasks[0]).failures
        finally:
            fences._fences.update(before)
            fences._places.clear()
        assert "leaves the data set's folder" in failures[0].what


def change(one: task.ShardTask, **fields: Any) -> task.ShardTask:
    from dataclasses import replace

    return replace(one, **fields)


class Listed:
    """A list of letters, whose shards are called after what they hold."""

    def __init__(self, text: str) -> None:
        self.text, self.asked = text, 0

    def __len__(self) -> int:
        return len(self.text)

    def first_of(self, start: int) -> str:
        return self.text[start]

    def name(self, place: range) -> str:
        self.asked += len(place)
        return self.text[place.start : place.stop]


TEXTS = st.text("abc", min_size=1, max_size=60)


@given(old=TEXTS, new=TEXTS, first=st.integers(1, 9), second=st.integers(1, 9))
def test_ranges_make_up_the_list(old: str, new: str, first: int, second: int) -> None:
    known = [Known(name, name[0], len(name)) for _, name in cut(Listed(old), first)]
    listed = Listed(new)
    ranges = cut(listed, second, known)
    assert "".join(name for _, name in ranges) == new
    assert [n for place, _ in ranges for n in place] == list(range(len(new)))
    assert all(len(place) for place, _ in ranges)
    assert len(ranges) <= 3 * second + 1
    assert listed.asked <= 9 * 2 * len(new) * 9


@given(length=st.integers(8, 60), count=st.integers(1, 8))
def test_what_stands_there_still_is_kept(length: int, count: int) -> None:
    text = "".join(map(chr, range(100, 100 + length)))
    parts = [name for _, name in cut(Listed(text), count)]
    assert len(parts) == count
    known = [Known(name, name[0], len(name)) for name in parts]
    assert [name for _, name in cut(Listed(text), count, known)] == parts
    assert [name for _, name in cut(Listed(f"{text}z"), count, known)][:count] == parts


class TestRefused:
    def test_two_builds_into_one_folder(
        self, voc: Voc, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        seen: list[str] = []

        def meanwhile(one: task.ShardTask) -> task.ShardOutcome:
            with pytest.raises(OutputError) as caught:
                build(recognise(voc.root), tmp_path / "cut", IN_ORDER, shards=3)
            seen.append(caught.value.what)
            return task.build_shard(one)

        monkeypatch.setattr(driver, "build_shard", meanwhile)
        build(recognise(voc.root), tmp_path / "cut", IN_ORDER, shards=2)
        assert set(seen) == {"another ssd-data is writing into this folder"}

    def test_a_dry_run_writes_nothing(self, voc: Voc, tmp_path: Path) -> None:
        result = build(recognise(voc.root), tmp_path / "cut", IN_ORDER, shards=3, dry_run=True)
        assert result.built == ["trainval", "test"]
        assert [path.name for path in tmp_path.iterdir()] == ["raw"]

    def test_no_box_is_left(self, voc: Voc, tmp_path: Path) -> None:
        for number in range(1, 21):
            boxes = [("cat", 9, 9, 9, 20)]
            voc.annotation(number).write_text(xml(boxes, name=f"{number}.jpg"))
        with pytest.raises(InputError, match="no box of"):
            made(voc, tmp_path / "cut")

    def test_nothing_is_left(self, voc: Voc, tmp_path: Path) -> None:
        for number in range(1, 21):
            voc.annotation(number).write_text(xml((), name=f"{number}.jpg"))
            voc.picture(number).unlink()
        options = BuildOptions(missing="skip", shuffle=False)
        with pytest.raises(InputError, match="no record is left"):
            made(voc, tmp_path / "cut", options=options)

    def test_there_is_no_such_place(self, voc: Voc, tmp_path: Path) -> None:
        with pytest.raises(UsageError):
            build(recognise(voc.root), tmp_path / "cut", IN_ORDER, shards=2, on="moon")
        assert run("build", voc.root, "-o", tmp_path / "cut", "--on", "ray") == 2

    def test_a_shard_that_was_tampered_with(self, voc: Voc, tmp_path: Path) -> None:
        made(voc, tmp_path / "cut")
        add(voc, 21)
        place = tmp_path / "cut/raw_trainval_lmdb" / names(tmp_path / "cut")[0]
        for change in (_without_last, _of_another_number, _garbage):
            text = (place / "records.txt").read_text()
            (place / "records.txt").write_text(change(text))
            with pytest.raises(InputError) as caught:
                made(voc, tmp_path / "cut")
            assert place.name in caught.value.where
            (place / "records.txt").write_text(text)
        made(voc, tmp_path / "cut")


def _without_last(text: str) -> str:
    return "".join(text.splitlines(keepends=True)[:-1])


def _of_another_number(text: str) -> str:
    return text.replace("4 ", "9 ", 1) if text.startswith("4 ") else "7" + text


def _garbage(text: str) -> str:
    return "\x00\x1b[2J\n" + text


@pytest.mark.parametrize("words", [("inspect",), ("check",), ("export", "--to", "voc", "-o", "e")])
def test_commands_say_the_same(
    words: tuple[str, ...],
    voc: Voc,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    said: dict[str, str] = {}
    for name, shards in (("one", None), ("cut", 3)):
        build(recognise(voc.root), "OUT", IN_ORDER, shards=shards, redo=True)
        capsys.readouterr()
        assert run(words[0], "OUT/raw_trainval_lmdb", *words[1:]) == 0
        said[name] = capsys.readouterr().out
        shutil.rmtree("e", ignore_errors=True)
    assert said["one"] == said["cut"]


def test_links_and_copies(voc: Voc, tmp_path: Path) -> None:
    out: Callable[[str], Path] = lambda name: tmp_path / name  # noqa: E731
    build(recognise(voc.root), out("OUT"), IN_ORDER, shards=3, link=out("links"))
    assert run("link", out("OUT"), out("copies"), "--copy", "-q") == 0
    assert run("link", out("OUT"), out("copies"), "--copy", "-q") == 0
    for where in ("links", "copies"):
        with LmdbReader(out(where) / "trainval_lmdb") as records:
            assert len(records) == 20
    assert (out("copies") / "trainval_lmdb" / SHARDS).is_file()
    assert not (out("copies") / "trainval_lmdb").is_symlink()


@pytest.mark.parametrize("name", everyformat.MAKERS)
def test_every_format(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its entries are sent to workers, and give the same there."""

    def sent(one: task.ShardTask) -> task.ShardOutcome:
        outcome: task.ShardOutcome = pickle.loads(
            pickle.dumps(task.build_shard(pickle.loads(pickle.dumps(one))))
        )
        return outcome

    monkeypatch.setattr(driver, "build_shard", sent)
    found = recognise(everyformat.make(name, tmp_path / "raw"))
    build(found, tmp_path / "one")
    build(found, tmp_path / "cut", shards=2)
    assert contents(tmp_path / "cut") == contents(tmp_path / "one")
