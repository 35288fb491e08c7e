"""Annotations, lists and paths that are not what they should be."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.trees import Voc, jpeg, xml

from ssd_data import BuildOptions, InputError, LabelMap, LmdbReader, build, from_list, recognise
from ssd_data.core.labelmap import write_labelmap
from ssd_data.data.dataset import Dataset

CLASSES = LabelMap.from_names(["cat", "dog"])


def run(dataset: Dataset, out: Path, **options: Any) -> dict[str, Any]:
    options.setdefault("shuffle", False)
    split = next(iter(dataset.links.values()))
    chosen = dict(splits=[split], labelmap=options.pop("labelmap", None))
    manifest = build(dataset, out, BuildOptions(**options), **chosen).manifest
    table: dict[str, Any] = manifest["splits"][split]
    return table


def boxes(lmdb: Path) -> list[list[float]]:
    with LmdbReader(lmdb) as records:
        return [box for record in records for box in record.boxes.tolist()]


LAUGHS = """<?xml version="1.0"?>
<!DOCTYPE lolz [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>
<annotation><object><name>&b;</name></object></annotation>"""
OUTSIDE = """<?xml version="1.0"?>
<!DOCTYPE x [<!ENTITY x SYSTEM "file:///etc/passwd">]>
<annotation><filename>&x;</filename></annotation>"""
TYPED = '<?xml version="1.0"?>\n<!DOCTYPE annotation SYSTEM "voc.dtd">\n'
BROKEN_XML: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "is empty"),
    "malformed": (
        b"<annotation>\n<object>\n</annotation>",
        r"Annotations/2.xml:3: not well-formed",
    ),
    "not xml": (b"hello", "not well-formed"),
    "another root": (b"<html></html>", "the root element is <html>"),
    "billion laughs": (LAUGHS.encode(), "entities"),
    "external entity": (OUTSIDE.encode(), "entities"),
    "unknown entity": (
        (TYPED + xml().replace(">30<", ">3&x;0<")).encode(),
        "2.xml:8: the XML has entities that it does not declare",
    ),
    "unknown entity among odd tags": (
        (TYPED + xml().replace(">cat<", ">&x;<").replace("object>", "Object>")).encode(),
        "2.xml:6: the XML has entities that it does not declare",
    ),
    "wrong encoding": (xml().replace("cat", "k\xe4tze").encode("latin-1"), "not well-formed"),
    "no name": (
        xml().replace("<name>cat</name>", "").encode(),
        "2.xml:3: <object> without a <name>",
    ),
    "no box": (xml().replace("bndbox", "box").encode(), "<object> with no <bndbox>"),
    "no corner": (xml().replace("ymax", "y2").encode(), "<bndbox> without <ymax>"),
    "word": (xml().replace(">30<", ">wide<").encode(), r'2.xml:6: <xmax> is "wide", not a number'),
    "nan": (xml().replace(">30<", ">nan<").encode(), '"nan", not a number'),
    "infinite": (xml().replace(">30<", ">1e400<").encode(), '"1e400", not a number'),
    "size in words": (xml().replace(">64<", ">big<").encode(), '<width> is "big"'),
}


@pytest.mark.parametrize("kind", BROKEN_XML)
def test_broken_xml_is_an_error_and_a_counted_skip(kind: str, tmp_path: Path) -> None:
    data, message = BROKEN_XML[kind]
    voc = Voc(tmp_path / "raw")
    voc.annotation(2).write_bytes(data)
    with pytest.raises(InputError, match=message) as caught:
        run(recognise(voc.root), tmp_path / "out")
    assert "Annotations/2.xml" in str(caught.value)
    split = run(recognise(voc.root), tmp_path / "out", missing="skip")
    assert (split["records"], split["listed"]) == (2, 3)


GOOD_XML: dict[str, str] = {
    "document type": TYPED + xml(),
    "letters as numbers": TYPED + xml().replace(">30<", ">&#51;0<").replace("cat", "c&#97;t"),
    "byte order mark": "\ufeff" + xml(),
    "padded": xml().replace(">cat<", ">\n  cat\t<").replace(">30<", "> 30 <"),
    "box before name": xml()
    .replace("<name>cat</name>\n", "")
    .replace("</bndbox>", "</bndbox><name>cat</name>"),
    "no size": xml(size=None),
    "zero size": xml(size=(0, 0)),
    "wrong file name": xml(name="other.png"),
    "part": xml(
        extra="<object><name>cat</name><part><name>head</name><bndbox><xmin>1</xmin>"
        "</bndbox></part><bndbox><xmin>5</xmin><ymin>6</ymin><xmax>30</xmax><ymax>40</ymax></bndbox>"
        "</object>"
    ),
    "fractions of size": xml().replace(">64<", ">64.0<"),
}


@pytest.mark.parametrize("kind", GOOD_XML)
def test_odd_but_readable_xml(kind: str, tmp_path: Path) -> None:
    voc = Voc(tmp_path / "raw", 1)
    voc.annotation(1).write_text(GOOD_XML[kind], "utf-8")
    run(recognise(voc.root), tmp_path / "out")
    expected = [5 / 64, np.float32(6) / np.float32(48), 30 / 64, np.float32(40) / np.float32(48)]
    found = boxes(tmp_path / "out" / "raw_trainval_lmdb")
    assert found[0] == pytest.approx(expected, abs=0)
    assert len(found) == (2 if kind == "part" else 1)


@pytest.mark.parametrize("where", ["before", "after"])
def test_difficult_counts_wherever_it_stands(where: str, tmp_path: Path) -> None:
    voc = Voc(tmp_path / "raw", 1)
    text = xml().replace("<difficult>0</difficult>\n", "")
    old, new = ("<bndbox>", "<difficult>1</difficult><bndbox>")
    if where == "after":
        old, new = ("</bndbox>", "</bndbox><difficult>1</difficult>")
    voc.annotation(1).write_text(text.replace(old, new))
    assert run(recognise(voc.root), tmp_path / "out")["difficult"] == 1


def test_fractional_coordinates_are_read(tmp_path: Path) -> None:
    voc = Voc(tmp_path / "raw", 1)
    voc.annotation(1).write_text(xml([("cat", 5.25, 6.5, 30.75, 40.1)]))
    run(recognise(voc.root), tmp_path / "out")
    f = np.float32
    expected = [f(5.25) / f(64), f(6.5) / f(48), f(30.75) / f(64), f(40.1) / f(48)]
    assert boxes(tmp_path / "out" / "raw_trainval_lmdb") == [[float(v) for v in expected]]


def test_the_stated_size_wins_and_is_noted(tmp_path: Path) -> None:
    voc = Voc(tmp_path / "raw", 1)
    voc.annotation(1).write_text(xml(size=(128, 96)))
    split = run(recognise(voc.root), tmp_path / "out")
    assert any("another size" in kind for kind in split["notes"])
    assert boxes(tmp_path / "out" / "raw_trainval_lmdb")[0][0] == 5 / 128


SWAPPED = ("cat", 30, 6, 5, 40)
FLAT = ("cat", 5, 6, 5, 40)
GOOD = ("dog", 5, 6, 30, 40)
OVER = ("cat", -4, 6, 30, 60)


@pytest.mark.parametrize("box", [SWAPPED, FLAT])
def test_empty_boxes(box: Any, tmp_path: Path) -> None:
    voc = Voc(tmp_path / "raw", 1)
    voc.annotation(1).write_text(xml([box, GOOD]))
    dataset = recognise(voc.root)
    split = run(dataset, tmp_path / "drop", labelmap=CLASSES)
    assert split["notes"]["box is inverted or has no area (dropped)"]["count"] == 1
    assert split["classes"] == {"dog": 1}
    assert run(dataset, tmp_path / "keep", empty="keep", labelmap=CLASSES)["boxes"] == 2
    with pytest.raises(InputError, match=r"Annotations/1.xml:3.*the box .* no area"):
        run(dataset, tmp_path / "fail", empty="fail", missing="skip")


def test_boxes_that_leave_the_picture(tmp_path: Path) -> None:
    voc = Voc(tmp_path / "raw", 1)
    voc.annotation(1).write_text(xml([OVER, GOOD, ("dog", 70, 6, 80, 40)]))
    dataset = recognise(voc.root)
    lmdb = "raw_trainval_lmdb"
    kept = run(dataset, tmp_path / "keep")
    assert kept["notes"]["box leaves the picture (kept)"]["count"] == 2
    assert boxes(tmp_path / "keep" / lmdb)[0][0] == -4 / 64
    run(dataset, tmp_path / "clip", outside="clip")
    assert boxes(tmp_path / "clip" / lmdb) == [
        [0, 0.125, 30 / 64, 1],
        [5 / 64, 0.125, 30 / 64, pytest.approx(40 / 48)],
    ]
    assert run(dataset, tmp_path / "drop", outside="drop")["boxes"] == 1
    with pytest.raises(InputError, match="leaves the picture"):
        run(dataset, tmp_path / "fail", outside="fail", missing="skip")


def test_unknown_classes_are_counted_over_all_first(tmp_path: Path) -> None:
    voc = Voc(tmp_path / "raw", 2)
    voc.annotation(1).write_text(xml([("cta", 1, 1, 9, 9), ("zebra", 1, 1, 9, 9)]))
    voc.annotation(2).write_text(xml([("cta", 1, 1, 9, 9), ("dog", 1, 1, 9, 9)]))
    dataset = recognise(voc.root)
    with pytest.raises(InputError) as caught:
        run(dataset, tmp_path / "out", labelmap=CLASSES)
    for part in (
        "2 classes",
        '"cta": 2 boxes, nearest "cat", first at Annotations/1.xml:3',
        "zebra",
    ):
        assert part in str(caught.value)
    split = run(dataset, tmp_path / "skip", labelmap=CLASSES, unknown="skip")
    assert split["notes"]["box of an unknown class (skipped)"]["count"] == 3
    split = run(dataset, tmp_path / "map", labelmap=CLASSES, map={"cta": "cat", "zebra": ""})
    assert split["classes"] == {"cat": 2, "dog": 1}
    assert split["notes"]["box dropped by --map"]["count"] == 1


def test_a_missing_annotation_is_no_background_picture(tmp_path: Path) -> None:
    voc = Voc(tmp_path / "raw")
    voc.annotation(2).unlink()
    with pytest.raises(InputError, match=r"Annotations/2.xml: the annotation is missing"):
        run(recognise(voc.root), tmp_path / "out")


# Lists, as create_annoset.py takes them.


class Listed:
    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir()
        (root / "a.jpg").write_bytes(jpeg())
        (root / "a.xml").write_text(xml())
        (root / "a b.jpg").write_bytes(jpeg(seed=1))
        (root / "a b c.xml").write_text(xml([GOOD]))
        write_labelmap(CLASSES, root / "labelmap.prototxt")

    def build(self, text: str, **options: Any) -> dict[str, Any]:
        (self.root / "list.txt").write_text(text, "utf-8")
        dataset = from_list(self.root / "list.txt", self.root, self.root / "labelmap.prototxt")
        return run(dataset, self.root / "out", **options)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a.jpg 7\n", r"list.txt:1: .*classification list"),
        ("a.jpg\n", r"list.txt:1: .* is not an image and an annotation"),
        ("a.jpg a.xml extra\n", "is not an image and an annotation"),
        ("../raw/a.jpg a.xml\n", r"list.txt:1: .* leaves the root"),
        ("x/../../a.jpg a.xml\n", "leaves the root"),
        ("/etc/passwd a.xml\n", "not a path below the root"),
        ("a.jpg ../list.xml\n", "leaves the root"),
        ("a.jpg a.csv\n", "neither .xml, .json nor .txt"),
        ("", "holds no picture"),
        ("\n \n", "holds no picture"),
        ("nothere.jpg a.xml\n", "the picture is missing"),
    ],
)
def test_bad_lists(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        Listed(tmp_path / "raw").build(text)


@pytest.mark.parametrize(
    "text", ["a b.jpg a b c.xml\n", "a b.jpg\ta b c.xml\n", "a b.jpg  \ta b c.xml\r\n"]
)
def test_paths_with_spaces(text: str, tmp_path: Path) -> None:
    listed = Listed(tmp_path / "raw")
    if "  \t" in text:
        text = text.replace("  \t", "\t")
    assert listed.build(text)["classes"] == {"dog": 1}
    with LmdbReader(listed.root / "out" / "list_lmdb") as records:
        assert records.keys() == [b"00000000_a b.jpg"]
    written = (listed.root / "out" / "list.txt").read_text()
    assert Listed(tmp_path / "again").build(written)["classes"] == {"dog": 1}


def test_duplicates_in_a_list_are_kept_and_noted(tmp_path: Path) -> None:
    split = Listed(tmp_path / "raw").build("a.jpg a.xml\na.jpg a.xml\n")
    assert split["records"] == 2
    assert split["notes"]["picture stands more than once in the list"]["count"] == 1


def test_a_list_that_is_not_text(tmp_path: Path) -> None:
    listed = Listed(tmp_path / "raw")
    (listed.root / "list.txt").write_bytes(b"\xff\xfe\x00a")
    with pytest.raises(InputError, match="not UTF-8 text"):
        run(
            from_list(listed.root / "list.txt", listed.root, listed.root / "labelmap.prototxt"),
            tmp_path / "out",
        )


# COCO


def coco(root: Path, **changes: Any) -> Dataset:
    table: dict[str, Any] = {
        "images": [
            {"id": 7, "file_name": "1.jpg", "width": 64, "height": 48},
            {"id": 9, "file_name": "2.jpg", "width": 64, "height": 48},
        ],
        "annotations": [
            {"id": 1, "image_id": 9, "category_id": 3, "bbox": [1.5, 2, 10, 20], "iscrowd": 0},
            {
                "id": 2,
                "image_id": 7,
                "category_id": 1,
                "bbox": [0, 0, 5, 5],
                "iscrowd": 1,
                "segmentation": {"counts": [1, 2, 3], "size": [48, 64]},
            },
        ],
        "categories": [{"id": 3, "name": "dog"}, {"id": 1, "name": "cat"}],
    }
    table.update(changes)
    (root / "annotations").mkdir(parents=True)
    (root / "train").mkdir()
    for i in (1, 2):
        (root / "train" / f"{i}.jpg").write_bytes(jpeg(seed=i))
    text = changes.get("text") or json.dumps(table)
    (root / "annotations" / "instances_train.json").write_text(text)
    return recognise(root)


def test_coco_keeps_ids_crowds_and_order(tmp_path: Path) -> None:
    split = run(coco(tmp_path / "raw"), tmp_path / "out")
    assert split["classes"] == {"cat": 1, "dog": 1}
    assert split["difficult"] == 1
    assert (tmp_path / "out" / "train_name_size.txt").read_text() == "7 48 64\n9 48 64\n"
    with LmdbReader(tmp_path / "out" / "raw_train_lmdb") as records:
        assert records[1].labels.tolist() == [2]
        f = np.float32
        assert records[1].boxes[0].tolist() == [
            float(v) for v in (f(1.5) / f(64), f(2) / f(48), f(11.5) / f(64), f(22) / f(48))
        ]


ANNOTATION = {"id": 5, "image_id": 7, "category_id": 1, "bbox": [1, 2, 3, 4]}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"text": "{"}, r"instances_train.json:1"),
        ({"text": '{"images": [],\n "annotations": [NaN]}'}, r"json:2 \(byte \d+\): malformed"),
        ({"annotations": [{**ANNOTATION, "category_id": 44}]}, r'"44": 1 box.* annotation 5'),
        ({"images": [{"id": 7, "file_name": "1.jpg"}] * 2}, "image 7: an image id stands twice"),
        ({"annotations": [{**ANNOTATION, "bbox": [1, 2, 3]}]}, "annotation 5: bbox"),
        ({"annotations": [{**ANNOTATION, "bbox": [1, 2, 3, "x"]}]}, "annotation 5: bbox"),
        ({"annotations": [{**ANNOTATION, "bbox": [1, 2, 3, 1e300]}]}, "annotation 5: bbox"),
        ({"annotations": [ANNOTATION, {"id": 6}]}, r"annotations\[1\]: not what the format says"),
        ({"annotations": [{"id": 1, "image_id": 7, "caption": "a dog"}]}, "captions"),
        ({"images": [{"id": 7, "file_name": "gone.jpg"}]}, "gone.jpg: the picture is missing"),
        ({"images": [{"id": 7, "file_name": "../../x.jpg"}]}, "leaves the root"),
        ({"images": []}, "holds no picture"),
        ({"categories": []}, "no class"),
    ],
)
def test_bad_coco(changes: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        run(coco(tmp_path / "raw", **changes), tmp_path / "out")


def test_odd_coco_is_noted(tmp_path: Path) -> None:
    annotations = [ANNOTATION, ANNOTATION, {**ANNOTATION, "id": 8, "image_id": 555}]
    split = run(coco(tmp_path / "raw", annotations=annotations), tmp_path / "out")
    assert split["boxes"] == 2
    assert split["notes"]["annotation id stands more than once"]["count"] == 1
    assert split["notes"]["annotation of an image that the JSON does not list"]["count"] == 1


# WIDER FACE

FACE = "1 2 10 12 0 0 0 0 0 0"


def wider(root: Path, text: str) -> Dataset:
    (root / "wider_face_split").mkdir(parents=True)
    (root / "wider_face_split" / "wider_face_train_bbx_gt.txt").write_text(text)
    pictures = root / "WIDER_train" / "images" / "0--Parade"
    pictures.mkdir(parents=True)
    for i in (1, 2, 3):
        (pictures / f"{i}.jpg").write_bytes(jpeg(seed=i))
    return recognise(root)


@pytest.mark.parametrize(
    "nothing", ["0\n0 0 0 0 0 0 0 0 0 0 \n", "1\n0 0 0 0 0 0 0 0 0 0 \n", "0\n"]
)
def test_pictures_without_faces(nothing: str, tmp_path: Path) -> None:
    text = f"0--Parade/1.jpg\n{nothing}0--Parade/2.jpg\n1\n{FACE}\n0--Parade/3.jpg\n{nothing}"
    split = run(wider(tmp_path / "raw", text), tmp_path / "out")
    assert (split["records"], split["boxes"], split["without_boxes"]) == (3, 1, 2)
    assert split["notes"] == {}


def test_invalid_faces_are_difficult_and_flat_ones_dropped(tmp_path: Path) -> None:
    rows = ["1 2 10 12 2 1 1 1 2 1", "5 5 0 3 0 0 0 0 0 0", "5 5 -2 3 0 0 0 0 0 0", FACE]
    text = f"0--Parade/1.jpg\n{len(rows)}\n" + "\n".join(rows) + "\n"
    dataset = wider(tmp_path / "raw", text)
    split = run(dataset, tmp_path / "out")
    assert (split["boxes"], split["difficult"]) == (2, 1)
    assert split["notes"]["box is inverted or has no area (dropped)"]["count"] == 2
    from ssd_data.core.notes import Tally

    (entry,) = dataset.entries("train", Tally())
    assert {name: values[0] for name, values in entry.attributes.items()} == {
        "blur": 2, "expression": 1, "illumination": 1, "invalid": 1, "occlusion": 2, "pose": 1,
    }  # fmt: skip
    assert entry.boxes[0].tolist() == [1, 2, 11, 14]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"0--Parade/1.jpg\n2\n{FACE}\n", r"gt.txt:4: 2 faces are announced .* 1 rows follow"),
        (f"0--Parade/1.jpg\n1\n{FACE}\n{FACE}\n", r"gt.txt:4: a picture's path"),
        ("0--Parade/1.jpg\n", r"gt.txt:2: the number of faces"),
        (f"0--Parade/1.jpg\n0--Parade/2.jpg\n1\n{FACE}\n", r"gt.txt:2: the number of faces"),
        ("0--Parade/1.jpg\n1\n1 2 10\n", r"gt.txt:3: 1 faces are announced"),
        ("0--Parade/1.jpg\n1\n1 2 10 nan 0 0 0 0 0 0\n", r"gt.txt:3: a value is not a number"),
        ("0--Parade/1.jpg\n1\n1 2 10 3 0 0\n", r"gt.txt:3: a face's row has 10 values"),
        (f"../../1.jpg\n1\n{FACE}\n", r"gt.txt:1: .*leaves the root|is missing"),
        (f"../../../../1.jpg\n1\n{FACE}\n", r"gt.txt:1: .*leaves the root"),
    ],
)
def test_bad_wider_lists(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        run(wider(tmp_path / "raw", text), tmp_path / "out")


# Two folders side by side


def flat(root: Path, text: str | None, ending: str = "txt") -> Dataset:
    for folder in ("Images", "Labels"):
        (root / folder).mkdir(parents=True)
    for i in range(10):
        (root / "Images" / f"{i}.jpg").write_bytes(jpeg(seed=i))
        if text is not None:
            (root / "Labels" / f"{i}.{ending}").write_text(text)
    return recognise(root, "flat")  # YOLO's would be taken for what they are


def test_pixels_in_txt(tmp_path: Path) -> None:
    dataset = flat(tmp_path / "raw", "1 5 6 30 40\n2 0.5 1 20 20\n")
    split = run(dataset, tmp_path / "out")
    assert (split["records"], split["classes"]) == (8, {"1": 8, "2": 8})
    entries = {s: [e.image for e in dataset.entries(s, None)] for s in ("trainval", "test")}  # type: ignore[arg-type]
    assert len(entries["test"]) == 2
    assert not set(entries["test"]) & set(entries["trainval"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0 0.5 0.5 0.25 0.25\n", "fractions, as in YOLO's files"),
        ("1 5 6 30\n", r"Labels/\d.txt:1: .* is not label xmin ymin xmax ymax"),
        ("1 5 6 30 4O\n", "is not label xmin ymin xmax ymax"),
        ("1 5 6 30 inf\n", "is not label xmin ymin xmax ymax"),
        ("3 5 6 30 40\n", "label numbers are not 1 to 3"),
        (None, "annotation is missing|no box has a class"),
    ],
)
def test_bad_txt(text: str | None, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        run(flat(tmp_path / "raw", text), tmp_path / "out")


def test_xml_in_two_folders(tmp_path: Path) -> None:
    split = run(flat(tmp_path / "raw", xml(), "xml"), tmp_path / "out")
    assert (split["records"], split["classes"]) == (8, {"cat": 8})
