"""Several processes that train one net: as one of their batches together; ends, kills, resumes."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from support import GOLDEN, ROOT

from ssd_data.core.errors import InputError, UsageError
from ssd_data.engines.torch.layer import Layer
from ssd_data.engines.torch.net import Net
from ssd_data.nets.caffemodel import read_caffemodel
from ssd_data.nets.graph import parse_graph
from ssd_data.training import snapshots
from ssd_data.training.caffe.run import CaffeEngine
from ssd_data.training.display import diverged, outputs, parts
from ssd_data.training.group import join
from ssd_data.training.log import Displayed
from ssd_data.training.loop import TorchEngine
from ssd_data.training.options import TrainOptions
from ssd_data.training.preflight.processes import check_processes
from ssd_data.training.preflight.report import Preflight
from ssd_data.training.processes import ALONE, FirstProcessError, PeerError, Processes
from ssd_data.training.run import follow, train_file
from ssd_data.training.solver import Solver
from ssd_data.training.solver_file import SolverFile, read_solver

WEIGHTS = "sgd_iter_120.caffemodel"
LOSS = re.compile(r"^Iteration (\d+), loss = (\S+)$", re.M)
AUGMENT = (
    "transform_param { mirror: true distort_param { brightness_prob: 0.5 brightness_delta: 32 } "
)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A net at batches of 4 and of 8, with random augmentation, and a solver for each."""
    folder = tmp_path_factory.mktemp("files") / "run"
    shutil.copytree(GOLDEN / "training", folder)
    shutil.copytree(folder / "lmdb", folder / "lmdb_test")
    net = (folder / "train.prototxt").read_text().replace("transform_param {", AUGMENT, 1)
    for name, batch in (("two", 4), ("one", 8)):
        text = net.replace("batch_size: 4", f"batch_size: {batch}")
        (folder / f"train_{name}.prototxt").write_text(text)
        (folder / f"{name}.prototxt").write_text(
            f'train_net: "train_{name}.prototxt" test_net: "test.prototxt" test_iter: 4\n'
            "test_interval: 8 test_initialization: false display: 1 max_iter: 8 snapshot: 4\n"
            f'random_seed: 5 iter_size: 2 snapshot_prefix: "{name}" eval_type: "detection"\n'
            'type: "SGD" base_lr: 0.001 momentum: 0.9 weight_decay: 0.0005 lr_policy: "fixed"\n'
        )
    return folder


@pytest.fixture
def folder(files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of them to run in."""
    shutil.copytree(files, tmp_path / "run")
    monkeypatch.chdir(tmp_path / "run")
    return tmp_path / "run"


@pytest.fixture(scope="module")
def one(files: Path) -> tuple[dict[int, float], float, Path]:
    """What one process of twice the batch comes to: losses, mAP, the folder it ran in."""
    folder = files.with_name("one")
    shutil.copytree(files, folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        losses, run = losses_of("one.prototxt")
    return losses, run.tested.outputs[0][1], folder


def losses_of(solver: str, resume: Path | None = None) -> tuple[dict[int, float], Any]:
    losses: dict[int, float] = {}

    def note(event: object) -> None:
        if isinstance(event, Displayed):
            losses[event.iteration] = event.loss

    options = TrainOptions([Path(WEIGHTS)], resume, workers=0)
    return losses, train_file(read_solver(solver), options, [note])


def environment(**more: object) -> dict[str, str]:
    named = {name: str(value) for name, value in more.items()}
    return {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), **named}


def start(*command: str, world: int = 2) -> list[subprocess.Popen[str]]:
    """As torchrun would, without its own process."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    return [
        subprocess.Popen(
            [sys.executable, *command],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment(
                RANK=rank,
                LOCAL_RANK=rank,
                WORLD_SIZE=world,
                LOCAL_WORLD_SIZE=world,
                MASTER_ADDR="127.0.0.1",
                MASTER_PORT=port,
            ),
        )
        for rank in range(world)
    ]


TRAIN = ["-m", "ssd_data", "train", "two.prototxt", "--weights", WEIGHTS, "--sync-bn"]


def read_until(child: subprocess.Popen[str], begin: str) -> None:
    assert child.stderr is not None
    for line in child.stderr:
        if line.startswith(begin):
            return
    raise AssertionError(f"it never said {begin}")


def test_two_equal_one_of_twice_the_batch(
    folder: Path, one: tuple[dict[int, float], float, Path]
) -> None:
    torchrun = ["-m", "torch.distributed.run", "--nproc-per-node", "2"]
    done = subprocess.run(
        [sys.executable, *torchrun, *TRAIN, "--json"],
        capture_output=True, text=True, env=environment(), check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    losses, score, there = one
    shown = LOSS.findall(done.stderr)
    assert [int(n) for n, _ in shown] == list(range(9))  # each line once
    for number, loss in shown:
        assert float(loss) == pytest.approx(losses[int(number)], rel=1e-4)
    assert json.loads(done.stdout)["test"]["detection_eval"] == pytest.approx(score, abs=1e-4)
    ours, theirs = (
        read_caffemodel(path / f"{name}_iter_8.caffemodel").layers
        for path, name in ((folder, "two"), (there, "one"))
    )
    for a, b in zip(ours, theirs, strict=True):
        for x, y in zip(a.arrays, b.arrays, strict=True):
            assert np.abs(x - y).max() <= 1e-4 * max(np.abs(y).max(), 1e-3), a.name
    beside = json.loads((folder / "two_iter_8.resume.json").read_text())
    assert (beside["processes"], beside["options"]["extras"]["sync_bn"]) == (2, True)
    assert beside["positions"][0] == {"data": 8 * 2 * 2 * 4}
    assert len(beside["random"]) == 2
    rows = [json.loads(line) for line in (folder / "two.jsonl").read_text().splitlines()]
    assert [row["event"] for row in rows].count("begin") == 1
    assert rows[0]["processes"] == 2


def test_two_read_a_mix_as_one_does(folder: Path) -> None:
    shutil.copytree("lmdb", "more")
    mix = ("--mix", "lmdb=1,more=2", "--json")
    children = start(*TRAIN, *mix)
    said = [child.communicate(timeout=300) for child in children]
    assert [child.returncode for child in children] == [0, 0], said
    shown = LOSS.findall(said[0][1])
    alone = start("-m", "ssd_data", "train", "one.prototxt", "--weights", WEIGHTS, *mix, world=1)
    wanted = LOSS.findall(alone[0].communicate(timeout=300)[1])
    assert [n for n, _ in shown] == [n for n, _ in wanted] == [str(n) for n in range(9)]
    for (_, loss), (_, other) in zip(shown, wanted, strict=True):
        assert float(loss) == pytest.approx(float(other), rel=1e-4)


def test_killed_and_resumed_by_one(folder: Path, one: tuple[dict[int, float], float, Path]) -> None:
    first, second = start(*TRAIN)
    read_until(first, "Iteration 6, loss")
    second.kill()
    _, rest = first.communicate(timeout=300)
    second.communicate()
    assert first.returncode == 1
    assert "error: process 0: another process of this run has ended" in rest
    assert "Traceback" not in rest
    state = snapshots.newest_whole("two")
    assert state == Path("two_iter_4.solverstate")
    assert not Path("two_iter_8.solverstate").exists()
    found = Preflight()
    check(found, read_solver("one.prototxt"), TrainOptions(resume=state), 1)
    said = [str(warning) for warning in found.warnings]
    assert "one process trains" in said[0]  # --sync-bn goes on, as the snapshot records
    assert "made by 2 processes, now there are 1" in said[1]
    losses, _ = losses_of("one.prototxt", state)
    assert losses == pytest.approx({n: v for n, v in one[0].items() if n >= 4}, rel=1e-4)


def test_a_wrong_call_is_said_once() -> None:
    children = start("-m", "ssd_data", "train", "--no-such-option")
    said = [child.communicate(timeout=300) for child in children]
    assert [child.returncode for child in children] == [2, 2]
    assert "--no-such-option" in said[0][1]
    assert said[1] == ("", "")
    for child in start("-m", "ssd_data", "check", "--no-such-option"):  # not one run of several
        assert "--no-such-option" in child.communicate(timeout=300)[1]


def test_a_signal_to_one_stops_all_with_one_snapshot(folder: Path) -> None:
    text = Path("two.prototxt").read_text().replace("max_iter: 8", "max_iter: 100000")
    Path("two.prototxt").write_text(text.replace("snapshot: 4", "snapshot: 100000"))
    children = start(*TRAIN)
    read_until(children[0], "Iteration 2, loss")
    children[1].send_signal(signal.SIGTERM)
    said = [child.communicate(timeout=300) for child in children]
    assert [child.returncode for child in children] == [130, 130]
    assert said[1] == ("", "")  # process 0 alone speaks
    (state,) = Path().glob("two_iter_*.solverstate")
    assert snapshots.newest_whole("two") == state
    assert said[0][1].count("Snapshotting solver state") == 1


def test_who_does_not_answer_is_not_waited_for_for_ever(tmp_path: Path) -> None:
    program = """
        import os, sys, time
        from datetime import timedelta
        from ssd_data.training.group import Group, PeerError
        rank = int(os.environ["RANK"])
        group = Group(rank, 2, patience=timedelta(seconds=1 if rank == 0 else 60))
        assert group.all_sum([rank, 1]) == [1, 2] and group.all_max([rank, 0]) == [1, 0]
        assert group.broadcast_object(rank) == 0 and group.all_gather(rank) == [0, 1]
        if rank:
            sys.stdin.read()  # until the other one is done
            os._exit(0)
        try:
            group.all_sum([1.0])
        except PeerError as error:
            print(error)
    """
    path = tmp_path / "program.py"
    path.write_text(textwrap.dedent(program))
    first, second = start(str(path))
    out, err = first.communicate(timeout=300)
    second.kill()
    second.communicate()
    assert "has not answered for 1 s" in out, err


# ---- within one process ----


class Two(Processes):
    """Two threads that play two processes."""

    world = 2

    def __init__(self) -> None:
        self.barrier = threading.Barrier(2, timeout=30)
        self.given: dict[int, Any] = {}
        self.local = threading.local()

    @property
    def rank(self) -> int:  # type: ignore[override]
        return int(self.local.rank)

    def all_gather(self, value: Any) -> list[Any]:
        self.given[self.rank] = value
        self.barrier.wait()
        found = [self.given[0], self.given[1]]
        self.barrier.wait()
        return found

    def all_reduce(self, values: torch.Tensor) -> torch.Tensor:
        first, second = self.all_gather(values.detach())
        return torch.as_tensor(first + second)

    def all_sum(self, values: Any) -> list[float]:
        return [float(sum(pair)) for pair in zip(*self.all_gather(list(values)), strict=True)]

    def run(self, action: Callable[[int], Any]) -> list[Any]:
        """Both do it; what each returns."""
        done: list[Any] = [None, None]

        def act(rank: int) -> None:
            self.local.rank = rank
            done[rank] = action(rank)

        threads = [threading.Thread(target=act, args=(rank,)) for rank in (0, 1)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return done


def layer_of(text: str) -> Layer:
    return Net(parse_graph(text, "TRAIN")).steps[-1]


def bn(height: int, batch: int) -> Layer:
    return layer_of(
        f'input: "x" input_shape {{ dim: {batch} dim: 3 dim: {height} dim: 4 }}\n'
        'layer { name: "bn" type: "BatchNorm" bottom: "x" top: "y" }'
    )


def test_batchnorm_over_parts_is_that_of_the_whole() -> None:
    torch.manual_seed(1)
    x, dy = torch.randn(4, 3, 5, 4) * 3 + 1, torch.randn(4, 3, 5, 4)
    weight, bias = torch.randn(3), torch.randn(3)

    def compute(layer: Any, x: torch.Tensor, dy: torch.Tensor) -> list[torch.Tensor]:
        leaves = [t.clone().requires_grad_() for t in (x, weight, bias)]
        y = layer.normalize(*leaves)
        return [y.detach(), *torch.autograd.grad(y, leaves, dy), *layer.weights]

    whole = compute(bn(5, 4), x, dy)
    two = Two()

    def act(rank: int) -> list[torch.Tensor]:
        layer = bn(5, 3 - 2 * rank)  # parts of 3 and of 1
        layer.all_reduce = two.all_reduce  # type: ignore[attr-defined]
        part = slice(0, 3) if rank == 0 else slice(3, 4)
        return compute(layer, x[part], dy[part])

    first, second = two.run(act)
    joined = [torch.cat(pair) for pair in zip(first[:2], second[:2], strict=True)]
    joined += [a + b for a, b in zip(first[2:4], second[2:4], strict=True)]
    for ours, theirs in zip([*joined, *first[4:]], whole, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)
    for a, b in zip(first[4:], second[4:], strict=True):
        assert torch.equal(a, b)  # both keep the same statistics


@pytest.mark.parametrize(
    "loss",
    [
        'type: "EuclideanLoss"',
        'type: "SmoothL1Loss"',
        'type: "SigmoidCrossEntropyLoss"',
        'type: "SigmoidCrossEntropyLoss" loss_param { normalization: FULL }',
    ],
)
def test_parts_of_a_loss_add_up(loss: str) -> None:
    torch.manual_seed(2)
    a, b = torch.rand(4, 3), torch.rand(4, 3)

    def value(layer: Any, part: slice) -> float:
        return float(layer.forward(a[part], b[part]))

    def make(batch: int) -> Layer:
        shapes = "".join(f'input: "{n}" input_shape {{ dim: {batch} dim: 3 }}\n' for n in "ab")
        return layer_of(f'{shapes}layer {{ name: "l" bottom: "a" bottom: "b" top: "l" {loss} }}')

    two = Two()

    def act(rank: int) -> float:
        layer = make(2)
        layer.all_reduce = two.all_reduce  # type: ignore[attr-defined]
        return value(layer, slice(2 * rank, 2 * rank + 2))

    assert sum(two.run(act)) == pytest.approx(value(make(4), slice(None)), rel=1e-6)


def test_what_is_shown_is_of_all(folder: Path) -> None:
    solver = Solver("two.prototxt")
    solver.trainable.forward()
    ((name, weight, (value,)),) = outputs(solver.net, ALONE)
    two = Two()
    found = two.run(lambda rank: (outputs(solver.net, two), parts(solver.net, two)))
    assert found[0] == found[1]
    assert found[0][0] == [(name, weight, [2 * value])]
    alone = parts(solver.net, ALONE)
    assert found[0][1] == {key: 2 * each for key, each in alone.items()}


def test_the_process_whose_loss_is_no_number_is_blamed(folder: Path) -> None:
    solver = Solver("two.prototxt")
    solver.trainable.forward()
    two = Two()
    errors = two.run(lambda rank: diverged(solver.net, two, 7, [1.5, float("nan")][rank], None))
    assert [error.what for error in errors] == [errors[1].what] * 2
    assert "the loss is nan in iteration 7; records: 0000" in errors[0].what


class Told(Processes):
    """A process that process 0 tells something, or nothing before it ends."""

    rank, world = 1, 2

    def __init__(self, told: Any) -> None:
        self.told = told

    def broadcast_object(self, value: Any) -> Any:
        if self.told is None:
            raise PeerError("it has ended")
        return self.told


def check(found: Preflight, file: SolverFile, options: TrainOptions, world: int) -> None:
    state = options.resume
    kept = {} if state is None else snapshots.read_resume_state(state)
    extras = TorchEngine().settle(options, print).extras
    check_processes(found, file, extras, world, state, kept)


def test_what_is_wrong_is_said_once(folder: Path) -> None:
    with pytest.raises(FirstProcessError):  # process 0 has said why
        follow(TorchEngine(Told(None)))
    with pytest.raises(InputError) as error:  # here alone
        follow(TorchEngine(Told(("elsewhere.prototxt", TrainOptions()))))
    assert str(error.value).startswith("process 1: elsewhere.prototxt: ")


def test_the_preflight_of_several(folder: Path) -> None:
    file, synced = read_solver("two.prototxt"), TrainOptions(extras={"sync_bn": True})
    found = Preflight()
    check(found, file, synced, 1)
    assert "nothing to synchronise" in str(found.warnings[0])
    file.train.nodes[0].param.type = "Data"
    assert not found.errors
    found = Preflight()
    check(found, file, replace(synced, resume=Path("sgd_iter_60.solverstate")), 2)
    assert "each read all of its records" in str(found.errors[0])
    assert not found.warnings  # who made the original's snapshots is not known
    for node in file.train.nodes:
        node.param.batch_norm_param.use_global_stats = True
    check(found, file, synced, 2)
    assert "no BatchNorm" in str(found.warnings[0])


def test_what_cannot_be_shared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert join() is ALONE  # not torchrun's: it says where the processes meet
    monkeypatch.setenv("MASTER_ADDR", "127.0.0.1")
    monkeypatch.setenv("RANK", "1")
    with pytest.raises(UsageError, match="a real Caffe is one"):
        CaffeEngine().settle(TrainOptions(), print)
    with pytest.raises(UsageError, match="cannot share one GPU"):
        join("cuda:1")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setenv("LOCAL_RANK", "1")
    with pytest.raises(UsageError, match="finds 1 GPUs"):
        join("cuda")
    monkeypatch.setenv("WORLD_SIZE", "1")
    assert join("cuda:1") is ALONE
