"""Open Images' CSV files: which column is what, whose pictures, which are there."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import raw
from support.openimages_csv import CUP, HEADER, PLATE, names, pictures, row, write

from ssd_data import BuildOptions, InputError, LmdbReader, build, recognise
from ssd_data.core.structures import AnnotatedImage, Unreadable
from ssd_data.data import formats
from ssd_data.data.formats.tree import Tree

BOX = (0.125, 0.25, 0.5, 0.75)


def one(root: Path, *lines: str, header: str = HEADER) -> raw.Raw:
    """A set of the pictures a and b, with these rows."""
    pictures(root, "train/a.jpg", "train/b.jpg")
    names(root)
    write(root, "train-annotations-bbox.csv", [*lines, row("b", CUP, (0, 0, 1, 1))], header)
    return raw.read(root)


def test_columns_are_found_by_their_names(tmp_path: Path) -> None:
    found = one(tmp_path, row("a", CUP, BOX), row("a", PLATE, (0, 0, 1, 1), 1))
    a = [("Coffee cup", (0.12, 0.25, 0.5, 0.75), False), ("Plate, flat", (0, 0, 1, 1), True)]
    assert found.rows["train/a.jpg"] == a
    assert not found.notes
    entry = found.entries[0]
    assert isinstance(entry, AnnotatedImage)
    assert entry.boxes[0].tolist() == list(BOX)
    assert (entry.normalized, entry.upright, entry.width) == (True, False, None)
    assert entry.place(1) == "train-annotations-bbox.csv:3"


def test_other_orders_and_fewer_columns(tmp_path: Path) -> None:
    pictures(tmp_path, "train/a.jpg")
    header = "YMax,YMin,XMax,XMin,LabelName,ImageID"
    write(tmp_path, "train.csv", [f"0.75,0.25,0.5,0.125,{CUP},a", "", "  "], header)
    (entry,) = raw.read(tmp_path).entries
    assert isinstance(entry, AnnotatedImage)
    assert (entry.classes, entry.boxes.tolist()) == ((CUP,), [list(BOX)])


@pytest.mark.parametrize(("delimiter", "encoding"), [(";", "utf-8-sig"), ("\t", "utf-16")])
def test_what_spreadsheets_save(delimiter: str, encoding: str, tmp_path: Path) -> None:
    pictures(tmp_path, "train/a.jpg")
    text = "\r\n".join([HEADER, row("a", CUP, BOX)]).replace(",", delimiter)
    (tmp_path / "train.csv").write_bytes(text.encode(encoding))
    assert recognise(tmp_path).format == "openimages"
    assert len(raw.read(tmp_path).rows["train/a.jpg"]) == 1


def test_the_built_record_has_the_pixels_of_the_fractions(tmp_path: Path) -> None:
    one(tmp_path, row("a", CUP, BOX), row("a", PLATE, BOX))
    made = build(recognise(tmp_path), tmp_path / "out", BuildOptions(shuffle=False))
    with LmdbReader(next((tmp_path / "out").glob("*_lmdb"))) as records:
        record = records[0]
        assert (record.boxes[0] * [160, 120, 160, 120]).tolist() == [20, 30, 80, 90]
    assert made.manifest["splits"]["train"]["boxes"] == 3


@pytest.mark.parametrize(
    ("group", "hard", "note"),
    [
        (1, True, None),
        ("1.0", True, None),
        (0, False, None),
        ("", False, None),
        (-1, False, "IsGroupOf unknown (-1, taken as no)"),
    ],
)
def test_a_group_is_difficult_and_unknown_is_not(
    group: Any, hard: bool, note: str | None, tmp_path: Path
) -> None:
    found = one(tmp_path, row("a", CUP, BOX, group))
    assert [difficult for _, _, difficult in found.rows["train/a.jpg"]] == [hard]
    assert found.notes == ({note: ["train-annotations-bbox.csv:2"]} if note else {})


def test_confidence_other_than_1(tmp_path: Path) -> None:
    rest = (row("a", PLATE, BOX, sure=value) for value in (0.5, ""))
    found = one(tmp_path, row("a", CUP, BOX, sure=0), *rest)
    assert [name for name, _, _ in found.rows["train/a.jpg"]] == ["Plate, flat"] * 2
    assert [kind.partition(" (")[0] for kind in found.notes] == [
        "row of Confidence 0, where no object is",
        "row with a Confidence below 1",
    ]


def test_rows_of_one_picture_may_be_apart_and_others_pictures_absent(tmp_path: Path) -> None:
    lines = [row("b", PLATE, BOX), row("gone", CUP, BOX), row("a", CUP, BOX), row("gone", CUP, BOX)]
    found = one(tmp_path, *lines)
    assert list(found.rows) == ["train/b.jpg", "train/a.jpg"]  # as they come in the CSV
    assert [name for name, _, _ in found.rows["train/b.jpg"]] == ["Plate, flat", "Coffee cup"]
    assert found.notes == {"picture of the CSV that is not here (left out)": ["gone"]}


@pytest.mark.parametrize(
    ("file", "header"),
    [
        ("class-descriptions-boxable.csv", ""),
        ("oidv7-class-descriptions.csv", "LabelName,DisplayName"),
        ("metadata/classes.csv", ""),
        ("annotations/class-descriptions.csv", ""),
    ],
)
def test_names_of_classes_with_and_without_a_header(file: str, header: str, tmp_path: Path) -> None:
    pictures(tmp_path, "train/a.jpg")
    names(tmp_path, file, header)
    write(tmp_path, "train-annotations-bbox.csv", [row("a", CUP, BOX), row("a", "/m/x", BOX)])
    found = raw.read(tmp_path)
    assert [name for name, _, _ in found.rows["train/a.jpg"]] == ["Coffee cup", "/m/x"]
    assert found.notes == {"class without a description (its code is its name)": ["/m/x"]}
    assert [item.name for item in recognise(tmp_path).classes()][1:] == ["/m/x", "Coffee cup"]


def test_codes_that_share_a_name_are_told_apart(tmp_path: Path) -> None:
    pictures(tmp_path, "train/a.jpg")
    write(tmp_path, "class-descriptions.csv", ["/m/1,Bat", "/m/2,Bat", "/m/3,Ball"], "")
    write(tmp_path, "train.csv", [row("a", f"/m/{i}", BOX) for i in (1, 2, 3)])
    rows = raw.read(tmp_path).rows["train/a.jpg"]
    assert [name for name, _, _ in rows] == ["Bat (/m/1)", "Bat (/m/2)", "Ball"]


LAYOUTS = {
    "official": ("{}-annotations-bbox.csv", "{}/{}.jpg"),
    "v6": ("oidv6-{}-annotations-bbox.csv", "images/{}/{}.jpg"),
    "datumaro": ("annotations/{}-annotations-bbox.csv", "images/{}/{}.jpg"),
    "fiftyone": ("{}/labels/detections.csv", "{0}/data/{1}.jpg"),
    "challenge": ("challenge-2019-{}-detection-bbox.csv", "{}/{}.jpg"),
    "toolkit": ("csv/{}-annotations-bbox.csv", "{}/Coffee cup/{}.jpg"),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts(layout: str, tmp_path: Path) -> None:
    file, picture = LAYOUTS[layout]
    for split in ("train", "validation", "test"):
        image = {"train": "a", "validation": "b", "test": "c"}[split]
        pictures(tmp_path, picture.format(split, image))
        write(tmp_path, file.format(split), [row(image, CUP, BOX)])
    dataset = recognise(tmp_path)
    assert dataset.format == "openimages"
    assert dataset.links == {"trainval_lmdb": "train", "test_lmdb": "test"}
    for split, image in (("train", "a"), ("validation", "b"), ("test", "c")):
        found = raw.read(tmp_path, split)
        assert list(found.rows) == [picture.format(split, image)]
        assert not found.notes


def test_one_folder_of_all_splits_pictures(tmp_path: Path) -> None:
    pictures(tmp_path, "images/a.jpg", "images/b.jpg", "images/c.jpg")
    write(tmp_path, "train-annotations-bbox.csv", [row("a", CUP, BOX)])
    write(tmp_path, "test-annotations-bbox.csv", [row("b", CUP, BOX)])
    assert "no file names are left out" in recognise(tmp_path).said[0]
    assert list(raw.read(tmp_path, "train").rows) == ["images/a.jpg"]
    assert not raw.read(tmp_path, "train").errors


def test_one_csv_with_pictures_in_folders_of_splits(tmp_path: Path) -> None:
    pictures(tmp_path, "images/train/a.jpg", "images/val/b.jpg")
    write(tmp_path, "boxes.csv", [row("a", CUP, BOX), row("b", PLATE, BOX), row("c", CUP, BOX)])
    assert set(recognise(tmp_path).splits) == {"train", "val"}
    found = raw.read(tmp_path, "val")
    assert list(found.rows) == ["images/val/b.jpg"]
    assert found.notes == {"picture of the CSV that is not here (left out)": ["c"]}
    pictures(tmp_path, "images/c.jpg")
    kind = "picture that lies in no split's folder (left out)"
    assert raw.read(tmp_path, "train").notes == {kind: ["images/c.jpg"]}


def test_one_csv_without_splits_is_drawn(tmp_path: Path) -> None:
    pictures(tmp_path, *(f"data/{i}.jpg" for i in range(10)))
    write(tmp_path, "labels/detections.csv", [row(str(i), CUP, BOX) for i in range(10)])
    assert "no split is stated" in recognise(tmp_path).said[0]
    counts = [len(raw.read(tmp_path, split).rows) for split in ("trainval", "test")]
    assert counts == [8, 2]


def test_pictures_without_a_row_are_as_asked(tmp_path: Path) -> None:
    pictures(tmp_path, "train/c.jpg")
    found = one(tmp_path, row("a", CUP, BOX))
    (left,) = [entry for entry in found.entries if isinstance(entry, Unreadable)]
    assert (left.image, left.unannotated) == ("train/c.jpg", True)
    assert "no row is of the picture train/c.jpg" in str(left.error)


def test_copies_of_a_picture_are_counted(tmp_path: Path) -> None:
    pictures(tmp_path, "train/Cup/a.jpg", "train/Plate/a.jpg", "train/Plate/b.jpg")
    write(tmp_path, "train-annotations-bbox.csv", [row("a", CUP, BOX), row("b", CUP, BOX)])
    found = raw.read(tmp_path)
    assert list(found.rows) == ["train/Cup/a.jpg", "train/Plate/b.jpg"]
    assert not found.errors
    kind = "picture that is there more than once (the first is taken)"
    assert found.notes == {kind: ["train/Cup/a.jpg: train/Plate/a.jpg"]}


def test_ids_with_folders_and_endings(tmp_path: Path) -> None:
    pictures(tmp_path, "train/x/a.jpg", "train/y/b.jpg")
    write(tmp_path, "train.csv", [row("x/a", CUP, BOX), row("b.jpg", CUP, BOX)])
    assert list(raw.read(tmp_path).rows) == ["train/x/a.jpg", "train/y/b.jpg"]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (row("a", CUP, (20, 30, 80, 90)), ':2: xmin is "20", not a fraction .*\n.*divide'),
        ("a,xclick,/m/0cup1,1,0.5", ":2: a row of 5 values, where the header has at least 13"),
        ("a" * 300_000, "not CSV: field larger than field limit"),
        ("a" * 2_000_000, "train-annotations-bbox.csv:2: a line of more than 1,048,576 char"),
        ("a\x00b,\xff", "train-annotations-bbox.csv:2: a NUL byte"),
    ],
)  # fmt: skip
def test_files_that_are_refused(line: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        one(tmp_path, line)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (row("a", CUP, BOX, group="many"), ':2: IsGroupOf is "many"'),
        (row("a", "", BOX), ":2: no LabelName"),
        (row("a", CUP, (0.1, float("nan"), 1, 1)), ':2: ymin is "nan", not a number'),
        (row("a", CUP, BOX).replace("0.125", "0_1"), ':2: xmin is "0_1", not a number'),
    ],
)
def test_a_broken_row_is_its_pictures(line: str, message: str, tmp_path: Path) -> None:
    found = one(tmp_path, line)
    assert message in found.errors[0]
    assert list(found.rows) == ["train/b.jpg"]


def test_two_files_of_one_split_are_refused(tmp_path: Path) -> None:
    for name in ("train-annotations-bbox.csv", "oidv6-train-annotations-bbox.csv"):
        write(tmp_path, name, [row("a", CUP, BOX)])
    with pytest.raises(InputError, match="are of one split"):
        recognise(tmp_path)


def test_none_of_the_pictures_is_here(tmp_path: Path) -> None:
    pictures(tmp_path, "train/z.jpg")
    write(tmp_path, "train-annotations-bbox.csv", [row("a", CUP, BOX)])
    with pytest.raises(InputError, match="none of its pictures is here\n.*train, as <ImageID>"):
        raw.read(tmp_path)


@pytest.mark.parametrize(
    "header",
    [
        "ImageID,LabelName1,LabelName2,XMin1,XMax1,YMin1,YMax1",
        "MaskPath,ImageID,LabelName,BoxID,BoxXMin,BoxXMax,BoxYMin,BoxYMax,PredictedIoU",
        "ImageID,Source,LabelName,Confidence",
        "filename,width,height,class,xmin,ymin,xmax,ymax",
        "",
    ],
)
def test_other_csv_files_are_not_claimed(header: str, tmp_path: Path) -> None:
    pictures(tmp_path, "train/a.jpg")
    write(tmp_path, "train.csv", ["a,b,c,d"], header)
    assert formats.load("openimages").recognise(Tree(tmp_path)) is None  # type: ignore[misc]


@given(
    rows=st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 99), st.booleans()), max_size=30)
)
@settings(deadline=None, max_examples=40)
def test_any_order_of_rows_gives_each_picture_its_own(
    rows: list[tuple[str, int, bool]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    root = tmp_path_factory.mktemp("set")
    lines = [row(image, CUP, (n / 128, 0, 1, 1), int(group)) for image, n, group in rows]
    found = one(root, *lines)
    for image in "ab":
        expected = [(n / 128, group) for name, n, group in rows if name == image]
        expected += [(0.0, False)] if image == "b" else []
        entry = next((e for e in found.entries if e.image == f"train/{image}.jpg"), None)
        assert isinstance(entry, AnnotatedImage if expected else Unreadable)
        if isinstance(entry, AnnotatedImage):
            xmins = entry.boxes[:, 0].tolist()
            assert list(zip(xmins, entry.difficult.tolist(), strict=True)) == expected
