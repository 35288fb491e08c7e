"""``ssd-data eval`` as a user runs it: drawn sets, a tiny net, killed and gone on with."""

from __future__ import annotations

import errno
import gc
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.io import savemat
from support import ROOT
from support.nets import write_detector
from support.scored import cells

from ssd_data.core.errors import InputError
from ssd_data.core.files.publish import OutFolder
from ssd_data.core.notes import Tally
from ssd_data.core.structures import Detections
from ssd_data.data.build.builder import build
from ssd_data.data.build.options import BuildOptions
from ssd_data.data.find import find
from ssd_data.data.lmdb import store
from ssd_data.data.synthetic.sample import draw_sample
from ssd_data.engines import load_engine
from ssd_data.evaluation.detecting import detect_all
from ssd_data.evaluation.journal import Journal
from ssd_data.evaluation.protocols import make_plan
from ssd_data.evaluation.results import write_and_score
from ssd_data.evaluation.run import EvalNet
from ssd_data.evaluation.sources import EvalChoice, open_set
from ssd_data.metrics import ScoreOptions, score
from ssd_data.metrics.widerface import files as widerface
from ssd_data.nets.preprocessing import Preprocessing

MEAN = ["--mean", "127.5", "--scale", "0.0078"]
PICTURES = 10


class World:
    """The drawn sample in all three layouts, its VOC build, and tiny nets."""

    def __init__(self, folder: Path) -> None:
        draw_sample(folder / "sample", train=1, test=PICTURES, size=96)
        self.folder, self.sample = folder, folder / "sample"
        self.voc = folder / "built"
        build(find(self.sample / "voc"), self.voc, splits=["test"])
        self.lmdb = self.voc / "voc_test_lmdb"
        self.nets = {}
        for classes in (2, 4):
            place = folder / f"net{classes}"
            place.mkdir()
            self.nets[classes] = write_detector(place, classes=classes)

    def args(self, what: Path, classes: int = 4) -> list[str]:
        deploy, weights = map(str, self.nets[classes])
        return ["eval", str(what), "--deploy", deploy, "--weights", weights, *MEAN]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(tmp_path_factory.mktemp("eval"))


def test_all_that_comes_of_it(world: World, run: Any, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = run(
        *world.args(world.lmdb), "--out", out, "--json", "--draw-worst", "2", "--with=errors"
    )
    assert (done.status, done.err) == (0, "")
    assert list(done.json)[:4] == ["metric", "ap", "rules", "counts"]
    assert done.json["metric"] == "voc"
    assert done.json["counts"]["pictures"] == done.json["speed"]["detected"] == PICTURES
    assert done.json["counts"]["detections"] > PICTURES
    assert done.json["detector"]["threshold"] == 0.01
    assert done.json["errors"]["all"]
    kept = json.loads((out / "scores.json").read_text())
    assert kept == {k: v for k, v in done.json.items() if k != "speed"}
    classes = ("circle", "square", "triangle")
    files = sorted(p.name for p in (out / "detections").iterdir())
    assert files == [f"comp4_det_test_{name}.txt" for name in classes]
    assert sorted(p.name for p in (out / "curves").iterdir()) == [f"voc_{n}.png" for n in classes]
    assert len(list((out / "worst").iterdir())) == 2
    # The files give the same when any tool's files are scored.
    again = score("voc", world.lmdb, out / "detections")
    assert again.to_json()["ap"] == done.json["ap"]


def test_twice_gives_the_same_and_detects_once(world: World, run: Any, tmp_path: Path) -> None:
    args = [*world.args(world.lmdb), "--out", tmp_path / "out"]
    first = run(*args, "--json").json
    scores = (tmp_path / "out" / "scores.json").read_bytes()
    second = run(*args, "--json").json
    assert (second["speed"]["detected"], second["speed"]["resumed"]) == (0, PICTURES)
    assert (tmp_path / "out" / "scores.json").read_bytes() == scores
    elsewhere = run(*world.args(world.lmdb), "--batch", "3", "--json").json
    for key in ("ap", "rules", "counts", "classes"):
        assert first[key] == second[key]
    assert elsewhere["counts"] == first["counts"]
    assert elsewhere["ap"] == pytest.approx(first["ap"], abs=1e-6)
    assert run(*args, "-q").out == ""
    assert f"{PICTURES} pictures had been detected before" in run(*args).out


def test_results_appear_at_once(
    world: World, run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until then those of the run before stay, all of them."""
    args = [*world.args(world.lmdb), "--out", tmp_path / "out", "--draw-worst", "2", "-q"]
    assert run(*args, "--limit", "3").status == 0

    def files() -> dict[str, bytes]:
        paths = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
        return {str(path): path.read_bytes() for path in paths if path.name != "found.jsonl"}

    publish = OutFolder.publish

    def fails(self: OutFolder) -> None:
        if self.path == tmp_path / "out":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        publish(self)

    before = files()
    with monkeypatch.context() as patch:
        patch.setattr(OutFolder, "publish", fails)
        done = run(*args)
    assert (done.status, files()) == (1, before)
    assert "No space left on device" in done.err
    assert run(*args).status == 0
    scores = str(tmp_path / "out" / "scores.json")
    assert files()[scores] != before[scores]


def test_what_goes_through_the_net_together_is_noted(
    world: World, run: Any, tmp_path: Path
) -> None:
    """A run that goes on takes the same pictures together: their numbers depend on it a little."""
    assert run(*world.args(world.lmdb), "--out", tmp_path, "--batch", "4", "-q").status == 0
    lines = (tmp_path / "found.jsonl").read_text().splitlines()[1:]
    more = [json.loads(line).get("more", False) for line in lines]
    assert more == [True, True, True, False] * 2 + [True, False]


SLOW = """
import sys, time
from ssd_data.evaluation.detecting import detect_all
from ssd_data.evaluation.journal import Journal
flush = Journal.flush
def slow(self):
    flush(self)
    time.sleep(0.4)
Journal.flush = slow
from ssd_data.cli import main
main(sys.argv[1:])
"""


def test_killed_and_gone_on_with(world: World, run: Any, tmp_path: Path) -> None:
    whole = run(*world.args(world.lmdb), "--out", tmp_path / "whole", "--batch", "1", "--json").json
    out = tmp_path / "out"
    args = [*world.args(world.lmdb), "--batch", "1", "--out", str(out)]
    journal = out / "found.jsonl"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen([sys.executable, "-c", SLOW, *args], env=environment) as process:
        end = time.monotonic() + 60
        while process.poll() is None and time.monotonic() < end:
            if journal.exists() and journal.read_bytes().count(b"\n") > 3:
                break
            time.sleep(0.02)
        assert process.poll() is None, "it was done before it could be killed"
        busy = run(*args)
        assert busy.status == 1
        assert "another run is writing this" in busy.err
        process.send_signal(signal.SIGKILL)
    assert not (out / "scores.json").exists()
    with journal.open("ab") as file:
        file.write(b'{"name":"cut short')
    resumed = run(*args, "--json").json
    assert 3 <= resumed["speed"]["resumed"] < PICTURES
    assert resumed["speed"]["detected"] == PICTURES - resumed["speed"]["resumed"]
    for key in ("ap", "counts", "classes"):
        assert resumed[key] == whole[key]


def test_other_detections_are_refused(world: World, run: Any, tmp_path: Path) -> None:
    out = tmp_path / "out"
    args = [*world.args(world.lmdb), "--out", out, "-q"]
    assert run(*args).status == 0
    other = tmp_path / "other"
    other.mkdir()
    deploy, weights = write_detector(other, seed=1, classes=4)
    before = (out / "found.jsonl").read_bytes()
    for change, what in (
        (["--weights", weights], "weights"),
        (["--threshold", "0.3"], "threshold"),
        (["--size", "32"], "size"),
        (["--scale", "1"], "scale"),
    ):
        done = run(*args, *change)
        assert done.status == 1, change
        assert f"{what} " in done.err
        assert "Choose another --out" in done.err
    assert (out / "found.jsonl").read_bytes() == before
    text = deploy.read_text()
    deploy.write_text("# the same net\n" + text)
    assert run(*args, "--deploy", deploy).status == 0
    deploy.write_text(text.replace("nms_threshold: 0.45", "nms_threshold: 0.4"))
    assert "net " in run(*args, "--deploy", deploy).err
    shutil.copytree(world.voc, tmp_path / "moved")
    assert "set " in run(*[tmp_path / "moved" / "voc_test_lmdb" if a == str(world.lmdb) else a
                           for a in args]).err  # fmt: skip


def test_a_folder_that_holds_other_things(world: World, run: Any, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("mine")
    done = run(*world.args(world.lmdb), "--out", tmp_path / "full")
    assert done.status == 1
    assert "holds other things" in done.err
    assert [p.name for p in (tmp_path / "full").iterdir()] == ["thesis.txt"]
    (tmp_path / "full" / "found.jsonl").write_text("a diary\n")
    assert "not of an evaluation" in run(*world.args(world.lmdb), "--out", tmp_path / "full").err
    assert (tmp_path / "full" / "found.jsonl").read_text() == "a diary\n"
    assert run(*world.args(world.lmdb), "--out", tmp_path / "full" / "thesis.txt").status == 1


def test_the_journal_survives_what_a_crash_leaves(tmp_path: Path) -> None:
    path, header = tmp_path / "found.jsonl", {"net": "a"}
    random = np.random.default_rng(0)
    made = {
        f"{i} \N{SNOWMAN}": Detections(
            random.integers(1, 5, i).astype(np.int32),
            random.random(i).astype(np.float32),
            random.normal(size=(i, 4)).astype(np.float32),
        )
        for i in range(4)
    }
    with Journal(path, header) as journal:
        for name, found in made.items():
            journal.add(name, (10, 20), found)
    whole = path.read_bytes()
    ends = [i + 1 for i, byte in enumerate(whole) if byte == ord("\n")]
    for cut in range(len(whole) + 1):
        path.write_bytes(whole[:cut])
        with Journal(path, header) as journal:
            sound = sum(end <= cut for end in ends[1:])
            assert len(journal) == journal.resumed == sound
            for name in journal:
                for part in ("labels", "scores", "boxes"):
                    np.testing.assert_array_equal(
                        getattr(journal[name], part), getattr(made[name], part)
                    )
                assert journal.sizes[name] == (10, 20)
        assert path.read_bytes() == whole[: ends[sound]]
    # Bytes that changed within a line: it and all behind it are detected anew.
    at = whole.index(b'"boxes"', ends[2]) + 12
    path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
    with Journal(path, header) as journal:
        assert list(journal) == list(made)[:2]


def test_limit_then_all(world: World, run: Any, tmp_path: Path) -> None:
    args = [*world.args(world.lmdb), "--out", tmp_path / "out", "--batch", "1", "--json"]
    few = run(*args, "--limit", "3").json
    assert few["subset"] == f"3 of {PICTURES}"
    assert few["counts"]["pictures"] == 3
    whole = run(*args).json
    assert whole["speed"]["resumed"] == 3
    assert "subset" not in whole
    assert run(*args, "--limit", "3").json["ap"] == few["ap"]


def test_nothing_found_is_not_missing(world: World, run: Any) -> None:
    done = run(*world.args(world.lmdb), "--threshold", "0.99", "--json").json
    assert done["counts"]["detections"] == 0
    assert done["counts"]["pictures"] == PICTURES
    assert set(done["ap"].values()) == {0.0}


def test_a_resized_lmdb(world: World, run: Any, tmp_path: Path) -> None:
    out = tmp_path / "small"
    build(find(world.sample / "voc"), out, BuildOptions(size=(48, 48)), splits=["test"])
    args = world.args(out / "voc_test_lmdb")
    named = run(*args, "--json")
    assert named.status == 0
    data = open_set(out / "voc_test_lmdb")
    assert len({tuple(size) for size in data.sizes.tolist()}) > 1
    (out / "test_name_size.txt").rename(tmp_path / "kept.txt")
    for manifest in (True, False):
        if not manifest:
            (out / "build.json").unlink()
        done = run(*args, *([] if manifest else ["--metric", "voc"]))
        assert done.status == 1
        assert "test_name_size.txt" in done.err
    # Pictures of their own sizes need no such file.
    shutil.copytree(world.voc, tmp_path / "plain")
    (tmp_path / "plain" / "test_name_size.txt").unlink()
    assert run(*world.args(tmp_path / "plain" / "voc_test_lmdb"), "-q").status == 0
    lines = (tmp_path / "kept.txt").read_text().splitlines()
    (out / "test_name_size.txt").write_text("\n".join(lines[1:]) + "\n")
    done = run(*args, "--metric", "voc")
    assert f"{PICTURES - 1} lines" in done.err


def test_a_build_folder_means_its_test_lmdb(world: World, run: Any) -> None:
    by_folder = run(*world.args(world.voc), "--json").json
    assert by_folder["counts"] == run(*world.args(world.lmdb), "--json").json["counts"]
    assert run(*world.args(world.voc), "--split", "train").status == 2


def test_an_lmdb_and_its_raw_data_score_the_same(world: World, run: Any) -> None:
    raw = run(*world.args(world.sample / "voc"), "--json").json
    stored = run(*world.args(world.lmdb), "--json").json
    assert raw["counts"] == stored["counts"]
    assert raw["ap"] == pytest.approx(stored["ap"], abs=1e-6)


def test_coco(world: World, run: Any, tmp_path: Path) -> None:
    out = tmp_path / "out"
    args = world.args(world.sample / "coco")
    done = run(*args, "--out", out, "--json").json
    assert done["metric"] == "coco"
    truth = world.sample / "coco" / "annotations" / "instances_val.json"
    again = score("coco", truth, out / "detections.json")
    assert again.to_json()["ap"] == done["ap"]
    assert done["counts"]["crowd"] > 0
    few = run(*args, "--limit", "2", "--json").json
    assert few["subset"] == f"2 of {PICTURES}"


def test_coco_numbers_of_records(world: World, run: Any, tmp_path: Path) -> None:
    build(find(world.sample / "coco"), tmp_path / "built", splits=["val"])
    stored = run(*world.args(tmp_path / "built" / "coco_val_lmdb"), "--json").json
    raw = run(*world.args(world.sample / "coco"), "--json").json
    assert stored["metric"] == "coco"
    assert "records" in stored["rules"]["area"]
    assert stored["counts"] == raw["counts"]
    # The sample's areas are those of the boxes, so even the sizes' numbers are the same.
    assert stored["ap"] == pytest.approx(raw["ap"], abs=1e-6)
    by_voc = run(
        *world.args(tmp_path / "built" / "coco_val_lmdb"), "--metric", "voc", "--json"
    ).json
    assert "VOC07" in by_voc["ap"]


def test_coco_classes_keep_their_names(world: World, run: Any, tmp_path: Path) -> None:
    """Also where a labelmap's names are numbers that do not rise."""
    mixed = tmp_path / "labelmap.prototxt"
    text = (world.voc / "labelmap.prototxt").read_text()
    for name, number in (("circle", "30"), ("square", "10"), ("triangle", "20")):
        text = text.replace(f'name: "{name}"', f'name: "{number}"', 1)
    mixed.write_text(text)
    args = [*world.args(world.lmdb), "--metric", "coco", "--json"]
    plain, moved = run(*args).json, run(*args, "--labelmap", mixed).json
    assert moved["classes"] == plain["classes"]
    assert len({str(row) for row in plain["classes"].values()}) > 1


def test_a_failed_eval_leaves_no_lmdb_open(world: World, run: Any, tmp_path: Path) -> None:
    (tmp_path / "other").touch()
    gc.collect()
    gc.disable()
    try:
        assert run(*world.args(world.lmdb), "--out", tmp_path).status == 1
        assert not dict(store._SHARED)
    finally:
        gc.enable()


def test_a_layout_without_a_metric_is_scored_as_coco(
    world: World, run: Any, tmp_path: Path
) -> None:
    """YOLO's own numbers are these; a sentence says so, but not among the JSON."""
    yolo, built = tmp_path / "yolo", tmp_path / "built"
    made = run("export", world.lmdb, "--to", "yolo", "-o", yolo)
    assert made.status == 0, made.err
    assert run("build", yolo, "--format", "yolo", "-o", built, "-q").status == 0
    (lmdb,) = built.glob("*_lmdb")
    named = run(*world.args(lmdb), "--metric", "coco", "--json").json
    for what in (yolo, lmdb):
        done = run(*world.args(what))
        assert done.status == 0, done.err
        assert done.out.startswith(
            'note: nothing says how a data set in the format "yolo" is scored'
        )
        assert "mAP50-95" in done.out
        assert "note:" not in run(*world.args(what), "-q").out
        by_default = run(*world.args(what), "--json").json
        assert by_default["metric"] == "coco"
        assert by_default["ap"] == pytest.approx(named["ap"], abs=1e-6)
        voc = run(*world.args(what), "--metric", "voc")
        assert (voc.status, "note:" in voc.out) == (0, False)
    # Of an LMDB from nowhere nothing is known: VOC's number is as likely to be meant.
    (built / "build.json").unlink()
    done = run(*world.args(lmdb))
    assert done.status == 2
    assert "--metric: nothing says" in done.err


def test_faces_without_the_official_lists(world: World, run: Any, tmp_path: Path) -> None:
    raw = run(*world.args(world.sample / "widerface", 2), "--out", tmp_path / "out", "--json").json
    assert (raw["metric"], list(raw["ap"])) == ("widerface", ["all"])
    assert "official lists" in raw["rules"]["sets"]
    assert (tmp_path / "out" / "curves" / "widerface_all.png").exists()
    build(find(world.sample / "widerface"), tmp_path / "built", splits=["val"])
    stored = run(*world.args(tmp_path / "built", 2), "--json").json
    assert stored["counts"] == raw["counts"]
    assert stored["ap"] == pytest.approx(raw["ap"], abs=1e-6)


def write_lists(folder: Path, sample: Path) -> None:
    """The four files of the official evaluation for the drawn faces, and one picture more."""
    events: dict[str, list[tuple[str, Any]]] = {"99--Elsewhere": [("far", np.ones((1, 4)))]}
    for entry in find(sample).entries("val", Tally()):
        event, name = Path(entry.image).with_suffix("").parts[-2:]
        faces = entry.boxes.astype(float)  # type: ignore[union-attr]
        faces[:, 2:] -= faces[:, :2]
        events.setdefault(event, []).append((name, faces))
    folder.mkdir(parents=True)
    base = {
        "event_list": cells([np.array([event]) for event in events]),
        "file_list": cells([cells([np.array([n]) for n, _ in e]) for e in events.values()]),
        "face_bbx_list": cells([cells([faces for _, faces in e]) for e in events.values()]),
    }
    savemat(folder / "wider_face_val.mat", base)
    for least, name in enumerate(("hard", "medium", "easy")):
        chosen = [
            cells([np.arange(1 + min(least, 1), len(faces) + 1).reshape(-1, 1) for _, faces in e])
            for e in events.values()
        ]
        savemat(folder / f"wider_{name}_val.mat", {**base, "gt_list": cells(chosen)})


def test_faces_with_the_official_lists(world: World, run: Any, tmp_path: Path) -> None:
    sample = tmp_path / "sample"
    shutil.copytree(world.sample / "widerface", sample)
    write_lists(sample / "eval_tools" / "ground_truth", sample)
    out = tmp_path / "out"
    done = run(*world.args(sample, 2), "--out", out, "--json").json
    assert list(done["ap"]) == ["easy", "medium", "hard"]
    assert done["subset"] == f"{PICTURES} of {PICTURES + 1}"
    again = widerface.read_detections(
        out / "detections", widerface.read_truth(sample / "eval_tools" / "ground_truth")
    )
    assert again.has_entry.sum() == PICTURES
    # A build knows where its raw data lies; elsewhere --truth says it.
    build(find(sample), tmp_path / "built", splits=["val"])
    stored = run(*world.args(tmp_path / "built", 2), "--json").json
    assert stored["ap"] == pytest.approx(done["ap"], abs=1e-6)
    (sample / "eval_tools").rename(tmp_path / "tools")
    given = run(*world.args(sample, 2), "--truth", tmp_path / "tools", "--json").json
    assert given["ap"] == done["ap"]
    native = run(
        *world.args(sample, 2), "--size", "native", "--truth", tmp_path / "tools", "--json"
    )
    assert native.json["detector"]["size"] == "native"
    train = run(*world.args(sample, 2), "--split", "train", "--truth", tmp_path / "tools")
    assert "not in the truth" in train.err


def test_sfd_from_the_command_line(world: World, run: Any) -> None:
    done = run(*world.args(world.sample / "widerface", 2), "--protocol", "sfd", "--limit", "2",
               "--json").json  # fmt: skip
    assert (done["detector"]["protocol"], done["detector"]["size"]) == ("sfd", "multi-scale")


def test_pictures_that_cannot_be_read(world: World, run: Any, tmp_path: Path) -> None:
    sample = tmp_path / "voc"
    shutil.copytree(world.sample / "voc", sample)
    (sample / "JPEGImages" / "test000002.jpg").write_bytes(b"no picture")
    args = [*world.args(sample), "--json"]
    failed = run(*args)
    assert failed.status == 1
    assert "test000002.jpg" in failed.err
    assert "--missing skip" in failed.err
    skipped = run(*args, "--missing", "skip").json
    assert skipped["subset"] == f"{PICTURES - 1} of {PICTURES}"
    counted = run(*args, "--missing", "count").json
    assert counted["counts"]["pictures"] == PICTURES
    assert counted["counts"]["truths"] > skipped["counts"]["truths"]
    assert any("cannot be read" in kind for kind in counted["notes"])


def test_all_that_cannot_be_read_are_counted(
    world: World, run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also those that the notes do not list one by one."""
    monkeypatch.setattr("ssd_data.core.notes.LISTED", 1)
    sample = tmp_path / "voc"
    shutil.copytree(world.sample / "voc", sample)
    for number in (2, 3, 4):
        (sample / "JPEGImages" / f"test00000{number}.jpg").write_bytes(b"no picture")
    counted = run(*world.args(sample), "--json", "--missing", "count").json
    assert counted["counts"]["pictures"] == PICTURES
    (kind,) = (note for what, note in counted["notes"].items() if "cannot be read" in what)
    assert (kind["count"], len(kind["listed"])) == (3, 1)


def test_wrong_usage(world: World, run: Any, tmp_path: Path) -> None:
    args = world.args(world.lmdb)
    for wrong in (
        ["--metric", "map"],
        ["--threshold", "2"],
        ["--limit", "0"],
        ["--size", "big"],
        ["--protocol", "sfd", "--size", "320"],
        ["--protocol", "tta"],
        ["--draw-worst", "3"],
        ["--metric", "coco", "--iou", "0.5"],
        ["--family", "sfd_mobilenetv2"],
        ["--batch", "0"],
    ):
        done = run(*args, *wrong)
        assert (done.status, done.out) == (2, ""), wrong
    assert run(*world.args(tmp_path / "nothing")).status == 2
    wrong_net = run(*world.args(world.lmdb, 2))
    assert wrong_net.status == 1
    assert "finds 2 classes" in wrong_net.err
    no_face = run(*world.args(world.lmdb), "--metric", "widerface")
    assert 'no class "face"' in no_face.err


def test_no_more_than_a_few_pictures_wait(world: World, tmp_path: Path) -> None:
    deploy, weights = world.nets[4]
    whole = open_set(world.lmdb)
    read, done = [], []

    def counting(index: int) -> Any:
        read.append(index)
        assert len(read) - len(done) <= 7  # in each thread one, two more a thread wait, and one
        return whole.read(index)

    engine = load_engine("torch", deploy, weights, threshold=0.01)
    # Without its scale the net finds boxes as large as numbers go: no reason to stop.
    plan = make_plan("single", Preprocessing((127.5,) * 3), (64, 64))
    with Journal(tmp_path / "found.jsonl", {}) as journal:
        data = replace(whole, read=counting)
        for name in detect_all(data, engine, plan, journal, workers=2):
            done.append(name)
        scored = write_and_score(whole, journal, tmp_path, ScoreOptions())
    assert done == list(whole.names)
    assert scored.scores.counts["pictures"] == len(read) == PICTURES


# What the run over all 205 pictures found in these (docs/scores.md): easy, medium, hard.
FACES = {"native": (0.165, 0.308, 0.217), "sfd": (0.187, 0.360, 0.236)}


@pytest.mark.parametrize("protocol", FACES)
def test_real_faces(protocol: str, shared: Path, run: Any) -> None:
    model = shared / "models" / "sfd_mobilenetv2_mod11j"
    weights = model / "wider_iter_90000.caffemodel"
    done = run(
        *("eval", "widerface", "--root", shared / "WIDER_FACE", "--mean", "104,117,123"),
        *("--deploy", model / "deploy.prototxt", "--weights", weights, "--limit", "6", "--json"),
        *(["--protocol", "sfd"] if protocol == "sfd" else ["--size", "native"]),
    )
    assert done.json["subset"] == "6 of 3,226"
    assert list(done.json["ap"].values()) == pytest.approx(FACES[protocol], abs=0.005)


def test_links_that_leave_the_data_set(world: World, run: Any, tmp_path: Path) -> None:
    shutil.copytree(world.sample / "voc", tmp_path / "voc")
    picture = next((tmp_path / "voc" / "JPEGImages").glob("test*"))
    picture.rename(tmp_path / "away.jpg")
    picture.symlink_to(tmp_path / "away.jpg")
    refused = run(*world.args(tmp_path / "voc"))
    assert refused.status == 1
    assert f"{picture}: this link leaves" in refused.err
    followed = run(*world.args(tmp_path / "voc"), "--follow-links", "--json").json
    assert followed["ap"] == run(*world.args(world.sample / "voc"), "--json").json["ap"]


def test_links_that_leave_the_lists_of_a_builds_data_set(world: World, tmp_path: Path) -> None:
    shutil.copytree(world.sample / "widerface", tmp_path / "faces")
    made = build(find(tmp_path / "faces"), tmp_path / "built", splits=["val"])
    place = tmp_path / "faces" / "eval_tools"
    place.symlink_to(tmp_path)
    (tmp_path / "ground_truth").mkdir()
    (tmp_path / "ground_truth" / "wider_face_val.mat").touch()
    lmdb = made.out / made.record.splits["val"].lmdb
    with pytest.raises(InputError, match=f"{place}: this link leaves"):
        open_set(lmdb)
    with pytest.raises(InputError, match="wider_face_val.mat: (?!this link)"):
        open_set(lmdb, EvalChoice(follow_links=True))


def test_weights_that_went_meanwhile(world: World, tmp_path: Path) -> None:
    net = EvalNet(
        load_engine("torch", *world.nets[4]), tmp_path / "gone", Preprocessing((0.0,) * 3)
    )
    with pytest.raises(InputError) as caught:
        net.made_with()
    assert caught.value.where == str(tmp_path / "gone")
