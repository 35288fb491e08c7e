"""Small sets are cut from large ones: some of the classes, some of the records."""

import json
from pathlib import Path
from typing import Any

import pytest
from support.trees import Voc, xml

from ssd_data import InputError, UsageError, build, export, find, read_labelmap
from ssd_data.data.diff import diff


@pytest.fixture
def lmdb(tmp_path: Path) -> Path:
    made = Voc(tmp_path / "voc", 9)
    for i in range(1, 10):
        name = ("ant", "bee", "cat")[i % 3]
        made.annotation(i).write_text(xml([(name, i, 2, 30, 40), ("dog", 1, 2, 9, 9 + i)]))
    build(find(made.root), tmp_path / "out")
    return tmp_path / "out" / "voc_trainval_lmdb"


def test_some_classes(lmdb: Path, tmp_path: Path) -> None:
    result = export(lmdb, "voc", tmp_path / "cut", classes=["cat", "ant"])
    assert (result.pictures, result.boxes) == (6, 6)
    labels = read_labelmap(tmp_path / "cut" / "labelmap.prototxt")
    assert [item.name for item in labels][1:] == ["ant", "cat"]
    found = diff(lmdb, tmp_path / "cut")
    assert found.classes == {"ant": (3, 3), "bee": (3, 0), "cat": (3, 3), "dog": (9, 0)}
    assert found.same == 6


@pytest.mark.parametrize("to", ["voc", "coco"])
def test_a_sample_is_always_the_same(lmdb: Path, tmp_path: Path, to: str) -> None:
    for name in ("one", "two"):
        assert export(lmdb, to, tmp_path / name, split="train", sample=4).pictures == 4
    assert not diff(tmp_path / "one", tmp_path / "two")
    found = diff(lmdb, tmp_path / "one")
    assert (found.common, found.same) == (4, 8)
    assert export(lmdb, to, tmp_path / "all", sample=99).pictures == 9


def test_both(lmdb: Path, tmp_path: Path, run: Any) -> None:
    words = ("--sample", 2, "--classes", "bee")
    done = run("export", lmdb, "--to", "coco", "--split", "val", "-o", tmp_path / "cut", *words)
    assert done.status == 0
    table = json.loads((tmp_path / "cut" / "annotations" / "instances_val.json").read_text())
    assert [category["name"] for category in table["categories"]] == ["bee"]
    assert (len(table["images"]), len(table["annotations"])) == (2, 2)


def test_classes_that_are_none(lmdb: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match='no class "bea" in') as caught:
        export(lmdb, "voc", tmp_path / "cut", classes=["bea"])
    assert 'Did you mean "bee"?' in str(caught.value)
    given = read_labelmap(lmdb.parent / "labelmap.prototxt")
    more = type(given)([*given, type(given.items[0])("elk", 5, "elk")])
    with pytest.raises(InputError, match="no record has a box of elk"):
        export(lmdb, "voc", tmp_path / "cut", labelmap=more, classes=["elk"])
    assert not (tmp_path / "cut").exists()
