"""Two data sets, builds or LMDBs held against each other."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from support.trees import Voc, xml

from ssd_data import build, find
from ssd_data.data.diff import diff
from ssd_data.data.export import export

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
