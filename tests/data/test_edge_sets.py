"""Data sets at the edge of what a layout is: one picture, names like those of lists, two of all."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from support.coco_trees import image, table, write
from support.trees import Voc, jpeg, xml
from support.yolo import PICTURE, A, tree

from ssd_data import InputError, build, recognise
from ssd_data.data.build.units import FRACTION
from ssd_data.data.formats.shares import TOO_FEW

LISTED = image(1, "images/a.jpg", width=64, height=48)
JSON = json.dumps(table(["images/a.jpg"], images=[LISTED]))
ONE: dict[str, Mapping[str, str | bytes | None]] = {
    "coco": {"images/a.jpg": PICTURE, "result.json": JSON},
    "voc": {"JPEGImages/a.jpg": PICTURE, "Annotations/a.xml": xml()},
    "yolo": {"images/a.jpg": PICTURE, "labels/a.txt": A, "classes.txt": "cat\n"},
}  # fmt: skip


@pytest.mark.parametrize("files", ONE.values(), ids=list(ONE))
def test_one_picture_is_for_training(
    files: Mapping[str, str | bytes | None], tmp_path: Path
) -> None:
    dataset = recognise(tree(tmp_path / "raw", files))
    assert TOO_FEW in dataset.said
    result = build(dataset, tmp_path / "out")
    assert {name: split.records for name, split in result.record.splits.items()} == {"trainval": 1}


@pytest.mark.parametrize(
    "folders", [("", ""), ("images/", "labels/"), ("train/images/", "train/labels/")]
)
def test_names_like_those_of_lists_are_pictures(folders: tuple[str, str], tmp_path: Path) -> None:
    images, labels = folders
    names = ("train_01", "train_02", "val 3", "TEST4")
    files = {f"{images}{name}.jpg": PICTURE for name in names}
    texts = {f"{labels}{name}.txt": "3 0.5 0.25 0.5 0.25" for name in names}
    dataset = recognise(tree(tmp_path, {**files, **texts}))
    assert dataset.format == "yolo"
    assert [item.name for item in dataset.classes()][1:] == ["0", "1", "2", "3"]


def test_lists_whose_ending_is_in_capitals(tmp_path: Path) -> None:
    files: dict[str, str | bytes | None] = {}
    for name in "abc":
        files |= {f"JPEGImages/{name}.jpg": PICTURE, f"Annotations/{name}.xml": xml()}
    lists = {"ImageSets/Main/Train.TXT": "a\nb\n", "ImageSets/Main/Test.TXT": "c\n"}
    dataset = recognise(tree(tmp_path / "raw", {**files, **lists}))
    result = build(dataset, tmp_path / "out")
    assert {name: split.records for name, split in result.record.splits.items()} == {
        "Train": 2,
        "Test": 1,
    }


def test_pictures_of_two_folders_alike_are_refused(tmp_path: Path) -> None:
    for folder in ("first", "second"):
        (tmp_path / "images" / folder).mkdir(parents=True)
        (tmp_path / "images" / folder / "a.jpg").write_bytes(jpeg())
    write(tmp_path / "annotations/instances_train.json", table(["a.jpg"]))
    with pytest.raises(InputError, match="may be those of images/first or of images/second"):
        recognise(tmp_path)


def test_fractions_among_pixels_are_counted(tmp_path: Path) -> None:
    voc = Voc(tmp_path / "raw", 2)
    voc.annotation(1).write_text(xml([("cat", 0.25, 0.25, 0.5, 0.75)]), "utf-8")
    notes = (
        build(recognise(voc.root), tmp_path / "out", splits=["trainval"])
        .record.splits["trainval"]
        .notes
    )
    assert notes[FRACTION].count == 1
