"""CVAT's XML: what its shapes, tracks and subsets mean, in pixels."""

import os
import tracemalloc
from math import hypot
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import raw
from support.cvat_xml import (
    at,
    attribute,
    box,
    document,
    image,
    labels,
    pictures,
    project,
    shape,
    task,
    track,
    write,
)

from ssd_data import InputError, Tally, build, recognise
from ssd_data.core.structures import AnnotatedImage
from ssd_data.data import formats
from ssd_data.data.formats.cvat.schema import CvatSource
from ssd_data.data.formats.cvat.shapes import CvatShape, upright
from ssd_data.data.formats.cvat.tracks import ROW, between
from ssd_data.data.formats.tree import Tree

CUP = (20, 30, 80, 90)
REACH = hypot(30, 10) / 2**0.5  # of an ellipse that is turned by 45 degrees


def one(tmp_path: Path, *shapes: str) -> raw.Raw:
    """A set of one picture with these shapes."""
    pictures(tmp_path, "images/a.jpg")
    write(tmp_path, document(task(labels("cup", "plate")), image("a.jpg", *shapes)))
    return raw.read(tmp_path)


def line(root: Path, text: str) -> str:
    """Where a part of the file begins."""
    before, _, _ = (root / "annotations.xml").read_text("utf-8").partition(text)
    return f"annotations.xml:{before.count(chr(10)) + 1}"


def test_a_minimal_file_beside_its_pictures_is_read(tmp_path: Path) -> None:
    pictures(tmp_path, "Images/a.jpg")
    text = (
        "<annotations><version>1.1</version><image id='0' name='a.jpg' width='160' height='120'>"
        "<box label='cup' xtl='20' ytl='30' xbr='80' ybr='90'/></image></annotations>"
    )
    write(tmp_path, text, "Labels/a.xml")
    dataset = recognise(tmp_path)
    assert (dataset.format, dataset.why) == ("cvat", "Labels/a.xml is CVAT's XML")
    assert [item.name for item in dataset.classes()][1:] == ["cup"]
    found = raw.read(tmp_path)
    assert found.rows == {"Images/a.jpg": [("cup", CUP, False)]}
    assert not found.notes
    assert build(dataset, tmp_path / "out").manifest["splits"]["trainval"]["boxes"] == 1


def test_a_file_whose_name_is_not_utf8(tmp_path: Path) -> None:
    root = tmp_path / os.fsdecode(b"caf\xe9")
    pictures(root, "a.jpg")
    write(root, document(image("a.jpg", box("cup", CUP))))
    assert raw.read(root).rows == {"a.jpg": [("cup", CUP, False)]}


@pytest.mark.parametrize(
    ("text", "corners"),
    [
        (box("cup", CUP), CUP),
        (box("cup", CUP, rotation="90.00"), CUP),
        (box("cup", (20, 30, 80, 50), rotation="90.00"), (40, 10, 60, 70)),
        (box("cup", (20, 30, 80, 50), rotation="-90"), (40, 10, 60, 70)),
        (box("cup", (20, 30, 40, 50), rotation="45"), (15.86, 25.86, 44.14, 54.14)),
        (shape("polygon", "cup", points="20.00,30.00;80.00,50.00;25.00,90.00"), CUP),
        (shape("mask", "cup", rle="3, 5, 7", left=20, top=30, width=60, height=60), CUP),
        (shape("ellipse", "cup", cx=50, cy=60, rx=30, ry=30), CUP),
        (shape("ellipse", "cup", cx=50, cy=60, rx=30, ry=10, rotation=90), (40, 30, 60, 90)),
        (
            shape("ellipse", "cup", cx=50, cy=60, rx=30, ry=10, rotation=45),
            (50 - REACH, 60 - REACH, 50 + REACH, 60 + REACH),
        ),
        (
            shape(
                "cuboid", "cup", xtl1=20, ytl1=40, xbl1=20, ybl1=90, xtr1=60, ytr1=40, xbr1=60,
                ybr1=90, xtl2=40, ytl2=30, xbl2=40, ybl2=80, xtr2=80, ytr2=30, xbr2=80, ybr2=80,
            ),
            CUP,
        ),
    ],
)  # fmt: skip
def test_each_shape_with_an_area_is_the_box_around_it(
    text: str, corners: tuple[float, ...], tmp_path: Path
) -> None:
    found = one(tmp_path, text)
    ((name, box_, _),) = found.rows["images/a.jpg"]
    assert (name, box_) == ("cup", pytest.approx(corners, abs=0.01))
    plain = text.startswith("<box") and "rotation" not in text
    assert bool(found.notes) != plain


@pytest.mark.parametrize(
    "text",
    [
        shape("points", "cup", points="1.00,2.00"),
        shape("polyline", "cup", points="1.00,2.00;5.00,9.00"),
        shape("tag", "cup"),
        shape("skeleton", "man", '<points label="hand" outside="0" points="1.00,2.00"/>'),
        shape("hologram", "cup", xtl=1),
    ],
)
def test_what_has_no_box_is_read_over_and_counted(text: str, tmp_path: Path) -> None:
    found = one(tmp_path, text, box("cup", CUP))
    assert found.rows == {"images/a.jpg": [("cup", CUP, False)]}
    ((kind, places),) = found.notes.items()
    assert "read over" in kind
    assert text[1:5] in kind
    assert places == [line(tmp_path, text)]


def test_a_skeletons_parts_are_no_shapes(tmp_path: Path) -> None:
    part = '<box label="hand" outside="0" xtl="1" ytl="1" xbr="9" ybr="9"/>'
    assert one(tmp_path, shape("skeleton", "man", part)).rows == {"images/a.jpg": []}


def test_attributes_occlusion_and_pictures_without_shapes(tmp_path: Path) -> None:
    pictures(tmp_path, "images/a.jpg", "images/b/a.jpg", "images/c.jpg")
    hard = box("cup", CUP, attribute("Difficult", "true") + attribute("colour", "red"))
    hidden = box("plate", CUP).replace('occluded="0"', 'occluded="1"')
    easy = box("cup", CUP, attribute("difficult", "false"))
    crowd = box("cup", CUP, attribute("is_crowd", "true"))
    text = document(
        task(labels("plate", "cup")),
        image("a.jpg", hard, hidden, easy, crowd),
        image("b/a.jpg"),
        image("c.jpg"),
    )
    write(tmp_path, text)
    found = raw.read(tmp_path)
    assert [hard for _, _, hard in found.rows["images/a.jpg"]] == [True, False, False, True]
    assert found.rows["images/b/a.jpg"] == found.rows["images/c.jpg"] == []
    by_name = {entry.image: entry for entry in found.entries}
    first = by_name["images/a.jpg"]
    assert isinstance(first, AnnotatedImage)
    assert first.attributes["occluded"].tolist() == [0, 1, 0, 0]
    assert (first.width, first.height, first.upright) == (160, 120, None)
    assert first.place(1) == line(tmp_path, hidden)


def test_classes_are_the_labels_in_their_order_without_what_is_never_a_box(tmp_path: Path) -> None:
    pictures(tmp_path, "images/a.jpg")
    stated = labels("zebra", "ant", "zebra", parts=["hand"]) + labels("good", kind="tag")
    write(tmp_path, document(task(stated), image("a.jpg", box("ant", CUP))))
    assert [item.name for item in recognise(tmp_path).classes()][1:] == ["zebra", "ant"]


def test_subsets_of_a_project_are_its_splits(tmp_path: Path) -> None:
    names = ["Train/a.jpg", "Train/b.jpg", "Validation/a.jpg", "default/c.jpg"]
    pictures(tmp_path, *(f"images/{name}" for name in names))
    subsets = ["Train", "Validation", "default"]
    images = [
        image(name, box("cup", (i, 1, 50, 60)), number=0, project=(subset, i))
        for i, (subset, name) in enumerate(n.split("/") for n in names)
    ]
    write(tmp_path, document(project(subsets, labels("cup")), *images))
    dataset = recognise(tmp_path)
    assert set(dataset.splits) == set(subsets)
    assert dataset.links == {"trainval_lmdb": "Train", "test_lmdb": "Validation"}
    assert dataset.splits["Train"].shuffle
    assert '"default" is by its name neither' in dataset.said[0]
    assert raw.read(tmp_path, "Train").rows == {
        "images/Train/a.jpg": [("cup", (0, 1, 50, 60), False)],
        "images/Train/b.jpg": [("cup", (1, 1, 50, 60), False)],
    }
    assert raw.read(tmp_path, "Validation").rows == {
        "images/Validation/a.jpg": [("cup", (2, 1, 50, 60), False)]
    }


def test_one_picture_of_two_subsets_is_refused(tmp_path: Path) -> None:
    pictures(tmp_path, "images/a.jpg")  # somebody took the subsets' folders away
    both = [image("a.jpg", box("cup", CUP), project=(s, i)) for i, s in enumerate(("Train", "Val"))]
    write(tmp_path, document(project(["Train", "Val"], labels("cup")), *both))
    assert not raw.read(tmp_path, "Train").errors
    assert "images/a.jpg stands twice" in raw.read(tmp_path, "Val").errors[0]


def test_a_picture_that_stands_several_times_is_drawn_once(tmp_path: Path) -> None:
    names = [f"{letter}.jpg" for letter in "abcdef"]
    pictures(tmp_path, *(f"images/{name}" for name in names))
    images = [image(name, box("cup", CUP)) for name in names]
    twice = image("b.jpg", box("cup", (1, 1, 50, 60)))
    write(tmp_path, document(*images, twice, twice, twice))
    found = {split: raw.read(tmp_path, split) for split in ("trainval", "test")}
    assert sorted(len(one.rows) for one in found.values()) == [1, 5]
    (errors,) = (one.errors for one in found.values() if one.errors)
    before = line(tmp_path, '<image id="0" name="b.jpg"')
    assert len(errors) == 3
    assert all(f"images/b.jpg stands twice (before: {before})" in error for error in errors)
    with pytest.raises(InputError, match="3 problems") as refused:  # not that two splits share it
        build(recognise(tmp_path), tmp_path / "out")
    assert "stands twice" in str(refused.value)


@pytest.mark.parametrize(
    ("files", "splits"),
    [
        ({"train.xml": "images/train", "val.xml": "images/val"}, ["train", "val"]),
        ({"Train/an.xml": "Train/images", "Test/an.xml": "Test"}, ["Train", "Test"]),
        ({"annotations/train.xml": "train", "annotations/valid.xml": "valid"}, ["train", "valid"]),
        ({"train.xml": "images", "test.xml": "images"}, ["train", "test"]),
    ],
)  # fmt: skip
def test_files_and_folders_called_after_splits_are_those(
    files: dict[str, str], splits: list[str], tmp_path: Path
) -> None:
    for number, (name, folder) in enumerate(files.items()):
        pictures(tmp_path, f"{folder}/{number}.jpg")
        write(tmp_path, document(task(labels("cup")), image(f"{number}.jpg")), name)
    assert set(recognise(tmp_path).splits) == set(splits)
    for number, (split, folder) in enumerate(zip(splits, files.values(), strict=True)):
        found = raw.read(tmp_path, split)
        assert found.rows == {f"{folder}/{number}.jpg": []}
        assert not found.notes


def test_the_subset_of_a_task_is_its_split_unless_its_name_contradicts(tmp_path: Path) -> None:
    pictures(tmp_path, "images/a.jpg")
    text = document(task(labels("cup"), subset="Train"), image("a.jpg", box("cup", CUP)))
    write(tmp_path, text, "job_7.xml")
    assert set(recognise(tmp_path).splits) == {"Train"}
    (tmp_path / "job_7.xml").rename(tmp_path / "val.xml")
    with pytest.raises(InputError, match='val.xml: its subset is "Train", but its name says "val"'):
        recognise(tmp_path)


def test_without_splits_shares_are_drawn_and_lists_decide(tmp_path: Path) -> None:
    names = [f"{i}.jpg" for i in range(10)]
    pictures(tmp_path, *(f"images/{n}" for n in names))
    write(tmp_path, document(task(labels("cup")), *(image(n, box("cup", CUP)) for n in names)))
    dataset = recognise(tmp_path)
    assert "no split is stated: 80 %" in dataset.said[0]
    first, last = (set(raw.read(tmp_path, split).rows) for split in ("trainval", "test"))
    assert (len(first), len(last), len(first | last)) == (8, 2, 10)
    (tmp_path / "train.txt").write_text("0.jpg\r\n1\r\nimages/2.jpg\r\n./images/3\r\n\r\n")
    (tmp_path / "test.txt").write_text("images\\9.jpg")
    assert recognise(tmp_path).said == ("the splits are the lists test.txt, train.txt",)
    assert list(raw.read(tmp_path, "train").rows) == [f"images/{i}.jpg" for i in range(4)]
    assert list(raw.read(tmp_path, "test").rows) == ["images/9.jpg"]
    (tmp_path / "test.txt").write_text("9\n19\n")
    with pytest.raises(InputError, match='test.txt:2: "19" is no picture here'):
        raw.read(tmp_path, "test")


def test_files_of_no_split_beside_others_are_a_split_of_their_own(tmp_path: Path) -> None:
    pictures(tmp_path, "images/a.jpg", "images/b.jpg")
    write(tmp_path, document(image("a.jpg")), "train.xml")
    write(tmp_path, document(image("b.jpg")), "more.xml")
    dataset = recognise(tmp_path)
    assert set(dataset.splits) == {"train", "unassigned"}
    assert "1 files are of no split (more.xml)" in dataset.said[0]
    assert list(raw.read(tmp_path, "unassigned").rows) == ["images/b.jpg"]


def test_one_file_a_picture(tmp_path: Path) -> None:
    for i in range(90):
        pictures(tmp_path, f"images/{i:02}.jpg") if i < 3 else None
        write(tmp_path, document(image(f"{i:02}.jpg", box("cup", CUP))), f"annotations/{i:02}.xml")
    write(tmp_path, "<annotation><object/></annotation>", "annotations/voc.xml")
    assert len(raw.read(tmp_path).entries) == 90


def video(tmp_path: Path, *tracks: str, frames: int = 12, **said: object) -> raw.Raw:
    pictures(tmp_path, *(f"images/frame_{i:06}.PNG" for i in range(frames)))
    meta = task(
        labels("cup", "plate")
        + "<original_size><width>160</width><height>120</height></original_size>",
        mode="interpolation", start_frame=0, stop_frame=frames - 1, frame_filter="",
        **said,
    )  # fmt: skip
    write(tmp_path, document(meta, *tracks))
    return raw.read(tmp_path)


def of_frames(found: raw.Raw) -> dict[int, list[tuple[float, ...]]]:
    return {
        int(Path(name).stem[6:]): [corners for _, corners, _ in rows]
        for name, rows in found.rows.items()
        if rows
    }


def test_a_videos_frames_are_those_that_are_there(tmp_path: Path) -> None:
    found = video(
        tmp_path,
        track("cup", at(2, CUP), at(3, CUP, key=False), at(4, CUP, outside=True)),
        track("plate", at(3, (1, 2, 3, 4)), at(4, (1, 2, 3, 4), outside=True)),
    )
    assert len(found.entries) == 12
    assert of_frames(found) == {2: [CUP], 3: [CUP, (1, 2, 3, 4)]}
    assert len(found.notes["frame without a box (a picture without objects)"]) == 10
    entry = found.entries[3]
    assert isinstance(entry, AnnotatedImage)
    assert entry.classes == ("cup", "plate")
    assert (entry.width, entry.height) == (160, 120)
    assert entry.image == "images/frame_000003.PNG"


def test_a_videos_shares_are_stretches(tmp_path: Path) -> None:
    video(tmp_path, track("cup", at(2, CUP), at(3, CUP, outside=True)), frames=10)
    assert "neighbouring frames are alike" in recognise(tmp_path).said[0]
    names = [e.image for e in raw.read(tmp_path, "test").entries]
    assert names == ["images/frame_000008.PNG", "images/frame_000009.PNG"]


def test_boxes_between_keyframes_move_evenly(tmp_path: Path) -> None:
    found = video(
        tmp_path,
        track("cup", at(0, (0, 0, 10, 10)), at(4, (40, 20, 90, 50)), at(6, CUP, outside=True)),
    )
    boxes = of_frames(found)
    assert boxes[1] == [(10, 5, 30, 20)]
    assert boxes[3] == [(30, 15, 70, 40)]
    assert boxes[5] == [(30, 25, 85, 70)]  # towards where it leaves, as in CVAT
    assert sorted(boxes) == [0, 1, 2, 3, 4, 5]
    kind = "frame between keyframes (its box is interpolated)"
    assert len(found.notes[kind]) == 4
    assert found.notes[kind][0].endswith(": frame 1")


def test_rotation_between_keyframes_goes_the_short_way(tmp_path: Path) -> None:
    flat = (30, 50, 90, 70)
    turning = (at(0, flat, rotation=340), at(4, flat, rotation=20), at(5, flat, outside=True))
    boxes = of_frames(video(tmp_path, track("cup", *turning)))
    assert boxes[2] == [flat]  # halfway it lies straight
    assert boxes[1] == [pytest.approx(upright(CvatShape(flat, 350)), abs=0.01)]


def test_what_was_outside_comes_back_where_it_says(tmp_path: Path) -> None:
    here, there = (0, 0, 10, 10), (90, 90, 100, 100)
    found = video(
        tmp_path,
        track(
            "cup", at(1, here), at(2, here, outside=True), at(6, there), at(7, CUP, outside=True)
        ),
    )
    assert of_frames(found) == {1: [here], 6: [there]}


def test_an_ellipse_of_a_track_turns_as_one_of_a_picture(tmp_path: Path) -> None:
    keys = {"cx": 50, "cy": 60, "rx": 30, "ry": 10, "rotation": 45, "frame": 0, "keyframe": 1}
    found = video(tmp_path, track("cup", shape("ellipse", "cup", **keys, outside=0, occluded=0)))
    expected = (50 - REACH, 60 - REACH, 50 + REACH, 60 + REACH)
    assert of_frames(found)[0] == [pytest.approx(expected, abs=0.01)]
    assert "ellipse (the box around it is taken)" in found.notes


def test_a_frame_that_stands_twice_in_a_track_counts_once(tmp_path: Path) -> None:
    twice = (at(0, CUP), at(1, (1, 2, 3, 4)), at(1, CUP), at(2, CUP, outside=True))
    pictures(tmp_path, *(f"images/frame_{i:06}.PNG" for i in range(3)))
    text = document(task(mode="interpolation", stop_frame=2), track("cup", *twice))
    write(tmp_path, text)
    found = raw.read(tmp_path)
    assert of_frames(found) == {0: [CUP], 1: [CUP]}
    assert found.notes["frame stands twice in a track (the last counts)"] == [
        line(tmp_path, at(1, (1, 2, 3, 4)))
    ]


def test_a_keyframe_at_the_end_lasts_only_where_cvat_did_not_write_all(tmp_path: Path) -> None:
    first = track("cup", at(0, CUP), at(2, CUP), at(3, CUP, outside=True))
    alone = track("plate", at(9, (1, 2, 3, 4)))
    found = of_frames(video(tmp_path / "thinned", first, alone))
    assert sorted(found) == [0, 1, 2, 9, 10, 11]
    # CVAT writes no frame outside where it would stand behind the last: all is there already.
    whole = track("cup", at(0, CUP), at(1, CUP, key=False), at(2, CUP, outside=True))
    assert sorted(of_frames(video(tmp_path / "whole", whole, alone))) == [0, 1, 9]
    (tmp_path / "whole" / "annotations.xml").write_text(document(whole, alone))
    assert sorted(of_frames(raw.read(tmp_path / "whole"))) == [0, 1, 9]  # nor without its meta
    shapes = track("cup", at(0, CUP), at(1, CUP, outside=True))
    assert sorted(of_frames(video(tmp_path / "shapes", shapes, alone))) == [0, 9]


def test_only_frames_of_the_task_count(tmp_path: Path) -> None:
    tracks = track("cup", at(2, CUP), at(4, CUP), at(6, CUP, outside=True))
    pictures(tmp_path, *(f"images/frame_{i:06}.png" for i in range(9)))
    meta = task(mode="interpolation", start_frame=2, stop_frame=6, frame_filter="step=2")
    write(tmp_path, document(meta, tracks))
    found = raw.read(tmp_path)
    assert [Path(e.image).stem for e in found.entries] == [f"frame_{i:06}" for i in (2, 4, 6)]
    assert sorted(of_frames(found)) == [2, 4]
    assert len(found.notes["picture of a frame that is not in the task (left out)"]) == 6


def test_tracks_without_meta_and_videos_without_tracks(tmp_path: Path) -> None:
    pictures(tmp_path / "a", *(f"images/frame_{i:06}.png" for i in range(4)))
    write(tmp_path / "a", document(track("cup", at(1, CUP))))
    assert sorted(of_frames(raw.read(tmp_path / "a"))) == [1, 2, 3]
    found = video(tmp_path / "b")
    assert len(found.entries) == 12
    assert not of_frames(found)


def test_videos_of_a_project_keep_their_subsets_apart(tmp_path: Path) -> None:
    for subset in ("Train", "Test"):
        pictures(tmp_path, *(f"images/{subset}/frame_{i:06}.PNG" for i in range(3)))
    tracks = [
        track("cup", at(0, CUP), at(1, CUP, outside=True), subset="Train", task_id=1),
        track("cup", at(2, CUP), subset="Test", task_id=2),
    ]
    write(tmp_path, document(project(["Train", "Test"], labels("cup")), *tracks))
    assert raw.read(tmp_path, "Train").rows["images/Train/frame_000000.PNG"]
    found = raw.read(tmp_path, "Test").rows
    assert [name for name, rows in found.items() if rows] == ["images/Test/frame_000002.PNG"]


def test_frames_that_are_not_there(tmp_path: Path) -> None:
    pictures(tmp_path, "images/a.jpg")
    meta = task(mode="interpolation", source="clip.mp4")
    write(tmp_path, document(meta, track("cup", at(0, CUP))))
    with pytest.raises(InputError, match="1 pictures, none called frame_000000\n.*-i clip.mp4 "):
        raw.read(tmp_path)
    pictures(tmp_path, "images/frame_000001.jpg")
    found = raw.read(tmp_path)
    assert found.entries[0].image == "images/frame_000000.png"  # which the build misses
    pictures(tmp_path, "images/frame_1.png")
    with pytest.raises(InputError, match="frame 1 may be two pictures"):
        raw.read(tmp_path)


def test_pictures_exported_as_a_video_go_by_the_order_of_names(tmp_path: Path) -> None:
    pictures(tmp_path, "images/a.jpg", "images/b.jpg", "images/c.jpg")
    whole = task(start_frame=0, stop_frame=2, size=3)
    write(tmp_path, document(whole, track("cup", at(1, CUP), at(2, CUP, outside=True))))
    found = raw.read(tmp_path)
    assert [bool(rows) for rows in found.rows.values()] == [False, True, False]
    assert any("by the order of names" in kind for kind in found.notes)
    (tmp_path / "images" / "c.jpg").rename(tmp_path / "images" / "b10.jpg")
    (tmp_path / "images" / "b.jpg").rename(tmp_path / "images" / "b9.jpg")
    with pytest.raises(InputError, match="which picture is which frame cannot be told"):
        raw.read(tmp_path)


@pytest.mark.parametrize(
    ("name", "there", "how"),
    [
        ("frame_000000", "images/frame_000000.PNG", ""),
        ("sub\\a.jpg", "sub/a.jpg", "other slashes"),
        ("/home/me/a.jpg", "images/a.jpg", "by the end of its path"),
        ("a%20b.jpg", "images/a b.jpg", "unquoted"),
        ("a.jpg", "a.jpg", ""),
    ],
)
def test_pictures_are_found_by_their_names(name: str, there: str, how: str, tmp_path: Path) -> None:
    pictures(tmp_path, there)
    write(tmp_path, document(image(name, box("cup", CUP))))
    found = raw.read(tmp_path)
    assert list(found.rows) == [there]
    assert list(found.notes) == ([f"picture found {how}"] if how else [])


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    bad = box("cup", (1, 2, 3, float("nan")))
    found = one(tmp_path, box("cup", CUP), bad, box("", CUP))
    assert found.errors == [f'{line(tmp_path, bad)}: "ybr" is "nan", not a number']
    assert one(tmp_path, "<box label='cup' xtl='1'/>").errors[0].endswith('<box> without "ytl"')
    assert "without a label" in one(tmp_path, box("", CUP)).errors[0]
    bad = shape("polygon", "cup", points="1,2;3")
    assert "x,y;x,y" in one(tmp_path, bad).errors[0]


TYPED = '<!DOCTYPE annotations SYSTEM "cvat.dtd">'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (document("<image id='0'>"), "annotations.xml:4: not well-formed"),
        (document("<image id='0'/>"), "annotations.xml:4: <image> without a name"),
        (document(track("", at(0, CUP))), "<track> without a label"),
        (document(track("cup", at(0, CUP).replace('frame="0"', ""))), '"frame" is "", not a'),
        (document().replace("1.1<", "2.0<") + "", 'version "2.0" of CVAT'),
        ('<!DOCTYPE annotations [<!ENTITY a "b">]>' + document()[39:], "declares entities"),
        (
            TYPED + document(image("1.jpg", box("cup", CUP).replace('xtl="', 'xtl="&x;')))[39:],
            "annotations.xml:4: the XML has entities that it does not declare",
        ),
        (
            TYPED + document(task(labels("a&x;b")), image("1.jpg", box("ab", CUP)))[39:],
            "the XML has entities that it does not declare",
        ),
    ],
)
def test_files_that_are_refused(text: str, message: str, tmp_path: Path) -> None:
    pictures(tmp_path, "images/frame_000000.png")
    write(tmp_path, text)
    reader = formats.load("cvat")
    with pytest.raises(InputError, match=message):
        list(reader.read(tmp_path, CvatSource(xml="annotations.xml"), Tally()))


def test_hostile_files_end_with_one_short_sentence(tmp_path: Path) -> None:
    deep = "<annotations><image name='1.jpg'>" + "<a>" * 300
    long = "<annotations><image name='1.jpg'><polygon label='a' points='" + "1,2;" * 3_000_000
    many = document(*(image("a.jpg", project=(f"s{i}", i)) for i in range(100)))
    pictures(tmp_path, "images/1.jpg")
    for text in (deep, long + "1,2'/></image></annotations>", many):
        write(tmp_path, text)
        with pytest.raises(InputError) as error:
            raw.read(tmp_path)
        assert len(str(error.value)) < 200
        assert "HUGE" not in str(error.value)
        assert "\n" not in str(error.value)


def test_endless_tracks_do_not_fill_the_memory(tmp_path: Path) -> None:
    last = 999_999_999
    pictures(tmp_path, *(f"images/frame_{i}.png" for i in range(30)))
    tracks = track("cup", at(0, CUP), at(last, CUP))
    write(tmp_path, document(*[tracks] * 20))
    assert sum(len(rows) for rows in raw.read(tmp_path).rows.values()) == 20 * 31
    wanted = np.arange(30)
    rows = np.zeros(2_000_000, ROW)
    rows["track"] = np.arange(len(rows)) // 2
    rows["frame"][1::2] = last
    with pytest.raises(InputError, match="its tracks make more than 10000000 boxes"):
        between(rows, wanted, "annotations.xml")


@pytest.mark.parametrize("every", [1, 5])
def test_the_memory_for_a_video_is_a_few_copies_of_its_boxes(every: int, tmp_path: Path) -> None:
    count, most = 1_000, 20
    pictures(tmp_path, *(f"images/frame_{i:06d}.png" for i in range(count)))
    boxes = [at(i, CUP) for i in range(0, count, every)]
    write(tmp_path, document(*(track("cup", *boxes) for _ in range(most))))
    source, read = CvatSource(xml="annotations.xml"), formats.load("cvat").read
    list(read(tmp_path, source, Tally()))  # what is loaded once
    tracemalloc.start()
    total = sum(len(entry.classes) for entry in read(tmp_path, source, Tally()))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert total == most * count
    assert peak < 160 * total + 1e6


def test_other_encodings(tmp_path: Path) -> None:
    pictures(tmp_path, "images/a.jpg")
    text = document(image("a.jpg", box("Gl\u00e4ser", CUP)))
    for encoding in ("utf-8-sig", "utf-16"):
        stated = text.replace("utf-8", encoding.removesuffix("-sig"))
        (tmp_path / "annotations.xml").write_bytes(stated.encode(encoding))
        assert raw.read(tmp_path).rows["images/a.jpg"][0][0] == "Gl\u00e4ser"


def test_annotations_alone_are_refused_with_the_cure(tmp_path: Path) -> None:
    write(tmp_path, document(task(labels("cup")), image("a.jpg")))
    with pytest.raises(InputError, match="no picture is here.*\n.*Export with images"):
        raw.read(tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        "<annotation><version>1.1</version></annotation>",
        "<dataset><images><image file='a.jpg'><box top='1'/></image></images></dataset>",
        "<annotations><annotation/></annotations>",
        "",
        "annotations",
    ],
)
def test_other_files_are_not_claimed(text: str, tmp_path: Path) -> None:
    pictures(tmp_path, "images/a.jpg")
    write(tmp_path, text)
    assert formats.load("cvat").recognise(Tree(tmp_path)) is None  # type: ignore[misc]


@given(
    st.tuples(*[st.integers(0, 60)] * 2),
    st.tuples(*[st.integers(1, 60)] * 2),
    st.floats(-720, 720),
    st.booleans(),
)
@settings(deadline=None)
def test_the_hull_holds_every_point_of_the_turned_shape(
    start: tuple[int, int], sides: tuple[int, int], rotation: float, is_round: bool
) -> None:
    (x, y), (width, height) = start, sides
    hull = upright(CvatShape((x, y, x + width, y + height), rotation, is_round))
    angle = np.linspace(0, 2 * np.pi, 720)
    across, down = np.cos(angle) * width / 2, np.sin(angle) * height / 2
    if not is_round:
        across, down = (
            np.array([[-1, 1, 1, -1], [-1, -1, 1, 1]]) * np.array([[width], [height]]) / 2
        )
    turn = np.radians(rotation)
    points_x = x + width / 2 + across * np.cos(turn) - down * np.sin(turn)
    points_y = y + height / 2 + across * np.sin(turn) + down * np.cos(turn)
    around = (points_x.min(), points_y.min(), points_x.max(), points_y.max())
    assert hull == pytest.approx(around, abs=0.01)
