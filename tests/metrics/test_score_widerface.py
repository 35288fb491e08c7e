"""WIDER FACE: the published answer, the official procedure done naively, and bad input."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import naive_scores as naive
from support.scored import Wider

from ssd_data.core.errors import InputError, OutputError
from ssd_data.core.structures import Detections
from ssd_data.metrics import ScoreOptions, score, score_arrays
from ssd_data.metrics.analysis import EXTRAS
from ssd_data.metrics.scores import Found, Scores, Truth
from ssd_data.metrics.widerface.files import read_detections, read_truth, write_widerface_folder


@pytest.fixture
def wider(tmp_path: Path) -> Wider:
    return Wider(tmp_path)


def scored(wider: Wider, **options: Any) -> Scores:
    return score("widerface", wider.truth, wider.pred, ScoreOptions(**options))


def test_the_published_answer(shared: Path) -> None:
    folder = shared / "WIDER_FACE"
    result = score(
        "widerface", folder / "eval_tools" / "ground_truth", folder / "predictions_rfb_320x240"
    )
    expected = {"easy": 0.8148, "medium": 0.7107, "hard": 0.3631}
    assert result.ap == pytest.approx(expected, abs=2e-4)
    assert result.counts["pictures"] == 3226
    assert result.counts["detections"] == 291_175
    assert [result.counts[f"truths_{name}"] for name in expected] == [7211, 13319, 31958]


def test_the_truth_found_again_is_1(wider: Wider) -> None:
    result = scored(wider)
    # 1.0 needs the lowest score to be above 0 after normalising: the last threshold is 0.
    assert result.ap == {"easy": 1.0, "medium": 1.0, "hard": 1.0}
    assert result.to_json()["metric"] == "widerface"
    assert result.rules["plus_one"] is True
    assert not result.notes
    assert not result.subset


# Drawn boxes may fit better when read otherwise; here nobody is to ask for that.
OWN = ScoreOptions(own_boxes=True)

grid = st.integers(0, 6).map(lambda n: 4 * n)
side = st.integers(1, 6).map(lambda n: 4 * n)
face = st.tuples(grid, grid, side, side)
row = st.tuples(grid, grid, side, side, st.sampled_from([0.1, 0.3, 0.5, 0.9]))
pictures = st.lists(
    st.tuples(st.lists(row, max_size=6), st.lists(face, max_size=4), st.integers(0, 15)),
    min_size=1,
    max_size=4,
)


def arrays(items: Any) -> tuple[Truth, Found]:
    faces = [np.array(f, float).reshape(-1, 4) for _, f, _ in items]
    rows = [np.array(r, float).reshape(-1, 5) for r, _, _ in items]
    numbers = np.arange(len(items))
    boxes, found = np.concatenate(faces), np.concatenate(rows)
    boxes[:, 2:] += boxes[:, :2]
    found[:, 2:4] += found[:, :2]
    chosen = np.concatenate([[bool(m >> i & 1) for i in range(len(f))] for _, f, m in items])
    chosen = chosen.astype(bool)
    truth = Truth(
        "truth",
        tuple(map(str, numbers)),
        ("face",),
        np.repeat(numbers, [len(f) for f in faces]),
        np.zeros(len(boxes), np.int64),
        boxes,
        np.zeros(len(boxes), bool),
        np.zeros((len(items), 2), np.int64),
        {"easy": chosen, "medium": ~chosen, "hard": np.ones(len(boxes), bool)},
    )
    return truth, Found(
        "found",
        np.repeat(numbers, [len(r) for r in rows]),
        np.zeros(len(found), np.int64),
        found[:, 4],
        found[:, :4],
        np.ones(len(items), bool),
    )


@given(pictures)
@settings(max_examples=60)
def test_a_naive_twin(items: Any) -> None:
    result = score_arrays("widerface", *arrays(items), OWN)
    masks = {"easy": lambda m: m, "medium": lambda m: ~m, "hard": lambda m: -1}
    for name, mask in masks.items():
        kept = [(r, f, {i for i in range(len(f)) if mask(m) >> i & 1}) for r, f, m in items]
        assert result.ap[name] == pytest.approx(naive.wider(kept), abs=1e-12), name


@given(pictures, st.randoms(use_true_random=False))
@settings(max_examples=60)
def test_order_does_not_matter(items: Any, random: Any) -> None:
    before = score_arrays("widerface", *arrays(items), OWN).ap
    mixed = [(random.sample(r, len(r)), f, m) for r, f, m in random.sample(items, len(items))]
    after = score_arrays("widerface", *arrays(mixed), OWN).ap
    assert after == before


def test_boxes_of_different_pictures_may_mix() -> None:
    random = np.random.default_rng(3)
    items = [
        ([(*b, s) for b, s in zip(f, random.random(len(f)), strict=True)], f, 15)
        for f in random.integers(1, 60, (5, 6, 4)).tolist()
    ]
    truth, found = arrays(items)
    order = random.permutation(len(found.scores))
    mixed = replace(
        found,
        picture=found.picture[order],
        label=found.label,
        scores=found.scores[order],
        boxes=found.boxes[order],
    )
    before = score_arrays("widerface", truth, found, ScoreOptions(extras=tuple(EXTRAS)))
    after = score_arrays("widerface", truth, mixed, ScoreOptions(extras=tuple(EXTRAS)))
    assert (after.ap, after.more) == (before.ap, before.more)
    elsewhere = replace(mixed, picture=np.roll(mixed.picture, 1))
    assert score_arrays("widerface", truth, elsewhere, ScoreOptions()).ap != before.ap


def test_missing_pictures(wider: Wider) -> None:
    wider.file("1--B/three").unlink()
    with pytest.raises(InputError, match="1 of 3 pictures have no detections: 1--B/three"):
        scored(wider)
    counted = scored(wider, missing="count")
    assert counted.ap["hard"] == pytest.approx(3 / 5)
    assert counted.counts["pictures_without_file"] == 1
    assert "picture without detections: all its objects are missed" in counted.notes.kinds
    skipped = scored(wider, missing="skip")
    assert skipped.ap["hard"] == 1
    assert skipped.to_json()["subset"] == "2 of 3"
    assert skipped.counts["truths"] == 3
    wider.detect("1--B/three", [[0, 0, 30, 30, 0.5], [100, 100, 50, 60, 0.4]])
    wider.file("0--A/one").unlink()
    assert scored(wider, missing="skip").ap == {"easy": 1, "medium": 1, "hard": 1}


def test_a_file_without_boxes_is_not_missing(wider: Wider) -> None:
    wider.detect("1--B/three", [])
    assert scored(wider).ap["hard"] == pytest.approx(3 / 5)
    wider.file("1--B/three").write_text("")
    result = scored(wider)
    assert result.ap["hard"] == pytest.approx(3 / 5)
    assert any(kind.startswith("empty file") for kind in result.notes.kinds)
    assert scored(wider, missing="skip").subset == "3 of 3"


@pytest.mark.parametrize(
    "change",
    [
        lambda t: t.replace("\n", "\r\n"),
        lambda t: t.replace(" ", "\t"),
        lambda t: t.replace(" ", "   ").replace("\n", " \n"),
        lambda t: t + "\n\n",
        lambda t: t.replace(".0", "."),
        lambda t: t.replace("one", "0--A/one.jpg"),
    ],
)
def test_other_hands(wider: Wider, change: Any) -> None:
    path = wider.file("0--A/one")
    path.write_bytes(change(path.read_text()).encode())
    result = scored(wider)
    assert result.ap["hard"] == 1
    assert not result.notes


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        ("one\n1\n1 2 3 4 nan\n", 3, "score is not a finite"),
        ("one\n1\n1 2 3 4 inf\n", 3, "score is not a finite"),
        ("one\n2\n1 2 3 4 0.5\n1 2 inf 4 0.5\n", 4, "coordinate is not a finite"),
        ("one\n2\n1 2 3 4 0.5\n1 2 3 4\n", 4, "5 numbers should stand here, found 4"),
        ("one\n2\n1 2 3 4 0.5 6\n1 2 3 4\n", 3, "5 numbers should stand here, found 6"),
        ("one\n3\n1 2 3 4 0.5\n", 2, "3 faces are announced, 1 lines follow"),
        ("one\n0\n1 2 3 4 0.5\n", 2, "0 faces are announced, 1 lines follow"),
        ("one\n1\n1 2 3 x 0.5\n", 3, "are not 5 numbers"),
        ("one\n1\n1 2 3 4 0_5\n", 3, "numbers"),
        ("1 2 3 4 0.5\n5 6 7 8 0.5\n", 2, "number of faces should stand here"),
        ("one\n", 2, "number of faces should stand here"),
        ("one\n1\n1 2 3 4 1e999\n", 3, "not a finite"),
    ],
)
def test_bad_lines(wider: Wider, text: str, line: int, what: str) -> None:
    wider.file("0--A/one").write_text(text)
    with pytest.raises(InputError, match=what) as caught:
        scored(wider)
    assert caught.value.where == f"{wider.file('0--A/one')}:{line}"


def test_what_the_official_tool_passes_over(wider: Wider) -> None:
    wider.detect("0--A/stranger", [[1, 2, 3, 4, 0.5]])
    wider.detect("0--A/two", [[5, 5, 40, 40, 0.9], [50, 50, -5, 8, 0.5]])
    path = wider.file("1--B/three")
    path.write_text(path.read_text().replace("three", "four"))
    kinds = scored(wider).notes.kinds
    assert [k.split(" ")[0] for k in kinds] == ["file", "line", "inverted"]


def test_no_name_in_common(wider: Wider) -> None:
    (wider.pred / "0--A").rename(wider.pred / "A")
    (wider.pred / "1--B").rename(wider.pred / "B")
    with pytest.raises(InputError, match="none of its 3 files is called like") as caught:
        scored(wider, missing="count")
    assert "0--A/one.txt" in caught.value.hint
    with pytest.raises(InputError, match="cannot read the folder"):
        score("widerface", wider.truth, wider.pred / "nothing")
    for event in "AB":
        shutil.rmtree(wider.pred / event)
    with pytest.raises(InputError, match="it has no file of a picture of the truth"):
        scored(wider)
    (wider.truth / "wider_easy_val.mat").unlink()
    with pytest.raises(InputError, match=r"missing\n.*eval_tools.zip"):
        scored(wider)


@pytest.mark.parametrize("convention", ["corners", "fractions"])
def test_another_convention(tmp_path: Path, convention: str) -> None:
    random = np.random.default_rng(0)
    faces = random.integers(20, 400, (40, 4)).astype(float)
    wider = Wider(tmp_path, {f"0--A/{i}": [box.tolist()] for i, box in enumerate(faces)})
    for i, (x, y, w, h) in enumerate(faces.tolist()):
        changed = (
            [x, y, x + w, y + h] if convention == "corners" else [v / 800 for v in (x, y, w, h)]
        )
        wider.detect(f"0--A/{i}", [[*changed, 0.5]])
    with pytest.raises(InputError, match=f"another convention; it seems they are {convention}"):
        scored(wider)


def test_all_scores_the_same(wider: Wider) -> None:
    for name, rows in wider.faces.items():
        wider.detect(name, [[*row, 0.5] for row in rows])
    result = scored(wider)
    assert result.ap["hard"] == 1
    assert "all scores are the same: taken as 1" in result.notes.kinds


def test_bad_truth(wider: Wider, tmp_path: Path) -> None:
    from scipy.io import loadmat, savemat

    path = wider.truth / "wider_easy_val.mat"
    whole = path.read_bytes()
    path.write_bytes(b"MATLAB 7.3 MAT-file, Platform".ljust(124) + b"\x00\x02IM" + bytes(400))
    with pytest.raises(InputError, match=r"version 7\.3"):
        scored(wider)
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match="not a readable .mat file|is missing"):
        scored(wider)
    savemat(path, {"event_list": loadmat(wider.truth / "wider_face_val.mat")["event_list"]})
    with pytest.raises(InputError, match='field "gt_list" is missing'):
        scored(wider)
    savemat(path, {"gt_list": np.zeros(3)})
    with pytest.raises(InputError, match="no cell array"):
        scored(wider)
    path.unlink()
    with pytest.raises(InputError, match="the truth is missing"):
        scored(wider)
    wider.sets["easy"][0] = [3]
    wider.write()
    with pytest.raises(InputError, match="counts a face that is not there"):
        scored(wider)
    wider.sets["easy"] = wider.sets["easy"][:2]
    (tmp_path / "wider_face_val_bbx_gt.txt").write_text("")
    with pytest.raises(InputError, match="which are easy, medium or hard"):
        score("widerface", tmp_path / "wider_face_val_bbx_gt.txt", wider.pred)
    path.parent.rename(tmp_path / "elsewhere")
    with pytest.raises(InputError, match="which are easy, medium or hard"):
        score("widerface", tmp_path, wider.pred)


def test_the_parent_of_ground_truth_will_do(wider: Wider) -> None:
    assert len(read_truth(wider.truth.parent).pictures) == 3
    assert len(read_truth(wider.truth / "wider_face_val.mat").pictures) == 3


def test_what_is_written_is_read(wider: Wider, tmp_path: Path) -> None:
    truth = read_truth(wider.truth)
    size = (300, 200)
    detections = {
        f"{name}.jpg": Detections(
            np.array([1] * len(rows) + [2], np.int32),
            np.linspace(0.1, 0.9, len(rows) + 1, dtype=np.float32),
            np.array(
                [[x / 300, y / 200, (x + w) / 300, (y + h) / 200] for x, y, w, h in rows]
                + [[0, 0, 1, 1]],
                np.float32,
            ),
        )
        for name, rows in wider.faces.items()
    }
    out = tmp_path / "written"
    write_widerface_folder(out, detections, dict.fromkeys(detections, size))
    found = read_detections(out, truth)
    np.testing.assert_allclose(found.boxes, truth.boxes, atol=1e-3)
    assert score("widerface", wider.truth, out).ap["hard"] == 1
    with pytest.raises(OutputError, match="not empty"):
        write_widerface_folder(out, detections, dict.fromkeys(detections, size))
    with pytest.raises(InputError, match="leaves the root"):
        write_widerface_folder(
            tmp_path / "x", {"../../a": detections["0--A/one.jpg"]}, {"../../a": size}
        )
    assert sorted(p.name for p in tmp_path.iterdir()) == ["ground_truth", "pred", "written"]


def test_links_that_leave_the_detections_or_the_truth(wider: Wider, tmp_path: Path) -> None:
    whole = scored(wider).ap
    for path in (wider.pred / "0--A", wider.file("1--B/three"), wider.truth / "wider_easy_val.mat"):
        path.rename(tmp_path / path.name)
        path.symlink_to(tmp_path / path.name)
        with pytest.raises(InputError, match=f"{path}: this link leaves"):
            scored(wider)
        assert scored(wider, follow_links=True).ap == whole
        path.unlink()
        (tmp_path / path.name).rename(path)
