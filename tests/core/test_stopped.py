"""Ctrl-C while something is being written."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from ssd_data.core.files import publish
from ssd_data.core.files.exchange import CannotExchangeError
from ssd_data.core.files.publish import OutFolder
from ssd_data.core.files.whole import claim, new_file, new_path, write_text


def tree(folder: Path) -> dict[str, str]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.read_text() for path in files}


def test_a_move_that_has_begun_is_finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At whichever of its renames it comes."""

    def cannot(a: Path, b: Path) -> None:
        raise CannotExchangeError("as on a file system that cannot swap two names")

    monkeypatch.setattr(publish, "exchange", cannot)
    rename = os.rename
    old, new = {"a": "old", "b/c": "old", "mine": "mine"}, {"a": "new", "b/c": "new"}
    ends = []
    for moment in range(20):
        count = 0

        def stopped(source: Any, target: Any, moment: int = moment) -> None:
            nonlocal count
            count += 1
            if count == moment:
                raise KeyboardInterrupt
            rename(source, target)

        out = tmp_path / str(moment)
        for name, text in old.items():
            (out / name).parent.mkdir(parents=True, exist_ok=True)
            (out / name).write_text(text)
        with monkeypatch.context() as patch:
            patch.setattr(os, "rename", stopped)
            try:
                with OutFolder(out) as work:
                    (work.staging / "b").mkdir()
                    for name, text in new.items():
                        write_text(work.staging / name, text)
                    work.publish()
                ended = True
            except KeyboardInterrupt:
                ended = False
        assert tree(out) in (old, {**old, **new}), moment
        ends.append((ended, tree(out) == old))
    assert ends[0] == (True, False)
    assert ends[1] == (False, True)
    assert ends[2:6] == [(False, False)] * 4
    assert ends[-1] == (True, False)


def test_a_file_that_was_just_made_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("fcntl.flock", stopped)
    with pytest.raises(KeyboardInterrupt):
        claim(tmp_path / "x")
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("kind", [new_file, new_path])
def test_what_was_there_is_still_there(kind: Any, tmp_path: Path) -> None:
    (tmp_path / "film.mp4").write_text("old")

    def stop() -> None:
        assert len(list(tmp_path.iterdir())) == 2
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), kind(tmp_path / "film.mp4"):
        stop()
    assert tree(tmp_path) == {"film.mp4": "old"}


def test_a_library_writes_by_a_name_with_the_same_ending(tmp_path: Path) -> None:
    with new_path(tmp_path / "deep" / "film.mp4") as beside:
        assert (beside.suffix, beside.name[0]) == (".mp4", ".")
        beside.write_text("new")
        assert not (tmp_path / "deep" / "film.mp4").exists()
    assert tree(tmp_path) == {"deep/film.mp4": "new"}
