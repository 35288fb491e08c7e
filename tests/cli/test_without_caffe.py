"""Where no real Caffe is asked for, nobody looks for one."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support import GOLDEN
from support.nets import write_detector
from support.trees import Voc, jpeg

MEAN = ("--mean", "127.5", "--scale", "0.0078")


class Environment(dict[str, str]):
    """Notes what it is asked for."""

    def __init__(self) -> None:
        super().__init__(os.environ)
        self.asked: list[object] = []

    def get(self, name: str, default: Any = None) -> Any:
        self.asked.append(name)
        return super().get(name, default)

    def __getitem__(self, name: str) -> str:
        self.asked.append(name)
        return super().__getitem__(name)

    def __contains__(self, name: object) -> bool:
        self.asked.append(name)
        return super().__contains__(name)


@pytest.fixture
def trap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Environment:
    """A Caffe on the PATH and one at CAFFE_ROOT; what is run or imported of them leaves a mark."""
    mark = tmp_path / "mark"
    for path in ("bin/caffe", "root/build/tools/caffe"):
        (tmp_path / path).parent.mkdir(parents=True)
        (tmp_path / path).write_text(f"#!/bin/sh\ntouch {mark}\n")
        (tmp_path / path).chmod(0o755)
    module = tmp_path / "root" / "python" / "caffe" / "__init__.py"
    module.parent.mkdir(parents=True)
    module.write_text(f"open({str(mark)!r}, 'w').close()\nraise ImportError('a trap')\n")
    monkeypatch.setenv("CAFFE_ROOT", str(tmp_path / "root"))
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.delitem(sys.modules, "caffe", raising=False)
    found = Environment()
    monkeypatch.setattr(os, "environ", found)
    which = shutil.which

    def asks(name: Any, *rest: Any, **more: Any) -> Any:
        found.asked.append(name)
        return which(name, *rest, **more)

    monkeypatch.setattr(shutil, "which", asks)
    return found


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    work = tmp_path / "work"
    shutil.copytree(GOLDEN / "training", work)
    shutil.copytree(work / "lmdb", work / "lmdb_test")
    monkeypatch.chdir(work)
    write_detector(work, classes=2)
    Voc(work / "raw").held_back("t")
    (work / "photo.jpg").write_bytes(jpeg())
    yield work
    assert not (tmp_path / "mark").exists()


NET = ("deploy.prototxt", "tiny.caffemodel")
COMMANDS: tuple[tuple[object, ...], ...] = (
    ("--help",),
    ("train", "--help"),
    ("build", "raw", "-o", "out", "--link", "links"),
    ("check", "out"),
    ("inspect", "links/test_lmdb"),
    ("model", "tiny_ssd", "--build", "out", "-o", "nets"),
    ("train", "solver_sgd.prototxt", "--max-iter", 1, "--device", "cpu"),
    ("test", "test.prototxt", "--weights", "initial.caffemodel", "--iterations", 1),
    ("detect", *NET, "photo.jpg", *MEAN),
    ("detect", *NET, "photo.jpg", *MEAN, "--engine", "opencv"),
    ("parity", *NET, "--engines", "torch,opencv"),
    ("eval", "links/test_lmdb", "--deploy", NET[0], "--weights", NET[1], *MEAN),
    ("time", NET[0], "--iterations", 1, "--device", "cpu"),
    ("deploy", *NET, "--profile", "npu", "-o", "shipped", *MEAN),
    ("weights", "show", NET[1]),
    ("report", "out", "-o", "page.html"),
)


def test_nobody_looks_for_it(trap: Environment, work: Path, run: Any) -> None:
    for command in COMMANDS:
        done = run(*command)
        assert done.status == 0, (command, done.err)
        assert "CAFFE_ROOT" not in trap.asked, command
        assert not [one for one in trap.asked if "caffe" in str(one).lower()], command
    assert not any(Path(entry).is_relative_to(work.parent / "root") for entry in sys.path)


def test_it_is_looked_for_on_request(trap: Environment, tmp_path: Path, run: Any) -> None:
    write_detector(tmp_path, classes=2)
    (tmp_path / "photo.jpg").write_bytes(jpeg())
    files = (tmp_path / name for name in (*NET, "photo.jpg"))
    refused = run("detect", *files, *MEAN, "--engine", "caffe")
    assert "a trap" in refused.err
    assert "CAFFE_ROOT" in trap.asked
    assert (tmp_path / "mark").exists()
