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
    """Run in a forked process; its exit status, negative for a signal."""
    pid = os.fork()
    if not pid:
        status = 70
        try:
            action()
            status = 0
        except OutputError as error:
            print(error, file=sys.stderr)
            status = 3
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


WATCHED = ("open", "os.", "shutil.", "ctypes.dlsym", "fcntl.")


def killed_at(event: int, action: Callable[[], Any]) -> Callable[[], Any]:
    """``action``, killed without warning when it touches the system for the ``event``-th time."""

    def run() -> None:
        count = 0

        def watch(name: str, _: object) -> None:
            nonlocal count
            count += name.startswith(WATCHED)
            if count == event:
                os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(watch)
        action()

    return run


@pytest.mark.parametrize("exchange", [True, False])
def test_kill_at_any_moment(
    exchange: bool, dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not exchange:  # as on a file system that cannot swap two names
        monkeypatch.setattr(publish, "_exchange", lambda a, b: False)
    out, first = tmp_path / "out", tmp_path / "first"
    build(dataset, first, OLD, workers=1)
    build(dataset, tmp_path / "second", NEW, workers=1)
    old, new = contents(first), contents(tmp_path / "second")

    def rebuild() -> None:
        build(dataset, out, NEW, workers=1, redo=True)

    for event in range(1, 2000):
        shutil.rmtree(out, ignore_errors=True)
        shutil.copytree(first, out)
        status = in_child(killed_at(event, rebuild))
        if not exchange:  # its one gap is closed by whoever opens the folder next
            with publish.OutFolder(out):
                pass
        found = contents(out)
        for split in found:
            assert found[split] in (old[split], new[split]), (event, split)
        manifest = read_manifest(out)
        assert manifest is not None
        if manifest.options["size"]:
            assert found == new, event
        if status == 0:
            break
        assert status == -signal.SIGKILL
        rebuild()
        assert contents(out) == new, event
        assert sorted(p.name for p in out.iterdir()) == sorted(p.name for p in first.iterdir())
    else:
        pytest.fail("the build never came to its end")
    assert event > 50


def test_kill_of_a_first_build_leaves_no_name(dataset: Dataset, tmp_path: Path) -> None:
    out = tmp_path / "out"
    for event in range(1, 200, 3):
        shutil.rmtree(out, ignore_errors=True)
        status = in_child(killed_at(event, lambda: build(dataset, out, OLD, workers=1)))
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
    assert not (out / ".staging").exists()
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

    for name in ("write_text", "sync_folder"):
        with monkeypatch.context() as patch:
            patch.setattr(publish, name, full)
            patch.setattr("ssd_data.data.build.builder.write_text", full)
            with pytest.raises(OutputError, match="No space left"):
                build(dataset, out, NEW, redo=True)
        assert contents(out) == before
        assert not (out / ".staging").exists()


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
