"""Somebody builds anew what a command is reading: it ends as if that had come before or after, or
with one sentence. The boxes of one build never meet the names of the other."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from support.changing import ChangingStage, swap, two_builds
from support.moments import Moments

from ssd_data import InputError, LmdbReader, read_labelmap
from ssd_data.data.lmdb.companions import labelmap_file
from ssd_data.data.lmdb.one_build import one_build

READ = ["export_voc", "check", "diff", "inspect", "report", "labelmap", "link_copy"]
READ += ["export_voc of shards", "check of shards", "inspect of shards", "link_copy of shards"]
LMDB = Path("OUT/raw_trainval_lmdb")


@pytest.mark.parametrize("name", READ)
def test_a_build_takes_its_place(name: str, tmp_path: Path) -> None:
    stage = ChangingStage(f"{name} swap", tmp_path, Moments)
    assert stage.calls
    for at in range(1, stage.calls + 1, max(1, stage.calls // 8)):
        stage.run(at)


def test_it_tells_what_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the opening of the LMDB and the labelmap beside it."""
    monkeypatch.chdir(tmp_path)
    two_builds()
    file = labelmap_file(LMDB)
    assert file is not None
    first = read_labelmap(file).display_name(1)
    with LmdbReader(LMDB), pytest.raises(InputError) as caught, one_build(LMDB):
        swap()
    assert read_labelmap(file).display_name(1) != first
    assert caught.value.where == str(LMDB)
    assert caught.value.what == "it was built anew, or changed, while it was being read"
    assert caught.value.hint == "Run this again"


def _same(build: Path) -> None:
    """Nothing happens."""


def _touched(build: Path) -> None:
    """Something else lies there, and is written."""
    (build / "notes.txt").write_text("mine")
    (build.parent / "OTHER").mkdir()


def _gone(build: Path) -> None:
    build.rename(build.parent / "gone")


def _other_manifest(build: Path) -> None:
    os.utime(build / "build.json", (1, 1))


def _half_moved(build: Path) -> None:
    (build / ".ready").mkdir()


@pytest.mark.parametrize("place", ["OUT", str(LMDB), "link"])
@pytest.mark.parametrize(
    ("change", "tells"),
    [(_same, ""), (_touched, ""), (_gone, "anew"), (_other_manifest, "anew"), (_half_moved, "was")],
)
def test_what_counts_as_a_change(
    change: Callable[[Path], None],
    tells: str,
    place: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    two_builds()
    Path("link").symlink_to(LMDB)
    if not tells:
        with one_build(Path(place)):
            change(Path("OUT"))
        return
    with pytest.raises(InputError, match=tells), one_build(Path(place)):
        change(Path("OUT"))


def test_what_is_no_folder_is_left_to_who_reads_it(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for name in ("file", "missing", "file/below"):
        with one_build(tmp_path / name):
            pass
