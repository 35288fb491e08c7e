"""CSV files of boxes: which column is what, whose rows, which dialect, which split."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import raw
from support.openimages_csv import pictures

from ssd_data import BuildOptions, InputError, LmdbReader, build, recognise
from ssd_data.core.notes import Tally
from ssd_data.core.structures import AnnotatedImage
from ssd_data.data.find import find

BOX = (10.0, 20.0, 50.0, 90.0)
CUP = [("cup", BOX, False)]
RACCOON = "filename,width,height,class,xmin,ymin,xmax,ymax"


def write(root: Path, name: str, *lines: str, encoding: str = "utf-8") -> Path:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes("".join(f"{line}\n" for line in lines).encode(encoding))
    return path


def one(root: Path, *lines: str, name: str = "train.csv", **how: Any) -> raw.Raw:
    """A CSV of the pictures a, b and c, which lie in images/."""
    pictures(root, "images/a.jpg", "images/b.jpg", "images/c.jpg")
    write(root, name, *lines, **how)
    return raw.read(root)


@pytest.mark.parametrize(
    ("header", "row"),
    [
        (RACCOON, "a.jpg,160,120,cup,10,20,50,90"),
        (f"{RACCOON},image_id", "a.jpg,160,120,cup,10,20,50,90,7"),  # detecto
        ("image,xmin,ymin,xmax,ymax,label", '"a.jpg",10.0,20.0,50.0,90.0,"cup"'),  # VoTT
        ("frame,xmin,xmax,ymin,ymax,class", "a.jpg,10,50,20,90,cup"),  # the order of its names
        (",filename,class,xmin,ymin,xmax,ymax", "0,a.jpg,cup,10,20,50,90"),  # pandas' index
        ("Unnamed: 0,FileName,Class,XMin,YMin,XMax,YMax", "0,a.jpg,cup,10,20,50,90"),
        ("xmin,ymin,xmax,ymax,Frame,Label,Preview URL", "10,20,50,90,a.jpg,cup,http://x/y"),
        ("Width,Height,Roi.X1,Roi.Y1,Roi.X2,Roi.Y2,ClassId,Path", "160,120,10,20,50,90,cup,a.jpg"),
        ("img_name,x1,y1,x2,y2,category_id,category", "a.jpg,10,20,50,90,3,cup"),
        ("image_path,left,top,right,bottom,object", "images/a.jpg,10,20,50,90,cup"),
        ("image_id,bbox_x,bbox_y,bbox_w,bbox_h,class_name", "a,10,20,40,70,cup"),
        ("image_name,label_name,bbox_x,bbox_y,bbox_width,bbox_height,image_width,image_height",
         "a.jpg,cup,10,20,40,70,160,120"),
        ("file,x,y,width,height,label", "a.jpg,10,20,40,70,cup"),  # width is the box's
        ("path,xmin,ymin,width,height,label", "a.jpg,10,20,40,70,cup"),
        ("image,x,y,w,h,width,height,label", "a.jpg,10,20,40,70,160,120,cup"),
        ("image,x_center,y_center,width,height,label", "a.jpg,30,55,40,70,cup"),
        ("image,cx,cy,w,h,tag", "a.jpg,30,55,40,70,cup"),
        ("image,x0,y0,x1,y1,label", "a.jpg,10,20,50,90,cup"),
        ("name,label,xmin,ymin,xmax,ymax", "a.jpg,cup,10,20,50,90"),  # name is the picture
        ("image,name,xmin,ymin,xmax,ymax", "a.jpg,cup,10,20,50,90"),  # or the class
        ("image_name,BoxesString,class", "a.jpg,10 20 50 90,cup"),
    ],
)  # fmt: skip
def test_known_headers(header: str, row: str, tmp_path: Path) -> None:
    found = one(tmp_path, header, row)
    assert found.rows == {"images/a.jpg": CUP}
    assert len(found.errors) == 2  # no row is of b and c
    (entry, *_) = found.entries
    assert isinstance(entry, AnnotatedImage)
    assert (entry.normalized, entry.place(0)) == (False, "train.csv:2")


def test_sizes_are_the_pictures(tmp_path: Path) -> None:
    entry = one(tmp_path, RACCOON, "a.jpg,160,120.0,cup,10,20,50,90").entries[0]
    assert isinstance(entry, AnnotatedImage)
    assert (entry.width, entry.height) == (160, 120)
    other = one(tmp_path / "2", "file,x,y,width,height,label", "a.jpg,10,20,40,70,cup").entries[0]
    assert isinstance(other, AnnotatedImage)
    assert (other.width, other.height) == (None, None)


def test_rows_of_a_picture_need_not_be_neighbours(tmp_path: Path) -> None:
    found = one(
        tmp_path,
        RACCOON,
        "b.jpg,160,120,cup,1,2,3,4",
        "a.jpg,160,120,cup,10,20,50,90",
        "b.jpg,160,120,plate,5,6,7,8",
    )
    assert list(found.rows) == ["images/b.jpg", "images/a.jpg"]
    assert found.rows["images/b.jpg"] == [
        ("cup", (1, 2, 3, 4), False),
        ("plate", (5, 6, 7, 8), False),
    ]
    entry = found.entries[0]
    assert isinstance(entry, AnnotatedImage)
    assert entry.places == (2, 4)


@pytest.mark.parametrize("between", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le-bom"])
def test_dialects(between: str, encoding: str, tmp_path: Path) -> None:
    pictures(tmp_path, "images/a.jpg")
    lines = [RACCOON.replace(",", between), f'a.jpg{between}160{between}120{between}"täss; e"']
    lines[1] += between + between.join(("10", "20", "50", "90"))
    text = "".join(f"{line}\r\n" for line in lines)
    bom = encoding == "utf-16-le-bom"
    data = b"\xff\xfe" + text.encode("utf-16-le") if bom else text.encode(encoding)
    (tmp_path / "train.csv").write_bytes(data)
    assert raw.read(tmp_path).rows == {"images/a.jpg": [("täss; e", BOX, False)]}


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_line_ends_and_blank_lines(end: str, tmp_path: Path) -> None:
    pictures(tmp_path, "images/a.jpg")
    text = end.join([RACCOON, "", "a.jpg,160,120,cup,10,20,50,90", ",,,,,,,", "   ", ""])
    (tmp_path / "train.csv").write_text(text, newline="")
    found = raw.read(tmp_path)
    assert found.rows == {"images/a.jpg": CUP}
    entry = found.entries[0]
    assert isinstance(entry, AnnotatedImage)
    assert entry.places == (3,)


def test_blanks_and_case_of_names(tmp_path: Path) -> None:
    rows = one(
        tmp_path, " FileName , X_Min, Y-MIN,x max,YMAX , CLASS", "a.jpg , 10, 20, 50, 90, cup "
    )
    assert rows.rows == {"images/a.jpg": CUP}


def test_quotes_after_a_blank(tmp_path: Path) -> None:
    found = one(
        tmp_path, "image, label, xmin, ymin, xmax, ymax", 'a.jpg, "cup, big", 10, 20, 50, 90'
    )
    assert found.rows == {"images/a.jpg": [("cup, big", BOX, False)]}


def test_a_delimiter_that_excel_states(tmp_path: Path) -> None:
    found = one(tmp_path, "sep=;", "image;xmin;ymin;xmax;ymax;label", "a.jpg;10;20;50;90;cup")
    assert found.rows == {"images/a.jpg": CUP}
    entry = found.entries[0]
    assert isinstance(entry, AnnotatedImage)
    assert entry.places == (3,)


def test_decimal_commas(tmp_path: Path) -> None:
    head = "image;xmin;ymin;xmax;ymax;label"
    found = one(tmp_path, head, "a.jpg;10,5;20;50,25;90;cup")
    assert found.rows == {"images/a.jpg": [("cup", (10.5, 20, 50.25, 90), False)]}
    with pytest.raises(InputError, match=r'a decimal comma in "10,5", a decimal point in "1.234"'):
        one(tmp_path / "2", head, "a.jpg;10,5;20;1.234;90;cup")


def test_quoted_cells_hold_anything(tmp_path: Path) -> None:
    pictures(tmp_path, "images/a, b.jpg")
    write(
        tmp_path,
        "train.csv",
        "image,xmin,ymin,xmax,ymax,label",
        '"a, b.jpg",1,2,3,4,"a ""big"" cup"',
    )
    assert raw.read(tmp_path).rows == {"images/a, b.jpg": [('a "big" cup', (1, 2, 3, 4), False)]}


@pytest.mark.parametrize("blank", ["", "NaN", "None", "null", "nan"])
def test_a_row_without_a_box_is_a_picture_without_objects(blank: str, tmp_path: Path) -> None:
    row = ",".join(["b.jpg", "160", "120", "", *[blank] * 4])
    found = one(tmp_path, RACCOON, "a.jpg,160,120,cup,10,20,50,90", row)
    assert found.rows["images/b.jpg"] == []


def test_a_class_that_never_has_a_box_says_that_there_is_none(tmp_path: Path) -> None:
    """As VinBigData's "No finding"; a class that has boxes elsewhere lacks one."""
    head = "image_id,class_name,class_id,rad_id,x_min,y_min,x_max,y_max"
    rows = ["a,No finding,14,R1,,,,", "b,cup,3,R1,10,20,50,90"]
    found = one(tmp_path, head, *rows)
    assert found.rows == {"images/a.jpg": [], "images/b.jpg": CUP}
    kind = "class without any box in the whole file (taken as: no object here)"
    assert found.notes == {kind: ["train.csv:2: No finding"]}
    assert [c.name for c in recognise(tmp_path).classes()][1:] == ["cup"]
    found = one(tmp_path / "2", head, *rows, "c,cup,3,R1,,,,")
    assert found.errors == ["train.csv:4: cup without a box"]
    pictures(tmp_path / "3", "a.jpg", "b.jpg")
    rows = ["a.jpg,160,120,cup,1,2,3,4", "b.jpg,160,120,cup,,,,", "b.jpg,160,120,cup,1,2,3,4"]
    write(tmp_path / "3", "train.csv", RACCOON, *rows)
    with pytest.raises(InputError, match="--boxless drop leaves such objects out"):
        build(recognise(tmp_path / "3"), tmp_path / "out")
    made = build(recognise(tmp_path / "3"), tmp_path / "out", BuildOptions(boxless="drop"))
    split = made.manifest["splits"]["train"]
    assert (split["boxes"], split["notes"]["object without a box (dropped)"]["count"]) == (2, 1)


def test_some_of_four_numbers(tmp_path: Path) -> None:
    found = one(tmp_path, RACCOON, "a.jpg,160,120,cup,10,,50,90", "b.jpg,160,120,cup,1e999,0,1,1",
                "c.jpg,160,120,cup,1_0,2,30,40")  # fmt: skip
    assert found.errors == [
        "train.csv:2: a number is missing",
        'train.csv:3: "1e999" is no number',
        'train.csv:4: "1_0" is no number',
    ]


def test_a_broken_row_breaks_its_picture_only(tmp_path: Path) -> None:
    good = "b.jpg,160,120,cup,10,20,50,90"
    found = one(
        tmp_path,
        RACCOON,
        "a.jpg,160,120,cup,10,20,50,90",
        good,
        "a.jpg,160,120,cup,10,20,50,90,5",  # as a decimal comma makes it
        "c.jpg,160,120,,10,20,50,90",
    )
    assert found.rows == {"images/b.jpg": CUP}
    assert found.errors == [
        "train.csv:4: 9 cells, where there are 8 columns",
        "train.csv:5: a box without a class",
    ]
    with pytest.raises(InputError, match="train.csv:4: 3 cells, where there are 8 columns"):
        one(tmp_path / "2", RACCOON, good, "", "x.jpg,160,120")


def test_two_sizes_of_one_picture(tmp_path: Path) -> None:
    found = one(tmp_path, RACCOON, "a.jpg,160,120,cup,1,2,3,4", "a.jpg,120,160,cup,1,2,3,4",
                "b.jpg,wide,120,cup,1,2,3,4", "c.jpg,160,120,cup,10,20,50,90")  # fmt: skip
    assert found.errors == [
        "train.csv:3: the picture is 120x160 here, 160x120 in an earlier row",
        'train.csv:4: "wide" is no number',
    ]


def test_difficult_and_crowds(tmp_path: Path) -> None:
    head = "image,xmin,ymin,xmax,ymax,label,iscrowd"
    found = one(tmp_path, head, "a.jpg,10,20,50,90,cup,1", "b.jpg,1,2,3,4,cup,False",
                "c.jpg,1,2,3,4,cup,maybe")  # fmt: skip
    assert found.rows == {
        "images/a.jpg": [("cup", BOX, True)],
        "images/b.jpg": [("cup", (1, 2, 3, 4), False)],
    }
    assert found.errors == ['train.csv:4: "maybe" is neither 0 nor 1']


def test_rows_that_stand_twice_and_scores_are_counted(tmp_path: Path) -> None:
    row = "a.jpg,10,20,50,90,cup,0.75"
    found = one(tmp_path, "image,xmin,ymin,xmax,ymax,label,score", row, row)
    assert len(found.rows["images/a.jpg"]) == 2
    assert found.notes["row that stands twice (both are kept)"] == ["train.csv:3"]
    (kind,) = (kind for kind in found.notes if "score" in kind)
    assert found.notes[kind] == ["train.csv:2", "train.csv:3"]


def test_names_that_stand_again(tmp_path: Path) -> None:
    """As ``cat *.csv`` leaves them."""
    row = "a.jpg,160,120,cup,10,20,50,90"
    found = one(tmp_path, RACCOON, row, RACCOON, "b.jpg,160,120,cup,10,20,50,90")
    assert list(found.rows) == ["images/a.jpg", "images/b.jpg"]
    (kind,) = found.notes
    assert (kind[:16], found.notes[kind]) == ("line of the colu", ["train.csv:3"])


# Fractions


def test_fractions_over_the_whole_file(tmp_path: Path) -> None:
    head = "image,xmin,ymin,xmax,ymax,label"
    found = one(tmp_path, head, "a.jpg,0.125,0.25,0.5,0.75,cup", "b.jpg,0,0,1.0000001,1,cup")
    entry = found.entries[0]
    assert isinstance(entry, AnnotatedImage)
    assert (entry.normalized, entry.boxes.tolist()) == (True, [[0.125, 0.25, 0.5, 0.75]])


def test_mixed_units_are_refused_and_one_tiny_box_is_not(tmp_path: Path) -> None:
    head = "image,xmin,ymin,xmax,ymax,label"
    pixels = [f"{letter}.jpg,1,2,{30 + i},40,cup" for i in range(20) for letter in "bc"]
    tiny = "a.jpg,0.25,0.25,0.75,0.75,cup"
    found = one(tmp_path, head, tiny, *pixels)
    entry = found.entries[0]
    assert isinstance(entry, AnnotatedImage)
    assert not entry.normalized
    assert found.notes["box within 0 to 1 pixel (kept: the others are in pixels)"] == [
        "train.csv:2"
    ]
    with pytest.raises(InputError, match="40 of 80 boxes are fractions, the others pixels"):
        one(tmp_path / "2", head, *pixels, *[tiny] * 40)


def test_all_zeros_and_ones_are_asked_about(tmp_path: Path) -> None:
    one(tmp_path, "image,xmin,ymin,xmax,ymax,label", "a.jpg,0,0,1,1,cup", "b.jpg,0,0,1,1,cup")
    options = BuildOptions(unannotated="skip")
    with pytest.raises(InputError, match="all boxes are fractions .* not pixels"):
        build(recognise(tmp_path), tmp_path / "out", options)


def test_stored_boxes_are_right_in_pixels_and_fractions(tmp_path: Path) -> None:
    head = "image,xmin,ymin,xmax,ymax,label"
    for name, row in (("p", "a.jpg,16,30,80,90,cup"), ("f", "a.jpg,0.1,0.25,0.5,0.75,cup")):
        root = tmp_path / name
        pictures(root, "images/a.jpg")
        write(root, "train.csv", head, row)
        build(recognise(root), root / "out")
        with LmdbReader(next((root / "out").glob("*_lmdb"))) as records:
            np.testing.assert_allclose(records[0].boxes, [[0.1, 0.25, 0.5, 0.75]], atol=1e-7)


# Four numbers in a cell


def test_the_list_of_the_wheat_challenge(tmp_path: Path) -> None:
    pictures(tmp_path, "train/a.jpg", "train/b.jpg", "test/t.jpg")
    head = "image_id,width,height,bbox,source"
    write(tmp_path, "train.csv", head, 'a,160,120,"[100.0, 20.0, 40.0, 70.0]",usask_1',
          'a,160,120,"[10.0, 20.0, 40.0, 70.0]",usask_1')  # fmt: skip
    found = raw.read(tmp_path)
    assert found.rows == {
        "train/a.jpg": [("object", (100, 20, 140, 90), False), ("object", (10, 20, 50, 90), False)]
    }
    assert found.errors == ["train.csv: no row is of the picture train/b.jpg"]
    assert found.notes == {
        'no column is known for the class: all boxes are "object"': ["train.csv"]
    }
    made = build(recognise(tmp_path), tmp_path / "out", BuildOptions(unannotated="background"))
    assert made.manifest["splits"]["train"]["without_boxes"] == 1


@pytest.mark.parametrize("text", ["[100 20 140 90]", "(100, 20, 140, 90)", "[ 100. 20.  140. 90.]"])
def test_corners_in_a_cell(text: str, tmp_path: Path) -> None:
    """As width and height they leave the picture, whose size its file says."""
    found = one(tmp_path, "image,bbox,class", f'a.jpg,"{text}",cup')
    assert found.rows == {"images/a.jpg": [("cup", (100, 20, 140, 90), False)]}


def test_four_numbers_that_may_be_either(tmp_path: Path) -> None:
    pictures(tmp_path, "images/a.jpg")
    write(tmp_path, "train.csv", "image,bbox,class", 'a.jpg,"[10, 20, 50, 90]",cup')
    with pytest.raises(InputError, match="nothing tells") as error:
        raw.read(tmp_path)
    assert 'four = "sides" or "corners"' in error.value.hint
    recipe = write(
        tmp_path, "my.toml", 'format = "csv"', "[splits.train]",
        'sources = [{ csv = "train.csv", four = "sides" }]',
    )  # fmt: skip
    dataset = find(recipe, root=tmp_path)
    (entry,) = dataset.entries("train", Tally())
    assert isinstance(entry, AnnotatedImage)
    assert entry.boxes.tolist() == [[10, 20, 60, 110]]


def test_many_boxes_in_a_cell(tmp_path: Path) -> None:
    rows = ["a.jpg,10 20 50 90;1 2 3 4,x", "b.jpg,no_box,x", "c.jpg,1 2 3;4,x"]
    found = one(tmp_path, "image_name,BoxesString,domain", *rows)
    boxes = [("object", BOX, False), ("object", (1, 2, 3, 4), False)]
    assert found.rows == {"images/a.jpg": boxes, "images/b.jpg": []}
    assert found.errors == ['train.csv:4: "1 2 3;4" is not boxes of four numbers, parted by ;']


def test_x_and_y_may_be_the_centre(tmp_path: Path) -> None:
    head = "image,x,y,width,height,label"
    kind = "x and y are taken for the top left corner of the box, not its centre: nothing tells"
    found = one(tmp_path, head, "a.jpg,60,50,40,70,cup")
    assert found.rows == {"images/a.jpg": [("cup", (60, 50, 100, 120), False)]}
    assert found.notes == {kind: ["train.csv"]}
    assert not one(tmp_path / "2", head, "a.jpg,10,50,40,70,cup").notes  # a centre has more room


def test_columns_that_are_exchanged(tmp_path: Path) -> None:
    """As in the header of a public set of driving pictures."""
    rows = [f"a.jpg,{60 + i},5,{90 + i},40,cup" for i in range(8)]
    with pytest.raises(InputError, match="8 of 8 boxes are inverted as the first line") as error:
        one(tmp_path, "Frame,xmin,xmax,ymin,ymax,Label", *rows)
    assert "none would be if they were xmin, ymin, xmax, ymax" in str(error.value)
    found = one(
        tmp_path / "2", RACCOON, "a.jpg,160,120,cup,50,90,10,20"
    )  # a swapped box is a build's
    assert found.rows == {"images/a.jpg": [("cup", (50, 90, 10, 20), False)]}


# Classes


def test_numbers_are_label_numbers(tmp_path: Path) -> None:
    head = "frame,xmin,xmax,ymin,ymax,class_id"
    entries = one(tmp_path, head, "a.jpg,10,50,20,90,2", "a.jpg,10,50,20,90,1.0").entries
    assert isinstance(entries[0], AnnotatedImage)
    assert entries[0].classes == (2, 1)
    one(tmp_path / "0", head, "a.jpg,10,50,20,90,0", "a.jpg,10,50,20,90,1")
    with pytest.raises(InputError, match="label numbers are counted from 0"):
        recognise(tmp_path / "0").classes()


def test_a_name_says_more_than_a_number(tmp_path: Path) -> None:
    found = one(tmp_path, "image,xmin,ymin,xmax,ymax,class,name", "a.jpg,10,20,50,90,3,cup")
    assert found.rows == {"images/a.jpg": CUP}


def test_numbers_that_a_second_file_names(tmp_path: Path) -> None:
    write(tmp_path, "classes.csv", "name,id", "plate,1", "cup,0")
    found = one(tmp_path, "frame,xmin,xmax,ymin,ymax,class_id", "a.jpg,10,50,20,90,0")
    assert found.rows == {"images/a.jpg": CUP}
    assert [item.name for item in recognise(tmp_path).classes()][1:] == ["cup", "plate"]


def test_a_class_column_that_nobody_knows_is_not_passed_over(tmp_path: Path) -> None:
    lines = ["image,xmin,ymin,xmax,ymax,Sorte", "a.jpg,10,20,50,90,cup"]
    with pytest.raises(InputError, match=r'the class \(is it "Sorte"\?\)') as error:
        one(tmp_path, *lines)
    assert '"image", "xmin", "ymin", "xmax", "ymax", "Sorte"' in str(error.value)
    recipe = write(
        tmp_path, "my.toml", 'format = "csv"', "[splits.train]",
        'sources = [{ csv = "train.csv", columns = { class = "sorte" } }]',
    )  # fmt: skip
    (entry, *_) = find(recipe, root=tmp_path).entries("train", Tally())
    assert isinstance(entry, AnnotatedImage)
    assert entry.classes == ("cup",)


def test_columns_of_a_recipe(tmp_path: Path) -> None:
    pictures(tmp_path, "images/a.jpg")
    write(tmp_path, "train.csv", "foto;links;oben;rechts;unten", "a.jpg;10;20;50;90")
    with pytest.raises(InputError, match="no column is known for the picture and the box"):
        raw.read(tmp_path)
    columns = 'picture = "Foto", xmin = "links", ymin = "oben", xmax = "rechts", ymax = "unten"'
    recipe = write(
        tmp_path, "my.toml", 'format = "csv"', "[splits.train]",
        f'sources = [{{ csv = "train.csv", columns = {{ {columns}, class = "" }} }}]',
    )  # fmt: skip
    (entry,) = find(recipe, root=tmp_path).entries("train", Tally())
    assert isinstance(entry, AnnotatedImage)
    assert (entry.classes, entry.boxes.tolist()) == (("object",), [list(BOX)])
    text = recipe.read_text().replace("picture", "pictures")
    recipe.write_text(text)
    with pytest.raises(InputError, match='a column is not "pictures"'):
        list(find(recipe, root=tmp_path).entries("train", Tally()))


# Rows without names of columns


def test_keras_retinanet(tmp_path: Path) -> None:
    write(tmp_path, "classes.csv", "plate,0", "cup,1")
    found = one(tmp_path, "images/a.jpg,10,20,50,90,cup", "images/b.jpg,,,,,", name="train.csv")
    assert found.rows == {"images/a.jpg": CUP, "images/b.jpg": []}
    assert [item.name for item in recognise(tmp_path).classes()][1:] == ["plate", "cup"]


def test_automl(tmp_path: Path) -> None:
    pictures(tmp_path, *(f"k/{letter}.png" for letter in "abcd"))
    write(
        tmp_path,
        "export.csv",
        "TRAINING,gs://bucket/k/a.png,cup,0.125,0.25,,,0.5,0.75,,",
        "VALIDATE,gs://bucket/k/b.png,cup,0.5,0.75,0.125,0.75,0.125,0.25,0.5,0.25",
        "TEST,gs://bucket/k/c.png,,,,,,,,,",
        "TRAIN,gs://bucket/k/a.png,plate,0.1,0.1,,,0.3,0.3,,".replace("TRAIN,", "TRAINING,"),
        "UNASSIGNED,gs://bucket/k/d.png,cup,0,0,,,1,1",
    )
    dataset = recognise(tmp_path)
    assert list(dataset.splits) == ["TRAINING", "VALIDATE", "TEST", "UNASSIGNED"]
    assert dataset.links == {"trainval_lmdb": "TRAINING", "test_lmdb": "TEST"}
    assert dataset.said == ('pictures that no split is stated for are the split "UNASSIGNED"',)
    half = ("cup", (0.12, 0.25, 0.5, 0.75), False)
    assert raw.read(tmp_path, "TRAINING").rows == {
        "k/a.png": [half, ("plate", (0.1, 0.1, 0.3, 0.3), False)]
    }
    assert raw.read(tmp_path, "VALIDATE").rows == {"k/b.png": [half]}
    assert raw.read(tmp_path, "TEST").rows == {"k/c.png": []}
    entry = raw.read(tmp_path, "UNASSIGNED").entries[0]
    assert isinstance(entry, AnnotatedImage)
    assert entry.boxes.tolist() == [[0, 0, 1, 1]]
    (note,) = raw.read(tmp_path, "TRAINING").notes
    assert note == "picture found by the end of its path"


def test_automl_without_sets_or_with_names(tmp_path: Path) -> None:
    row = "gs://b/a.jpg,cup,0.125,0.25,,,0.5,0.75,,"
    entry = one(tmp_path, row).entries[0]
    assert isinstance(entry, AnnotatedImage)
    assert (entry.normalized, entry.boxes.tolist()) == (True, [[0.125, 0.25, 0.5, 0.75]])
    head = "set,path,label,x_min,y_min,x_max,y_min,x_max,y_max,x_min,y_max"
    assert one(tmp_path / "2", head, f"TRAIN,{row}").rows == {
        "images/a.jpg": [("cup", (0.12, 0.25, 0.5, 0.75), False)]
    }


def test_automl_in_pixels_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="export.csv:1: 10 20 50 90 is no box in fractions"):
        one(tmp_path, "TRAIN,gs://b/a.jpg,cup,10,20,,,50,90,,", name="export.csv")


def test_a_picture_of_two_sets_is_refused(tmp_path: Path) -> None:
    lines = [
        "TRAIN,gs://b/a.jpg,cup,0.1,0.2,,,0.5,0.9,,",
        "TEST,gs://b/a.jpg,cup,0.1,0.2,,,0.5,0.9,,",
    ]
    with pytest.raises(
        InputError, match=r'export.csv:2: "gs://b/a.jpg" is of "TEST" here, of "TRAIN"'
    ):
        one(tmp_path, *lines, name="export.csv")
    lines[1] = lines[1].replace("gs://b/", "images/")  # the same picture by another name
    with pytest.raises(InputError, match='images/a.jpg" is of "TEST" here, of "TRAIN" in line 1'):
        one(tmp_path / "2", *lines, name="export.csv")
