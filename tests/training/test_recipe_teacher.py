"""Distillation: its losses against their formulas in plain loops, its gradients by differences."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from support.recipe_scenes import scene

from ssd_data.core.errors import InputError
from ssd_data.engines.torch.net import Net
from ssd_data.training.recipe.parts import Distillation, TrainRecipe
from ssd_data.training.recipe.teacher import (
    DistillationLoss,
    Teacher,
    attention,
    score_losses,
    sureness,
)
from ssd_data.training.solver import Solver

WEIGHTS = "sgd_iter_120.caffemodel"
HOW = Distillation(net="test.prototxt", weights=WEIGHTS, features=2.0, maps=("conv3", "conv4"))


def softmax(row: list[float]) -> list[float]:
    e = [math.exp(x - max(row)) for x in row]
    return [x / sum(e) for x in e]


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


@pytest.mark.parametrize("logistic", [False, True])
@pytest.mark.parametrize("t", [1.0, 3.0])
def test_scores_like_the_formulas(logistic: bool, t: float) -> None:
    p = scene(1, logistic=logistic, pictures=1)
    theirs = torch.randn(p.scores.shape, generator=torch.manual_seed(2))
    losses = score_losses(p.scores, theirs, p.layer, t)[0].tolist()
    sure = sureness(theirs, p.layer)[0].tolist()
    rows = zip(p.scores[0].tolist(), theirs[0].tolist(), losses, sure, strict=True)
    for own, other, loss, certain in rows:
        wanted = 0.0
        if logistic:
            for x, y in zip(own[1:], other[1:], strict=True):
                a, b = sigmoid(y / t), sigmoid(x / t)
                wanted += a * math.log(a / b) + (1 - a) * math.log((1 - a) / (1 - b))
            assert certain == pytest.approx(max(map(sigmoid, other[1:])), rel=1e-5)
        else:
            a, b = softmax([y / t for y in other]), softmax([x / t for x in own])
            wanted = sum(v * math.log(v / w) for v, w in zip(a, b, strict=True))
            assert certain == pytest.approx(max(softmax(other)[1:]), rel=1e-5)
        assert loss == pytest.approx(t * t * wanted, rel=1e-3, abs=1e-5)


@pytest.mark.parametrize("logistic", [False, True])
def test_gradients_of_scores(logistic: bool) -> None:
    p = scene(1, logistic=logistic, pictures=1)
    own, theirs = p.scores[:, :4].double().requires_grad_(), torch.randn(1, 4, 4).double()
    assert torch.autograd.gradcheck(lambda x: score_losses(x, theirs, p.layer, 2.0), [own])
    same = score_losses(theirs, theirs, p.layer, 2.0)
    assert float(same.abs().max()) == pytest.approx(0, abs=1e-12)


def test_attention_is_where_a_map_is_strong() -> None:
    values = torch.zeros(2, 3, 2, 2)
    values[0, :, 0, 1] = torch.tensor([1.0, -2.0, 2.0])
    values[1, :, :, 0] = 5
    found = attention(values)
    half = math.sqrt(0.5)
    assert found.tolist() == [[0, 1, 0, 0], pytest.approx([half, 0, half, 0])]
    assert torch.isfinite(attention(torch.zeros(1, 3, 2, 2))).all()
    maps = torch.randn(1, 2, 2, 3).double().requires_grad_()
    assert torch.autograd.gradcheck(attention, [maps])
    wide = torch.cat([values, values], 1)  # as strong in as many more channels
    torch.testing.assert_close(attention(wide), found)


def trained(recipe: TrainRecipe | None = None) -> Solver:
    solver = Solver("short.prototxt", recipe=recipe)
    solver.net.copy_from("initial.caffemodel")
    return solver


@pytest.mark.usefixtures("solver_file")
def test_a_teacher_answers_as_its_net() -> None:
    solver = trained()
    solver.trainable.forward()
    pictures = solver.net.blobs["data"].tensor
    answers = Teacher(HOW, torch.device("cpu")).answer(pictures)
    net = Net("test.prototxt", "TEST", weights=WEIGHTS)
    end = [layer.node.name for layer in net.steps].index("mbox_priorbox")
    net.blobs["data"].tensor = pictures
    net.run(1, end)
    np.testing.assert_allclose(answers.offsets.flatten(1), net.blobs["mbox_loc"].data, atol=1e-5)
    np.testing.assert_allclose(answers.scores.flatten(1), net.blobs["mbox_conf"].data, atol=1e-5)
    for name, values in answers.maps.items():
        np.testing.assert_allclose(values, net.blobs[name].data, atol=1e-4)


@pytest.mark.usefixtures("solver_file")
def test_the_whole_is_the_sum_of_its_parts() -> None:
    solver = trained()
    loss = DistillationLoss(HOW, solver.net)
    solver.trainable.forward()
    values = {name: blob.tensor.clone() for name, blob in solver.net.blobs.items()}
    answers = loss.teacher.answer(values["data"])
    layer, shape = loss.layer, answers.scores.shape
    sure = sureness(answers.scores, layer)
    scores = score_losses(values["mbox_conf"].reshape(shape), answers.scores, layer, 2.0)
    wanted = float((sure * scores).sum() / sure.sum())
    errors = (values["mbox_loc"].reshape(answers.offsets.shape) - answers.offsets).abs()
    small = torch.where(errors < 1, 0.5 * errors**2, errors - 0.5).sum(2)
    wanted += float((sure * small).sum() / sure.sum())
    for name in HOW.maps:
        gap = attention(values[name]) - attention(answers.maps[name])
        wanted += 2 * float(gap.square().sum()) / len(gap)
    assert float(loss(values)) == pytest.approx(wanted, rel=1e-5)


@pytest.mark.usefixtures("solver_file")
def test_its_gradients_reach_the_net() -> None:
    plain, taught = trained(), trained(TrainRecipe(origin="x", distillation=HOW))
    grads = []
    for solver in (plain, taught):
        solver.net.clear_param_diffs()
        solver.trainable.backward(solver.trainable.forward())
        grads.append({id(p): p.blob.grad.clone() for p in solver.params if p.lr_mult})
    pairs = zip(*(one.values() for one in grads), strict=True)
    assert all(not torch.equal(a, b) for a, b in pairs)


@pytest.mark.usefixtures("solver_file")
def test_a_teacher_that_does_not_fit() -> None:
    text = Path("test.prototxt").read_text()
    Path("other.prototxt").write_text(text.replace("min_size: 16", "min_size: 17"))
    how = Distillation(net="other.prototxt", weights=WEIGHTS)
    solver = trained(TrainRecipe(origin="x", distillation=how))
    with pytest.raises(InputError, match="priors are not the net's"):
        solver.trainable.forward()
    with pytest.raises(InputError, match='no blob "conv9"'):
        Teacher(
            Distillation(net="test.prototxt", weights=WEIGHTS, maps=("conv9",)), torch.device("cpu")
        )
