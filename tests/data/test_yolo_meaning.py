"""What YOLO's lines mean is judged over a whole set: no truth and no boxes are refused."""

import pickle
from collections.abc import Sequence
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.yolo import PICTURE, tree

from ssd_data import AnnotatedImage, InputError, Tally
from ssd_data.data import formats
from ssd_data.data.formats.yolo.meaning import Evidence
from ssd_data.data.formats.yolo.schema import YoloSource

Row = Sequence[float]


def read(
    folder: Path, rows: Sequence[Row | str], yaml: str = "names: [cat, dog]\n", per: int = 2
) -> tuple[list[AnnotatedImage], dict[str, int]]:
    """The pictures that have these lines, so many each, and what was noted how often."""
    lines = [
        row if isinstance(row, str) else "0 " + " ".join(f"{value:.6f}" for value in row)
        for row in rows
    ]
    files: dict[str, str | bytes | None] = {"data.yaml": yaml}
    for number in range(0, len(lines), per):
        files[f"images/{number:05d}.jpg"] = b"" if number else PICTURE
        files[f"labels/{number:05d}.txt"] = "\n".join(lines[number : number + per])
    notes = Tally()
    source = YoloSource(images="images", names="data.yaml")
    entries = list(formats.load("yolo").read(tree(folder, files), source, notes))
    assert all(isinstance(entry, AnnotatedImage) for entry in entries), entries
    return entries, {kind: count.count for kind, count in notes.kinds.items()}  # type: ignore


def corners(count: int, seed: int = 0) -> Any:
    """Boxes inside the picture, xmin ymin xmax ymax."""
    random = np.random.default_rng(seed)
    sides = random.uniform(0.03, 0.5, (count, 2))
    low = random.uniform(0, 1, (count, 2)) * (1 - sides)
    return np.hstack([low, low + sides])


def centres(boxes: Any) -> Any:
    return np.hstack([(boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]])


@pytest.mark.parametrize("seed", range(5))
def test_corners_and_upper_left_corners_are_refused(seed: int, tmp_path: Path) -> None:
    boxes = corners(12, seed)
    with pytest.raises(InputError, match=r"^images: the boxes seem to be xmin ymin xmax ymax, not"):
        read(tmp_path / "a", boxes)
    boxes = corners(60, seed)
    sides = np.hstack([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]])
    with pytest.raises(InputError, match="the boxes seem to be xmin ymin w h, not cx cy w h"):
        read(tmp_path / "b", sides)
    found, _ = read(tmp_path / "c", centres(boxes))
    assert np.allclose(np.concatenate([entry.boxes for entry in found]), boxes, atol=1e-5)


def test_who_knows_better_says_so(tmp_path: Path) -> None:
    yaml = "names: [cat]\nline: class cx cy w h\n"
    found, _ = read(tmp_path / "a", corners(12), yaml)
    assert len(found) == 6
    with pytest.raises(InputError, match="line is not what is read"):
        read(tmp_path / "b", corners(12), "names: [cat]\nline: corners\n")


def test_one_box_over_the_edge_is_no_evidence(tmp_path: Path) -> None:
    rows = [*centres(corners(30)), (0.05, 0.05, 0.4, 0.4)]
    assert len(read(tmp_path / "a", rows)[0]) == 16
    assert len(read(tmp_path / "b", [(0.3, 0.3, 0.9, 0.9)])[0]) == 1


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 40), st.booleans())
def test_true_boxes_are_never_refused(
    tmp_path_factory: Any, seed: int, count: int, close: bool
) -> None:
    boxes = corners(count, seed)
    if close:  # close-ups, which nearly fill their pictures
        random = np.random.default_rng(seed)
        boxes = np.hstack([random.uniform(0, 0.2, (count, 2)), random.uniform(0.8, 1, (count, 2))])
    found, _ = read(tmp_path_factory.mktemp("x"), centres(boxes), per=40)
    assert np.allclose(found[0].boxes, boxes, atol=1e-5)


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 12), st.integers(3, 12), st.booleans())
def test_polygons_are_never_refused(
    tmp_path_factory: Any, seed: int, count: int, points: int, even: bool
) -> None:
    random = np.random.default_rng(seed)
    numbers = [points if even else int(random.integers(3, 12)) for _ in range(count)]
    rows = [random.uniform(0, 1, 2 * number) for number in numbers]
    found, notes = read(tmp_path_factory.mktemp("x"), rows, per=12)
    hulls = [[r[0::2].min(), r[1::2].min(), r[0::2].max(), r[1::2].max()] for r in rows]
    assert np.allclose(found[0].boxes, hulls, atol=1e-5)
    assert notes == {"polygon (its box is taken)": count}


# Detections


def test_confidences_are_refused_and_ids_are_not(tmp_path: Path) -> None:
    rows = centres(corners(8))
    scored = np.hstack([rows, np.linspace(0.3, 1, 8)[:, None]])
    with pytest.raises(
        InputError, match=r"detections of a net, not the truth: there are confidences .7 lines"
    ):
        read(tmp_path / "a", scored)
    ids = [f"0 {' '.join(f'{v:.6f}' for v in row)} {n}" for n, row in enumerate(rows)]
    found, notes = read(tmp_path / "b", ids)
    assert sum(len(entry.boxes) for entry in found) == 8
    assert notes == {"sixth number of a line, whole as a track's id (not used)": 8}


def test_a_trackers_lines_are_no_triangles(tmp_path: Path) -> None:
    rows = [
        f"0 {' '.join(f'{v:.6f}' for v in row)} 0.87 {n}"
        for n, row in enumerate(centres(corners(8)))
    ]
    ones = [row[:-1] + "1" for row in rows[:3]]
    for name, some in (("all", rows), ("ones", ones), ("later", rows[5:6])):
        with pytest.raises(InputError, match="detections of a net, not the truth"):
            read(tmp_path / name, some)
    triangles = ["0 0.1 0.1 0.5 0.2 0.3 0.7", "1 0.1 0.1 0.5 0.2 0.3 1"]
    assert read(tmp_path / "polygons", triangles)[1] == {"polygon (its box is taken)": 2}


# Key points


def posed(count: int, points: int, visible: bool, seed: int = 0) -> list[str]:
    random = np.random.default_rng(seed)
    lines = []
    for box in corners(count, seed):
        inside = random.uniform(0, 1, (points, 2)) * (box[2:] - box[:2]) + box[:2]
        rows = [
            [*point, int(random.integers(0, 3))] if visible else list(point) for point in inside
        ]
        numbers = [*centres(box[None])[0], *(value for row in rows for value in row)]
        lines.append("0 " + " ".join(f"{v:.6f}" if v % 1 else str(int(v)) for v in numbers))
    return lines


@pytest.mark.parametrize(
    ("points", "visible"), [(17, True), (4, True), (1, True), (5, False), (17, False), (3, False)]
)
def test_key_points_are_refused_until_they_are_stated(
    points: int, visible: bool, tmp_path: Path
) -> None:
    lines = posed(12, points, visible)
    shape = f"[{points}, {3 if visible else 2}]"
    with pytest.raises(InputError) as caught:
        read(tmp_path / "a", lines)
    assert f"boxes with {points} key points behind them" in caught.value.what
    assert f"kpt_shape: {shape}" in caught.value.hint
    found, notes = read(tmp_path / "b", lines, f"names: [cat]\nkpt_shape: {shape}\n")
    assert np.allclose(np.concatenate([e.boxes for e in found]), corners(12), atol=1e-5)
    assert notes == {"key points (not used)": 12}


def test_with_key_points_stated_no_other_line_is_read(tmp_path: Path) -> None:
    files = {
        "data.yaml": "names: [cat]\nkpt_shape: [2, 3]\n",
        "images/a.jpg": PICTURE,
        "labels/a.txt": "0 0.5 0.5 0.2 0.2\n0 0.1 0.1 0.5 0.2 0.3 0.7\n",
    }
    source = YoloSource(images="images", names="data.yaml")
    (entry,) = formats.load("yolo").read(tree(tmp_path, files), source, Tally())
    with pytest.raises(InputError, match=r"a\.txt:2: 7 numbers, but with kpt_shape there are 5 or"):
        raise entry.error  # type: ignore[union-attr]


# Rotated boxes


def rotated(count: int, angle: float, seed: int = 0) -> Any:
    """Four corners each, of rectangles in a picture of 640 x 480."""
    random = np.random.default_rng(seed)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    unit = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]])
    middles = random.uniform(150, 300, (count, 1, 2))
    sides = random.uniform(20, 100, (count, 1, 2))
    return ((unit * sides) @ turn + middles).reshape(count, 8) / ([640, 480] * 4)


def test_rotated_boxes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="these are rotated boxes, by their four corners .9 lines"):
        read(tmp_path / "a", rotated(9, 0.3))
    found, notes = read(tmp_path / "b", rotated(9, 0.0))  # the same as polygons and as boxes
    assert notes == {"polygon (its box is taken)": 9}
    assert len(found) == 5
    random = np.random.default_rng(0)
    drawn = rotated(9, 0.3) + random.uniform(-0.02, 0.02, (9, 8))  # by hand
    assert read(tmp_path / "c", drawn)[1] == {"polygon (its box is taken)": 9}
    mixed = [*rotated(3, 0.3), *centres(corners(9))]
    assert read(tmp_path / "d", mixed)[1] == {"polygon (its box is taken)": 3}


VALUES = st.lists(
    st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.7, 1.0, 2.0, 30.0]), min_size=4, max_size=13
)


@given(lines=st.lists(VALUES, max_size=12), cuts=st.lists(st.integers(0, 12), max_size=3))
def test_what_several_have_seen_is_what_one_sees(lines: list[list[float]], cuts: list[int]) -> None:
    def seen(first: int, last: int) -> Evidence:
        found = Evidence()
        for number, numbers in enumerate(lines[first:last], first):
            values, where = [0.0, *numbers], f"a.txt:{number}"
            found.lines += 1
            if not found.leaves(values, False, where) and len(values) > 5:
                with suppress(InputError):
                    found.is_box(values, where)
            found.add_boxes(np.array([numbers[:4]], np.float32), f"{number}.txt")
        return found

    def told(found: Evidence) -> Any:
        try:
            found.judge("labels")
        except InputError as error:
            text = str(error)
        else:
            text = ""
        return text, found.long.points(), [label for _, label in found._plain]

    whole, merged = seen(0, len(lines)), Evidence()
    edges = [0, *sorted(cuts), len(lines)]
    for first, last in pairwise(edges):
        merged.merge(pickle.loads(pickle.dumps(seen(first, max(first, last)))))
    for name in ("far", "flagged", "scores", "sevens", "ids", "tracks", "turned", "straight"):
        assert getattr(merged, name) == getattr(whole, name)
    assert merged.lines == whole.lines
    assert told(merged) == told(whole)
