"""Pictures with an annotation file each, in whatever folders; which of them are which split."""

from pathlib import Path

import pytest
from support.exports import write
from support.trees import jpeg, xml

from ssd_data import BuildOptions, InputError, build, find, recognise
from ssd_data.core.notes import Tally
from ssd_data.core.structures import Unreadable
from ssd_data.data import formats
from ssd_data.data.dataset import Dataset
from ssd_data.data.formats import Confidence
from ssd_data.data.formats.folders.schema import FolderSource
from ssd_data.data.formats.shares import TOO_FEW
from ssd_data.data.formats.tree import Tree

RANDOM = "nothing says which pictures are for testing"


def pairs(root: Path | str, notes: Tally | None = None) -> dict[str, str]:
    """Per split its pictures with their annotations, ``image:annotation``; ``-`` for none."""
    dataset = find(str(root))
    notes = Tally() if notes is None else notes
    return {split: " ".join(_pairs(dataset, split, notes)) for split in dataset.splits}


def _pairs(dataset: Dataset, split: str, notes: Tally) -> list[str]:
    found = []
    for entry in dataset.entries(split, notes):
        if isinstance(entry, Unreadable):
            assert entry.unannotated, entry.error
            found.append(f"{entry.image}:-")
        else:
            assert len(entry.classes) == 1
            found.append(f"{entry.image}:{entry.annotation}")
    return found


def expected(text: str) -> dict[str, str]:
    return {
        split: " ".join(files.split())
        for split, _, files in (line.strip().partition(" = ") for line in text.strip().split("\n"))
    }


@pytest.mark.parametrize(
    ("training", "held_back"),
    [
        ("train", "val"), ("training", "validation"), ("Train", "Val"), ("TRAIN", "TEST"),
        ("train", "valid"), ("trainval", "test"), ("train", "dev"), ("Training", "eval"),
        ("train2017", "val2017"), ("trn", "tst"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("ending", ["xml", "txt"])
def test_splits_by_every_name(training: str, held_back: str, ending: str, tmp_path: Path) -> None:
    root = write(
        tmp_path,
        f"images/{training}/a.jpg labels/{training}/a.{ending} images/{training}/b.jpg "
        f"labels/{training}/b.{ending} images/{held_back}/c.jpg labels/{held_back}/c.{ending}",
    )
    dataset = recognise(root)
    assert dict(dataset.links) == {"trainval_lmdb": training, "test_lmdb": held_back}
    assert (dataset.splits[training].shuffle, dataset.splits[held_back].shuffle) == (True, False)
    assert not dataset.said
    assert pairs(root)[held_back] == (
        f"images/{held_back}/c.jpg:labels/{held_back}/c.{ending}"
    )  # fmt: skip
    assert len(pairs(root)[training].split()) == 2


SHAPES = {
    # other spellings in the two folders
    "Images/train/a.jpg Images/val/b.jpg Labels/Train/a.xml Labels/validation/b.xml": """
        train = Images/train/a.jpg:Labels/Train/a.xml
        val = Images/val/b.jpg:Labels/validation/b.xml""",
    # the splits above
    "train/images/a.jpg train/labels/a.xml valid/images/a.jpg valid/labels/a.xml": """
        train = train/images/a.jpg:train/labels/a.xml
        valid = valid/images/a.jpg:valid/labels/a.xml""",
    "data/train/JPEGImages/a.jpg data/train/Annotations/a.xml data/test/JPEGImages/b.jpg "
    "data/test/Annotations/b.xml": """
        test = test/JPEGImages/b.jpg:test/Annotations/b.xml
        train = train/JPEGImages/a.jpg:train/Annotations/a.xml""",
    # Roboflow; TensorFlow's tutorials
    "train/a.rf.0.jpg train/a.rf.0.xml valid/b.jpg valid/b.xml README.roboflow.txt": """
        train = train/a.rf.0.jpg:train/a.rf.0.xml
        valid = valid/b.jpg:valid/b.xml""",
    "images/train/a.jpg images/train/a.xml images/test/b.jpg images/test/b.xml": """
        test = images/test/b.jpg:images/test/b.xml
        train = images/train/a.jpg:images/train/a.xml""",
    # the annotations of all splits in one folder
    "train/a.jpg test/b.jpg annotations/a.xml annotations/b.xml": """
        test = test/b.jpg:annotations/b.xml
        train = train/a.jpg:annotations/a.xml""",
    "images/train/a.jpg images/test/b.jpg annotations/a.xml annotations/b.xml": """
        test = images/test/b.jpg:annotations/b.xml
        train = images/train/a.jpg:annotations/a.xml""",
    # SageMaker's names
    "train/a.jpg validation/b.jpg train_annotation/a.xml validation_annotation/b.xml": """
        train = train/a.jpg:train_annotation/a.xml
        validation = validation/b.jpg:validation_annotation/b.xml""",
    "train_images/0.jpg val_images/0.jpg train_labels/0.xml val_labels/0.xml": """
        train = train_images/0.jpg:train_labels/0.xml
        val = val_images/0.jpg:val_labels/0.xml""",
    # folders inside the splits
    "images/train/1/a.jpg images/train/2/a.jpg images/val/1/b.jpg labels/train/1/a.xml "
    "labels/train/2/a.xml labels/val/1/b.xml": """
        train = images/train/1/a.jpg:labels/train/1/a.xml images/train/2/a.jpg:labels/train/2/a.xml
        val = images/val/1/b.jpg:labels/val/1/b.xml""",
    # a split without a single annotation is refused, not passed over
    "images/train/a.jpg images/test/b.jpg labels/train/a.xml": """
        test = images/test/b.jpg:-
        train = images/train/a.jpg:labels/train/a.xml""",
}


@pytest.mark.parametrize("paths", SHAPES)
def test_splits_by_folders(paths: str, tmp_path: Path) -> None:
    write(tmp_path, paths)
    notes = Tally()
    assert pairs(tmp_path, notes) == expected(SHAPES[paths])
    assert not notes
    assert RANDOM not in " ".join(recognise(tmp_path).said)


UNSPLIT = {
    "Images/a.jpg Labels/a.xml": "Images/a.jpg:Labels/a.xml",
    "a.jpg a.xml": "a.jpg:a.xml",
    "export/a.jpg export/a.xml": "export/a.jpg:export/a.xml",
    "export/images/a.jpg export/labels/a.xml": "images/a.jpg:labels/a.xml",
    "a.jpg xml/a.xml": "a.jpg:xml/a.xml",
    "a.xml pics/a.jpg": "pics/a.jpg:a.xml",
    "Pics/a.jpg My_Boxes/a.txt": "Pics/a.jpg:My_Boxes/a.txt",
    "images/a.jpg Annotations/a.XML": "images/a.jpg:Annotations/a.XML",
    "images/a.jpg labels/a.jpg.xml": "images/a.jpg:labels/a.jpg.xml",
    "cats/a.jpg dogs/b.jpg ann/a.xml ann/b.xml": "cats/a.jpg:ann/a.xml dogs/b.jpg:ann/b.xml",
    "cats/1.jpg dogs/1.jpg ann/cats/1.xml ann/dogs/1.xml": (
        "cats/1.jpg:ann/cats/1.xml dogs/1.jpg:ann/dogs/1.xml"
    ),
    "images/1/a.jpg images/2/a.jpg labels/1/a.xml labels/2/a.xml": (
        "images/1/a.jpg:labels/1/a.xml images/2/a.jpg:labels/2/a.xml"
    ),
    # masks have the pictures' names; the annotations are not theirs
    "JPEGImages/a.jpg SegmentationClass/a.png Annotations/a.xml": (
        "JPEGImages/a.jpg:Annotations/a.xml"
    ),
    # annotations of two kinds: XML says most
    "images/a.jpg labels/a.xml labels/a.txt": "images/a.jpg:labels/a.xml",
    "images/a.jpg labels/a.txt Annotations/a.xml": "images/a.jpg:Annotations/a.xml",
    "images/a.jpg Annotations/a.xml Annotations_old/a.xml": "images/a.jpg:Annotations/a.xml",
    # what lies about
    "Images/a.jpg Images/.DS_Store Images/._a.jpg Labels/a.xml Labels/._a.xml "
    "__MACOSX/Images/._a.jpg Labels/.ipynb_checkpoints/a.xml": "Images/a.jpg:Labels/a.xml",
    "Images/a.jpg Images/a.JPG_original Images/Thumbs.db Labels/a.xml": "Images/a.jpg:Labels/a.xml",
    "Images/a.JPG Images/b.jfif Labels/a.xml Labels/b.xml": (
        "Images/a.JPG:Labels/a.xml Images/b.jfif:Labels/b.xml"
    ),
}

SAID = (
    "images/a.jpg labels/a.xml labels/a.txt",
    "images/a.jpg labels/a.txt Annotations/a.xml",
    "images/a.jpg Annotations/a.xml Annotations_old/a.xml",
)


@pytest.mark.parametrize("paths", UNSPLIT)
def test_where_nothing_says_the_splits(paths: str, tmp_path: Path) -> None:
    write(tmp_path, paths)
    notes = Tally()
    found = pairs(tmp_path, notes)
    assert sorted(" ".join(found.values()).split()) == sorted(UNSPLIT[paths].split())
    assert not notes
    said = recognise(tmp_path).said
    assert sum(RANDOM in one or one == TOO_FEW for one in said) == 1
    assert sum("are not used, since" in one for one in said) == (paths in SAID)
    assert sum("lie in none of these folders" in one for one in said) == ("Seg" in paths)


def test_a_random_split_can_be_settled_as_it_says(tmp_path: Path) -> None:
    names = "abcdefghij"
    root = write(tmp_path / "raw", " ".join(f"images/{n}.jpg labels/{n}.xml" for n in names))
    (said,) = recognise(root).said
    assert "20% of them are drawn at random" in said
    assert f"write train.txt and val.txt into {root}, a picture's name a line" in said
    before = pairs(root)
    assert (len(before["trainval"].split()), len(before["test"].split())) == (8, 2)
    result = build(find(root), tmp_path / "out")
    for name in ("trainval.txt", "test.txt"):  # a build's own lists settle it as well
        (root / name).write_text((result.out / name).read_text())
    after = recognise(root)
    assert not after.said
    assert {k: sorted(v.split()) for k, v in pairs(root).items()} == {
        k: sorted(v.split()) for k, v in before.items()
    }


@pytest.mark.parametrize("place", ["", "ImageSets/", "ImageSets/Main/", "imagesets/", "splits/"])
@pytest.mark.parametrize("line", ["{}", "{}.jpg", "pics/{}.jpg", "./pics/{}.jpg", "{}  "])
def test_lists(place: str, line: str, tmp_path: Path) -> None:
    files = " ".join(f"pics/{name}.jpg boxes/{name}.xml" for name in "abc")
    root = write(
        tmp_path, f"{files} {place}train.txt {place}valid.txt classes.txt",
        train=f"{line.format('c')}\n{line.format('a')}\n", valid=line.format("b"), classes="cat",
    )  # fmt: skip
    dataset = recognise(root)
    assert dict(dataset.links) == {"trainval_lmdb": "train", "test_lmdb": "valid"}
    assert dataset.said == ("classes.txt names the classes, unless --labelmap says another",)
    assert pairs(root) == expected(
        """train = pics/c.jpg:boxes/c.xml pics/a.jpg:boxes/a.xml
        valid = pics/b.jpg:boxes/b.xml"""
    )


def test_lists_go_before_folders_and_agree_with_them(tmp_path: Path) -> None:
    files = "images/train/a.jpg images/train/b.jpg images/val/c.jpg labels/train/a.xml "
    root = write(
        tmp_path, files + "labels/train/b.xml labels/val/c.xml train.txt val.txt",
        train="images/train/a.jpg", val="images/val/c.jpg",
    )  # fmt: skip
    assert pairs(root)["train"] == "images/train/a.jpg:labels/train/a.xml"
    assert "1 of 3 pictures are in none of these lists" in recognise(root).said[0]
    (root / "train.txt").write_text("images/train/a.jpg\nimages/val/c.jpg\n")
    (root / "val.txt").unlink()
    with pytest.raises(InputError, match='train.txt:2: "val/c.jpg" is in .* the folder "val"'):
        recognise(root)
    (root / "val.txt").write_text("val/c.jpg")
    (root / "train.txt").unlink()  # the list that is left does not say what is for training
    assert sorted(recognise(root).splits) == ["train", "val"]
    assert "val.txt: not used, since the folders' names say" in recognise(root).said[0]
    (root / "val.txt").write_text("images/train/a.jpg\n")
    with pytest.raises(InputError, match='val.txt:1: "train/a.jpg" is in .* the folder "train"'):
        recognise(root)


def test_lists_against_the_folders_of_splits(tmp_path: Path) -> None:
    files = "train/images/a.jpg train/labels/a.xml val/images/b.jpg val/labels/b.xml train.txt"
    root = write(tmp_path, files, train="train/images/a.jpg")
    assert sorted(recognise(root).splits) == ["train", "val"]
    (root / "train.txt").write_text("val/images/b.jpg\n")
    with pytest.raises(InputError, match='"val/images/b.jpg" is in .* and in the folder "val"'):
        recognise(root)


@pytest.mark.parametrize(
    ("paths", "texts", "message"),
    [
        ("images/a.jpg labels/a.xml train.txt val.txt", {"train": "a", "val": "a"}, "val.txt:1: "),
        (
            "images/a.jpg labels/a.xml train.txt",
            {"train": "hm\nno"},
            '"hm" is no picture here, nor',
        ),
        (
            "images/a.jpg images/b.jpg labels/a.xml labels/b.xml train.txt",
            {"train": "a b"},
            "2 pic",
        ),
        ("images/train/a.jpg images/test/a.jpg ann/a.xml", {}, "may be of images/test or of image"),
        ("small/a.jpg big/a.jpg ann/a.xml", {}, "annotations of ann may be of big or of small"),
        ("images/a.jpg xml_1/a.xml xml_2/a.xml", {}, "may be those of xml_1 or of xml_2"),
        (
            "images/train/a.jpg images/car/b.jpg labels/train/a.xml labels/car/b.xml",
            {},
            'images: "train" may be a split, or a part like car',
        ),
    ],
)
def test_what_cannot_be_understood_is_named(
    paths: str, texts: dict[str, str], message: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=message):
        recognise(write(tmp_path, paths, **texts))


def test_two_data_sets_are_not_mixed(tmp_path: Path) -> None:
    sets = "{0}/images/1.jpg {0}/labels/1.xml {0}/images/2.jpg {0}/labels/2.xml"
    root = write(tmp_path, f"{sets.format('one')} {sets.format('two')}")
    with pytest.raises(InputError, match="several data sets lie here: .*one, .*two"):
        recognise(root)


def test_files_that_are_no_lists(tmp_path: Path) -> None:
    root = write(
        tmp_path, "images/a.jpg labels/a.xml train_log.txt README_test.txt train_big.txt",
        train_log="epoch 1", README_test="run it", train_big="",
    )  # fmt: skip
    (root / "val_notes.txt").write_bytes(b"\xff\xfe\x00")
    assert list(recognise(root).splits) == ["trainval"]


def test_pictures_that_are_called_as_splits_are(tmp_path: Path) -> None:
    write(tmp_path, "train_1.jpg train_1.txt test.jpg test.txt")
    assert list(recognise(tmp_path).splits) == ["test", "trainval"]


def test_other_folders_beside_the_splits(tmp_path: Path) -> None:
    files = (
        f"images/{s}/{i}.jpg labels/{s}/{i}.xml" for i, s in enumerate("train val old".split())
    )
    root = write(tmp_path, " ".join(files) + " images/loose.jpg")
    dataset = recognise(root)
    assert sorted(dataset.splits) == ["old", "train", "val"]
    said = " | ".join(dataset.said)
    assert "old: neither for training nor for testing" in said
    assert "1 of 4 pictures lie in none of these folders and are left out" in said


# Pictures and annotations


def test_what_has_no_counterpart_is_counted(tmp_path: Path) -> None:
    root = write(tmp_path / "raw", "images/a.jpg images/b.jpg labels/a.xml labels/c.xml")
    write(root, "labels/classes.txt labels/notes.txt")
    notes = Tally()
    assert sorted(" ".join(pairs(root, notes).values()).split()) == [
        "images/a.jpg:labels/a.xml",
        "images/b.jpg:-",
    ]
    assert notes.to_json() == {
        "annotation without a picture (left out)": {"count": 1, "listed": ["labels/c.xml"]}
    }
    with pytest.raises(InputError, match=r"labels/b.xml: the annotation is missing[\s\S]*--unanno"):
        build(find(root), tmp_path / "out")


def test_annotations_that_splits_share(tmp_path: Path) -> None:
    files = "train/a.jpg test/b.jpg ann/a.xml ann/b.xml ann/c.xml"
    assert "1 of 3 annotations of ann have no picture (the first is c.xml)" in " ".join(
        recognise(write(tmp_path, files)).said
    )
    notes = Tally()
    pairs(tmp_path, notes)
    assert not notes


def test_twins(tmp_path: Path) -> None:
    root = write(tmp_path, "images/a.jpg images/a.png labels/a.xml")
    notes = Tally()
    assert "".join(pairs(root, notes).values()) == "images/a.jpg:labels/a.xml"
    kind = "picture left out: its annotation names one with another ending"
    assert notes.kinds[kind].listed == ["images/a.png"]
    (root / "labels/a.xml").write_text(xml(name="a.png"))
    assert "".join(pairs(root).values()) == "images/a.png:labels/a.xml"
    (root / "labels/a.xml").write_text(xml(name="b.jpg"))
    with pytest.raises(InputError, match=r'labels/a.xml: "a" may be 2 pictures: a.jpg, a.png'):
        build(find(root), tmp_path / "out", splits=["trainval"])
    (root / "labels/a.xml").rename(root / "labels/a.jpg.xml")
    assert "".join(pairs(root).values()) == "images/a.jpg:labels/a.jpg.xml"


def test_annotations_that_only_name_their_pictures(tmp_path: Path) -> None:
    root = write(tmp_path, "images/x.jpg labels/x.xml images/IMG_1.jpg images/IMG_2.jpg")
    names = ("IMG_1.jpg", "C:\\photos\\IMG_2.jpg", "IMG_2.jpg", "x.jpg")
    for number, name in enumerate(names, 1):
        (root / f"labels/000{number}.xml").write_text(xml(name=name))
    notes = Tally()
    found = " ".join(pairs(root, notes).values()).split()
    # Two annotations name the second: it has none.
    assert sorted(found) == [
        "images/IMG_1.jpg:labels/0001.xml", "images/IMG_2.jpg:-", "images/x.jpg:labels/x.xml",
    ]  # fmt: skip
    assert notes.kinds["picture found by its annotation's <filename>"].count == 1
    assert notes.kinds["annotation without a picture (left out)"].count == 3


def test_one_annotation_and_two_pictures_of_its_name(tmp_path: Path) -> None:
    root = write(tmp_path, "images/1/a.jpg images/2/a.jpg images/1/b.jpg labels/a.xml labels/b.xml")
    with pytest.raises(InputError, match="labels/a.xml: the annotation may be of 1/a or of 2/a"):
        build(find(root), tmp_path / "out", splits=["trainval"])


# Recipes, and what other formats have


def test_a_recipe_of_old(tmp_path: Path) -> None:
    names = "abcdefghij"
    write(tmp_path / "raw", " ".join(f"Images/{n}.jpg Labels/{n}.xml" for n in names))
    recipe = tmp_path / "my.toml"
    text = """format = "{}"
links = {{ trainval_lmdb = "trainval", test_lmdb = "test" }}
[splits.trainval]
sources = [{{ images = "raw/Images", labels = "raw/Labels", to = 0.8 }}]
[splits.test]
sources = [{{ images = "raw/Images", labels = "raw/Labels", from = 0.8 }}]"""
    found = []
    for name in ("flat", "folders"):
        recipe.write_text(text.format(name))
        found.append(pairs(recipe))
    plain = {split: text.replace("raw/", "") for split, text in found[0].items()}
    assert found[0] == found[1]
    assert plain == pairs(tmp_path / "raw")
    assert build(find(str(recipe)), tmp_path / "out").manifest["format"] == "folders"


def test_a_recipe_chooses_the_kind_of_annotation(tmp_path: Path) -> None:
    write(tmp_path, "images/a.jpg labels/a.xml labels/a.txt")
    read = formats.load("folders").read
    (entry,) = read(tmp_path, FolderSource("images", "labels", files=".txt"), Tally())
    assert entry.annotation == "labels/a.txt"
    (entry,) = read(tmp_path, FolderSource("./images/", "labels"), Tally())
    assert isinstance(entry, Unreadable)
    assert "annotations of several kinds here: .txt and .xml" in str(entry.error)
    (tmp_path / "labels/a.txt").write_text("0 0.5 0.5 0.2 0.2\n")  # YOLO's, which it is not
    (entry,) = read(tmp_path, FolderSource("images", "labels"), Tally())
    assert (entry.image, entry.annotation) == ("images/a.jpg", "labels/a.xml")


@pytest.mark.parametrize("source", [("../x", "y"), ("x", "/etc"), ("x", "a/../..")])
def test_a_recipe_stays_below_its_root(source: tuple[str, str], tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    (tmp_path / "x/a.jpg").write_bytes(jpeg())
    with pytest.raises(InputError, match="leaves the root|is not a path below"):
        list(formats.load("folders").read(tmp_path, FolderSource(*source), Tally()))


@pytest.mark.parametrize(
    ("paths", "texts", "confidence"),
    [
        ("images/a.jpg labels/a.xml", {}, Confidence.CONTENT),
        ("images/a.jpg labels/a.txt", {}, Confidence.CONTENT),
        ("images/a.jpg labels/a.txt", {"a": "0 0.5 0.5 0.25 0.25"}, Confidence.NAMES),
        ("images/a.jpg labels/a.txt", {"a": "Car 0 0 0 1 2 3 4 0 0 0 0 0 0 0"}, Confidence.NAMES),
        ("images/a.jpg labels/a.txt", {"a": "a picture of a cat"}, Confidence.NAMES),
        ("a.jpg a.json", {"a": '{"shapes": [], "imagePath": "a.jpg"}'}, None),
        ("a.jpg a.txt", {"a": "a picture of a cat"}, None),
        ("photos/a.jpg marks/a.json", {"a": '{"marks": 3}'}, None),
        ("a.jpg a.json", {"a": '{"image": {}, "annotation": []}'}, Confidence.CONTENT),
        ("Images/a.jpg Labels/a.xml", {"a": "<annotations/>"}, Confidence.NAMES),
        ("Images/a.jpg Labels/b.xml", {}, Confidence.NAMES),
        ("train2017/a.jpg annotations/instances_train2017.json", {}, None),
        ("a.jpg b.txt", {}, None),
        ("images/a.jpg", {}, None),
        ("labels/a.xml", {}, None),
    ],
)
def test_how_sure_it_is(
    paths: str, texts: dict[str, str], confidence: Confidence | None, tmp_path: Path
) -> None:
    recognise = formats.load("folders").recognise
    assert recognise is not None
    found = recognise(Tree(write(tmp_path, paths, **texts)))
    assert (found and found.confidence) == confidence


def test_fifos_and_devices_are_not_waited_for(tmp_path: Path) -> None:
    import os

    root = write(tmp_path, "images/a.jpg images/b.jpg labels/a.xml")
    os.mkfifo(root / "labels/b.xml")
    (root / "train.txt").symlink_to("/dev/zero")
    with pytest.raises(InputError, match="no regular file"):
        build(find(root, follow_links=True), tmp_path / "out", BuildOptions())
