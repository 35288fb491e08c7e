"""Detections in other columns, orders, scales are refused; poor ones that are well written not."""

from __future__ import annotations

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
from ssd_data.metrics.source import SCORE

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
@settings(max_examples=60, deadline=None)
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
@settings(max_examples=100, deadline=None)
def test_no_poor_detector_is_refused(
    metric: str, seed: int, kind: str, scale: str, pictures: int
) -> None:
    random = np.random.default_rng(seed)
    truth = drawn.draw_truth(random, pictures)
    require_convention(truth, drawn.in_columns(metric, drawn.poor(truth, random, kind, scale)))


@pytest.mark.parametrize("metric", METRICS)
@given(seed=seeds, kind=st.sampled_from(sorted({*drawn.POOR} - {"whole"})))
@settings(max_examples=60, deadline=None)
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
