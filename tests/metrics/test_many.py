"""More detections than memory should hold: the same scores to the last bit, in little memory."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.found import COLUMNS, draw_truth, good, in_columns, poor, write_files
from support.scored import CocoScored, VocScored, Wider

from ssd_data.core.errors import InputError, OutputError
from ssd_data.metrics import ScoreOptions, files, many, score, score_arrays
from ssd_data.metrics.coco import files as coco_files
from ssd_data.metrics.coco import rules as coco_rules
from ssd_data.metrics.conventions import _mostly_within
from ssd_data.metrics.hits import best_rows
from ssd_data.metrics.readings import columns_of, numbers_at
from ssd_data.metrics.scores import Found, Scores, Truth
from ssd_data.metrics.voc import rules as voc_rules
from ssd_data.metrics.widerface import rules as wider_rules

METRICS = ["voc", "coco", "widerface"]
Few = Callable[[], None]


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> Few:
    """From now on a handful of detections is many, and a block a few lines."""

    def begin() -> None:
        for module in (many, files, voc_rules, coco_rules, wider_rules):
            monkeypatch.setattr(module, "MANY", 20)
        for module in (many, files):
            monkeypatch.setattr(module, "PART", 7)
        monkeypatch.setattr(coco_rules, "AT_ONCE", 15)
        monkeypatch.setattr(coco_files, "_SEEN", 200)
        for module in (files, coco_files):
            monkeypatch.setattr(module, "BLOCK", 300)

    return begin


def drawn(metric: str, kind: str, seed: int) -> tuple[Truth, Found]:
    random = np.random.default_rng(seed)
    truth = draw_truth(random, 12, 1 if metric == "widerface" else 4)
    found = good(truth, random) if kind == "good" else poor(truth, random, kind, "rounded")
    twins = found.rows(np.append(np.arange(len(found.boxes)), [3, 3, 5]))  # some stand there twice
    order = random.permutation(len(twins.boxes))
    return truth, replace(twins.rows(order), scores=twins.scores[order].round(2))


def all_of(result: Scores) -> tuple[str, dict[str, list[bytes]]]:
    """Everything that it says, and its curves to the byte."""
    curves = {
        name: [np.asarray(one).tobytes() for one in (curve.recall, curve.precision, curve.scores)]
        for name, curve in result.curves.items()
    }
    return json.dumps(result.to_json()), curves


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("kind", ["good", "rough", "tiny", "one class"])
def test_the_same_scores(metric: str, kind: str, tmp_path: Path, few: Few) -> None:
    truth, found = drawn(metric, kind, 7)
    written = write_files(metric, tmp_path, truth, found, COLUMNS[metric][-5:])
    places = getattr(written, "root", None) or written.truth, written.pred
    options = ScoreOptions(missing="count", iou=(0.5, 0.75), extras=("errors", "by-size"))
    usual = all_of(score(metric, *places, options))
    few()
    assert all_of(score(metric, *places, options)) == usual
    assert json.loads(usual[0])["notes"]


@given(st.integers(0, 10_000), st.sampled_from(METRICS), st.sampled_from(["good", "weak"]))
@settings(max_examples=25, deadline=None)
def test_any_arrays(seed: int, metric: str, kind: str) -> None:
    truth, found = drawn(metric, kind, seed)
    if metric == "widerface":
        truth = replace(truth, sets={"all": ~truth.ignored})
    if metric == "coco":
        for_sides = [np.hstack([b[:, :2], b[:, 2:] - b[:, :2]]) for b in (truth.boxes, found.boxes)]
        areas = for_sides[0][:, 2] * for_sides[0][:, 3]
        truth = replace(truth, attributes={"xywh": for_sides[0], "area": areas})
        found = replace(found, attributes={"xywh": for_sides[1]})
    options = ScoreOptions(own_boxes=True, missing="count")
    usual = all_of(score_arrays(metric, truth, found, options))
    with pytest.MonkeyPatch.context() as patch:
        for module in (many, files, voc_rules, coco_rules, wider_rules):
            patch.setattr(module, "MANY", 10)
        patch.setattr(many, "PART", 5)
        patch.setattr(coco_rules, "AT_ONCE", 8)
        assert (
            all_of(score_arrays(metric, truth, replace(found, notes=type(found.notes)()), options))
            == usual
        )


# ---- what is refused, and where ----


def test_a_voc_line_is_named_in_any_block(tmp_path: Path, few: Few) -> None:
    voc = VocScored(tmp_path)
    good_lines = "000001 0.9 10 10 60 60\n" * 40
    for text, line in (
        (good_lines + "000009 1 2 3 4 5\n", 41),
        (good_lines + "000001 x 2 3\n", 41),
    ):
        voc.file("cat").write_text(text + good_lines)
        said = []
        for begin in (lambda: None, few):
            begin()
            with pytest.raises(InputError) as error:
                score("voc", voc.root, voc.pred)
            said.append(str(error.value))
        assert said[0] == said[1]
        assert f"{voc.file('cat')}:{line}" in said[0]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\n\n  \n"])
def test_lines_end_as_they_like(end: str, tmp_path: Path, few: Few) -> None:
    voc = VocScored(tmp_path)
    rows = [f"000001\t0.{n:02d}  {n} 10 60 60" for n in range(10, 60)]
    voc.file("cat").write_bytes(b"\xef\xbb\xbf" + end.join(rows).encode())
    usual = all_of(score("voc", voc.root, voc.pred, ScoreOptions(missing="count")))
    few()
    assert all_of(score("voc", voc.root, voc.pred, ScoreOptions(missing="count"))) == usual
    assert json.loads(usual[0])["counts"]["detections"] == 52


def test_a_packed_file_is_refused_as_ever(tmp_path: Path, few: Few) -> None:
    few()
    voc = VocScored(tmp_path)
    voc.file("cat").write_bytes(b"\x1f\x8b" + bytes(1000))
    with pytest.raises(InputError, match="packed with gzip"):
        score("voc", voc.root, voc.pred)


ODD = {
    "cat": 'a brace },{ and a \\" in a text',
    "inside": [{"a": 1}, {"a": 2}],
    "deep": [{"b": [{"c": "},{"}, {"c": 1}]}, {"b": []}],
}


def test_a_list_is_cut_between_results_only(tmp_path: Path, few: Few) -> None:
    coco = CocoScored(tmp_path)
    coco.results = [{**row, **ODD, "score": n / 50} for n in range(12) for row in coco.results]
    usual = {}
    for name, text in (
        ("plain", json.dumps(coco.results)),
        ("broad", json.dumps(coco.results, indent=3)),
    ):
        (tmp_path / name).write_text("\ufeff" + text)
        usual[name] = all_of(score("coco", coco.truth, tmp_path / name))
    few()
    for name, expected in usual.items():
        assert all_of(score("coco", coco.truth, tmp_path / name)) == expected


@pytest.mark.parametrize(
    "break_it",
    [
        lambda rows: [*rows[:-1], {**rows[-1], "image_id": 12}],
        lambda rows: [*rows[:-1], {**rows[-1], "bbox": [1, 2, 3000000000000.0, 4]}],
        lambda rows: [*rows[:-1], {**rows[-1], "bbox": [1, 2, 3]}],
        lambda rows: [*rows[:-1], {"image_id": 7}],
        lambda rows: json.dumps(rows)[:-40],
        lambda rows: json.dumps(rows).replace("0.9", "NaN"),
    ],
)
def test_a_fault_in_a_large_list_is_said_as_in_a_small_one(
    break_it: Any, tmp_path: Path, few: Few
) -> None:
    coco = CocoScored(tmp_path)
    broken = break_it(coco.results * 20)
    coco.pred.write_text(broken if isinstance(broken, str) else json.dumps(broken))
    said = []
    for begin in (lambda: None, few):
        begin()
        with pytest.raises(InputError) as error:
            score("coco", coco.truth, coco.pred)
        said.append(str(error.value))
    assert said[0] == said[1]


def test_the_object_form_is_read_as_ever(tmp_path: Path, few: Few) -> None:
    coco = CocoScored(tmp_path)
    whole = {"annotations": coco.results * 9, "images": [{"id": 7}, {"id": 8}, {"id": 9}]}
    coco.pred.write_text(json.dumps(whole))
    usual = all_of(score("coco", coco.truth, coco.pred))
    few()
    assert all_of(score("coco", coco.truth, coco.pred)) == usual


def test_another_convention_is_refused_as_ever(tmp_path: Path, few: Few) -> None:
    for number, metric in enumerate(METRICS):
        truth, found = drawn(metric, "good", 3)
        order = (COLUMNS[metric][-4], *COLUMNS[metric][-5:-4], *COLUMNS[metric][-3:])
        folder = tmp_path / metric
        folder.mkdir()
        written = write_files(metric, folder, truth, found, order)
        places = getattr(written, "root", None) or written.truth, written.pred
        said = []
        for begin in (lambda: None, few):
            begin()
            with pytest.raises(InputError) as error:
                score(metric, *places, ScoreOptions(missing="count"))
            said.append(str(error.value))
        assert said[0] == said[1], number


# ---- its parts ----


@given(
    st.lists(st.sampled_from([0.0, 1.0, 2.0, 2.5, 3.0, -2.0, -7.0]), min_size=1, max_size=400),
    st.sampled_from([1, 3, 50]),
)
@settings(max_examples=60, deadline=None)
def test_the_quantile_by_parts(values: list[float], part: int) -> None:
    boxes = np.array(values * 4, np.float64).reshape(-1, 4)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(many, "PART", part)
        assert _mostly_within(boxes, 2) == (np.quantile(np.abs(boxes), 0.99) <= 2)


@given(st.lists(st.integers(0, 5), max_size=60), st.integers(1, 20), st.sampled_from([1, 4, 100]))
def test_the_best_rows_by_parts(values: list[int], most: int, part: int) -> None:
    scores = np.array(values, np.float64)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(many, "PART", part)
        rows = best_rows(scores, most).tolist()
    assert rows == sorted(sorted(range(len(values)), key=lambda i: -values[i])[:most])


@pytest.mark.parametrize("metric", METRICS)
def test_columns_one_by_one(metric: str) -> None:
    _, found = drawn(metric, "good", 1)
    found = in_columns(metric, found)
    assert found.lines is not None
    together = numbers_at(found, found.lines.numbers, slice(None))
    for column, one in zip(together.T, columns_of(found, found.lines.numbers), strict=True):
        np.testing.assert_array_equal(column, one)


@given(st.lists(st.lists(st.integers(0, 4), max_size=9), min_size=1, max_size=6))
@settings(max_examples=40, deadline=None)
def test_columns_hold_what_was_added(rows: list[list[int]]) -> None:
    for most in (3, 1000):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(many, "MANY", most)
            columns = many.Columns()
            for some in rows:
                one = np.array(some, np.int64)
                columns.add(one, np.outer(one, [1.0, 2.0]))
            numbers, pairs = columns.whole()
        flat = [n for some in rows for n in some]
        assert numbers.tolist() == flat
        assert pairs.tolist() == [[n, 2.0 * n] for n in flat]
        by_key = many.by_key(numbers, 5)
        assert [numbers[rows].tolist() for rows in by_key] == [
            [k] * flat.count(k) for k in range(5)
        ]


def test_a_disk_that_is_full_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def full() -> object:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(many, "MANY", 2)
    monkeypatch.setattr(many.tempfile, "TemporaryFile", full)
    with pytest.raises(OutputError, match="No space left"):
        many.Columns().add(np.arange(3))


@pytest.mark.parametrize("metric", METRICS)
def test_memory_does_not_grow_with_the_detections(
    metric: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three times as many in as many classes of the same size; files are not counted."""
    for module in (many, files, voc_rules, coco_rules, wider_rules):
        monkeypatch.setattr(module, "MANY", 2000)
    for module in (many, files):
        monkeypatch.setattr(module, "PART", 1000)
    monkeypatch.setattr(coco_rules, "AT_ONCE", 2000)
    for module in (files, coco_files):
        monkeypatch.setattr(module, "BLOCK", 1 << 14)
    peaks = []
    for number in (4, 12):
        folder = tmp_path / str(number)
        folder.mkdir()
        places = write_many(metric, folder, number)
        for _ in range(2):  # the first time fills tables of the interpreter's
            tracemalloc.start()
            result = score(metric, *places, ScoreOptions(missing="count"))
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
        curves = 2 * 3 * 8 * 10 * 101 * 4 * 3 * number if metric == "coco" else 0
        peaks.append(peak - curves)
        assert result.counts["detections"] == 4000 * number
    assert (peaks[1] - peaks[0]) / 32_000 < 24  # bytes a detection; all at once take above 100


def write_many(metric: str, folder: Path, number: int) -> tuple[Path, Path]:
    """4,000 detections of each of so many classes; of WIDER FACE in 40 pictures each."""
    random = np.random.default_rng(1)
    one = random.random((4000 * number, 3))
    rows = [
        (n, s, 100 * x, 50 * y)
        for n, (s, x, y) in zip(np.arange(len(one)) // 4000, one.tolist(), strict=True)
    ]
    if metric == "widerface":
        names = [f"0--A/{n}" for n in range(40 * number)]
        wider = Wider(folder, {name: [[10, 10, 20, 20]] for name in names})
        for n, name in enumerate(names):
            own = rows[100 * n : 100 * (n + 1)]
            wider.detect(name, [(x, y, 20, 20, s) for _, s, x, y in own])
        return wider.truth, wider.pred
    if metric == "voc":
        voc = VocScored(folder, {"1": [(f"c{n}", 5, 5, 60, 60) for n in range(number)]})
        for n in range(number):
            lines = (f"1 {s} {x} {y} {x + 50} {y + 50}\n" for k, s, x, y in rows if k == n)
            voc.file(f"c{n}").write_text("".join(lines))
        return voc.root, voc.pred
    coco = CocoScored(folder)
    coco.instances["categories"] = [{"id": n, "name": f"c{n}"} for n in range(number)]
    coco.instances["annotations"] = [coco.annotation(7, n, [5, 5, 55, 55]) for n in range(number)]
    coco.results = [
        {"image_id": 7, "category_id": int(n), "bbox": [x, y, 50, 50], "score": s}
        for n, s, x, y in rows
    ]
    coco.write()
    return coco.truth, coco.pred
