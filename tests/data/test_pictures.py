"""Which files of a folder are pictures, which of them a name means, and what a split is for."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssd_data import InputError
from ssd_data.data.formats.pictures import Pictures, files_below, has_picture_ending, stem_of
from ssd_data.data.formats.splits import HELD_BACK, TRAINING, first_for, role


def folder(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def test_what_systems_leave_behind_is_no_picture(tmp_path: Path) -> None:
    folder(
        tmp_path, "a.jpg", "b.JFIF", "sub/c.PPM", "d.jpe",
        "._a.jpg", ".DS_Store", "Thumbs.db", "desktop.ini", "__MACOSX/a.jpg",
        ".ipynb_checkpoints/a-checkpoint.jpg", "@eaDir/a.jpg",
        "a.json", "a.JPG_original", "a.aae", "a.npy", "jpg", ".jpg", "a.jpg.cache",
    )  # fmt: skip
    assert Pictures.below(tmp_path).paths == ["a.jpg", "b.JFIF", "d.jpe", "sub/c.PPM"]
    assert Pictures.below(tmp_path / "none").paths == []


def test_a_link_to_its_own_folder_ends(tmp_path: Path) -> None:
    folder(tmp_path, "a.jpg", "sub/b.jpg")
    (tmp_path / "sub" / "again").symlink_to(tmp_path)
    assert files_below(tmp_path) == ["a.jpg", "sub/b.jpg"]


NAMES = ("train/cat.jpg", "val/cat.jpg", "dog 1.png", "a#t=5.jpg", "x/y/bird.v2.jpeg")


@pytest.mark.parametrize(
    ("named", "path", "how"),
    [
        ("train/cat.jpg", "train/cat.jpg", ""),
        (r"train\cat.jpg", "train/cat.jpg", "other slashes"),
        ("./dog 1.png", "dog 1.png", "other slashes"),
        ("dog%201.png", "dog 1.png", "unquoted"),
        ("a#t=5.jpg", "a#t=5.jpg", ""),
        (r"C:\photos\set\val\cat.jpg", "val/cat.jpg", "by the end of its path"),
        ("/home/me/x/y/bird.v2.jpeg", "x/y/bird.v2.jpeg", "by the end of its path"),
        ("https://host/set/dog%201.png", "dog 1.png", "by the end of its path"),
        ("bird.v2.jpeg", "x/y/bird.v2.jpeg", "by the end of its path"),
        ("dog 1", "dog 1.png", "without its ending"),
        ("x/y/bird.v2", "x/y/bird.v2.jpeg", "without its ending"),
    ],
)
def test_a_name_as_tools_write_it(named: str, path: str, how: str, tmp_path: Path) -> None:
    found = Pictures.below(folder(tmp_path, *NAMES)).find(named)
    assert found is not None
    assert (found.path, found.how) == (path, how)


@pytest.mark.parametrize(
    "named", ["none.jpg", "og 1.png", "dog.png", "dog", "a", "", "/", "dog 1.jpg"]
)
def test_a_name_of_none(named: str, tmp_path: Path) -> None:
    assert Pictures.below(folder(tmp_path, *NAMES)).find(named) is None


@pytest.mark.parametrize("named", ["cat.jpg", "other/cat.jpg", "cat"])
def test_a_name_of_two_is_an_error_with_both(named: str, tmp_path: Path) -> None:
    pictures = Pictures.below(folder(tmp_path, *NAMES))
    with pytest.raises(InputError, match="may be 2 pictures: train/cat.jpg, val/cat.jpg"):
        pictures.find(named, "list:3")


def test_twins_are_told_apart_by_the_stated_name(tmp_path: Path) -> None:
    pictures = Pictures.below(folder(tmp_path, "f0.png", "f0.jpg", "f1.jpg"))
    assert pictures.of_stem("f1") == "f1.jpg"
    assert pictures.of_stem("f2") is None
    assert pictures.of_stem("f0", r"C:\x\f0.png") == "f0.png"
    for stated in ("", "f0.bmp"):
        with pytest.raises(InputError, match="may be 2 pictures: f0.jpg, f0.png"):
            pictures.of_stem("f0", stated)


@given(st.lists(st.from_regex(r"[a-z]{1,3}(/[a-z ]{1,3}){0,2}\.jpg", fullmatch=True), unique=True))
def test_every_picture_is_found_by_its_own_path(paths: list[str]) -> None:
    pictures = Pictures(Path(), sorted(paths))
    for path in paths:
        found = pictures.find(path)
        assert found is not None
        assert found.path == path


def test_endings_and_stems() -> None:
    assert has_picture_ending("a.JPEG")
    assert not has_picture_ending("jpg")
    assert stem_of("a.b/c.d.jpg") == "a.b/c.d"


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        *(
            (n, "train")
            for n in ("train", "Train", "TRAINING", "train2017", "train_v2", "cat_train")
        ),
        *((n, "train") for n in ("trainSet", "my-train", "instances_Train")),
        *(
            (n, "val")
            for n in ("val", "valid", "Validation", "dev", "minival", "val2017", "cat_val")
        ),
        *((n, "test") for n in ("test", "Testing", "test-dev", "test2007")),
        *((n, "trainval") for n in ("trainval", "TrainVal", "train_val", "cat_trainval")),
        *((n, None) for n in ("default", "UNASSIGNED", "A", "restrain", "interval", "train_test")),
    ],
)
def test_a_splits_name_says_what_it_is_for(name: str, meant: str | None) -> None:
    assert role(name) == meant


def test_the_split_that_serves_best() -> None:
    names = ["cat_train", "Train", "train", "trainval", "Validation"]
    assert first_for(names, TRAINING) == "trainval"
    assert first_for(names[:3], TRAINING) == "train"
    assert first_for(names, HELD_BACK) == "Validation"
    assert first_for(["all"], TRAINING) is None
