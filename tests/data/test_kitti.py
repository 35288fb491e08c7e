"""KITTI's folders, the development kit's own and those of DIGITS, TAO and CVAT."""

from pathlib import Path
from typing import Any

import pytest
from support.trees import jpeg

from ssd_data import InputError, Tally, UsageError, build, find, read_labelmap

CAR = "Car 0.00 0 -1.57 20.00 30.00 60.25 40.00 1.50 1.60 3.90 1.0 1.5 20.0 -1.55"
MAN = "Pedestrian 0.5 3 -10 1 2 10 30 0 0 0 0 0 0 0"
DONT_CARE = "DontCare -1 -1 -10 5.00 5.00 9.00 9.00 -1 -1 -1 -1000 -1000 -1000 -10"


def folder(
    root: Path, count: int = 3, images: str = "training/image_2", labels: str = "training/label_2"
) -> Path:
    for i in range(count):
        for path, data in (
            (f"{images}/{i:06}.jpg", jpeg(seed=i)),
            (f"{labels}/{i:06}.txt", f"{CAR}\n{DONT_CARE}\n{MAN}\n".encode()),
        ):
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_bytes(data)
    return root


def test_boxes_are_columns_five_to_eight(tmp_path: Path) -> None:
    found = find(folder(tmp_path / "kitti"))
    assert (found.format, list(found.splits)) == ("kitti", ["training"])
    first = next(iter(found.entries("training", Tally())))
    assert first.image == "training/image_2/000000.jpg"
    assert first.classes == ("Car", "DontCare", "Pedestrian")
    assert first.boxes.tolist() == [[20, 30, 60.25, 40], [5, 5, 9, 9], [1, 2, 10, 30]]
    assert first.difficult.tolist() == [False, True, False]
    assert first.places == (1, 2, 3)


def test_dont_care_is_dropped_or_what_is_asked_for(tmp_path: Path, run: Any) -> None:
    root = folder(tmp_path / "kitti")
    made = build(find(root), tmp_path / "out").record.splits["training"]
    assert made.classes == {"Car": 3, "Pedestrian": 3}
    assert made.notes["box dropped by --map"].count == 3
    assert [i.name for i in read_labelmap(tmp_path / "out/labelmap.prototxt")][1:] == [
        "Car",
        "Pedestrian",
    ]
    kept = run("build", root, "-o", tmp_path / "kept", "--map", "DontCare=Car", "--json").json
    split = kept["splits"]["training"]
    assert (split["classes"], split["difficult"]) == ({"Car": 6, "Pedestrian": 3}, 3)


@pytest.mark.parametrize("place", ["ImageSets", "ImageSets/Main", "."])
def test_lists_are_the_splits(place: str, tmp_path: Path) -> None:
    root = folder(tmp_path / "kitti")
    (root / place).mkdir(parents=True, exist_ok=True)
    (root / place / "train.txt").write_text("000002\n000000\n")
    (root / place / "val.txt").write_text("000001.jpg\n")
    found = find(root)
    assert dict(found.links) == {"trainval_lmdb": "train", "test_lmdb": "val"}
    images = [entry.image for entry in found.entries("train", Tally())]
    assert images == ["training/image_2/000002.jpg", "training/image_2/000000.jpg"]
    (root / place / "val.txt").write_text("000001\n000009\n")
    with pytest.raises(InputError, match=r'val.txt:2: no picture "000009"'):
        list(found.entries("val", Tally()))


@pytest.mark.parametrize(
    ("train", "val"),
    [
        (("train/images", "train/labels"), ("val/images", "val/labels")),
        (("images/train", "labels/train"), ("images/val", "labels/val")),
        (("Train/image_02", "Train/label_02"), ("Validation/image_02", "Validation/label_02")),
    ],
)
def test_folders_are_the_splits(train: Any, val: Any, tmp_path: Path) -> None:
    root = folder(folder(tmp_path / "kitti", 3, *train), 2, *val)
    found = find(root)
    assert found.format == "kitti"
    assert not found.said
    made = build(found, tmp_path / "out")
    assert sorted(split.records for split in made.record.splits.values()) == [2, 3]


def test_what_is_missing_odd_or_broken(tmp_path: Path) -> None:
    root = folder(tmp_path / "kitti", 5)
    labels = root / "training" / "label_2"
    (labels / "000000.txt").write_text("")
    (labels / "000001.txt").unlink()
    (labels / "000002.txt").write_text(f"{CAR} 0.91\n")
    (labels / "000003.txt").write_text(f"{CAR}\ncar 1 2 3 4\n")
    (labels / "000004.txt").rename(labels / "000009.txt")
    notes = Tally()
    found = find(root)
    empty, absent, scored, broken, moved = found.entries("training", notes)
    assert (empty.classes, len(empty.boxes)) == ((), 0)  # type: ignore[union-attr]
    assert absent.unannotated  # type: ignore[union-attr]
    assert scored.classes == ("Car",)  # type: ignore[union-attr]
    assert "000003.txt:2: not KITTI's 15 columns" in str(broken.error)  # type: ignore[union-attr]
    assert moved.unannotated  # type: ignore[union-attr]
    assert {kind: one.count for kind, one in notes.kinds.items()} == {
        "score of a box is read over (a 16th column)": 1,
        "annotation without a picture": 1,
    }


def test_no_split_is_said(tmp_path: Path) -> None:
    root = folder(tmp_path / "digits", 3, "images", "labels")
    (said,) = find(root).said
    assert "all of images is trainval" in said
    with pytest.raises(UsageError, match="--format belongs"):
        find("voc0712", format="kitti")


def test_other_txt_files_are_not_kittis(tmp_path: Path) -> None:
    root = folder(tmp_path / "txt", 3, "images", "labels")
    for path in (root / "labels").iterdir():
        path.write_text("cat 1 2 30 40\n")
    assert find(root).format != "kitti"
