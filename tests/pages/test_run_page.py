"""``ssd-data report`` of training runs: curves, pictures made anew, snapshots tried."""

import base64
import json
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import example, given, settings, strategies
from support import GOLDEN
from support.commands import run
from support.html_pages import EVIL, Reader, read_safely

from ssd_data.batches import Batches
from ssd_data.batches.mix import Share
from ssd_data.core.errors import InputError
from ssd_data.core.progress import untracked
from ssd_data.data.lmdb.store import LmdbReader
from ssd_data.data.lmdb.writer import LmdbWriter
from ssd_data.families.fit.layout import Rules, read_layout
from ssd_data.families.fit.matching import match, pairs
from ssd_data.families.fit.truths import Truths
from ssd_data.metrics.analysis import mistakes
from ssd_data.metrics.scores import Found, Truth
from ssd_data.nets.caffemodel import read_caffemodel, to_bytes
from ssd_data.nets.graph import read_graph
from ssd_data.nets.preprocessing import from_transform
from ssd_data.nets.prototxt import read_prototxt, to_text
from ssd_data.pages.report.blocks import Chart, Gallery, Note, Section
from ssd_data.pages.report.curves import chart, thinned
from ssd_data.pages.report.history import read_history
from ssd_data.pages.report.options import RunView
from ssd_data.pages.report.run_subject import gather_run
from ssd_data.pages.report.sections import fed, learning, progress
from ssd_data.proto import caffe_pb2
from ssd_data.training.recipe.feeding import plan_of
from ssd_data.training.recipe.read import from_table
from ssd_data.training.run_folder import read_rows

TRAINING = GOLDEN / "training"
SECTIONS = ["learning", "fed", "progress", "mistakes", "origins"]
INF, NAN = float("inf"), float("nan")


def begin(**facts: Any) -> dict[str, Any]:
    options = {"seed": 3, "jpeg_roundtrip": True, "extras": {"min_face": 0, "ema": 0.0}}
    return {
        "event": "begin", "engine": "torch", "solver": "solver.prototxt", "options": options,
        "seed": 3, "processes": 1, "command": ["/bin/ssd-data", "train", "solver.prototxt"],
        "versions": {"ssd-data": "0.1.0", "torch": "2.9"}, "seconds": 0.0, **facts,
    }  # fmt: skip


def trained(iteration: int, loss: object = 5.0, **more: Any) -> dict[str, Any]:
    return {
        "event": "train", "iteration": iteration, "loss": loss, "lr": 0.01,
        "outputs": {"mbox_loss": [loss]}, "parts": {"loc": 1.0, "conf": 4.0, "matches": 9.0},
        "pictures_per_second": 20.0, "waiting_share": 0.1, "seconds": iteration / 5, **more,
    }  # fmt: skip


def scored(iteration: int, score: float) -> dict[str, Any]:
    each = {str(label): score for label in range(1, 5)}
    return {
        "event": "test", "iteration": iteration, "net": 0, "outputs": {"detection_eval": score},
        "per_class": each, "loss": None, "seconds": iteration / 5,
    }  # fmt: skip


ROWS = [
    begin(),
    *(trained(i, 20 / (1 + i / 10)) for i in range(0, 60, 10)),
    scored(60, 0.5),
    trained(60, 3.0),
    begin(seed=4),
    scored(60, 0.5),
    *(trained(i, 20 / (1 + i / 10)) for i in range(60, 121, 10)),
    scored(120, 0.3),
]


def write_rows(path: Path, rows: list[Any]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of the original Caffe's snapshots, as if the embedded engine had made them."""
    folder = tmp_path_factory.mktemp("runs") / "R"
    shutil.copytree(TRAINING, folder, ignore=shutil.ignore_patterns("rmsprop*", "*.log", "*.txt"))
    shutil.copytree(folder / "lmdb", folder / "lmdb_test")
    (folder / "solver_sgd.prototxt").rename(folder / "solver.prototxt")
    net = read_prototxt(folder / "test.prototxt", caffe_pb2.NetParameter).message
    layers = [layer for layer in net.layer if layer.name not in ("data", "detection_eval")]
    del net.layer[:]
    source = net.layer.add(name="data", type="Input", top=["data"])
    source.input_param.shape.add(dim=[1, 3, 96, 96])
    net.layer.extend(layers)
    (folder / "deploy.prototxt").write_text(to_text(net))
    write_rows(folder / "sgd.jsonl", ROWS)
    return folder


@pytest.fixture
def copy(folder: Path, tmp_path: Path) -> Path:
    """The same, to be changed."""
    return Path(shutil.copytree(folder, tmp_path / "R"))


def page_of(tmp_path: Path, *args: object) -> Reader:
    out = tmp_path / "page.html"
    assert run("report", *args, "-o", out, "-q") == 0
    html = out.read_text("utf-8")
    assert EVIL not in html
    return read_safely(html)


def text_of(page: Reader) -> str:
    return " ".join(page.text)


def notes_of(section: Section) -> str:
    blocks = [block for panel in section.panels for block in panel.blocks]
    return " ".join(block.text for block in blocks if isinstance(block, Note))


# ---- pages ----


def test_a_run(folder: Path, tmp_path: Path) -> None:
    page = page_of(tmp_path, folder, "--pictures", 2, "--test-pictures", 5, "--device", "cpu")
    assert [a["id"] for tag, a in page.tags if tag == "section"] == SECTIONS
    text = text_of(page)
    for words in (
        "Loss and its parts", "mAP (detection_eval)", "AP of each class", "Learning rate",
        "Pictures a second", "waiting", "iteration 0: the first 2 of its 4 pictures",
        "priors matched", "true boxes", "iteration 60", "iteration 120",
        "the best test of those kept, 0.5000", "on 5 of 32 test pictures",
        "ssd-data train solver.prototxt", "session 2, from iteration 60", "torch 2.9",
        "sgd_iter_120.caffemodel", "training LMDB",
    ):  # fmt: skip
        assert words in text, words
    assert "cannot be" not in text
    # Of two pictures two as they were fed, the truth and two snapshots of each, and mistakes.
    images = [a for tag, a in page.tags if tag == "image"]
    assert 8 <= len(images) <= 10


def test_json_says_what_the_page_does(folder: Path, tmp_path: Path, capsys: Any) -> None:
    args = ("-o", tmp_path / "p.html", "--test-pictures", 0, "--json")
    assert run("report", folder, *args) == 0
    (found,) = json.loads(capsys.readouterr().out)["runs"]
    assert (found["iterations"], found["best_iteration"], found["best_score"]) == (120, 60, 0.5)
    assert found["best_snapshot"].endswith("sgd_iter_60.caffemodel")
    assert (found["sessions"], found["broken_lines"]) == (2, 0)
    assert "progress" not in (tmp_path / "p.html").read_text()


def test_several_runs_in_the_same_drawings(folder: Path, tmp_path: Path) -> None:
    logs = [TRAINING / f"caffe_{name}.log" for name in ("sgd", "rmsprop")]
    page = page_of(tmp_path, folder, *logs, "--test-pictures", 0, "--pictures", 0)
    assert "3 training runs" in page.text
    lines = [str(a.get("class")) for tag, a in page.tags if tag == "path"]
    for index in range(3):
        assert f"series line s{index}" in lines
    rows = text_of(page).split("Losses are smoothed")[1].split("medians")[0]
    assert re.search(r"R\s+120\s+.*caffe_sgd\.log\s+120\s+.*caffe_rmsprop\.log\s+120", rows, re.S)
    (tmp_path / "R").symlink_to(folder)
    page = page_of(tmp_path, folder, tmp_path / "R", "--test-pictures", 0, "--pictures", 0)
    assert str(folder) in text_of(page)  # two of one name
    assert str(tmp_path / "R") in text_of(page)


def test_a_log_of_caffe(copy: Path, tmp_path: Path) -> None:
    (copy / "sgd.jsonl").unlink()
    shutil.copy(TRAINING / "caffe_sgd.log", copy)
    page = page_of(tmp_path, copy, "--pictures", 1, "--test-pictures", 2)
    text = text_of(page)
    for words in (
        "A log of Caffe's has neither", "A real Caffe drew other random numbers",
        "on 2 of 32 test pictures", "Iteration 120 (the best test", "does not say how the run was",
    ):  # fmt: skip
        assert words in text, words
    history = read_history(copy / "caffe_sgd.log")
    losses = [
        float(line.split()[-1])
        for line in (TRAINING / "sgd_loss.txt").read_text().split("\n")
        if line
    ]
    assert np.allclose(history.trained("loss")[1], losses, rtol=1e-5)


def test_without_torch(folder: Path, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    text = text_of(page_of(tmp_path, folder, "--pictures", 1))
    assert text.count("this needs PyTorch") == 2
    assert "priors matched" in text
    assert "Loss and its parts" in text


# ---- hostile and missing ----


def test_hostile_strings_are_text(copy: Path, tmp_path: Path) -> None:
    facts = begin(
        command=[f"/x/{EVIL}", EVIL, {"a": EVIL}], versions={EVIL: EVIL}, folder=EVIL, seed=EVIL,
        device=EVIL, options={EVIL: EVIL, "extras": [EVIL]}, processes=-1, solver="x" * 5000,
    )  # fmt: skip
    bad = [
        {**scored(60, 0.5), "outputs": {EVIL: 0.5}, "per_class": {EVIL: 1, "7": EVIL, "8": 1e999}},
        {**scored(70, 0.5), "outputs": [EVIL], "per_class": 5, "net": [1]},
        trained(80, EVIL, lr=None, parts=[EVIL], seconds=EVIL, pictures_per_second={}),
        trained(90, 10**400), trained(91, NAN), trained(92, INF), trained(93, True), trained(94, 3),
        {"event": "snapshot", "iteration": 94, "model": [EVIL], "state": 5},
        {"event": EVIL}, {"event": EVIL, "iteration": 5},
    ]  # fmt: skip
    write_rows(copy / "sgd.jsonl", [facts, trained(0), *bad])
    names = "".join(
        f'item {{ name: "{label}" label: {label} display_name: "{EVIL}" }}\n' for label in range(5)
    )
    (copy / "labelmap.prototxt").write_text(names)
    out = copy.rename(tmp_path / "<b>&'")
    page = page_of(tmp_path, out, "--pictures", 1, "--test-pictures", 3)
    assert EVIL in "".join(page.text)
    assert "<b>&'" in page.text


def test_broken_lines_are_counted(copy: Path, tmp_path: Path) -> None:
    broken = [
        b"[1, 2]", b'{"event": 5}', b'{"event": "train"}', b'{"event": "train", "iteration": -1}',
        b'{"event": "test", "iteration": true}', b"\xff\xfe\x00", b"[" * 100_000, b'{"event": "tr',
    ]  # fmt: skip
    table = copy / "sgd.jsonl"
    table.write_bytes(table.read_bytes() + b"\n".join(broken))
    rows, count = read_rows(table)
    assert (len(rows), count) == (len(ROWS), len(broken))
    text = text_of(page_of(tmp_path, copy, "--pictures", 0))
    assert f"{len(broken)} lines of sgd.jsonl cannot be read" in text


@pytest.mark.parametrize("outputs", [None, {}, [], 5])
def test_classes_without_their_mean(outputs: Any, copy: Path) -> None:
    tests = [scored(n, 0.5) | {"outputs": outputs} for n in (60, 120)]
    write_rows(copy / "sgd.jsonl", [begin(), trained(0, 3.0), *tests])
    section = learning.section([gather_run(copy)])
    titles = [block.title for block in section.blocks if isinstance(block, Chart)]
    assert "AP of each class" in titles


@pytest.mark.parametrize(
    ("gone", "said"),
    [
        (["lmdb", "lmdb_test"], ['"lmdb" is not there', '"lmdb_test" is not there']),
        (["train.prototxt"], ["The training net is not there"]),
        (["test.prototxt"], ["the test net is not there"]),
        (["deploy.prototxt"], ["there is no deploy.prototxt"]),
        (["sgd_iter_60.caffemodel", "sgd_iter_120.caffemodel"], ["No snapshot is there any more"]),
        (["solver.prototxt"], ["there is no solver.prototxt"]),
    ],
)
def test_what_is_missing_is_said(
    gone: list[str], said: list[str], copy: Path, tmp_path: Path
) -> None:
    for name in gone:
        path = copy / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    page = page_of(tmp_path, copy, "--pictures", 1, "--test-pictures", 1)
    assert [a["id"] for tag, a in page.tags if tag == "section"] == SECTIONS
    for words in said:
        assert words in text_of(page)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("sgd_iter_60.caffemodel", "no weights"),
        ("deploy.prototxt", "layer {"),
        ("train.prototxt", "layer { type: 5"),
        ("test.prototxt", 'layer { name: "a" type: "Input" top: "a" }'),
        ("labelmap.prototxt", "item {"),
        ("solver.prototxt", "rate: {"),
        ("solver.prototxt", f'snapshot_prefix: "{"x" * 5000}" net: "{"y" * 5000}"'),
        ("lmdb/data.mdb", "x" * 9000),
    ],
)
def test_broken_files_are_notes(name: str, text: str, copy: Path, tmp_path: Path) -> None:
    (copy / name).write_text(text)
    page = page_of(tmp_path, copy, "--pictures", 1, "--test-pictures", 1)
    assert [a["id"] for tag, a in page.tags if tag == "section"] == SECTIONS


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("height: 96", "height: 2000000000"),
        ("batch_size: 4", "batch_size: 4000000000"),
        ("scale: 0.007843", "scale: 0"),
        ("scale: 0.007843", "mean_file: 'x'"),
        ("min_size", "min_size: 1e38 min_size"),
    ],
)
def test_hostile_nets(change: str, said: str, copy: Path) -> None:
    net = copy / "train.prototxt"
    assert change in net.read_text()
    net.write_text(net.read_text().replace(change, said, 1))
    section = fed.section([gather_run(copy)], RunView(1))
    assert section.panels[0].blocks


def test_usage_errors(folder: Path, tmp_path: Path, capsys: Any) -> None:
    out = ("-o", tmp_path / "p.html")
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.log").write_text("nothing of a training\n")
    wrong: list[tuple[tuple[object, ...], int, str]] = [
        ((), 2, "Name an LMDB"),
        ((folder, "--split", "test"), 2, "--split is for pages of data"),
        ((folder, "--no-decode"), 2, "--no-decode is for pages of data"),
        ((folder / "lmdb", "--iteration", 5), 2, "--iteration is for pages of training runs"),
        ((folder, folder / "lmdb"), 2, "is a training run"),
        ((folder,) * 61, 2, "60 runs at most"),
        ((folder / "lmdb",) * 3, 2, "two builds or LMDBs at most"),
        ((tmp_path / "empty",), 2, "neither an LMDB nor"),
        ((tmp_path / "notes.log",), 1, "says nothing of a training"),
    ]
    for args, code, said in wrong:
        assert run("report", *args, *out) == code, args
        assert said in capsys.readouterr().err
    assert not (tmp_path / "p.html").exists()


# ---- what is drawn ----


def test_a_resumed_run_has_one_curve(folder: Path) -> None:
    history = read_history(folder / "sgd.jsonl")
    iterations, losses = history.trained("loss")
    assert iterations.tolist() == [*range(0, 121, 10)]
    assert losses[6] == 20 / 7  # what the second session says, not the first one's end
    assert [one.start for one in history.sessions()] == [0, 60]
    assert history.seconds == 10 + 24  # what was done anew counts once


def test_positions_count_all_processes(folder: Path, tmp_path: Path) -> None:
    rows = [begin(processes=2), trained(0), trained(10), begin(processes=3), trained(10)]
    write_rows(tmp_path / "a.jsonl", rows)
    subject = gather_run(tmp_path / "a.jsonl")
    assert [subject.position(i, 4) for i in (0, 1, 10, 12)] == [0, 8, 80, 104]
    assert gather_run(folder).position(5, 4) == 20


def test_sessions_that_were_thrown_away_do_not_count(tmp_path: Path) -> None:
    rows = [
        begin(), trained(0), trained(60), begin(seed=4), trained(60), trained(80),
        begin(seed=5, resumed="a_iter_45.solverstate"), trained(50), trained(60), begin(seed=6),
    ]  # fmt: skip
    write_rows(tmp_path / "a.jsonl", rows)
    sessions = read_history(tmp_path / "a.jsonl").sessions()
    assert [(one.start, one.facts["seed"]) for one in sessions] == [(0, 3), (45, 5), (60, 6)]
    assert [gather_run(tmp_path / "a.jsonl").position(i, 1) for i in (40, 50)] == [40, 50]


def test_forced_priors_are_dashed(folder: Path) -> None:
    (panel,) = fed.section([gather_run(folder)], RunView(30)).panels
    (gallery,) = [block for block in panel.blocks if isinstance(block, Gallery)]
    marks = [outline.mark for picture in gallery.pictures for outline in picture.outlines]
    priors = [mark for mark in marks if mark.said.startswith("prior of")]
    assert {mark.dashed for mark in priors} == {True, False}
    for mark in priors:
        assert mark.dashed == (float(mark.said.rpartition(", ")[2]) < 0.5)
        assert not mark.marked
    assert all(mark.marked for mark in marks if mark.said.endswith(", true"))


@pytest.mark.parametrize(("iteration", "seed"), [(0, 3), (5, 3), (61, 4)])
def test_the_pictures_are_those_that_were_fed(
    iteration: int, seed: int, copy: Path, monkeypatch: Any
) -> None:
    net = copy / "train.prototxt"
    sampler = "sampler { min_scale: 0.4 max_scale: 0.9 } max_sample: 1 max_trials: 5"
    text = net.read_text().replace("batch_sampler { }", f"batch_sampler {{ {sampler} }}")
    net.write_text(text.replace("scale: 0.007843", "scale: 0.007843 mirror: true"))
    monkeypatch.chdir(copy)
    layer = next(n for n in read_graph(net, "TRAIN").nodes if n.type == "AnnotatedData").param
    with Batches(layer, caffe_pb2.TRAIN, seed=seed, workers=0, start=4 * iteration) as batches:
        batch = next(batches)
    (panel,) = fed.section([gather_run(copy)], RunView(4, iteration)).panels
    (gallery,) = [block for block in panel.blocks if isinstance(block, Gallery)]
    assert [picture.title for picture in gallery.pictures] == list(batch.keys)
    prepare = from_transform(layer.transform_param)
    for picture, data in zip(gallery.pictures, batch.data, strict=True):
        jpeg = np.frombuffer(base64.b64decode(picture.uri.partition(",")[2]), np.uint8)
        drawn = cv2.imdecode(jpeg, cv2.IMREAD_COLOR)
        fed_one = fed.to_pixels(data, prepare)
        assert drawn.shape == fed_one.shape
        assert np.abs(drawn.astype(int) - fed_one).mean() < 12


RECIPE = {
    "origin": "my.toml",
    "augmentation": {"close": 0.5, "rest": [], "mixup": {"prob": 0.9}, "hsv": {}},
    "input": {"scales": [0.75, 1, 1.25], "every": 2, "multiple": 8},
}


@pytest.mark.parametrize("iteration", [0, 5, 59])
def test_the_pictures_are_those_that_a_recipe_fed(
    iteration: int, copy: Path, monkeypatch: Any
) -> None:
    rows = [begin(options={"seed": 3, "recipe": RECIPE, "max_iter": 100}), *ROWS[1:]]
    write_rows(copy / "sgd.jsonl", rows)
    monkeypatch.chdir(copy)
    layer = next(
        n for n in read_graph(copy / "train.prototxt", "TRAIN").nodes if n.type == "AnnotatedData"
    ).param
    table = {name: part for name, part in RECIPE.items() if name != "origin"}
    solver = caffe_pb2.SolverParameter(max_iter=100)
    plan = plan_of(from_table(table, ""), solver, layer.transform_param, 4)
    assert plan.closes == 200
    with Batches(layer, seed=3, workers=0, start=4 * iteration, plan=plan) as batches:
        batch = next(batches)
    (panel,) = fed.section([gather_run(copy)], RunView(4, iteration)).panels
    (gallery,) = [block for block in panel.blocks if isinstance(block, Gallery)]
    prepare = from_transform(layer.transform_param)
    for number, (picture, data) in enumerate(zip(gallery.pictures, batch.data, strict=True)):
        jpeg = np.frombuffer(base64.b64decode(picture.uri.partition(",")[2]), np.uint8)
        drawn = cv2.imdecode(jpeg, cv2.IMREAD_COLOR)
        fed_one = fed.to_pixels(data, prepare)
        assert drawn.shape == fed_one.shape
        assert np.abs(drawn.astype(int) - fed_one).mean() < 12
        others = batch.others[number] if batch.others else ()
        said = " ".join(picture.facts)
        assert ("with something of" in said) == bool(others)
        assert all(key in said for key in others)
    assert bool(batch.others) == (iteration < 50)


def test_snapshots_in_time(folder: Path) -> None:
    section = progress.section([gather_run(folder)], RunView(2, device="cpu"), untracked)
    galleries = [b for b in section.panels[0].blocks if isinstance(b, Gallery)]
    titles = [[picture.title for picture in gallery.pictures] for gallery in galleries]
    assert titles == [["true boxes", "iteration 60", "iteration 120"]] * 2
    assert not notes_of(section)


@pytest.mark.parametrize("value", [NAN, 3e38])
def test_a_run_that_diverged(value: float, copy: Path, tmp_path: Path) -> None:
    for iteration in (60, 120):
        path = copy / f"sgd_iter_{iteration}.caffemodel"
        model = read_caffemodel(path)
        for layer in model.layers:
            if layer.name.endswith("mbox_loc"):
                layer.arrays[0][...] = value
        path.write_bytes(to_bytes(model.net, model.layers))
    text = text_of(page_of(tmp_path, copy, "--pictures", 1, "--test-pictures", 2))
    assert "of 32 test pictures" in text
    assert text.count("no score at all") == 2


def test_the_average_is_what_is_shown(copy: Path) -> None:
    shutil.copy(copy / "sgd_iter_120.caffemodel", copy / "sgd_iter_120.ema.caffemodel")
    assert [one.is_average for one in gather_run(copy).kept] == [False, True]


def test_many_snapshots_are_thinned(copy: Path) -> None:
    for iteration in range(1, 40):
        (copy / f"sgd_iter_{iteration}.caffemodel").touch()
    write_rows(copy / "sgd.jsonl", [*ROWS, scored(130, 0.1), scored(17, 0.9)])
    shown = [one.iteration for one in progress.chosen_snapshots(gather_run(copy))]
    assert len(shown) == progress.MOST_SNAPSHOTS
    assert {1, 17, 120} <= {*shown}
    assert shown == sorted(shown)


# ---- curves ----

numbers = strategies.lists(
    strategies.one_of(strategies.floats(-1e29, 1e29), strategies.just(NAN)), max_size=60
)


@example(series=[[5e-324]], share=False, log=False)
@example(series=[[5e-324, -5e-324, 1.0]], share=False, log=True)
@given(
    series=strategies.lists(numbers, max_size=3),
    share=strategies.booleans(),
    log=strategies.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_any_numbers_can_be_drawn(series: list[list[float]], share: bool, log: bool) -> None:
    points = [
        (str(i), (np.arange(len(values)) * 7.0, np.array(values, np.float64)))
        for i, values in enumerate(series)
    ]
    drawn = chart("a", points, share=share, log=log)
    sound = [np.isfinite(y).any() for _, (_, y) in points]
    assert (drawn is not None) == any(sound)
    if drawn is not None:
        assert "nan" not in drawn.svg.lower().replace("nan:", "")
        for y in re.findall(r"[ML]([-\d.]+) ([-\d.]+)", drawn.svg):
            assert 0 <= float(y[0]) <= 360
            assert 0 <= float(y[1]) <= 200


def test_gaps_and_means() -> None:
    x, y = np.arange(1000.0), np.ones(1000)
    y[::2] = NAN
    y[500:700] = NAN
    thin = thinned(x, y, 10)
    assert thin[0][-1] == 999
    assert np.isnan(thin[1][[5, 6]]).all()
    assert (np.delete(thin[1], [5, 6]) == 1).all()
    drawn = chart("a", [("a", (x[:6], np.array([1, 2, NAN, 3, NAN, NAN])))])
    assert drawn is not None
    assert drawn.svg.count("M") == 2  # a line, a gap, a point
    assert drawn.table.rows[2] == [2, None]


# ---- pairs and mistakes ----


@given(
    count=strategies.integers(1, 12),
    seed=strategies.integers(0, 1 << 20),
    bipartite=strategies.booleans(),
)
@settings(max_examples=40, deadline=None)
def test_pairs_are_what_is_counted(count: int, seed: int, bipartite: bool) -> None:
    priors, _ = read_layout(TRAINING / "train.prototxt").boxes()
    corners = np.random.default_rng(seed).uniform(0, 1, (count, 2, 2)).astype(np.float32)
    boxes = np.concatenate([corners.min(1), corners.max(1)], 1)
    rules = Rules(0.5, bipartite_only=bipartite)
    truths = Truths(["a"], np.zeros(count, np.int64), boxes, np.ones(count, np.int32))
    counted = match(truths, priors, rules, workers=1)
    box, prior, overlap = pairs(boxes, priors, rules)
    assert np.bincount(box, minlength=count).tolist() == counted.priors.tolist()
    assert np.bincount(prior, minlength=len(priors)).tolist() == counted.by_prior.tolist()
    reached = np.unique(box[overlap >= 0.5])
    assert reached.tolist() == np.flatnonzero(counted.matched).tolist()
    assert not len(pairs(boxes[:0], priors, rules)[0])


def test_mistakes_by_hand() -> None:
    def boxes(*corners: float) -> Any:
        return np.array([[x, 0, x + 10, 10] for x in corners], np.float64)

    truth = Truth(
        "", ("a", "b"), ("c",), np.array([0, 0, 1]), np.zeros(3, np.int64), boxes(0, 50, 0),
        np.array([False, False, True]), np.full((2, 2), 100),
    )  # fmt: skip
    found = Found(
        "", np.array([0, 0, 1, 0]), np.zeros(4, np.int64), np.array([0.2, 0.9, 0.95, 0.8]),
        boxes(50, 0, 0, 80), np.ones(2, bool),
    )  # fmt: skip
    shown, false, missed = mistakes(truth, found, 0)
    assert shown.tolist() == [True, True, True, True]
    assert false.tolist() == [False, False, False, True]
    assert missed.tolist() == [False, False, False]


def test_a_folder_without_a_table(folder: Path, tmp_path: Path) -> None:
    shutil.copy(folder / "solver.prototxt", tmp_path)
    with pytest.raises(InputError, match="no table or log"):
        gather_run(tmp_path)


def test_the_pictures_are_those_of_a_mix(copy: Path, monkeypatch: Any) -> None:
    shares = [Share("lmdb", 1), Share("more", 2)]
    with LmdbReader(copy / "lmdb") as reader, LmdbWriter(copy / "more") as writer:
        for key, value in list(reader.items())[20:27]:
            writer.put(key, value)
    rows = [begin(mix=[share._asdict() for share in shares]), *ROWS[1:4]]
    write_rows(copy / "sgd.jsonl", rows)
    monkeypatch.chdir(copy)
    subject = gather_run(copy)
    layer = subject.data_layer(copy / "train.prototxt", "TRAIN").param
    with Batches(layer, seed=3, workers=0, start=8, mix=shares) as batches:
        batch = next(batches)
    (panel,) = fed.section([subject], RunView(4, 2)).panels
    (gallery,) = [block for block in panel.blocks if isinstance(block, Gallery)]
    for picture, key in zip(gallery.pictures, batch.keys, strict=True):
        assert picture.title.endswith(key)
    assert {key.partition(":")[0] for key in batch.keys} == {"lmdb", "more"}
    shutil.rmtree("more")
    assert '"more" is not there' in notes_of(fed.section([subject], RunView(4)))
    write_rows(copy / "sgd.jsonl", [begin(mix=[{"source": 5}]), *ROWS[1:4]])
    assert "does not say what it was a mix of" in notes_of(
        fed.section([gather_run(copy)], RunView(1))
    )
