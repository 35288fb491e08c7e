"""How far outputs differ: numbers, and detections as sets."""

from __future__ import annotations

import numpy as np
import pytest

from ssd_data.core.errors import InputError, OutputError
from ssd_data.core.structures import Detections
from ssd_data.evaluation.compare import (
    Difference,
    compare_detections,
    compare_values,
    require_equal,
)
from ssd_data.proto import caffe_pb2

PARAM = caffe_pb2.DetectionOutputParameter(keep_top_k=10, confidence_threshold=0.25)


def found(*rows: tuple[int, float, float]) -> Detections:
    """Detections of (label, score, xmin); each is 0.2 wide."""
    labels, scores, places = zip(*rows, strict=True) if rows else ((), (), ())
    boxes = [(x, 0.1, x + 0.2, 0.3) for x in places]
    return Detections(
        np.array(labels, np.int32),
        np.array(scores, np.float32),
        np.array(boxes, np.float32).reshape(-1, 4),
    )


def test_the_worst_of_all_pairs_counts_by_the_largest_value() -> None:
    pairs = [(np.float32([1, -4]), np.float32([1, -4])), (np.float32([2]), np.float32([2.5]))]
    difference = compare_values("loc", "other", pairs)
    assert difference == Difference("loc", "other", 0.5, 4.0, 0, 3)
    assert difference.relative == 0.125
    assert difference.within(0.125)
    assert not difference.within(0.12)
    assert Difference("x", "y", 0.5, 0.25).relative_to(1) == 0.5
    assert "other: 3 values of loc, largest difference 5.0e-01" in difference.sentence()


def test_what_is_no_number_is_infinitely_far() -> None:
    nan = np.float32([1, np.nan])
    assert compare_values("x", "y", [(np.float32([1, 2]), nan)]).largest == np.inf
    assert compare_values("x", "y", [(nan, nan)]).largest == 0


def test_other_shapes_are_refused() -> None:
    with pytest.raises(InputError, match=r'"x" has shape \(2,\) and, by y, \(3,\)'):
        compare_values("x", "y", [(np.zeros(2, np.float32), np.zeros(3, np.float32))])


def test_detections_are_sets() -> None:
    ours, theirs = found((1, 0.9, 0.1), (2, 0.8, 0.5)), found((2, 0.8, 0.5), (1, 0.90005, 0.1))
    difference = compare_detections("detections", "y", [(ours, theirs)], PARAM)
    assert (difference.unmatched, difference.compared) == (0, 2)
    assert 4e-5 < difference.largest < 6e-5
    assert difference.sentence().startswith("y: 2 detections, largest")


@pytest.mark.parametrize(
    ("extra", "unmatched"),
    [((3, 0.7, 0.6), 1), ((3, 0.25005, 0.6), 0)],
    ids=["alone", "at the threshold"],
)
def test_a_detection_that_one_side_has(extra: tuple[int, float, float], unmatched: int) -> None:
    pair = found((1, 0.9, 0.1), extra), found((1, 0.9, 0.1))
    difference = compare_detections("detections", "y", [pair], PARAM)
    assert difference.unmatched == unmatched
    assert difference.within(1) == (unmatched == 0)


@pytest.mark.parametrize(("count", "unmatched"), [(10, 0), (9, 2)])
def test_rounding_decides_who_is_the_last_of_keep_top_k(count: int, unmatched: int) -> None:
    """Two of nearly the same score compete for the last place; below it each would be listed."""
    most = [(1, 0.9 - 0.02 * i, 0.01 * i) for i in range(count - 1)]
    pair = found(*most, (2, 0.50003, 0.3)), found(*most, (2, 0.50001, 0.7))
    assert compare_detections("detections", "y", [pair], PARAM).unmatched == unmatched


def test_what_is_far_above_the_last_of_keep_top_k_is_no_rounding() -> None:
    most = [(1, 0.8 - 0.02 * i, 0.01 * i) for i in range(9)]
    pair = found(*most, (2, 0.9, 0.3)), found(*most, (2, 0.5, 0.7))
    assert compare_detections("detections", "y", [pair], PARAM).unmatched == 1


def test_a_full_side_explains_what_the_other_has_and_not_what_it_has_itself() -> None:
    """A wrong engine may fill all its places with one high score: none of these is rounding."""
    ours = found(*((1, 0.85 - 0.05 * i, 0.01 * i) for i in range(10)))
    wrong = found(*((1, 0.9, 0.5 + 0.01 * i) for i in range(10)))
    for pair in ((ours, wrong), (wrong, ours)):
        assert compare_detections("detections", "y", [pair], PARAM).unmatched == 10
    few = ours.only(np.arange(10) < 9)
    assert compare_detections("detections", "y", [(few, wrong)], PARAM).unmatched == 10
    assert compare_detections("detections", "y", [(few, ours)], PARAM).unmatched == 1


def test_two_forms_of_a_net_have_to_be_equal() -> None:
    require_equal([Difference("loc", "torch", 9e-5, 0.1)], "net")
    with pytest.raises(OutputError, match='"loc" differs by 0.2 after merging') as caught:
        require_equal([Difference("loc", "torch", 0.2, 100)], "net", "; or not")
    assert (caught.value.where, caught.value.hint) == (
        "net",
        "Please report it with the net; or not",
    )


def test_what_rounding_keeps_takes_others_with_it() -> None:
    """Boxes side by side: each pair of neighbours overlaps by a half, which is the limit."""
    param = caffe_pb2.DetectionOutputParameter(keep_top_k=10, confidence_threshold=0.25)
    param.nms_param.nms_threshold = 0.5
    third = 0.2 / 3  # of 0.2: an overlap of one half
    first, second, third_box = (1, 0.9, 0.1), (1, 0.8, 0.1 + third), (1, 0.7, 0.1 + 1.5 * third)
    # One side suppresses the second by a hair, so that its third stays; the other does not.
    pair = found(first, third_box), found(first, second)
    assert compare_detections("detections", "y", [pair], param).unmatched == 0
    assert compare_detections("detections", "y", [pair[::-1]], param).unmatched == 0
    far = found(first, (1, 0.7, 0.7)), found(first, second)
    assert compare_detections("detections", "y", [far], param).unmatched == 1
    better = found(first, (1, 0.85, 0.1 + 1.5 * third)), found(first, second)
    assert compare_detections("detections", "y", [better], param).unmatched == 1


def test_of_equally_good_ones_rounding_decides_which_comes_first() -> None:
    """Two overlap, of one score; each side has another first, and what only the other takes."""
    param = caffe_pb2.DetectionOutputParameter(keep_top_k=10, confidence_threshold=0.25)
    param.nms_param.nms_threshold = 0.4
    third = 0.2 / 3
    one, other = (1, 0.90001, 0.1), (1, 0.90000, 0.1 + third)
    taken = (1, 0.7, 0.1 - third)  # by the one
    pair = found(one), found(other, taken)
    every = found(one, other, taken, (2, 0.9, 0.5))

    def unmatched(boxes: Detections | None, pair: tuple[Detections, Detections] = pair) -> int:
        known = None if boxes is None else lambda number: (every, boxes)[number]
        found = compare_detections("detections", "y", [(every, every), pair], param, known)
        return found.unmatched

    assert unmatched(every) == 0
    assert unmatched(every, pair[::-1]) == 0
    assert unmatched(None) == 3  # it is not known that the net gives the other
    assert unmatched(found(one, taken)) == 3  # the net does not give it: it is a wrong box
    assert unmatched(every, (found(one), found((1, 0.8999, 0.1 + third)))) == 2  # not equally good
    assert unmatched(every, (found(one), found((*one[:2], 0.5)))) == 2


def test_rounding_decides_who_is_the_last_of_a_class_that_is_looked_at() -> None:
    """Four of one score, of which top_k takes two: each side may take others of them."""
    param = caffe_pb2.DetectionOutputParameter(keep_top_k=10, confidence_threshold=0.25)
    param.nms_param.top_k, param.nms_param.nms_threshold = 2, 0.5
    first, more, *_ = rows = [(1, 0.9, 0.1), (1, 0.60001, 0.3), (1, 0.6, 0.5), (1, 0.6, 0.7)]
    every = found(*rows, (2, 0.8, 0.1))

    def unmatched(boxes: Detections | None, *sides: Detections) -> int:
        known = None if boxes is None else lambda number: boxes
        pairs = [(sides[0], sides[1]), (sides[1], sides[0])]
        found = compare_detections("detections", "y", pairs, param, known)
        assert found.unmatched % 2 == 0
        return found.unmatched // 2

    assert unmatched(every, found(first, more), found(first, rows[2])) == 0
    assert unmatched(None, found(first, more), found(first, rows[2])) == 2
    assert unmatched(every, found(first, more), found(first, (1, 0.6, 0.9))) == 1  # no box of it
    assert unmatched(every, found(first, more), found(more, rows[2])) == 1  # the first is no last
    assert unmatched(every, found((2, 0.8, 0.1)), found()) == 1  # its class has no more than two
    assert unmatched(found(*rows[:2]), found(first, more), found(first)) == 1  # nor has this one
