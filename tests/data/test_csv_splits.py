"""CSV files of boxes: their splits, their pictures, and the CSV files that are none."""

import csv
import io
import string
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import raw
from support.openimages_csv import pictures
from support.trees import Voc

from ssd_data import InputError, build, recognise
from ssd_data.core.structures import AnnotatedImage
from ssd_data.data.layout import find_layout

HEAD = "filename,width,height,class,xmin,ymin,xmax,ymax"
DRAWN = "no split is stated"


def row(picture: str, split: str = "") -> str:
    return f"{picture},160,120,cup,10,20,50,90" + (f",{split}" if split else "")


def write(root: Path, name: str, *lines: str) -> Path:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines), "utf-8")
    return path


def members(root: Path) -> dict[str, list[str]]:
    """The pictures of each split."""
    return {s: [e.image for e in raw.read(root, s).entries] for s in recognise(root).splits}


# Splits


@pytest.mark.parametrize(
    ("names", "splits"),
    [
        (("train_labels.csv", "test_labels.csv"), ["train", "test"]),
        (("data/Train.csv", "data/Validation.csv"), ["Train", "Validation"]),
        (("annotations/train/boxes.csv", "annotations/dev/boxes.csv"), ["train", "dev"]),
    ],
)
def test_files_are_splits(names: tuple[str, str], splits: list[str], tmp_path: Path) -> None:
    pictures(tmp_path, *(f"images/{letter}.jpg" for letter in "abcd"))
    write(tmp_path, names[0], HEAD, row("a.jpg"), row("b.jpg"))
    write(tmp_path, names[1], HEAD, row("c.jpg"))
    dataset = recognise(tmp_path)
    assert dataset.links == {"trainval_lmdb": splits[0], "test_lmdb": splits[1]}
    assert dataset.splits[splits[0]].shuffle
    assert not dataset.splits[splits[1]].shuffle
    assert members(tmp_path) == {
        splits[0]: ["images/a.jpg", "images/b.jpg"],
        splits[1]: ["images/c.jpg"],
    }
    assert dataset.said == (
        "the splits' pictures lie in one folder: those that no file names are left out",
    )
    left = {"picture that no row names (left out)": ["images/d.jpg"]}
    assert [raw.read(tmp_path, split).notes for split in splits] == [left, {}]


def test_roboflow_has_a_csv_in_each_folder(tmp_path: Path) -> None:
    """Pictures of one name in two folders are two; one without a row has no annotation."""
    pictures(tmp_path, *(f"{split}/{name}.jpg" for split in ("train", "valid") for name in "ab"))
    write(tmp_path, "train/_annotations.csv", HEAD, row("a.jpg"), row("b.jpg"))
    write(tmp_path, "valid/_annotations.csv", HEAD, row("a.jpg"))
    assert members(tmp_path) == {
        "train": ["train/a.jpg", "train/b.jpg"],
        "valid": ["valid/a.jpg", "valid/b.jpg"],
    }
    assert raw.read(tmp_path, "valid").errors == [
        "valid/_annotations.csv: no row is of the picture valid/b.jpg"
    ]
    write(tmp_path, "valid/_annotations.csv", HEAD, row("c.jpg"), row("a.jpg"))
    pictures(tmp_path, "train/c.jpg")  # a split's folder lends nothing from another's
    assert (
        'valid/_annotations.csv:2: the picture "c.jpg" is not here'
        in raw.read(tmp_path, "valid").errors
    )


def test_a_file_of_all_beside_the_splits_is_left_out(tmp_path: Path) -> None:
    """As in the raccoon data set, whence many copy."""
    pictures(tmp_path, "images/a.jpg", "images/b.jpg")
    write(tmp_path, "data/raccoon_labels.csv", HEAD, row("a.jpg"), row("b.jpg"))
    write(tmp_path, "data/train_labels.csv", HEAD, row("a.jpg"))
    write(tmp_path, "data/test_labels.csv", HEAD, row("b.jpg"))
    assert members(tmp_path) == {"test": ["images/b.jpg"], "train": ["images/a.jpg"]}
    assert recognise(tmp_path).said[0] == "data/raccoon_labels.csv names no split: it is left out"


def test_one_file_beside_a_test_split_is_for_training(tmp_path: Path) -> None:
    pictures(tmp_path, "images/a.jpg", "images/b.jpg")
    write(tmp_path, "labels.csv", HEAD, row("a.jpg"))
    write(tmp_path, "test_labels.csv", HEAD, row("b.jpg"))
    assert members(tmp_path) == {"trainval": ["images/a.jpg"], "test": ["images/b.jpg"]}
    assert recognise(tmp_path).said[0] == "labels.csv names no split: it is taken as trainval"


def test_files_that_contradict_each_other(tmp_path: Path) -> None:
    pictures(tmp_path, "images/a.jpg", "images/b.jpg")
    write(tmp_path, "one.csv", HEAD, row("a.jpg"))
    write(tmp_path, "two.csv", HEAD, row("b.jpg"))
    with pytest.raises(
        InputError, match="2 CSV files of boxes .* none says its split: one.csv, two"
    ):
        recognise(tmp_path)
    (tmp_path / "one.csv").rename(tmp_path / "train.csv")
    (tmp_path / "two.csv").rename(tmp_path / "training_2.csv")
    with pytest.raises(InputError, match='"train.csv" and "training_2.csv" are of one split'):
        recognise(tmp_path)


def test_files_that_share_a_picture(tmp_path: Path) -> None:
    pictures(tmp_path, "images/a.jpg", "images/b.jpg")
    write(tmp_path, "train.csv", HEAD, row("a.jpg"), row("b.jpg"))
    write(tmp_path, "test.csv", HEAD, row("images/b.jpg"))
    with pytest.raises(
        InputError, match='"images/b.jpg" is in "t[a-z]*" and in "t[a-z]*"'
    ) as error:
        build(recognise(tmp_path), tmp_path / "out")
    assert "tested with what it was trained on" in error.value.hint
    build(recognise(tmp_path), tmp_path / "out", splits=["train"])


@pytest.mark.parametrize("column", ["split", "Set", "ml_use", "usage", "data_split"])
def test_a_column_is_the_splits(column: str, tmp_path: Path) -> None:
    pictures(tmp_path, *(f"images/{letter}.jpg" for letter in "abcdef"))
    words = {"a": "Train", "b": "valid", "c": "TEST", "d": "training", "e": ""}
    rows = [row(f"{name}.jpg") + f",{word}" for name, word in words.items()]
    write(tmp_path, "boxes.csv", f"{HEAD},{column}", *rows)
    assert members(tmp_path) == {
        "train": ["images/a.jpg", "images/d.jpg"],
        "valid": ["images/b.jpg"],
        "TEST": ["images/c.jpg"],
        "unassigned": ["images/e.jpg"],
    }
    assert recognise(tmp_path).said == (
        "Train and training are one split, train",
        'pictures that no split is stated for are the split "unassigned"',
    )
    assert raw.read(tmp_path, "train").notes["picture that no row names (left out)"] == [
        "images/f.jpg"
    ]
    assert not raw.read(tmp_path, "TEST").notes


def test_a_column_of_flags(tmp_path: Path) -> None:
    pictures(tmp_path, "images/a.jpg", "images/b.jpg")
    write(tmp_path, "cars.csv", f"{HEAD},is_test", row("a.jpg", "0"), row("b.jpg", "1"))
    assert members(tmp_path) == {"train": ["images/a.jpg"], "test": ["images/b.jpg"]}


def test_a_column_that_is_no_split(tmp_path: Path) -> None:
    pictures(tmp_path, *(f"images/{i}.jpg" for i in range(10)))
    write(tmp_path, "boxes.csv", f"{HEAD},fold", *(row(f"{i}.jpg", str(i % 5)) for i in range(10)))
    assert {split: len(names) for split, names in members(tmp_path).items()} == {
        "trainval": 8,
        "test": 2,
    }
    said = recognise(tmp_path).said
    assert said[0] == 'the column "fold" holds no names of splits: it is not used'
    assert said[1].startswith(DRAWN)


def test_a_column_against_the_names_of_the_files(tmp_path: Path) -> None:
    pictures(tmp_path, "images/a.jpg", "images/b.jpg")
    write(tmp_path, "train.csv", f"{HEAD},split", row("a.jpg", "train"))
    write(tmp_path, "val.csv", f"{HEAD},split", row("b.jpg", "val"))
    assert list(recognise(tmp_path).splits) == ["train", "val"]
    write(tmp_path, "val.csv", f"{HEAD},split", row("b.jpg", "train"))
    with pytest.raises(InputError, match='its name says "val", its column of splits "train"'):
        recognise(tmp_path)


@pytest.mark.parametrize("place", ["", "images/"])
@pytest.mark.parametrize("named", ["", "{split}/"])
def test_folders_of_pictures_are_splits(place: str, named: str, tmp_path: Path) -> None:
    where = {"a": "train", "b": "train", "c": "val"}
    pictures(tmp_path, *(f"{place}{split}/{name}.jpg" for name, split in where.items()))
    rows = [row(named.format(split=split) + f"{name}.jpg") for name, split in where.items()]
    write(tmp_path, "boxes.csv", HEAD, *rows)
    assert members(tmp_path) == {
        "train": [f"{place}train/a.jpg", f"{place}train/b.jpg"],
        "val": [f"{place}val/c.jpg"],
    }
    assert recognise(tmp_path).said == (f"the splits are the folders {place}train, {place}val",)


def test_pictures_of_no_splits_folder_are_counted(tmp_path: Path) -> None:
    where = ("train/a", "train/b", "val/c", "extra/d")
    pictures(tmp_path, *(f"images/{name}.jpg" for name in where))
    write(tmp_path, "boxes.csv", HEAD, *(row(f"{name}.jpg") for name in where))
    found = raw.read(tmp_path, "train")
    assert found.notes["picture that lies in no split's folder (left out)"] == [
        "images/extra/d.jpg"
    ]
    assert not raw.read(tmp_path, "val").notes


def test_shares_are_drawn_and_said(tmp_path: Path) -> None:
    pictures(tmp_path, *(f"images/{i}.jpg" for i in range(10)))
    write(tmp_path, "boxes.csv", HEAD, *(row(f"{i}.jpg") for i in range(10)))
    found = members(tmp_path)
    assert {split: len(names) for split, names in found.items()} == {"trainval": 8, "test": 2}
    assert not set(found["trainval"]) & set(found["test"])
    assert recognise(tmp_path).said[0].startswith(DRAWN)
    write(tmp_path, "train.txt", *map(str, range(7)))
    write(tmp_path, "val.txt", "7", "8")
    assert {split: len(names) for split, names in members(tmp_path).items()} == {
        "train": 7,
        "val": 2,
    }


# Pictures


@pytest.mark.parametrize(
    ("picture", "cell", "how"),
    [
        ("images/a.jpg", "images/a.jpg", ""),
        ("images/a.jpg", "a.jpg", ""),
        ("images/a.jpg", "a", ""),
        ("images/sub/a.jpg", "sub/a.jpg", ""),
        ("images/sub/a.jpg", r"sub\a.jpg", ""),
        ("data/pics/a.jpg", "pics/a.jpg", ""),  # beside the CSV
        ("images/a.jpg", r"C:\photos\images\a.jpg", "by the end of its path"),
        ("images/a.jpg", "/home/u/a.jpg", "by the end of its path"),
        ("images/a.jpg", "gs://bucket/x/a.jpg", "by the end of its path"),
        ("images/a b.jpg", "images/a%20b.jpg", "unquoted"),
        ("images/clip.mp4#t=5.jpg", "clip.mp4#t=5.jpg", ""),
    ],
)
def test_how_cells_name_pictures(picture: str, cell: str, how: str, tmp_path: Path) -> None:
    pictures(tmp_path, picture)
    write(tmp_path, "data/train.csv", HEAD, row(cell))
    found = raw.read(tmp_path)
    assert list(found.rows) == [picture]
    assert found.notes == ({f"picture found {how}": [f"data/train.csv:2: {cell}"]} if how else {})


def test_one_picture_by_two_names(tmp_path: Path) -> None:
    pictures(tmp_path, "images/a.jpg")
    write(tmp_path, "train.csv", HEAD, row("a.jpg"), "images/a.jpg,160,120,cup,1,2,3,4")
    found = raw.read(tmp_path)
    assert found.rows == {
        "images/a.jpg": [("cup", (10, 20, 50, 90), False), ("cup", (1, 2, 3, 4), False)]
    }


def test_pictures_that_are_not_here_or_are_two(tmp_path: Path) -> None:
    pictures(tmp_path, "images/x/a.jpg", "images/y/a.jpg", "images/b.jpg")
    write(
        tmp_path, "train.csv", HEAD, row("a.jpg"), row("b.jpg"), row("../../etc/c.jpg"), row("/b")
    )
    found = raw.read(tmp_path)
    assert list(found.rows) == ["images/b.jpg"]
    assert found.errors[0].startswith('train.csv:2: "a.jpg" may be 2 pictures: images/x/a.jpg, ')
    assert found.errors[1] == 'train.csv:4: the picture "../../etc/c.jpg" is not here'
    write(tmp_path, "train.csv", HEAD, row("c.jpg"), row("d.jpg"))
    with pytest.raises(InputError, match="train.csv: none of its pictures is here"):
        raw.read(tmp_path)


def test_a_row_of_no_picture(tmp_path: Path) -> None:
    pictures(tmp_path, "images/a.jpg")
    write(tmp_path, "train.csv", HEAD, row("a.jpg"), row(""))
    with pytest.raises(InputError, match="train.csv:3: the row names no picture"):
        raw.read(tmp_path)


# Other CSV files


@pytest.mark.parametrize(
    ("lines", "what"),
    [
        (["filename,label", "a.jpg,cup"], "a classification CSV"),
        (["TRAIN,gs://b/a.jpg,cup"], "a classification CSV"),
        (
            ["filename,file_size,file_attributes,region_shape_attributes", "a.jpg,1,{},{}"],
            "VGG Image Annotator's CSV",
        ),
        (["ID,Labeled Data,Label", "1,a.jpg,{}"], "Labelbox's CSV"),
        (["ImageId,EncodedPixels", "a.jpg,1 2 3 4"], "masks"),
        (["image_id,PredictionString", "a.jpg,1 0 0 5 5"], "a submission's predictions"),
        (["a.jpg,cup,1,2,3,4"], "the first line does not name the columns"),
        (["bild,x_links,y_oben", "a.jpg,1,2"], "no column is known for the picture and the box"),
        (["filename,xmin,ymin", "a.jpg,1,2"], "no column is known for the box"),
        (["filename,bbox,label", 'a.jpg,"[[1,2,3,4],[5,6,7,8]]",cup'], "several boxes, or a table"),
        (
            ["filename,bbox,label", "a.jpg,\"[{'x': 1}, {'x': 2}]\",cup"],
            "several boxes, or a table",
        ),
    ],
)
def test_others_are_named(lines: list[str], what: str, tmp_path: Path) -> None:
    pictures(tmp_path, "images/a.jpg")
    write(tmp_path, "labels.csv", *lines)
    with pytest.raises(InputError, match=what) as error:
        raw.read(tmp_path)
    assert error.value.where == "labels.csv:1"


def test_open_images_is_left_to_its_own_format(tmp_path: Path) -> None:
    pictures(tmp_path, "train/a.jpg")
    header = "ImageID,Source,LabelName,Confidence,XMin,XMax,YMin,YMax,IsGroupOf"
    write(tmp_path, "train-annotations-bbox.csv", header, "a,x,/m/0,1,0.1,0.5,0.2,0.6,0")
    assert find_layout(tmp_path).format == "openimages"
    with pytest.raises(InputError, match="no csv data set"):
        find_layout(tmp_path, "csv")


def test_detections_do_not_take_a_folder_from_its_truth(tmp_path: Path) -> None:
    Voc(tmp_path)
    write(tmp_path, "found.csv", "image,label,score,xmin,ymin,xmax,ymax", "1.jpg,cat,0.75,1,2,3,4")
    assert find_layout(tmp_path).format == "voc"
    write(tmp_path, "train.csv", HEAD, "1.jpg,64,48,cat,5,6,30,40")
    (tmp_path / "found.csv").unlink()
    with pytest.raises(InputError, match="this may be csv or voc") as error:
        find_layout(tmp_path)
    assert "--format csv: train.csv names the columns of pictures and boxes" in error.value.hint


def test_a_stray_csv_does_not_take_a_folder_from_another_format(tmp_path: Path) -> None:
    Voc(tmp_path)
    write(tmp_path, "results.csv", "epoch,loss", "1,0.5")
    write(tmp_path, "labels.csv", "filename,label", "1.jpg,cat")
    assert find_layout(tmp_path).format == "voc"


def test_a_file_that_is_cut(tmp_path: Path) -> None:
    """A row that ends early breaks its picture, or all where it is of none."""
    pictures(tmp_path, "images/a.jpg", "images/b.jpg")
    write(tmp_path, "train.csv", HEAD, row("a.jpg"), row("b.jpg"), "b.jpg,160,120,cup,1,2")
    assert raw.read(tmp_path).errors == ["train.csv:4: 6 cells, where there are 8 columns"]
    for cut in ("b.j", "c.jpg,160"):
        write(tmp_path, "train.csv", HEAD, row("a.jpg"), cut)
        with pytest.raises(InputError, match="train.csv:3: . cells, where there are 8 columns"):
            raw.read(tmp_path)
    write(tmp_path, "train.csv", "class,xmin,ymin,xmax,ymax,filename", "cup,1,2,3,4,a.jpg", "cup,1")
    with pytest.raises(InputError, match="train.csv:3: 2 cells, where there are 6 columns"):
        raw.read(tmp_path)


# Hostile


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"a" * (3 << 20), "train.csv:1: a line of more than 1,048,576 characters"),
        (b"," * (2 << 20), "train.csv:1: a line of more than 1,048,576 characters"),
        (f"{HEAD}\n".encode() + b'"' + b"a\n" * (1 << 20), "field larger than field limit"),
        (f'{HEAD}\n"a.jpg,1,2'.encode(), "train.csv:2: not CSV: unexpected end of data"),
        (f"{HEAD}\na.jpg\0,160,120,cup,1,2,3,4\n".encode(), "train.csv:2: a NUL byte"),
        (f"{HEAD}\n".encode("utf-16-le"), "train.csv:1: a NUL byte"),
        (f"{HEAD}\n".encode("utf-32"), "the CSV is UTF-32"),
        (f"{HEAD}\n".encode() + b"a\xe4.jpg,160,120,cup,1,2,3,4\n", "train.csv:2: not UTF-8 text"),
        (b"\xff\xfea", "not UTF-16 text"),
        (b"", "no row of cells is here"),
        (f"{HEAD}\n".encode(), "the CSV holds no row"),
    ],
)
def test_hostile_bytes(data: bytes, what: str, tmp_path: Path) -> None:
    from ssd_data.core.notes import Tally
    from ssd_data.data.formats.csv.read import read
    from ssd_data.data.formats.csv.schema import CsvSource

    pictures(tmp_path, "images/a.jpg")
    (tmp_path / "train.csv").write_bytes(data)
    with pytest.raises(InputError, match=what):
        list(read(tmp_path, CsvSource(csv="train.csv"), Tally()))


def test_too_much_that_is_broken(tmp_path: Path) -> None:
    pictures(tmp_path, "images/a.jpg")
    rows = [f"{i}.jpg,160,120,cup,x,2,3,4" for i in range(2000)]
    write(tmp_path, "train.csv", HEAD, row("a.jpg"), *rows)
    with pytest.raises(InputError, match='more than 1,000 pictures are broken, such as: "x" is no'):
        raw.read(tmp_path)


def test_nothing_of_a_stranger_reaches_the_terminal(tmp_path: Path, run: Any) -> None:
    red = "\x1b]0;x\x07"  # a title: click strips colours by itself
    for number, lines in enumerate([
        [f"file{red}name,xmin,b", "a.jpg,1,2"],
        [HEAD, row(f"{red}b.jpg"), row("a.jpg")],
        [HEAD, f"a.jpg,160,120,cup,{red},2,3,4"],
        [f"{HEAD},split", row("a.jpg", "train"), row("a.jpg", f"test{red}")],
        [f"{HEAD},Sp{red}lit", row("a.jpg", "x")],
        [HEAD, f"a.jpg,160,120,{red}cup,1,2,3,4", f"a.jpg,160,120,{red}cup,,,,"],
    ]):  # fmt: skip
        root = tmp_path / str(number)
        pictures(root, "images/a.jpg")
        write(root, "boxes.csv", *lines)
        for command in (["build", root, "-o", tmp_path / "out"], ["check", root]):
            told = run(*command)
            assert "\x1b" not in told.out + told.err


def test_paths_of_a_source_stay_below_the_root(tmp_path: Path) -> None:
    from ssd_data.core.notes import Tally
    from ssd_data.data.formats.csv.read import read
    from ssd_data.data.formats.csv.schema import CsvSource

    pictures(tmp_path, "root/images/a.jpg")
    write(tmp_path, "outside.csv", HEAD, row("a.jpg"))
    with pytest.raises(InputError, match="leaves the root"):
        list(read(tmp_path / "root", CsvSource(csv="../outside.csv"), Tally()))


# Any table in any dialect

TEXT = st.text(string.ascii_letters + "äöü0 ,;|'\"\t\n-", min_size=1, max_size=8)
NAMES = TEXT.map(str.strip).filter(lambda name: name and not name.replace(".", "").isdecimal())
NAMES = NAMES.filter(lambda name: name != "nan")
SIDE = st.integers(0, 400).map(lambda n: n / 4)
ROWS = st.lists(
    st.tuples(st.sampled_from("abc"), NAMES, SIDE, SIDE, SIDE, SIDE), min_size=1, max_size=12
)
COLUMNS = ["filename", "class", "xmin", "ymin", "xmax", "ymax"]


@settings(max_examples=60)
@given(
    rows=ROWS,
    order=st.permutations(range(6)),
    delimiter=st.sampled_from(",;\t|"),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]),
    end=st.sampled_from(["\n", "\r\n", "\r"]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
    comma=st.booleans(),
)
def test_any_table_in_any_dialect(
    rows: list[tuple[str, str, float, float, float, float]],
    order: list[int],
    delimiter: str,
    quoting: int,
    end: str,
    encoding: str,
    comma: bool,
) -> None:
    """What ``csv`` writes comes back, picture by picture; side by side with the rows themselves."""
    if end == "\r":
        quoting = csv.QUOTE_ALL  # else csv leaves a bare line feed in a cell
    wanted: dict[str, list[tuple[str, list[float]]]] = {}
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter, quoting=quoting, lineterminator=end)
    writer.writerow([COLUMNS[i] for i in order])
    big = max(max(row[2:]) for row in rows)
    for picture, name, x, y, width, height in [*rows, ("a", "big", 0, 0, big + 30, 40)]:
        box = (x, y, x + width, y + height)
        wanted.setdefault(f"images/{picture}.jpg", []).append((name, [float(v) for v in box]))
        decimal = comma and delimiter != ","
        sides = [f"{v:g}".replace(".", ",") if decimal else v for v in box]
        cells = [f"{picture}.jpg", name, *sides]
        writer.writerow([cells[i] for i in order])
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        pictures(root, "images/a.jpg", "images/b.jpg", "images/c.jpg")
        (root / "train.csv").write_bytes(text.getvalue().encode(encoding))
        entries = [e for e in raw.read(root).entries if isinstance(e, AnnotatedImage)]
    found = {
        e.image: list(zip(e.classes, np.asarray(e.boxes).tolist(), strict=True)) for e in entries
    }
    assert found == wanted
