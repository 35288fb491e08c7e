"""Text files of pixels, and all that looks like them: scores, KITTI's columns, YOLO's fractions."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.exports import write
from support.trees import jpeg, xml

from ssd_data import InputError, build, find, from_list, recognise
from ssd_data.core.notes import Tally
from ssd_data.core.structures import AnnotatedImage, Unreadable
from ssd_data.data.formats import annotation_files

TXT = annotation_files()[".txt"]


def read(text: str, folder: Path) -> AnnotatedImage:
    (folder / "1.txt").write_text(text, "utf-8", newline="")
    return TXT.read(folder / "1.txt", "1.jpg", "1.txt", Tally())


@pytest.mark.parametrize(
    ("line", "label"),
    [
        ("cup 20 30 80 90", "cup"),
        ("alarm clock 20 30 80 90", "alarm clock"),
        ("cup\t20\t30\t80\t90\t", "cup"),
        ("3 20 30 80 90", 3),
        ("0 20 30 80 90", 0),
        ("3.0 20 30 80 90", 3),
        ("1.000e+00 2.0e+01 3.0e+01 8.0e+01 9.0e+01", 1),
        ("-1 20 30 80 90", -1),
        ("cup_2 20.0 30 80 90", "cup_2"),
        ("2nd 20 30 80 90", "2nd"),
        ("café 20 30 80 90", "café"),
    ],
)
def test_lines(line: str, label: str | int, tmp_path: Path) -> None:
    entry = read(f"\ufeff{line}\r\n\n", tmp_path)
    assert (entry.classes, entry.boxes.tolist()) == ((label,), [[20, 30, 80, 90]])
    assert (entry.places, entry.width) == ((1,), None)


def test_line_ends_and_nothing(tmp_path: Path) -> None:
    assert read("cat 1 2 3 4\rdog 5 6 7 8\r", tmp_path).classes == ("cat", "dog")
    assert read("", tmp_path).classes == ()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("cup 0.91 20 30 80 90", '"0.91" stands between class and box, as a score does'),
        ("cup 1.0 20 30 80 90", '"1.0" stands between'),
        ("cup -1 20 30 80 90", '"-1" stands between'),
        ("cup 1e-3 20 30 80 90", '"1e-3" stands between'),
        ("alarm clock 0.5 20 30 80 90", '"0.5" stands between'),
        ("cup 20 30 80 90 0", "has a column before or behind the box"),
        ("cup 20 30 80 90 1", "has a column before or behind the box"),
        ("cup 20 30 80 90 0.91", "has a column before or behind"),
        ("cup 20 30 80 90 1 7", "6 numbers stand behind the class"),
        ("0 0.91 20 30 80 90", "6 numbers stand here, not label"),
        ("1 20 30 80 90 0", "6 numbers stand here, not label"),
        ("0.91 20 30 80 90", '"0.91" stands where a label is expected'),
        ("1e12 20 30 80 90", '"1e12" stands where a label is expected'),
        ("Car 0.00 0 -1.58 20 30 80 90 1 2 3 4 5 6 7", "15 columns as in KITTI's"),
        ("hand 0 0 0 21 30 80 90 0 0 0 0 0 0 0 0", "16 columns as in KITTI's"),
        ("Car 0.00 0 -1.58 20 30 80 90", "7 numbers stand behind the class"),
        ("20 30 80 90 cup", "is not label xmin ymin xmax ymax"),
        ("20 30 80 90", "is not label xmin ymin xmax ymax"),
        ("cup,20,30,80,90", "is not label xmin ymin xmax ymax"),
        ("7", "is not label xmin ymin xmax ymax"),
        ("cup 20 30 80 nan", "is not label xmin ymin xmax ymax"),
        ("0 0.5 0.5 0.25 0.25", "fractions, as in YOLO's files"),
        ("cup 0 0 0.5 1", "fractions, as in YOLO's files"),
    ],
)
def test_what_looks_alike_is_refused(line: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"1\.txt(:2)?: .*") as caught:
        read(f"\n{line}\n", tmp_path)
    assert message in str(caught.value)


@given(lines=st.lists(st.text("cup .0129-e \t", max_size=12), max_size=4))
def test_no_number_ends_up_in_a_name_unseen(lines: list[str], tmp_path_factory) -> None:  # type: ignore[no-untyped-def]
    try:
        entry = read("\n".join(lines), tmp_path_factory.mktemp("txt"))
    except InputError:
        return
    for label in entry.classes:
        *_, last = str(label).split(" ")
        assert isinstance(label, int) or last.isdecimal() or not last.lstrip("-").isdecimal()
        assert isinstance(label, int) or "." not in last or not last.replace(".", "").isdecimal()


def folder(root: Path, *lines: str) -> Path:
    for index, line in enumerate(lines):
        write(root, f"images/{index}.jpg labels/{index}.txt", **{str(index): f"{line}\n"})
    return root


def classes(root: Path) -> list[str]:
    dataset = recognise(root)
    return sorted(
        str(label)
        for split in dataset.splits
        for entry in dataset.entries(split, Tally())
        if not isinstance(entry, Unreadable)
        for label in entry.classes
    )


def test_a_number_in_the_name_of_one_class(tmp_path: Path) -> None:
    root = folder(tmp_path, "boeing 737 20 30 80 90", "cup 20 30 80 90", "boeing 7 2 30 80 90")
    assert classes(root) == ["boeing 7", "boeing 737", "cup"]


@pytest.mark.parametrize(
    "lines",
    [
        ("cup 1 20 30 80 90", "cup 2 20 30 80 90"),
        ("cup 20 30 80 90 300", "plate 20 30 80 90 301"),  # a track's number behind the box
        ("boeing 737 20 30 80 90",),
    ],
)
def test_a_number_in_all_lines(lines: tuple[str, ...], tmp_path: Path) -> None:
    root = folder(tmp_path, *lines)
    with pytest.raises(
        InputError, match=r"labels/0.txt:1: a number stands behind the class in all"
    ):
        classes(root)
    with pytest.raises(InputError, match="a number stands behind the class in all"):
        build(find(root), tmp_path / "out")


def test_one_tiny_box_is_no_fraction(tmp_path: Path) -> None:
    assert classes(folder(tmp_path / "a", "cup 0 0 1 1", "cup 20 30 80 90")) == ["cup", "cup"]
    with pytest.raises(InputError, match="labels/0.txt: the boxes are fractions, as in YOLO's"):
        classes(folder(tmp_path / "b", "cup 0 0 1 1", "0 0 0 1 1"))


def test_labels_from_0(tmp_path: Path) -> None:
    root = folder(tmp_path / "raw", *[f"{i % 2} 20 30 40 45" for i in range(5)])
    with pytest.raises(InputError, match=r"counted from 0[\s\S]*--map 0=NAME --map 1=NAME"):
        build(find(root), tmp_path / "out")
    named = find(root).with_map({"0": "cup", "1": "plate"})
    assert build(named, tmp_path / "out").manifest["splits"]["trainval"]["boxes"] == 4


# The same files in the lists of create_annoset.py


def listed(root: Path, text: str) -> list[str]:
    (root / "list.txt").write_text(text)
    dataset = from_list(root / "list.txt", root, root / "labelmap.prototxt")
    entries = list(dataset.entries("list", Tally()))
    for entry in entries:
        if isinstance(entry, Unreadable):
            raise entry.error
    return [f"{entry.image} {entry.annotation}" for entry in entries]


@pytest.mark.parametrize(
    "line",
    [
        "pics/a.jpg boxes/a.xml",
        "{root}/pics/a.jpg {root}/boxes/a.xml",
        "{root}//pics/a.jpg boxes/a.xml",
        "pics\\a.jpg boxes\\a.xml",
        "pics/a.jpg\t{root}/boxes/a.xml",
    ],
)
def test_paths_of_a_list(line: str, tmp_path: Path) -> None:
    root = write(tmp_path / "my set", "pics/a.jpg boxes/a.xml")
    separated = line.replace(" ", "\t").format(root=root)
    assert listed(root, separated) == ["pics/a.jpg boxes/a.xml"]
    link = tmp_path / "link"
    link.symlink_to(root)
    assert listed(link, separated) == ["pics/a.jpg boxes/a.xml"]


def test_paths_elsewhere_are_refused(tmp_path: Path) -> None:
    root = write(tmp_path / "set", "a.jpg a.xml")
    (tmp_path / "set2").mkdir()
    (tmp_path / "set2/a.jpg").write_bytes(jpeg())
    (tmp_path / "set2/a.xml").write_text(xml())
    with pytest.raises(InputError, match='set2/a.jpg" is not a path below the root\n  The root is'):
        listed(root, f"{tmp_path}/set2/a.jpg a.xml")
    with pytest.raises(InputError, match="leaves the root"):
        listed(root, f"{root}/../set2/a.jpg a.xml")


def test_txt_files_of_a_list_are_judged_together(tmp_path: Path) -> None:
    root = write(tmp_path, "a.jpg a.txt b.jpg b.txt", a="cup 1 2 3 40 50", b="cup 2 2 3 40 50")
    with pytest.raises(InputError, match="a.txt:1: a number stands behind the class in all lines"):
        listed(root, "a.jpg a.txt\nb.jpg b.txt\n")
