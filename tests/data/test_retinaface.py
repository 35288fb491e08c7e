"""RetinaFace's and SCRFD's lists of faces, read and written."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.trees import jpeg

from ssd_data import BuildOptions, InputError, LmdbReader, LmdbWriter, Tally, build, export, find
from ssd_data.core.labelmap import LabelMap
from ssd_data.data.lmdb.records import encode_record

LANDMARKS = "30.1 40.2 0.0 60.0 40.0 0.0 50.0 55.0 0.0 35.0 75.0 1.0 65.0 75.0 1.0"
NONE = " ".join(["-1.0"] * 15)
V1 = f"# 0--Parade/a.jpg\n5 6 20 30 {LANDMARKS} 0.82\n1 2 3 4 {NONE} -1.0\n# 0--Parade/b 1.jpg\n"
V2 = f"# 0--Parade/a.jpg 64 48\n5 6 25 36 {LANDMARKS}\n1 2 4 6 {NONE}\n# 0--Parade/b.jpg 64 48\n"


def folder(root: Path, text: str, name: str = "label.txt", split: str = "train") -> Path:
    place = root / split
    (place / "images" / "0--Parade").mkdir(parents=True)
    for picture in ("a.jpg", "b.jpg", "b 1.jpg"):
        (place / "images" / "0--Parade" / picture).write_bytes(jpeg())
    (place / name).write_text(text)
    return root


@pytest.mark.parametrize(("text", "name"), [(V1, "label.txt"), (V2, "labelv2.txt")])
def test_both_lists_say_the_same(text: str, name: str, tmp_path: Path) -> None:
    found = find(folder(tmp_path / "faces", text, name))
    assert (found.format, list(found.splits)) == ("retinaface", ["train"])
    notes = Tally()
    first, second = found.entries("train", notes)
    assert first.image == "train/images/0--Parade/a.jpg"
    assert first.boxes.tolist() == [[5, 6, 25, 36], [1, 2, 4, 6]]  # type: ignore[union-attr]
    assert first.classes == ("face", "face")  # type: ignore[union-attr]
    assert first.places == (2, 3)  # type: ignore[union-attr]
    assert (first.width, first.height) == ((64, 48) if "v2" in name else (None, None))  # type: ignore[union-attr]
    assert second.classes == ()  # type: ignore[union-attr]
    assert notes.kinds["landmarks of faces are read over"].count == 1


def test_a_face_to_ignore_is_difficult(tmp_path: Path) -> None:
    text = "# 0--Parade/a.jpg 64 48\n5 6 25 36 0\n1 2 4 6 1\n"
    (entry,) = find(folder(tmp_path / "faces", text, "labelv2.txt")).entries("train", Tally())
    assert entry.difficult.tolist() == [False, True]  # type: ignore[union-attr]


def test_a_list_under_widers_name_is_known_by_its_content(tmp_path: Path) -> None:
    root = folder(tmp_path / "faces", V1)
    (root / "wider_face_split").mkdir()
    (root / "train" / "label.txt").rename(root / "wider_face_split/wider_face_train_bbx_gt.txt")
    (root / "train").rename(root / "WIDER_train")
    found = find(root)
    assert found.format == "retinaface"
    made = build(found, tmp_path / "out")
    assert made.record.splits["train"].boxes == 2


def test_where_both_lie_there_the_one_with_sizes_is_read_and_said(tmp_path: Path) -> None:
    root = folder(tmp_path / "faces", V1)
    (root / "train" / "labelv2.txt").write_text(V2)
    found = find(root)
    assert found.said == ("train has label.txt and labelv2.txt: labelv2.txt is read",)
    assert next(iter(found.entries("train", Tally()))).width == 64  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("# a.jpg\n1 2 3\n", 'label.txt:2: "1 2 3" is no face: 4 or 19 or 20 numbers'),
        ("# a.jpg\n1 2 3 x\n", "label.txt:2: .* is no face"),
        ("# a.jpg\n1 2 nan 4\n", "label.txt:2: .* is no face"),
        ("# a.jpg\n1 2 1e99 4\n", "label.txt:2: .* is no face"),
        ("# a.jpg\n# b.jpg\n# a.jpg\n", 'label.txt:3: the picture "a.jpg" stands at line 1'),
        ("# ../../../a.jpg\n", "label.txt:1: .* leaves the root"),
        ("# a.jpg\n" + "1 " * 100_000, "label.txt:2: .* is no face"),
    ],
)
def test_lists_that_are_broken(text: str, message: str, tmp_path: Path) -> None:
    found = find(folder(tmp_path / "faces", V1))
    (tmp_path / "faces" / "train" / "label.txt").write_text(text)
    with pytest.raises(InputError, match=message):
        list(found.entries("train", Tally()))


def test_a_face_before_any_picture(tmp_path: Path) -> None:
    found = find(folder(tmp_path / "faces", V1))
    (tmp_path / "faces" / "train" / "label.txt").write_text("1 2 3 4\n# a.jpg\n")
    with pytest.raises(InputError, match=r"label.txt:1: a face stands before any picture's line"):
        list(found.entries("train", Tally()))


corner = st.floats(0, 1, width=32)
face = st.tuples(corner, corner, corner, corner)
Faces = list[list[tuple[float, float, float, float]]]


def lmdb_of(path: Path, pictures: Faces, difficult: bool = False, label: int = 1) -> Path:
    with LmdbWriter(path) as writer:
        for i, faces in enumerate(pictures):
            boxes = np.sort(np.array(faces, np.float32).reshape(-1, 2, 2), axis=1).reshape(-1, 4)
            writer.put(
                f"{i:08d}_train/images/e v/{i}.jpg".encode(),
                encode_record(
                    jpeg(61, 47, seed=i),
                    (3, 47, 61),
                    np.full(len(boxes), label, np.int32),
                    boxes,
                    np.full(len(boxes), difficult),
                    encoded=True,
                ),
            )
    return path


@given(pictures=st.lists(st.lists(face, max_size=4), min_size=1, max_size=3))
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_is_written_is_read_again(pictures: Faces, tmp_path: Path) -> None:
    for old in tmp_path.iterdir():
        shutil.rmtree(old)
    lmdb = lmdb_of(tmp_path / "a_train_lmdb", pictures)
    result = export(
        lmdb, "retinaface", tmp_path / "out", labelmap=LabelMap.from_names(["face"]), split="train"
    )
    again = build(
        find(tmp_path / "out"),
        tmp_path / "b",
        BuildOptions(shuffle=False, empty="keep", boxes="pixels"),
    )
    with LmdbReader(lmdb) as first, LmdbReader(tmp_path / "b" / "out_train_lmdb") as second:
        before, behind = list(first.items()), list(second.items())
    assert again.built == ["train"]
    assert [key for key, _ in behind] == [key for key, _ in before]
    if not result.rounded:
        assert behind == before


def test_what_the_format_cannot_hold_is_counted(tmp_path: Path, run: Any) -> None:
    lmdb = lmdb_of(tmp_path / "a_train_lmdb", [[(0.1, 0.1, 0.5, 0.5)]], difficult=True, label=2)
    labelmap = LabelMap.from_names(["cat", "dog"])
    result = export(lmdb, "retinaface", tmp_path / "out", labelmap=labelmap)
    assert {kind: one.count for kind, one in result.notes.kinds.items()}.items() >= {
        'class is lost (the format has one, "face")': 1,
        "box is no longer difficult": 1,
    }.items()
    line = (tmp_path / "out" / "train" / "label.txt").read_text().splitlines()[1].split()
    assert (len(line), set(line[4:])) == (20, {"-1.0"})
