"""Events for TensorBoard, read back by TensorBoard's own reader."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from support import GOLDEN, ROOT
from support.standin import write_standin
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from ssd_data.cli import main
from ssd_data.core.errors import OutputError
from ssd_data.training import curves
from ssd_data.training.caffe.log import parse_log
from ssd_data.training.curves import TensorBoard, open_board
from ssd_data.training.log import Displayed, Snapshotted, Stepped
from ssd_data.training.log import Tested as Scores


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def scalars(folder: str) -> dict[str, list[tuple[int, float]]]:
    """Tag → (iteration, value) of each."""
    read = EventAccumulator(folder, size_guidance={"scalars": 0})
    read.Reload()
    return {
        tag: [(event.step, event.value) for event in read.Scalars(tag)]
        for tag in read.Tags()["scalars"]
    }


def displayed(iteration: int, loss: float, **more: Any) -> Displayed:
    return Displayed(iteration, loss, 0.5, [], **more)


def test_what_is_written() -> None:
    with open_board(Path("runs/a")) as (board,):
        parts = {"loc": 1.0, "conf": 2.0, "matches": 7.0}
        board(displayed(0, 3.0, parts=parts))
        board(Stepped(1, 3.0))
        board(displayed(10, 2.5, parts=parts, speed=56.0, waiting=0.25))
        board(Scores(10, 0, [("detection_eval", 0.75)], {1: 0.5, 2: 1.0}, loss=4.0))
        board(Snapshotted(10, Path("m"), Path("s")))
    assert scalars("runs/a") == {
        "train/loss": [(0, 3.0), (10, 2.5)],
        "train/loss_loc": [(0, 1.0), (10, 1.0)],
        "train/loss_conf": [(0, 2.0), (10, 2.0)],
        "train/learning_rate": [(0, 0.5), (10, 0.5)],
        "train/pictures_per_second": [(10, 56.0)],
        "train/waiting": [(10, 0.25)],
        "test/detection_eval": [(10, 0.75)],
        "test/loss": [(10, 4.0)],
        "test_AP/1": [(10, 0.5)],
        "test_AP/2": [(10, 1.0)],
    }


def test_what_was_written_is_there_before_the_end() -> None:
    with open_board(Path("runs")) as (board,):
        for count in (1, 2):
            board(displayed(count, 3.0))
            assert len(scalars("runs")["train/loss"]) == count


@pytest.mark.parametrize("first", [displayed(60, 9.0), Stepped(61, 9.0), Scores(60, 0, [])])
def test_a_run_that_goes_on_hides_later_iterations(first: Any) -> None:
    for events in ([displayed(n, 1.0) for n in (0, 50, 60, 100)], [first, displayed(70, 2.0)]):
        with open_board(Path("runs")) as (board,):
            for event in events:
                board(event)
    losses = [step for step, _ in scalars("runs")["train/loss"]]
    assert losses == ([0, 50, 60, 70] if isinstance(first, Displayed) else [0, 50, 70])


def test_none_is_nobody() -> None:
    with open_board(None) as boards:
        assert not boards


def test_a_folder_that_cannot_be_written() -> None:
    Path("file").write_text("")
    with pytest.raises(OutputError, match="cannot write"), open_board(Path("file/runs")):
        pass


def test_two_at_once_write_files_of_their_own() -> None:
    with open_board(Path("runs")) as (one,), open_board(Path("runs")) as (other,):
        one(displayed(1, 3.0))
        other(displayed(2, 2.0))
    assert len(list(Path("runs").iterdir())) == 2
    assert scalars("runs")["train/loss"] == [(1, 3.0), (2, 2.0)]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no disk that is always full")
def test_a_full_disk_is_said_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """By who writes, with one error, however often it is closed."""
    full = Path("/dev/full").open("wb")  # noqa: SIM115 - closed by who writes
    monkeypatch.setattr(curves, "_new_events", lambda folder: full)
    threads = threading.active_count()
    board = TensorBoard("runs")
    assert threading.active_count() == threads
    with pytest.raises(OutputError) as caught:
        board(displayed(0, 3.0))
    assert full.closed
    board.close()
    assert (caught.value.where, caught.value.hint) == ("runs", "Free space, and try again")


def test_the_command_with_a_real_caffe() -> None:
    for name in ("train.prototxt", "test.prototxt", "labelmap.prototxt", "solver_sgd.prototxt"):
        shutil.copy(GOLDEN / "training" / name, ".")
    for name in ("lmdb", "lmdb_test"):
        shutil.copytree(GOLDEN / "training" / "lmdb", name)
    caffe = ["--engine", "caffe", "--caffe", str(write_standin(Path("bin/caffe")))]
    with pytest.raises(SystemExit) as caught:
        main(["train", "solver_sgd.prototxt", *caffe, "--tensorboard", "runs", "-q"])
    assert not caught.value.code
    theirs = parse_log(GOLDEN / "training" / "caffe_sgd.log")
    expected = {e.iteration: e.loss for e in theirs if isinstance(e, Displayed)}
    assert dict(scalars("runs")["train/loss"]) == pytest.approx(expected)


def test_without_the_package_nothing_starts() -> None:
    code = "import sys; sys.modules['tensorboard'] = None; from ssd_data.cli import main; main()"
    ended = subprocess.run(
        [sys.executable, "-c", code, "train", "solver.prototxt", "--tensorboard", "runs"],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert ended.returncode == 2
    assert "this needs TensorBoard" in ended.stderr
    assert "pip install 'ssd-data[tensorboard]'" in ended.stderr
    assert not Path("runs").exists()
