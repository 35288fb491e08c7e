"""What is shown besides the official numbers, on cases that can be counted by hand."""

from typing import Any

import numpy as np
import pytest

from ssd_data.core.errors import UsageError
from ssd_data.metrics.analysis import EXTRAS, extras
from ssd_data.metrics.scores import Found, Truth

CLASSES = ("cat", "dog")


def case(gt: list[Any], det: list[Any]) -> tuple[Truth, Found]:
    """``gt``: picture, label, box, ignored; ``det``: picture, label, score, box."""
    truth = Truth(
        "truth",
        ("p", "q"),
        CLASSES,
        np.array([g[0] for g in gt], np.int64),
        np.array([g[1] for g in gt], np.int64),
        np.array([g[2] for g in gt], float).reshape(-1, 4),
        np.array([g[3] for g in gt], bool),
        np.zeros((2, 2), np.int64),
    )
    return truth, Found(
        "found",
        np.array([d[0] for d in det], np.int64),
        np.array([d[1] for d in det], np.int64),
        np.array([d[2] for d in det], float),
        np.array([d[3] for d in det], float).reshape(-1, 4),
        np.ones(2, bool),
    )


SMALL, LARGE, FAR = [0, 0, 20, 20], [100, 100, 300, 300], [500, 500, 560, 560]
SHIFTED = [112, 100, 312, 300]  # overlaps LARGE by 0.887
PARTLY = [200, 100, 400, 300]  # by 1/3
GT = [(0, 0, SMALL, False), (0, 1, LARGE, False), (1, 0, LARGE, True), (1, 1, FAR, False)]
DET = [
    (0, 0, 0.9, SMALL),  # hit
    (0, 1, 0.8, LARGE),  # hit
    (0, 1, 0.7, SHIFTED),  # duplicate
    (0, 0, 0.6, LARGE),  # a dog is there
    (0, 1, 0.55, PARTLY),  # badly placed
    (1, 0, 0.5, LARGE),  # ignored
    (1, 1, 0.3, SMALL),  # nothing is there
]


def test_errors() -> None:
    table = extras(*case(GT, DET), ["errors"], 0)["errors"]
    assert table["all"] == {
        "hits": 2, "classification": 1, "localisation": 1, "duplicate": 1, "background": 1,
        "missed": 1,
    }  # fmt: skip
    assert table["classes"]["cat"]["hits"] == 1
    assert table["classes"]["cat"]["classification"] == 1
    assert table["classes"]["dog"]["missed"] == 1


def test_confusion() -> None:
    table = extras(*case(GT, DET), ["confusion"], 0)["confusion"]
    assert table["classes"] == ["cat", "dog", "background"]
    # Rows are true: one cat found; one dog found, one missed; of nothing one cat and two dogs.
    assert table["table"] == [[1, 0, 0], [0, 1, 1], [1, 2, 0]]


def test_a_dog_taken_for_a_cat() -> None:
    pair = case([(0, 1, LARGE, False)], [(0, 0, 0.9, LARGE), (0, 1, 0.8, LARGE)])
    table = extras(*pair, ["confusion"], 0)["confusion"]["table"]
    assert table == [[0, 0, 0], [1, 0, 0], [0, 1, 0]]


def test_thresholds() -> None:
    table = extras(*case(GT, DET), ["thresholds"], 0)["thresholds"]
    assert table["cat"] == {"threshold": 0.9, "f1": 1.0, "precision": 1.0, "recall": 1.0}
    assert table["dog"] == pytest.approx(
        {"threshold": 0.8, "f1": 2 / 3, "precision": 1.0, "recall": 0.5}
    )


def test_a_threshold_takes_all_detections_of_one_score() -> None:
    pair = case([(0, 0, SMALL, False)], [(0, 0, 0.5, SMALL), (0, 0, 0.5, FAR)])
    table = extras(*pair, ["thresholds"], 0)["thresholds"]
    assert table["cat"] == pytest.approx(
        {"threshold": 0.5, "f1": 2 / 3, "precision": 0.5, "recall": 1.0}
    )
    assert table["dog"] is None


def test_by_size() -> None:
    table = extras(*case(GT, DET), ["by-size"], 0)["by-size"]
    assert table["small"] == {"ap": 1.0, "truths": 1}
    assert table["medium"]["truths"] == 1  # 60x60, missed
    assert table["medium"]["ap"] == 0
    assert table["large"] == {"ap": 1.0, "truths": 1}


def test_order_does_not_matter() -> None:
    truth, found = case(GT, DET)
    _, turned = case(GT, DET[::-1])
    assert extras(truth, found, list(EXTRAS), 0) == extras(truth, turned, list(EXTRAS), 0)


def test_nothing_found_and_nothing_true() -> None:
    for pair in (case(GT, []), case([], DET), case([], [])):
        assert set(extras(*pair, list(EXTRAS), 0)) == set(EXTRAS)
    assert extras(*case(GT, DET), [], 0) == {}
    with pytest.raises(UsageError, match="by-size"):
        extras(*case(GT, DET), ["by-colour"], 0)
