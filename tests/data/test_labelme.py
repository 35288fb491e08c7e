"""LabelMe's JSON: what its shapes mean in pixels, and which picture a file is about."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import raw
from support.labelme_json import document, pictures, shape, write
from support.trees import Voc, jpeg

from ssd_data import BuildOptions, InputError, Tally, build, recognise
from ssd_data.core.structures import AnnotatedImage, Unreadable
from ssd_data.data import formats
from ssd_data.data.find import from_list
from ssd_data.data.formats.labelme.schema import LabelmeShape
from ssd_data.data.formats.labelme.shapes import read_shape
from ssd_data.data.formats.tree import Tree

CUP = (20, 30, 80, 90)
RECTANGLE = [[20.0, 30.0], [80.0, 90.0]]


def one(root: Path, *shapes: dict[str, Any], **more: Any) -> raw.Raw:
    """A set of one picture with these shapes."""
    pictures(root, "a.jpg")
    write(root, "a.json", document(*shapes, **more))
    return raw.read(root)


@pytest.mark.parametrize("points", [
    RECTANGLE, [[80, 90], [20, 30]], [[80, 30], [20, 90]], [[20, 90], [80, 30]],
    [[20, 30], [80, 30], [80, 90], [20, 90]],
])  # fmt: skip
def test_a_rectangle_is_drawn_from_any_corner(points: Any, tmp_path: Path) -> None:
    found = one(tmp_path, shape("cup", points))
    assert found.rows == {"a.jpg": [("cup", CUP, False)]}
    assert not found.notes


@pytest.mark.parametrize(
    ("one_shape", "corners"),
    [
        (shape("cup", [[20, 30], [80, 50], [25, 90]], "polygon"), CUP),
        (shape("cup", [[20, 30], [80, 50], [25, 90]], None), CUP),
        (shape("cup", [[50, 60], [50, 90]], "circle"), CUP),
        (shape("cup", [[50, 60], [68, 84]], "circle"), CUP),
        (shape("cup", [[20, 30], [79, 89]], "mask", mask="iVBORw0KGgo="), CUP),
        (shape("cup", [[50, 30], [80, 60], [50, 90], [20, 60]], "oriented_rectangle"), CUP),
        (shape("cup", [[50, 30], [80, 60], [50, 90], [20, 60]], "rotation", direction=0.8), CUP),
        (shape("cup", [[-5.5, 30.25], [170, 90]], "rectangle"), (-5.5, 30.25, 170, 90)),
    ],
)
def test_each_shape_with_an_area_is_the_box_around_it(
    one_shape: dict[str, Any], corners: tuple[float, ...], tmp_path: Path
) -> None:
    found = one(tmp_path, one_shape)
    assert found.rows == {"a.jpg": [("cup", corners, False)]}
    assert bool(found.notes) == (one_shape.get("shape_type") != "rectangle")


@pytest.mark.parametrize(
    "one_shape",
    [
        shape("cup", [[50, 60]], "point"),
        shape("cup", [[50, 60], [1, 2]], "points"),
        shape("cup", [[50, 60], [1, 2]], "line"),
        shape("cup", [[50, 60], [1, 2], [5, 6]], "linestrip"),
        shape("cup", [[50, 60], [1, 2], [5, 6]], "blob"),
        shape("__ignore__", RECTANGLE),
        shape("_background_", RECTANGLE, "polygon"),
    ],
)
def test_what_has_no_box_is_read_over_and_counted(
    one_shape: dict[str, Any], tmp_path: Path
) -> None:
    found = one(tmp_path, one_shape, shape("cup", RECTANGLE))
    assert found.rows == {"a.jpg": [("cup", CUP, False)]}
    ((kind, places),) = found.notes.items()
    assert one_shape["shape_type"] in kind or one_shape["label"] in kind
    assert places == ["a.json: shape 0"]
    (entry,) = found.entries
    assert isinstance(entry, AnnotatedImage)
    assert entry.place(0) == "a.json: shape 1"


def test_parts_of_one_group_are_one_object(tmp_path: Path) -> None:
    hard = {"difficult": True}
    found = one(
        tmp_path,
        shape("cup", [[20, 30], [40, 50]], group_id=1),
        shape("cup", [[1, 1], [2, 2]]),
        shape("cup", [[70, 80], [80, 90], [75, 85]], "polygon", group_id=1, flags=hard),
        shape("plate", [[5, 5], [6, 6]], group_id=1),
        shape("cup", [[3, 3], [4, 4]], group_id=2),
        shape("cup", [[150, 110]], "point", group_id=1),
    )  # fmt: skip
    assert found.rows["a.jpg"] == [
        ("cup", CUP, True),
        ("cup", (1, 1, 2, 2), False),
        ("plate", (5, 5, 6, 6), False),
        ("cup", (3, 3, 4, 4), False),
    ]
    assert found.notes["shapes of one group_id (joined to one box)"] == ["a.json: shape 2"]


@pytest.mark.parametrize(
    ("more", "hard"),
    [
        ({"flags": {"difficult": True}}, True),
        ({"flags": {"Difficult": True, "occluded": False}}, True),
        ({"flags": {"difficult": False}}, False),
        ({"flags": {"truncated": True}}, False),
        ({"flags": None}, False),
        ({"difficult": True}, True),
        ({"difficult": "false"}, False),
        ({"difficult": "true"}, True),
    ],
)
def test_difficult_is_a_flag(more: dict[str, Any], hard: bool, tmp_path: Path) -> None:
    assert one(tmp_path, shape("cup", RECTANGLE, **more)).rows["a.jpg"] == [("cup", CUP, hard)]


def test_a_picture_inside_the_file_is_passed_by(tmp_path: Path) -> None:
    inside = base64.b64encode(jpeg(20, 10)).decode()
    found = one(tmp_path, shape("cup", RECTANGLE), imageData=inside, flags={"night": True})
    (entry,) = found.entries
    assert isinstance(entry, AnnotatedImage)
    assert (entry.width, entry.height) == (160, 120)
    assert list(found.notes) == ["flags of a whole picture (read over)"]
    first = {"imageData": inside * 400, **document(shape("cup", RECTANGLE))}
    del first["imageWidth"]
    write(tmp_path, "a.json", {**first, "imageData": inside * 400, "imageHeight": None})
    (entry,) = raw.read(tmp_path).entries
    assert isinstance(entry, AnnotatedImage)
    assert (entry.width, entry.height) == (None, None)


@pytest.mark.parametrize(
    ("name", "stated", "there", "note"),
    [
        ("a.json", "a.jpg", "a.jpg", ""),
        ("a.json", "C:\\photos\\a.jpg", "a.jpg", ""),
        ("a.json", "/home/me/a.jpg", "a.jpg", ""),
        ("a.json", None, "a.jpg", ""),
        ("a.json", "old name.jpg", "a.jpg", "by the JSON's own name (its imagePath is not here)"),
        ("ann_1.json", "a.jpg", "a.jpg", ""),
        ("json/a.json", "..\\images\\a.jpg", "images/a.jpg", ""),
        ("json/a.json", "a.jpg", "images/a.jpg", ""),
        ("labels/cam/a.json", "a.jpg", "images/cam/a.jpg", ""),
        ("labels/a.json", "a.jpg", "images/cam/a.jpg", "by the end of its path"),
        ("a.json", "a.png", "a.png", ""),
        ("x.json", "dir/a", "a.png", "without its ending"),
    ],
)
def test_the_picture_of_a_file(
    name: str, stated: str | None, there: str, note: str, tmp_path: Path
) -> None:
    pictures(tmp_path, there)
    write(tmp_path, name, document(shape("cup", RECTANGLE), path=stated))
    if stated is None:  # found beside one that states it
        pictures(tmp_path, "b.jpg")
        write(tmp_path, "b.json", document(path="b.jpg"))
    found = raw.read(tmp_path)
    assert found.rows[there] == [("cup", CUP, False)]
    assert list(found.notes) == ([f"picture found {note}"] if note else [])
    assert not found.errors


def test_pictures_of_one_name_in_two_folders_are_told_apart(tmp_path: Path) -> None:
    for split in ("train", "val"):
        pictures(tmp_path, f"images/{split}/a.jpg")
        write(tmp_path, f"labels/{split}/a.json", document(shape(split, RECTANGLE)))
    dataset = recognise(tmp_path)
    assert dataset.links == {"trainval_lmdb": "train", "test_lmdb": "val"}
    for split in ("train", "val"):
        assert raw.read(tmp_path, split).rows == {f"images/{split}/a.jpg": [(split, CUP, False)]}


def test_twins_are_told_apart_by_what_is_stated(tmp_path: Path) -> None:
    pictures(tmp_path, "a.jpg", "a.png")
    write(tmp_path, "a.json", document(shape("cup", RECTANGLE), path="a.png"))
    assert list(raw.read(tmp_path).rows) == ["a.png"]
    write(tmp_path, "a.json", document(shape("cup", RECTANGLE), path="b.png"))
    assert '"a" may be 2 pictures' in raw.read(tmp_path).errors[0]


def test_a_name_that_contradicts_is_refused(tmp_path: Path) -> None:
    pictures(tmp_path, "1.jpg", "2.jpg")  # both were renamed, what the JSON states was not
    write(tmp_path, "2.json", document(shape("cup", RECTANGLE), path="1.jpg"))
    first, second = raw.read(tmp_path).errors
    assert "1.json: the annotation is missing" in first
    assert "2.json: its imagePath is 1.jpg, but it is called as 2.jpg" in second


def test_two_files_for_one_picture_are_refused(tmp_path: Path) -> None:
    pictures(tmp_path, "a.jpg")
    write(tmp_path, "a.json", document(shape("cup", RECTANGLE)))
    write(tmp_path, "copy.json", document(shape("cup", RECTANGLE)))
    assert "copy.json: a.jpg is annotated in a.json too" in raw.read(tmp_path).errors[0]


def test_pictures_without_a_file_are_as_asked(tmp_path: Path) -> None:
    pictures(tmp_path, "a.jpg", "b.jpg", "c.jpg", "masks/a.png")
    write(tmp_path, "a.json", document(shape("cup", RECTANGLE)))
    write(tmp_path, "c.json", "{")
    found = {entry.image: entry for entry in raw.read(tmp_path).entries}
    assert sorted(found) == ["a.jpg", "b.jpg", "c.jpg"]
    assert isinstance(found["b.jpg"], Unreadable)
    assert isinstance(found["c.jpg"], Unreadable)
    assert (found["b.jpg"].unannotated, found["c.jpg"].unannotated) == (True, False)
    pictures(tmp_path, "d.png")
    write(tmp_path, "d.json", "{")  # which is d.png's: that is not without annotation
    broken = [entry for entry in raw.read(tmp_path).entries if entry.image.startswith("d.")]
    assert [(one.image, isinstance(one, Unreadable)) for one in broken] == [("d.png", True)]
    for name in ("c.json", "d.json", "d.png"):
        (tmp_path / name).unlink()
    dataset = recognise(tmp_path)
    with pytest.raises(InputError, match="b.json: the annotation is missing\n.*--unannotated"):
        build(dataset, tmp_path / "no")
    made = build(dataset, tmp_path / "out", BuildOptions(unannotated="background"))
    counts = [split["records"] for split in made.manifest["splits"].values()]
    assert sum(counts) == 3


def test_folders_of_splits_whatever_lies_in_them(tmp_path: Path) -> None:
    for name in ("train/cam1/test1", "train/cam2/b", "Valid/c", "more/d"):
        pictures(tmp_path, f"{name}.jpg")
        stem = name.rpartition("/")[2]
        write(tmp_path, f"{name}.json", document(shape("cup", RECTANGLE), path=f"{stem}.jpg"))
    dataset = recognise(tmp_path)
    assert set(dataset.splits) == {"train", "Valid"}
    assert dataset.said == (
        "more/d.json is like these, but it is not read: build its folder by itself",
    )
    assert list(raw.read(tmp_path, "train").rows) == ["train/cam1/test1.jpg", "train/cam2/b.jpg"]
    pictures(tmp_path, "e.jpg")
    write(tmp_path, "e.json", document(path="e.jpg"))
    assert set(recognise(tmp_path).splits) == {"train", "Valid", "unassigned"}
    assert list(raw.read(tmp_path, "unassigned").rows) == ["e.jpg", "more/d.jpg"]


def test_folders_of_any_name_where_each_has_such_files(tmp_path: Path) -> None:
    for name in ("cam1/a", "cam 2/a"):
        pictures(tmp_path, f"{name}.jpg")
        write(tmp_path, f"{name}.json", document(shape("cup", RECTANGLE)))
    assert recognise(tmp_path).format == "labelme"
    assert sorted(raw.read(tmp_path).rows) == ["cam 2/a.jpg", "cam1/a.jpg"]
    pictures(tmp_path, "another/b.jpg")  # perhaps another data set
    assert formats.load("labelme").recognise(Tree(tmp_path)) is None  # type: ignore[misc]


def test_without_splits_shares_are_drawn_and_lists_decide(tmp_path: Path) -> None:
    for i in range(10):
        pictures(tmp_path, f"{i}.jpg")
        write(tmp_path, f"{i}.json", document(shape("cup", RECTANGLE), path=f"{i}.jpg"))
    assert "no split is stated" in recognise(tmp_path).said[0]
    first, last = (set(raw.read(tmp_path, split).rows) for split in ("trainval", "test"))
    assert (len(first), len(last), len(first | last)) == (8, 2, 10)
    (tmp_path / "train.txt").write_text("".join(f"{i}\n" for i in range(7)))
    (tmp_path / "val.txt").write_text("9.jpg\n")
    assert len(raw.read(tmp_path, "train").rows) == 7
    assert list(raw.read(tmp_path, "val").rows) == ["9.jpg"]


def test_beside_a_voc_tree_they_are_not_the_data_set(tmp_path: Path) -> None:
    voc = Voc(tmp_path / "raw")
    for i in (1, 2, 3):
        write(voc.root, f"JPEGImages/{i}.json", document(path=f"{i}.jpg"))
    assert recognise(voc.root).format == "voc"
    assert recognise(voc.root, "labelme").format == "labelme"


def test_shapes_without_points_are_left_out_when_asked(tmp_path: Path) -> None:
    pictures(tmp_path, "a.jpg", "b.jpg")
    write(tmp_path, "b.json", document(shape("cup", RECTANGLE), path="b.jpg"))
    write(tmp_path, "a.json", document(shape("cup", []), shape("cup", RECTANGLE)))
    with pytest.raises(InputError, match="--boxless drop leaves such objects out"):
        build(recognise(tmp_path), tmp_path / "out")
    split = tmp_path / "train.txt"
    split.write_text("a\nb\n")
    made = build(recognise(tmp_path), tmp_path / "out", BuildOptions(boxless="drop"))
    assert made.manifest["splits"]["train"]["boxes"] == 2


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "a.json: the annotation is empty"),
        ('{"shapes": [', "a.json: malformed JSON"),
        (b'{"shapes": [], "imagePath": "\xd6.jpg"}', "UTF-8"),
        (document({"label": "cup"}), "missing required field `points`"),
        (document(shape("cup", [["1", 2], [3, 4]])), r"shapes\[0\].points"),
        (document(shape("cup", [[1, 2, 3], [4, 5, 6]])), "shape 0: a shape's points are not"),
        (document(shape("cup", [[1, 1e30], [3, 4]])), "shape 0: a shape's points are not"),
        (document(shape("cup", [])), "shape 0: a shape without points"),
        (document(shape("", RECTANGLE)), "shape 0: a shape without a label"),
        (document(shape(None, RECTANGLE)), "shape 0: a shape without a label"),
        (document(shape("cup", [[1, 2]], "circle")), "a circle is not two points"),
        (document(shape("cup", RECTANGLE), path="b.jpg"), 'its picture "b.jpg" is not here'),
    ],
)
def test_what_cannot_be_read_is_named(content: Any, message: str, tmp_path: Path) -> None:
    pictures(tmp_path, "good.jpg")
    write(tmp_path, "good.json", document(path="good.jpg"))
    if "b.jpg" not in message:
        pictures(tmp_path, "a.jpg")
    write(tmp_path, "a.json", content)
    with pytest.raises(InputError, match=message):
        raise InputError(*raw.read(tmp_path).errors)


def test_other_json_is_no_annotation(tmp_path: Path) -> None:
    pictures(tmp_path, "a.jpg")
    write(tmp_path, "a.json", document(shape(7, RECTANGLE)))
    write(tmp_path, "b.json", '[{"image": "a.jpg"}]')
    write(tmp_path, "c.json", '{"images": [], "categories": []}')
    found = raw.read(tmp_path)
    assert found.notes == {"JSON that is not LabelMe's (read over)": ["b.json", "c.json"]}
    assert found.rows == {"a.jpg": [("7", CUP, False)]}
    (tmp_path / "a.json").write_text('{"version": "5.0", "shapes": []}')
    assert formats.load("labelme").recognise(Tree(tmp_path)) is None  # type: ignore[misc]


def test_lists_take_the_json_of_either_kind(tmp_path: Path) -> None:
    pictures(tmp_path, "1.jpg", "2.jpg", "3.jpg")
    write(tmp_path, "1.json", document(shape("cup", RECTANGLE), path="1.jpg"))
    write(tmp_path, "2.json", {"imageData": "A" * 70_000, **document(path="x.jpg")})
    own = {"image": {"width": 160, "height": 120}, "annotation": []}
    own["annotation"] = [{"category_id": 7, "bbox": [20, 30, 60, 60]}]
    write(tmp_path, "3.json", own)
    (tmp_path / "all.txt").write_text("".join(f"{i}.jpg {i}.json\n" for i in (1, 2, 3)))
    notes = Tally()
    listed = from_list(tmp_path / "all.txt", tmp_path, "none.prototxt")
    first, second, third = listed.entries("all", notes)
    assert isinstance(first, AnnotatedImage)
    assert isinstance(second, AnnotatedImage)
    assert isinstance(third, AnnotatedImage)
    assert (first.classes, first.boxes.tolist()) == (("cup",), [list(CUP)])
    assert (third.classes, third.boxes.tolist()) == (("7",), [list(CUP)])
    assert list(notes.kinds) == ["imagePath names another picture (the list's is used)"]
    write(tmp_path, "1.json", '{"shapes": 7, "imagePath": "1.jpg"}')
    first, *_ = listed.entries("all", Tally())
    assert isinstance(first, Unreadable)
    assert "not what LabelMe writes" in str(first.error)


@given(
    st.lists(st.tuples(st.floats(-9, 999), st.floats(-9, 999)), min_size=2, max_size=6),
    st.sampled_from(["rectangle", "polygon", "rotation"]),
)
def test_the_box_holds_all_points(points: list[tuple[float, float]], kind: str) -> None:
    stated = json.loads(json.dumps(points))
    xmin, ymin, xmax, ymax = read_shape(LabelmeShape(stated, "cup", kind), "", Tally()) or ()
    assert {xmin, xmax} <= {x for x, _ in points}
    assert {ymin, ymax} <= {y for _, y in points}
    assert all(xmin <= x <= xmax and ymin <= y <= ymax for x, y in points)
