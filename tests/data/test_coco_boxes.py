"""What an annotation of COCO says its box is: all that tools write, and what cannot be one."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from support.coco_trees import BOX, CORNERS, box, image, label_studio, pictures, table, write

from ssd_data import BuildOptions, InputError, build, find, recognise
from ssd_data.core.notes import Tally
from ssd_data.core.structures import AnnotatedImage, Unreadable
from ssd_data.data.check.raw import check_dataset
from ssd_data.data.dataset import Dataset
from ssd_data.data.formats.coco.boxes import are_corners, hull, turned
from ssd_data.data.lmdb.store import LmdbReader

SQUARE = [[20, 10, 50, 10, 50, 35, 20, 35]]
BOXLESS = "object without a box (dropped)"
OUTLINE = "annotation without a box (taken from its polygon or mask)"


def raw(root: Path, annotations: list[dict[str, Any]], **more: Any) -> Dataset:
    """Two pictures, 1.jpg and 2.jpg, in train."""
    pictures(root / "train", ["1.jpg", "2.jpg"])
    data = table(["1.jpg", "2.jpg"]) | {"annotations": annotations} | more
    write(root / "annotations/instances_train.json", data)
    return recognise(root)


def read(dataset: Dataset) -> tuple[list[Any], Tally]:
    notes = Tally()
    return list(dataset.entries("train", notes)), notes


def boxes(root: Path, **fields: Any) -> tuple[list[list[float]], list[str]]:
    """The boxes of a picture whose one annotation has these fields; and the notes."""
    (one, _), notes = read(raw(root, [box(5, 1, **fields)]))
    assert isinstance(one, AnnotatedImage), one.error
    return one.boxes.tolist(), list(notes.kinds)


# Boxes that are elsewhere


@pytest.mark.parametrize("bbox", [None, [], [1, 2, 3], [1, 2, 3, 4, 5], {"x": 1}, "1 2 3 4", 7])
def test_the_box_of_a_polygon(bbox: Any, tmp_path: Path) -> None:
    found, notes = boxes(tmp_path, bbox=bbox, segmentation=SQUARE)
    assert (found, notes) == ([CORNERS], [OUTLINE])


def test_a_null_box(tmp_path: Path) -> None:
    (one, _), notes = read(raw(tmp_path, [box(5, 1, segmentation=SQUARE) | {"bbox": None}]))
    assert (one.boxes.tolist(), list(notes.kinds)) == ([CORNERS], [OUTLINE])


@pytest.mark.parametrize(
    ("segmentation", "expected"),
    [
        ([[20, 10, 50, 10, 50, 35], [5.5, 40, 6, 41, 6, 42]], [5.5, 10.0, 50.0, 42.0]),
        ([20, 10, 50, 10, 50, 35], CORNERS),  # not in a list of parts
        (
            {"counts": [48 * 20 + 10, 25, 48 * 64 - 48 * 20 - 35], "size": [48, 64]},
            [20, 10, 21, 35],
        ),
        ({"counts": [3, 48, 48 * 64 - 51], "size": [48, 64]}, [0, 0, 2, 48]),  # over a border
    ],
)
def test_outlines(segmentation: Any, expected: list[float], tmp_path: Path) -> None:
    assert boxes(tmp_path, bbox=None, segmentation=segmentation)[0] == [expected]


# Of pycocotools' encode and toBbox.
COMPRESSED = [
    ("U31W10500", [33, 7], [3.0, 2.0, 3.0, 20.0]),
    ("=1h0;\\OE4;5000", [25, 5], [0.0, 4.0, 5.0, 21.0]),
    ("Q11h00;0ZO0j00K0I070D1\\OOd50eL0eN0RO000e00J0M08", [31, 21], [1.0, 1.0, 20.0, 29.0]),
    ("V2180f00[10PN9I00000004G70F", [12, 23], [5.0, 2.0, 18.0, 10.0]),
]


@pytest.mark.parametrize(("counts", "size", "expected"), COMPRESSED)
def test_compressed_masks(counts: str, size: list[int], expected: list[float]) -> None:
    assert hull({"counts": counts, "size": size}) == tuple(expected)


@given(mask=st.lists(st.lists(st.booleans(), min_size=3, max_size=3), min_size=1, max_size=9))
def test_masks_against_their_pixels(mask: list[list[bool]]) -> None:
    pixels = np.array(mask)
    height, width = pixels.shape
    flat = pixels.T.ravel()
    edges = np.flatnonzero(np.diff(flat.astype(int))) + 1
    counts = np.diff([0, *([0] if flat[0] else []), *edges, len(flat)]).tolist()
    found = hull({"counts": counts, "size": [height, width]})
    if not pixels.any():
        assert found is None
        return
    ys, xs = np.nonzero(pixels)
    left, top = xs.min(), ys.min()
    assert found == (left, top, xs.max() - left + 1, ys.max() - top + 1)


@pytest.mark.parametrize(
    "segmentation",
    [
        [], {}, "x", 7, True, [[]], [[1, 2, 3]], [[1, 2, 3, 4]], [[1, 2, "3", 4, 5, 6]],
        [[1, 2, 3, 4, 5, 1e300]], [[1, 2, 3, 4, 5, None]], [[1, 2, 3, 4, 5, 6], 7], [None],
        {"counts": [1, 2]}, {"counts": [5, 99], "size": [2, 2]}, {"counts": [4], "size": [2, 2]},
        {"counts": [-1, 5], "size": [2, 2]}, {"counts": [0, 1], "size": [2]},
        {"counts": [0, 1], "size": [0, 0]}, {"counts": "", "size": [2, 2]},
        {"counts": "\x00", "size": [2, 2]}, {"counts": "o" * 99, "size": [2, 2]},
        {"counts": [True, 1], "size": [2, 2]}, {"counts": [2**70], "size": [2, 2]},
    ],
)  # fmt: skip
def test_outlines_that_are_none(segmentation: Any) -> None:
    assert hull(segmentation) is None


@given(counts=st.text(max_size=12), size=st.lists(st.integers(-1, 9), max_size=3))
def test_any_text_is_a_mask_or_none(counts: str, size: list[int]) -> None:
    found = hull({"counts": counts, "size": size})
    assert found is None or (found[0] + found[2] <= size[1] and found[1] + found[3] <= size[0])


# Boxes that are nowhere


def test_all_without_a_box_are_listed(tmp_path: Path) -> None:
    lacking = [box(5, 1, bbox=None), box(6, 2, bbox=[1, "a", 2, 3]), box(8, 1, bbox=[])]
    dataset = raw(tmp_path / "raw", [box(1, 1), *lacking, box(7, 2)])
    with pytest.raises(InputError) as e:
        build(dataset, tmp_path / "out")
    for line in (
        "annotation 5: bbox is missing (train/1.jpg)",
        "annotation 8: bbox is not four numbers",
        "annotation 6: bbox is not four numbers",
    ):
        assert line in e.value.what
    assert "--boxless drop leaves such objects out, --missing skip their pictures" in str(e.value)
    found = check_dataset(dataset).errors
    assert (found[0].kind, found[0].count) == ("unreadable-annotation", 2)
    assert "--boxless drop" in found[0].places[0]


def test_they_are_dropped_when_asked(tmp_path: Path) -> None:
    lacking = [box(5, 1, bbox=None), box(6, 2, bbox=[1, 2, 3]), box(8, 1, bbox=[])]
    dataset = raw(tmp_path / "raw", [box(1, 1), *lacking, box(7, 2)])
    split = build(dataset, tmp_path / "out", BuildOptions(boxless="drop")).manifest["splits"][
        "train"
    ]
    assert (split["records"], split["boxes"]) == (2, 2)
    assert split["notes"][BOXLESS]["count"] == 3


def test_the_command_drops_them(run: Any, tmp_path: Path) -> None:
    raw(tmp_path / "raw", [box(1, 1), box(5, 1, bbox=None)])
    assert run("build", tmp_path / "raw", "-o", tmp_path / "out").status == 1
    assert not (tmp_path / "out").exists()
    done = run("build", tmp_path / "raw", "-o", tmp_path / "out", "--boxless", "drop")
    assert done.status == 0
    assert f"1 x {BOXLESS}" in done.out


def test_skipping_their_pictures(tmp_path: Path) -> None:
    dataset = raw(tmp_path / "raw", [box(1, 1), box(5, 1, bbox=None), box(7, 2)])
    split = build(dataset, tmp_path / "out", BuildOptions(missing="skip")).manifest["splits"][
        "train"
    ]
    assert (split["records"], split["boxes"]) == (1, 1)
    assert split["notes"]["picture left out (skipped)"]["count"] == 1


def test_the_rest_of_a_picture(tmp_path: Path) -> None:
    (one, _), _ = read(raw(tmp_path, [box(1, 1), box(5, 1, bbox=None), box(6, 1)]))
    assert isinstance(one, Unreadable)
    assert one.rest is not None
    assert one.rest.places == (1, 6)
    assert len(one.boxless) == 1


def test_odd_ones_among_many(tmp_path: Path) -> None:
    many = [box(n, n % 2 + 1, bbox=[n % 30, 1, 2, 3]) for n in range(1700)]
    many[600] = box(600, 1, bbox=None)
    many[601] = box(601, 2, bbox=None, segmentation=SQUARE)
    many[1699] = box(1699, "2", bbox=["5", 1, 2, 3])
    (one, two), notes = read(raw(tmp_path, many))
    assert one.rest is not None
    assert one.rest.places == tuple(n for n in range(0, 1700, 2) if n != 600)
    assert one.rest.boxes[:, 0].tolist() == [n % 30 for n in range(0, 1700, 2) if n != 600]
    assert two.places == tuple(range(1, 1700, 2))
    assert two.boxes[300].tolist() == CORNERS
    assert two.boxes[-1].tolist() == [5, 1, 7, 4]
    assert sum(kind.count for kind in notes.kinds.values()) == 2


def test_without_ids_places_are_counted_in_the_list(tmp_path: Path) -> None:
    found = [box(None, 1, bbox=None), box(None, 2), box(None, 1)]
    (one, two), _ = read(raw(tmp_path, found))
    assert one.boxless == ("annotations/instances_train.json: annotations[0]: bbox is missing",)
    assert one.rest is not None
    assert (one.rest.place(0), two.place(0)) == (
        "annotations/instances_train.json: entry 2", "annotations/instances_train.json: entry 1",
    )  # fmt: skip


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_numbers_that_json_has_not(value: float, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"json:1 \(byte \d+\): malformed JSON") as e:
        build(raw(tmp_path / "raw", [box(5, 1, bbox=[1, 2, value, 4])]), tmp_path / "out")
    assert "NaN and Infinity are no numbers of JSON" in e.value.hint


def test_a_negative_side_is_the_builds_to_judge(tmp_path: Path) -> None:
    dataset = raw(tmp_path / "raw", [box(5, 1, bbox=[50, 35, -30, -25]), box(6, 2)])
    kept = build(dataset, tmp_path / "a", BuildOptions(empty="mend")).manifest["splits"]["train"]
    assert kept["notes"]["box has its corners exchanged (mended)"]["count"] == 1
    dropped = build(dataset, tmp_path / "b").manifest["splits"]["train"]
    assert dropped["notes"]["box is inverted or has no area (dropped)"]["count"] == 1


# Corners instead of sizes


def corners(count: int) -> list[dict[str, Any]]:
    random = np.random.default_rng(2)
    found = []
    for number in range(count):
        x, y = random.integers(0, 40), random.integers(0, 30)
        found.append(box(number, number % 2 + 1, bbox=[int(x), int(y), int(x) + 20, int(y) + 15]))
    return found


def test_corners_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="seem to be two corners each") as e:
        build(raw(tmp_path / "raw", corners(20)), tmp_path / "out")
    assert 'bbox = "xyxy"' in e.value.hint


@pytest.mark.parametrize(("kind", "xmax"), [("xyxy", 35.0), ("xywh", 50.0)])
def test_a_recipe_says_what_they_are(kind: str, xmax: float, tmp_path: Path) -> None:
    found = [box(9, 1, bbox=[15, 12, 35, 30]), *corners(20)]
    raw(tmp_path, found)
    source = f'{{ json = "annotations/instances_train.json", images = "train", bbox = "{kind}" }}'
    (tmp_path / "my.toml").write_text(f'format = "coco"\n[splits.train]\nsources = [{source}]\n')
    (one, _), _ = read(find(str(tmp_path / "my.toml")))
    assert one.boxes[0].tolist()[2] == xmax


def test_sizes_are_no_corners() -> None:
    sides = np.tile([640, 480], (50, 1)).astype(np.int64)
    random = np.random.default_rng(1)
    xy, wh = random.uniform(0, 200, (50, 2)), random.uniform(1, 200, (50, 2))
    assert not are_corners(np.hstack([xy, wh]).astype(np.float32), sides)
    inside = np.hstack([xy, xy + 20]).astype(np.float32)  # as corners or as sizes, both fit
    assert not are_corners(inside, sides)
    assert are_corners(np.hstack([xy + 250, xy + 270]).astype(np.float32), sides)
    assert not are_corners(np.hstack([xy + 250, xy + 270]).astype(np.float32), sides * 0)
    fractions = (np.hstack([xy + 400, xy + 420]) / 640).astype(np.float32)
    assert are_corners(fractions, sides * 0)


# Ids and flags


@pytest.mark.parametrize(
    "change",
    [
        {"image_id": "1"}, {"image_id": 1.0}, {"category_id": "1"}, {"category_id": 1.0},
        {"image_id": "0001"}, {"iscrowd": "0"}, {"iscrowd": 0.0}, {"id": "5"},
    ],
)  # fmt: skip
def test_numbers_that_are_texts(change: dict[str, Any], tmp_path: Path) -> None:
    (one, _), notes = read(raw(tmp_path, [box(5, 1) | change]))
    assert (one.boxes.tolist(), one.classes, one.places) == ([CORNERS], ("1",), (5,))
    assert not one.difficult.any()
    assert list(notes.kinds) == ["numbers stand as texts or with a point (taken as the numbers)"]


def test_a_text_may_say_that_it_is_a_crowd(tmp_path: Path) -> None:
    (one, _), _ = read(
        raw(tmp_path, [box(i, 1, iscrowd=v) for i, v in enumerate(["1", "true", 1.0])])
    )
    assert one.difficult.tolist() == [True, True, True]


def test_images_with_texts_for_ids(tmp_path: Path) -> None:
    images = [image("a-1", "1.jpg"), image("b", "2.jpg", width="64", height=48.0)]
    found = [box("x", "b"), box("y", "a-1"), box("z", "b")]
    one, two = read(raw(tmp_path / "raw", found, images=images))[0]
    assert (one.image_id, two.image_id) == (None, None)
    assert (one.places, two.places, two.place(1)) == (
        (1,), (0, 2), "annotations/instances_train.json: entry 2",
    )  # fmt: skip
    assert (two.width, two.height) == (64, 48)
    made = build(recognise(tmp_path / "raw"), tmp_path / "out", BuildOptions(shuffle=False))
    assert (made.out / "train_name_size.txt").read_text() == "1 48 64\n2 48 64\n"


def test_images_with_a_whole_number_as_text(tmp_path: Path) -> None:
    images = [image("000007", "1.jpg"), image("9", "2.jpg")]
    one, two = read(raw(tmp_path, [box(1, 9), box(2, "7")], images=images))[0]
    assert (one.image_id, two.image_id, one.places, two.places) == (7, 9, (2,), (1,))


@pytest.mark.parametrize(
    "change",
    [
        {"image_id": None}, {"image_id": 1.5}, {"image_id": True}, {"image_id": [1]},
        {"image_id": ""}, {"category_id": None}, {"category_id": 2.5}, {"category_id": "x" * 201},
    ],
)  # fmt: skip
def test_annotations_of_nothing_are_all_listed(change: dict[str, Any], tmp_path: Path) -> None:
    found = [box(1, 1), box(2, 1) | change, box(3, 2), box(4, 2) | change]
    with pytest.raises(InputError, match="2 entries cannot be read") as e:
        build(raw(tmp_path / "raw", found), tmp_path / "out")
    (key,) = change
    for index in (1, 3):
        assert f'annotations[{index}]: not what the format says: "{key}" is' in e.value.what


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"id": None}, 'an image without an "id"'),
        ({"id": 1.5}, 'an image without an "id"'),
        ({"file_name": None}, 'an image without a "file_name"'),
        ({"file_name": ""}, 'an image without a "file_name"'),
        ({"file_name": "", "coco_url": "http://["}, 'an image without a "file_name"'),
        ({"width": -1}, "width or height is no number of pixels: -1"),
        ({"height": 48.5}, "width or height is no number of pixels: 48.5"),
        ({"height": "tall"}, "width or height is no number of pixels: 'tall'"),
        ({"height": 2**40}, "width or height is no number of pixels"),
    ],
)
def test_bad_images_are_all_listed(change: dict[str, Any], message: str, tmp_path: Path) -> None:
    images = [image(1, "1.jpg"), image(2, "2.jpg") | change, image(3, "3.jpg") | change]
    with pytest.raises(InputError, match="2 entries cannot be read") as e:
        build(raw(tmp_path / "raw", [box(1, 1)], images=images), tmp_path / "out")
    assert f"images[1]: {message}" in e.value.what
    assert "images[2]" in e.value.what


@pytest.mark.parametrize("size", [0, None, ""])
def test_images_without_a_size(size: Any, tmp_path: Path) -> None:
    images = [image(1, "1.jpg", width=size, height=size), image(2, "2.jpg")]
    (one, _), notes = read(raw(tmp_path, [box(1, 1)], images=images))
    assert (one.width, one.height) == (None, None)
    assert notes.kinds["image without a size (the picture's own is used)"].count == 1


def test_annotations_of_no_listed_image(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no annotation is of an image that the JSON lists") as e:
        build(raw(tmp_path / "raw", [box(1, 17), box(2, 18)]), tmp_path / "out")
    assert "the image_id of annotation 1 is 17" in e.value.what


def test_a_box_without_image_is_counted_though_it_has_no_box(tmp_path: Path) -> None:
    found = [box(1, 1), box(2, 77), box(3, 77, bbox=None)]
    _, notes = read(raw(tmp_path, found))
    assert notes.kinds["annotation of an image that the JSON does not list"].count == 2


# One file under several ids


def test_boxes_of_one_file_are_united(tmp_path: Path) -> None:
    images = [image(1, "1.jpg"), image(2, "2.jpg"), image(9, "1.jpg")]
    found = [box(1, 9, bbox=[1, 2, 3, 4]), box(2, 1), box(3, 9), box(4, 2), box(5, 9, 2), box(6, 1)]
    more = {"images": images, "categories": [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}]}
    (one, two), notes = read(raw(tmp_path, found, **more))
    assert (one.image_id, two.image_id) == (1, 2)
    assert one.places == (2, 6, 1, 5)  # 3 is 2 once more; 2 and 6 are of one id
    assert one.classes == ("1", "1", "1", "2")
    assert notes.kinds[
        "picture listed under several image ids (their boxes are united)"
    ].listed == ["annotations/instances_train.json: train/1.jpg: 1, 9"]
    assert notes.kinds["box stands under several ids of its picture (taken once)"].count == 1


def test_the_command_says_so(run: Any, tmp_path: Path) -> None:
    raw(tmp_path / "raw", [box(1, 1)], images=[image(1, "1.jpg"), image(9, "1.jpg")])
    done = run("build", tmp_path / "raw", "-o", tmp_path / "out")
    assert done.status == 0
    assert "1 x picture listed under several image ids" in done.out


def test_one_file_in_two_sizes(tmp_path: Path) -> None:
    images = [image(1, "1.jpg"), image(9, "./1.jpg", width=65)]
    (one,), _ = read(raw(tmp_path, [box(1, 1)], images=images))
    assert "the sizes that its images state differ: 64x48 and 65x48" in str(one.error)


def test_one_id_twice(tmp_path: Path) -> None:
    for number, shown in ((7, "7"), ("b", "b")):
        images = [image(number, "1.jpg"), image(number, "2.jpg"), image(8, "3.jpg")]
        with pytest.raises(InputError, match=f"image {shown}: an image id stands twice"):
            read(raw(tmp_path, [box(1, number)], images=images))


# CVAT

OCCLUDED = {"occluded": False}


def test_turned_boxes_of_cvat(tmp_path: Path) -> None:
    found = [
        box(1, 1, bbox=[10, 20, 40, 20], attributes=OCCLUDED | {"rotation": 90.0}),
        box(2, 1, bbox=[10, 20, 40, 20], attributes=OCCLUDED | {"rotation": 180}),
        box(3, 1, bbox=[10, 20, 40, 20], attributes=OCCLUDED | {"rotation": 0.0}),
        box(4, 1, bbox=[10, 20, 40, 20], attributes={"rotation": 90}),  # another tool's
        box(5, 1, segmentation=SQUARE, attributes=OCCLUDED | {"rotation": 30.0}),
        box(6, 1, attributes=OCCLUDED | {"rotation": "x"}),
        box(7, 1, attributes=[]),
        box(8, 1, attributes=None),
    ]
    (one, _), notes = read(raw(tmp_path, found))
    upright = [10.0, 20.0, 50.0, 40.0]
    assert one.boxes.tolist() == [[20.0, 10.0, 40.0, 50.0], *[upright] * 3, *[CORNERS] * 4]
    assert notes.kinds["rotated box (the upright box around it is taken)"].listed == [
        "annotations/instances_train.json: annotation 1: 90 degrees"
    ]


@given(st.tuples(*[st.floats(-100, 100)] * 2, *[st.floats(0.5, 100)] * 2), st.floats(-400, 400))
def test_the_upright_box_holds_the_turned_corners(quad: Any, degrees: float) -> None:
    x, y, width, height = quad
    angle = np.radians(degrees)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    points = np.array([[x, y], [x + width, y], [x, y + height], [x + width, y + height]])
    middle = points.mean(axis=0)
    moved = (points - middle) @ turn.T + middle
    left, top, wide, high = turned(quad, degrees)
    assert np.allclose([left, top], moved.min(axis=0), atol=1e-3)
    assert np.allclose([left + wide, top + high], moved.max(axis=0), atol=1e-3)


def test_masks_of_cvat_are_no_crowds(tmp_path: Path) -> None:
    mask = {"counts": [48 * 20 + 10, 25, 48 * 64 - 48 * 20 - 35], "size": [48, 64]}
    found = [
        box(1, 1, iscrowd=1, segmentation=mask, attributes=OCCLUDED),
        box(2, 1, iscrowd=1, segmentation=mask),
    ]
    dataset = raw(tmp_path, found)
    (one, _), notes = read(dataset)
    assert one.difficult.tolist() == [False, True]
    assert notes.kinds["iscrowd of CVAT's masks (not taken as difficult)"].count == 1
    for crowd, expected in (("difficult", [True, True]), ("plain", [False, False])):
        source = (
            f'{{ json = "annotations/instances_train.json", images = "train", crowd = "{crowd}" }}'
        )
        recipe = tmp_path / "my.toml"
        recipe.write_text(f'format = "coco"\n[splits.train]\nsources = [{source}]\n')
        (one, _), _ = read(find(str(recipe)))
        assert one.difficult.tolist() == expected


# Label Studio

FORWARD = {
    2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM, 5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270, 7: Image.Transpose.TRANSVERSE, 8: Image.Transpose.ROTATE_90,
}  # fmt: skip
BACK = FORWARD | {6: Image.Transpose.ROTATE_90, 8: Image.Transpose.ROTATE_270}
UPRIGHT, OBJECT = (120, 160), (30, 40, 80, 120)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_frames_of_label_studio(orientation: int, tmp_path: Path) -> None:
    """Its boxes are upright, its sizes as stored, its polygons percent of the one in the other."""
    shown = Image.new("RGB", UPRIGHT, "gray")
    shown.paste("red", OBJECT)
    stored = shown.transpose(BACK[orientation]) if orientation > 1 else shown
    exif = Image.Exif()
    exif[0x0112] = orientation
    (tmp_path / "images").mkdir()
    stored.save(tmp_path / "images" / "a.jpg", exif=exif, quality=95)
    width, height = stored.size
    left, top, right, bottom = OBJECT
    x, y = width / UPRIGHT[0], height / UPRIGHT[1]
    traced = [left * x, top * y, right * x, top * y, right * x, bottom * y]
    hull = [left * x, top * y, (right - left) * x, (bottom - top) * y]
    annotations = [
        box(0, 0, 0, bbox=[left, top, right - left, bottom - top]),
        box(1, 0, 1, bbox=hull, segmentation=[traced]),
    ]
    images = [image(0, "images/a.jpg", width=width, height=height)]
    label_studio(tmp_path, images=images, annotations=annotations)
    made = build(recognise(tmp_path), tmp_path / "out", splits=["trainval"])
    pixels = np.asarray(stored).astype(int)
    rows, columns = np.nonzero((pixels[..., 0] > 200) & (pixels[..., 1] < 60))
    covered = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
    with LmdbReader(made.out / f"{tmp_path.name}_trainval_lmdb") as records:
        found = records[0].boxes * [width, height, width, height]
    assert np.allclose(found, [covered, covered], atol=0.01)


# One JSON a picture


def test_a_pictures_own_json(tmp_path: Path) -> None:
    from ssd_data.data.formats.coco.read import read_file

    path = tmp_path / "1.json"
    entries: list[dict[str, Any]] = [
        {"bbox": BOX, "category_id": 3},
        {"segmentation": SQUARE, "category_id": 4, "iscrowd": 1},
    ]
    path.write_text(json.dumps({"image": {"width": 64}, "annotation": entries}))
    notes = Tally()
    one = read_file(path, "1.jpg", "1.json", notes)
    assert (one.boxes.tolist(), one.classes) == ([CORNERS, CORNERS], ("3", "4"))
    assert list(notes.kinds) == [OUTLINE]
    entries += [{"category_id": 5}, {"bbox": [1], "category_id": 6}]
    path.write_text(json.dumps({"annotation": entries}))
    with pytest.raises(InputError, match="2 entries cannot be read") as e:
        read_file(path, "1.jpg", "1.json", notes)
    assert "1.json: entry 2: bbox is missing" in e.value.what
    assert "1.json: entry 3: bbox is not four numbers" in e.value.what


# Anything anywhere

SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
)
VALUES = st.recursive(
    SCALARS | st.text(max_size=6) | st.sampled_from(["1", "1.jpg", "none", "cup", 2**63, 2**64]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["counts", "size", "occluded", "rotation"]), inner)
    ),
    max_leaves=6,
)
PLACES = [
    ("images",), ("annotations",), ("categories",), ("info",), ("images", 0), ("annotations", 1),
    ("categories", 0), *[("images", 0, k) for k in ("id", "file_name", "width", "height")],
    *[("categories", 0, k) for k in ("id", "name", "supercategory")],
    *[("annotations", 1, k) for k in ("id", "image_id", "category_id", "bbox", "iscrowd")],
    *[("annotations", 1, k) for k in ("segmentation", "attributes")],
]  # fmt: skip


@settings(max_examples=150)
@given(changes=st.lists(st.tuples(st.sampled_from(PLACES), VALUES), min_size=1, max_size=3))
def test_any_value_is_read_or_refused(changes: Any, tmp_path_factory: Any) -> None:
    root = tmp_path_factory.mktemp("any")
    pictures(root / "train", ["1.jpg"])
    data: Any = table(["1.jpg", "2.jpg"])
    data["info"] = {"contributor": "Label Studio"} if len(changes) > 2 else {}
    for place, value in changes:
        *outer, last = place
        inside = data
        try:
            for key in outer:
                inside = inside[key]
            inside[last] = value
        except (TypeError, IndexError, KeyError):  # what an earlier change left no place for
            continue
    write(root / "annotations/instances_train.json", data)
    try:
        dataset = recognise(root)
        dataset.classes()
        for one in dataset.entries("train", Tally()):
            assert isinstance(one, AnnotatedImage | Unreadable)
            if isinstance(one, AnnotatedImage):
                assert len(one.boxes) == len(one.classes) == len(one.places)
                assert np.isfinite(one.boxes).all()
    except InputError:
        pass
