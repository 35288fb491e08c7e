"""The journal of an evaluation against what crashes, copies and strangers leave in it."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.nets import write_detector

from ssd_data.core.errors import OutputError
from ssd_data.core.files.whole import UNLOCKED
from ssd_data.core.structures import Detections
from ssd_data.data.synthetic.sample import draw_sample
from ssd_data.evaluation import journal as module
from ssd_data.evaluation.journal import Journal

HEADER = {"net": "abc", "threshold": 0.01, "set": "/data/voc_test_lmdb"}
NAMES = ["a", "b", "ärger", "d"]


def found(count: int) -> Detections:
    ones = np.ones(count, np.float32)
    return Detections(np.ones(count, np.int32), ones / 2, np.ones((count, 4), np.float32))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Of four pictures."""
    path = tmp_path / "out" / "found.jsonl"
    with Journal(path, HEADER) as journal:
        for number, name in enumerate(NAMES):
            journal.add(name, (20, 10), found(number))
        journal.flush()
    return path


def read(path: Path) -> tuple[list[str], int]:
    with Journal(path, HEADER) as journal:
        return list(journal), journal.broken


def spoil(path: Path, line: int, old: bytes, new: bytes) -> None:
    lines = path.read_bytes().split(b"\n")
    assert old in lines[line - 1]
    lines[line - 1] = lines[line - 1].replace(old, new, 1)
    path.write_bytes(b"\n".join(lines))


@pytest.mark.parametrize("cut", [1, 40, 200, 400])
def test_a_batch_is_taken_as_a_whole_or_not_at_all(cut: int, path: Path) -> None:
    """Else the net would get other pictures together than without the kill."""
    with Journal(path, HEADER) as journal:
        for name, more in (("e", True), ("f", True), ("g", False)):
            journal.add(name, (20, 10), found(2), more=more)
    whole = path.read_bytes()
    assert read(path) == ([*NAMES, "e", "f", "g"], 0)
    path.write_bytes(whole[:-cut])
    assert read(path) == (NAMES, 0)
    with Journal(path, HEADER) as journal:
        assert "e" not in journal
        assert set(journal.sizes) == set(NAMES)
        for name, more in (("e", True), ("f", True), ("g", False)):
            journal.add(name, (20, 10), found(2), more=more)
    assert path.read_bytes() == whole


def test_a_batch_with_a_spoilt_line(path: Path) -> None:
    with Journal(path, HEADER) as journal:
        journal.add("e", (20, 10), found(2), more=True)
        journal.add("f", (20, 10), found(2))
    spoil(path, 7, b'"crc":', b'"crc":1')
    assert read(path) == (NAMES, 7)
    assert read(path) == (NAMES, 0)


def test_a_whole_one(path: Path) -> None:
    assert read(path) == (NAMES, 0)


@pytest.mark.parametrize("new", [b"a\xffc", b"\xed\xa0\x80", b"", b'"', b"\x00"])
def test_a_first_line_that_is_none_is_refused(new: bytes, path: Path) -> None:
    spoil(path, 1, b'"abc"' if new == b'"' else b"abc", new)
    before = path.read_bytes()
    with pytest.raises(OutputError) as caught:
        Journal(path, HEADER)
    assert "not of an evaluation" in str(caught.value) or "made otherwise" in str(caught.value)
    assert path.read_bytes() == before


@pytest.mark.parametrize("new", [b"\xff", b"\xc3", b"", b"b\x00", b"c", b'"'])
def test_from_a_line_that_is_none_on_all_is_found_anew(new: bytes, path: Path) -> None:
    spoil(path, 3, b'b"' if new == b'"' else b"b", new)
    assert read(path) == (["a"], 3)
    assert read(path) == (["a"], 0)  # the rest was thrown away


def test_a_last_line_without_an_end_is_a_crashs(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])
    assert read(path) == (NAMES[:3], 0)


@pytest.mark.parametrize("size", [(0, 10), (20, -1), (1 << 40, 10)])
def test_pictures_have_a_size(size: tuple[int, int], path: Path) -> None:
    with Journal(path, HEADER) as journal:
        journal.add("e", size, found(1))
    assert read(path) == (NAMES, 6)


def test_what_another_run_has_made_is_said_in_short(path: Path) -> None:
    first, rest = path.read_bytes().split(b"\n", 1)
    table = {
        **json.loads(first),
        "net": "x" * 5000,
        "\x1b[2J": 1,
        **{f"k{i}": i for i in range(99)},
    }
    path.write_bytes(json.dumps(table).encode() + b"\n" + rest)
    with pytest.raises(OutputError, match="made otherwise") as caught:
        Journal(path, HEADER)
    assert len(str(caught.value)) < 1000
    assert "\x1b" not in str(caught.value)


def test_lines_that_never_end(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_LINE", 400)
    with path.open("ab") as file:
        file.write(b"x" * 4000)
    assert read(path) == (NAMES, 0)
    monkeypatch.setattr(module, "MOST_HEADER", 20)
    with pytest.raises(OutputError, match="not of an evaluation"):
        Journal(path, HEADER)


def test_no_file_is_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "found.jsonl")
    with pytest.raises(OutputError, match="not of an evaluation"):
        Journal(tmp_path / "found.jsonl", HEADER)
    (tmp_path / "folder").mkdir()
    with pytest.raises(OutputError, match="cannot write.*: Is a directory"):
        Journal(tmp_path / "folder", HEADER)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(at=st.integers(0, 900), value=st.integers(0, 255), cut=st.integers(0, 3))
def test_changed_bytes(at: int, value: int, cut: int, path: Path) -> None:
    whole = path.read_bytes()
    path.write_bytes(whole[:at] + bytes([value]) + whole[at + cut :])
    try:
        names, _ = read(path)
    except OutputError:
        names = []
    finally:
        path.write_bytes(whole)
    assert names == NAMES[: len(names)]


# ---- stopped ----


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_says_that_it_can_go_on(
    number: int, tmp_path: Path, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw_sample(tmp_path / "sample", train=1, test=4, size=64)
    deploy, weights = write_detector(tmp_path, classes=4)
    args = ("eval", tmp_path / "sample" / "voc", "--deploy", deploy, "--weights", weights)
    args = (*args, "--batch", 1, "--mean", "127.5", "--scale", "0.0078")
    add = Journal.add

    def stop(self: Journal, *found: Any, **more: Any) -> None:
        add(self, *found, **more)
        os.kill(os.getpid(), number)

    with monkeypatch.context() as patch:
        patch.setattr(Journal, "add", stop)
        done = run(*args, "--out", tmp_path / "out")
        assert (done.status, done.out) == (130, "")
        assert done.err.strip() == "interrupted; the same command goes on from here"
        done = run(*args)
        assert (done.status, done.err.strip()) == (130, "interrupted; nothing is half-written")
    done = run(*args, "--out", tmp_path / "out", "--json")
    assert (done.status, done.json["speed"]["resumed"]) == (0, 1)


# ---- a file system without locks ----


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS])
def test_without_locks_it_goes_on_and_says_so(
    code: int, tmp_path: Path, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def flock(file: object, how: int) -> None:
        raise OSError(code, os.strerror(code))

    draw_sample(tmp_path / "sample", train=1, test=2, size=64)
    deploy, weights = write_detector(tmp_path, classes=4)
    monkeypatch.setattr(fcntl, "flock", flock)
    data = tmp_path / "sample" / "voc"
    done = run(
        *("eval", data, "--deploy", deploy, "--weights", weights, "--out", tmp_path / "out"),
        *("--mean", "127.5", "--scale", "0.0078"),
    )
    assert done.status == 0
    assert UNLOCKED in done.out + done.err


def test_another_fault_of_the_lock_is_an_error(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def flock(file: object, how: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(fcntl, "flock", flock)
    with pytest.raises(OutputError, match="Input/output error"):
        Journal(path, HEADER)
