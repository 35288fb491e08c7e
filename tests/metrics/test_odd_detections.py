"""Files of detections that are packed, doubled, empty or speak of pictures in other words."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from support.scored import CocoScored, VocScored, Wider

from ssd_data.core.errors import InputError
from ssd_data.metrics import ScoreOptions, score
from ssd_data.metrics.lines import CORNERS, SCORE, Lines
from ssd_data.metrics.widerface.files import read_detections, read_truth


@pytest.fixture
def voc(tmp_path: Path) -> VocScored:
    return VocScored(tmp_path / "voc")


@pytest.fixture
def wider(tmp_path: Path) -> Wider:
    (tmp_path / "wider").mkdir()
    return Wider(tmp_path / "wider")


@pytest.fixture
def coco(tmp_path: Path) -> CocoScored:
    (tmp_path / "coco").mkdir()
    return CocoScored(tmp_path / "coco")


def fails(metric: str, files: Any, **options: Any) -> InputError:
    root = files.root if metric == "voc" else files.truth
    with pytest.raises(InputError) as caught:
        score(metric, root, files.pred, ScoreOptions(**options))
    return caught.value


def test_a_packed_file_in_a_text_s_name(voc: VocScored, wider: Wider, coco: CocoScored) -> None:
    places = {"voc": voc.file("cat"), "widerface": wider.file("0--A/one"), "coco": coco.pred}
    for metric, files in (("voc", voc), ("widerface", wider), ("coco", coco)):
        path = places[metric]
        plain = path.read_bytes()
        path.write_bytes(gzip.compress(plain))
        error = fails(metric, files)
        assert error.what.endswith("is packed with gzip")
        assert (error.where, error.hint) == (str(path), "Unpack it first")
        path.write_bytes(plain.decode().encode("utf-16"))
        assert "is UTF-16 text" in fails(metric, files).what
        path.write_bytes(b"\xef\xbb\xbf" + plain)
        root = files.root if metric == "voc" else files.truth
        assert all(value in (1, None) for value in _rounded(score(metric, root, files.pred)))


def _rounded(scores: Any) -> list[float | None]:
    return [None if value is None else round(value, 6) for value in scores.ap.values()]


def test_files_that_are_all_packed(voc: VocScored, wider: Wider) -> None:
    for path in [*voc.pred.iterdir(), *wider.pred.glob("*/*")]:
        path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
    assert fails("voc", voc).hint == "comp4_det_test_cat.txt.gz is packed: unpack it first"
    assert fails("widerface", wider).hint.endswith(".txt.gz is packed: unpack it first")
    voc.file("cat").write_text("")
    assert fails("voc", voc).hint == "comp4_det_test_cat.txt.gz is packed: unpack it first"


@pytest.mark.parametrize(
    ("line", "what", "hint"),
    [
        ("0.9 000001 10 10 60 60", 'no picture "0.9"', "seems to stand in column 2. A line is: im"),
        ("10 10 60 60 0.9 000001", 'no picture "10"', "seems to stand in column 6"),
        ("cat 000001 0.9 10 10 60 60", 'no picture "cat"', "seems to stand in column 2"),
        ("000001.jpg 0.9 10 10 60 60", '"000001.jpg"', "without folder and ending: 000001"),
        ("JPEGImages/000001.jpg 0.9 1 1 6 6", "no picture", "without folder and ending: 000001"),
        ("000001,0.9,10,10,60,60", "no picture", "A line is: image score xmin ymin xmax ymax"),
        ("000001 1 0.9 10 10 60 60", "should stand here, found 6", "A line is: image score xmin"),
        ("000001 cat 0.9 10 10 60 60", "are not 5 numbers", "A line is: image score xmin"),
        ("000001 10 10 60 60", "should stand here, found 4", "A line is: image score xmin"),
    ],
)
def test_lines_of_other_makers(voc: VocScored, line: str, what: str, hint: str) -> None:
    voc.file("dog").write_text(f"\n{line}\n")
    error = fails("voc", voc)
    assert what in error.what
    assert hint in error.hint
    assert error.where == f"{voc.file('dog')}:2"


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        ("one\n10 10 20 20 0.9\n", 2, "the number of faces should stand here"),
        ("2\n10 10 20 20 0.9\n", 2, "the number of faces should stand here"),
        ("one\n1\n1 10 10 20 20 0.9\n", 3, "5 numbers should stand here, found 6"),
        ("one\n1\nface 0.9 10 10 20 20\n", 3, "are not 5 numbers"),
        ("one\n1\n10,10,20,20,0.9\n", 3, "are not 5 numbers"),
    ],
)
def test_faces_of_other_makers(wider: Wider, text: str, line: int, what: str) -> None:
    wider.file("0--A/one").write_text(text)
    error = fails("widerface", wider)
    assert what in error.what
    assert "x y w" in error.hint
    assert error.where == f"{wider.file('0--A/one')}:{line}"


@pytest.mark.parametrize(
    ("change", "hint"),
    [
        ({"image_id": "000007"}, "An image_id is a number"),
        ({"category_id": "cat"}, "A category_id is a number"),
        ({"bbox": [1, 2, 3, 4, 0.9]}, "A bbox is [x, y, width, height]"),
        ({"bbox": {"x": 1}}, "A bbox is [x, y, width, height]"),
        ({"score": "0.9"}, "Each result has a score"),
        ({"score": None}, "Each result has a score"),
        ({"image_id": 0}, "were pictures counted from 0 or 1?"),
        ({"category_id": 0}, "are these labels, or were classes counted from 0?"),
    ],
)
def test_results_of_other_makers(coco: CocoScored, change: dict[str, Any], hint: str) -> None:
    coco.results[1].update(change)
    coco.write()
    assert hint in fails("coco", coco).hint


def test_the_truth_in_place_of_results(coco: CocoScored) -> None:
    coco.pred.write_text(coco.truth.read_text())
    assert "the truth's annotations have none" in fails("coco", coco).hint


def test_nothing_found_at_all(voc: VocScored, wider: Wider, coco: CocoScored) -> None:
    """An error where it may be a mistake, else a note."""
    for path in voc.pred.iterdir():
        path.write_text("")
    assert "3 of 3 pictures have no detections" in fails("voc", voc).what
    what = "no detection at all: all objects are missed"
    assert what in score("voc", voc.root, voc.pred, ScoreOptions(missing="count")).notes.kinds
    for name in wider.faces:
        wider.detect(name, [])
    result = score("widerface", wider.truth, wider.pred)
    assert (result.ap["hard"], list(result.notes.kinds)) == (0, [what])
    coco.pred.write_text(json.dumps({"images": [{"id": i} for i in (7, 8, 9)], "annotations": []}))
    assert what in score("coco", coco.truth, coco.pred).notes.kinds


def test_detections_that_stand_twice(voc: VocScored, wider: Wider, coco: CocoScored) -> None:
    what = "detection that stands twice: the second counts as wrong"
    voc.file("cat").write_text(voc.file("cat").read_text() * 2)
    result = score("voc", voc.root, voc.pred)
    assert result.notes.kinds[what].listed == ["000001", "000002"]
    wider.detect("0--A/two", [[5, 5, 40, 40, 0.9], [5, 5, 40, 40, 0.8], [5, 5, 40, 40, 0.9]])
    assert score("widerface", wider.truth, wider.pred).notes.kinds[what].listed == ["0--A/two"]
    coco.results += [*coco.results[:1], {**coco.results[1], "score": 0.5}]
    coco.write()
    assert score("coco", coco.truth, coco.pred).notes.kinds[what].count == 1


def test_one_score_for_all(tmp_path: Path) -> None:
    """As of a file with the class where the score should stand."""
    voc = VocScored(tmp_path, {f"{i}": [("cat", i + 1, 10, i + 60, 60)] for i in range(20)})
    kind = "class whose detections all have the same score: the file's order decides"
    assert score("voc", voc.root, voc.pred).notes.kinds[kind].listed == ["cat"]
    text = voc.file("cat").read_text()
    voc.file("cat").write_text(text.replace("0.9", "0.8", 1))
    assert not score("voc", voc.root, voc.pred).notes


def test_a_line_is_found_again(wider: Wider, tmp_path: Path) -> None:
    wider.file("0--A/one").write_bytes(b"one\r\n2\r\n\r\n10 10 20 20 0.9\r\n \r\n50 50 9 9 0.8\r\n")
    found = read_detections(wider.pred, read_truth(wider.truth))
    assert [found.place(row).rpartition("/")[2] for row in range(4)] == [
        "one.txt:4",
        "one.txt:6",
        "two.txt:3",
        "three.txt:3",
    ]
    turned = found.rows([2, 1])  # type: ignore[arg-type]
    assert turned.place(0).endswith("two.txt:3")
    assert turned.place(1).endswith("one.txt:6")
    lines = Lines.of(("image", SCORE, *CORNERS), [tmp_path / "gone"], [1], head=0)
    with pytest.raises(InputError, match="is missing"):
        lines.place(0)
