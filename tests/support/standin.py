"""A stand-in for ``caffe``: replays a log of the original's, snapshots, obeys signals, crashes."""

from __future__ import annotations

import sys
from pathlib import Path

from support import GOLDEN

SCRIPT = """#!{python}
import json, os, re, shutil, signal, sys, time
from pathlib import Path

GOLDEN, KIND = Path({golden!r}), {kind!r}
CRASH_AT, SLOW_AT, DEAF, FATAL = {crash_at!r}, {slow_at!r}, {deaf!r}, {fatal!r}
settings = dict(a.removeprefix("--").split("=", 1) for a in sys.argv[2:])
solver = Path(settings["solver"]).read_text()
Path("called.json").write_text(json.dumps(
    {{"argv": sys.argv[1:], "cwd": os.getcwd(), "solver": solver, "pid": os.getpid(),
     "level": os.environ.get("GLOG_minloglevel")}}))
wishes = []
for number in (signal.SIGINT, signal.SIGHUP):
    signal.signal(number, (lambda *_: None) if DEAF else (lambda n, _: wishes.append(n)))

def log(text, level="I"):
    sys.stderr.write(level + "20261121 10:00:00.123456  77 solver.cpp:1] " + text + "\\n")
    sys.stderr.flush()

def snapshot(iteration):
    model, state = (KIND + "_iter_%d.%s" % (iteration, e) for e in ("caffemodel", "solverstate"))
    log("Snapshotting to binary proto file " + model)
    near = 60 if iteration <= 60 else 120
    shutil.copy(GOLDEN / (KIND + "_iter_%d.caffemodel" % near), model)
    log("Snapshotting solver state to binary proto file " + state)
    shutil.copy(GOLDEN / (KIND + "_iter_%d.solverstate" % near), state)

iteration = 0
for line in (GOLDEN / ("caffe_" + KIND + ".log")).read_text().splitlines():
    if "Snapshotting" in line:
        if "solver state" not in line:
            snapshot(int(re.search(r"_iter_(\\d+)", line)[1]))
        continue
    sys.stderr.write(line + "\\n")
    sys.stderr.flush()
    found = re.search(r"Iteration (\\d+), lr", line)
    if not found:
        continue
    iteration = int(found[1]) + 1
    if iteration == CRASH_AT:
        log(FATAL, "F")
        print("*** Check failure stack trace: ***", file=sys.stderr, flush=True)
        for frame in range(30):  # as glog shows it
            print("    @     0x7f2b6c%06x  caffe::Solver<>::Step()" % frame, file=sys.stderr)
        sys.stderr.flush()
        os.abort()
    while SLOW_AT and iteration >= SLOW_AT and not wishes:
        time.sleep(0.01)
    if signal.SIGHUP in wishes:
        wishes.remove(signal.SIGHUP)
        snapshot(iteration)
    elif wishes:
        if "snapshot_after_train: false" not in solver:
            snapshot(iteration)
        log("Optimization stopped early.")
        log("Optimization Done.")
        sys.exit(0)
"""


def write_standin(
    path: Path,
    kind: str = "sgd",
    *,
    crash_at: int = 0,
    slow_at: int = 0,
    deaf: bool = False,
    fatal: str = "Check failed: error == cudaSuccess (2 vs. 0)  out of memory",
) -> Path:
    """Write it.

    Args:
        kind: whose golden log. crash_at: the iteration it aborts in, saying what was fatal.
        slow_at: the iteration in which it waits for a signal; deaf: it heeds none.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        SCRIPT.format(
            python=sys.executable,
            golden=str(GOLDEN / "training"),
            kind=kind,
            crash_at=crash_at,
            slow_at=slow_at,
            deaf=deaf,
            fatal=fatal,
        )
    )
    path.chmod(0o755)
    return path


SOLVER = """train_net: "train.prototxt"
test_net: "test.prototxt"
test_iter: 8
test_interval: 120
base_lr: 0.01
display: 1
max_iter: 120
lr_policy: "step"
gamma: 0.1
stepsize: 60
momentum: 0.9
snapshot: 60
snapshot_prefix: "sgd"
solver_mode: CPU
test_initialization: false
eval_type: "detection"
"""
