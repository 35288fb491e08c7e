"""Temporary folders: none stays, and nobody's is taken from a living process."""

from __future__ import annotations

import os
import signal
import tempfile
from contextlib import suppress
from pathlib import Path

import pytest
from support.kills import at_event, in_child, killed_at

from ssd_data.core.errors import OutputError
from ssd_data.core.files import scratch as module
from ssd_data.core.files.scratch import scratch, temporary_files_in


@pytest.fixture
def top(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def used() -> int:
    with scratch() as folder:
        (folder / "sub").mkdir()
        (folder / "sub" / "file").write_text("x")
    return 0


def test_it_is_empty_and_goes(top: Path) -> None:
    with scratch() as folder:
        assert not any(folder.iterdir())
        assert used() == 0
        assert len(list(top.iterdir())) == 1
    assert not any(top.iterdir())


def test_an_error_leaves_none(top: Path) -> None:
    with pytest.raises(FileNotFoundError), scratch() as folder:
        (folder / "none").read_bytes()
    assert not any(top.iterdir())


def test_what_the_killed_left_goes(top: Path) -> None:
    left = 0
    for event in range(1, 50):
        status = in_child(used, killed_at(event))
        left += any(top.iterdir())
        used()
        assert not any(top.iterdir()), event
        if status == 0:
            break
        assert status == -signal.SIGKILL
    assert status == 0
    assert left > 3


def test_ctrl_c_leaves_nothing(top: Path) -> None:
    for event in range(1, 50):
        with suppress(KeyboardInterrupt):
            status = in_child(used, at_event(event, signal.SIGINT))
        assert not any(top.iterdir()), event
        if status == 0:
            break
    assert status == 0
    assert event > 8


def test_a_living_one_stays_from_its_first_moment(
    top: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where another process looks before it is locked."""
    claim = module.claim
    others = [used, lambda: None]

    def late(path: Path) -> int | None:
        others.pop(0)()
        return claim(path)

    monkeypatch.setattr(module, "claim", lambda path: late(path) if others else claim(path))
    with scratch() as folder:
        assert folder.is_dir()
        assert in_child(used) == 0
        assert folder.is_dir()
    assert not any(top.iterdir())


def test_what_only_bears_such_a_name_stays(top: Path) -> None:
    (top / "ssd-data-link").symlink_to(top / "elsewhere")
    (top / "ssd-data-file").write_text("mine")
    (top / "elsewhere").mkdir()
    (top / "ssd-data-mine").mkdir()
    (top / "ssd-data-mine" / "notes").write_text("mine")
    names = sorted(path.name for path in top.rglob("*"))
    used()
    assert sorted(path.name for path in top.rglob("*")) == names


def test_what_libraries_make_goes_too(top: Path) -> None:
    with scratch() as folder, temporary_files_in(folder):
        assert Path(tempfile.mkdtemp()).parent == folder
    assert not any(top.iterdir())
    assert Path(tempfile.mkdtemp()).parent == top


def test_no_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))
    with pytest.raises(OutputError, match="no temporary folder can be made.*") as caught, scratch():
        pass
    assert "TMPDIR" in caught.value.hint
    assert os.listdir(tmp_path) == []  # noqa: PTH208
