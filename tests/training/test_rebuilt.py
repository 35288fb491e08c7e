"""A run does not go on in silence where its LMDB was built anew."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support import commands

from ssd_data.data.lmdb.store import LmdbReader
from ssd_data.data.lmdb.writer import LmdbWriter
from ssd_data.proto import caffe_pb2
from ssd_data.training import loop, run
from ssd_data.training.solver_file import SolverFile

Run = Callable[..., commands.Result]
TRAIN = ("train", "short.prototxt", "--device", "cpu", "--max-iter")
RESUME = (*TRAIN, 6, "--resume", "auto")
STATE = "short_iter_4.solverstate"


@pytest.fixture
def begun(solver_file: Path, run: Run) -> None:
    """A run with a snapshot after four updates."""
    assert run(*TRAIN, 4).status == 0


def rebuild(source: str, change: Callable[[list[bytes]], list[bytes]]) -> None:
    """The LMDB with other values."""
    with LmdbReader(source) as reader:
        keys, values = zip(*reader.items(), strict=True)
    shutil.rmtree(source)
    with LmdbWriter(Path(source)) as writer:
        for key, value in zip(keys, change(list(values)), strict=False):
            writer.put(key, value)


def other_label(values: list[bytes]) -> list[bytes]:
    datum = caffe_pb2.AnnotatedDatum.FromString(values[-1])
    for group in datum.annotation_group:
        group.group_label = group.group_label % 4 + 1
    return [*values[:-1], datum.SerializeToString()]


@pytest.mark.parametrize(
    ("change", "how"),
    [
        (lambda values: values[:-2], "30 records, then 32"),
        (lambda values: values[::-1], "other pictures, boxes, or another order"),
        (other_label, "other pictures, boxes, or another order"),
    ],
)
def test_it_stops_and_says_so(
    change: Callable[[list[bytes]], list[bytes]], how: str, begun: None, run: Run
) -> None:
    rebuild("lmdb", change)
    done = run(*RESUME)
    assert done.status == 1
    assert f"lmdb: it is not the LMDB that {STATE} was trained on ({how})" in done.err
    assert "--weights short_iter_4.caffemodel" in done.err
    assert not Path("short_iter_6.solverstate").exists()
    done = run(*RESUME, "--other-data")
    assert done.status == 0
    assert "warning: train.prototxt" in done.err
    assert how in done.err
    again = run(*TRAIN, 8, "--resume", "auto")  # which has the new one's records by now
    assert again.status == 0
    assert how not in again.err


def test_what_is_the_same_is_known_again(begun: None, run: Run) -> None:
    rebuild("lmdb", lambda values: values)
    done = run(*RESUME)
    assert (done.status, "it is not the LMDB" in done.err) == (0, False)


def test_another_one_to_test_with_is_only_doubtful(begun: None, run: Run) -> None:
    rebuild("lmdb_test", lambda values: values[::-1])
    done = run(*RESUME)
    assert done.status == 0
    assert "warning: test.prototxt" in done.err
    assert "lmdb_test: it is not the LMDB that short_iter_4.solverstate" in done.err


def test_snapshots_that_do_not_say_are_gone_on_with(begun: None, run: Run) -> None:
    beside = Path(STATE).with_suffix(".resume.json")
    table = json.loads(beside.read_text())
    assert table["data"][0]["data"]["records"] == 32
    del table["data"]
    beside.write_text(json.dumps(table))
    rebuild("lmdb", lambda values: values[::-1])
    assert run(*RESUME).status == 0


@pytest.mark.parametrize("data", [5, [5], [{"data": 5}], [{"data": {"records": 3}}]])
def test_what_no_training_writes(data: object, begun: None, run: Run) -> None:
    Path(STATE).with_suffix(".resume.json").write_text(json.dumps({"data": data}))
    done = run(*TRAIN, 6, "--resume", STATE)
    assert done.status == 1
    assert 'its "data" is not what a training writes' in done.err


def test_it_trains_on_what_was_looked_at(
    solver_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A build between the preflight and the first batch is the next run's."""
    given: list[Any] = []

    def train_file(file: SolverFile, *rest: Any) -> Any:
        Path("lmdb").rename("old")
        shutil.copytree("old", "lmdb")
        rebuild("lmdb", lambda values: values[:3])
        given.append(loop.identities(loop.open_sources([file.train])))
        return run.TrainResult()

    monkeypatch.setattr(run, "train_file", train_file)
    run.train("short.prototxt", device="cpu", max_iter=1)
    assert given[0][0]["data"]["records"] == 32
