"""A folder is listed once, whoever asks; only formats that may fit by names are loaded."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.trees import Voc, jpeg

from ssd_data import InputError, recognise
from ssd_data.data import formats
from ssd_data.data.formats.tree import Tree


def touch(root: Path, *paths: str) -> Path:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).touch()
    return root


def test_names_and_paths(tmp_path: Path) -> None:
    tree = Tree(touch(tmp_path, "b/2.XML", "b/.hidden", "a.jpg", "b/c/1.txt", "__MACOSX/a.jpg"))
    assert tree.folders() == ("b",)
    assert tree.names() == ("a.jpg",)
    assert (tree.folders("b"), tree.names("b")) == (("c",), ("2.XML",))
    assert tree.below() == ("a.jpg", "b/2.XML", "b/c/1.txt")
    assert tree.below("b") == ("2.XML", "c/1.txt")
    assert tree.below(".") == tree.below()
    assert tree.endings == {".jpg", ".xml", ".txt"}
    assert (tree.names("none"), tree.folders("none"), tree.below("none")) == ((), (), ())
    assert tree.inner("b").below() == ("2.XML", "c/1.txt")


def test_a_folder_that_cannot_be_listed_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = Voc(tmp_path / "raw").root
    touch(root, "JPEGImages/more/9.jpg", "lost+found/x")
    scandir = os.scandir

    def refuse(path: str | Path = ".") -> object:
        if Path(path).name in ("more", "lost+found"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(InputError) as refused:
        recognise(root)
    where = root / "JPEGImages/more"
    assert str(refused.value).startswith(f"{where}: this folder cannot be listed: Permission den")


def test_lists_of_splits_are_no_sign_of_a_format(tmp_path: Path) -> None:
    assert Tree(touch(tmp_path, "ImageSets/Main/train.txt", "a.jpg")).endings == {".jpg"}


def test_each_folder_is_listed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Voc(tmp_path / "raw").held_back("4")
    asked: list[str] = []
    scandir = os.scandir

    def counted(path: str | Path = ".") -> object:
        asked.append(str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", counted)
    assert recognise(tmp_path).format == "voc"  # the folder above is looked at as well
    assert len(asked) == len(set(asked))
    assert {os.path.relpath(path, tmp_path / "raw") for path in asked if Path(path).is_dir()} == {
        "..", ".", "Annotations", "ImageSets", "ImageSets/Main", "JPEGImages"
    }  # fmt: skip


def test_others_are_not_loaded(tmp_path: Path) -> None:
    root = Voc(tmp_path / "raw").root
    code = f"""
import sys
from ssd_data import find
find({str(root)!r}).classes()
for name in sorted(sys.modules):
    if name == "yaml" or name.startswith("ssd_data.data.formats.") and name.endswith(".read"):
        print(name)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    names = ("annoset", "cvat", "folders", "voc")
    assert done.stdout.split() == [f"ssd_data.data.formats.{name}.read" for name in names]


WORDS = ["a", "train", "val", "labels", "images", "ImageSets", "Annotations", "label_2", "image_2"]
ENDINGS = [
    "jpg",
    "xml",
    "txt",
    "json",
    "csv",
    "tsv",
    "yaml",
    "data",
    "jsonl",
    "parquet",
    "manifest",
]
NAMES = [f"{word}.{ending}" for word in ("a", "train", "data", "label") for ending in ENDINGS]


@settings(max_examples=60, deadline=None)
@given(
    paths=st.lists(
        st.tuples(st.lists(st.sampled_from(WORDS), max_size=2), st.sampled_from(NAMES)),
        min_size=1,
        max_size=8,
    )
)
def test_no_format_is_passed_by(
    paths: list[tuple[list[str], str]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A folder whose names do not fit a format is not in it."""
    root = touch(tmp_path_factory.mktemp("raw"), *("/".join([*f, name]) for f, name in paths))
    tree = Tree(root)
    asked = dict(formats.formats_for(tree))
    for name, one in formats.all_formats():
        if name not in asked and one.recognise is not None:
            assert one.recognise(tree) is None, name


def test_a_data_set_below_folders_that_hold_nothing_else(tmp_path: Path) -> None:
    Voc(tmp_path / "x" / "VOCdevkit" / "VOC2007").held_back("4")
    (tmp_path / "x" / "README.md").touch()
    dataset = recognise(tmp_path / "x")
    assert (dataset.root, dataset.name) == (tmp_path / "x/VOCdevkit/VOC2007", "x")
    assert dataset.said[0] == "the data set is taken from VOCdevkit/VOC2007, inside x"
    Voc(tmp_path / "x" / "VOCdevkit" / "VOC2012")
    with pytest.raises(InputError, match=r"several data sets lie here: .*VOC2007, .*VOC2012"):
        recognise(tmp_path / "x")


def test_a_folder_beside_ends_the_search(tmp_path: Path) -> None:
    Voc(tmp_path / "x" / "a" / "VOC2007")
    touch(tmp_path, "x/b/notes.md")
    with pytest.raises(InputError, match="no known layout. Here is: a/, b/"):
        recognise(tmp_path / "x")


def test_a_folder_that_leads_to_itself(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "again").symlink_to(tmp_path / "x")
    (tmp_path / "x" / "a.jpg").write_bytes(jpeg())
    with pytest.raises(InputError, match="no known layout"):
        recognise(tmp_path / "x")
