"""Pascal VOC as its authors have it and as tools export it: the XML, the lists, what goes wrong."""

import math
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.exports import write
from support.trees import Voc, jpeg, xml

from ssd_data import BuildOptions, InputError, build, find, recognise
from ssd_data.core.notes import Tally
from ssd_data.core.structures import AnnotatedImage, Unreadable
from ssd_data.data.dataset import Dataset
from ssd_data.data.formats import annotation_files
from ssd_data.data.formats.voc.read import VocSource


def read(text: str, folder: Path, notes: Tally | None = None) -> AnnotatedImage:
    path = folder / "1.xml"
    path.write_text(text, "utf-8")
    return annotation_files()[".xml"].read(
        path, "1.jpg", "1.xml", Tally() if notes is None else notes
    )


def annotation(inside: str) -> str:
    size = "<size><width>160</width><height>120</height><depth>3</depth></size>"
    return f"<annotation>\n<filename>1.jpg</filename>\n{size}\n{inside}\n</annotation>"


BNDBOX = "<bndbox><xmin>20</xmin><ymin>30</ymin><xmax>80</xmax><ymax>90</ymax></bndbox>"
CUP = f"<object><name>cup</name>{BNDBOX}</object>"
BOX = [20, 30, 80, 90]
ROOT = "<annotation>\n<filename>1.jpg</filename>\n"


def rotated(degrees: str) -> str:
    attribute = f"<attribute><name>rotation</name><value>{degrees}</value></attribute>"
    bndbox = BNDBOX.replace("90", "70")  # 60 wide, 40 high
    return f"<object><name>cup</name>{bndbox}<attributes>{attribute}</attributes></object>"


def robndbox(angle: float) -> str:
    values = zip(("cx", "cy", "w", "h", "angle"), (50, 50, 60, 40, angle), strict=True)
    inside = "".join(f"<{tag}>{value}</{tag}>" for tag, value in values)
    return f"<object><name>cup</name><type>robndbox</type><robndbox>{inside}</robndbox></object>"


def hull(degrees: float) -> list[float]:
    """Of the box 20 30 80 70, turned about its centre: its four corners, one by one."""
    turn = complex(math.cos(math.radians(degrees)), math.sin(math.radians(degrees)))
    corners = [complex(50, 50) + turn * complex(x, y) for x in (-30, 30) for y in (-20, 20)]
    across, down = [c.real for c in corners], [c.imag for c in corners]
    return [min(across), min(down), max(across), max(down)]


POINTS = "<point>20,30</point><point>80,30</point><point>80,90</point><point>20,90</point>"
FAIR1M = (
    "<objects><object><coordinate>pixel</coordinate><possibleresult><name>cup</name>"
    f"</possibleresult><points>{POINTS}</points></object></objects>"
)
ROBOFLOW = (
    "<object><name>cup</name><occluded>0</occluded><bndbox><xmin>20</xmin><xmax>80</xmax>"
    "<ymin>30</ymin><ymax>90</ymax></bndbox><polygon><x1>1</x1><y1>2</y1></polygon></object>"
)
NUMBERED = "<x1>20</x1><y1>30</y1><x2>80</x2><y2>40</y2><x3>33</x3><y3>90</y3>"
PTS = "".join(f"<pt><x>{x}</x><y>{y}</y></pt>" for x, y in ((20, 90), (80, 30), (50, 60)))
DIOR = "".join(
    f"<x_{at}>{x}</x_{at}><y_{at}>{y}</y_{at}>"
    for at, x, y in (("left_top", 20, 50), ("right_top", 50, 30), ("right_bottom", 80, 60),
                     ("left_bottom", 40, 90))
)  # fmt: skip


@pytest.mark.parametrize(
    "inside",
    [
        CUP,
        CUP.replace("object", "Object"),
        CUP.replace("object", "OBJECT").replace("name", "NAME").replace("bndbox", "BNDBOX"),
        CUP.replace("xmin", "XMin").replace("bndbox", "BndBox"),
        f"<objects>{CUP}</objects>",
        f"<Objects>{CUP.replace('object', 'Object')}</Objects>",
        FAIR1M,
        ROBOFLOW,
        f"<object><name>cup</name><polygon>{NUMBERED}</polygon></object>",
        f"<object><name>cup</name><deleted>0</deleted><polygon>{PTS}</polygon></object>",
        f"<object><name>cup</name><robndbox>{DIOR}</robndbox></object>",
        f"<object>{BNDBOX}<part><name>x</name>{BNDBOX}</part><name>cup</name></object>",
        f"<database/><annotation/><image/><segmented/>{CUP}",
        f"<weather>rain</weather><verified>yes</verified>{CUP}",
    ],
)
def test_a_box_by_every_spelling(inside: str, tmp_path: Path) -> None:
    entry = read(annotation(inside), tmp_path)
    assert (entry.classes, entry.boxes.tolist()) == (("cup",), [BOX])
    assert entry.places[0] > 1


def test_a_namespace_and_another_root(tmp_path: Path) -> None:
    text = annotation(CUP).replace("<annotation>", '<Annotation xmlns="http://x.org">')
    assert read(text.replace("</annotation>", "</Annotation>"), tmp_path).boxes.tolist() == [BOX]
    with pytest.raises(InputError, match=r"1.xml:1: the root element is <annotations>.*\n  CVAT"):
        read("<annotations><image name='1.jpg'/></annotations>", tmp_path)
    with pytest.raises(InputError, match="the root element is <HRSC_Image>, not <annotation>"):
        read("<HRSC_Image/>", tmp_path)


@pytest.mark.parametrize(
    ("inside", "message"),
    [
        (f"\n<item><name>cup</name>{BNDBOX}</item>", r"1.xml:5: the element <item> is not"),
        (f"<object><box>{BNDBOX}</box></object>", "<object> without a <name>"),
        ("<shape><x1>20</x1><y1>30</y1></shape>", "<shape> is not understood and may hold boxes"),
        ("<region left='1' top='2'/>", "<region> is not understood"),
        ("<cup>20 30 80 90</cup>", "<cup> is not understood"),
        ("<cup a='20' b='30' c='80' d='90'/>", "<cup> is not understood"),
        (f"{CUP}<Bndbox>1</Bndbox>", "<bndbox> is not understood"),
        ("<objects><item/></objects>", "<item> is not understood"),
        (f"<annotation>{CUP}</annotation>", "<annotation> is not understood"),
        (f"<image>{CUP}</image>", "<image> is not understood"),
        (FAIR1M.replace(">pixel<", ">degree<"), '<coordinate> is "degree", not pixel'),
        (FAIR1M.replace(POINTS, ""), "<points> without points"),
        (FAIR1M.replace("20,30", "20"), '<point> is "20", not a number'),
        (FAIR1M.replace("</name>", "</name></possibleresult><possibleresult><name>b</name>"), "2 "),
        ("<object><name>a</name><polygon><x1>1</x1></polygon></object>", "points without x or y"),
        (f"<object><name>a</name>{BNDBOX}{BNDBOX}</object>", "<object> with 2 <bndbox>"),
        ("<object><name>a</name></object>", "<object> with no <bndbox>"),
        (robndbox(45), "<angle> is 45, which are no radians"),
    ],
)
def test_what_is_not_understood_is_no_background(inside: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        read(annotation(inside), tmp_path)


def test_objects_without_a_box_are_dropped_where_that_is_asked(tmp_path: Path, run: Any) -> None:
    voc = Voc(tmp_path / "raw")
    voc.held_back("4")
    text = voc.annotation(2).read_text()
    lacking = "<object><name>dog</name></object>\n<object><name>owl</name><bndbox/></object>"
    voc.annotation(2).write_text(text.replace("</annotation>", f"{lacking}</annotation>"))
    with pytest.raises(InputError, match="1 problem") as refused:
        build(find(voc.root), tmp_path / "out")
    assert "with no <bndbox>; " in str(refused.value)
    assert "with an empty <bndbox>" in str(refused.value)
    assert "--boxless drop leaves such objects out" in str(refused.value)
    told = run("build", voc.root, "-o", tmp_path / "out", "--boxless", "drop")
    assert told.status == 0
    assert "2 x object without a box (dropped)" in told.out
    made = build(find(voc.root), tmp_path / "same", BuildOptions(boxless="drop")).manifest
    assert [one["boxes"] for one in made["splits"].values()] == [3, 1]
    voc.annotation(2).write_text(
        text.replace("</annotation>", "<object><x/></object></annotation>")
    )
    told = run("check", voc.root, "--boxless", "drop")  # another fault stays one
    assert "<object> without a <name>" in told.out
    assert told.status == 1


def test_a_background_picture(tmp_path: Path) -> None:
    notes = Tally()
    for inside in ("", "<objects/>", "<source><database>x</database></source><owner/>"):
        assert not len(read(annotation(inside), tmp_path, notes).boxes)
    assert not notes
    read(annotation("<weather>rain</weather>"), tmp_path, notes)
    assert [c.listed for c in notes.kinds.values()] == [["1.xml:4: <weather>"]]


@pytest.mark.parametrize("degrees", [-30, 7.5, 45, 89.99, 90, 135, 180, 270, 300, 360, 405])
def test_the_hull_of_a_turned_box(degrees: float, tmp_path: Path) -> None:
    notes = Tally()
    entries = [
        read(annotation(inside), tmp_path, notes)
        for inside in (rotated(str(degrees)), robndbox(math.radians(degrees % 360)))
    ]
    for entry in entries:
        assert entry.boxes[0] == pytest.approx(hull(degrees), abs=1e-4)
    exact = degrees % 90 == 0
    assert bool(notes) == (not exact)
    if not exact:
        assert notes.kinds["rotated box (its upright hull is taken)"].count == 2


@pytest.mark.parametrize("text", ["0", "0.0", "left", "", "nan"])
def test_an_attribute_that_turns_nothing(text: str, tmp_path: Path) -> None:
    notes = Tally()
    assert read(annotation(rotated(text)), tmp_path, notes).boxes.tolist() == [[20, 30, 80, 70]]
    assert not notes


def test_an_inverted_box_is_not_turned(tmp_path: Path) -> None:
    text = annotation(rotated("45").replace(">80<", ">10<"))
    assert read(text, tmp_path).boxes.tolist() == [[20, 30, 10, 70]]


@pytest.mark.parametrize(
    ("text", "difficult", "noted"),
    [
        ("1", True, False), ("0", False, False), ("true", True, False), ("True", True, False),
        ("YES", True, False), ("1.0", True, False), ("", False, False), ("false", False, False),
        ("Unspecified", False, False), ("maybe", False, True), ("2", False, True),
    ],
)  # fmt: skip
def test_difficult_by_every_word(text: str, difficult: bool, noted: bool, tmp_path: Path) -> None:
    notes = Tally()
    word = f"<difficult>{text}</difficult>" if text else "<difficult/>"
    entry = read(annotation(CUP.replace("<bndbox", f"{word}<bndbox")), tmp_path, notes)
    assert entry.difficult.tolist() == [difficult]
    assert bool(notes) == noted


def test_what_an_outline_loses_is_counted(tmp_path: Path) -> None:
    notes = Tally()
    read(annotation(FAIR1M), tmp_path, notes)  # an upright rectangle: nothing
    assert not notes
    read(annotation(FAIR1M.replace("80,90", "79,90")), tmp_path, notes)
    assert notes.kinds["outline without a box (its upright hull is taken)"].listed == ["1.xml:4"]


def test_an_object_that_is_deleted(tmp_path: Path) -> None:
    notes = Tally()
    pair = "<object><name>a</name><deleted>{}</deleted><polygon>" + PTS + "</polygon></object>"
    text = annotation(pair.format(1) + pair.format(0)).replace("size", "imagesize")
    entry = read(text.replace("width", "ncols").replace("height", "nrows"), tmp_path, notes)
    assert (entry.boxes.tolist(), entry.width, entry.height) == ([BOX], 160, 120)
    assert notes.kinds["object marked as deleted (left out)"].count == 1


@pytest.mark.parametrize(
    ("size", "stated"),
    [
        ("<size><height>120</height><width>160</width></size>", (160, 120)),
        ("<size><width>160.0</width><height>1.2e2</height></size>", (160, 120)),
        ("<size><width>0</width><height>0</height></size>", (None, None)),
        ("<size><width/><height/></size>", (None, None)),
        ("<size/>", (None, None)),
        ("", (None, None)),
    ],
)
def test_sizes(size: str, stated: tuple[int | None, int | None], tmp_path: Path) -> None:
    entry = read(f"<annotation>{size}{CUP}</annotation>", tmp_path)
    assert (entry.width, entry.height) == stated


@pytest.mark.parametrize(
    ("stated", "noted"),
    [
        ("1.jpg", False), ("1", False), ("1.png", False), ("C:\\\\photos\\1.jpg", False),
        ("a/b/1.JPG", False), ("", False), ("%31.jpg", False), ("2.jpg", True), ("x", True),
    ],
)  # fmt: skip
def test_a_file_name_that_is_anothers_is_noted(stated: str, noted: bool, tmp_path: Path) -> None:
    notes = Tally()
    read(annotation(CUP).replace("1.jpg", stated), tmp_path, notes)
    assert bool(notes) == noted


NUMBER = st.floats(-500, 500, width=32).map(lambda v: float(f"{v:g}"))
OBJECT = st.tuples(st.sampled_from("cat dog".split()), st.tuples(NUMBER, NUMBER, NUMBER, NUMBER))
ORDER = st.permutations(["name", "bndbox", "difficult", "pose"])


@given(objects=st.lists(OBJECT, max_size=5), order=ORDER, corners=st.permutations(range(4)))
def test_a_naive_reader_reads_the_same(
    objects: list[Any], order: list[str], corners: list[int], tmp_path_factory: Any
) -> None:
    folder = tmp_path_factory.mktemp("naive")
    tags = ("xmin", "ymin", "xmax", "ymax")
    parts = []
    for name, box in objects:
        inner = "".join(f"<{tags[i]}>{box[i]!r}</{tags[i]}>" for i in corners)
        texts = {"name": name, "bndbox": inner, "difficult": "1", "pose": "Left"}
        parts.append("<object>" + "".join(f"<{t}>{texts[t]}</{t}>" for t in order) + "</object>")
    text = annotation("".join(parts))
    entry = read(text, folder)
    found = ElementTree.fromstring(text).findall("object")
    assert entry.classes == tuple(one.findtext("name") for one in found)
    boxes = [[float(one.findtext(f"bndbox/{t}") or 0) for t in tags] for one in found]
    assert entry.boxes.tolist() == np.array(boxes, np.float32).reshape(-1, 4).tolist()


# Lists


def images(dataset: Dataset, split: str, notes: Tally | None = None) -> list[str]:
    return [
        Path(entry.image).name
        for entry in dataset.entries(split, Tally() if notes is None else notes)
    ]


TREE = " ".join(f"JPEGImages/{s}.jpg Annotations/{s}.xml" for s in "abcd")


def test_lists_of_classes_are_united_where_there_are_no_others(tmp_path: Path) -> None:
    lists = "cat_train dog_train cat_val dog_val"
    files = " ".join(f"ImageSets/Main/{name}.txt" for name in lists.split())
    root = write(
        tmp_path, f"{TREE} {files}",
        cat_train="a.jpg -1\nb.jpg 1", dog_train="c.jpg 1\na.jpg  1", cat_val="d.jpg 1",
        dog_val="d.jpg -1",
    )  # fmt: skip
    dataset = recognise(root)
    assert dict(dataset.links) == {"trainval_lmdb": "train", "test_lmdb": "val"}
    assert dataset.splits["train"].sources == (VocSource(set="*_train"),)
    assert images(dataset, "train") == ["a.jpg", "b.jpg", "c.jpg"]
    assert images(dataset, "val") == ["d.jpg"]
    (root / "ImageSets/Main/train.txt").write_text("a\nb\n")
    dataset = recognise(root)  # as in VOC itself, where lists of classes lie beside
    assert images(dataset, "train") == ["a.jpg", "b.jpg"]
    assert images(dataset, "val") == ["d.jpg"]


def test_lists_of_classes_that_contradict(tmp_path: Path) -> None:
    root = write(
        tmp_path, f"{TREE} ImageSets/Main/cat_train.txt ImageSets/Main/dog_val.txt",
        cat_train="a.jpg -1\nb.jpg 1", dog_val="b.jpg 1",
    )  # fmt: skip
    with pytest.raises(
        InputError, match=r'dog_val.txt:1: "b.jpg" is in "val" and in "train", .*:2'
    ):
        recognise(root)


@pytest.mark.parametrize(
    ("line", "how"),
    [
        ("b", ""), ("b.jpg", ""), ("JPEGImages/b.jpg", ""), ("./JPEGImages/b", ""),
        ("{root}/JPEGImages/b.jpg", ""), ("  b\t", ""), ("b 1", ""), ("b.jpg -1", ""),
        ("JPEGImages/b.jpg Annotations/b.xml", ""), ("JPEGImages/b.jpg\tAnnotations/b.xml", ""),
        ("/home/me/VOC/JPEGImages/b.jpg", "by the end of its path"),
        ("C:\\set\\JPEGImages\\b.jpg", "by the end of its path"), ("%62.jpg", "unquoted"),
        ("data/b", "by its name alone"),
    ],
)  # fmt: skip
def test_a_picture_by_every_line(line: str, how: str, tmp_path: Path) -> None:
    text = line.format(root=tmp_path.resolve())
    root = write(tmp_path, f"{TREE} ImageSets/Main/train.txt", train=f"{text}\n")
    notes = Tally()
    assert images(recognise(root), "train", notes) == ["b.jpg"]
    assert list(notes.kinds) == ([f"picture of a list found {how}"] if how else [])


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_line_ends(end: str, tmp_path: Path) -> None:
    root = write(tmp_path, f"{TREE} ImageSets/Main/train.txt", train=f"\ufeffa{end}b{end}{end}c")
    assert images(recognise(root), "train") == ["a.jpg", "b.jpg", "c.jpg"]


def missing(tmp_path: Path, lines: str) -> dict[str, Unreadable | str]:
    """What became of each line that names no picture, or the file's name."""
    root = write(tmp_path, f"{TREE} ImageSets/Main/train.txt", train=lines)
    found = zip(lines.splitlines(), recognise(root).entries("train", Tally()), strict=True)
    return {line: e if isinstance(e, Unreadable) else e.image for line, e in found}


def test_a_line_never_falls_back_to_its_first_word(tmp_path: Path) -> None:
    found = missing(tmp_path, "a\nb (18)\nc 7\nd 1\nc cat")
    assert found["a"] == "JPEGImages/a.jpg"
    for line in ("b (18)", "c 7", "d 1", "c cat"):
        entry = found[line]
        assert isinstance(entry, Unreadable)
        assert not entry.unannotated
        assert f'train.txt:{list(found).index(line) + 1}: "{line}" is neither' in str(entry.error)


def test_a_name_that_ends_like_a_flag(tmp_path: Path) -> None:
    root = write(tmp_path, "JPEGImages/a.jpg Annotations/a.xml ImageSets/Main/train.txt")
    for number in (0, 1):
        (root / f"JPEGImages/b {number}.jpg").write_bytes(jpeg())
        (root / f"Annotations/b {number}.xml").write_text(xml(name=f"b {number}.jpg"))
    (root / "ImageSets/Main/train.txt").write_text("b 0\nb 1\n")
    assert images(recognise(root), "train") == ["b 0.jpg", "b 1.jpg"]
    (root / "ImageSets/Main/train.txt").write_text("b 0\na 1\n")
    with pytest.raises(InputError, match='train.txt:2: "a 1" is neither a picture of JPEGImages'):
        build(find(root), tmp_path / "out")


def test_several_names_in_a_line(tmp_path: Path) -> None:
    root = write(tmp_path, f"{TREE} ImageSets/Main/train.txt", train="d\na b c\n")
    with pytest.raises(InputError, match="train.txt:2: 3 pictures stand in one line"):
        recognise(root)


def test_a_missing_picture_is_that_of_the_line(tmp_path: Path) -> None:
    root = write(tmp_path, f"{TREE} Annotations/x.xml ImageSets/Main/train.txt", train="a\nx\n")
    with pytest.raises(InputError, match="JPEGImages/x.jpg: the picture is missing"):
        build(find(root), tmp_path / "out")


def test_pictures_that_differ_by_their_endings(tmp_path: Path) -> None:
    root = write(tmp_path, f"{TREE} JPEGImages/a.png JPEGImages/a.json ImageSets/Main/train.txt")
    (root / "ImageSets/Main/train.txt").write_text("a\nb\n")
    assert images(recognise(root), "train") == ["a.jpg", "b.jpg"]
    (root / "Annotations/a.xml").write_text(xml(name="a.png"))
    assert images(recognise(root), "train") == ["a.png", "b.jpg"]
    (root / "Annotations/a.xml").write_text(xml(name="a"))
    with pytest.raises(InputError, match=r'train.txt:1: "a" may be 2 pictures: a.jpg, a.png'):
        recognise(root)
    (root / "ImageSets/Main/train.txt").write_text("a.png\nb\n")
    assert images(recognise(root), "train") == ["a.png", "b.jpg"]


def test_a_picture_that_only_its_annotation_names(tmp_path: Path) -> None:
    root = write(tmp_path, f"{TREE} JPEGImages/IMG_7.jpg ImageSets/Main/train.txt", train="0001\n")
    (root / "Annotations/0001.xml").write_text(xml(name="IMG_7.jpg"))
    notes = Tally()
    assert images(recognise(root), "train", notes) == ["IMG_7.jpg"]
    assert list(notes.kinds) == ["picture found by its annotation's <filename>"]
    (root / "Annotations/0001.xml").write_text(xml(name="a.jpg"))  # which has its own
    assert images(recognise(root), "train") == ["0001.jpg"]


def test_the_folders_that_tools_write(tmp_path: Path) -> None:
    root = write(tmp_path, "images/a.jpg Annotations/a.xml ImageSets/Main/Train.txt", Train="a")
    dataset = recognise(root)
    assert dataset.splits["Train"].sources == (VocSource(set="Train", images="images"),)
    assert dataset.splits["Train"].shuffle


def said(root: Path) -> str:
    return " | ".join(recognise(root).said)


def test_what_is_said_of_lists(tmp_path: Path) -> None:
    files = "trainval train_v2 test notes".split()
    paths = " ".join(f"ImageSets/Main/{name}.txt" for name in files)
    root = write(tmp_path, f"{TREE} {paths}", trainval="a\nb", train_v2="a", test="c", notes="hm")
    dataset = recognise(root)
    assert sorted(dataset.splits) == ["test", "train_v2", "trainval"]
    assert "1 of 4 pictures are in no list of ImageSets/Main" in said(root)
    assert "ImageSets/Main/notes.txt names no picture" in said(root)
    (root / "ImageSets/Main/trainval.txt").rename(root / "ImageSets/Main/train_v1.txt")
    assert 'several splits are for training, by their names (train_v1, train_v2): "tr' in said(root)
    for name in ("train_v1", "train_v2", "test"):
        (root / f"ImageSets/Main/{name}.txt").unlink()
    (root / "ImageSets/Main/default.txt").write_text("a\n")
    assert "no split is for training or for testing" in said(root)
    assert dict(recognise(root).links) == {}


def test_what_is_trained_on_is_not_tested_with(tmp_path: Path) -> None:
    voc = Voc(tmp_path / "raw")
    voc.list(["1"], "train")
    voc.list(["2", "3"], "val")  # as VOC2012 comes, without a list for testing
    assert dict(recognise(voc.root).links) == {"trainval_lmdb": "train", "test_lmdb": "val"}
    voc.list(["3"], "test")
    with pytest.raises(InputError, match=r'"3.jpg" is in "trainval" and in "test"'):
        recognise(voc.root)
    voc.held_back("4")
    assert dict(recognise(voc.root).links) == {"trainval_lmdb": "trainval", "test_lmdb": "test"}


def test_lists_elsewhere(tmp_path: Path) -> None:
    main = "ImageSets/Main/train.txt ImageSets/Main/val.txt"
    root = write(tmp_path, f"{TREE} {main} valid.txt", train="a\nb", val="c\nd", valid="c\nd")
    assert not recognise(root).said
    (root / "valid.txt").write_text("c\n")
    assert "valid.txt: not used, since ImageSets/Main has lists" in said(root)
    (root / "valid.txt").write_text("JPEGImages/c.jpg\nJPEGImages/b.jpg\n")
    with pytest.raises(InputError, match='valid.txt:2: "b.jpg" is in valid.txt and in ImageSets'):
        recognise(root)


def test_a_list_and_folders_that_disagree(tmp_path: Path) -> None:
    paths = "JPEGImages/train/a.jpg JPEGImages/val/b.jpg Annotations/train/a.xml"
    root = write(tmp_path, f"{paths} Annotations/val/b.xml ImageSets/Main/train.txt")
    (root / "ImageSets/Main/train.txt").write_text("train/a\n")
    assert images(recognise(root), "train") == ["a.jpg"]
    (root / "ImageSets/Main/train.txt").write_text("train/a\nval/b\n")
    with pytest.raises(
        InputError, match=r'train.txt:2: "val/b.jpg" is in .*and in the folder "val"'
    ):
        recognise(root)


def test_a_recipe_may_unite_lists(tmp_path: Path) -> None:
    lists = "ImageSets/Main/x_part.txt ImageSets/Main/y_part.txt"
    write(tmp_path / "set", f"{TREE} {lists}", x_part="b\na", y_part="c\na")
    recipe = tmp_path / "my.toml"
    text = 'format = "voc"\n[splits.a]\nsources = [{{ folder = "set", set = "{}" }}]'
    recipe.write_text(text.format("*_part"))
    assert images(find(str(recipe)), "a") == ["b.jpg", "a.jpg", "c.jpg"]
    recipe.write_text(text.format("*_prat"))
    with pytest.raises(InputError, match=r"\*_prat.txt: there is no such list"):
        images(find(str(recipe)), "a")
