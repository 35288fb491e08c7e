"""What a training run may have that the original has not: each option does what it says."""

from __future__ import annotations

import functools
import importlib.util
import json
import math
import shutil
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from support.golden_run import TRAINED, arrays_in, arrays_of, losses_of, printed, solver_of, trained

from ssd_data.cli.train import command
from ssd_data.core.errors import InputError, UsageError
from ssd_data.engines.torch import fused
from ssd_data.engines.torch.layers.batchnorm import BatchNorm
from ssd_data.engines.torch.layers.multiboxloss import MultiBoxLoss
from ssd_data.training import extras as extras_module
from ssd_data.training.extras import LEAST, LossScale, OverflowedError
from ssd_data.training.log import Displayed
from ssd_data.training.options import Extras, TrainOptions, settle
from ssd_data.training.rates import warmed
from ssd_data.training.run import train_file
from ssd_data.training.snapshots import recorded_extras
from ssd_data.training.solver import Solver
from ssd_data.training.solver_file import read_solver

# ---- the options themselves ----


def test_the_command_line_has_all_of_them() -> None:
    own = [field.name for field in fields(Extras)]
    assert [param.name for param in command.params if param.name in own] == own


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ema", 1.0),
        ("ema", math.nan),
        ("ema", True),
        ("warm_up", -1),
        ("warm_up", 1 << 40),
        ("amp", "fp8"),
        ("cache", 1.5),
        ("freeze_bn", "yes"),
    ],
)
def test_values_that_make_no_sense(name: str, value: object, solver_file: Path) -> None:
    with pytest.raises(UsageError) as error:
        Extras(**{name: value})
    assert error.value.where == f"--{name.replace('_', '-')}"
    state = Path("short_iter_4.solverstate")
    beside = {"options": {"extras": {name: value}}}
    state.with_suffix(".resume.json").write_text(json.dumps(beside))
    with pytest.raises(InputError, match="records"):
        recorded_extras(state)


def test_what_a_gpu_may_lack(monkeypatch: pytest.MonkeyPatch) -> None:
    gpu = torch.device("cuda")
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: False)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    extras_module.check_device(Extras(amp="fp16", ema=0), gpu)
    with pytest.raises(UsageError, match="no bfloat16"):
        extras_module.check_device(Extras(amp="bf16"), gpu)
    with pytest.raises(UsageError, match="Triton is not installed"):
        extras_module.check_device(Extras(compile=True), gpu)


@pytest.mark.parametrize("beside", [{"options": 1}, {"options": {"extras": [1]}}])
def test_a_record_that_is_none(beside: object, tmp_path: Path) -> None:
    state = tmp_path / "x_iter_4.solverstate"
    state.with_suffix(".resume.json").write_text(json.dumps(beside))
    with pytest.raises(InputError, match="no table"):
        recorded_extras(state)
    state.with_suffix(".resume.json").write_text('{"options": {"extras": {"later": 1}}}')
    with pytest.raises(InputError, match="not known: 'later'"):
        recorded_extras(state)


def test_a_resumed_run_takes_over_what_is_recorded_and_says_what_differs(
    solver_file: Path,
) -> None:
    file = read_solver(solver_file)
    train_file(file, TrainOptions(max_iter=4, extras={"warm_up": 6, "ema": 0.5, "min_face": 6}))
    state = Path("short_iter_4.solverstate")
    said: list[str] = []
    assert settle({"min_face": 0, "ema": 0.5}, recorded_extras(state), said.append) == Extras(
        warm_up=6, ema=0.5
    )
    assert said == [
        "--warm-up 6: as the snapshot records",
        "--min-face 0: until the snapshot it was --min-face 6",
    ]


def test_told_at_once_what_cannot_be(solver_file: Path, run: Any) -> None:
    base = ["train", solver_file.name, "--device", "cpu"]
    for more, text in (
        (["--amp", "fp16"], "--amp fp16: half precision needs a GPU"),
        (
            ["--engine", "caffe", "--ema", "0.9", "--freeze-bn"],
            "--ema 0.9, --freeze-bn: a real Caffe does not have this",
        ),
    ):
        result = run(*base, *more)
        assert result.status in (1, 2)
        assert text in result.err
        assert not Path("short.log").exists()
    assert run(*base, "--ema", "1").status == 2
    assert "Beyond the original" in run("train", "--help").out


def test_off_is_off(solver_file: Path) -> None:
    trained(solver_file, 4)
    plain = {p.name: p.read_bytes() for p in Path().glob("short_iter_4.[cs]*")}
    off = {"warm_up": 0, "ema": 0.0, "amp": "off", "cache": 0, "min_face": 0}
    off |= dict.fromkeys(("compile", "scale_compensation", "freeze_bn"), False)
    trained(solver_file, 4, **off)
    assert {p.name: p.read_bytes() for p in Path().glob("short_iter_4.[cs]*")} == plain
    assert len(plain) == 2
    assert not list(Path().glob("*.ema.*"))
    assert "moving average" not in Path("short.log").read_text()


@pytest.mark.parametrize("name", ["scale_compensation", "freeze_bn", "min_face", "cache"])
def test_a_net_without_such_a_layer(name: str, folder: Path) -> None:
    Path("bare.prototxt").write_text(
        'layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 2 dim: 3 } } }\n'
        'layer { name: "loss" type: "EuclideanLoss" bottom: "x" bottom: "x" top: "loss" }\n'
    )
    Path("bare_solver.prototxt").write_text(
        'train_net: "bare.prototxt" base_lr: 1 lr_policy: "fixed" max_iter: 1'
    )
    value = 1 if name in ("min_face", "cache") else True
    with pytest.raises(UsageError, match="bare.prototxt has no") as error:
        Solver("bare_solver.prototxt", extras=Extras(**{name: value}))
    assert error.value.where == f"--{name.replace('_', '-')}"


# ---- warm-up ----


def test_warm_up_formula() -> None:
    assert [warmed(8.0, i, 4) for i in range(6)] == [2, 4, 6, 8, 8, 8]
    assert warmed(8.0, 0, 0) == 8


def test_warm_up_is_what_the_updates_are_made_with(folder: Path) -> None:
    moved, rates = [], []
    for warm_up in (0, 4):
        solver = solver_of(warm_up=warm_up)
        before = arrays_of(solver.net)
        shown: list[float] = []
        solver.param.display = 1
        solver.listeners.append(
            lambda e, shown=shown: shown.append(e.rate) if isinstance(e, Displayed) else None
        )
        solver.step(1)
        moved.append([a - b for a, b in zip(arrays_of(solver.net), before, strict=True)])
        solver.step(1)
        rates.append(shown)
    assert rates[1] == [rates[0][0] / 4, rates[0][1] / 2]
    learned = [p.lr_mult > 0 for p in solver.params]
    for full, quarter in [pair for pair, own in zip(zip(*moved), learned, strict=True) if own]:  # noqa: B905
        np.testing.assert_allclose(quarter, full / 4, rtol=1e-3, atol=1e-7)


# ---- precision and memory ----


def test_bfloat16_where_it_may_be_and_float32_elsewhere(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plain = losses_of(solver_of(), 4)
    solver = solver_of(amp="bf16")
    seen: dict[str, torch.dtype] = {}
    normalize, loss_of = BatchNorm.normalize, MultiBoxLoss.forward

    def normalizing(self: BatchNorm, x: torch.Tensor, *more: Any) -> torch.Tensor:
        seen["into BatchNorm"] = x.dtype
        return normalize(self, x, *more)

    def losing(self: MultiBoxLoss, *bottoms: torch.Tensor) -> torch.Tensor:
        seen["into the loss"] = bottoms[0].dtype
        return loss_of(self, *bottoms)

    monkeypatch.setattr(BatchNorm, "normalize", normalizing)
    monkeypatch.setattr(MultiBoxLoss, "forward", losing)
    for step in solver.trainable.steps:

        def noting(*bottoms: torch.Tensor, call: Any = step.call, own: Any = step) -> Any:
            tops = call(*bottoms)
            seen.update(zip(own.tops, (top.dtype for top in tops), strict=False))
            seen[own.layers[0].node.type] = tops[0].dtype
            return tops

        step.call = noting
    losses = losses_of(solver, 4)
    assert seen["Convolution"] == torch.bfloat16
    entered = ("into BatchNorm", "into the loss")
    for name in (*entered, "BatchNorm", "mbox_priorbox", "mbox_loss", "data"):
        assert seen[name] == torch.float32, name
    assert all(p.blob.tensor.dtype == torch.float32 for p in solver.params)
    assert np.abs(losses / plain - 1).max() < 2e-2
    assert np.abs(losses / plain - 1)[0] > 1e-6
    assert solver.net.blobs["mbox_loc"].data.dtype == np.float32


def test_the_loss_scale_moves_as_torchs_own() -> None:
    scale = LossScale(factor=8.0)
    gradient = torch.tensor([8.0, 16.0])
    assert scale.unscale([gradient])
    assert gradient.tolist() == [1, 2]
    assert not scale.unscale([torch.ones(1), torch.tensor([math.inf])])
    assert (scale.factor, scale.good, scale.skipped) == (4.0, 0, 1)
    for _ in range(2000):
        assert scale.unscale([torch.zeros(1)])
    assert (scale.factor, scale.good) == (8.0, 0)
    scale.factor = LEAST
    with pytest.raises(OverflowedError):
        scale.unscale([torch.tensor([math.nan])])


def test_half_precision_scales_the_loss(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(extras_module, "check_device", lambda *_: None)
    plain, solver = solver_of(), solver_of(amp="fp16")
    scale = solver.extras.scale
    assert scale is not None
    scale.factor = 1024.0
    plain.step(1)
    solver.step(1)
    pairs = zip(arrays_of(solver.net), arrays_of(plain.net), strict=True)
    assert all(np.abs(a - b).max() < 1e-2 * max(1, np.abs(b).max()) for a, b in pairs)
    scale.factor = 1e38  # every gradient overflows
    learned = [p.blob.tensor.detach().clone() for p in solver.params if p.lr_mult]
    solver.step(1)
    after = [p.blob.tensor for p in solver.params if p.lr_mult]
    assert all(torch.equal(a, b) for a, b in zip(learned, after, strict=True))
    assert (solver.iter, scale.skipped, scale.factor) == (2, 1, 5e37)
    solver.param.snapshot_prefix = "half"
    _, state = solver.snapshot()
    again = solver_of(amp="fp16")
    again.restore(state)
    assert again.extras.scale == scale
    beside = state.with_suffix(".resume.json")
    beside.write_text(beside.read_text().replace('"factor": 5e+37', '"factor": "x"'))
    with pytest.raises(InputError, match='no number "factor"'):
        again.restore(state)


def test_the_memory_format(folder: Path) -> None:
    found = []
    for last in (True, False):
        solver = solver_of(channels_last=last)
        found.append(losses_of(solver, 2))
        tensor = solver.net.blobs["conv4"].tensor
        assert tensor.is_contiguous(memory_format=torch.channels_last) == last
        weight = solver.net.params["conv4"][0].tensor
        assert weight.is_contiguous(memory_format=torch.channels_last) == last
    np.testing.assert_allclose(*found, rtol=1e-4)


# ---- compilation ----


# torch's own tracing of a function of autograd says this.
@pytest.mark.filterwarnings("ignore:.*should not be instantiated:DeprecationWarning")
def test_one_function_gives_the_same(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    compile_ = functools.partial(torch.compile, backend="eager")  # traces, needs no compiler
    monkeypatch.setattr(torch, "compile", compile_)
    solver = solver_of(compile=True)
    kinds = [step.layers[0].node.type for step in solver.trainable.steps]
    assert kinds.count("Convolution") == 1
    assert kinds[-1] == "MultiBoxLoss"
    np.testing.assert_allclose(losses_of(solver, 3), losses_of(solver_of(), 3), rtol=1e-5)


def test_without_a_compiler(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "which", lambda name: None)
        with pytest.raises(UsageError, match="needs a C\\+\\+ compiler") as error:
            solver_of(compile=True)
    assert error.value.where == "--compile"

    def broken(function: Callable[..., Any], **_: Any) -> Callable[..., Any]:
        def fail(*given: Any) -> Any:
            raise torch._dynamo.exc.Unsupported("a broken tool chain")

        return fail

    monkeypatch.setattr(torch, "compile", broken)
    with pytest.raises(UsageError, match="cannot compile this net: a broken tool chain"):
        solver_of(compile=True).step(1)


def test_a_loss_in_the_middle_is_not_compiled(folder: Path) -> None:
    def step(bottoms: list[str], tops: list[str], loss: bool = False) -> fused.FusedStep:
        node = type("Node", (), {"type": "X"})()
        layer = type("Layer", (), {"is_loss": loss, "node": node})()
        return fused.FusedStep(lambda *x: x, [layer], bottoms, tops, [])

    steps = [step([], ["a"]), step(["a"], ["b"]), step(["b"], ["c"], True), step(["b"], ["b"])]
    with pytest.raises(UsageError, match="cannot run as one"):
        fused.fuse(steps, ["c"])


# ---- BatchNorm ----


def test_frozen_statistics(folder: Path) -> None:
    for frozen in (True, False):
        solver = solver_of(freeze_bn=frozen)
        solver.net.copy_from(TRAINED)
        norms = [layer for layer in solver.net.steps if isinstance(layer, BatchNorm)]
        before = [[p.data.copy() for p in layer.params] for layer in norms]
        solver.step(2)
        same = [
            np.array_equal(old, p.data)
            for layer, olds in zip(norms, before, strict=True)
            for p, old in zip(layer.params, olds, strict=True)
        ]
        assert all(same) == frozen
    weights = arrays_of(solver.net)
    assert any(not np.array_equal(a, b) for a, b in zip(weights, arrays_in(TRAINED), strict=True))


def test_a_frozen_net_is_the_test_phases(folder: Path) -> None:
    """Its loss does not depend on what else is in the batch."""
    solver = solver_of(freeze_bn=True)
    solver.net.copy_from(TRAINED)
    solver.trainable.forward()
    kept = solver.net.blobs["conv4"].tensor.clone()
    first = solver.net.blobs["data"].tensor[:1]
    (norm,) = [s for s in solver.trainable.steps if s.layers[0].node.name == "conv1/bn"]
    (conv,) = [s for s in solver.trainable.steps if s.layers[0].node.name == "conv1"]
    alone = norm.call(*conv.call(first))[0]
    together = norm.call(*conv.call(solver.net.blobs["data"].tensor))[0][:1]
    torch.testing.assert_close(alone, together)
    assert torch.isfinite(kept).all()


def test_nothing_to_freeze(solver_file: Path) -> None:
    with pytest.raises(InputError, match="no statistics to freeze") as error:
        train_file(read_solver(solver_file), TrainOptions(extras={"freeze_bn": True}))
    assert 'layer "conv1/bn"' in error.value.where


# ---- that the loop passes them on; what they do: engines/test_faces.py, batches/test_cache.py ----


def test_the_data_layer_and_the_loss_are_told(
    solver_file: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    solvers: list[Solver] = []
    ordinary = Solver.solve

    def solve(self: Solver) -> None:
        solvers.append(self)
        ordinary(self)

    monkeypatch.setattr(Solver, "solve", solve)
    options = {"min_face": 7, "cache": 3, "scale_compensation": True}
    result = train_file(read_solver(solver_file), TrainOptions(max_iter=1, extras=options))
    assert result.extras == options
    feed = next(layer.feed for layer in solvers[0].net.steps if hasattr(layer, "feed"))
    assert (feed.min_box, feed.cache) == (7, 3)
    assert [s.compensates for s in solvers[0].net.steps if isinstance(s, MultiBoxLoss)] == [True]


def test_the_commands_results_say_it(solver_file: Path, run: Any) -> None:
    base = ["train", solver_file.name, "--device", "cpu", "--max-iter", "6"]
    result = run(*base, "--ema", "0.9", "--warm-up", "3", "--json")
    assert result.status == 0, result.err
    assert result.json["extras"] == {"warm_up": 3, "ema": 0.9}
    assert result.json["test_weights"] == "average"
    assert result.json["snapshots"][-1]["average"] == "short_iter_6.ema.caffemodel"
    again = [*base[:4], "--max-iter", "7"]
    result = run(*again, "--resume", "auto", "--ema", "0")
    assert "--ema 0.0: until the snapshot it was --ema 0.9" in result.err
    assert "--warm-up 3: as the snapshot records" in result.err
    assert set(printed(result.err)) == {6, 7}
    assert "averaged" not in result.out
    assert not Path("short_iter_7.ema.caffemodel").exists()
