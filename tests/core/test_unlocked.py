"""File systems without locks: commands go on and say so, and two of them never mix."""

import errno
import os
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
from support.kills import fork, in_child, tree, wait
from support.trees import Voc

from ssd_data.cli import main
from ssd_data.core.errors import OutputError, SsdDataWarning
from ssd_data.core.files import publish, unlocked
from ssd_data.core.files.exchange import CannotExchangeError, remove_tree
from ssd_data.core.files.publish import OutFolder
from ssd_data.core.files.whole import UNLOCKED, write_text

CODES = [errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS]
ITEMS = ("lmdb/data.mdb", "labelmap", "build.json")


@pytest.fixture(params=["exchanged", "in steps"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both ways in which a folder changes."""
    if request.param == "in steps":

        def cannot(a: Path, b: Path) -> None:
            raise CannotExchangeError("not here")

        monkeypatch.setattr(publish, "exchange", cannot)
    return str(request.param)


@pytest.fixture(autouse=True)
def no_locks(monkeypatch: pytest.MonkeyPatch) -> None:
    def flock(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr("fcntl.flock", flock)


@contextmanager
def unlocked_folder(out: Path) -> Iterator[OutFolder]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SsdDataWarning)
        with OutFolder(out) as work:
            yield work


def put(out: Path, text: str, items: tuple[str, ...] = ITEMS) -> None:
    with unlocked_folder(out) as work:
        stage(work, text, items)
        work.publish()


def stage(work: OutFolder, text: str, items: tuple[str, ...] = ITEMS) -> None:
    for name in items:
        path = work.staging / name
        path.parent.mkdir(exist_ok=True)
        write_text(path, text)


def texts(folder: Path, items: tuple[str, ...] = ITEMS) -> set[str]:
    return {(folder / name).read_text() for name in items}


def status_of(action: Callable[[], object]) -> int:
    """0, or 3 where it says that another has written meanwhile."""
    try:
        action()
    except OutputError as error:
        return 3 if "another command" in error.what else 4
    return 0


@pytest.mark.parametrize("code", CODES)
def test_it_goes_on_and_warns(code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def flock(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr("fcntl.flock", flock)
    out = tmp_path / "below" / "out"
    for text in ("old", "new"):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("default", SsdDataWarning)
            with OutFolder(out) as work:
                stage(work, text)
                work.publish()
        said = [str(warning.message) for warning in caught]
        assert said == [f"{out}: {UNLOCKED}"]
        assert texts(out) == {text}
        assert not list(tmp_path.rglob(".*"))


def test_another_fault_of_a_lock_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def flock(*_: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patch:
        patch.setattr("fcntl.flock", flock)
        with pytest.raises(OutputError, match="out: cannot write: Input/output error"):
            put(tmp_path / "out", "new")
    monkeypatch.undo()
    put(tmp_path / "out", "new")
    assert not list(tmp_path.rglob(".*"))


@pytest.mark.parametrize("there", [False, True])
def test_the_second_to_end_is_refused(way: str, there: bool, tmp_path: Path) -> None:
    out = tmp_path / "out"
    if there:
        put(out, "old")

    def first() -> None:
        with unlocked_folder(out) as work:
            stage(work, "first")
            assert in_child(lambda: status_of(lambda: put(out, "second"))) == 0
            assert texts(work.staging) == {"first"}, "the other has a staging folder of its own"
            work.publish()

    with pytest.raises(OutputError, match="out: another command has written into this folder"):
        first()
    assert texts(out) == {"second"}
    assert sorted(path.name for path in tmp_path.rglob("*")) == [
        "build.json", "data.mdb", "labelmap", "lmdb", "out"
    ]  # fmt: skip
    put(out, "first")
    assert texts(out) == {"first"}


def test_it_is_seen_at_the_last_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other publishes just before the two folders change places."""
    out, exchange = tmp_path / "out", publish.exchange
    put(out, "old")
    (out / "notes").write_text("mine")
    others: list[int] = []

    def late(a: Path, b: Path) -> None:
        monkeypatch.setattr(publish, "exchange", exchange)
        others.append(in_child(lambda: status_of(lambda: put(out, "second"))))
        exchange(a, b)

    monkeypatch.setattr(publish, "exchange", late)
    assert status_of(lambda: put(out, "first")) == 3
    assert others == [0]
    assert texts(out) == {"second"}
    assert (out / "notes").read_text() == "mine"
    assert not list(tmp_path.rglob(".*"))


def test_what_is_not_replaced_is_no_obstacle(way: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    put(out, "old")
    with unlocked_folder(out) as first:
        stage(first, "first", ("other",))
        assert in_child(lambda: status_of(lambda: put(out, "second"))) == 0
        first.publish()
    assert texts(out) == {"second"}
    assert texts(out, ("other",)) == {"first"}
    assert not list(tmp_path.rglob(".*"))


def test_many_at_once_end_as_one_of_them(way: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    for round_ in range(8):
        if round_ % 2:
            remove_tree(out)
        texts_ = [f"{round_}{name}" for name in "abcd"]
        jobs = [fork(partial(status_of, partial(put, out, text))) for text in texts_]
        ends = [wait(job) for job in jobs]
        assert set(ends) <= {0, 3, 4}
        assert 0 in ends
        assert len(texts(out)) == 1
        assert texts(out) <= {text for text, end in zip(texts_, ends, strict=True) if not end}
        assert not list(tmp_path.rglob(".*"))


def test_what_a_killed_one_had_begun_is_finished_when_it_is_surely_dead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cannot(a: Path, b: Path) -> None:
        raise CannotExchangeError("not here")

    monkeypatch.setattr(publish, "exchange", cannot)
    out, rename = tmp_path / "out", os.rename
    put(out, "old")

    def dies(source: Path, target: Path) -> None:
        rename(source, target)
        if Path(target) == out / "labelmap":
            os._exit(9)

    monkeypatch.setattr(os, "rename", dies)
    assert in_child(lambda: status_of(lambda: put(out, "new"))) == 9
    monkeypatch.setattr(os, "rename", rename)
    assert texts(out) == {"old", "new"}, "between the two states"
    with pytest.raises(OutputError, match="or was killed while it did") as caught:
        put(out, "newer")
    assert "a minute" in caught.value.hint
    monkeypatch.setattr(unlocked, "MOVING", 0.02)
    time.sleep(0.1)
    with unlocked_folder(out):
        assert texts(out) == {"new"}
    assert not list(out.rglob(".*"))


def test_what_a_killed_one_left_is_removed_after_a_week(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    put(out, "old")
    left = [tmp_path / ".out.staging.0123abcd", out / ".staging.0123abcd"]
    others = [tmp_path / ".out.staging_mine", tmp_path / ".outer.staging.0123abcd"]
    for folder in (*left, *others):
        (folder / "new").mkdir(parents=True)
    put(out, "new")
    assert all(folder.exists() for folder in (*left, *others))
    monkeypatch.setattr(unlocked, "FORGOTTEN", 0.02)
    time.sleep(0.1)
    put(out, "newer")
    assert not any(folder.exists() for folder in left)
    assert all(folder.exists() for folder in others)


def test_no_room_for_a_longer_name(way: str, tmp_path: Path) -> None:
    for length in (240, 250):
        out = tmp_path / ("x" * length)
        for text in ("old", "new"):
            put(out, text)
            assert texts(out) == {text}
        remove_tree(out)
        assert not list(tmp_path.iterdir())


def test_the_command_line_says_it_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Voc(Path("raw"), 2)

    def said(*words: str) -> str:
        with pytest.raises(SystemExit) as caught:
            main(["build", "raw", *words])
        assert not caught.value.code
        return capsys.readouterr().err

    line = (
        "warning: OUT: this file system has no locks: a second process here would not be kept out"
    )
    assert said("-o", "OUT").splitlines() == [line]
    assert said("-o", "OUT", "--redo").splitlines() == [line]
    assert said("-o", "OTHER", "-q") == ""
    assert not list(tmp_path.rglob(".*"))
    assert tree(Path("OUT")) == tree(Path("OTHER"))
