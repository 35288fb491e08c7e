"""The file beside a data set that names its classes."""

from pathlib import Path
from typing import Any

import pytest
from support.trees import Voc, jpeg, xml

from ssd_data import InputError, build, find
from ssd_data.core.labelmap import LabelMap

PBTXT = "item {{ id: 1 name: '{}' }} item {{ id: 2 name: '{}' }}"


@pytest.fixture
def voc(tmp_path: Path) -> Voc:
    made = Voc(tmp_path / "voc", 4)
    for i in range(1, 5):
        made.annotation(i).write_text(xml([("cat", 1, 2, 30, 40), ("dog", 3, 4, 20, 30)]))
    made.list(["1", "2", "3"])
    made.list(["4"], "test")
    return made


def names(root: Path) -> list[str]:
    return [item.name for item in find(root).classes()][1:]


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("labelmap_voc.prototxt", LabelMap.from_names(["dog", "cat", "cow"]).to_text()),
        ("pascal_label_map.pbtxt", PBTXT.format("dog", "cat") + " item { id: 3 name: 'cow' }"),
        (
            "labelmap.txt",
            "# label:color_rgb:parts:actions\nbackground:0,0,0::\ndog:::\ncat:::\ncow:",
        ),
        ("classes.txt", "dog\ncat\ncow\n"),
        ("Labels.TXT", "__ignore__\n_background_\ndog\ncat\ncow\n"),
        ("Annotations/obj.names", "dog\r\ncat\r\ncow\r\n"),
    ],
)
def test_its_order_is_the_labels(voc: Voc, file: str, text: str, run: Any) -> None:
    assert names(voc.root) == ["cat", "dog"]
    (voc.root / file).write_text(text)
    assert names(voc.root) == ["dog", "cat", "cow"]
    said = f"{file} names the classes, unless --labelmap says another"
    assert find(voc.root).said == (said,)
    told = run("build", voc.root, "--dry-run")
    assert f"note: {said}" in told.err + told.out
    assert [item.name for item in find(voc.root).with_map({"cow": ""}).classes()][1:] == [
        "dog",
        "cat",
    ]


def test_the_labelmap_of_a_build_comes_first(voc: Voc) -> None:
    (voc.root / "classes.txt").write_text("dog\ncat\n")
    (voc.root / "labelmap.prototxt").write_text(LabelMap.from_names(["cat", "dog"]).to_text())
    assert names(voc.root) == ["cat", "dog"]
    assert not find(voc.root).said


def test_several_that_differ_are_said(voc: Voc) -> None:
    (voc.root / "classes.txt").write_text("cat\ndog\n")
    (voc.root / "label_map.pbtxt").write_text(PBTXT.format("dog", "cat"))
    (voc.root / "obj.names").write_text("dog\ncat\n")
    assert names(voc.root) == ["dog", "cat"]
    assert find(voc.root).said[1:] == (
        "classes.txt names other classes, or in another order: it is not used",
    )


def test_a_class_that_it_lacks_is_refused(voc: Voc, tmp_path: Path) -> None:
    (voc.root / "classes.txt").write_text("cat\nhorse\n")
    with pytest.raises(InputError, match=r"classes.txt: 1 class is not in the labelmap") as refused:
        build(find(voc.root), tmp_path / "out")
    assert '"dog"' in str(refused.value)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("cat\n\ndog\n", "a blank line between names"),
        ("JPEGImages/1.jpg\nJPEGImages/2.jpg\n", "it lists files, not classes"),
        ("cat,1\ndog,2\n", "its lines hold several columns or names"),
        ("", "the file names no class"),
    ],
)
def test_what_is_no_list_of_classes(voc: Voc, text: str, what: str) -> None:
    file = voc.root / "classes.txt"
    file.write_text(text)
    assert names(voc.root) == ["cat", "dog"]
    said = f"classes.txt is not taken for a list of the classes: {what}"
    assert find(voc.root).said == (said,)
    file.rename(voc.root / "labels.txt")  # as many other files are called
    assert not find(voc.root).said
    (voc.root / "labels.txt").rename(voc.root / "labelmap.txt")
    with pytest.raises(InputError, match=r"labelmap.txt"):
        find(voc.root)


def test_csv_takes_it_where_no_list_of_its_own_is_there(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "annotations").mkdir()
    rows = ["filename,width,height,class,xmin,ymin,xmax,ymax"]
    for i, name in enumerate(["cat", "dog", "cat", "dog"]):
        (tmp_path / f"images/{i}.jpg").write_bytes(jpeg(40, 30, seed=i))
        rows.append(f"{i}.jpg,40,30,{name},1,2,20,25")
    (tmp_path / "annotations/train_labels.csv").write_text("\n".join(rows))
    (tmp_path / "annotations/label_map.pbtxt").write_text(PBTXT.format("dog", "cat"))
    assert names(tmp_path) == ["dog", "cat"]
    (tmp_path / "annotations/classes.csv").write_text("cat,0\ndog,1\n")
    text = (tmp_path / "annotations/train_labels.csv").read_text()
    (tmp_path / "annotations/train_labels.csv").write_text(
        text.replace(",cat,", ",0,").replace(",dog,", ",1,")
    )
    assert names(tmp_path) == ["cat", "dog"]
    assert not any("label_map" in said for said in find(tmp_path).said)


def test_a_set_that_names_its_classes_keeps_them(tmp_path: Path, voc: Voc, run: Any) -> None:
    assert not run("build", voc.root, "-o", tmp_path / "built").status
    for to in ("coco", "yolo"):
        assert not run(
            "export", tmp_path / "built/voc_trainval_lmdb", "--to", to, "-o", tmp_path / to
        ).status
        before = names(tmp_path / to)
        (tmp_path / to / "label_map.pbtxt").write_text(PBTXT.format("dog", "cat"))
        assert names(tmp_path / to) == before
        assert not any("label_map" in said for said in find(tmp_path / to).said)
