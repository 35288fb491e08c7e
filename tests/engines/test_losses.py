"""The loss layers that stand alone, and Accuracy, against loops over their values."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ssd_data.core.errors import InputError
from ssd_data.engines.torch.net import Net
from ssd_data.nets.graph import parse_graph

MODES = ["FULL", "VALID", "BATCH_SIZE", "NONE", "normalize: true", "normalize: false", ""]


def net(kind: str, shapes: list[tuple[int, ...]], more: str = "", tops: int = 1) -> Net:
    names = [f"in{i}" for i in range(len(shapes))]
    fed = " ".join(f'top: "{n}"' for n in names)
    read = " ".join(f'bottom: "{n}"' for n in names)
    written = " ".join(f'top: "out{i}"' for i in range(tops))
    dims = "".join(f"shape {{ {' '.join(f'dim: {n}' for n in s)} }} " for s in shapes)
    text = (
        f'layer {{ name: "in" type: "Input" {fed} input_param {{ {dims} }} }}\n'
        f'layer {{ name: "it" type: "{kind}" {read} {written} {more} }}'
    )
    return Net(parse_graph("force_backward: true\n" + text, "TRAIN"))


def run(net: Net, *arrays: np.ndarray) -> tuple[float, list[np.ndarray]]:
    """The first output, and the gradients of all inputs, the loss weighted by 2."""
    for i, array in enumerate(arrays):
        net.blobs[f"in{i}"].data[...] = array
    net.forward()
    net.blobs["out0"].diff[...] = 2
    net.backward()
    return net.blobs["out0"].data.item(), [net.blobs[f"in{i}"].diff for i in range(len(arrays))]


def loss_param(mode: str, ignore: int | None = None) -> str:
    given = f"normalization: {mode}" if mode.isupper() else mode
    return f"loss_param {{ {given} {'' if ignore is None else f'ignore_label: {ignore}'} }}"


def divisor(mode: str, usual: str, outer: int, inner: int, valid: int) -> int:
    mode = {"normalize: true": "VALID", "normalize: false": "BATCH_SIZE", "": usual}.get(mode, mode)
    return max(1, {"FULL": outer * inner, "VALID": valid, "BATCH_SIZE": outer, "NONE": 1}[mode])


@settings(max_examples=40)
@given(
    seed=st.integers(0, 2**32),
    shape=st.lists(st.integers(1, 4), min_size=2, max_size=4),
    mode=st.sampled_from(MODES),
    ignore=st.sampled_from([None, 0, 255]),
    data=st.data(),
)
def test_softmax_with_loss(
    seed: int, shape: list[int], mode: str, ignore: int | None, data: st.DataObject
) -> None:
    rng = np.random.default_rng(seed)
    axis = data.draw(st.integers(1, len(shape) - 1))
    x = rng.normal(0, 3, shape).astype(np.float32)
    places = (*shape[:axis], *shape[axis + 1 :])
    label = rng.integers(0, shape[axis], places)
    if ignore is not None:
        label[rng.random(places) < 0.3] = ignore
    more = f"softmax_param {{ axis: {axis} }} {loss_param(mode, ignore)}"
    layer = net("SoftmaxWithLoss", [tuple(shape), places], more, tops=2)
    loss, (grad, none) = run(layer, x, label)
    total, valid, probability, slope = 0.0, 0, np.zeros(shape), np.zeros(shape)
    for place in product(*map(range, places)):
        line = (*place[:axis], slice(None), *place[axis:])
        e = np.exp(x[line].astype(np.float64))
        probability[line] = e / e.sum()
        if label[place] != ignore:
            total -= math.log(probability[line][label[place]])
            slope[line] = probability[line]
            slope[line][label[place]] -= 1
            valid += 1
    outer = math.prod(shape[:axis])
    over = divisor(mode, "VALID", outer, math.prod(shape[axis + 1 :]), valid)
    assert loss == pytest.approx(total / over, rel=1e-5, abs=1e-6)
    np.testing.assert_allclose(layer.blobs["out1"].data, probability, atol=1e-6)
    np.testing.assert_allclose(grad, 2 * slope / over, atol=2e-6)
    assert not none.any()


def test_a_probability_of_zero_costs_what_the_smallest_float_does() -> None:
    layer = net("SoftmaxWithLoss", [(1, 2), (1,)])
    loss, (grad, _) = run(layer, np.array([[500, -500]]), np.array([1]))
    assert loss == pytest.approx(-math.log(np.finfo(np.float32).tiny))
    assert grad.tolist() == [[2, -2]]


@settings(max_examples=40)
@given(
    seed=st.integers(0, 2**32),
    shape=st.lists(st.integers(1, 4), min_size=1, max_size=3),
    mode=st.sampled_from(MODES),
    ignore=st.sampled_from([None, 0, 1, -1]),
)
def test_sigmoid_cross_entropy(seed: int, shape: list[int], mode: str, ignore: int | None) -> None:
    rng = np.random.default_rng(seed)
    x = rng.normal(0, 5, shape).astype(np.float32)
    target = rng.choice([0, 1, 0.25, -1], shape).astype(np.float32)
    sizes = [tuple(shape)] * 2
    layer = net("SigmoidCrossEntropyLoss", sizes, loss_param(mode, ignore))
    loss, (grad, none) = run(layer, x, target)
    total, valid, slope = 0.0, 0, np.zeros(shape)
    for place in np.ndindex(*shape):
        if ignore is None or int(target[place]) != ignore:
            value, t = float(x[place]), float(target[place])
            total -= t * value - np.logaddexp(0, value)
            slope[place] = 1 / (1 + math.exp(-value)) - t
            valid += 1
    over = divisor(mode, "BATCH_SIZE", shape[0], math.prod(shape[1:]), valid)
    assert loss == pytest.approx(total / over, rel=1e-5, abs=1e-6)
    np.testing.assert_allclose(grad, 2 * slope / over, atol=5e-6)
    assert not none.any()


@given(seed=st.integers(0, 2**32), shape=st.lists(st.integers(1, 4), min_size=1, max_size=4))
def test_euclidean(seed: int, shape: list[int]) -> None:
    rng = np.random.default_rng(seed)
    a, b = (rng.normal(0, 2, shape).astype(np.float32) for _ in range(2))
    flat = (shape[0], math.prod(shape[1:]))
    loss, (left, right) = run(net("EuclideanLoss", [tuple(shape), flat]), a, b.reshape(flat))
    assert loss == pytest.approx(
        sum((p - q) ** 2 for p, q in zip(a.flat, b.flat, strict=True)) / shape[0] / 2, rel=1e-5
    )
    np.testing.assert_allclose(left, 2 * (a - b) / shape[0], rtol=1e-5)
    np.testing.assert_allclose(right.ravel(), -left.ravel())


@given(seed=st.integers(0, 2**32), weighted=st.booleans(), count=st.integers(1, 4))
def test_smooth_l1(seed: int, weighted: bool, count: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = (rng.choice([-1.5, -0.5, 0, 0.25, 0.5, 2], (count, 6)) for _ in range(2))
    w = rng.choice([0, 1, 0.5, 3], (count, 6)) if weighted else np.ones((count, 6))
    arrays = [a, b, w] if weighted else [a, b]
    loss, grads = run(net("SmoothL1Loss", [(count, 6)] * len(arrays)), *arrays)
    total, slope = 0.0, np.zeros((count, 6))
    for i, j in np.ndindex(count, 6):
        d = w[i, j] * (a[i, j] - b[i, j])
        total += 0.5 * d * d if abs(d) < 1 else abs(d) - 0.5
        slope[i, j] = d if abs(d) < 1 else math.copysign(1, d)
    assert loss == pytest.approx(total / count, rel=1e-6)
    np.testing.assert_allclose(grads[0], 2 * slope / count, rtol=1e-6)
    np.testing.assert_allclose(grads[1], -2 * slope / count, rtol=1e-6)
    assert not any(g.any() for g in grads[2:])


@settings(max_examples=40)
@given(
    seed=st.integers(0, 2**32),
    shape=st.lists(st.integers(1, 4), min_size=2, max_size=4),
    ignore=st.sampled_from([None, 0, 255]),
    data=st.data(),
)
def test_accuracy(seed: int, shape: list[int], ignore: int | None, data: st.DataObject) -> None:
    rng = np.random.default_rng(seed)
    axis = data.draw(st.integers(1, len(shape) - 1))
    top_k = data.draw(st.integers(1, shape[axis]))
    x = rng.integers(0, 3, shape).astype(np.float32)  # ties
    places = (*shape[:axis], *shape[axis + 1 :])
    label = rng.integers(0, shape[axis], places)
    if ignore is not None:
        label[rng.random(places) < 0.3] = ignore
    given = "" if ignore is None else f"ignore_label: {ignore}"
    more = f"accuracy_param {{ axis: {axis} top_k: {top_k} {given} }}"
    layer = net("Accuracy", [tuple(shape), places], more, tops=2)
    share, grads = run(layer, x, label)
    right, counts, rights = [], np.zeros(shape[axis]), np.zeros(shape[axis])
    for place in product(*map(range, places)):
        own = label[place]
        if own != ignore:
            line = x[(*place[:axis], slice(None), *place[axis:])]
            best = sorted(((v, c) for c, v in enumerate(line)), reverse=True)[:top_k]
            right.append(own in [c for _, c in best])
            counts[own] += 1
            rights[own] += right[-1]
    assert share == pytest.approx(np.mean(right) if right else math.nan, nan_ok=True)
    np.testing.assert_allclose(layer.blobs["out1"].data, rights / np.maximum(counts, 1), rtol=1e-6)
    assert not any(g.any() for g in grads)


def test_accuracy_is_no_loss() -> None:
    layer = net("Accuracy", [(2, 3), (2,)])
    assert layer.run(0, 1) == 0


@pytest.mark.parametrize("label", [3, -1])
@pytest.mark.parametrize("kind", ["SoftmaxWithLoss", "Accuracy"])
def test_labels_that_are_no_class(kind: str, label: int) -> None:
    layer = net(kind, [(2, 3), (2,)])
    layer.blobs["in1"].data[...] = [0, label]
    with pytest.raises(InputError, match=rf"label {label} is not in \[0, 3\)") as error:
        layer.forward()
    assert '(layer "it")' in str(error.value)


@pytest.mark.parametrize(
    ("kind", "shapes", "more", "message"),
    [
        ("SoftmaxWithLoss", [(2, 3), (2, 2)], "", "has 4 labels for"),
        ("SoftmaxWithLoss", [(2, 3), (3,)], "", "has 2 predictions and 3 labels"),
        ("SoftmaxWithLoss", [(2, 3), (2,)], "softmax_param { axis: 2 }", "has axis 2"),
        ("SigmoidCrossEntropyLoss", [(2, 3), (2, 4)], "", "has bottoms of shape"),
        ("EuclideanLoss", [(2, 3), (2, 4)], "", "has bottoms of shape"),
        ("SmoothL1Loss", [(2, 3), (2, 3), (2, 4)], "", "has bottoms of shape"),
        ("Accuracy", [(2, 3), (2, 2)], "", "has 4 labels for"),
        ("Accuracy", [(2, 3), (2,)], "accuracy_param { top_k: 4 }", "top_k is 4 of 3 classes"),
        ("EuclideanLoss", [(2, 3)], "", "has 1 bottoms; EuclideanLoss takes 2"),
    ],
)
def test_refused(kind: str, shapes: list[tuple[int, ...]], more: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        net(kind, shapes, more)
