"""A real Caffe, as it was seen to behave: crashes, kills, silence, HDF5, its own clock."""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support import GOLDEN, ROOT
from support.commands import Result
from support.standin import write_standin

import ssd_data
from ssd_data.core.errors import OutputError, UsageError
from ssd_data.core.files.whole import lock
from ssd_data.training.caffe.binary import run_caffe
from ssd_data.training.caffe.crash import LastLines
from ssd_data.training.caffe.finding import find_caffe
from ssd_data.training.caffe.log import LogParser
from ssd_data.training.log import Event, Snapshotted, lines

Run = Callable[..., Result]
NET = "solver_sgd.prototxt"


@pytest.fixture(autouse=True)
def _no_other_caffe(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CAFFE_ROOT", raising=False)
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setitem(sys.modules, "caffe", None)


def train(run: Run, binary: Path, *more: object) -> Result:
    return run("train", NET, "--engine", "caffe", "--caffe", binary, *more)


# ---- crashes ----


def test_a_crash_keeps_its_reason_and_what_came_before(folder: Path, run: Run) -> None:
    done = train(run, write_standin(Path("bin/caffe"), crash_at=70))
    assert done.status == 1
    said = done.err[done.err.index("was ended by SIGABRT") :]
    assert "Check failed: error == cudaSuccess (2 vs. 0)  out of memory" in said
    assert "Iteration 69, loss" in said
    assert "0x7f2b" not in said
    assert "batch_size" in said


def test_what_was_fatal_stays_however_much_is_said_after_it() -> None:
    last = LastLines()
    last.hear("E1121 10:00:00.123456    77 data.cpp:1] Could not open the LMDB")
    for number in range(40):
        last.hear(f"I1121 10:00:00.123456    77 net.cpp:1] {number}")
    assert last.lines()[0].endswith("Could not open the LMDB")
    assert len(last.lines()) == 13


KNOWN = "AbsVal, AnnotatedData, Convolution, DetectionOutput, MultiBoxLoss, ReLU"


@pytest.mark.parametrize(
    ("fatal", "hint"),
    [
        (
            f"Unknown layer type: ReLU6 (known types: {KNOWN})",
            "The SSD branch has none either. Take a Caffe that has ReLU6",
        ),
        ("Unknown layer type: ReLU6", "ReLU in its place"),
        (
            f"Unknown layer type: Axpy (known types: {KNOWN})",
            "Take a Caffe that has Axpy, or nets without",
        ),
        ("Unknown layer type: AnnotatedData (known types: AbsVal, Data)", "is not the SSD branch"),
        ("Check failed: a <= b (0 vs. -1.19209e-07)", "SampleBBox"),
        ("Check failed: a <= b (3 vs. 2)", "Caffe's own"),
    ],
)
def test_cures(fatal: str, hint: str) -> None:
    last = LastLines()
    last.hear(f"F1121 10:00:00.123456    77 layer_factory.hpp:1] {fatal}")
    assert hint in last.cure()


# ---- kills ----

PARENT = """
from ssd_data.cli import main
main(["train", "solver_sgd.prototxt", "--engine", "caffe", "--caffe", "bin/caffe"])
"""


def wait_for(done: Callable[[], bool]) -> bool:
    for _ in range(600):
        if done():
            return True
        time.sleep(0.05)
    return False


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{pid}/stat")
    return not (state.exists() and state.read_text().rpartition(") ")[2].startswith("Z"))


@pytest.mark.parametrize("wrapped", [False, True])
def test_killed_it_takes_caffe_along(folder: Path, wrapped: bool) -> None:
    """Also where the executable is a script that starts the real one."""
    write_standin(Path("bin/real"), slow_at=5, deaf=True)
    start = "" if wrapped else "exec "
    Path("bin/caffe").write_text(f'#!/bin/sh\n{start}bin/real "$@"\n')
    Path("bin/caffe").chmod(0o755)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    pid = 0
    try:
        assert wait_for(Path("called.json").exists)
        assert wait_for(lambda: "Iteration 3," in Path("sgd.log").read_text())
        pid = json.loads(Path("called.json").read_text())["pid"]
        assert is_alive(pid)
        parent.send_signal(signal.SIGKILL)
        parent.wait()
        assert wait_for(lambda: not is_alive(pid))
    finally:
        for one in (parent.pid, pid):
            if one and is_alive(one):
                os.kill(one, signal.SIGKILL)


def test_caffe_holds_the_lock_as_well(folder: Path) -> None:
    """Where nothing could end it, no second training of the same snapshots begins beside it."""
    mine = Path("x.log").open("w")  # noqa: SIM115
    held: list[bool] = []

    def listen(event: Event) -> None:
        if held:
            return
        mine.close()
        with Path("x.log").open() as other, pytest.raises(OutputError, match="writing"):
            lock(other, "writing", where="x.log", hint="")
        held.append(True)

    fcntl.flock(mine, fcntl.LOCK_EX)
    binary = write_standin(Path("bin/caffe"), slow_at=5)
    asked = {"asked": lambda: len(held)}
    run_caffe(NET, binary=binary, listeners=[listen], held=(mine.fileno(),), **asked)
    with Path("x.log").open() as other:
        assert held
        assert lock(other, "writing", where="x.log", hint="")


# ---- what is said ----


def test_quiet_says_nothing_of_caffes_log(folder: Path, run: Run) -> None:
    binary = write_standin(Path("bin/caffe"))
    done = train(run, binary, "-q")
    assert (done.status, done.out, done.err) == (0, "", "")
    assert len(Path("sgd.jsonl").read_text().splitlines()) > 100
    crashed = train(run, write_standin(Path("bin/caffe"), crash_at=70), "-q")
    assert crashed.err.count("out of memory") == 2  # the line itself, and in the error
    assert "Iteration 1, loss" not in crashed.err


def test_its_log_is_read_whatever_the_environment_says(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GLOG_minloglevel", "2")
    run_caffe(NET, binary=write_standin(Path("bin/caffe")))
    assert json.loads(Path("called.json").read_text())["level"] == "0"


def test_it_says_which_caffe_trains(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    binary = write_standin(folder / "bin" / "caffe")
    said: list[str] = []
    ssd_data.train(NET, engine="caffe", caffe=binary, say=said.append)
    assert f"caffe: {binary} (of --caffe)" in said
    monkeypatch.setenv("PATH", str(folder / "bin"))
    monkeypatch.setenv("CAFFE_ROOT", str(folder / "root"))
    wrong = f"CAFFE_ROOT={folder / 'root'} holds no build/tools/caffe"
    assert find_caffe().said == f"{binary} (of the PATH); {wrong}"
    built = write_standin(folder / "root" / "build" / "tools" / "caffe")
    assert find_caffe().said == f"{built} (of CAFFE_ROOT)"
    built.unlink()
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(UsageError, match="holds no build/tools/caffe"):
        find_caffe()


def test_no_log_is_begun_before_a_caffe_is_found(folder: Path, run: Run) -> None:
    done = run("train", NET, "--engine", "caffe")
    assert done.status == 2
    assert "no Caffe was found" in done.err
    assert not Path("sgd.log").exists()
    assert not Path("sgd.jsonl").exists()


def test_without_display_there_is_no_loss(folder: Path, run: Run) -> None:
    Path("bin").mkdir()
    Path("bin/caffe").write_text("#!/bin/sh\necho 'I1121 10:00:00.123456 7 a.cpp:1] Hello' >&2\n")
    Path("bin/caffe").chmod(0o755)
    done = train(run, Path("bin/caffe"))
    assert "done at iteration 120\n" in done.out
    assert "loss" not in done.out
    assert train(run, Path("bin/caffe"), "--json").json["loss"] is None


def test_relu6_is_named_before_it_starts(folder: Path, run: Run) -> None:
    for name in ("train.prototxt", "test.prototxt"):
        Path(name).write_text(Path(name).read_text().replace('"ReLU"', '"ReLU6"'))
    done = train(run, write_standin(Path("bin/caffe")))
    assert done.err.count("the SSD branch has no layer of type ReLU6") == 2  # once a net
    assert "train.prototxt:" in done.err[: done.err.index("the SSD branch has")]
    done = train(run, Path("bin/caffe"), "--json", "--quiet")
    assert "SSD branch" not in done.err


# ---- its clock ----


def rows() -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path("sgd.jsonl").read_text().splitlines()]


def test_times_are_those_of_its_log(folder: Path) -> None:
    """The golden run took 3.28 s from its first loss to its last; the replay takes no time."""
    ssd_data.train(NET, engine="caffe", caffe=write_standin(Path("bin/caffe")))
    told = [row for row in rows() if row["event"] == "train"]
    took = told[-1]["seconds"] - told[0]["seconds"]
    log = (GOLDEN / "training" / "caffe_sgd.log").read_text().splitlines()
    stamps = [line.split()[1] for line in log if "Iteration" in line and "loss" in line]
    first, last = (
        sum(float(x) * y for x, y in zip(s.split(":"), (3600, 60, 1), strict=True))
        for s in (stamps[0], stamps[-1])
    )
    assert took == pytest.approx(last - first, abs=2e-3)
    assert told[0]["pictures_per_second"] is None
    assert told[0]["waiting_share"] is None
    lines = [line for line in Path("sgd.log").read_text().splitlines() if "loss = " in line]
    assert lines[0].split()[1] == stamps[0]


def test_what_is_no_number_is_none_in_the_table(folder: Path) -> None:
    text = "#!/bin/sh\necho 'I1121 10:00:00.123456  7 solver.cpp:1] Iteration 1, loss = nan' >&2\n"
    Path("caffe").write_text(text)
    Path("caffe").chmod(0o755)
    ssd_data.train(NET, engine="caffe", caffe=Path("caffe"))
    assert "NaN" not in Path("sgd.jsonl").read_text()
    assert [row["loss"] for row in rows() if row["event"] == "train"] == [None]


# ---- snapshots ----


def hdf5(*iterations: int) -> None:
    for iteration in iterations:
        for ending in ("caffemodel", "solverstate"):
            Path(f"sgd_iter_{iteration}.{ending}.h5").write_bytes(b"\x89HDF\r\n\x1a\n")


def asks_for_hdf5(names: str) -> None:
    """The solver does, and layers are named with that in the place of the slash."""
    for path in Path().glob("*_iter_*"):
        path.unlink()
    Path(NET).write_text(Path(NET).read_text() + "\nsnapshot_format: HDF5\n")
    net = Path("train.prototxt")
    net.write_text(re.sub(r'name: "[^"]+"', lambda m: m[0].replace("/", names), net.read_text()))


def test_snapshots_in_hdf5_are_passed_through(folder: Path, run: Run) -> None:
    asks_for_hdf5("_")
    hdf5(40, 80)
    Path("sgd_iter_90.solverstate.h5").touch()  # its caffemodel was not written any more
    binary = write_standin(Path("bin/caffe"))
    for resume in ("auto", "sgd_iter_80.solverstate.h5"):
        done = train(run, binary, "--resume", resume)
        assert done.status == 0, done.err
        called = json.loads(Path("called.json").read_text())["argv"]
        assert "--snapshot=sgd_iter_80.solverstate.h5" in called
        assert "BINARYPROTO" not in done.err
        for path in Path().glob("*_iter_*.caffemodel"):
            path.unlink()


def test_weights_in_hdf5_are_passed_through(folder: Path, run: Run) -> None:
    hdf5(40)
    binary, weights = write_standin(Path("bin/caffe")), "sgd_iter_40.caffemodel.h5"
    assert train(run, binary, "--weights", weights).status == 0
    assert f"--weights={weights}" in json.loads(Path("called.json").read_text())["argv"]
    done = run("train", NET, "--device", "cpu", "--weights", weights)
    assert (done.status, "is an HDF5 file, not a caffemodel" in done.err) == (1, True)


@pytest.mark.parametrize(("engine", "status"), [("caffe", 1), ("torch", 0)])
def test_a_layer_whose_name_is_a_path_cannot_be_kept_in_hdf5(
    engine: str, status: int, folder: Path, run: Run
) -> None:
    """The original ends at its first snapshot, or cannot read it back."""
    asks_for_hdf5("/")
    binary = write_standin(Path("bin/caffe"))
    done = run("train", NET, "--engine", engine, *(["--caffe", binary] if status else []),
               "--device", "cpu", "--max-iter", "1")  # fmt: skip
    said = 'snapshot_format is HDF5, in which Caffe cannot keep "conv1/bn"'
    assert (done.status, said in done.err) == (status, bool(status)), done.err
    assert Path("called.json").exists() is False


def test_a_split_whose_name_is_a_path_cannot_be_kept_either(folder: Path, run: Run) -> None:
    """Caffe names it by blob and layer, and puts it into the snapshot as a layer."""
    asks_for_hdf5("_")
    net = Path("train.prototxt")
    net.write_text(re.sub(r'((?:bottom|top): "[^"]+)"', r'\1/x"', net.read_text()))
    done = train(run, write_standin(Path("bin/caffe")))
    assert done.status == 1
    assert 'Caffe cannot keep "data/x_data_0_split"' in done.err


def test_the_log_says_hdf5_of_such_a_snapshot() -> None:
    files = Path("x_iter_7.caffemodel.h5"), Path("x_iter_7.solverstate.h5")
    text = "".join(
        f"I1121 10:00:00.123456  7 {at}] {line}\n" for at, line in lines(Snapshotted(7, *files))
    )
    assert text.count("HDF5 file x_iter_7.") == 2
    parser = LogParser()
    assert parser.feed(text) + parser.close() == [Snapshotted(7, *files)]


def test_a_folder_of_hdf5_says_so(folder: Path, run: Run) -> None:
    asks_for_hdf5("_")
    hdf5(40)
    done = run("deploy", ".", "--profile", "npu", "-o", "out")
    assert "has no snapshot (*_iter_N.caffemodel); those in HDF5 a real Caffe alone" in done.err


def test_our_own_engine_does_not_begin_anew_beside_them(folder: Path, run: Run) -> None:
    hdf5(130)
    done = run("train", NET, "--resume", "auto", "--device", "cpu")
    assert done.status == 1
    assert "sgd_iter_130.solverstate.h5: the newest snapshot is in HDF5" in done.err


def test_keep_leaves_the_best_and_no_former_one(folder: Path) -> None:
    """The test of an iteration comes behind its snapshot."""
    from ssd_data.training.log import Snapshotted
    from ssd_data.training.log import Tested as Scores
    from ssd_data.training.run_folder import SnapshotKeeper

    for path in Path().glob("*_iter_*"):
        path.unlink()
    keeper = SnapshotKeeper("sgd", 1)
    for iteration, score in ((60, 0.5), (120, 0.7)):
        for kind in ("caffemodel", "solverstate"):
            shutil.copy(GOLDEN / "training" / f"sgd_iter_60.{kind}", f"sgd_iter_{iteration}.{kind}")
        model, state = (
            Path(f"sgd_iter_{iteration}.{kind}") for kind in ("caffemodel", "solverstate")
        )
        keeper(Snapshotted(iteration, model, state))
        keeper(Scores(iteration, 0, [("mAP", score)]))
    assert sorted(path.name for path in Path().glob("*_iter_*")) == [
        "sgd_iter_120.caffemodel",
        "sgd_iter_120.solverstate",
    ]
