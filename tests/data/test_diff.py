"""Two data sets, builds or LMDBs held against each other."""

import shutil
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.trees import Voc, xml

from ssd_data import BuildOptions, LabelMap, build, find
from ssd_data.data.diff import DataDifference, _compare, diff
from ssd_data.data.export import export
from ssd_data.data.sides import PictureBoxes

BOXES = [("cat", 5, 6, 30, 40), ("dog", 1, 2, 20, 20)]


@pytest.fixture
def voc(tmp_path: Path) -> Voc:
    made = Voc(tmp_path / "voc", 4)
    for i in range(1, 5):
        made.annotation(i).write_text(xml(BOXES))
    made.list(["1", "2", "3"])
    made.list(["4"], "test")
    return made


@pytest.fixture
def other(voc: Voc, tmp_path: Path) -> Voc:
    shutil.copytree(voc.root, tmp_path / "other")
    twin = object.__new__(Voc)
    twin.root = tmp_path / "other"
    return twin


def kinds(found: Any) -> dict[str, list[str]]:
    return {kind: entry.listed for kind, entry in found.found.kinds.items()}


def test_a_build_is_its_data_set(voc: Voc, tmp_path: Path) -> None:
    build(find(voc.root), tmp_path / "out")
    for twin in (tmp_path / "out", voc.root):
        found = diff(voc.root, twin)
        assert not found
        assert (found.pictures, found.boxes, found.common, found.same) == ([4, 4], [8, 8], 4, 8)
    alone = diff(voc.root, tmp_path / "out" / "voc_test_lmdb")
    assert alone
    assert alone.common == 1
    assert list(alone.found.kinds) == [f"picture only in {voc.root}"]


def test_another_format_of_the_same(voc: Voc, tmp_path: Path) -> None:
    build(find(voc.root), tmp_path / "out")
    export(tmp_path / "out" / "voc_trainval_lmdb", "coco", tmp_path / "coco", split="train")
    found = diff(tmp_path / "out" / "voc_trainval_lmdb", tmp_path / "coco")
    assert not found
    assert found.same == 6


@pytest.mark.parametrize(
    ("boxes", "expected"),
    [
        (BOXES[::-1], {}),
        ([("cat", 5, 6, 30, 41), BOXES[1]], {"box has moved": ["cat 5 6 30 40, cat 5 6 30 41"]}),
        ([("cow", 5, 6, 30, 40), BOXES[1]], {"box has another class": ["cat 5 6 30 40, cow"]}),
        (BOXES[:1], {"box only in A": ["dog 1 2 20 20"]}),
        ([*BOXES, ("cat", 40, 2, 60, 9)], {"box only in B": ["cat 40 2 60 9"]}),
        ([*BOXES, BOXES[0]], {"box only in B": ["cat 5 6 30 40"]}),
        (
            [("cat", 40, 2, 60, 9), BOXES[1]],
            {"box only in A": ["cat 5 6 30 40"], "box only in B": ["cat 40 2 60 9"]},
        ),
        ([BOXES[1], ("dog", 5, 6, 30, 40)], {"box has another class": ["cat 5 6 30 40, dog"]}),
    ],
)
def test_what_differs_in_a_picture(
    voc: Voc, other: Voc, boxes: Any, expected: dict[str, list[str]]
) -> None:
    other.annotation(2).write_text(xml(boxes))
    found = diff(voc.root, other.root)
    names = {"A": str(voc.root), "B": str(other.root)}
    assert kinds(found) == {
        kind.replace(" A", f" {names['A']}").replace(" B", f" {names['B']}"): [
            f"JPEGImages/2.jpg: {text}" for text in texts
        ]
        for kind, texts in expected.items()
    }
    assert bool(found) == bool(expected)


def test_how_far_a_corner_moved(voc: Voc, other: Voc) -> None:
    other.annotation(2).write_text(xml([("cat", 5, 6, 30, 42.5), BOXES[1]]))
    assert diff(voc.root, other.root).farthest == pytest.approx(2.5, abs=1e-4)


def test_splits_sizes_and_difficult(voc: Voc, other: Voc) -> None:
    other.list(["1", "2"])
    other.list(["3", "4"], "test")
    text = xml(BOXES).replace("<difficult>0", "<difficult>1", 1)
    other.annotation(1).write_text(text)
    assert kinds(diff(voc.root, other.root)) == {
        "picture is for training in one only": ["JPEGImages/3.jpg: trainval, test"],
        "box is difficult in one only": ["JPEGImages/1.jpg: cat 5 6 30 40"],
    }


def test_the_command(voc: Voc, other: Voc, run: Any, tmp_path: Path) -> None:
    same = run("diff", voc.root, other.root)
    assert (same.status, same.out.splitlines()[-1]) == (0, "no difference")
    other.annotation(2).write_text(xml(BOXES[:1]))
    told = run("diff", voc.root, other.root)
    assert told.status == 1
    assert f"1 x box only in {voc.root}\n    JPEGImages/2.jpg: dog 1 2 20 20" in told.out
    assert told.out.splitlines()[-1] == "they differ"
    table = run("diff", voc.root, other.root, "--json").json
    assert (table["different"], table["classes"]["dog"]) == (True, [4, 3])
    build(find(voc.root), tmp_path / "out")
    (tmp_path / "out" / "labelmap.prototxt").unlink()
    bare = run("diff", tmp_path / "out" / "voc_test_lmdb", voc.root)
    assert bare.status == 1
    assert "no labelmap lies beside it" in bare.err
    assert run("diff", tmp_path / "none", voc.root).status == 2


def test_splits_that_share_pictures(voc: Voc, tmp_path: Path) -> None:
    """A picture of train and trainval is one picture, and learnt from."""
    voc.list(["1", "2"], "train")
    voc.list(["3"], "val")
    build(find(voc.root), tmp_path / "out", splits=["trainval", "test"])
    build(find(voc.root), tmp_path / "all", splits=["train", "trainval", "val", "test"])
    for pair in ((voc.root, tmp_path / "out"), (tmp_path / "all", tmp_path / "out")):
        found = diff(*pair)
        assert not found
        assert (found.pictures, found.boxes) == ([4, 4], [8, 8])


def test_pictures_with_other_names(voc: Voc, tmp_path: Path) -> None:
    shutil.copytree(voc.root, tmp_path / "renamed")
    twin = object.__new__(Voc)
    twin.root = tmp_path / "renamed"
    for i in range(1, 5):
        twin.picture(i).rename(twin.picture(f"n{i}"))
        twin.annotation(i).rename(twin.annotation(f"n{i}"))
    twin.annotation("n2").write_text(xml(BOXES[:1]))
    twin.list(["n1", "n2", "n3"])
    twin.list(["n4"], "test")
    build(find(voc.root), tmp_path / "out")
    for first in (voc.root, tmp_path / "out"):
        found = diff(first, twin.root)
        assert (found.common, found.same) == (4, 7)
        assert kinds(found) == {
            "picture has another name": [
                f"JPEGImages/{i}.jpg: JPEGImages/n{i}.jpg" for i in "1234"
            ],
            f"box only in {first}": ["JPEGImages/2.jpg: dog 1 2 20 20"],
        }
    shutil.copy(twin.picture("n1"), twin.picture("n2"))  # two of the same bytes: nobody knows
    found = diff(voc.root, twin.root)
    assert found.common == 2
    assert len(kinds(found)[f"picture only in {voc.root}"]) == 2


def test_two_builds_with_other_labelmaps(voc: Voc, tmp_path: Path) -> None:
    build(find(voc.root), tmp_path / "a")
    labelmap = LabelMap.from_names(["dog", "cat"])
    build(find(voc.root), tmp_path / "b", labelmap=labelmap)
    assert not diff(tmp_path / "a", tmp_path / "b")
    build(find(voc.root), tmp_path / "c", BuildOptions(size=(32, 32), map={"dog": "cat"}))
    found = diff(tmp_path / "a", tmp_path / "c")
    assert found.classes == {"cat": (4, 8), "dog": (4, 0)}
    assert {kind: one.count for kind, one in found.found.kinds.items()} == {
        "picture has another size": 4,
        "box has another class": 4,
    }


def test_what_is_left_out_on_reading_is_told(voc: Voc, tmp_path: Path, run: Any) -> None:
    build(find(voc.root), tmp_path / "out")
    voc.annotation(2).write_text("<annotation>")
    assert run("diff", voc.root, tmp_path / "out").status == 1
    told = run("diff", voc.root, tmp_path / "out", "--missing", "skip")
    assert f"{voc.root}: 1 x picture left out (skipped)\n    Annotations/2.xml:1: not" in told.out
    assert f"1 x picture only in {tmp_path / 'out'}\n    JPEGImages/2.jpg" in told.out


def test_a_crowd_of_boxes_takes_no_square_of_memory(voc: Voc, other: Voc) -> None:
    crowd = [("cat", x, y, x + 1, y + 1) for x in range(60) for y in range(45)]
    voc.annotation(1).write_text(xml(crowd))
    other.annotation(1).write_text(xml([*crowd[::-1], ("dog", 1, 1, 2, 2)]))
    tracemalloc.start()
    found = diff(voc.root, other.root)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kinds(found) == {f"box only in {other.root}": ["JPEGImages/1.jpg: dog 1 1 2 2"]}
    assert found.same == 6 + len(crowd)
    assert peak < 100e6  # a table of all pairs alone has 58 MB, and there were nine


@settings(max_examples=40, deadline=None)
@given(
    order=st.permutations(range(6)),
    boxes=st.lists(
        st.tuples(st.sampled_from(["cat", "dog"]), *[st.integers(0, 20)] * 2),
        min_size=6,
        max_size=6,
    ),
)
def test_the_order_of_boxes_is_no_difference(
    order: list[int], boxes: list[tuple[str, int, int]]
) -> None:
    found = [(name, x, y, x + 5, y + 5) for name, x, y in boxes]
    one, other = (side_of(rows) for rows in (found, [found[i] for i in order]))
    result = DataDifference(("a", "b"))
    _compare("1.jpg", one, other, result)
    assert result.same == 6
    assert not result.found


def side_of(rows: list[tuple[str, int, int, int, int]]) -> PictureBoxes:
    corners = np.array([row[1:] for row in rows], np.float32) / 64
    names = tuple(row[0] for row in rows)
    return PictureBoxes((), (64, 64), names, corners, np.zeros(len(rows), np.bool_), bytes)
