"""Whatever happens to a build: the previous one is there and whole, and the next run finishes."""

import os
import resource
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support import kills
from support.trees import Voc

from ssd_data import (
    BuildOptions,
    InputError,
    LabelMap,
    LmdbReader,
    OutputError,
    build,
    recognise,
)
from ssd_data.core.files import publish
from ssd_data.core.files.exchange import CannotExchangeError
from ssd_data.core.files.hidden import READY
from ssd_data.data.dataset import Dataset
from ssd_data.data.lmdb.manifest import read_manifest

OLD = BuildOptions()
NEW = BuildOptions(size=(32, 24))


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    voc = Voc(tmp_path / "raw", 4)
    voc.list(["1", "2", "3"])
    voc.list(["4"], "test")
    return recognise(voc.root)


def contents(out: Path) -> dict[str, list[tuple[bytes, bytes]]]:
    found = {}
    for split in ("trainval", "test"):
        with LmdbReader(out / f"raw_{split}_lmdb") as records:
            found[split] = list(records.items())
    return found


def in_child(action: Callable[[], Any]) -> int:
    """Run in a forked process; its exit status, negative for a signal, 3 for an OutputError."""

    def run() -> int:
        try:
            action()
        except OutputError as error:
            print(error, file=sys.stderr)
            return 3
        return 0

    return kills.in_child(run)


def killed_at(event: int, action: Callable[[], Any]) -> int:
    """The exit status of ``action``, killed before its ``event``-th change of the disk."""

    def run() -> int:
        action()
        return 0

    return kills.in_child(run, kills.killed_at(event))


def cannot_exchange(a: Path, b: Path) -> None:
    raise CannotExchangeError("as on a file system that cannot swap two names")


def whole(out: Path) -> tuple[Any, ...]:
    """All that must be of one build; of a folder between two, readers say that."""
    if (out / READY).exists():
        for path in out.glob("*_lmdb"):
            with pytest.raises(InputError, match="was interrupted"):
                LmdbReader(path)
        with pytest.raises(InputError, match="was interrupted"):
            read_manifest(out)
        with publish.OutFolder(out):  # whoever opens it next finishes
            pass
    manifest = read_manifest(out)
    assert manifest is not None
    texts = [path.read_text() for path in sorted(out.glob("*.txt"))]
    return manifest.to_json(), (out / "labelmap.prototxt").read_text(), texts, contents(out)


@pytest.mark.parametrize("exchange", [True, False])
def test_kill_at_any_moment(
    exchange: bool, dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not exchange:
        monkeypatch.setattr(publish, "exchange", cannot_exchange)
    out, first, second = tmp_path / "out", tmp_path / "first", tmp_path / "second"
    more = LabelMap.from_names(["dog", "cat"])

    def rebuild(folder: Path = out) -> None:
        build(dataset, folder, NEW, workers=1, redo=True, labelmap=more)

    build(dataset, first, OLD, workers=1)
    rebuild(second)
    old, new = whole(first), whole(second)
    names = sorted(p.name for p in first.iterdir())
    for event in range(1, 2000):
        shutil.rmtree(out, ignore_errors=True)
        shutil.copytree(first, out)
        status = killed_at(event, rebuild)
        assert exchange <= (not (out / READY).exists())
        assert whole(out) in (old, new), event
        if status == 0:
            break
        assert status == -signal.SIGKILL
        rebuild()
        assert whole(out) == new, event
        assert sorted(p.name for p in out.iterdir()) == names
        assert sorted(p.name for p in tmp_path.iterdir()) == ["first", "out", "raw", "second"]
    else:
        pytest.fail("the build never came to its end")
    assert event > 40


def test_who_reads_the_old_build_reads_on(dataset: Dataset, tmp_path: Path) -> None:
    out = tmp_path / "out"
    build(dataset, out, OLD)
    before = contents(out)["trainval"]
    with LmdbReader(out / "raw_trainval_lmdb") as reader:
        build(dataset, out, NEW, redo=True)
        assert list(reader.items()) == before
    assert contents(out)["trainval"] != before


def test_kill_of_a_first_build_leaves_no_name(dataset: Dataset, tmp_path: Path) -> None:
    out = tmp_path / "out"
    for event in range(1, 200, 3):
        shutil.rmtree(out, ignore_errors=True)
        status = killed_at(event, lambda: build(dataset, out, OLD, workers=1))
        for path in out.glob("*_lmdb") if out.exists() else ():
            LmdbReader(path).close()
        if status == 0:
            return
        assert build(dataset, out, OLD, workers=1).manifest["splits"]["trainval"]["records"] == 3


@pytest.mark.parametrize("limit", [4096, 8192, 12_000])
def test_a_full_disk(limit: int, dataset: Dataset, tmp_path: Path) -> None:
    out = tmp_path / "out"
    build(dataset, out, OLD)
    before = contents(out)

    def with_limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        build(dataset, out, NEW, workers=1, redo=True)

    assert in_child(with_limit) == 3
    assert contents(out) == before
    assert not list(tmp_path.glob(".*"))
    build(dataset, out, NEW, redo=True)
    assert contents(out) != before


def test_a_full_disk_while_text_is_written(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    build(dataset, out, OLD)
    before = contents(out)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    for name in ("write_bytes", "sync_tree"):
        with monkeypatch.context() as patch:
            patch.setattr(publish, name, full)
            with pytest.raises(OutputError, match="No space left"):
                build(dataset, out, NEW, redo=True)
        assert contents(out) == before
        assert not list(tmp_path.glob(".*"))


def test_no_permission(dataset: Dataset, tmp_path: Path) -> None:
    out = tmp_path / "out"
    build(dataset, out, OLD)
    before = contents(out)
    for folder in (out, *out.iterdir()):
        folder.chmod(0o555 if folder.is_dir() else 0o444)
    for folder in (tmp_path, *tmp_path.parents):
        if folder.stat().st_uid == os.getuid() and os.getuid() == 0 and folder != Path("/"):
            folder.chmod(folder.stat().st_mode | 0o055)

    def as_nobody() -> None:
        if os.getuid() == 0:
            os.setuid(65534)
        build(dataset, out, NEW, workers=1, redo=True)

    try:
        assert in_child(as_nobody) == 3
    finally:
        out.chmod(0o755)
        for folder in out.iterdir():
            folder.chmod(0o755)
    assert contents(out) == before


def test_two_builds_at_once(dataset: Dataset, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with publish.OutFolder(out), pytest.raises(OutputError, match="another ssd-data is writing"):
        build(dataset, out, OLD)
    assert build(dataset, out, OLD).built == ["trainval", "test"]


def test_a_failed_build_leaves_nothing(dataset: Dataset, tmp_path: Path) -> None:
    (dataset.root / "JPEGImages" / "4.jpg").unlink()
    with pytest.raises(InputError):
        build(dataset, tmp_path / "out" / "below", OLD)
    assert not (tmp_path / "out" / "below").exists()


def test_the_same_again_is_up_to_date(dataset: Dataset, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert build(dataset, out, OLD).built == ["trainval", "test"]
    stamps = {p: p.stat().st_mtime_ns for p in out.rglob("*")}
    assert build(dataset, out, OLD, workers=3).up_to_date
    assert {p: p.stat().st_mtime_ns for p in out.rglob("*")} == stamps


def test_other_options_need_redo(dataset: Dataset, tmp_path: Path) -> None:
    out = tmp_path / "out"
    build(dataset, out, OLD)
    with pytest.raises(OutputError, match=r"size not given \(now \[32, 24\]\)[\s\S]*--redo"):
        build(dataset, out, NEW)
    assert build(dataset, out, NEW, redo=True).built == ["trainval", "test"]


def test_a_folder_never_holds_splits_that_were_built_differently(
    dataset: Dataset, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    build(dataset, out, OLD)
    before = contents(out)
    other = LabelMap.from_names(["dog", "cat"])
    for options, labelmap in ((NEW, None), (OLD, other)):
        with pytest.raises(OutputError, match='"trainval" would stay as it was built'):
            build(dataset, out, options, splits=["test"], labelmap=labelmap, redo=True)
    assert contents(out) == before
    assert build(dataset, out, OLD, splits=["test"], redo=True).built == ["test"]


def test_the_data_sets_own_folder_is_refused(dataset: Dataset) -> None:
    with pytest.raises(OutputError, match="own folder"):
        build(dataset, dataset.root, OLD)


def test_a_changed_picture_or_annotation_needs_redo(dataset: Dataset, tmp_path: Path) -> None:
    out = tmp_path / "out"
    build(dataset, out, OLD)
    picture = dataset.root / "JPEGImages" / "4.jpg"
    picture.write_bytes(picture.read_bytes() + b"\0")
    with pytest.raises(OutputError, match='"test" have changed'):
        build(dataset, out, OLD)
    assert build(dataset, out, OLD, redo=True).built == ["trainval", "test"]


def test_splits_can_come_one_by_one(dataset: Dataset, tmp_path: Path) -> None:
    out = tmp_path / "out"
    build(dataset, out, OLD, splits=["test"])
    result = build(dataset, out, OLD)
    assert result.built == ["trainval"]
    assert list(result.manifest["splits"]) == ["test", "trainval"]


def test_a_folder_holds_one_data_set(dataset: Dataset, tmp_path: Path) -> None:
    out = tmp_path / "out"
    build(dataset, out, OLD)
    other = recognise(Voc(tmp_path / "other").root)
    with pytest.raises(OutputError, match="holds raw, not other"):
        build(other, out, OLD, redo=True)


def test_what_no_build_made_is_not_replaced(dataset: Dataset, tmp_path: Path) -> None:
    out = tmp_path / "out"
    (out / "raw_test_lmdb").mkdir(parents=True)
    (out / "raw_test_lmdb" / "precious").touch()
    with pytest.raises(OutputError, match="raw_test_lmdb: exists"):
        build(dataset, out, OLD)
    assert (out / "raw_test_lmdb" / "precious").exists()


def test_the_data_set_itself_is_not_the_default_out(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert build(dataset, None, OLD).out == Path("raw_lmdb")
