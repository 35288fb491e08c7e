"""Runs with recipes: each trains, is resumed to the same losses, and is what its file says."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from support.golden_run import TRAINED, printed
from support.recipe_runs import run_of

from ssd_data.batches.composer import known_elements
from ssd_data.core.errors import InputError
from ssd_data.data.lmdb.store import LmdbReader
from ssd_data.data.lmdb.writer import LmdbWriter
from ssd_data.engines.torch.layers.annotateddata import data_layers
from ssd_data.engines.torch.layers.batchnorm import BatchNorm
from ssd_data.engines.torch.layers.multiboxloss import MultiBoxLoss
from ssd_data.training.log import Displayed
from ssd_data.training.options import TrainOptions
from ssd_data.training.recipe import read
from ssd_data.training.recipe.read import parse_recipe
from ssd_data.training.run import train_file
from ssd_data.training.solver import Solver
from ssd_data.training.solver_file import read_solver

ELEMENTS = {
    "cosine": '[schedule]\nkind = "cosine"\nwarm_up = 3\nlast = 0.1',
    "one_cycle": '[schedule]\nkind = "one_cycle"\nrate = 0.01',
    "steps": '[schedule]\nkind = "steps"\nat_shares = [0.5, 0.8]',
    "adamw": '[schedule]\nkind = "linear"\nrate = 0.001\n[optimiser]\nkind = "adamw"\ndecay = 0.1',
    "sgdw": '[optimiser]\nkind = "sgdw"\nnesterov = true\n[gradients]\nclip = 5',
    "average": "[average]\ndecay = 0.8",
    "layers": '[layers]\nfreeze = ["conv1*", "conv2*"]\nrates = {"*_mbox_*" = 2}',
    "focal": '[classification]\nkind = "focal"',
    "smoothing": '[classification]\nkind = "original"\nsmoothing = 0.1',
    "giou": '[boxes]\nkind = "giou"\nweight = 2',
    "ciou": '[boxes]\nkind = "ciou"',
    "atss": '[matching]\nkind = "atss"',
    "simota": '[matching]\nkind = "simota"',
    "input": "[input]\nscales = [0.75, 1, 1.25]\nevery = 2\nmultiple = 8",
    "augmentation": '[augmentation]\nclose = 0.5\nrest = ["distort"]',
    "distillation": (
        '[distillation]\nnet = "test.prototxt"\nweights = "sgd_iter_120.caffemodel"\n'
        'features = 5\nmaps = ["conv3", "conv4"]'
    ),
}
GROUPS = [
    "cosine sgdw layers smoothing giou augmentation",
    "one_cycle average focal ciou atss distillation",
    "adamw simota input",
    "steps layers atss",
]
SIGMOIDS = {
    "focal of sigmoids": '[classification]\nkind = "focal"\n[matching]\nkind = "atss"',
    "quality_focal": '[classification]\nkind = "quality_focal"\n[boxes]\nkind = "diou"',
    "varifocal": '[classification]\nkind = "varifocal"\n[matching]\nkind = "simota"',
}
ALL = "\n".join(
    [ELEMENTS[name] for name in ("adamw", "average", "giou", "simota", "input", "augmentation")]
    + ['[classification]\nkind = "varifocal"', '[layers]\nrates = {"*_mbox_*" = 2}']
)


def recipe(text: str) -> Path:
    path = Path("my.toml")
    path.write_text(text)
    return path


def with_sigmoids() -> None:
    """The nets, their classes with a sigmoid each."""
    for name, old, new in (
        ("train.prototxt", "conf_loss_type: SOFTMAX", "conf_loss_type: LOGISTIC"),
        ("test.prototxt", 'type: "Softmax"', 'type: "Sigmoid"'),
    ):
        text = Path(name).read_text()
        assert old in text
        Path(name).write_text(text.replace(old, new))


def solver_of(text: str) -> Solver:
    solver = Solver("short.prototxt", recipe=parse_recipe(recipe(text)))
    solver.net.copy_from("initial.caffemodel")
    solver.param.test_interval = solver.param.snapshot = 0
    return solver


@pytest.fixture(autouse=True)
def _twice(request: pytest.FixtureRequest) -> None:
    """Each update is made of two batches."""
    if "solver_file" in request.fixturenames:
        path: Path = request.getfixturevalue("solver_file")
        path.write_text(path.read_text() + "iter_size: 2\n")


@pytest.mark.parametrize("names", [*GROUPS, *SIGMOIDS])
def test_a_resumed_run_is_the_same(names: str, solver_file: Path) -> None:
    if names in SIGMOIDS:
        with_sigmoids()
        path = recipe(SIGMOIDS[names])
    else:
        path = recipe("\n".join(ELEMENTS[name] for name in names.split()))
    whole = run_of(path)
    assert all(np.isfinite(loss) for loss in whole.values())
    ends = {p.name: p.read_bytes() for p in Path().glob("short_iter_12.[ce]*")}
    for left in Path().glob("short_iter_1*"):
        left.unlink()
    again = run_of(None, resume=Path("short_iter_4.solverstate"))
    assert again == {n: loss for n, loss in whole.items() if n >= 4}
    assert {p.name: p.read_bytes() for p in Path().glob("short_iter_12.[ce]*")} == ends


def test_all_at_once_is_resumed_too(solver_file: Path) -> None:
    with_sigmoids()
    whole = run_of(recipe(ALL))
    assert run_of(None, resume=Path("short_iter_8.solverstate")) == {
        n: loss for n, loss in whole.items() if n >= 8
    }


@pytest.mark.parametrize("name", ["original", ""])
def test_a_recipe_that_says_nothing_changes_nothing(name: str, solver_file: Path) -> None:
    run_of(None)
    plain = {p.name: p.read_bytes() for p in Path().glob("short_iter_12.*[!n]")}
    run_of(Path(name) if name else recipe("# nothing"))
    assert {p.name: p.read_bytes() for p in Path().glob("short_iter_12.*[!n]")} == plain
    beside = json.loads(Path("short_iter_12.resume.json").read_text())
    assert "recipe" not in beside["options"]


@pytest.mark.parametrize("text", [ELEMENTS["focal"] + "\n" + ELEMENTS["giou"], ELEMENTS["atss"]])
def test_with_mixed_precision(text: str, solver_file: Path) -> None:
    path = recipe(text + "\n" + ELEMENTS["distillation"])
    plain, mixed = run_of(path, 4), run_of(path, 4, amp="bf16")
    assert plain != mixed
    assert list(mixed.values()) == pytest.approx(list(plain.values()), rel=5e-2)


EVERY = [
    *(f'[schedule]\nkind = "{n}"' for n in read.ELEMENTS["schedule"].names() if n != "steps"),
    '[schedule]\nkind = "steps"\nat_shares = [0.5]',
    *(f'[optimiser]\nkind = "{n}"' for n in read.ELEMENTS["optimiser"].names()),
    *(f'[classification]\nkind = "{n}"' for n in read.ELEMENTS["classification"].names()),
    *(f'[boxes]\nkind = "{n}"' for n in read.ELEMENTS["boxes"].names()),
    *(f'[matching]\nkind = "{n}"' for n in read.ELEMENTS["matching"].names()),
    *(f"[augmentation.{n}]\nprob = 1" for n in known_elements()),
    *(ELEMENTS[n] for n in ("average", "layers", "input", "distillation")),
    "[gradients]\nclip = 5",
]


@pytest.mark.parametrize("text", EVERY, ids=lambda text: "_".join(text.split()[:3]))
def test_every_element_with_mixed_precision(text: str, solver_file: Path) -> None:
    """The losses are those of float32, as near as eight bits of a fraction come."""
    if "quality_focal" in text or "varifocal" in text:
        with_sigmoids()
    path = recipe(text)
    plain, mixed = run_of(path, 2), run_of(path, 2, amp="bf16")
    assert all(np.isfinite(loss) for loss in mixed.values())
    assert plain != mixed
    assert list(mixed.values()) == pytest.approx(list(plain.values()), rel=5e-2)


def test_mixed_precision_of_several_builds(solver_file: Path) -> None:
    """A mix, half precision and a recipe together, resumed to the same losses."""
    with LmdbReader("lmdb") as reader:
        items = list(reader.items())[20:27]
    with LmdbWriter(Path("more")) as writer:
        for key, value in items:
            writer.put(key, value)
    shutil.copy("labelmap.prototxt", "more")
    names = ("atss", "giou", "average", "input")
    text = "\n".join(ELEMENTS[name] for name in names) + "\n[augmentation.mosaic]\nprob = 0.5"
    more = {"mix": "lmdb=1,more=2", "amp": "bf16"}
    whole = run_of(recipe(text), **more)
    assert all(np.isfinite(loss) for loss in whole.values())
    again = run_of(None, resume=Path("short_iter_4.solverstate"))
    assert again == {n: loss for n, loss in whole.items() if n >= 4}


# ---- each part does what it says ----


def rates_of(solver: Solver, count: int) -> list[float]:
    rates: list[float] = []
    solver.listeners.append(lambda e: rates.append(e.rate) if isinstance(e, Displayed) else None)
    solver.step(count)
    return rates


def test_the_rate_is_the_schedules(solver_file: Path) -> None:
    found = rates_of(solver_of('[schedule]\nkind = "linear"\nrate = 0.01\nwarm_up = 2'), 4)
    assert found == pytest.approx([0.005, 0.01, 0.01, 0.009])


def test_frozen_layers_stay_and_cost_nothing(solver_file: Path) -> None:
    solver = solver_of(ELEMENTS["layers"])
    solver.net.copy_from(TRAINED)
    before = {name: [b.data.copy() for b in blobs] for name, blobs in solver.net.params.items()}
    solver.step(2)
    for name, blobs in solver.net.params.items():
        frozen = name.startswith(("conv1", "conv2"))
        for old, blob in zip(before[name], blobs, strict=True):
            assert np.array_equal(old, blob.data) == frozen, name
    norms = [layer for layer in solver.net.steps if isinstance(layer, BatchNorm)]
    assert [n.uses_global for n in norms] == [
        n.node.name.startswith(("conv1", "conv2")) for n in norms
    ]
    assert not any(p.requires_grad for layer in solver.net.steps[:9] for p in layer.weights)
    file = read_solver("short.prototxt")
    for _ in range(2):  # the net that was read stays as it is
        made = Solver(file, recipe=parse_recipe(Path("my.toml")))
        (param,) = (p for p in made.params if p.blob is made.net.params["conv3_mbox_loc"][0])
        assert param.lr_mult == 2


def test_nothing_to_freeze(solver_file: Path) -> None:
    solver = solver_of(ELEMENTS["layers"])
    with pytest.raises(InputError, match="no statistics to freeze"):
        solver.step(1)


def test_gradients_are_clipped_as_their_mean(solver_file: Path) -> None:
    solver = solver_of('[gradients]\nclip = 0.5\n[optimiser]\nkind = "sgdw"\ndecay = 0')
    seen: list[float] = []
    ordinary = solver.type.rule

    def noting(g: Any, history: Any, rate: float, param: Any, iteration: int) -> Any:
        seen.append(float(sum(one.square().sum() for one in g)))
        return ordinary(g, history, rate, param, iteration)

    object.__setattr__(solver.type, "rule", noting)
    solver.step(1)
    assert sum(seen) ** 0.5 == pytest.approx(0.5, rel=1e-4)


def test_adamw_is_torchs(solver_file: Path) -> None:
    solver = solver_of(
        '[schedule]\nkind = "steps"\nrate = 0.01\n[optimiser]\nkind = "adamw"\ndecay = 0.2'
    )
    params = [p for p in solver.params if p.lr_mult == 1 and p.decay_mult == 1]
    theirs = [p.blob.tensor.detach().clone().requires_grad_() for p in params]
    peer = torch.optim.AdamW(theirs, lr=0.01, weight_decay=0.2, eps=1e-8)
    ordinary = solver.type.rule

    def noting(g: Any, history: Any, rate: float, param: Any, iteration: int) -> Any:
        for p, own in zip(params, theirs, strict=True):
            own.grad = p.blob.grad.clone()
        return ordinary(g, history, rate, param, iteration)

    object.__setattr__(solver.type, "rule", noting)
    for _ in range(3):
        solver.step(1)
        peer.step()
    for p, own in zip(params, theirs, strict=True):
        torch.testing.assert_close(p.blob.tensor.detach(), own.detach(), rtol=1e-3, atol=2e-5)


def test_sizes_change_with_the_batches(solver_file: Path) -> None:
    path = parse_recipe(recipe(ELEMENTS["input"]))
    seen: dict[int, int] = {}
    ordinary = MultiBoxLoss.forward

    def noting(self: MultiBoxLoss, *bottoms: torch.Tensor) -> torch.Tensor:
        seen[len(seen)] = bottoms[2].shape[-1] // 4
        return ordinary(self, *bottoms)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(MultiBoxLoss, "forward", noting)
        train_file(read_solver(solver_file), TrainOptions(recipe=path, device="cpu", max_iter=12))
    counts = list(seen.values())
    assert len(set(counts)) == 3
    assert counts[0:24:2] == counts[1:24:2]  # every = 2


def test_what_rests_does_so_at_the_end(solver_file: Path) -> None:
    solver = Solver("short.prototxt", recipe=parse_recipe(recipe(ELEMENTS["augmentation"])))
    (layer,) = data_layers(solver.net)
    plan = solver.recipe.plan(layer)
    assert plan.closes == 6 * 2 * 4
    assert [plan.is_closed(n) for n in (0, 47, 48)] == [False, False, True]
    closed = plan.layer_for(layer.param, None, True)
    assert layer.param.transform_param.HasField("distort_param")
    assert not closed.transform_param.HasField("distort_param")
    assert len(closed.annotated_data_param.batch_sampler) == 1


def test_a_teacher_that_is_the_net_itself_has_nothing_to_say(solver_file: Path) -> None:
    text = Path("train.prototxt").read_text()
    frozen = '[layers]\nfreeze = ["*"]\n'
    solver = solver_of(frozen + ELEMENTS["distillation"])
    solver.net.copy_from(TRAINED)
    (more,) = solver.trainable.more_losses
    solver.trainable.more_losses.clear()
    values: dict[str, torch.Tensor] = {}
    for layer in solver.net.steps:  # statistics as they are: the test phase's
        if isinstance(layer, BatchNorm):
            layer.uses_global = True
    solver.trainable.forward()
    values = {name: blob.tensor for name, blob in solver.net.blobs.items()}
    assert float(more(values)) == pytest.approx(0, abs=1e-4)
    values["mbox_conf"] = values["mbox_conf"] + torch.randn_like(values["mbox_conf"])
    assert float(more(values)) > 0.1
    assert "MultiBoxLoss" in text


# ---- resuming with another ----


def test_what_differs_is_said(solver_file: Path, run: Any) -> None:
    base = ["train", solver_file.name, "--device", "cpu"]
    recipe(ELEMENTS["cosine"] + "\n" + ELEMENTS["focal"])
    assert run(*base, "--recipe", "my.toml", "--max-iter", "4").status == 0
    assert "Learning Rate Policy: cosine (recipe)" in Path("short.log").read_text()
    again = run(*base, "--resume", "auto", "--max-iter", "5")
    assert "--recipe my.toml: as the snapshot records" in again.err
    recipe(ELEMENTS["cosine"].replace("0.1", "0.2") + "\n" + ELEMENTS["giou"])
    again = run(*base, "--resume", "auto", "--max-iter", "6", "--recipe", "my.toml")
    assert "--recipe my.toml: schedule.last is 0.2, until the snapshot it was 0.1" in again.err
    assert "without classification.kind, until the snapshot it was focal" in again.err
    assert "boxes.kind is giou, until the snapshot there was none" in again.err
    again = run(*base, "--resume", "auto", "--max-iter", "7", "--recipe", "original")
    assert "without boxes.kind, until the snapshot it was giou" in again.err
    again = run(*base, "--resume", "auto", "--max-iter", "8")
    assert "--recipe" not in again.err
    late = run(*base, "--resume", "auto", "--max-iter", "9", "--recipe", "my.toml")
    assert "--recipe my.toml: until the snapshot there was none" in late.err
    assert set(printed(again.err)) == {7, 8}


def test_a_record_that_is_no_recipe(solver_file: Path) -> None:
    run_of(recipe(ELEMENTS["cosine"]), 4)
    beside = Path("short_iter_4.resume.json")
    good = json.loads(beside.read_text())
    for own, what in (
        ("x", "is none"),
        ({"origin": "a"}, "is none"),
        ({"origin": "a", "schedule": {"kind": "later"}}, "later version"),
        ({"origin": "a", "tomorrow": {}}, "no such part"),
    ):
        good["options"]["recipe"] = own
        beside.write_text(json.dumps(good))
        with pytest.raises(InputError) as error:
            run_of(None, resume=Path("short_iter_4.solverstate"))
        assert what in f"{error.value.what} {error.value.hint}"


def test_another_optimiser_does_not_go_on(solver_file: Path) -> None:
    run_of(recipe(ELEMENTS["adamw"]), 4)
    with pytest.raises(InputError) as error:
        run_of(recipe(ELEMENTS["sgdw"]), resume=Path("short_iter_4.solverstate"))
    assert "arrays of history" in error.value.hint


def test_a_real_caffe_has_none(solver_file: Path, run: Any) -> None:
    recipe(ELEMENTS["cosine"])
    base = ["train", solver_file.name, "--engine", "caffe", "--recipe", "my.toml"]
    result = run(*base)
    assert result.status == 2
    assert "--recipe my.toml: a real Caffe trains as solver and nets say" in result.err


def test_the_groups_have_all_elements() -> None:
    assert {name for group in GROUPS for name in group.split()} == {*ELEMENTS}
    kinds = {registry: registry.names() for registry in read.ELEMENTS.values()}
    text = "\n".join([*ELEMENTS.values(), *SIGMOIDS.values()])
    for names in kinds.values():
        assert [n for n in names if n not in ("original", "iou") and f'"{n}"' not in text] == []
