"""DetectionOutput's ``save_output_param``: the original's files, number by number."""

from __future__ import annotations

import json
import math
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from google.protobuf import text_format
from hypothesis import given
from hypothesis import strategies as st
from support import GOLDEN

from ssd_data.core.errors import InputError
from ssd_data.data.lmdb.store import LmdbReader
from ssd_data.proto import caffe_pb2
from ssd_data.training.preflight import preflight
from ssd_data.training.save_output import Saver, in_pixels, wants_files
from ssd_data.training.solver_file import look_at_solver

LABELMAP = """
item { name: "none_of_the_above" label: 0 display_name: "background" }
item { name: "cat" label: 1 display_name: "Cat" }
item { name: "dog" label: 2 display_name: "Dog" }
"""
# Pictures of 500x375 and 100x200; a, b in one batch, c in the next.
SIZES = "a 375 500\nb 200 100\nc 375 500\n"
FIRST = [
    [0, 1, 0.98765432, 0.1, 0.2, 0.30005, 0.9],
    [0, 2, 1e-05, -0.5, 0.25, 1.5, 0.5],
    [1, 1, 0.5, 0.333, 0.1115, 0.777, 0.4445],
]
SECOND = [[0, -1, -1, -1, -1, -1, -1]]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("labelmap.prototxt").write_text(LABELMAP)
    Path("sizes.txt").write_text(SIZES)
    return tmp_path


def parameter(**changes: Any) -> caffe_pb2.DetectionOutputParameter:
    fields = {
        "output_directory": "out/Main",
        "output_name_prefix": "comp4_det_test_",
        "output_format": "VOC",
        "label_map_file": "labelmap.prototxt",
        "name_size_file": "sizes.txt",
        **changes,
    }
    saving = caffe_pb2.SaveOutputParameter(**{k: v for k, v in fields.items() if v is not None})
    return caffe_pb2.DetectionOutputParameter(num_classes=3, save_output_param=saving)


def save(**changes: Any) -> Saver:
    saver = Saver(parameter(**changes), "the layer")
    saver(np.array(FIRST, np.float32), 2)
    assert not list(Path().glob("out/**/*"))  # not before all pictures were seen
    saver(np.array(SECOND, np.float32), 1)
    return saver


def test_voc() -> None:
    saver = save()
    names = [f"comp4_det_test_{name}.txt" for name in ("cat", "dog")]
    assert sorted(p.name for p in Path("out/Main").iterdir()) == names
    assert saver.files == [Path("out/Main") / name for name in names]
    # Cut to whole pixels: first corner, then width and height.
    assert saver.files[0].read_text() == "a 0.987654 50 75 150 337\nb 0.5 33 22 77 88\n"
    assert saver.files[1].read_text() == "a 1e-05 0 93 500 186\n"


def test_ilsvrc() -> None:
    save(output_format="ILSVRC", output_name_prefix="det")
    assert Path("out/Main/det.txt").read_text() == (
        "a 1 0.987654 50 75 150 337\na 2 1e-05 0 93 500 186\nb 1 0.5 33 22 77 88\n"
    )


def test_coco() -> None:
    Path("sizes.txt").write_text(SIZES.replace("a ", "42 ").replace("b ", "x/y "))
    Path("labelmap.prototxt").write_text(LABELMAP.replace('"cat"', '"17"'))
    save(output_format="COCO", output_name_prefix="results")
    text = Path("out/Main/results.json").read_text()
    read = json.loads(text)
    assert read[0] == {
        "image_id": 42,
        "category_id": 17,
        "bbox": [50.0, 75.0, 100.019997, 262.5],
        "score": 0.987654328,
    }
    assert read[1]["category_id"] == "dog"
    assert read[1]["bbox"] == [0, 93.75, 500, 93.75]
    assert read[2]["image_id"] == "x/y"
    # As Boost's property tree writes it, cut out of {"detections": [...]}.
    assert text.startswith(
        '[\n        {\n            "image_id": 42,\n            "category_id": 17,\n'
        '            "bbox": [\n                50,\n                75,\n'
    )
    assert text.endswith("\n        }\n    \n]\n")
    assert '"image_id": "x\\/y"' in text


def test_coco_with_nothing_found() -> None:
    saver = Saver(parameter(output_format="COCO", num_test_image=1))
    saver(np.array(SECOND, np.float32), 1)
    assert json.loads(saver.files[0].read_text()) == []


def test_files_are_written_each_time_that_the_set_was_seen() -> None:
    saver = Saver(parameter(num_test_image=2))
    rows = np.array([[0, 1, 0.5, 0, 0, 1, 1], [2, 1, 0.25, 0, 0, 1, 1]], np.float32)
    saver(rows, 3)  # a, b | a
    assert Path("out/Main/comp4_det_test_cat.txt").read_text() == "a 0.5 0 0 500 375\n"
    assert saver.seen == 1
    saver(rows[:1], 1)
    assert Path("out/Main/comp4_det_test_cat.txt").read_text() == (
        "a 0.25 0 0 500 375\nb 0.5 0 0 100 200\n"
    )


def test_a_run_that_was_resumed_goes_on_with_the_names() -> None:
    saver = Saver(parameter(), position=5)
    assert saver.seen == 2
    saver(np.array([[0, 1, 0.5, 0, 0, 1, 1]], np.float32), 1)
    assert Path("out/Main/comp4_det_test_cat.txt").read_text() == "c 0.5 0 0 500 375\n"


# ---- pixels: a twin in plain Python, in the original's order and precision ----


def f(value: float) -> float:
    return float(np.float32(value))


def original(box: list[float], width: int, height: int, resize: Any) -> list[float]:
    """``OutputBBox``, each step rounded to single precision."""
    xmin, ymin, xmax, ymax = map(f, box)

    def scaled(box: list[float], w: float, h: float) -> list[float]:
        return [f(v * (h if i % 2 else w)) for i, v in enumerate(box)]

    def clipped(box: list[float], w: float = 1, h: float = 1) -> list[float]:
        return [max(min(v, h if i % 2 else w), 0.0) for i, v in enumerate(box)]

    if resize is None or resize.resize_mode == resize.WARP:
        return scaled(clipped([xmin, ymin, xmax, ymax]), width, height)
    if resize.resize_mode == resize.FIT_SMALL_SIZE:
        if not (resize.width_scale and resize.height_scale):
            return scaled(clipped([xmin, ymin, xmax, ymax]), width, height)
        there = scaled([xmin, ymin, xmax, ymax], resize.width_scale, resize.height_scale)
        return clipped(there, width, height)
    aspect, left, top = f(width / height), 0.0, 0.0
    if aspect > f(resize.width / resize.height):
        top = f(f(f(resize.height - f(resize.width / aspect)) / 2) / resize.height)
    else:
        left = f(f(f(resize.width - f(resize.height * aspect)) / 2) / resize.width)
    right, bottom = f(1.0 - left), f(1.0 - top)
    moved = [xmin, ymin, xmax, ymax]
    if not (xmin >= right or xmax <= left or ymin >= bottom or ymax <= top):
        wide, high = f(right - left), f(bottom - top)
        moved = [
            f(f(xmin - left) / wide), f(f(ymin - top) / high),
            f(f(xmax - left) / wide), f(f(ymax - top) / high),
        ]  # fmt: skip
    return scaled(clipped(moved), width, height)


MODES = st.sampled_from([None, 1, 2, 3])
SIDE = st.integers(1, 3000)
FRACTION = st.floats(-0.5, 1.5, width=32)


@given(
    st.lists(FRACTION, min_size=4, max_size=4), SIDE, SIDE, MODES, SIDE, SIDE,
    st.sampled_from([(0, 0), (200, 300), (4000, 10)]),
)  # fmt: skip
def test_pixels_are_the_originals(
    box: list[float],
    width: int,
    height: int,
    mode: int | None,
    wide: int,
    high: int,
    scales: tuple[int, int],
) -> None:
    resize = None
    if mode is not None:
        resize = caffe_pb2.ResizeParameter(
            resize_mode=mode, width=wide, height=high, width_scale=scales[0], height_scale=scales[1]
        )
    ours = in_pixels(np.array([box], np.float32), np.array([width, height], np.float32), resize)
    np.testing.assert_array_equal(ours[0], original(box, width, height, resize))


@given(st.lists(st.floats(0, 1, width=32), min_size=4, max_size=4))
def test_coordinates_are_rounded_to_hundredths_as_c_rounds(box: list[float]) -> None:
    saver = Saver(parameter())
    box = [*sorted(box[::2]), *sorted(box[1::2])]
    rows = np.array([[0, 1, 0.5, box[0], box[2], box[1], box[3]]], np.float32)
    xmin, ymin, xmax, ymax = original(rows[0, 3:].tolist(), 500, 375, None)
    expected = [
        f(math.floor(f(value * 100) + 0.5) / 100)
        for value in (xmin, ymin, f(xmax - xmin), f(ymax - ymin))
    ]
    assert saver._boxes(0, rows)[0].tolist() == expected


# ---- what is asked for, and what is wrong with it ----


@pytest.mark.parametrize(
    "changes",
    [
        {"output_directory": ""},
        {"label_map_file": None},
        {"name_size_file": None},
        {"output_format": None},
        {"output_format": "txt"},  # SFD's own; the original writes nothing
    ],
)
def test_without_its_fields_nothing_is_written(changes: dict[str, Any]) -> None:
    assert wants_files(parameter())
    assert not wants_files(parameter(**changes))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"label_map_file": "none.prototxt"}, '"none.prototxt" is not there'),
        ({"label_map_file": "é" * 300}, "is not there"),
        ({"name_size_file": "é" * 300}, "is not there"),
        ({"name_size_file": "none.txt"}, '"none.txt" is not there'),
        ({"num_test_image": 4}, "num_test_image is 4, sizes.txt has 3 lines"),
        ({"num_test_image": 0}, "num_test_image is 0"),
        ({"output_name_prefix": "../x_"}, "../x_cat.txt"),
        ({"output_name_prefix": ".x"}, ".xcat.txt"),
        ({"output_name_prefix": "a\nb"}, "a\\nbcat.txt"),
        ({"resize_param": caffe_pb2.ResizeParameter(resize_mode=3)}, "has no size"),
    ],
)
def test_what_cannot_be(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError) as caught:
        Saver(parameter(**changes), "the layer")
    assert words in str(caught.value)
    assert "the layer" in caught.value.where


def test_labelmaps_that_do_not_fit() -> None:
    Path("labelmap.prototxt").write_text(LABELMAP.replace('"cat"', '"../../cat"'))
    with pytest.raises(InputError, match="cannot lie in a file"):
        Saver(parameter())
    assert Saver(parameter(output_format="COCO"))  # no file is called so
    Path("labelmap.prototxt").write_text(LABELMAP.replace("label: 2", "label: 3"))
    with pytest.raises(InputError, match="lacks label 2"):
        Saver(parameter())
    Path("labelmap.prototxt").write_text(LABELMAP.replace("label: 2", "label: 1"))
    with pytest.raises(InputError, match="stands twice"):
        Saver(parameter())
    Path("sizes.txt").write_text("a 0 5\n")
    Path("labelmap.prototxt").write_text(LABELMAP)
    with pytest.raises(InputError, match="side of 0"):
        Saver(parameter())


# ---- the commands ----


@pytest.fixture
def golden_run(folder: Path) -> Path:
    """The golden run, its test net told to save; names and sizes are its test set's."""
    shutil.copytree(GOLDEN / "training", folder, dirs_exist_ok=True)
    shutil.copytree("lmdb", "lmdb_test")
    with LmdbReader("lmdb_test") as records:
        sizes = [(record.image, *record.decode().shape[:2]) for record in records]
    Path("sizes.txt").write_text("".join(f"{name} {h} {w}\n" for name, h, w in sizes))
    saving = parameter(output_directory="found").save_output_param
    field = f"save_output_param {{ {text_format.MessageToString(saving, as_one_line=True)} }}"
    text, times = re.subn(
        "(detection_output_param \\{)", f"\\1 {field} ", Path("test.prototxt").read_text()
    )
    assert times == 1
    Path("test.prototxt").write_text(text)
    return folder


def test_the_preflight_looks_at_what_is_saved(golden_run: Path) -> None:
    found = preflight(look_at_solver("solver_sgd.prototxt"))
    assert not found.errors
    assert "output_directory" in " ".join(map(str, found.warnings))  # it will be made
    text = Path("test.prototxt").read_text()
    Path("test.prototxt").write_text(text.replace("sizes.txt", "gone.txt"))
    (error,) = preflight(look_at_solver("solver_sgd.prototxt")).errors
    assert '"gone.txt" is not there' in error.what
    edited = text.replace('"VOC"', '"txt"').replace("keep_top_k", "visualize: true keep_top_k")
    Path("test.prototxt").write_text(edited)
    found = preflight(look_at_solver("solver_sgd.prototxt"))
    for words in ('output_format is "txt": nothing is saved', "shows no windows"):
        assert words in " ".join(map(str, found.warnings))
    Path("test.prototxt").write_text(text.replace('"VOC"', '"VOC" num_test_image: 31'))
    Path("found").write_text("no folder")
    found = preflight(look_at_solver("solver_sgd.prototxt"))
    assert '"found" is no folder' in " ".join(map(str, found.errors))
    assert "says 31 pictures, not 32" in " ".join(map(str, found.warnings))


def test_the_test_command_writes_them(golden_run: Path, run: Any) -> None:
    given = ["test", "solver_sgd.prototxt", "--weights", "sgd_iter_120.caffemodel"]
    done = run(*given)
    assert done.status == 0, done.err
    assert "4 files of detections in found" in done.out
    files = sorted(Path("found").iterdir())
    assert len(files) == 4
    lines = [line.split() for file in files for line in file.read_text().splitlines()]
    assert len(lines) > 100
    assert {len(words) for words in lines} == {6}
    assert {words[0] for words in lines} <= set(Path("sizes.txt").read_text().split())
    classes = re.findall(r'name: "(\w+)"', Path("labelmap.prototxt").read_text())[2::2]
    assert all(re.search(rf"^{name} +[01]\.", done.out, re.M) for name in classes)
    table = json.loads(run(*given, "--json").out)
    assert [Path(name).name for name in table["nets"][0]["files"]] == [
        f"comp4_det_test_{name}.txt" for name in classes
    ]


def test_too_few_pictures_write_nothing_and_say_so(golden_run: Path, run: Any) -> None:
    given = ["test", "test.prototxt", "--weights", "sgd_iter_120.caffemodel", "--iterations", 1]
    done = run(*given)
    assert done.status == 0
    assert "note: save_output_param: 4 of the 32 pictures" in done.err
    assert not Path("found").exists()
