"""A metric is one folder: a fourth one, which counts, is put beside the three and goes through."""

from __future__ import annotations

import ast
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support import ROOT
from support.nets import write_detector
from support.scored import CocoScored, VocScored, Wider

from ssd_data import metrics
from ssd_data.core.errors import InputError, UsageError
from ssd_data.core.registry import METRICS
from ssd_data.data.build.builder import build
from ssd_data.data.find import find
from ssd_data.data.synthetic.sample import draw_sample

# Detections as a table: picture, class, score and a box in fractions. How far off are the numbers?
COUNTING = '''
"""Counting: by how many objects a picture is wrong in the mean."""

import numpy as np

from ssd_data.core.labelmap import LabelMap
from ssd_data.metrics import NO, SURELY, Metric
from ssd_data.metrics.scores import Found, Numbers
from ssd_data.metrics.truth import TruthBuilder


def rows(path):
    return [line.split(",") for line in path.read_text().splitlines()]


def read_truth(path, options):
    table, sizes = rows(path), np.full((2, 2), 100)
    names, labels = [row[0] for row in table], np.array([int(row[1]) for row in table])
    boxes = np.array([row[2:] for row in table], np.float64)
    pictures = TruthBuilder(names, sizes, np.arange(2), labels, boxes, np.zeros(2, np.bool_))
    pictures.to_pixels(sizes)
    return pictures.build(names, LabelMap.from_names(["one", "two"]), path)


def read_detections(path, truth, options):
    table = rows(path)
    picture = np.array([truth.pictures.index(row[0]) for row in table], np.int64)
    boxes = np.array([row[3:] for row in table], np.float64).reshape(-1, 4)
    return Found(
        str(path),
        picture,
        np.array([int(row[1]) - 1 for row in table], np.int64),
        np.array([row[2] for row in table], np.float64),
        boxes * truth.sizes[picture][:, [0, 1, 0, 1]],
        np.isin(np.arange(len(truth.pictures)), picture),
    )


def write_detections(path, detections, sizes, truth, labelmap):
    with path.open("w") as file:
        for name, found in detections.items():
            for label, score, box in zip(found.labels, found.scores, found.boxes.tolist()):
                file.write(",".join(map(str, [name, label, score, *box])) + "\\n")


def score(truth, found, options):
    number = len(truth.pictures)
    wrong = np.bincount(found.picture, minlength=number)
    wrong -= np.bincount(truth.picture, minlength=number)
    return Numbers({"error": float(np.abs(wrong).mean())}, {})


METRIC = Metric(
    title="Counting",
    example="a .csv file",
    read_truth=read_truth,
    sniff=lambda path: SURELY if path.suffix == ".csv" else NO,
    read_detections=read_detections,
    write_detections=write_detections,
    score=score,
    truth=lambda pictures, labelmap, origin, place: pictures.build(
        pictures.images, labelmap, origin
    ),
    output="detections.csv",
    names=lambda pictures: tuple(pictures.images),
)
'''
# Runs the commands in their arguments, then judges what the last one found, as `view` does.
PROGRAM = """
import json, sys
from pathlib import Path
from ssd_data.cli import main
from ssd_data.core.labelmap import read_labelmap
from ssd_data.data.lmdb.store import open_shared
from ssd_data.pages.viewer.index import Index
from ssd_data.pages.viewer.judging import read_judged

lmdb, detections, *commands = json.loads(sys.argv[1])
for command in commands:
    try:
        main(command)
    except SystemExit as end:
        assert not end.code, command
names = read_labelmap(Path(lmdb).parent / "labelmap.prototxt")
reader = open_shared(lmdb)
index = Index(reader, [item.label for item in names])
index.start()
judged = read_judged(Path(detections), index.wait(), Path(lmdb), names)
index.close()
found = {"detections": len(judged.score), "truths": len(judged.truth)}
print(json.dumps({**found, "kinds": sorted(set(judged.kind.tolist()))}))
"""


def test_a_fourth_metric_is_one_folder(tmp_path: Path) -> None:
    shutil.copytree(
        ROOT / "ssd_data", tmp_path / "ssd_data", ignore=shutil.ignore_patterns("__pycache__")
    )
    (tmp_path / "ssd_data" / "metrics" / "counting").mkdir()
    (tmp_path / "ssd_data" / "metrics" / "counting" / "__init__.py").write_text(COUNTING)
    draw_sample(tmp_path / "sample", ["voc"], train=1, test=4, size=96)
    build(find(tmp_path / "sample" / "voc"), tmp_path / "built", splits=["test"])
    deploy, weights = map(str, write_detector(tmp_path, classes=4))
    (tmp_path / "true.csv").write_text("a,1,0,0,.5,.5\nb,2,0,0,.5,.5\n")
    (tmp_path / "found.csv").write_text("a,1,.9,0,0,.5,.5\na,2,.8,0,0,.1,.1\nb,2,.7,0,0,1,1\n")
    lmdb, found = tmp_path / "built" / "voc_test_lmdb", tmp_path / "out" / "detections.csv"
    score = ["score", "counting", "--truth", "true.csv", "--detections", "found.csv", "--json"]
    evaluate = ["eval", str(lmdb), "--metric", "counting", "--out", "out", "--json"]
    evaluate += ["--deploy", deploy, "--weights", weights, "--mean", "127.5", "--scale", "0.0078"]
    # An option that only VOC takes is refused for it, as for the others.
    done = call(tmp_path, [*score, "--iou", "0.3"])
    assert done.returncode == 2
    assert "--split, --labelmap and --iou are for voc" in done.stdout
    program = json.dumps([str(lmdb), str(found), score, evaluate])
    done = call(tmp_path, [program], "-c", PROGRAM)
    assert (done.returncode, done.stderr) == (0, "")
    scored, evaluated, judged = documents(done.stdout)
    assert scored["ap"] == {"error": 0.5}
    assert (evaluated["metric"], evaluated["counts"]["pictures"]) == ("counting", 4)
    lines = len(found.read_text().splitlines())
    assert lines == evaluated["counts"]["detections"] > 4
    assert judged["detections"] == lines
    assert 0 < judged["truths"] < evaluated["counts"]["truths"]  # some are difficult
    assert "nothing" in judged["kinds"]


def documents(text: str) -> list[Any]:
    """JSON documents that stand one behind the other."""
    found, rest = [], text.lstrip()
    while rest:
        document, end = json.JSONDecoder().raw_decode(rest)
        found.append(document)
        rest = rest[end:].lstrip()
    return found


def call(place: Path, args: list[str], *program: str) -> subprocess.CompletedProcess[str]:
    """Run Python where that place's package is found first."""
    return subprocess.run(
        [sys.executable, *(program or ["-m", "ssd_data"]), *args],
        cwd=place,
        env={**os.environ, "PYTHONPATH": str(place)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_nobody_asks_which_metric_it_is() -> None:
    """Outside its own folder no metric's name stands in what scores, evaluates or shows."""
    package = ROOT / "ssd_data"
    asking = [*(package / "metrics").glob("*.py"), *(package / "cli").glob("[es][vc]*.py")]
    asking += [*(package / "evaluation").rglob("*.py"), *(package / "pages").rglob("*.py")]
    assert package / "cli" / "score.py" in asking
    for path in asking:
        for node in ast.walk(ast.parse(path.read_text())):
            named = isinstance(node, ast.Constant) and node.value in METRICS.names()
            assert not named, f"{path}:{node.lineno}"  # type: ignore[attr-defined]


def test_metrics_do_not_know_one_another() -> None:
    for name in METRICS.names():
        for path in (ROOT / "ssd_data" / "metrics" / name).glob("*.py"):
            text = path.read_text()
            others = [other for other in METRICS.names() if f"ssd_data.metrics.{other}" in text]
            assert others in ([], [name]), path


@pytest.fixture
def places(tmp_path: Path) -> dict[str, Path]:
    for name in ("voc", "coco", "wider"):
        (tmp_path / name).mkdir()
    voc, coco = VocScored(tmp_path / "voc"), CocoScored(tmp_path / "coco")
    for name, text in (("broken.json", "{"), ("page.html", "<html>"), ("any.txt", "[]")):
        (tmp_path / name).write_text(text)
    both = tmp_path / "both"
    shutil.copytree(Wider(tmp_path / "wider").pred, both)
    shutil.copy(voc.file("dog"), both)
    return {
        "folder of classes": voc.pred,
        "one class": voc.file("cat"),
        "results": coco.pred,
        "faces": tmp_path / "wider" / "pred",
        "faces and a class": both,
        "broken": tmp_path / "broken.json",
        "no JSON": tmp_path / "page.html",
        "text": tmp_path / "any.txt",
    }


@pytest.mark.parametrize(
    ("what", "title"),
    [
        ("folder of classes", "VOC"),
        ("one class", "VOC"),
        ("results", "COCO"),
        ("faces", "WIDER FACE"),
        ("faces and a class", "VOC"),
        ("broken", "COCO"),
        ("no JSON", "COCO"),
        ("text", "VOC"),
    ],
)
def test_whose_detections_they_are(what: str, title: str, places: dict[str, Path]) -> None:
    assert metrics.recognise(places[what]).title == title


def test_nobodys_detections(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there are no detections here"):
        metrics.recognise(tmp_path / "none")
    with pytest.raises(InputError, match="there is no file of detections") as caught:
        metrics.recognise(tmp_path)
    assert caught.value.hint == (
        "VOC: comp4_det_test_<class>.txt; WIDER FACE: EVENT/picture.txt; COCO: a JSON file"
    )


def test_what_only_some_metrics_take() -> None:
    assert metrics.taking("iou") == ["voc"]
    assert metrics.taking("missing") == []
    with pytest.raises(UsageError, match='no metric "map"'):
        metrics.load("map")


def test_a_truth_s_rows_take_all_of_a_box_along(tmp_path: Path) -> None:
    from ssd_data.metrics.comparable import restricted

    coco = CocoScored(tmp_path)
    by: Any = metrics.load("coco")
    truth = by.read_truth(coco.truth, metrics.ScoreOptions())
    found = by.read_detections(coco.pred, truth, metrics.ScoreOptions())
    worst = found.rows([3, 0])
    assert worst.boxes.tolist() == found.boxes[[3, 0]].tolist()
    assert worst.attributes["xywh"].tolist() == found.attributes["xywh"][[3, 0]].tolist()
    coco.results = coco.results[2:3]  # of the second picture, whose id is 8
    coco.write()
    some, one = restricted(truth, by.read_detections(coco.pred, truth, metrics.ScoreOptions()))
    assert (some.pictures, some.picture.tolist(), one.picture.tolist()) == (("8",), [0], [0])
    assert some.attributes["xywh"].tolist() == [[5, 5, 95, 45]]
    assert some.attributes["area"].tolist() == [95 * 45]
