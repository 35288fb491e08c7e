"""Links of a data set: those that leave it are refused, or followed on request; others are as if
what they lead to lay there. Each file and folder of a set in each format is replaced by one."""

import os
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support import everyformat
from support.trees import Voc

from ssd_data import BuildOptions, InputError, LabelMap, Tally, build, find, write_labelmap
from ssd_data.core.files.fences import HINT, keep_inside
from ssd_data.core.structures import Unreadable
from ssd_data.data.build.convert import make_records
from ssd_data.data.build.plan import plan
from ssd_data.data.dataset import Dataset
from ssd_data.data.find import from_list

Records = dict[str, list[tuple[bytes, bytes]]]
UNUSED = ("README.dataset.txt",)


class Watch:
    """Notes which files and folders are opened below a place."""

    def __init__(self) -> None:
        self.place = ""
        self.opened: list[str] = []
        sys.addaudithook(self)

    def __call__(self, event: str, args: tuple[Any, ...]) -> None:
        if not self.place or event not in ("open", "os.scandir", "os.listdir"):
            return
        if args and isinstance(args[0], str | bytes | os.PathLike):
            real = os.path.realpath(os.fsdecode(args[0]))
            if real == self.place or real.startswith(f"{self.place}/"):
                self.opened.append(real)


@pytest.fixture(scope="module")
def watch() -> Watch:
    return Watch()


def records(root: Path, **how: Any) -> Records:
    """All records of all splits of a folder as a build makes them."""
    return made_of(find(root, **how))


def made_of(found: Dataset) -> Records:
    made = plan(found, BuildOptions(shuffle=False), list(found.splits))
    read: Records = {}
    for split, scanned in made.scans().items():
        for one in scanned.failures:
            raise one.error
        read[split] = []
        for record in make_records(found.root, scanned.images, made.options, 1):
            if record.error is not None:
                raise record.error
            read[split].append((record.key, record.value))
    return read


def moved(root: Path, path: Path, store: Path | None = None) -> Path:
    """A new copy of a data set; one file or folder lies in ``store`` (else hidden in the data set
    itself), and a link to it in its place."""
    copy = root.parent / f"copy{len(list(root.parent.iterdir()))}"
    shutil.copytree(root, copy, symlinks=True)
    target = (store or copy / ".kept") / path.name
    shutil.rmtree(target.parent, ignore_errors=True)
    target.parent.mkdir()
    (copy / path).rename(target)
    (copy / path).symlink_to(target if store else os.path.relpath(target, (copy / path).parent))
    return copy


def every(root: Path) -> list[Path]:
    return sorted(path.relative_to(root) for path in root.rglob("*"))


@pytest.mark.parametrize("name", everyformat.MAKERS)
def test_each_file_and_folder_as_a_link(name: str, watch: Watch, tmp_path: Path) -> None:
    root = everyformat.make(name, tmp_path / "raw")
    expected = records(root)
    assert all(expected.values())
    assert len(expected) > 1
    for path in every(root):
        copy = moved(root, path, tmp_path / "away")
        watch.place, watch.opened = str(tmp_path / "away"), []
        try:
            if path.name in UNUSED:
                assert records(copy) == expected
            else:
                with pytest.raises(InputError, match="this link leaves the data set") as caught:
                    records(copy)
                assert caught.value.where == str(copy / path)
                assert caught.value.hint == HINT
        finally:
            watch.place = ""
        assert not watch.opened, path
        assert records(copy, follow_links=True) == expected


@pytest.mark.parametrize("name", everyformat.MAKERS)
def test_what_a_recipe_would_read(name: str, watch: Watch, tmp_path: Path) -> None:
    """Nothing is recognised: what is read alone has to refuse links."""
    root = everyformat.make(name, tmp_path / "raw")
    known = find(root)
    expected = made_of(known)
    for path in every(root):
        copy = moved(root, path, tmp_path / "away")
        watch.place, watch.opened = str(tmp_path / "away"), []
        keep_inside(copy)
        try:
            read = made_of(replace(known, root=copy))
        except InputError as error:
            read = str(error)
        finally:
            watch.place = ""
        assert read == expected or f"{copy / path}: this link leaves the data set" in read
        assert read != expected or not path.name.endswith((".jpg", "images"))
        assert not watch.opened, path


@pytest.mark.parametrize("name", everyformat.MAKERS)
def test_links_that_stay_inside(name: str, tmp_path: Path) -> None:
    root = everyformat.make(name, tmp_path / "raw")
    expected = records(root)
    (root / "loop").symlink_to(".")
    (root / "train").mkdir(exist_ok=True)
    (root / "train" / "loop").symlink_to("../train")
    (root / "circle").symlink_to("circle")
    assert records(root) == expected
    (root / "loop").unlink()
    for path in every(root):
        if not path.name.endswith(("loop", "circle")):
            assert records(moved(root, path)) == expected


def test_the_folder_that_is_named_may_be_a_link(tmp_path: Path) -> None:
    voc = Voc(tmp_path / "disk" / "voc")
    (tmp_path / "voc").symlink_to(voc.root)
    assert records(tmp_path / "voc")["trainval"] == records(voc.root)["trainval"]


def test_the_one_folder_inside(tmp_path: Path) -> None:
    voc = Voc(tmp_path / "all" / "voc")
    expected = records(voc.root)
    shutil.move(voc.root / "JPEGImages", tmp_path / "all" / ".pictures")
    (voc.root / "JPEGImages").symlink_to("../.pictures")  # leaves voc, not what is named
    assert records(tmp_path / "all") == expected
    with pytest.raises(InputError, match=r"voc/JPEGImages: this link leaves"):
        records(voc.root)
    shutil.move(tmp_path / "all" / "voc", tmp_path / "voc")
    (tmp_path / "all" / "voc").symlink_to(tmp_path / "voc")
    with pytest.raises(InputError, match=r"all/voc: this link leaves"):
        records(tmp_path / "all")


def test_the_folder_of_a_recipe(tmp_path: Path) -> None:
    recipe = tmp_path / "my.toml"
    source = '[splits.a]\nsources = [{ folder = "in", set = "trainval" }]'
    recipe.write_text(f'format = "voc"\nfolders = ["devkit"]\n{source}')
    voc = Voc(tmp_path / "disk" / "in")
    (tmp_path / "devkit").symlink_to(tmp_path / "disk")  # what a recipe finds by its name is named
    dataset = find(str(recipe), tmp_path)
    assert len(list(dataset.entries("a", Tally()))) == 3
    shutil.move(voc.root / "Annotations", tmp_path / "elsewhere")
    (voc.root / "Annotations").symlink_to(tmp_path / "elsewhere")
    (first, *_) = find(str(recipe), tmp_path).entries("a", Tally())
    assert isinstance(first, Unreadable)
    assert "in/Annotations: this link leaves" in str(first.error)
    (first, *_) = find(str(recipe), tmp_path, follow_links=True).entries("a", Tally())
    assert not isinstance(first, Unreadable)


def test_a_list_and_its_root(tmp_path: Path) -> None:
    voc = Voc(tmp_path / "raw")
    (tmp_path / "list.txt").write_text("JPEGImages/1.jpg Annotations/1.xml\n")
    voc.picture(1).rename(tmp_path / "away.jpg")
    voc.picture(1).symlink_to(tmp_path / "away.jpg")
    labelmap = tmp_path / "labelmap.prototxt"
    write_labelmap(LabelMap.from_names(["cat"]), labelmap)
    named = (tmp_path / "list.txt", voc.root, labelmap)
    with pytest.raises(InputError, match=r"raw/JPEGImages/1.jpg: this link leaves"):
        build(from_list(*named), tmp_path / "out")
    assert build(from_list(*named, follow_links=True), tmp_path / "out").built == ["list"]


def test_the_labelmap_and_our_own_links(tmp_path: Path, run: Any) -> None:
    voc = Voc(tmp_path / "raw")
    voc.held_back("t")
    again = ("build", voc.root, "-o", tmp_path / "out", "--link", voc.root)
    assert run(*again).status == 0
    assert (voc.root / "labelmap.prototxt").is_symlink()
    assert "up to date" in run(*again).out  # what the command names is no secret
    found = run("build", voc.root, "-o", tmp_path / "other")
    assert "raw/labelmap.prototxt: this link leaves the data set's folder" in found.err
    (voc.root / "labelmap.prototxt").unlink()
    assert run("build", voc.root, "-o", tmp_path / "other").status == 0  # with the links of LMDBs


def test_every_command_asks_and_follows(tmp_path: Path, run: Any) -> None:
    voc = Voc(tmp_path / "raw")
    voc.held_back("t")
    build(find(voc.root), tmp_path / "built")
    shutil.move(voc.root / "JPEGImages", tmp_path / "away")
    (voc.root / "JPEGImages").symlink_to(tmp_path / "away")
    for command in (
        ("build", voc.root, "-o", tmp_path / "out"),
        ("build", voc.root, "--dry-run"),
        ("check", voc.root),
        ("diff", tmp_path / "built", voc.root),
        ("labelmap", voc.root),
        ("labelmap", voc.root, "--check", tmp_path / "built" / "labelmap.prototxt"),
    ):
        refused = run(*command)
        assert refused.status == 1
        assert refused.err == (
            f"error: {voc.root}/JPEGImages: this link leaves the data set's folder: it leads to "
            f'"{tmp_path}/away"\n  {HINT}\n'
        )
        assert run(*command, "--follow-links").status == 0, command


def test_pictures_of_links_that_leave_are_left_out_on_request(voc_with_link: Voc) -> None:
    out = voc_with_link.root.parent / "out"
    with pytest.raises(InputError, match=r"nothing was built: 1 problem\n.*2.jpg: this link"):
        build(find(voc_with_link.root), out)
    made = build(find(voc_with_link.root), out, BuildOptions(missing="skip")).record
    (note,) = made.splits["trainval"].notes["picture left out (skipped)"].listed
    assert "2.jpg: this link leaves the data set's folder" in note


@pytest.fixture
def voc_with_link(tmp_path: Path) -> Voc:
    voc = Voc(tmp_path / "raw")
    voc.picture(2).unlink()
    voc.picture(2).symlink_to("/etc/hostname")
    return voc


def test_the_file_that_lists_the_pictures(tmp_path: Path) -> None:
    """Its folder is what is named, also where others above it might have been."""
    root = everyformat.make("yolo", tmp_path / "test" / "data")
    shutil.move(root / "images", tmp_path / "test" / "images")
    (root / "images").symlink_to("../images")
    with pytest.raises(InputError, match=r"data/images: this link leaves"):
        records(root / "data.yaml")
    assert len(records(root / "data.yaml", follow_links=True)) == 2
