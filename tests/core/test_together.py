"""Several files or a folder: all of them or none, and the same again is no error."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from support.kills import in_child, killed_at, tree

from ssd_data.core.errors import OutputError
from ssd_data.core.files.together import new_folder, same_tree, write_together

FILES = {"a": b"1", "b": b"22"}


def fill(folder: Path, text: str = "x", **how: object) -> None:
    with new_folder(folder, **how) as hidden:  # type: ignore[arg-type]
        (hidden / "below").mkdir()
        (hidden / "below" / "file").write_text(text)
        (hidden / "mark").write_text(text)


def test_files_come_together_and_others_stay(tmp_path: Path) -> None:
    write_together(tmp_path / "out", FILES)
    (tmp_path / "out" / "mine").write_text("mine")
    with pytest.raises(OutputError, match=r"out/a: is there already\n  --redo"):
        write_together(tmp_path / "out", {"b": b"22", "a": b"3"})
    assert (tmp_path / "out" / "a").read_bytes() == b"1"
    write_together(tmp_path / "out", {**FILES, "a": b"3"}, redo=True)
    found = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    assert found == {"a": b"3", "b": b"22", "mine": b"mine"}
    assert os.listdir(tmp_path) == ["out"]  # noqa: PTH208


def test_the_same_files_again_change_nothing(tmp_path: Path) -> None:
    write_together(tmp_path, FILES)
    before = [(path, path.stat().st_mtime_ns, path.stat().st_ino) for path in tmp_path.iterdir()]
    write_together(tmp_path, FILES)
    assert before == [(p, p.stat().st_mtime_ns, p.stat().st_ino) for p in tmp_path.iterdir()]


def test_what_an_older_version_had_left_half_is_made_whole(tmp_path: Path) -> None:
    (tmp_path / "b").write_bytes(b"22")
    write_together(tmp_path, FILES)
    assert (tmp_path / "a").read_bytes() == b"1"


def test_a_folder_in_a_files_place(tmp_path: Path) -> None:
    (tmp_path / "a" / "precious").mkdir(parents=True)
    with pytest.raises(OutputError, match="a folder is in the way"):
        write_together(tmp_path, FILES, redo=True)
    assert [*tree(tmp_path)] == ["a", "a/precious"]


@pytest.mark.parametrize("redo", [False, True])
def test_files_killed_at_any_moment(redo: bool, tmp_path: Path) -> None:
    out = tmp_path / "out"
    for event in range(1, 200):
        for path in tmp_path.rglob("*"):
            if path.is_file():
                path.unlink()
        if redo:
            write_together(out, {"a": b"old", "b": b"old", "mine": b"old"}, redo=True)
        status = in_child(lambda: write_together(out, FILES, redo=redo) or 0, killed_at(event))
        there = {n: w for n, w in tree(tmp_path, hidden=False).items() if n in ("out/a", "out/b")}
        assert len(there) in ((2,) if redo else (0, 2)), event
        assert len(set(there.values())) in (len(there), 1), "both are old, or both are new"
        write_together(out, FILES, redo=redo)
        assert (out / "a").read_bytes() + (out / "b").read_bytes() == b"122"
        assert set(tree(tmp_path)) == {"out", "out/a", "out/b", *(["out/mine"] if redo else [])}
        if status != -signal.SIGKILL:
            break
    assert status == 0
    assert event > 10


def test_the_same_folder_again(tmp_path: Path) -> None:
    out = tmp_path / "deep" / "out"
    fill(out)
    before = out.stat().st_ino
    with pytest.raises(OutputError, match="the folder is not empty"):
        fill(out)  # nothing says that it is one of those
    fill(out, marks=["mark"])
    assert out.stat().st_ino == before
    with pytest.raises(OutputError, match="the folder is not empty"):
        fill(out, "other", marks=["mark"])
    assert tree(tmp_path / "deep").keys() == {"out", "out/below", "out/below/file", "out/mark"}


def without_marks(out: Path) -> None:
    (out / "mine").write_text("mine")


def with_a_mark(out: Path) -> None:
    (out / "mark").write_text("mine")


@pytest.mark.parametrize("put", [without_marks, with_a_mark])
def test_a_folder_of_somebody_else(put: Callable[[Path], None], tmp_path: Path) -> None:
    put(tmp_path)
    before = tree(tmp_path)
    with pytest.raises(OutputError, match="the folder is not empty"):
        fill(tmp_path, marks=["mark"])
    assert tree(tmp_path) == before


def test_no_folder_at_all(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="this is a file, no folder"):
        fill(tmp_path / "file")


def test_what_fails_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(KeyError), new_folder(tmp_path / "a" / "b") as hidden:
        raise KeyError((hidden / "x").write_text("x"))
    assert not list(tmp_path.iterdir())


def test_the_same_tree(tmp_path: Path) -> None:
    a, b = tmp_path / "a", tmp_path / "b"
    fill(a)
    fill(b)
    (b / ".lock").touch()
    assert same_tree(a, b)
    (b / "mark").write_text("y")
    assert not same_tree(a, b)
    (b / "mark").unlink()
    assert not same_tree(a, b)
    (b / "mark").mkdir()
    assert not same_tree(a, b)
    (b / "mark").rmdir()
    (b / "mark").write_text("x")
    (b / "more").touch()
    assert not same_tree(a, b)
