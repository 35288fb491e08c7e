"""YOLO data sets: every arrangement gives the same boxes, and what is no truth is refused."""

import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.trees import Voc, jpeg
from support.yolo import PICTURE, A, B, C, exact_corners, pictures, tree

from ssd_data import (
    AnnotatedImage,
    BuildOptions,
    Dataset,
    InputError,
    LmdbReader,
    Tally,
    build,
    find,
    recognise,
)
from ssd_data.core.structures import Unreadable
from ssd_data.data import formats
from ssd_data.data.formats import Confidence
from ssd_data.data.formats.tree import Tree
from ssd_data.data.formats.yolo.schema import YoloSource

Files = Mapping[str, str | bytes | None]
TRAIN = {"a": A + B, "b": ""}
VAL = {"c": C}
NAMES = "names: [cat, dog]\n"


def contents(dataset: Dataset) -> dict[str, list[Any]]:
    """Per split the pictures' plain names with their classes and boxes, in order."""
    return {
        split: [
            (e.image.rpartition("/")[2], e.classes, e.boxes.tolist())
            for e in dataset.entries(split, Tally())
            if isinstance(e, AnnotatedImage)
        ]
        for split in dataset.splits
    }


def notes_of(root: Path, source: YoloSource) -> dict[str, int]:
    """How often each thing was noted."""
    notes = Tally()
    list(formats.load("yolo").read(root, source, notes))
    return {kind: count.count for kind, count in notes.kinds.items()}


def one(tmp_path: Path, text: str | bytes, yaml: str = NAMES) -> Any:
    """The single picture that has this txt."""
    files: Files = {"data.yaml": yaml, "images/a.jpg": PICTURE, "labels/a.txt": text}
    source = YoloSource(images="images", names="data.yaml")
    (entry,) = formats.load("yolo").read(tree(tmp_path / "one", files), source, Tally())
    return entry


# Where pictures and txt lie

ULTRALYTICS = {
    **pictures("images/train", "labels/train", **TRAIN),
    **pictures("images/val", "labels/val", **VAL),
}
ROBOFLOW = {
    **pictures("train/images", "train/labels", **TRAIN),
    **pictures("valid/images", "valid/labels", **VAL),
}
BESIDE = {
    **pictures("obj_train_data", "obj_train_data", **TRAIN),
    **pictures("obj_val", "obj_val", **VAL),
}
ARRANGEMENTS: dict[str, Files] = {
    "folders": {"data.yaml": f"train: images/train\nval: images/val\ntest:\n{NAMES}"} | ULTRALYTICS,
    "names by number": {
        "x.yml": "path: .\ntrain: images/train\nval: images/val\nnc: 2\nnames: {1: dog, 0: cat}\n"
    }
    | ULTRALYTICS,
    "another machine": {
        "coco8.yaml": "path: D:\\sets\\coco8\ntrain: images\\train\nvalidation: images\\val\n"
        + NAMES
    }
    | ULTRALYTICS,
    "absolute": {"data.yaml": f"train: /home/u/s/images/train\nval: /x/images/val\n{NAMES}"}
    | ULTRALYTICS,
    "lists of folders": {"data.yaml": f"train: [images/train]\nval:\n- ./images/val/\n{NAMES}"}
    | ULTRALYTICS,
    "lists": {
        "data.yaml": f"train: lists/train.txt\nval: val.txt\n{NAMES}",
        "lists/train.txt": "./../images/train/a.jpg\r\n\r\nimages/train/b.jpg\r\n",
        "val.txt": "\ufeffC:\\sets\\images\\val\\c.jpg\n# none.jpg\n",
    }
    | ULTRALYTICS,
    "CVAT's": {
        "data.yaml": f"path: .\ntrain: train.txt\nval: val.txt\n{NAMES}",
        "train.txt": "data/images/train/a.jpg\ndata/images/train/b.jpg\n",
        "val.txt": "data/images/val/c.jpg\n",
    }
    | ULTRALYTICS,
    "Roboflow's": {
        "data.yaml": f"train: ../train/images\nval: ../valid/images\ntest: ../test/images\n{NAMES}"
        "roboflow:\n  workspace: w\n"
    }
    | ROBOFLOW,
    "folders above": {"data.yaml": f"train: train\nval: ./valid\n{NAMES}"} | ROBOFLOW,
    "Darknet's": {
        "obj.data": "classes = 2\ntrain = data/train.txt\nvalid=data/valid.txt\n# mine\n"
        "names = data/obj.names\nbackup = backup/\n",
        "obj.names": "cat\r\ndog\r\n\r\n",
        "train.txt": "data/obj_train_data/a.jpg\ndata/obj_train_data/b.jpg\n",
        "valid.txt": "data/obj_val/c.jpg\n",
    }
    | BESIDE,
    "plain": {"classes.txt": "cat\ndog\n"} | ULTRALYTICS,
    "any spelling": {
        "labels.txt": "cat\ndog\n",
        **pictures("Images/Train", "LABELS/train", **TRAIN),
        **pictures("Images/Validation", "LABELS/validation", **VAL),
    },
    "plain splits": {"train/classes.txt": "cat\ndog\n", "train/labels/classes.txt": "cat\ndog"}
    | ROBOFLOW,
    "splits with both": {
        "train/_darknet.labels": "cat\ndog\n",
        "valid/_darknet.labels": "cat\ndog\n",
        **pictures("train", "train", **TRAIN),
        **pictures("valid", "valid", **VAL),
    },
    "divided by lists": {
        "notes.json": '{"categories": [{"id": "1", "name": "dog"}, {"id": 0, "name": "cat"}]}',
        "train.txt": "images/a.jpg\nimages/b.jpg\n",
        "val.txt": "c.jpg\n",
        **pictures("images", "labels", **TRAIN, **VAL),
    },
    "one folder": {
        "obj.names": "cat\ndog\n",
        "train.txt": "a.jpg\nb.jpg\n",
        "val.txt": "c.jpg\n",
        **pictures(".", ".", **TRAIN, **VAL),
    },
    "images twice": {
        "data.yaml": f"train: images/a/images/train\nval: images/a/images/val\n{NAMES}",
        **pictures("images/a/images/train", "images/a/labels/train", **TRAIN),
        **pictures("images/a/images/val", "images/a/labels/val", **VAL),
    },
    "a folder below": {
        "coco8.yaml": f"path: ../datasets/coco8\ntrain: images/train\nval: images/val\n{NAMES}",
        **{f"coco8/{name}": text for name, text in ULTRALYTICS.items()},
    },
    "JPEGImages": {
        "data.yaml": f"train: JPEGImages/train\nval: JPEGImages/val\n{NAMES}",
        **pictures("JPEGImages/train", "labels/train", **TRAIN),
        **pictures("JPEGImages/val", "labels/val", **VAL),
    },
}


@pytest.mark.parametrize("name", ARRANGEMENTS)
def test_all_arrangements_hold_the_same(name: str, tmp_path: Path) -> None:
    dataset = recognise(tree(tmp_path / "raw", ARRANGEMENTS[name]))
    assert dataset.format == "yolo"
    assert [item.name for item in dataset.classes()][1:] == ["cat", "dog"]
    train, val = dataset.links["trainval_lmdb"], dataset.links["test_lmdb"]
    assert len(dataset.splits) == 2
    entries = [entry for split in dataset.splits for entry in dataset.entries(split, Tally())]
    assert all(isinstance(entry, AnnotatedImage) for entry in entries)
    found = contents(dataset)
    assert found[train] == [
        ("a.jpg", ("cat", "dog"), [[0.25, 0.125, 0.75, 0.375], [0.1875, 0.25, 0.3125, 0.75]]),
        ("b.jpg", (), []),
    ]
    assert found[val] == [("c.jpg", ("cat",), [[0.625, 0.5, 0.875, 0.75]])]


def test_what_is_built(tmp_path: Path) -> None:
    dataset = recognise(tree(tmp_path / "raw", ARRANGEMENTS["Roboflow's"]))
    result = build(dataset, tmp_path / "out")
    with LmdbReader(result.out / "raw_train_lmdb") as records:
        (boxed,) = (record for record in records if len(record.labels))
    assert boxed.labels.tolist() == [1, 2]
    assert boxed.boxes.tolist() == [[0.25, 0.125, 0.75, 0.375], [0.1875, 0.25, 0.3125, 0.75]]
    assert (boxed.width, boxed.height) == (64, 48)
    notes = result.manifest["splits"]["train"]["notes"]
    assert notes["empty txt (taken as a picture without objects)"]["listed"] == [
        "train/labels/b.txt"
    ]


def said(tmp_path: Path, files: Files) -> str:
    return "\n".join(recognise(tree(tmp_path / "raw", files)).said)


def test_what_was_guessed_is_said(tmp_path: Path) -> None:
    roboflow = said(tmp_path, ARRANGEMENTS["Roboflow's"])
    assert "data.yaml: train: ../train/images is taken as train/images" in roboflow
    assert "data.yaml: test: ../test/images is not here" in roboflow
    tree(tmp_path, {"train/images/decoy.jpg": PICTURE})
    roboflow = said(tmp_path, {})
    assert "train: ../train/images is there too, outside this folder: it is not used" in roboflow


@pytest.mark.parametrize(
    ("yaml", "message"),
    [
        ("train: images/train\nval: images/train\n", "train and val are the same pictures, images"),
        ("train: images\nval: images/val\n", r"train \(images\) holds the pictures of val"),
        ("train: images/train\nval: gone\n", "val: gone is not here"),
        (
            "path: /data/x\ntrain: images/train\n",
            'path: /data/x is not here: paths start from "raw"',
        ),
    ],
)
def test_splits_that_are_odd_are_said(yaml: str, message: str, tmp_path: Path) -> None:
    assert pytest.importorskip("re").search(
        message, said(tmp_path, {"data.yaml": yaml + NAMES} | ULTRALYTICS)
    )


def test_a_training_split_that_is_not_here_stops_the_build(tmp_path: Path) -> None:
    files = {"data.yaml": f"train: ../elsewhere\nval: images/val\n{NAMES}"} | ULTRALYTICS
    dataset = recognise(tree(tmp_path / "raw", files))
    with pytest.raises(
        InputError, match=r"^\.\./elsewhere: no such folder or list here\n  data\.yaml names it"
    ):
        build(dataset, tmp_path / "out")


def test_a_data_yaml_alone_is_said_to_be_one(tmp_path: Path) -> None:
    root = tree(tmp_path / "raw", {"data.yaml": f"train: /data/x\nval: /data/y\n{NAMES}"})
    dataset = recognise(root)
    assert "data.yaml: val: /data/y is not here" in dataset.said
    with pytest.raises(InputError, match="^/data/x: no such folder or list here"):
        build(dataset, tmp_path / "out")


def test_path_is_followed_where_it_is_there(tmp_path: Path) -> None:
    inner = {f"inner/{name}": text for name, text in ULTRALYTICS.items()}
    decoy = {"images/train/z.jpg": PICTURE, "labels/train/z.txt": A}
    yaml = f"path: inner\ntrain: images/train\nval: images/val\n{NAMES}"
    dataset = recognise(tree(tmp_path / "raw", {"data.yaml": yaml} | inner | decoy))
    assert [name for name, _, _ in contents(dataset)["train"]] == ["a.jpg", "b.jpg"]
    assert dataset.said == ()


def test_other_keys_are_splits_where_they_name_one(tmp_path: Path) -> None:
    yaml = f"train: images/train\nval: images/val\nextra: images/train\nauthor: me\n{NAMES}"
    dataset = recognise(tree(tmp_path / "raw", {"data.yaml": yaml} | ULTRALYTICS))
    assert list(dataset.splits) == ["train", "val", "extra"]


def test_nothing_is_downloaded_or_run(tmp_path: Path) -> None:
    touched = tmp_path / "touched"
    yaml = f"download: |\n  open({str(touched)!r}, 'w')\nx: !!python/object/apply:os.system [a]\n"
    files = {"data.yaml": f"{yaml}train: images/train\nval: images/val\n{NAMES}"} | ULTRALYTICS
    build(recognise(tree(tmp_path / "raw", files)), tmp_path / "out")
    assert not touched.exists()


@pytest.mark.parametrize("path", ["../../../etc", "/etc", "images/../../outside", "..", "/"])
def test_no_path_leads_out_of_the_folder(path: str, tmp_path: Path) -> None:
    tree(tmp_path, {"outside/secret.jpg": PICTURE, "outside/secret.txt": A})
    files = {"data.yaml": f"train: {path}\nval: images/val\n{NAMES}"} | ULTRALYTICS
    dataset = recognise(tree(tmp_path / "raw", files))
    with pytest.raises(InputError):
        list(dataset.entries("train", Tally()))
    files = {"list.txt": f"{path}\n{path}/secret.jpg\n../outside/secret.jpg\n"}
    source = YoloSource(images="list.txt", names="data.yaml")
    found = list(formats.load("yolo").read(tree(tmp_path / "raw", files), source, Tally()))
    assert found
    assert all(isinstance(entry, Unreadable) for entry in found)


# Recognised by content


def yolo_says(root: Path) -> Any:
    return formats.load("yolo").recognise(Tree(root))  # type: ignore[misc]


PIXELS = {"a": "cup 20 30 80 90\n", "b": "1 20 30 80 90\n"}


@pytest.mark.parametrize(
    "texts",
    [
        {"a": "1 20 30 80 90\n", "b": "0 20 30 80 90\n"},
        {"a": "cup 20 30 80 90 0\n"},
        {"a": "cup 0.91 20 30 80 90\n"},
        {"a": "hand 0 0 0 21 30 80 90 0 0 0 0 0 0 0 0\n"},
        {"a": "cup 0.5 0.5 0.2 0.2\n"},
        {"a": "0.5 0.5 0.2 0.2 1\n"},
        {"a": "", "b": ""},
        {"a": "1\n", "b": "1 2 3\n"},
    ],
)
def test_other_txt_are_not_claimed(texts: dict[str, str], tmp_path: Path) -> None:
    root = tree(tmp_path / "raw", pictures("images", "labels", **texts))
    assert yolo_says(root) is None
    assert recognise(root).format != "yolo"


def test_a_voc_tree_is_not_claimed(tmp_path: Path) -> None:
    voc = Voc(tmp_path / "raw")
    assert yolo_says(voc.root) is None
    tree(voc.root, {"data.yaml": "names: [\n", "notes.txt": "0 0.5 0.5 0.1 0.1\n"})
    assert yolo_says(voc.root) is None
    assert recognise(voc.root).format == "voc"


def test_a_list_of_corners_from_0_to_1_is_said_to_be_yolos_or_wrong(tmp_path: Path) -> None:
    root = tree(tmp_path / "raw", pictures("images", "labels", a="0 0 0 1 1\n"))
    assert yolo_says(root).confidence == Confidence.CONTENT


def test_pixels_with_a_data_yaml_are_refused_by_it(tmp_path: Path) -> None:
    files = {
        "data.yaml": f"train: images/train\nval: images/val\n{NAMES}",
        **pictures("images/train", "labels/train", a="0 20 30 80 90\n1 2 3 8 9\n", b=A),
        **pictures("images/val", "labels/val", c="0 20 30 80 90\n"),
    }
    root = tree(tmp_path / "raw", files)
    with pytest.raises(InputError, match="this may be folders or yolo"):
        recognise(root)
    dataset = recognise(root, "yolo")
    with pytest.raises(
        InputError, match=r"^images/val: the boxes are no fractions: .* \(labels/val/c\.txt:1\)\n"
    ):
        list(dataset.entries("val", Tally()))


@pytest.mark.parametrize(
    "yaml", ["names: [\n", "names: *x\n", "names: [a]\nnc: 2\ntrain: images\n"]
)
def test_a_broken_data_yaml_is_named(yaml: str, tmp_path: Path) -> None:
    root = tree(tmp_path / "raw", {"data.yaml": yaml} | ULTRALYTICS)
    with pytest.raises(InputError, match=r"^data\.yaml"):
        recognise(root)


def test_two_yaml_files_that_state_splits_are_named(tmp_path: Path) -> None:
    yaml = f"train: images/train\nval: images/val\n{NAMES}"
    root = tree(
        tmp_path / "raw", {"a.yaml": yaml, "b.yaml": yaml, "hyp.yaml": "lr: 1"} | ULTRALYTICS
    )
    with pytest.raises(InputError, match=r"a\.yaml and b\.yaml each say which splits"):
        recognise(root)
    (root / "a.yaml").rename(root / "data.yaml")
    assert "b.yaml is not read beside data.yaml" in recognise(root).said


def test_a_random_split_is_said_and_lists_replace_it(tmp_path: Path) -> None:
    texts = {f"n{i}": A for i in range(10)}
    root = tree(tmp_path / "raw", {"classes.txt": "cat\n", **pictures("images", "labels", **texts)})
    dataset = recognise(root)
    found = contents(dataset)
    assert {split: len(entries) for split, entries in found.items()} == {"trainval": 8, "test": 2}
    assert "80%, drawn by chance" in dataset.said[0]
    assert "train.txt and val.txt" in dataset.said[0]
    tree(root, {"train.txt": "images/n3.jpg\n", "val.txt": "n4.jpg\nn5.jpg\n"})
    assert [name for name, _, _ in contents(recognise(root))["val"]] == ["n4.jpg", "n5.jpg"]
    assert not any("chance" in sentence for sentence in recognise(root).said)


def test_a_txt_without_a_picture_is_counted_once(tmp_path: Path) -> None:
    texts = {f"n{i}": A for i in range(10)}
    files = {"labels/nobody.txt": A, **pictures("images", "labels", **texts)}
    dataset = recognise(tree(tmp_path / "raw", files))
    notes = Tally()
    for split in dataset.splits:
        list(dataset.entries(split, notes))
    assert notes.kinds["txt without a picture"].listed == ["labels/nobody.txt"]


def test_folders_without_a_role_are_no_splits(tmp_path: Path) -> None:
    files = {
        "classes.txt": "cat\ndog\n",
        **pictures("images/monday", "labels/monday", **TRAIN),
        **pictures("images/friday", "labels/friday", **VAL),
    }
    dataset = recognise(tree(tmp_path / "raw", files))
    assert list(dataset.splits) == ["trainval", "test"]
    assert sorted(name for found in contents(dataset).values() for name, _, _ in found) == [
        "a.jpg", "b.jpg", "c.jpg",
    ]  # fmt: skip


def test_pictures_above_the_splits_are_said(tmp_path: Path) -> None:
    files = {"classes.txt": "cat\ndog\n", "images/loose.jpg": PICTURE} | ULTRALYTICS
    assert "pictures that lie in images itself belong to no split" in said(tmp_path, files)


# Names


def test_classes_without_names_are_numbers_and_can_be_named(tmp_path: Path) -> None:
    root = tree(tmp_path / "raw", {k: v for k, v in ULTRALYTICS.items() if k != "names"})
    dataset = recognise(root)
    assert [item.name for item in dataset.classes()][1:] == ["0", "1"]
    assert "Name them in classes.txt here, one a line, or with --map 0=NAME" in dataset.said[-1]
    tree(root, {"labels/val/d.txt": "12 0.5 0.5 0.1 0.1\n", "images/val/d.jpg": PICTURE})
    names = [item.name for item in recognise(root).classes()][1:]
    assert names == [str(number) for number in range(13)]
    tree(root, {"classes.txt": "cat\ndog\n"})
    assert [item.name for item in recognise(root).classes()][1:] == ["cat", "dog"]


def test_a_background_that_stands_first_is_no_class(tmp_path: Path) -> None:
    names = {"classes.txt": "background\ncat\ndog\n"}
    files = {"images/train/c.jpg": PICTURE, "labels/train/c.txt": "1 0.5 0.5 0.2 0.2\n"}
    root = tree(tmp_path / "raw", names | files)
    dataset = recognise(root)
    assert [item.name for item in dataset.classes()][1:] == ["cat", "dog"]
    assert contents(dataset)["train"][0][1] == ("cat",)
    tree(root, {"labels/train/c.txt": A})
    with pytest.raises(InputError, match='not in the labelmap:\n  "background": 1 box'):
        build(recognise(root), tmp_path / "out")


def test_only_a_count_of_classes(tmp_path: Path) -> None:
    files = {"data.yaml": "train: images/train\nval: images/val\nnc: 3\n"} | ULTRALYTICS
    dataset = recognise(tree(tmp_path / "raw", files))
    assert [item.name for item in dataset.classes()][1:] == ["0", "1", "2"]
    assert "with names: in data.yaml" in dataset.said[-1]


def test_notes_of_label_studio_come_before_its_classes(tmp_path: Path) -> None:
    files = {
        "classes.txt": "dog\ncat\n",
        "notes.json": '{"categories": [{"id": 0, "name": "cat"}, {"id": 1, "name": "dog"}]}',
        **pictures("images", "labels", **TRAIN),
    }
    dataset = recognise(tree(tmp_path / "raw", files))
    assert [item.name for item in dataset.classes()][1:] == ["cat", "dog"]
    assert "classes.txt names other classes than notes.json, which is taken" in dataset.said


@pytest.mark.parametrize(
    ("yaml", "message"),
    [
        ("nc: 3\nnames: [a, b]\n", r"^data\.yaml: nc says 3 classes, names are 2\n"),
        ("names: [a, a]\n", r'^data\.yaml: names: "a" is class 0 and class 1\n'),
        ("names: [a, '']\n", r"class 1 has an empty name"),
        ("names: {a: 0}\n", r'a class\'s number is "a"'),
        ("names: {-1: a}\n", r'is "-1", not a whole number'),
        ("names: {0: a, 0.0: b}\n", "this number stands twice"),
        ("names: abc\n", r'names is "abc"\n'),
        ("names: [[a]]\n", "a name is a text"),
        ('names: ["a\\e[1m"]\n', r"'a\\x1b\[1m' is no name"),
        ("nc: many\n", r'nc is "many"'),
        ("{}\n", "neither names nor nc"),
        ("[a]\n", "no table of keys"),
        ("names: [a]\nkpt_shape: 3\n", "kpt_shape is not"),
    ],
)
def test_names_that_are_wrong_are_named(yaml: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        one(tmp_path, A, yaml)


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("classes.txt", "cat\n\ndog\n", r"^classes\.txt:2: class 1 has an empty name\n"),
        ("classes.txt", "cat\ndog\ncat", r'^classes\.txt:3: "cat" is class 0 and class 2'),
        ("classes.txt", " \n\n", "the list of classes is empty"),
        ("notes.json", "{}", "no notes of Label Studio"),
        ("notes.json", '{"categories": [{"id": "x", "name": "a"}]}', 'an id is "x"'),
        ("notes.json", '{"categories":' + "[" * 5000, "no notes of Label Studio"),
    ],
)
def test_files_of_names_that_are_wrong(file: str, text: str, message: str, tmp_path: Path) -> None:
    root = tree(tmp_path / "raw", {file: text, **pictures("images", "labels", **TRAIN)})
    with pytest.raises(InputError, match=message):
        recognise(root)


def test_words_that_yaml_makes_something_else_of_stay_words(tmp_path: Path) -> None:
    entry = one(tmp_path, "".join(f"{i} .5 .5 .1 .1\n" for i in range(4)), "names: [no, on, 1, ~]")
    assert entry.classes == ("no", "on", "1", "~")


# Lines

BOX = [0.25, 0.125, 0.75, 0.375]


@pytest.mark.parametrize(
    ("text", "classes", "boxes"),
    [
        ("0 0.5 0.25 0.5 0.25", ["cat"], [BOX]),
        (b"\xef\xbb\xbf\t1.0  5e-1 .25 0.500 0.25 \r\n\r\n", ["dog"], [BOX]),
        ("1e0 0.5 0.25 0.5 0.25\r0 0.5 0.25 0.5 0.25", ["dog", "cat"], [BOX, BOX]),
        ("0 0.25 0.125 0.75 0.125 0.5 0.375\n", ["cat"], [BOX]),  # a triangle
        ("0 .25 .125 .75 .125 .75 .375 .25 .375 .3 .3", ["cat"], [BOX]),
        ("1 0.25 0.2 0.75 0.125 0.5 0.375 17\n", ["dog"], [BOX]),  # a triangle and its track
        ("0 0.5 0.25 0.5 0.25 7\n1 0.5 0.25 0.5 0.25 0\n", ["cat", "dog"], [BOX, BOX]),
        ("0 1.005 0.5 0.25 0.5", ["cat"], [[0.88, 0.25, 1.13, 0.75]]),
        ("0 0.5 0.5 0 -0.005", ["cat"], [[0.5, 0.5025, 0.5, 0.4975]]),
        ("", [], []),
        (" \n\t\n", [], []),
    ],
)
def test_lines_that_are_read(
    text: str | bytes, classes: list[str], boxes: list[list[float]], tmp_path: Path
) -> None:
    entry = one(tmp_path, text)
    assert list(entry.classes) == classes
    assert np.array_equal(entry.boxes, np.array(boxes, np.float32).reshape(-1, 4))
    assert (entry.normalized, entry.upright) == (True, True)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0 0.5 0.25 0.5\n", r"^labels/a\.txt:1: 4 numbers are not class cx cy w h"),
        (A + "cat 0.5 0.5 0.2 0.2\n", r'a\.txt:2: "cat 0\.5 .*" is not class .*\n  A class is its'),
        (A + "0,0.5,0.5,0.2,0.2\n", r"\n  Numbers are parted by spaces, and have a point"),
        (A + "0 0,5 0,5 0,2 0,2\n", r"\n  Numbers are parted by spaces, and have a point"),
        (A + "0 nan 0.5 0.2 0.2\n", r'"0 nan '),
        (A + "0 inf 0.5 0.2 0.2\n", r'"0 inf '),
        (A + "0 0.5 0.5 0.2 1_0\n", r'1_0" is not'),
        (A + "0 ٠ 0.5 0.2 0.2\n", r"is not class cx cy w h"),
        (A + "0 0.5 0.5 \x1b[1m0.2 0.2\n", r"\\x1b\[1m0\.2"),
        (A + "2 0.5 0.5 0.2 0.2\n", r":2: class 2, but data\.yaml names 0 to 1\n  Complete data"),
        (A + "-1 0.5 0.5 0.2 0.2\n", r"class -1, but .*\n  Classes count from 0"),
        (A + "0.5 0.5 0.5 0.2 0.2\n", r"class 0\.5, but .*\n  .*the class is a whole number"),
        (A + "1e99 0.5 0.5 0.2 0.2\n", r"class 1e\+99, but"),
        (A + "0 1.3 0.5 0.2 0.2\n", r":2: 1\.3 is no fraction of a picture's width or height"),
        (A + "0 0.5 0.5 0.2 -0.3\n", r":2: -0\.3 is no fraction"),
        (A + "0 .1 .1 .2 .2 .3 .3 .5\n", r":2: 8 numbers are neither a box nor a polygon"),
        (A + "imagesource:GoogleEarth\n", r"DOTA's rotated boxes"),
        (A + "9 8 7 6 5 4 3 2 plane 0\n", r"DOTA's rotated boxes"),
        (b"\xff\xfe0\x00", "the txt is not UTF-8 text"),
    ],
)
def test_lines_that_are_refused(text: str | bytes, message: str, tmp_path: Path) -> None:
    entry = one(tmp_path, text)
    assert isinstance(entry, Unreadable)
    with pytest.raises(InputError, match=message):
        raise entry.error


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 1),
            *[st.decimals(0, 1, places=6)] * 4,
        ),
        max_size=6,
    )
)
def test_boxes_are_what_exact_arithmetic_gives(tmp_path_factory: Any, rows: list[Any]) -> None:
    lines = list(dict.fromkeys(" ".join(map(str, row)) for row in rows))
    yaml = f"{NAMES}line: class cx cy w h\n"
    entry = one(tmp_path_factory.mktemp("x"), "\n".join(lines), yaml)
    assert entry.classes == tuple("cat" if line[0] == "0" else "dog" for line in lines)
    expected = np.array([exact_corners(line) for line in lines], np.float32).reshape(-1, 4)
    # A double on the way is off by less than single precision tells, but for what is nearly 0.
    assert np.allclose(entry.boxes, expected, rtol=1e-7, atol=1e-16)


def test_what_is_no_error_is_counted(tmp_path: Path) -> None:
    files: Files = {
        "data.yaml": NAMES,
        "images/gone.jpg": PICTURE,
        "labels/nobody.txt": A,
        "labels/classes.txt": "x\n",
        "labels/README.txt": "x\n",
        **pictures("images", "labels", a=A + A + B, b="", c="0 0 0 1 0 1 1\n", d=A[:-1] + " 3\n"),
    }
    root = tree(tmp_path / "raw", files)
    assert notes_of(root, YoloSource(images="images", names="data.yaml")) == {
        "no txt (taken as a picture without objects)": 1,
        "empty txt (taken as a picture without objects)": 1,
        "txt without a picture": 1,
        "line stands twice in a txt (taken once)": 1,
        "polygon (its box is taken)": 1,
        "sixth number of a line, whole as a track's id (not used)": 1,
    }


def test_empty_txt_of_cvat_are_said_to_be_doubtful(tmp_path: Path) -> None:
    dataset = recognise(tree(tmp_path / "raw", ARRANGEMENTS["Darknet's"]))
    notes = Tally()
    list(dataset.entries("train", notes))
    assert [count.listed for kind, count in notes.kinds.items() if "CVAT's YOLO 1.1" in kind] == [
        ["obj_train_data/b.txt"]
    ]


def test_a_split_without_any_txt_is_refused(tmp_path: Path) -> None:
    files = {"data.yaml": NAMES, "images/test/a.jpg": PICTURE}
    root = tree(tmp_path / "raw", files)
    with pytest.raises(InputError, match=r"of images/test/a\.jpg it would be images/test/a\.txt"):
        notes_of(root, YoloSource(images="images/test", names="data.yaml"))
    (root / "labels" / "test").mkdir(parents=True)
    with pytest.raises(InputError, match=r"it would be labels/test/a\.txt\n  .*--split"):
        notes_of(root, YoloSource(images="images/test", names="data.yaml"))
    with pytest.raises(InputError, match="^images/gone: no such folder or list here"):
        notes_of(root, YoloSource(images="images/gone", names="data.yaml"))
    with pytest.raises(InputError, match="no pictures here"):
        notes_of(root, YoloSource(images="labels", names="data.yaml"))


def test_pictures_that_share_a_txt_are_refused(tmp_path: Path) -> None:
    files = {"data.yaml": NAMES, "images/a.png": jpeg(format="PNG"), "images/b.png": PICTURE}
    root = tree(tmp_path / "raw", files | pictures("images", "labels", a=A))
    entries = list(
        formats.load("yolo").read(root, YoloSource(images="images", names="data.yaml"), Tally())
    )
    assert [type(entry) for entry in entries] == [Unreadable, Unreadable, AnnotatedImage]
    with pytest.raises(InputError, match=r"a\.txt: this is the txt of 2 pictures: images/a\.jpg"):
        raise entries[0].error  # type: ignore[union-attr]


def test_names_that_differ_in_spelling_only_are_paired(tmp_path: Path) -> None:
    files: Files = {
        "data.yaml": NAMES,
        "images/caf\u00e9.jpg": PICTURE,
        "labels/cafe\u0301.txt": A,
        "images/a b.jpg": PICTURE,
        "labels/a%20b.txt": B,
        "images/e\u0301.jpg": PICTURE,
        "images/\u00e9.png": PICTURE,
        "labels/%C3%A9.txt": B,
        "images/c%20d.jpg": PICTURE,
        "images/c d.jpg": PICTURE,
        "labels/c d.txt": C,
    }
    root = tree(tmp_path / "raw", files)
    source, notes = YoloSource(images="images", names="data.yaml"), Tally()
    found = {
        entry.image: len(entry.boxes)
        for entry in formats.load("yolo").read(root, source, notes)
        if isinstance(entry, AnnotatedImage)
    }
    assert found == {
        "images/caf\u00e9.jpg": 1, "images/a b.jpg": 1, "images/c%20d.jpg": 0, "images/c d.jpg": 1,
        "images/e\u0301.jpg": 0, "images/\u00e9.png": 0,
    }  # fmt: skip
    assert notes.kinds["txt found by its name unquoted, or with its accents joined"].count == 2


def test_a_listed_picture_that_is_not_there_is_named(tmp_path: Path) -> None:
    files = {"list.txt": "images/train/a.jpg\nimages/train/gone.jpg\nimages/train/a.jpg\n"}
    root = tree(tmp_path / "raw", files | ULTRALYTICS)
    notes = Tally()
    entries = list(formats.load("yolo").read(root, YoloSource(images="list.txt"), notes))
    assert [type(entry) for entry in entries] == [AnnotatedImage, Unreadable, AnnotatedImage]
    assert entries[1].error.where == "list.txt:2"  # type: ignore[union-attr]
    assert notes.kinds["picture stands more than once in the list"].listed == [
        "list.txt:3: images/train/a.jpg"
    ]


def test_boxes_of_a_turned_picture_are_of_the_upright_one(tmp_path: Path) -> None:
    from PIL import Image

    exif = Image.Exif()
    exif[0x0112] = 6
    files: Files = {
        "data.yaml": f"train: images/train\nval: images/val\n{NAMES}",
        "images/train/a.jpg": jpeg(exif=exif.tobytes()),
        "labels/train/a.txt": "0 0.25 0.125 0.5 0.25\n",  # the upper left, upright
        **pictures("images/val", "labels/val", **VAL),
    }
    root = tree(tmp_path / "raw", files)
    boxes = {}
    for exif_option in ("auto", "stored"):
        options = BuildOptions(exif=exif_option)  # type: ignore[arg-type]
        out = build(recognise(root), tmp_path / exif_option, options, splits=["train"]).out
        with LmdbReader(out / "raw_train_lmdb") as records:
            boxes[exif_option] = records[0].boxes.tolist()
    assert boxes == {"auto": [[0.0, 0.5, 0.25, 1.0]], "stored": [[0.0, 0.0, 0.5, 0.25]]}


def test_a_recipe_says_where_they_lie(tmp_path: Path) -> None:
    files = {
        "my.toml": 'format = "yolo"\n[splits.train]\nsources = [{ images = "photos", labels = '
        '"boxes/all", names = "animals.txt" }]\n',
        "animals.txt": "cat\ndog\n",
        **pictures("photos/a", "boxes/all/a", **TRAIN),
    }
    root = tree(tmp_path / "raw", files)
    dataset = find(str(root / "my.toml"), root)
    assert [name for name, _, _ in contents(dataset)["train"]] == ["a.jpg", "b.jpg"]
    assert [item.name for item in dataset.classes()][1:] == ["cat", "dog"]


def test_no_memory_grows_with_a_line(tmp_path: Path) -> None:
    entry = one(tmp_path, "0 0 0 1 1\n" + "9" * (8 << 20))
    assert isinstance(entry, Unreadable)
    assert "larger than" in str(entry.error)
    entry = one(tmp_path, "0 " + "0.5 " * 100_000)
    assert isinstance(entry, AnnotatedImage) == (100_000 % 2 == 0)
    assert sys.getsizeof(str(entry)) < 10_000


WORDS = st.sampled_from(
    ["0", "1", "-1", "0.5", "1.0", "1e-3", "nan", "1e400", "0x1", "1_0", "\u0660", "cat", "\x1b[m",
     "0.5,0.5", "9" * 400, "0.99", "imagesource:", "#", "\ufeff", "\u2028", "\0", "\n", "\r"]
)  # fmt: skip
LINES = st.lists(st.lists(WORDS, max_size=9).map(" ".join), max_size=4).map("\n".join)
VALUES = st.sampled_from(
    ["images/train", "images", "../images/train", "/", "..", ".", "", "~", "[a, b]", "{a: b}", "*x",
     "&x y", "!!python/object:os.system []", "train.txt", "C:\\images\\train", '"\\e\\0"', "'", "[",
     "x" * 5000, "images/train/../..", "labels", "[cat, dog]", "{0: cat, 1: dog}", "2", "[1, 3]"]
)  # fmt: skip
KEYS = st.sampled_from("train val test path nc names kpt_shape download line other".split())
YAML = st.lists(st.tuples(KEYS, VALUES).map(": ".join), max_size=6).map("\n".join)
LISTED = st.lists(
    st.sampled_from(
        ["images/a.jpg", "a.jpg", "../../x.jpg", "/etc/passwd", "# x", "\0", "C:\\a.jpg"]
    )
).map("\n".join)
PLACES = st.sampled_from(["images/train", "images", "train/images", "Images/VAL", "train", "."])


@settings(max_examples=150, deadline=None)
@given(
    PLACES,
    st.booleans(),
    st.lists(LINES, max_size=3),
    st.none() | YAML,
    st.none() | LISTED,
    st.none() | LINES,
)
def test_anything_is_read_or_refused(
    tmp_path_factory: Any,
    place: str,
    beside: bool,
    texts: list[str],
    yaml: str | None,
    listed: str | None,
    names: str | None,
) -> None:
    labels = place if beside else place.replace("images", "labels")
    files = pictures(place, labels, **{f"p{n}": text for n, text in enumerate(texts)})
    extra = {"data.yaml": yaml, "train.txt": listed, "classes.txt": names, "x.data": yaml}
    files |= {name: text for name, text in extra.items() if text is not None}
    root = tree(tmp_path_factory.mktemp("x"), files)
    with suppress(InputError):
        dataset = recognise(root)
        for split in dataset.splits:
            for entry in dataset.entries(split, Tally()):
                if isinstance(entry, AnnotatedImage):
                    assert (dataset.root / entry.image).is_file()
                    assert len(entry.boxes) == len(entry.classes) == len(entry.places)
                    assert np.isfinite(entry.boxes).all()
        dataset.classes()
