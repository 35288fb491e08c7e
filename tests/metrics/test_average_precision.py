"""DetectionEvaluate and TestDetection against the original's answers and a naive twin."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import naive_scores as naive

from ssd_data.core.errors import InputError, UsageError
from ssd_data.core.overlaps import PAIRS, best_overlaps, first_of_each, jaccard
from ssd_data.metrics import SSD_VERSIONS
from ssd_data.metrics.average_precision import average_precision, curve
from ssd_data.metrics.detection_evaluate import evaluate, mean_ap

CASES = ["default", "skip_difficult", "strict_overlap"]


def golden_case(golden: Path, case: str) -> tuple[Any, Any, Any, float, bool]:
    path = golden / "layers" / f"detection_evaluate_{case}"
    arrays = np.load(path.with_suffix(".npz"))
    text = path.with_suffix(".prototxt").read_text()
    threshold = float(re.findall(r"overlap_threshold: ([\d.]+)", text)[0])
    difficult = "evaluate_difficult_gt: true" in text
    return arrays["in/det"], arrays["in/label"], arrays["out/e"], threshold, difficult


@pytest.mark.parametrize("case", CASES)
def test_the_original_s_rows(golden: Path, case: str) -> None:
    det, label, out, threshold, difficult = golden_case(golden, case)
    ours = evaluate(det, label, 5, 0, threshold, difficult)
    assert ours.dtype == np.float32
    np.testing.assert_allclose(ours, out.reshape(-1, 5), atol=1e-5)
    for version in SSD_VERSIONS:
        expected = naive.test_detection(out.reshape(-1, 5), version)
        assert mean_ap(ours, version)[0] == pytest.approx(expected, abs=1e-7)


scores = st.sampled_from([0.1, 0.25, 0.5, 0.75, 0.9]).map(np.float32)
side = st.integers(0, 8).map(lambda n: np.float32(n / 8))
box = st.tuples(side, side, side, side)
found = st.lists(st.tuples(st.integers(0, 2), st.sampled_from([1, 2, 3, -1]), scores, box))
true = st.lists(
    st.tuples(st.integers(0, 2), st.integers(1, 3), st.just(0), box, st.booleans()), max_size=12
)


def rows(items: Any) -> Any:
    flat = [[x for v in item for x in (v if isinstance(v, tuple) else (v,))] for item in items]
    return np.array(flat, np.float32)


@given(found, true, st.sampled_from([0.3, 0.5, 0.75]), st.booleans())
@settings(max_examples=200)
def test_a_naive_twin(det: Any, gt: Any, threshold: float, difficult: bool) -> None:
    det, gt = rows(det).reshape(-1, 7), rows(gt).reshape(-1, 8)
    ours = evaluate(det, gt, 4, 0, threshold, difficult)
    theirs = np.array(naive.detection_evaluate(det, gt, 4, threshold, difficult), np.float32)
    np.testing.assert_array_equal(ours, theirs)
    for version in SSD_VERSIONS:
        assert mean_ap(ours, version)[0] == pytest.approx(
            naive.test_detection(theirs, version), abs=1e-6
        )


@given(
    st.lists(st.tuples(st.integers(0, 20), st.booleans()), min_size=1, max_size=60),
    st.integers(0, 5),
)
def test_the_sums(marks: list[tuple[int, bool]], missed: int) -> None:
    positives = sum(hit for _, hit in marks) + missed
    if not positives:
        return
    score = np.array([s for s, _ in marks], np.float32)
    hits = np.array([h for _, h in marks])
    for version in SSD_VERSIONS:
        recall, precision = curve(score, hits, positives, np.float32)
        expected = naive.compute_ap([(s, int(h)) for s, h in marks], positives, version)
        assert average_precision(recall, precision, version) == pytest.approx(expected, abs=1e-6)
    for version in ("VOC07", "VOC10"):
        recall, precision = curve(score, hits, positives)
        expected = naive.voc_ap(recall.tolist(), precision.tolist(), version)
        assert average_precision(recall, precision, version) == pytest.approx(expected, abs=1e-12)


def test_recall_of_exactly_three_tenths_differs_between_original_and_devkit() -> None:
    """MATLAB's 0:0.1:1 holds 0.30000000000000004, the original compares with 3 / 10."""
    hits = np.array([True] * 3 + [False] * 7)
    recall, precision = curve(np.arange(10, 0, -1.0), hits, 10)
    assert average_precision(recall, precision, "VOC07") == pytest.approx(3 / 11)
    recall, precision = curve(np.arange(10, 0, -1.0), hits, 10, np.float32)
    assert average_precision(recall, precision, "11point") == pytest.approx(4 / 11)


def test_rows_of_several_batches_add_up() -> None:
    one = np.array([[-1, 1, 2, -1, -1], [0, 1, 0.9, 1, 0]], np.float32)
    two = np.array([[-1, 1, 2, -1, -1], [0, 1, 0.8, 1, 0], [0, 1, 0.7, 0, 0]], np.float32)
    assert mean_ap(np.vstack([one, two]), "Integral")[1] == {1: 0.5}


def test_nothing_at_all() -> None:
    nothing = evaluate(np.array([[0, -1, -1, -1, -1, -1, -1]]), np.zeros((0, 8)), 3)
    assert nothing.tolist() == [[-1, 1, 0, -1, -1], [-1, 2, 0, -1, -1]]
    assert mean_ap(nothing) == (0.0, {1: 0.0, 2: 0.0})
    assert mean_ap(np.zeros((0, 5), np.float32)) == (0.0, {})


def test_what_is_refused() -> None:
    with pytest.raises(InputError, match="background"):
        evaluate(np.array([[0, 0, 0.5, 0, 0, 1, 1]]), np.zeros((0, 8)), 3)
    with pytest.raises(UsageError, match="MaxIntegral"):
        average_precision(np.ones(1), np.ones(1), "12point")


def test_sizes_cut_at_the_border_and_add_one() -> None:
    det = np.array([[0, 1, 0.9, -0.5, 0, 0.5, 1.5]], np.float32)
    gt = np.array([[0, 1, 0, 0, 0, 1, 1, 0]], np.float32)
    sizes = np.array([[10, 20]])
    plus_one = 11 * 11 / (21 * 11)  # of 10 + 1 and 20 + 1 columns
    assert evaluate(det, gt, 2, overlap_threshold=plus_one - 1e-4, sizes=sizes)[1, 3] == 1
    assert evaluate(det, gt, 2, overlap_threshold=plus_one + 1e-4, sizes=sizes)[1, 3] == 0
    assert evaluate(det, gt, 2, overlap_threshold=0.34)[1, 3] == 0


def test_portions_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(1)
    boxes, true = random.random((300, 4)), random.random((50, 4))
    groups, true_groups = random.integers(0, 9, 300), random.integers(0, 7, 50)
    whole = best_overlaps(boxes, groups, true, true_groups)
    monkeypatch.setattr("ssd_data.core.overlaps.PAIRS", 7)
    parts = best_overlaps(boxes, groups, true, true_groups)
    for a, b in zip(whole, parts, strict=True):
        np.testing.assert_array_equal(a, b)
    assert PAIRS > 7
    for i, (value, index) in enumerate(zip(*whole, strict=True)):
        mine = np.flatnonzero(true_groups == groups[i])
        if not len(mine):
            assert (value, index) == (-1, -1)
            continue
        each = jaccard(boxes[i : i + 1], true[mine])
        assert index == mine[int(np.argmax(each))]
        assert value == each.max()


def test_first_of_each() -> None:
    eligible = np.array([False, True, True, True, False])
    first = first_of_each(np.array([3, 3, 1, 3, 1]), eligible)
    assert first.tolist() == [False, True, True, False, False]


def test_a_box_that_is_not_a_number_is_false() -> None:
    det = np.array([[0, 1, 0.9, np.nan, 0, 1, 1], [0, 1, 0.8, 0, 0, 1, 1]], np.float32)
    gt = np.array([[0, 1, 0, 0, 0, 1, 1, 0]], np.float32)
    assert evaluate(det, gt, 2)[1:, 3:].tolist() == [[0, 1], [1, 0]]
