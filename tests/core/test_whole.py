"""A file written whole or not at all; what the dead left goes, what the living write stays."""

import errno
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from support.kills import in_child, killed_at

from ssd_data.core.errors import OutputError
from ssd_data.core.files.exchange import remove_tree
from ssd_data.core.files.paths import naming
from ssd_data.core.files.whole import claim, new_file, sync_folder, write_bytes, write_whole


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_killed_at_any_moment(tmp_path: Path) -> None:
    file = tmp_path / "x"
    for event in range(1, 50):
        write_whole(file, "old")
        status = in_child(lambda: write_whole(file, "new") or 0, killed_at(event))
        assert file.read_text() in ("old", "new")
        write_whole(file, "newer")
        assert file.read_text() == "newer"
        assert names(tmp_path) == ["x"]
        if status != -signal.SIGKILL:
            break
    assert status == 0
    assert event > 3


def test_two_at_once_do_not_mix(tmp_path: Path) -> None:
    file = tmp_path / "x"
    with new_file(file) as first:
        first.write(b"fir")
        assert in_child(lambda: write_whole(file, "second") or 0) == 0
        assert file.read_text() == "second"
        with new_file(file) as third:
            third.write(b"third")
            assert names(tmp_path) == [".x.2.part", ".x.part", "x"]
        first.write(b"st")
    assert file.read_text() == "first"
    assert names(tmp_path) == ["x"]


def test_what_both_of_two_dead_left_goes(tmp_path: Path) -> None:
    for name in (".x.part", ".x.2.part", ".x.3.part", ".x.5.part"):
        (tmp_path / name).write_text("dead")
    write_whole(tmp_path / "x", "new")
    assert names(tmp_path) == [".x.5.part", "x"]


@pytest.mark.parametrize("kind", ["link", "folder", "pipe"])
def test_what_lies_in_the_hidden_names_place_is_not_touched(kind: str, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    hidden = tmp_path / ".x.part"
    if kind == "link":
        hidden.symlink_to(victim)
    elif kind == "folder":
        (hidden / "below").mkdir(parents=True)
    else:
        os.mkfifo(hidden)
    write_whole(tmp_path / "x", "new")
    assert (tmp_path / "x").read_text() == "new"
    assert victim.read_text() == "precious"
    assert kind == "pipe" or os.path.lexists(hidden)


def test_a_claimed_file_is_one_process_s(tmp_path: Path) -> None:
    path = tmp_path / "claimed"
    descriptor = claim(path)
    assert descriptor is not None
    assert claim(path) is None
    os.write(descriptor, b"mine")
    assert in_child(lambda: 0 if claim(path) is None else 1) == 0
    assert path.read_bytes() == b"mine"
    os.close(descriptor)
    again = claim(path)
    assert again is not None
    assert path.read_bytes() == b""
    os.close(again)


def test_without_locks_nothing_is_taken_for_a_dead_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def flock(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr("fcntl.flock", flock)
    (tmp_path / ".x.part").write_text("somebody's")
    write_whole(tmp_path / "x", "new")
    assert names(tmp_path) == [".x.part", "x"]
    assert (tmp_path / ".x.part").read_text() == "somebody's"


def test_an_error_leaves_what_was_there(tmp_path: Path) -> None:
    write_whole(tmp_path / "x", "old")
    with pytest.raises(OutputError, match="x: cannot write it: No space"), new_file(tmp_path / "x"):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert (tmp_path / "x").read_text() == "old"
    assert names(tmp_path) == ["x"]


@pytest.mark.parametrize(
    ("call", "name"),
    [(lambda p: write_bytes(p, b"new"), "x"), (lambda p: sync_folder(p.parent), "")],
)
def test_what_cannot_be_synced_is_named(
    call: Callable[[Path], None], name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The system names no file where it fails at a descriptor."""

    def fails(descriptor: int) -> None:
        raise OSError(errno.EIO, "broken")

    monkeypatch.setattr(os, "fsync", fails)
    with pytest.raises(OSError, match="broken") as caught:
        call(tmp_path / "x")
    assert caught.value.filename == str(tmp_path / name)


def test_a_name_that_the_system_gave_stays(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as caught, naming("outer"), naming("inner"):
        (tmp_path / "missing").read_bytes()
    assert caught.value.filename == str(tmp_path / "missing")
    with pytest.raises(OSError, match="inner"), naming("outer"), naming("inner"):
        os.read(-1, 1)
    with pytest.raises(ValueError, match="other"), naming("outer"):
        raise ValueError("other")


@pytest.mark.parametrize("code", [errno.EINVAL, errno.ENOTSUP])
def test_a_folder_need_not_be_synced(
    code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(descriptor: int) -> None:
        raise OSError(code, "folders cannot be synced here")

    monkeypatch.setattr(os, "fsync", fails)
    sync_folder(tmp_path)


def test_what_cannot_be_removed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not only the file in the folder, which the system is told apart from where that lies."""
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b").write_text("")

    def fails(path: Path) -> None:
        raise OSError(errno.EROFS, "can only be read", "b")

    monkeypatch.setattr(shutil, "rmtree", fails)
    with pytest.raises(OSError, match="can only be read") as caught:
        remove_tree(tmp_path / "a")
    assert caught.value.filename == str(tmp_path / "a")
