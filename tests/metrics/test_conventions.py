"""Detections in other columns, orders, scales are refused; poor ones that are well written not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import found as drawn
from support.scored import VocScored, Wider

from ssd_data.core.errors import InputError
from ssd_data.metrics import ScoreOptions, score, score_arrays
from ssd_data.metrics.conventions import require_convention
from ssd_data.metrics.lines import CORNERS, SCORE, SIDES

METRICS = ("voc", "coco", "widerface")
seeds = st.integers(0, 1_000_000)


def moved(metric: str, place: int) -> list[str]:
    """The columns with the score at another place, from 0."""
    four = [name for name in drawn.COLUMNS[metric][-5:] if name != SCORE]
    return [*four[:place], SCORE, *four[place:]]


def places(metric: str) -> list[int]:
    return [i for i in range(5) if i != drawn.COLUMNS[metric][-5:].index(SCORE)]


def refused(truth: Any, found: Any) -> InputError:
    with pytest.raises(InputError) as caught:
        require_convention(truth, found)
    return caught.value


def voc_of_one_scene(folder: Path) -> VocScored:
    """Four pictures with a cup and a plate at the same places; scores stand last."""
    scene = [("cup", 20, 30, 80, 90), ("plate", 100, 20, 150, 70)]
    voc = VocScored(folder, {f"{i:06}": scene for i in range(4)})
    for name, *box in scene:
        lines = (f"{i:06} {' '.join(map(str, box))} {0.9 - i / 100:.4f}\n" for i in range(4))
        voc.file(name).write_text("".join(lines))
    return voc


def test_a_score_that_stands_last(tmp_path: Path, run: Any) -> None:
    voc = voc_of_one_scene(tmp_path)
    done = run("score", "voc", "--truth", voc.root, "--detections", voc.pred)
    assert (done.status, done.out) == (1, "")
    assert done.err == (
        f"error: {voc.file('cup')}:1: the score seems to stand in column 6, where ymax should\n"
        "  The columns seem to be: image xmin ymin xmax ymax score. "
        "Expected: image score xmin ymin xmax ymax\n"
    )


def test_a_score_that_stands_first(tmp_path: Path, run: Any) -> None:
    random = np.random.default_rng(0)
    names = [f"{i}--E/{j}" for i in range(2) for j in range(4)]
    faces = {n: random.integers([20] * 4, [600, 450, 90, 90], (3, 4)).tolist() for n in names}
    wider = Wider(tmp_path, faces)
    for name, rows in faces.items():
        wider.detect(name, [[0.9 - i / 10, *row] for i, row in enumerate(rows)])
    done = run("score", "widerface", "--truth", wider.truth, "--detections", wider.pred)
    assert (done.status, done.out) == (1, "")
    assert done.err == (
        f"error: {wider.file('0--E/0')}:3: the score seems to stand in column 1, where x should\n"
        "  The columns seem to be: score x y width height. Expected: x y width height score\n"
    )


@pytest.mark.parametrize("scale", drawn.SCALES)
@pytest.mark.parametrize(
    ("metric", "place"), [(metric, place) for metric in METRICS for place in places(metric)]
)
def test_a_score_in_any_other_column(metric: str, place: int, scale: str, tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    truth = drawn.draw_truth(random, classes=1 if metric == "widerface" else 3)
    found = drawn.good(truth, random, scale)
    files = drawn.write_files(metric, tmp_path, truth, found, moved(metric, place))
    root = files.root if metric == "voc" else files.truth
    with pytest.raises(InputError, match="the score seems to stand in") as caught:
        score(metric, root, files.pred, ScoreOptions(missing="count"))
    column = {"voc": f"column {place + 2}", "coco": f"bbox[{place}]"}.get(
        metric, f"column {place + 1}"
    )
    expected = drawn.COLUMNS[metric][-5:][place]
    assert caught.value.what == f"the score seems to stand in {column}, where {expected} should"
    path, _, line = caught.value.where.rpartition(": entry " if metric == "coco" else ":")
    shown = Path(path).read_text()
    if metric == "coco":
        assert files.results[int(line)]
        assert "The columns seem to be: bbox [" in caught.value.hint
    else:
        words = shown.splitlines()[int(line) - 1].split()
        assert len(words) == len(drawn.COLUMNS[metric])
        assert " ".join(moved(metric, place)) in caught.value.hint


@pytest.mark.parametrize("metric", METRICS)
@given(seed=seeds, order=st.permutations(range(5)), scale=st.sampled_from(list(drawn.SCALES)))
@settings(max_examples=40, deadline=None)
def test_any_order_of_the_columns_is_refused(
    metric: str, seed: int, order: list[int], scale: str
) -> None:
    random = np.random.default_rng(seed)
    truth = drawn.draw_truth(random, pictures=40)
    found = drawn.good(truth, random, scale)
    expected = drawn.COLUMNS[metric][-5:]
    reading = [expected[i] for i in order]
    written = drawn.in_columns(metric, found, reading)
    if order == sorted(order):
        require_convention(truth, written)
    elif _ap(truth, written) < _ap(truth, found) / 2:
        assert refused(truth, written).hint


def _ap(truth: Any, found: Any) -> float:
    ap = score_arrays("voc", truth, found, ScoreOptions(own_boxes=True)).ap["VOC10"]
    assert ap is not None
    return ap


@pytest.mark.parametrize("metric", METRICS)
@given(
    seed=seeds,
    kind=st.sampled_from(drawn.POOR),
    scale=st.sampled_from(list(drawn.SCALES)),
    pictures=st.sampled_from([1, 3, 10, 40]),
)
@settings(max_examples=60, deadline=None)
def test_no_poor_detector_is_refused(
    metric: str, seed: int, kind: str, scale: str, pictures: int
) -> None:
    random = np.random.default_rng(seed)
    truth = drawn.draw_truth(random, pictures)
    require_convention(truth, drawn.in_columns(metric, drawn.poor(truth, random, kind, scale)))


@pytest.mark.parametrize("metric", METRICS)
@given(seed=seeds, kind=st.sampled_from(sorted({*drawn.POOR} - {"whole"})))
@settings(max_examples=40, deadline=None)
def test_a_poor_detector_s_score_in_another_column(metric: str, seed: int, kind: str) -> None:
    """The column shows itself even where nothing is hit."""
    random = np.random.default_rng(seed)
    truth = drawn.draw_truth(random)
    place = int(random.choice(places(metric)))
    found = drawn.in_columns(
        metric, drawn.poor(truth, random, kind, "fractions"), moved(metric, place)
    )
    expected = drawn.COLUMNS[metric][-5:][place]
    if expected in ("xmax", "ymax", "width", "height"):
        assert "the score seems to stand in" in refused(truth, found).what


ORDERS = {
    "xmin xmax ymin ymax": "in another order: image score xmin xmax ymin ymax",
    "xmax ymax xmin ymin": "in another order: image score xmax ymax xmin ymin",
    "ymin xmin ymax xmax": "it seems they are in the order y x, not x y",
    "x y width height": "it seems they are width and height where corners",
}


@pytest.mark.parametrize("order", ORDERS)
def test_a_box_in_another_order(order: str, tmp_path: Path) -> None:
    random = np.random.default_rng(2)
    truth = drawn.draw_truth(random)
    reading = (SCORE, *order.split())
    voc = drawn.write_files("voc", tmp_path, truth, drawn.good(truth, random), reading)
    with pytest.raises(InputError, match=ORDERS[order]) as caught:
        score("voc", voc.root, voc.pred)
    assert caught.value.where.startswith(f"{voc.pred}/comp4_det_test_")
    assert caught.value.where.rpartition(":")[2].isdigit()


@pytest.mark.parametrize(
    ("side", "what"),
    [
        (300, "pixels of the picture resized to 300x300"),
        (640, "pixels of the picture resized to 640x640"),
        (100, "per cent of the picture"),
        (1000, "thousandths of the picture"),
    ],
)
def test_boxes_of_another_scale(side: int, what: str) -> None:
    random = np.random.default_rng(3)
    truth = drawn.draw_truth(random)
    truth = replace(truth, sizes=truth.sizes * 2, boxes=truth.boxes * 2)
    found = drawn.good(truth, random)
    found = replace(found, boxes=found.boxes / np.tile(truth.sizes[0], 2) * side)
    assert what in refused(truth, drawn.in_columns("voc", found)).what
    # Nobody knows how large WIDER FACE's pictures are.
    require_convention(replace(truth, sizes=0 * truth.sizes), drawn.in_columns("widerface", found))


@pytest.mark.parametrize("step", [1, -1])
def test_detections_of_the_next_picture(step: int) -> None:
    random = np.random.default_rng(4)
    truth = drawn.draw_truth(random, 30)
    found = drawn.in_columns("coco", drawn.good(truth, random))
    picture = found.picture - step
    inside = np.flatnonzero((picture >= 0) & (picture < 30))
    error = refused(truth, replace(found, picture=picture).rows(inside))
    first = found.picture[inside].min()
    assert "the detections seem to be of other pictures: those of " in error.what
    assert first >= 0
    assert "counted from 0" in error.hint


def test_labels_where_category_ids_should_stand(tmp_path: Path) -> None:
    """Ids that the truth has all, but in another order."""
    random = np.random.default_rng(5)
    truth = drawn.draw_truth(random, 40, classes=3)
    found = drawn.good(truth, random)
    exchanged = replace(found, label=(found.label + 1) % 3)
    coco = drawn.write_files("coco", tmp_path, truth, exchanged, drawn.COLUMNS["coco"])
    with pytest.raises(InputError, match="the classes seem to be others") as caught:
        score("coco", coco.truth, coco.pred)
    assert (
        "boxes of 0 (a) lie on 2 (c), 1 (b) lie on 0 (a), 2 (c) lie on 1 (b)" in caught.value.what
    )
    assert "not a label" in caught.value.hint
    assert ": entry " in caught.value.where
    # In pictures with one class each nothing is left to be hit.
    alone = truth.rows(truth.label == truth.label[np.searchsorted(truth.picture, truth.picture)])
    with pytest.raises(InputError, match='boxes of "a" lie on "c"') as caught:
        require_convention(alone, drawn.in_columns("voc", exchanged))
    assert "numbered in another order" in caught.value.hint


def test_a_detector_that_confuses_classes_is_only_poor() -> None:
    random = np.random.default_rng(6)
    truth = drawn.draw_truth(random, 60, classes=6)
    found = drawn.good(truth, random)
    for label in (random.integers(0, 6, len(found.label)), found.label // 2, 0 * found.label):
        require_convention(truth, drawn.in_columns("coco", replace(found, label=label)))


@pytest.mark.parametrize("place", [1, 2, 3, 4])
def test_one_file_of_many(place: int, tmp_path: Path) -> None:
    """The other classes' files are as they should be: the whole would only score less."""
    random = np.random.default_rng(7)
    truth = drawn.draw_truth(random, 40)
    found = drawn.good(truth, random)
    voc = drawn.write_files("voc", tmp_path / "right", truth, found, (SCORE, *CORNERS))
    wrong = drawn.write_files("voc", tmp_path / "wrong", truth, found, moved("voc", place))
    assert score("voc", voc.root, voc.pred).ap["VOC10"] > 0.6  # type: ignore[operator]
    voc.file("b").write_text("\n\n" + wrong.file("b").read_text().replace("\n", "\r\n"))
    with pytest.raises(InputError, match=f"seems to stand in column {place + 2}") as caught:
        score("voc", voc.root, voc.pred)
    assert caught.value.where == f"{voc.file('b')}:3"


def test_some_pictures_files_of_many(tmp_path: Path) -> None:
    random = np.random.default_rng(8)
    truth = drawn.draw_truth(random, 40, classes=1)
    found = drawn.good(truth, random)
    wider = drawn.write_files("widerface", tmp_path / "a", truth, found, (*SIDES, SCORE))
    wrong = drawn.write_files("widerface", tmp_path / "b", truth, found, (SCORE, *SIDES))
    assert score("widerface", wider.truth, wider.pred).ap["hard"] > 0.6  # type: ignore[operator]
    some = list(wider.faces)[4::5]
    for name in some:
        wider.file(name).write_text(wrong.file(name).read_text())
    with pytest.raises(InputError, match="seems to stand in column 1, where x should") as caught:
        score("widerface", wider.truth, wider.pred)
    assert caught.value.where == f"{wider.file(some[0])}:3"


def test_it_is_seen_in_a_subset_as_well(tmp_path: Path) -> None:
    random = np.random.default_rng(9)
    truth = drawn.draw_truth(random, 30, classes=1)
    found = drawn.good(truth, random)
    wider = drawn.write_files("widerface", tmp_path, truth, found, (SCORE, *SIDES))
    for name in list(wider.faces)[:10]:
        wider.file(name).unlink()
    with pytest.raises(InputError, match="column 1") as caught:
        score("widerface", wider.truth, wider.pred, ScoreOptions(missing="skip"))
    assert caught.value.where == f"{wider.file('0--A/10')}:3"


def test_boxes_that_are_all_inverted(tmp_path: Path) -> None:
    random = np.random.default_rng(10)
    truth = drawn.draw_truth(random, 40)
    found = drawn.poor(truth, random, "priors", "logits")
    found = replace(found, boxes=np.tile([600.0, 400, 30, 20], (len(found.boxes), 1)))
    voc = drawn.write_files("voc", tmp_path, truth, found, (SCORE, *CORNERS))
    number = len(found.boxes)
    with pytest.raises(InputError, match=f"{number} of {number} boxes are inverted") as caught:
        score("voc", voc.root, voc.pred)
    assert caught.value.where == f"{voc.file('a')}:1"
    assert caught.value.hint == "Expected: image score xmin ymin xmax ymax"


@pytest.mark.parametrize(
    ("change", "is_refused"),
    [
        ({}, True),
        ({"score": 0.01}, False),  # scores are fractions, too
        ({"true": 0.5}, False),  # so do the true boxes
        ({"cut": 0.3}, False),  # boxes are cut off at the picture's border
        ({"number": 7}, False),
        ({"whole": 1}, False),  # steps of a pixel
        ({"y": 0}, False),  # so do they on top: which would be the score?
        ({"hits": 1, "true": 3}, False),
    ],
)
def test_boxes_that_begin_at_the_border(change: dict[str, float], is_refused: bool) -> None:
    """Only where nothing else explains them they are scores."""
    random = np.random.default_rng(12)
    number = int(change.get("number", 40))
    truth = _one_a_picture(random, number)
    truth.boxes[:, :2], truth.boxes[:, 2:] = [400, 300], [900, 700]
    truth.boxes[:, 0] *= change.get("true", 400) / 400
    boxes = np.tile([0.0, 60, 500, 690], (number, 1))
    if "hits" in change:
        boxes = np.tile([0.0, 300, 900, 700], (number, 1))
    boxes[:, 0] = random.uniform(0.1, 0.9, number)
    boxes[: int(number * change.get("cut", 0)), 0] = 0
    boxes[:, 0] = boxes[:, 0].round() if "whole" in change else boxes[:, 0]
    boxes[:, 1] = boxes[:, 0] if "y" in change else boxes[:, 1]
    found = drawn.in_columns(
        "voc",
        replace(
            drawn.perfect(truth),
            scores=random.uniform(2, 99, number) * change.get("score", 1),
            boxes=boxes,
        ),
    )
    if is_refused:
        assert "the score seems to stand in" in refused(truth, found).what
    else:
        require_convention(truth, found)


@pytest.mark.parametrize("seed", [0, 2, 3])
def test_a_poor_detector_of_one_scene(seed: int) -> None:
    """Where all pictures are alike some order of the columns hits by chance in all of them."""
    random = np.random.default_rng(seed)
    scene = drawn.draw_truth(random, 1, classes=1).boxes[0]
    truth = _one_a_picture(random, 30)
    truth.boxes[:] = scene
    found = drawn.perfect(truth)
    one, other = scene[random.permutation(4)].reshape(2, 2)
    found.boxes[:] = np.hstack([np.minimum(one, other), np.maximum(one, other)])
    found.boxes[:] += random.normal(0, 5, found.boxes.shape)
    require_convention(truth, drawn.in_columns("voc", found))


def test_one_scene_with_y_before_x() -> None:
    """What hits in all pictures is no chance where it is as good as all."""
    random = np.random.default_rng(20)
    truth = _one_a_picture(random, 30)
    truth.boxes[:] = [500, 20, 700, 160]
    found = drawn.perfect(truth)
    found.boxes[:] = found.boxes[:, [1, 0, 3, 2]] + random.normal(0, 5, (30, 4))
    assert "in the order y x, not x y" in refused(truth, drawn.in_columns("voc", found)).what


def _one_a_picture(random: np.random.Generator, pictures: int) -> Any:
    truth = drawn.draw_truth(random, pictures, classes=1)
    return truth.rows(np.searchsorted(truth.picture, np.arange(pictures)))  # type: ignore[arg-type]


def test_boxes_that_are_too_small_are_only_poor() -> None:
    """With their corner as a size they would hit; they fit hardly better."""
    random = np.random.default_rng(18)
    truth = _one_a_picture(random, 30)
    truth.boxes[:] = np.array([10, 10, 100, 100]) + random.normal(0, 1, (30, 4))
    found = replace(drawn.perfect(truth), boxes=truth.boxes + np.array([14, 14, -14, -14]))
    require_convention(truth, drawn.in_columns("voc", found))


def test_scores_that_are_fractions_are_the_scores() -> None:
    """In their column a box's beginning fits well: objects at the border, of which half is seen."""
    random = np.random.default_rng(19)
    truth = _one_a_picture(random, 30)
    truth.boxes[:, 0], truth.boxes[:, 2] = 2, 400
    found = drawn.perfect(truth)
    found.boxes[:, 0] = random.uniform(230, 300, 30)
    require_convention(truth, drawn.in_columns("voc", found))
    said = refused(truth, drawn.in_columns("voc", replace(found, scores=found.scores + 1))).what
    assert "the score seems to stand in bbox[1], where xmin should" in said


def test_priors_that_are_where_the_objects_are_not() -> None:
    """One box for all pictures hits now and then, in any reading."""
    random = np.random.default_rng(254)
    truth = drawn.draw_truth(random, 60, classes=1)
    found = drawn.poor(truth, random, "priors", "logits")
    found = replace(found, boxes=found.boxes.clip(0))
    require_convention(truth, drawn.in_columns("voc", found))


def test_a_small_file_of_many(tmp_path: Path) -> None:
    random = np.random.default_rng(13)
    truth = drawn.draw_truth(random, 120, classes=2)
    found = drawn.good(truth, random)
    rare = np.flatnonzero(truth.label == 1)
    truth = truth.rows(np.setdiff1d(np.arange(len(truth.label)), rare[4:]))
    rare = np.flatnonzero(found.label == 1)
    found = found.rows(np.setdiff1d(np.arange(len(found.label)), rare[4:]))
    voc = drawn.write_files("voc", tmp_path / "right", truth, found, (SCORE, *CORNERS))
    wrong = drawn.write_files("voc", tmp_path / "wrong", truth, found, (*CORNERS, SCORE))
    assert len(wrong.file("b").read_text().splitlines()) == 4
    voc.file("b").write_text(wrong.file("b").read_text())
    with pytest.raises(InputError, match="column 6, where ymax should") as caught:
        score("voc", voc.root, voc.pred)
    assert caught.value.where == f"{voc.file('b')}:1"


def test_corners_exchanged_in_a_few_pictures() -> None:
    random = np.random.default_rng(14)
    truth = drawn.draw_truth(random, 3, classes=1)
    truth = truth.rows(np.arange(7))
    found = drawn.perfect(truth)
    found = replace(found, boxes=found.boxes[:, [2, 3, 0, 1]])
    assert "in another order" in refused(truth, drawn.in_columns("voc", found)).what


def test_classes_that_are_nearly_all_of_one_kind() -> None:
    """What is taken for a class lies on another one because there is hardly anything else."""
    random = np.random.default_rng(15)
    truth = drawn.draw_truth(random, 60, classes=3)
    truth.label[random.random(len(truth.label)) < 0.95] = 1
    found = drawn.good(truth, random)
    for label in (0 * found.label, random.choice([0, 2], len(found.label))):
        require_convention(truth, drawn.in_columns("coco", replace(found, label=label)))


def test_two_rare_classes_that_are_confused() -> None:
    random = np.random.default_rng(16)
    truth = drawn.draw_truth(random, 60, classes=3)
    truth.label[random.random(len(truth.label)) < 0.8] = 2
    found = drawn.good(truth, random)
    missed = (found.label == 2) & (random.random(len(found.label)) < 0.6)
    found = replace(found, label=np.array([1, 0, 2])[found.label])
    found.boxes[missed] = [1, 1, 5, 5]
    require_convention(truth, drawn.in_columns("coco", found))


def test_without_files_no_line_is_named() -> None:
    random = np.random.default_rng(11)
    truth = drawn.draw_truth(random)
    found = drawn.good(truth, random)
    found = replace(found, boxes=found.boxes[:, [1, 0, 3, 2]])
    assert refused(truth, found).where == "found"
