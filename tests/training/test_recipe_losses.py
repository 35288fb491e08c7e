"""Losses of recipes: each against its formula in plain Python; gradients against differences."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from support.multibox_twin import Settings, decode, overlap_of
from support.recipe_scenes import LEVELS, SIZE, label_of, scene

from ssd_data.engines.torch.layers.multiboxloss import MultiBoxLoss
from ssd_data.training.recipe.boxes._base import BoxLoss
from ssd_data.training.recipe.boxes.ciou import Ciou
from ssd_data.training.recipe.boxes.diou import Diou
from ssd_data.training.recipe.boxes.giou import Giou
from ssd_data.training.recipe.boxes.iou import Iou
from ssd_data.training.recipe.boxes.original import OriginalBoxes
from ssd_data.training.recipe.classification._base import ClassLoss
from ssd_data.training.recipe.classification.focal import Focal
from ssd_data.training.recipe.classification.original import OriginalClasses
from ssd_data.training.recipe.classification.quality_focal import QualityFocal
from ssd_data.training.recipe.classification.varifocal import Varifocal
from ssd_data.training.recipe.matchings.atss import Atss
from ssd_data.training.recipe.matchings.original import OriginalMatching
from ssd_data.training.recipe.matchings.simota import Simota
from ssd_data.training.recipe.objective import Objective
from ssd_data.training.recipe.pairs import MatchedPairs, Predictions, PriorMatches

BOXES: list[BoxLoss] = [Iou(), Giou(), Diou(), Ciou()]
SIGMOIDS: list[Focal | QualityFocal | Varifocal] = [
    Focal(),
    Focal(smoothing=0.1, gamma=1.5),
    QualityFocal(),
    Varifocal(),
]


def pairs_of(given_: torch.Tensor, wanted: torch.Tensor) -> MatchedPairs:
    nothing = torch.zeros(len(given_), dtype=torch.long)
    return MatchedPairs(nothing, nothing, nothing, given_ - wanted, given_, wanted)


def box_twin(kind: str, a: list[float], b: list[float]) -> float:
    """The papers' formulas, of two boxes."""
    w, h = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    common = max(w, 0) * max(h, 0)
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (a, b)]
    union = areas[0] + areas[1] - common
    loss = 1 - common / union
    around = (max(a[2], b[2]) - min(a[0], b[0]), max(a[3], b[3]) - min(a[1], b[1]))
    if kind == "giou":
        loss += (around[0] * around[1] - union) / (around[0] * around[1])
    if kind in ("diou", "ciou"):
        dx, dy = (a[0] + a[2] - b[0] - b[2]) / 2, (a[1] + a[3] - b[1] - b[3]) / 2
        loss += (dx * dx + dy * dy) / (around[0] ** 2 + around[1] ** 2)
    if kind == "ciou":
        angles = [math.atan((box[2] - box[0]) / (box[3] - box[1])) for box in (a, b)]
        v = 4 / math.pi**2 * (angles[1] - angles[0]) ** 2
        loss += v * v / ((1 - common / union) + v) if v else 0
    return loss


def draw_pairs(seed: int, count: int = 12) -> MatchedPairs:
    rng = np.random.default_rng(seed)
    low = rng.uniform(0, 40, (2, count, 2))
    boxes = np.concatenate([low, low + rng.uniform(3, 40, (2, count, 2))], 2)
    return pairs_of(*torch.from_numpy(boxes))


@settings(max_examples=50)
@given(st.integers(0, 2**32))
def test_box_losses_are_the_papers(seed: int) -> None:
    pairs = draw_pairs(seed)
    for how in BOXES:
        wanted = [
            box_twin(how.kind, a, b)
            for a, b in zip(pairs.given.tolist(), pairs.wanted.tolist(), strict=True)
        ]
        np.testing.assert_allclose(how.losses(pairs).numpy(), wanted, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("how", BOXES, ids=lambda one: one.kind)
def test_a_box_that_fits_costs_nothing(how: BoxLoss) -> None:
    box = torch.tensor([[3.0, 4.0, 30.0, 20.0]])
    assert float(how.losses(pairs_of(box, box))) == pytest.approx(0, abs=1e-6)
    apart = torch.tensor([[50.0, 4.0, 80.0, 20.0]])
    assert float(how.losses(pairs_of(apart, box))) >= 1


@pytest.mark.parametrize("how", BOXES[:3], ids=lambda one: one.kind)
def test_gradients_of_box_losses(how: BoxLoss) -> None:
    pairs = draw_pairs(7)
    given_ = pairs.given.clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda box: how.losses(pairs_of(box, pairs.wanted)), [given_])


def test_gradients_of_ciou_leave_its_factor_alone() -> None:
    pairs = draw_pairs(8, 1)
    given_ = pairs.given.clone().requires_grad_()
    (found,) = torch.autograd.grad(Ciou().losses(pairs_of(given_, pairs.wanted)).sum(), given_)

    def with_fixed(box: torch.Tensor) -> float:
        """v times the a of the box as it was."""
        a, b = box[0].tolist(), pairs.wanted[0].tolist()
        angles = [math.atan((one[2] - one[0]) / (one[3] - one[1])) for one in (a, b)]
        v = 4 / math.pi**2 * (angles[1] - angles[0]) ** 2
        return box_twin("diou", a, b) + factor * v

    a, b = pairs.given[0].tolist(), pairs.wanted[0].tolist()
    angles = [math.atan((one[2] - one[0]) / (one[3] - one[1])) for one in (a, b)]
    v = 4 / math.pi**2 * (angles[1] - angles[0]) ** 2
    factor = v / (box_twin("iou", a, b) + v)
    for k in range(4):
        step = torch.zeros(1, 4, dtype=torch.float64)
        step[0, k] = 1e-5
        slope = (with_fixed(pairs.given + step) - with_fixed(pairs.given - step)) / 2e-5
        assert float(found[0, k]) == pytest.approx(slope, rel=1e-5, abs=1e-8)


@pytest.mark.parametrize("how", BOXES, ids=lambda one: one.kind)
def test_odd_boxes_have_finite_losses_and_gradients(how: BoxLoss) -> None:
    odd = torch.tensor(
        [[0.0, 0, 0, 0], [5, 5, 5, 9], [9, 9, 3, 3], [-1e6, -1e6, 1e6, 1e6], [1, 1, 1 + 1e-6, 2]]
    )
    given_ = odd.clone().requires_grad_()
    for wanted in (torch.tensor([[0.0, 0, 10, 10]]).expand(5, 4), odd):
        losses = how.losses(pairs_of(given_, wanted))
        assert torch.isfinite(losses).all()
        (grad,) = torch.autograd.grad(losses.sum(), given_)
        assert torch.isfinite(grad).all()


def logs(x: float) -> tuple[float, float, float]:
    """The probability of a score, its logarithm, that of what is left."""
    p = 1 / (1 + math.exp(-x))
    return p, math.log(p), math.log(1 - p)


def sigmoid_twin(how: Focal | QualityFocal | Varifocal, x: float, y: float) -> float:
    p, yes, no = logs(x)
    cross = -(y * yes + (1 - y) * no)
    if isinstance(how, Focal):
        soft = y * (1 - how.smoothing) + how.smoothing / 2
        right, weight = (p, how.alpha) if y else (1 - p, 1 - how.alpha)
        return weight * (1 - right) ** how.gamma * -(soft * yes + (1 - soft) * no)
    if isinstance(how, QualityFocal):
        return abs(y - p) ** how.beta * cross
    return y * cross if y > 0 else how.alpha * p**how.gamma * cross


def targets_of(p: Predictions, matches: PriorMatches, hard: bool) -> np.ndarray:
    """Of each prior and class what the score should be."""
    found = np.zeros((p.pictures, len(p.priors.boxes), p.scores.shape[2]))
    for n, row in enumerate(matches.index.tolist()):
        for i, j in enumerate(row):
            if j >= 0:
                box, truth = p.boxes[n, i].numpy(), p.truth.boxes[j].numpy()
                found[n, i, int(p.truth.label[j])] = 1 if hard else float(overlap_of(truth, box))
    return found


@pytest.mark.parametrize("how", SIGMOIDS, ids=str)
def test_losses_of_sigmoids_are_the_papers(how: Focal | QualityFocal | Varifocal) -> None:
    p = scene(11, count=7, logistic=True)
    matches = Atss().match(p)
    assert (matches.index >= 0).any()
    _, chosen = how.choose(p, matches)
    chosen[0, :5] = False  # as ignored priors are
    found = float(how.loss(p, matches, chosen))
    targets = targets_of(p, matches, hard=isinstance(how, Focal))
    wanted = sum(
        sigmoid_twin(how, float(p.scores[n, i, c]), targets[n, i, c])
        for n in range(p.pictures)
        for i in range(len(p.priors.boxes))
        for c in range(1, p.scores.shape[2])
        if not (n == 0 and i < 5)
    )
    assert found == pytest.approx(wanted, rel=1e-4)


@pytest.mark.parametrize("how", SIGMOIDS, ids=str)
def test_gradients_of_sigmoids(how: Focal | QualityFocal | Varifocal) -> None:
    rng = np.random.default_rng(3)
    scores = torch.from_numpy(rng.normal(0, 2, (6, 3))).requires_grad_()
    hard = torch.from_numpy(rng.integers(0, 2, (6, 3)).astype(np.float64))
    soft = hard * torch.from_numpy(rng.uniform(0.1, 1, (6, 3)))
    targets = hard if isinstance(how, Focal) else soft
    assert torch.autograd.gradcheck(lambda x: how.of_sigmoids(x, targets), [scores])
    extreme = torch.tensor([[-200.0, 200.0], [200.0, -200.0]], requires_grad=True)
    ends = torch.tensor([[0.0, 1.0], [0.0, 1.0]])
    losses = how.of_sigmoids(extreme, ends)
    (grad,) = torch.autograd.grad(losses.sum(), extreme)
    assert torch.isfinite(losses).all()
    assert torch.isfinite(grad).all()


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_focal_of_a_softmax(smoothing: float) -> None:
    how = Focal(gamma=1.5, alpha=0.3, smoothing=smoothing)
    rng = np.random.default_rng(5)
    scores, labels = torch.from_numpy(rng.normal(0, 2, (8, 4))), torch.tensor([0, 1, 2, 3] * 2)
    found = how.of_softmax(scores, labels, 0)
    for row, label, loss in zip(scores.tolist(), labels.tolist(), found.tolist(), strict=True):
        total = sum(math.exp(x) for x in row)
        minus = [-math.log(math.exp(x) / total) for x in row]
        cross = (1 - smoothing) * minus[label] + smoothing * sum(minus) / 4
        weight = 0.7 if label == 0 else 0.3
        p = math.exp(row[label]) / total
        assert loss == pytest.approx(weight * (1 - p) ** 1.5 * cross)
    assert torch.autograd.gradcheck(
        lambda x: how.of_softmax(x, labels, 0), [scores.requires_grad_()]
    )


@pytest.mark.parametrize("logistic", [False, True])
def test_smoothed_labels(logistic: bool) -> None:
    p = scene(12, count=6, logistic=logistic)
    matches, chosen = OriginalClasses().choose(p, OriginalMatching().match(p))
    found = float(OriginalClasses(smoothing=0.3).loss(p, matches, chosen))
    labels, wanted = p.labels(matches.index), 0.0
    for n, i in chosen.nonzero().tolist():
        row, label = p.scores[n, i].double().numpy(), int(labels[n, i])
        if logistic:
            soft = [0.85 if c == label else 0.15 for c in range(len(row))]
            wanted += sum(np.logaddexp(0, x) - x * y for x, y in zip(row, soft, strict=True))
        else:
            minus = np.logaddexp.reduce(row) - row
            wanted += 0.7 * minus[label] + 0.3 * minus.mean()
    assert found == pytest.approx(wanted, rel=1e-5)


def whole(
    objective: Objective | None, seed: int, **more: object
) -> tuple[MultiBoxLoss, list[torch.Tensor]]:
    """The loss of a scene with its gradients, by an objective or by the layer itself."""
    p = scene(seed, count=6, **more)  # type: ignore[arg-type]
    layer = p.layer
    layer.objective = objective
    loc = p.offsets.reshape(p.pictures, -1).requires_grad_()
    conf = p.scores.reshape(p.pictures, -1).requires_grad_()
    prior = torch.stack([p.priors.boxes.reshape(-1), p.priors.variances.reshape(-1)])[None]
    loss = layer.forward(loc, conf, prior, label_of(p))
    return layer, [loss.detach(), *torch.autograd.grad(loss, [loc, conf])]


def objective(
    matching: Atss | Simota | OriginalMatching, classes: ClassLoss, boxes: BoxLoss
) -> Objective:
    return Objective(matching, classes, boxes, lambda: (LEVELS, SIZE))


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"logistic": True},
        {"loc_loss_type": "L2", "loc_weight": 2.0},
        {"mining_type": "HARD_EXAMPLE", "sample_size": 9},
        {"mining_type": "NONE"},
        {"code_type": "CORNER", "normalization": "FULL"},
    ],
    ids=str,
)
def test_of_nothing_but_originals_it_is_the_layers_own(more: dict[str, object]) -> None:
    """To the last bit, gradients included."""
    (own, plain), (ours, found) = (
        whole(None, 13, **more),
        whole(objective(OriginalMatching(), OriginalClasses(), OriginalBoxes()), 13, **more),
    )
    for a, b in zip(plain, found, strict=True):
        assert torch.equal(a, b)
    assert own.parts is not None
    assert ours.parts is not None
    for name in ("loc", "conf", "matches", "examples", "normalizer"):
        assert float(getattr(own.parts, name)) == float(getattr(ours.parts, name)), name


@pytest.mark.parametrize("code_type", ["CENTER_SIZE", "CORNER_SIZE", "CORNER"])
@pytest.mark.parametrize("how", BOXES, ids=lambda one: one.kind)
def test_boxes_are_decoded_by_the_nets_own_code(how: BoxLoss, code_type: str) -> None:
    layer, (_, grad, _) = whole(
        objective(OriginalMatching(), OriginalClasses(), how), 14, code_type=code_type, spread=0.2
    )
    p = scene(14, count=6, code_type=code_type, spread=0.2)
    index = OriginalMatching().match(p).index
    matched, wanted = (index >= 0).nonzero().tolist(), 0.0
    assert matched
    own = Settings(code_type=code_type)
    for n, i in matched:
        variances, prior = p.priors.variances[i].numpy(), p.priors.boxes[i].numpy()
        box = decode(own, p.offsets[n, i].detach().numpy(), prior, variances)
        truth = p.truth.boxes[index[n, i]].numpy()
        scale = np.array(SIZE * 2)
        wanted += box_twin(how.kind, list(box * scale), list(truth * scale))
    assert layer.parts is not None
    assert float(layer.parts.loc) == pytest.approx(wanted / len(matched), rel=1e-4)
    assert grad.abs().sum() > 0


@pytest.mark.parametrize("match", [Atss(), Simota()], ids=lambda one: one.kind)
@pytest.mark.parametrize("classes", [Focal(), QualityFocal(), Varifocal()], ids=lambda o: o.kind)
def test_gradients_of_the_whole_by_differences(match: Atss | Simota, classes: ClassLoss) -> None:
    """Along one direction, where matches and qualities stay as they are."""
    how = objective(match, classes, Giou(weight=2.0))
    _, (_, loc_grad, conf_grad) = whole(how, 15, logistic=True)
    p = scene(15, count=6, logistic=True)
    prior = torch.stack([p.priors.boxes.reshape(-1), p.priors.variances.reshape(-1)])[None]
    p.layer.objective = how
    towards = torch.randn(p.scores.shape, generator=torch.manual_seed(1)).reshape(p.pictures, -1)

    def value(step: float) -> float:
        conf = p.scores.reshape(p.pictures, -1) + step * towards
        loss = p.layer.forward(p.offsets.reshape(p.pictures, -1), conf, prior, label_of(p))
        return float(loss)

    slope = (value(2e-3) - value(-2e-3)) / 4e-3
    assert float((conf_grad * towards).sum()) == pytest.approx(slope, rel=2e-2, abs=1e-3)
    assert loc_grad.abs().sum() > 0
    background = conf_grad.reshape(p.scores.shape)[..., p.background]
    assert not background.any()  # no detector reads it


@pytest.mark.parametrize("match", [Atss(), Simota(), OriginalMatching()], ids=lambda one: one.kind)
@pytest.mark.parametrize("how", [OriginalBoxes(), *BOXES], ids=lambda one: one.kind)
def test_truths_without_area_are_never_learned(
    match: Atss | Simota | OriginalMatching, how: BoxLoss
) -> None:
    p = scene(17, count=4, logistic=True)
    p.truth.boxes[0, 2:] = p.truth.boxes[0, :2]
    p.truth.boxes[1, 3] = p.truth.boxes[1, 1] - 0.2
    p.truth.boxes[2] = torch.tensor([0.5, 0.5, 0.5, 0.9])
    p.layer.objective = objective(match, Varifocal(), how)
    assert set(match.match(p).index.flatten().tolist()) <= {-1, 3}
    prior = torch.stack([p.priors.boxes.reshape(-1), p.priors.variances.reshape(-1)])[None]
    flat = [t.reshape(p.pictures, -1).requires_grad_() for t in (p.offsets, p.scores)]
    loss = p.layer.forward(*flat, prior, label_of(p))
    assert torch.isfinite(loss)
    assert all(torch.isfinite(grad).all() for grad in torch.autograd.grad(loss, flat))


def test_no_truth_at_all() -> None:
    for match in (Atss(), Simota(), OriginalMatching()):
        for classes in (Focal(), Varifocal(), OriginalClasses()):
            p = scene(16, count=0, logistic=True)
            p.layer.objective = objective(match, classes, Ciou())
            prior = torch.stack([p.priors.boxes.reshape(-1), p.priors.variances.reshape(-1)])[None]
            label = torch.full((1, 1, 1, 8), -1.0)
            flat = [t.reshape(p.pictures, -1) for t in (p.offsets, p.scores)]
            loss = p.layer.forward(*flat, prior, label)
            assert torch.isfinite(loss)


CLASSES: list[Callable[[int, int, bool], list[float] | None]] = [
    Focal(prior=0.05).first_bias,
    QualityFocal(prior=0.05).first_bias,
]


@pytest.mark.parametrize("bias", CLASSES)
def test_what_new_heads_begin_with(bias: Callable[[int, int, bool], list[float] | None]) -> None:
    found = bias(4, 0, True)
    assert found is not None
    assert [logs(x)[0] for x in found[1:]] == pytest.approx([0.05] * 3)


def test_what_new_heads_of_a_softmax_begin_with() -> None:
    found = Focal(prior=0.05).first_bias(4, 0, False)
    assert found is not None
    e = np.exp(found)
    assert 1 - e[0] / e.sum() == pytest.approx(0.05)
    assert OriginalClasses().first_bias(4, 0, False) is None
