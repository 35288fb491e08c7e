"""Folders as Roboflow, Label Studio, FiftyOne and CVAT export them as COCO."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from support.coco_trees import (
    CORNERS,
    box,
    image,
    label_studio,
    pictures,
    roboflow,
    table,
    write,
)

from ssd_data import BuildOptions, InputError, build, find, recognise
from ssd_data.core.notes import Tally
from ssd_data.core.structures import AnnotatedImage, Unreadable
from ssd_data.data.dataset import Dataset
from ssd_data.data.formats import Confidence
from ssd_data.data.formats.coco.folders import recognise as recognise_coco
from ssd_data.data.formats.coco.read import read, truth_file
from ssd_data.data.formats.coco.schema import CocoSource
from ssd_data.data.formats.tree import Tree
from ssd_data.metrics.coco.truth import find_truth


def entries(dataset: Dataset, split: str, notes: Tally | None = None) -> list[AnnotatedImage]:
    found = []
    for one in dataset.entries(split, Tally() if notes is None else notes):
        assert isinstance(one, AnnotatedImage), one.error
        found.append(one)
    return found


def sources(dataset: Dataset) -> dict[str, tuple[str, str]]:
    return {
        split: (one.json, one.images)  # type: ignore[attr-defined]
        for split, found in dataset.splits.items()
        for one in found.sources
    }


def names(dataset: Dataset) -> list[str]:
    return [item.display_name for item in dataset.classes()][1:]


# Where things lie


def test_roboflow(tmp_path: Path) -> None:
    dataset = recognise(roboflow(tmp_path / "raw"))
    assert sources(dataset) == {
        split: (f"{split}/_annotations.coco.json", split) for split in ("test", "train", "valid")
    }
    assert dataset.links == {"trainval_lmdb": "train", "test_lmdb": "test"}
    assert [(i.name, i.display_name) for i in dataset.classes()][1:] == [
        ("1", "fish"),
        ("2", "trap"),
    ]
    assert dataset.said == ('category 0 "fish" only holds the others and has no box: left out',)
    (one, *_) = entries(dataset, "valid")
    assert one.image == "valid/valid_0_jpg.rf.0123456789abcdef.jpg"
    assert (one.classes, one.boxes.tolist()) == (("1",), [CORNERS])


def test_one_folder_of_roboflow_is_its_split(tmp_path: Path) -> None:
    dataset = recognise(roboflow(tmp_path / "raw") / "valid")
    assert dataset.links == {"test_lmdb": "valid"}


def test_a_root_category_with_a_box_stays(tmp_path: Path) -> None:
    root = roboflow(tmp_path / "raw", ["train", "test"])
    path = root / "test" / "_annotations.coco.json"
    data = json.loads(path.read_text())
    data["annotations"].append(box(9, 1, 0))
    write(path, data)
    dataset = recognise(root)
    assert sorted(item.name for item in dataset.classes())[:3] == ["0", "1", "2"]
    assert build(dataset, tmp_path / "out").manifest["splits"]["test"]["classes"] == {
        "fish (1)": 3, "fish (0)": 1,
    }  # fmt: skip


@pytest.mark.parametrize(
    "categories",
    [
        [(0, "person", "person"), (1, "dog", "animal")],  # COCO's own: a person's parent is itself
        [(0, "animal", "none"), (1, "dog", "animal"), (2, "car", "vehicle")],
        [(0, "animal", "thing"), (1, "dog", "animal")],
        [(7, "dog", "none")],
    ],
)
def test_other_parents_are_classes(categories: list[tuple[int, str, str]], tmp_path: Path) -> None:
    data = table(["1.jpg"])
    data["categories"] = [{"id": i, "name": n, "supercategory": s} for i, n, s in categories]
    data["annotations"] = []
    pictures(tmp_path / "train", ["1.jpg"])
    write(tmp_path / "train" / "_annotations.coco.json", data)
    assert names(recognise(tmp_path)) == [name for _, name, _ in categories]


@pytest.mark.parametrize(
    ("categories", "left"),
    [
        ({0: "background", 1: "cup"}, ["cup"]),
        ({0: "_background_", 1: "cup"}, ["cup"]),
        ({1: "cup", 91: "background"}, ["cup"]),
        ({0: "bg", 1: "cup"}, ["cup"]),
        ({0: "cup", 1: "bg"}, ["cup", "bg"]),
    ],
)
def test_the_background_is_no_class(
    categories: dict[int, str], left: list[str], tmp_path: Path
) -> None:
    data = table(["1.jpg"], categories)
    data["annotations"] = [box(1, 1, next(n for n in categories if categories[n] == "cup"))]
    pictures(tmp_path / "train", ["1.jpg"])
    write(tmp_path / "annotations/instances_train.json", data)
    dataset = recognise(tmp_path)
    assert names(dataset) == left
    assert ["is label 0 anyway and has no box" in said for said in dataset.said] == [True] * (
        2 - len(left)
    )
    assert build(dataset, tmp_path / "out").manifest["splits"]["train"]["boxes"] == 1


def test_boxes_of_the_background_are_refused(tmp_path: Path) -> None:
    data = table(["1.jpg"], {0: "background", 1: "cup"})
    pictures(tmp_path / "train", ["1.jpg"])
    write(tmp_path / "annotations/instances_train.json", data)
    with pytest.raises(InputError, match="the background is label 0"):
        build(recognise(tmp_path), tmp_path / "out")


def test_label_studio(tmp_path: Path) -> None:
    dataset = recognise(label_studio(tmp_path / "raw"))
    (said,) = dataset.said
    assert "result.json does not say which pictures are for training: 80%" in said
    assert "write train.txt and test.txt into" in said
    assert dataset.links == {"trainval_lmdb": "trainval", "test_lmdb": "test"}
    trainval, test = entries(dataset, "trainval"), entries(dataset, "test")
    assert (len(trainval), len(test)) == (4, 1)
    assert sorted(one.image for one in [*trainval, *test]) == [
        f"images/0a1b2c3d-{i}.jpg" for i in range(5)
    ]
    assert {one.upright for one in trainval} == {True}
    assert names(dataset) == ["cup", "plate"]
    assert sorted(one.image_id or 0 for one in [*trainval, *test]) == list(range(5))


def test_lists_beside_one_json_are_its_splits(tmp_path: Path) -> None:
    raw = label_studio(tmp_path / "raw")
    (raw / "train.txt").write_text("0a1b2c3d-3\nimages/0a1b2c3d-0.jpg\n")
    (raw / "val.txt").write_text("0a1b2c3d-1.jpg\n0a1b2c3d-9.jpg\n")
    dataset = recognise(raw)
    assert dataset.said == ("the splits are the lists train.txt, val.txt",)
    assert dataset.links == {"trainval_lmdb": "train", "test_lmdb": "val"}
    found = {split: [one.image for one in entries(dataset, split)] for split in dataset.splits}
    assert found == {
        "train": ["images/0a1b2c3d-0.jpg", "images/0a1b2c3d-3.jpg"],
        "val": ["images/0a1b2c3d-1.jpg"],
    }
    notes = Tally()
    assert len(list(dataset.entries("val", notes))) == 1
    assert list(notes.kinds) == ["line of the list that the JSON does not have"]


def test_a_name_that_two_pictures_have_is_none_of_a_list(tmp_path: Path) -> None:
    names = ["a/1.jpg", "b/1.jpg", "b/2.jpg", "3.jpg", "b/3.jpg"]
    pictures(tmp_path, names)
    write(tmp_path / "all.json", table(names))
    (tmp_path / "some.list").write_text("1\n2\n3\n")
    notes = Tally()
    source = CocoSource("all.json", "", only="some.list")
    assert [one.image for one in read(tmp_path, source, notes)] == ["b/2.jpg", "3.jpg"]
    assert notes.to_json()["line of the list that the JSON does not have"]["listed"] == [
        "some.list: 1"
    ]


def test_fiftyone(tmp_path: Path) -> None:
    data = table(["a.jpg", "b.jpg"], {0: "cup"})
    pictures(tmp_path / "data", ["a.jpg", "b.jpg"])
    write(tmp_path / "labels.json", data)
    dataset = recognise(tmp_path)
    assert sources(dataset)["test"] == ("labels.json", "data")
    del data["annotations"]  # written where no sample has a label
    write(tmp_path / "labels.json", data)
    notes = Tally()
    (one,) = entries(recognise(tmp_path), "test", notes)
    assert not len(one.boxes)
    assert "JSON without annotations (its pictures are taken as without objects)" in notes.kinds


def test_ids_that_count_from_1_where_categories_count_from_0(tmp_path: Path) -> None:
    data = table(["a.jpg", "b.jpg"], {0: "cup"})
    pictures(tmp_path / "data", ["a.jpg", "b.jpg"])
    for annotation in data["annotations"]:
        annotation["category_id"] = 1
    write(tmp_path / "labels.json", data)
    notes = Tally()
    (one,) = entries(recognise(tmp_path), "test", notes)
    assert set(one.classes) == {"0"}
    assert any(kind.startswith("annotations count categories from 1") for kind in notes.kinds)
    data["categories"].append({"id": 2, "name": "plate"})
    data["annotations"][0]["category_id"] = 2  # so ids are those of the list, and 1 is none
    write(tmp_path / "labels.json", data)
    again = Tally()
    entries(recognise(tmp_path), "test", again)
    assert not any(kind.startswith("annotations count categories from 1") for kind in again.kinds)


def test_cvat(tmp_path: Path) -> None:
    for subset in ("Train", "Validation", "Test"):
        pictures(tmp_path / "images" / subset, [f"{subset}_0.jpg"])
        write(tmp_path / f"annotations/instances_{subset}.json", table([f"{subset}_0.jpg"]))
    dataset = recognise(tmp_path)
    assert sources(dataset)["Validation"] == (
        "annotations/instances_Validation.json", "images/Validation",
    )  # fmt: skip
    assert dataset.links == {"trainval_lmdb": "Train", "test_lmdb": "Test"}
    assert dataset.splits["Train"].shuffle
    assert not dataset.splits["Test"].shuffle


def test_a_task_of_cvat_in_no_subset(tmp_path: Path) -> None:
    pictures(tmp_path / "images" / "default", ["a.jpg", "b.jpg"])
    write(tmp_path / "annotations/instances_default.json", table(["a.jpg", "b.jpg"]))
    dataset = recognise(tmp_path)
    assert dataset.links == {"trainval_lmdb": "trainval", "test_lmdb": "test"}


TREES: dict[str, tuple[list[str], dict[str, tuple[str, str]]]] = {
    # files, each JSON with the name of the picture that it lists; splits with JSON and folder
    "coco": (
        ["annotations/instances_train2017.json 1.jpg", "annotations/instances_val2017.json 2.jpg",
         "train2017/1.jpg", "val2017/2.jpg"],
        {"train2017": ("annotations/instances_train2017.json", "train2017"),
         "val2017": ("annotations/instances_val2017.json", "val2017")},
    ),
    "minival": (
        ["annotations/instances_minival2014.json 3.jpg", "val2014/3.jpg", "train2014/3.jpg"],
        {"minival2014": ("annotations/instances_minival2014.json", "val2014")},
    ),
    "unzipped": (
        ["annotations_trainval2017/annotations/instances_val2017.json 2.jpg", "val2017/2.jpg"],
        {"val2017": ("annotations_trainval2017/annotations/instances_val2017.json", "val2017")},
    ),
    "mmdet": (
        ["annotations/train.json 1.jpg", "annotations/val.json 1.jpg", "images/train/1.jpg",
         "images/val/1.jpg"],
        {"train": ("annotations/train.json", "images/train"),
         "val": ("annotations/val.json", "images/val")},
    ),
    "root": (
        ["train.json images/1.jpg", "test_annotations.json images/2.jpg", "images/1.jpg",
         "images/2.jpg"],
        {"test": ("test_annotations.json", ""), "train": ("train.json", "")},
    ),
    "beside": (
        ["train/cups.json 1.jpg", "dev/cups.json 2.jpg", "train/1.jpg", "dev/2.jpg"],
        {"dev": ("dev/cups.json", "dev"), "train": ("train/cups.json", "train")},
    ),
    "split of fiftyone": (
        ["train/labels.json 1.jpg", "train/data/1.jpg"],
        {"train": ("train/labels.json", "train/data")},
    ),
    "numbers begin anew in each split": (
        ["annotations/instances_train.json 1.jpg", "annotations/instances_val.json 1.jpg",
         "training/1.jpg", "validation/1.jpg"],
        {"train": ("annotations/instances_train.json", "training"),
         "val": ("annotations/instances_val.json", "validation")},
    ),
    "left behind": (
        ["train.json 1.jpg", "._train.json 1.jpg", ".ipynb_checkpoints/val.json 1.jpg", "1.jpg"],
        {"train": ("train.json", "")},
    ),
    "own name": (
        ["annotations/instances_night.json 1.jpg", "images/1.jpg"],
        {"night": ("annotations/instances_night.json", "images")},
    ),
    "only key points": (
        ["annotations/person_keypoints_train2017.json 1.jpg", "train2017/1.jpg"],
        {"train2017": ("annotations/person_keypoints_train2017.json", "train2017")},
    ),
}  # fmt: skip


def tree(root: Path, files: list[str]) -> Path:
    for file in files:
        path, _, listed = file.partition(" ")
        if listed:
            write(root / path, table([listed]))
        else:
            pictures(root, [path])
    return root


@pytest.mark.parametrize("name", TREES)
def test_trees(name: str, tmp_path: Path) -> None:
    files, splits = TREES[name]
    dataset = recognise(tree(tmp_path / "raw", files))
    assert dataset.format == "coco"
    assert sources(dataset) == splits
    for split in splits:
        (one,) = entries(dataset, split)
        assert (dataset.root / one.image).is_file()


def test_one_json_of_any_name_is_drawn_from(tmp_path: Path) -> None:
    tree(tmp_path, ["1.jpg", "2.jpg"])
    write(tmp_path / "my_cups.json", table(["1.jpg", "2.jpg"]))
    found = recognise_coco(Tree(tmp_path))
    assert found is not None
    assert found.confidence == Confidence.CONTENT
    assert found.splits == {
        "trainval": [CocoSource("my_cups.json", "", last=0.8, alone=True)],
        "test": [CocoSource("my_cups.json", "", first=0.8, alone=True)],
    }


@pytest.mark.parametrize(
    "files",
    [
        ["annotations/train.json 1.jpg", "annotations/instances_train.json 1.jpg", "train/1.jpg"],
        ["train/_annotations.coco.json 1.jpg", "train/old.json 1.jpg", "train/1.jpg"],
        ["train/_annotations.coco.json 1.jpg", "annotations/instances_train.json 1.jpg",
         "train/1.jpg"],
    ],
)  # fmt: skip
def test_two_jsons_of_one_split(files: list[str], tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r'2 JSONs are of the split "train": .*json, .*json') as e:
        recognise(tree(tmp_path, files))
    assert "choose in a recipe" in e.value.hint


def test_a_json_in_another_splits_folder(tmp_path: Path) -> None:
    tree(tmp_path, ["train/instances_val.json 1.jpg", "train/1.jpg"])
    with pytest.raises(InputError, match='its name says "val", its folder "train"'):
        recognise(tmp_path)


def test_jsons_that_say_nothing_of_training(tmp_path: Path) -> None:
    tree(tmp_path, ["day.json 1.jpg", "night.json 2.jpg", "1.jpg", "2.jpg"])
    dataset = recognise(tmp_path)
    assert (list(dataset.splits), dataset.links) == (["day", "night"], {})
    assert dataset.said == (
        "none of day, night is for training by its name: a recipe says which is",
    )


def test_captions_beside_instances_are_left_out(tmp_path: Path) -> None:
    tree(tmp_path, ["annotations/instances_val.json 1.jpg", "val/1.jpg"])
    for name in ("captions_val", "person_keypoints_val", "panoptic_val", "image_info_test"):
        write(tmp_path / f"annotations/{name}.json", table(["1.jpg"]))
    dataset = recognise(tmp_path)
    assert list(dataset.splits) == ["val"]
    assert dataset.said == (
        "left out, as captions, key points and the like: annotations/captions_val.json, "
        "annotations/image_info_test.json, annotations/panoptic_val.json and 1 more",
    )


@pytest.mark.parametrize(
    "data",
    [
        {"images": [], "annotations": [{"id": 1, "caption": "a cup"}], "categories": []},
        {"images": [], "annotations": [{"segments_info": []}], "categories": []},
        {"images": [], "annotations": []},
        {"categories": {"label": {}}, "items": [], "images": []},
        {"shapes": [], "imagePath": "1.jpg"},
        {"images": {}, "categories": []},
        {"annotations": [], "categories": []},
    ],
)
def test_other_jsons_are_none(data: dict[str, Any], tmp_path: Path) -> None:
    pictures(tmp_path, ["1.jpg"])
    write(tmp_path / "train.json", data)
    assert recognise_coco(Tree(tmp_path)) is None


def test_lists_texts_and_pipes_are_none(tmp_path: Path) -> None:
    import os

    (tmp_path / "a.json").write_text('[{"images": [], "categories": []}]')
    (tmp_path / "b.json").write_text("no JSON")
    (tmp_path / "c.json").write_bytes(b"")
    os.mkfifo(tmp_path / "d.json")
    (tmp_path / "e.json").symlink_to("nowhere.json")
    assert recognise_coco(Tree(tmp_path)) is None


def test_a_json_a_picture_is_another_format(tmp_path: Path) -> None:
    for i in range(41):
        write(tmp_path / f"{i}.json", table([f"{i}.jpg"]))
    pictures(tmp_path, [f"{i}.jpg" for i in range(41)])
    assert recognise_coco(Tree(tmp_path)) is None


def test_a_split_without_its_pictures_is_left_out(tmp_path: Path) -> None:
    """Though another's are called alike."""
    jsons = [f"annotations/instances_{split}.json 1.jpg" for split in ("train", "val")]
    tree(tmp_path, [*jsons, "val/1.jpg"])
    dataset = recognise(tmp_path)
    assert list(dataset.splits) == ["val"]
    assert dataset.said == (
        "annotations/instances_train.json: none of its pictures is here, so it is left out",
    )


def test_without_any_picture_each_is_missing(tmp_path: Path) -> None:
    tree(tmp_path, ["annotations/instances_train.json 1.jpg"])
    found = recognise_coco(Tree(tmp_path))
    assert found is not None
    assert found.confidence == Confidence.NAMES
    with pytest.raises(InputError, match="1.jpg: the picture is missing"):
        build(find(str(tmp_path)), tmp_path / "out")


def test_a_broken_json_is_named(tmp_path: Path) -> None:
    tree(tmp_path, ["train.json 1.jpg", "1.jpg"])
    path = tmp_path / "train.json"
    path.write_text(path.read_text()[:-20])
    with pytest.raises(InputError, match=r"train\.json:1 \(its end\): malformed JSON"):
        build(recognise(tmp_path), tmp_path / "out")


# Classes


def two_splits(root: Path, first: dict[Any, str], second: dict[Any, str]) -> Dataset:
    pictures(root / "train", ["1.jpg"])
    pictures(root / "val", ["2.jpg"])
    write(root / "annotations/instances_train.json", table(["1.jpg"], first))
    write(root / "annotations/instances_val.json", table(["2.jpg"], second))
    return recognise(root)


def test_classes_that_a_later_split_adds(tmp_path: Path) -> None:
    dataset = two_splits(tmp_path, {1: "cup"}, {2: "plate", 1: "cup"})
    assert [(i.name, i.display_name) for i in dataset.classes()][1:] == [
        ("1", "cup"),
        ("2", "plate"),
    ]
    assert dataset.said == ()


@pytest.mark.parametrize(
    "second", [{1: "plate", 2: "cup"}, {0: "plate", 1: "cup", 2: "jug"}, {2: "cup"}]
)
def test_classes_go_by_name_where_ids_differ(second: dict[Any, str], tmp_path: Path) -> None:
    dataset = two_splits(tmp_path, {1: "cup", 3: "plate"}, second)
    assert dataset.said == (
        "annotations/instances_train.json, annotations/instances_val.json number their categories "
        "differently: classes go by their names",
    )
    assert [one.classes for one in entries(dataset, "train")] == [("cup",)]
    assert [one.classes for one in entries(dataset, "val")] == [(next(iter(second.values())),)]
    assert {"cup", "plate"} <= set(names(dataset))
    made = build(dataset, tmp_path / "out").manifest["splits"]
    assert made["train"]["classes"] == {"cup": 1}


RECIPE = """
format = "coco"
[splits.train]
sources = [{{ json = "annotations/instances_train.json", images = "train"{0} }}]
[splits.val]
sources = [{{ json = "annotations/instances_val.json", images = "val"{0} }}]
"""


def test_a_recipe_says_that_classes_go_by_name(tmp_path: Path) -> None:
    two_splits(tmp_path, {1: "cup", 2: "plate"}, {1: "plate", 2: "cup"})
    recipe = tmp_path / "my.toml"
    recipe.write_text(RECIPE.format(""))
    with pytest.raises(
        InputError, match='class 1 is "cup" in one file and "plate" in another'
    ) as e:
        find(str(recipe)).classes()
    assert 'classes = "names"' in e.value.hint
    recipe.write_text(RECIPE.format(', classes = "names"'))
    assert names(find(str(recipe))) == ["cup", "plate"]


def test_two_categories_of_one_name(tmp_path: Path) -> None:
    data = table(["1.jpg"], {1: "cup", 5: "cup", 6: "jug"})
    data["annotations"] += [box(2, 1, 5), box(3, 1, 5)]
    pictures(tmp_path / "train", ["1.jpg"])
    write(tmp_path / "annotations/instances_train.json", data)
    dataset = recognise(tmp_path)
    assert dataset.said == (
        'categories 1 and 5 are both called "cup": two classes; --map 5=1 unites them',
    )
    counts = build(dataset, tmp_path / "out").manifest["splits"]["train"]["classes"]
    assert counts == {"cup (1)": 1, "cup (5)": 2}
    united = build(dataset, tmp_path / "united", BuildOptions(map={"5": "1"}))
    assert united.manifest["splits"]["train"]["classes"] == {"cup": 3}


@pytest.mark.parametrize(
    ("categories", "message"),
    [
        ([{"id": 1, "name": "cup"}, {"id": 1, "name": "jug"}], r'id 1: "cup" and "jug"'),
        ([{"id": 1}], r"categories\[0\]: a category without an id or a name"),
        ([{"name": "cup"}], r"categories\[0\]: a category without an id or a name"),
        ([7], "categories: not what the format says"),
    ],
)
def test_bad_categories(categories: Any, message: str, tmp_path: Path) -> None:
    pictures(tmp_path / "train", ["1.jpg"])
    data = table(["1.jpg"]) | {"categories": categories}
    write(tmp_path / "annotations/instances_train.json", data)
    with pytest.raises(InputError, match=message):
        build(recognise(tmp_path), tmp_path / "out")


def test_odd_categories(tmp_path: Path) -> None:
    categories = [
        {"id": "2", "name": 7, "supercategory": []},
        {"id": 1.0, "name": "cup", "supercategory": None},
        {"id": 1, "name": "cup"},
        {"id": "big-jug", "name": "jug"},
    ]
    data = table(["1.jpg"]) | {"categories": categories}
    data["annotations"] = [box(1, 1, "1"), box(2, 1, 2.0), box(3, 1, "big-jug")]
    pictures(tmp_path / "train", ["1.jpg"])
    write(tmp_path / "annotations/instances_train.json", data)
    dataset = recognise(tmp_path)
    classes = [(item.name, item.display_name) for item in dataset.classes()][1:]
    assert sorted(classes) == [("1", "cup"), ("2", "7"), ("big-jug", "jug")]
    assert build(dataset, tmp_path / "out").manifest["splits"]["train"]["classes"] == dict.fromkeys(
        ("cup", "7", "jug"), 1
    )


def test_a_category_that_is_not_listed_is_named(tmp_path: Path) -> None:
    data = table(["1.jpg"], {0: "cup"})
    data["annotations"] = [box(4, 1, 7)]
    pictures(tmp_path / "train", ["1.jpg"])
    write(tmp_path / "annotations/instances_train.json", data)
    with pytest.raises(InputError, match=r'"7": 1 box.* annotation 4'):
        build(recognise(tmp_path), tmp_path / "out")
    mended = build(recognise(tmp_path), tmp_path / "out", BuildOptions(map={"7": "cup"}))
    assert mended.manifest["splits"]["train"]["classes"] == {"cup": 1}


# The picture that is meant


def listing(root: Path, listed: list[str], there: list[str]) -> tuple[list[Any], Tally]:
    pictures(root, there)
    write(root / "annotations/instances_train.json", table(listed))
    notes = Tally()
    return list(recognise(root).entries("train", notes)), notes


@pytest.mark.parametrize(
    ("listed", "there", "how"),
    [
        ("my%20cup.jpg", "images/my cup.jpg", "unquoted"),
        ("D:\\data\\set\\1.jpg", "images/1.jpg", "by the end of its path"),
        ("/home/me/set/1.jpg", "train/1.jpg", "by the end of its path"),
        ("sub\\1.jpg", "images/sub/1.jpg", "other slashes"),
        ("./1.jpg", "images/train/1.jpg", "other slashes"),
        ("1", "images/1.jpg", "without its ending"),
        ("images/1.jpg", "images/1.jpg", ""),
        ("../../label-studio/media/upload/4/9f-1.jpg", "images/9f-1.jpg", "by the end of its path"),
        ("clip.mp4#t=5.jpg", "images/clip.mp4#t=5.jpg", ""),
        ("100%25.jpg", "images/100%25.jpg", ""),
        ("a/1.jpg", "images/a/1.jpg", ""),
    ],
)
def test_pictures_by_their_names(listed: str, there: str, how: str, tmp_path: Path) -> None:
    (one,), notes = listing(tmp_path / "raw", [listed], [there])
    assert one.image == there
    kinds = [f"picture's name is not as it is written ({how})"] if how else []
    assert list(notes.kinds) == kinds


def test_names_with_a_prefix_start_from_the_root(tmp_path: Path) -> None:
    listing(tmp_path, ["images/1.jpg"], ["images/1.jpg"])
    (said,) = recognise(tmp_path).said
    assert said == (
        "annotations/instances_train.json: its file names start from the data set's own folder"
    )


def test_a_missing_picture_is_not_replaced_by_its_namesake(tmp_path: Path) -> None:
    found, _ = listing(
        tmp_path, ["train/1.jpg", "train/2.jpg"], ["images/train/1.jpg", "images/val/2.jpg"]
    )
    assert [one.image for one in found] == ["images/train/1.jpg", "images/train/2.jpg"]
    found, _ = listing(tmp_path / "b", ["1.jpg", "2.jpg"], ["images/1.jpg", "images/old/2.jpg"])
    assert [one.image for one in found] == ["images/1.jpg", "images/2.jpg"]


def test_two_names_that_lead_to_one_picture(tmp_path: Path) -> None:
    found, _ = listing(
        tmp_path, ["/a/1.jpg", "/b/1.jpg", "/a/2.jpg"], [f"images/{i}.jpg" for i in (1, 2)]
    )
    errors = [one.error for one in found[:2]]
    assert [str(error.where) for error in errors] == [
        f"annotations/instances_train.json: image {i}" for i in (1, 2)
    ]
    assert errors[0].what == '"/a/1.jpg" and "/b/1.jpg" both lead to images/1.jpg'
    assert found[2].image == "images/2.jpg"


def test_a_name_that_may_be_two_pictures(tmp_path: Path) -> None:
    found, _ = listing(tmp_path, ["C:/x/1.jpg"], ["images/a/1.jpg", "images/b/1.jpg"])
    assert '"C:/x/1.jpg" may be 2 pictures' in found[0].error.what


@pytest.mark.parametrize(
    "name", ["x" * 5000 + ".jpg", "a\x00.jpg", "../../../etc/passwd", "/", "."]
)
def test_hostile_names(name: str, tmp_path: Path) -> None:
    pictures(tmp_path / "train", ["1.jpg"])
    write(tmp_path / "annotations/instances_train.json", table([name, "1.jpg"]))
    with pytest.raises(InputError, match="nothing was built: 1 problem"):
        build(recognise(tmp_path), tmp_path / "out")


def test_pictures_that_are_not_listed_are_counted(tmp_path: Path) -> None:
    root = tmp_path / "raw"
    pictures(root / "train", ["1.jpg", "2.jpg", "3.jpg", "1.json.jpg"])
    write(root / "annotations/instances_train.json", table(["1.jpg"]))
    kind = "picture that the JSON does not list (left out)"
    split = build(recognise(root), tmp_path / "out").manifest["splits"]["train"]
    assert split["notes"][kind]["count"] == 3
    pictures(root / "images", ["1.jpg", "2.jpg"])  # a folder that two JSONs share
    write(root / "annotations/instances_train.json", table(["images/1.jpg"]))
    write(root / "annotations/instances_val.json", table(["images/2.jpg"]))
    notes = Tally()
    entries(recognise(root), "train", notes)
    assert kind not in notes.kinds


def test_pictures_by_their_url(tmp_path: Path) -> None:
    """As LVIS has them."""
    data = table(["x"])
    url = "http://images.cocodataset.org/train2017/000000391895.jpg"
    data["images"] = [{"id": 1, "coco_url": url, "width": 64, "height": 48}]
    pictures(tmp_path / "train2017", ["000000391895.jpg"])
    write(tmp_path / "lvis_v1_train.json", data)
    notes = Tally()
    dataset = recognise(tmp_path)
    (one,) = entries(dataset, "lvis_v1_train", notes)
    assert (one.image, dataset.links) == (
        "train2017/000000391895.jpg", {"trainval_lmdb": "lvis_v1_train"},
    )  # fmt: skip
    assert list(notes.kinds) == ["picture without file_name (found by its coco_url)"]


@pytest.mark.parametrize(
    ("lines", "kept", "unknown"),
    [
        ("1\n3\n", ["1", "3"], 0),
        ("1.jpg\r\n2.jpg\r\n", ["1", "2"], 0),
        ("sub/4\n\n9\n", ["4"], 1),
    ],
)
def test_lists_of_a_recipe(lines: str, kept: list[str], unknown: int, tmp_path: Path) -> None:
    there = ["1.jpg", "2.jpg", "3.jpg", "sub/4.jpg"]
    pictures(tmp_path / "images", there)
    write(tmp_path / "all.json", table(there))
    (tmp_path / "train.txt").write_text(lines)
    recipe = tmp_path / "my.toml"
    source = '{ json = "all.json", images = "images", only = "train.txt" }'
    recipe.write_text(f'format = "coco"\n[splits.train]\nsources = [{source}]\n')
    notes = Tally()
    found = entries(find(str(recipe)), "train", notes)
    assert [Path(one.image).stem for one in found] == kept
    kind = "line of the list that the JSON does not have"
    assert (notes.kinds[kind].count if unknown else len(notes.kinds)) == unknown


def test_shares_do_not_overlap(tmp_path: Path) -> None:
    there = [f"{i}.jpg" for i in range(10)]
    pictures(tmp_path / "images", there)
    data = table(there)
    data["images"].append(image(99, "3.jpg"))  # one file under two ids stays in one split
    write(tmp_path / "annotations.json", data)
    dataset = recognise(tmp_path)
    parts = [[one.image for one in entries(dataset, split)] for split in ("trainval", "test")]
    assert [len(part) for part in parts] == [8, 2]
    assert sorted(parts[0] + parts[1]) == [f"images/{i}.jpg" for i in range(10)]


# What COCO's metric takes for the truth


def test_the_json_is_the_truth_where_it_says_what_is_read(tmp_path: Path) -> None:
    tree(tmp_path, ["annotations/instances_val.json 1.jpg", "val/1.jpg"])
    source = CocoSource("annotations/instances_val.json", "val")
    assert truth_file(tmp_path, source) == "annotations/instances_val.json"
    for change in ({"classes": "names"}, {"first": 0.5}, {"bbox": "xyxy"}, {"crowd": "plain"}):
        assert not truth_file(tmp_path, msgspec.structs.replace(source, **change))
    data = table(["1.jpg"], info={"contributor": "Label Studio"})
    write(tmp_path / source.json, data)
    assert not truth_file(tmp_path, source)
    data = table(["1.jpg"])
    data["annotations"][0]["attributes"] = {"type": "x", "occluded": False, "rotation": 30.0}
    write(tmp_path / source.json, data)
    assert not truth_file(tmp_path, source)
    assert find_truth(tmp_path, recognise(tmp_path), "val") is None


def test_nothing_reaches_the_terminal_as_a_command(run: Any, tmp_path: Path) -> None:
    red = "\x1b[31mred"
    data = table(["1.jpg", f"/{red}/1.jpg"], {1: red, 2: red})
    data["annotations"] = [box(1, 1), box(red, 1, red), box(3, 1, bbox=red)]
    data["images"].append(image(red, "2.jpg"))
    pictures(tmp_path / "raw" / "train", ["1.jpg", "2.jpg"])
    write(tmp_path / "raw/annotations/instances_train.json", data)
    dataset = recognise(tmp_path / "raw")
    texts = [*dataset.said, *(item.display_name for item in dataset.classes())]
    notes = Tally()
    for one in dataset.entries("train", notes):
        texts += [str(one.error)] if isinstance(one, Unreadable) else [*map(str, one.classes)]
    texts += [line for kind in notes.kinds.values() for line in kind.listed]
    assert len(texts) > 5
    assert not [text for text in texts if "\x1b" in text]
    assert "\x1b" not in run("build", tmp_path / "raw", "-o", tmp_path / "out").err
