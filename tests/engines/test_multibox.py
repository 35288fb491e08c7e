"""MultiBoxLoss against a twin in plain loops, its parts alone, and what it refuses."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from support.multibox import draw, draw_boxes, make
from support.multibox_twin import Settings, overlap_of, twin

from ssd_data.core.errors import InputError
from ssd_data.engines.torch import matching
from ssd_data.engines.torch.boxes import overlap
from ssd_data.engines.torch.layers.multiboxloss import MultiBoxLoss
from ssd_data.engines.torch.matching import GroundTruth, match

# How far single precision may be off, as a share of the numbers that a gradient is the difference
# of: a handful of roundings, each of half a last bit (of 56,000 draws none was off by two bits).
ROUNDINGS = 8 * np.finfo(np.float32).eps


def compare(s: Settings, arrays: list[np.ndarray]) -> MultiBoxLoss:
    loc, conf, prior, label = arrays
    expected = twin(s, loc, conf, prior, label)
    layer = make(s, len(loc), prior.shape[1], len(label))
    loc_tensor = torch.from_numpy(loc.reshape(len(loc), -1)).requires_grad_()
    conf_tensor = torch.from_numpy(conf.reshape(len(loc), -1)).requires_grad_()
    rest = torch.from_numpy(prior.reshape(1, 2, -1)), torch.from_numpy(label[None, None])
    loss = layer.forward(loc_tensor, conf_tensor, *rest)
    loss.backward()
    assert layer.parts is not None
    assert int(layer.parts.matches) == expected.matches
    if s.mining_type != "NONE":
        negatives = sum(map(len, expected.negatives))
        assert int(layer.parts.examples) == expected.matches + negatives
    np.testing.assert_allclose(loss.item(), expected.loss, rtol=2e-5, atol=1e-6)
    parts = float(layer.parts.loc + layer.parts.conf)
    np.testing.assert_allclose(parts, expected.loss, rtol=2e-5, atol=1e-6)
    for tensor, grad, terms in (
        (loc_tensor, expected.loc_grad, expected.loc_terms),
        (conf_tensor, expected.conf_grad, expected.conf_terms),
    ):
        assert tensor.grad is not None
        off = np.abs(tensor.grad.numpy().ravel() - grad.ravel())
        assert (off <= ROUNDINGS * terms.ravel()).all()
    return layer


@st.composite
def all_settings(draw: st.DrawFn) -> Settings:
    mining = draw(st.sampled_from(["NONE", "MAX_NEGATIVE", "HARD_EXAMPLE"]))
    agnostic = draw(st.booleans()) and draw(st.booleans())
    flag = st.booleans()
    classes = 2 if agnostic else draw(st.integers(2, 4))
    return Settings(
        num_classes=classes,
        map_object_to_agnostic=agnostic,
        loc_loss_type=draw(st.sampled_from(["SMOOTH_L1", "L2"])),
        conf_loss_type=draw(st.sampled_from(["SOFTMAX", "LOGISTIC"])),
        loc_weight=draw(st.sampled_from([1.0, 0.5, 2.0])),
        share_location=mining != "NONE" or draw(flag),
        match_type=draw(st.sampled_from(["PER_PREDICTION", "BIPARTITE"])),
        overlap_threshold=draw(st.sampled_from([0.5, 0.3, 0.0])),
        use_prior_for_matching=draw(flag),
        background_label_id=draw(st.integers(0, 1)) if classes > 2 else 0,
        use_difficult_gt=draw(flag),
        neg_pos_ratio=draw(st.sampled_from([3.0, 0.5, 7.0])),
        neg_overlap=draw(st.sampled_from([0.5, 0.35])),
        code_type=draw(st.sampled_from(["CORNER", "CENTER_SIZE", "CORNER_SIZE"])),
        encode_variance_in_target=draw(flag),
        ignore_cross_boundary_bbox=draw(flag),
        bp_inside=draw(flag),
        mining_type=mining,
        sample_size=draw(st.integers(1, 20)),
        use_prior_for_nms=draw(flag),
        nms_threshold=draw(st.sampled_from([0.0, 0.3, 0.7])),
        top_k=draw(st.sampled_from([-1, 0, 5])),
        normalization=draw(st.sampled_from(["FULL", "VALID", "BATCH_SIZE", "NONE"])),
    )


@settings(max_examples=150, deadline=None)
@given(
    s=all_settings(),
    seed=st.integers(0, 2**32),
    pictures=st.integers(1, 3),
    priors=st.integers(1, 24),
    boxes=st.integers(1, 12),
)
@example(  # the only gradient is 0.99976982 - 1: 3861.75 of the last bits of 1 make 3861
    s=Settings(
        num_classes=2, mining_type="NONE", share_location=False, use_prior_for_matching=False
    ),
    seed=3,
    pictures=1,
    priors=1,
    boxes=7,
)
def test_like_the_twin(s: Settings, seed: int, pictures: int, priors: int, boxes: int) -> None:
    compare(s, draw(s, seed, pictures, priors, boxes))


@pytest.mark.parametrize("mining", ["NONE", "MAX_NEGATIVE", "HARD_EXAMPLE"])
@pytest.mark.parametrize(
    "case", ["no truth", "no area", "more truths than priors", "all difficult", "one each"]
)
def test_corners(case: str, mining: str) -> None:
    s = Settings(mining_type=mining, use_difficult_gt=case != "all difficult")
    arrays = draw(s, 5, 2, 3 if case == "more truths than priors" else 10, 9)
    label = arrays[3]
    label[:, 0] = np.arange(9) % 2
    label[:, 3:7] = draw_boxes(np.random.default_rng(6), 9, 8)
    if case == "no truth":
        label[:, 0] = -1
    elif case == "no area":
        label[:, 5] = label[:, 3]
    elif case == "all difficult":
        label[:, 7] = 1
    elif case == "one each":
        label[2:, 0] = -1
    layer = compare(s, arrays)
    assert layer.parts is not None
    assert (int(layer.parts.matches) == 0) == (case in ("no truth", "no area", "all difficult"))
    assert torch.isfinite(layer.parts.loc + layer.parts.conf)


def test_ties_go_to_the_lower_prior_and_the_earlier_truth() -> None:
    boxes = torch.tensor([[0.0, 0, 0.5, 0.5], [0, 0, 0.5, 0.5], [0.5, 0.5, 1, 1]])
    same = torch.tensor([[0.0, 0, 0.5, 0.5]] * 3)
    truth = GroundTruth(torch.tensor([0, 0, 1]), torch.ones(3, dtype=torch.int64), same)
    index, overlap = match(boxes, truth, 2)
    assert index.tolist() == [[0, 1, -1], [2, -1, -1]]
    assert overlap.tolist() == [[1, 1, 0], [1, 1, 0]]


@given(seed=st.integers(0, 2**32), grid=st.sampled_from([3, 8, 1000]))
def test_overlaps_like_the_twin(seed: int, grid: int) -> None:
    rng = np.random.default_rng(seed)
    one, other = (rng.integers(-2, grid, (6, 4)).astype(np.float32) / grid for _ in range(2))
    ours = overlap(torch.from_numpy(one), torch.from_numpy(other)).numpy()
    theirs = np.array([[overlap_of(a, b) for b in other] for a in one], np.float32)
    np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("own", [False, True])
@pytest.mark.parametrize("outside", [False, True])
@pytest.mark.parametrize("threshold", [None, 0.3])
def test_a_batch_too_large_for_one_table_matches_the_same(
    threshold: float | None, outside: bool, own: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw = torch.Generator().manual_seed(3)
    corner = torch.rand(4, 40, 2, generator=draw) - 0.1
    boxes = torch.cat([corner, corner + 0.3], -1)
    places = torch.rand(30, 2, generator=draw) * 0.7
    picture = torch.randint(0, 3, (30,), generator=draw)  # the fourth has none
    truth = GroundTruth(picture, torch.ones_like(picture), torch.cat([places, places + 0.3], -1))
    boxes = boxes if own else boxes[0]
    how = {"threshold": threshold, "ignore_outside": outside}
    whole = match(boxes, truth, 4, **how)
    most = int(picture.bincount().max()) * 40
    monkeypatch.setattr(matching, "MOST_PAIRS", most)
    for ours, theirs in zip(match(boxes, truth, 4, **how), whole, strict=True):
        assert torch.equal(ours, theirs)
    with pytest.raises(InputError, match="30 boxes in one batch are too many for 40 priors"):
        match(boxes, truth, 4, compensates=True, **how)
    monkeypatch.setattr(matching, "MOST_PAIRS", most - 1)
    with pytest.raises(InputError, match="boxes in one picture are too many for 40 priors"):
        match(boxes, truth, 4, **how)


def test_no_number_is_no_overlap() -> None:
    box = torch.tensor([[0.0, 0, 1, 1], [0, 0, torch.nan, 1], [-torch.inf, 0, torch.inf, 1]])
    assert overlap(box[:1], box).tolist() == [[1, 0, 0]]


@pytest.mark.parametrize("by_prior", [True, False])
def test_sigmoids_without_mining_mark_where_the_original_does(by_prior: bool) -> None:
    s = Settings(mining_type="NONE", conf_loss_type="LOGISTIC", use_prior_for_matching=by_prior)
    layer = compare(s, draw(s, 2, 3, 20, 9))
    assert layer.parts is not None
    assert layer.parts.matches > 2


def test_saturated_scores_keep_their_gradient() -> None:
    s = Settings(mining_type="NONE")
    arrays = draw(s, 1, 1, 6, 3)
    arrays[1][:] = [0, 500, -500]
    compare(s, arrays)


def test_a_part_that_is_not_propagated_is_not_in_the_loss() -> None:
    s = Settings()
    loc, conf, prior, label = draw(s, 1, 2, 12, 4)
    tensors = [torch.from_numpy(a.reshape(2, -1)) for a in (loc, conf)]
    tensors += [torch.from_numpy(prior.reshape(1, 2, -1)), torch.from_numpy(label[None, None])]
    no, yes = "propagate_down: false ", "propagate_down: true "
    for more, name in ((yes + no * 3, "loc"), (no + yes + no * 2, "conf")):
        layer = make(s, 2, 12, 4, more)
        loss = layer.forward(*tensors)
        assert loss == getattr(layer.parts, name) > 0


def test_propagate_down_is_for_all_bottoms_or_none() -> None:
    with pytest.raises(InputError, match="has 1 propagate_down for 4 bottoms"):
        make(Settings(), 1, 4, 1, "propagate_down: true")


def test_normalizer_may_be_summed_over_processes() -> None:
    s = Settings()
    loc, conf, prior, label = draw(s, 1, 2, 12, 4)
    tensors = [torch.from_numpy(a.reshape(2, -1)) for a in (loc, conf)]
    tensors += [torch.from_numpy(prior.reshape(1, 2, -1)), torch.from_numpy(label[None, None])]
    layer = make(s, 2, 12, 4)
    alone = layer.forward(*tensors)
    layer.all_reduce = lambda count: 2 * count
    assert layer.forward(*tensors).item() == pytest.approx(alone.item() / 2)


REFUSED = [
    (Settings(num_classes=0), "num_classes is missing, or 0"),
    (Settings(background_label_id=3), "background_label_id is none of them"),
    (Settings(map_object_to_agnostic=True), "needs num_classes 2"),
    (Settings(share_location=False), "goes with mining_type: NONE only"),
    (Settings(mining_type="HARD_EXAMPLE", sample_size=0), "sample_size is 0"),
]


@pytest.mark.parametrize(("s", "message"), REFUSED)
def test_refused_parameters(s: Settings, message: str) -> None:
    with pytest.raises(InputError, match=message) as error:
        make(s, 1, 4, 1)
    assert 'prototxt:2 (layer "mbox")' in str(error.value)


def test_do_neg_mining_must_agree() -> None:
    class Old(Settings):
        def text(self) -> str:
            return super().text().replace("num_classes", "do_neg_mining: false num_classes")

    make(Old(mining_type="NONE"), 1, 4, 1)
    with pytest.raises(InputError, match="do_neg_mining contradicts"):
        make(Old(), 1, 4, 1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda a: a[3].__setitem__((0, 1), 3), r"label 3 is not in \[0, 3\)"),
        (lambda a: a[3].__setitem__((0, 1), -1), r"label -1 is not in \[0, 3\)"),
        (lambda a: a[3].__setitem__((0, 1), 0), "has the background's label, 0"),
        (lambda a: a[2].__setitem__((1, 0, 0), 0), "variance is not above 0"),
        (lambda a: a[2].__setitem__((1, 0, 0), np.nan), "variance is not above 0"),
        (lambda a: a[2].__setitem__((0, 0, 2), -1), "a prior has no area"),
    ],
)
def test_refused_values(change: object, message: str) -> None:
    s = Settings(use_prior_for_matching=False)
    arrays = draw(s, 1, 1, 4, 2)
    arrays[3][:, 0] = 0
    change(arrays)  # type: ignore[operator]
    loc, conf, prior, label = (torch.from_numpy(a) for a in arrays)
    with pytest.raises(InputError, match=message) as error:
        make(s, 1, 4, 2).forward(
            loc.reshape(1, -1), conf.reshape(1, -1), prior.reshape(1, 2, -1), label[None, None]
        )
    assert 'prototxt:2 (layer "mbox")' in str(error.value)


@pytest.mark.parametrize("which", range(4))
def test_refused_shapes(which: int) -> None:
    layer = make(Settings(), 2, 4, 3)
    shapes = [(2, 16), (2, 12), (1, 2, 16), (1, 1, 3, 8)]
    shapes[which] = (*shapes[which][:-1], shapes[which][-1] + 1)
    with pytest.raises(InputError, match="prior|label"):
        layer.infer(*(torch.empty(s, device="meta") for s in shapes))


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        ([(0, 16), (0, 12), (1, 2, 16), (1, 1, 3, 8)], "the batch is empty"),
        ([(2, 0), (2, 0), (1, 2, 0), (1, 1, 3, 8)], "priors have shape"),
        ([(2, 16), (2, 12), (2, 16), (1, 1, 3, 8)], "priors have shape"),
        ([(2, 16), (2, 12), (1, 2, 16), ()], "labels have shape"),
    ],
)
def test_refused_odd_shapes(shapes: list[tuple[int, ...]], message: str) -> None:
    layer = make(Settings(), 2, 4, 3)
    with pytest.raises(InputError, match=message):
        layer.infer(*(torch.empty(s, device="meta") for s in shapes))


def test_boxes_of_pictures_that_are_not_there_do_not_count() -> None:
    s = Settings()
    arrays = draw(s, 1, 2, 8, 4)
    compare(replace(s), arrays)
    more = np.concatenate([arrays[3], [[7, 99, 0, 0, 0, 1, 1, 0], [-2, 0, 0, 0, 0, 1, 1, 0]]])
    compare(s, [*arrays[:3], more.astype(np.float32)])


# ---- MultiBoxFocalLoss, of chuanqi305's fork ----


@pytest.mark.parametrize("mining", ["NONE", "MAX_NEGATIVE", "HARD_EXAMPLE"])
def test_a_focal_loss_of_gamma_0_is_the_plain_one(mining: str) -> None:
    s = Settings(num_classes=3, mining_type=mining)
    arrays = draw(s, 5, 3, 24, 6)
    found = []
    for kind, more in (
        ("MultiBoxLoss", ""), ("MultiBoxFocalLoss", "focal_loss_param { alpha: 1 gamma: 0 }")
    ):  # fmt: skip
        layer = make(s, 3, 24, 6, more, kind)
        loc, conf = (torch.from_numpy(a.reshape(3, -1)).requires_grad_() for a in arrays[:2])
        rest = (
            torch.from_numpy(arrays[2].reshape(1, 2, -1)),
            torch.from_numpy(arrays[3][None, None]),
        )
        loss = layer.forward(loc, conf, *rest)
        loss.backward()
        found.append([loss.detach(), loc.grad, conf.grad])
    for plain, focal in zip(*found, strict=True):
        torch.testing.assert_close(plain, focal, rtol=1e-5, atol=1e-6)


def test_a_focal_loss_minds_the_hard_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    s = Settings(num_classes=3, mining_type="NONE")
    arrays = draw(s, 5, 2, 24, 6)
    layer = make(s, 2, 24, 6, "", "MultiBoxFocalLoss")
    plain, seen = layer.softmax_losses, []

    def watched(scores: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        seen.append((scores.detach().double().numpy(), labels.numpy()))
        return plain(scores, labels)

    monkeypatch.setattr(layer, "softmax_losses", watched)
    tensors = [torch.from_numpy(a.reshape(2, -1)) for a in arrays[:2]]
    rest = torch.from_numpy(arrays[2].reshape(1, 2, -1)), torch.from_numpy(arrays[3][None, None])
    layer.forward(*tensors, *rest)
    ((scores, labels),) = seen
    assert len(labels) == 48  # all priors, matched or not
    powers = np.exp(scores - scores.max(1, keepdims=True))
    p = (powers / powers.sum(1, keepdims=True))[np.arange(48), labels]
    expected = -(0.25 * (1 - p) ** 2 * np.log(p)).sum()
    assert layer.parts is not None
    normalizer = float(layer.parts.normalizer)
    np.testing.assert_allclose(float(layer.parts.conf) * normalizer, expected, rtol=1e-5)
