"""What a training reads: its solver, snapshots, tables and logs."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

import numpy as np

from ssd_data import SsdDataError
from ssd_data.core.structures import Detections
from ssd_data.evaluation.journal import Journal
from ssd_data.nets.caffemodel import to_blob
from ssd_data.pages.report.history import read_history
from ssd_data.pages.report.options import RunView
from ssd_data.pages.report.render import render
from ssd_data.pages.report.run_page import run_page
from ssd_data.pages.report.run_subject import gather_run
from ssd_data.proto import caffe_pb2
from ssd_data.training.caffe import solver_for_caffe
from ssd_data.training.caffe.log import parse_log
from ssd_data.training.curves import draw_run
from ssd_data.training.options import settle
from ssd_data.training.preflight import preflight
from ssd_data.training.recipe.read import read_recipe
from ssd_data.training.run_folder import RunFolder, continuous, read_rows, scores_of
from ssd_data.training.snapshots import newest_good, newest_whole, read_snapshot, recorded_extras
from ssd_data.training.solver_file import look_at_solver
from ssd_data.training.testing import nets_to_test
from support import GOLDEN
from support.fuzz.cases import built, case
from support.fuzz.datasets import LABELMAP
from support.fuzz.target import Case, Target
from support.fuzz.targets.databases import lmdb

SOLVER = """train_net: "train.prototxt" test_net: "test.prototxt"
test_iter: 2 test_interval: 6 display: 1 max_iter: 12 snapshot: 4 random_seed: 5
snapshot_prefix: "snap" eval_type: "detection" ap_version: "11point" type: "SGD"
base_lr: 0.005 momentum: 0.9 weight_decay: 0.0005 lr_policy: "multistep" gamma: 0.1
stepvalue: 4 stepvalue: 8 iter_size: 2 average_loss: 3 solver_mode: CPU
"""
DATA = """layer { name: "data" type: "AnnotatedData" top: "data" top: "label" include { phase: %s }
  transform_param { mean_value: 127.5 scale: 0.007843 mirror: true
    resize_param { prob: 1 resize_mode: WARP height: 16 width: 16 interp_mode: LINEAR }
    expand_param { prob: 0.5 max_expand_ratio: 4 } emit_constraint { emit_type: CENTER }
    distort_param { brightness_prob: 0.5 brightness_delta: 32 } }
  data_param { source: "test_lmdb" batch_size: 2 backend: LMDB }
  annotated_data_param { label_map_file: "labelmap.prototxt"
    batch_sampler { sampler { min_scale: 0.3 max_scale: 1 } max_sample: 1 max_trials: 5
      sample_constraint { min_jaccard_overlap: 0.1 } } } }
"""
BODY = """layer { name: "c" type: "Convolution" bottom: "data" top: "c"
  convolution_param { num_output: 4 kernel_size: 3 stride: 4 } }
layer { name: "loc" type: "Convolution" bottom: "c" top: "loc"
  convolution_param { num_output: 8 kernel_size: 1 } }
layer { name: "lp" type: "Permute" bottom: "loc" top: "lp"
  permute_param { order: 0 order: 2 order: 3 order: 1 } }
layer { name: "lf" type: "Flatten" bottom: "lp" top: "lf" }
layer { name: "conf" type: "Convolution" bottom: "c" top: "conf"
  convolution_param { num_output: 6 kernel_size: 1 } }
layer { name: "cp" type: "Permute" bottom: "conf" top: "cp"
  permute_param { order: 0 order: 2 order: 3 order: 1 } }
layer { name: "cf" type: "Flatten" bottom: "cp" top: "cf" }
layer { name: "p" type: "PriorBox" bottom: "c" bottom: "data" top: "p"
  prior_box_param { min_size: 4 max_size: 8 variance: 0.1 } }
"""
LOSS = """layer { name: "loss" type: "MultiBoxLoss" bottom: "lf" bottom: "cf" bottom: "p"
  bottom: "label" top: "loss" include { phase: TRAIN }
  multibox_loss_param { num_classes: 3 neg_pos_ratio: 3 mining_type: MAX_NEGATIVE } }
"""
FOUND = """layer { name: "out" type: "DetectionOutput" bottom: "lf" bottom: "cf" bottom: "p"
  top: "out"
  detection_output_param { num_classes: 3 nms_param { nms_threshold: 0.45 }
    save_output_param { label_map_file: "labelmap.prototxt" name_size_file: "test_name_size.txt"
      output_directory: "out" output_format: "VOC" } } }
layer { name: "e" type: "DetectionEvaluate" bottom: "out" bottom: "label" top: "e"
  detection_evaluate_param { num_classes: 3 } }
"""


def trainings() -> list[Case]:
    files = case(
        {
            "solver.prototxt": SOLVER,
            "train.prototxt": DATA % "TRAIN" + BODY + LOSS,
            "test.prototxt": DATA % "TEST" + BODY + FOUND,
            "test_name_size.txt": "0 24 32\n1 24 32\n",
            "labelmap.prototxt": LABELMAP,
        }
    )
    one = files | lmdb(3)
    return [one, one | snapshot("snap", 4)]


def snapshot(prefix: str, iteration: int) -> Case:
    history = [to_blob(np.zeros((4, 3, 3, 3), np.float32)), to_blob(np.zeros(4, np.float32))]
    state = caffe_pb2.SolverState(
        iter=iteration,
        learned_net=f"{prefix}_iter_{iteration}.caffemodel",
        current_step=1,
        history=history,
        minimum_loss=3.0,
        iter_last_event=1,
    )
    resume = {
        "positions": [{"data": 12}],
        "random": ["00ff"],
        "processes": 1,
        "data": [{"data": {"records": 3, "digest": "ab"}}],
        "minimum_loss": 3.0,
        "average": False,
        "smoothed": {"losses": [1.0, 2.0], "value": 1.5, "first": 0},
        "options": {"extras": {"warm_up": 3, "ema": 0.5}, "seed": 3, "solver": "solver.prototxt"},
    }
    net = caffe_pb2.NetParameter()
    net.layer.add(name="c", type="Convolution").blobs.append(to_blob(np.zeros((4, 3, 3, 3))))
    start = f"{prefix}_iter_{iteration}"
    return {
        f"{start}.solverstate": state.SerializeToString(),
        f"{start}.resume.json": json.dumps(resume).encode(),
        f"{start}.caffemodel": net.SerializeToString(),
    }


def judged(folder: Path) -> list[str]:
    with (
        suppress(SsdDataError),
        solver_for_caffe(folder / "solver.prototxt", "cpu", {"max_iter": 3}),
    ):
        pass
    with suppress(SsdDataError):
        nets_to_test(folder / "solver.prototxt", 1)
    with suppress(SsdDataError):
        nets_to_test(folder / "test.prototxt")
    resume = folder / "snap_iter_4.solverstate"
    found = preflight(
        look_at_solver(folder / "solver.prototxt"), resume=resume if resume.exists() else None
    )
    return [f"{one.where}: {one.what}" for one in (*found.errors, *found.warnings)]


def resumed(folder: Path) -> list[str]:
    said: list[str] = []
    newest_whole("snap", said.append)
    newest_good("snap")
    state = folder / "snap_iter_8.solverstate"
    with suppress(SsdDataError):
        settle({}, recorded_extras(state), said.append)
    read_snapshot(state)
    return said


TABLE = [
    {"event": "begin", "iteration": 0, "solver": "solver.prototxt", "folder": ".", "processes": 1},
    {
        "event": "train",
        "iteration": 0,
        "loss": 3.5,
        "rate": 0.1,
        "seconds": 1.5,
        "outputs": {"a": [1]},
        "parts": {"loc": 1, "conf": 2},
        "pictures_per_second": 30.5,
        "waiting_share": 0.1,
    },
    {
        "event": "train",
        "iteration": 10,
        "loss": 2.5,
        "rate": 0.1,
        "seconds": 3,
        "largest": {"c": 1},
    },
    {"event": "test", "iteration": 10, "net": 0, "outputs": {"mAP": 0.5}, "per_class": {"1": 0.5}},
    {"event": "snapshot", "iteration": 10, "model": "snap_iter_10.caffemodel", "state": "s"},
    {"event": "end", "iteration": 12, "done": True},
]


def runs() -> list[Case]:
    table = "".join(json.dumps(row) + "\n" for row in TABLE)
    log = "\n".join((GOLDEN / "training" / "caffe_sgd.log").read_text().split("\n")[-60:])
    one = case({"snap.jsonl": table, "solver.prototxt": SOLVER, "labelmap.prototxt": LABELMAP})
    return [one | snapshot("snap", 10), case({"snap.log": log, "solver.prototxt": SOLVER})]


def run_read(folder: Path) -> list[str]:
    for path in (folder / "snap.jsonl", folder / "snap.log"):
        if path.exists():
            with suppress(SsdDataError):
                rows = continuous(read_rows(path)[0])
                scores_of(rows)
            with suppress(SsdDataError):
                parse_log(path)
            history = read_history(path)
            _ = history.summary(), history.sessions(), history.classes(), history.speed(3)
    with suppress(SsdDataError):
        _ = RunFolder(folder).best
    subject = gather_run(folder)
    return [*subject.notes]


def run_shown(folder: Path) -> None:
    subject = gather_run(folder)
    render(run_page([subject], RunView(0, (), 0, "cpu")))


def drawn(folder: Path) -> None:
    draw_run(folder / "snap.jsonl")


MADE_WITH = {"weights": "ab", "net": "cd", "options": {"a": 1}}


def journals() -> list[Case]:
    def write(folder: Path) -> None:
        with Journal(folder / "found.jsonl", MADE_WITH) as journal:
            for i in range(3):
                found = Detections(
                    np.arange(i, dtype=np.int32),
                    np.ones(i, np.float32),
                    np.ones((i, 4), np.float32),
                )
                journal.add(f"{i}", (32, 24), found)

    return [built(write)]


def journal_read(folder: Path) -> None:
    with Journal(folder / "found.jsonl", MADE_WITH) as journal:
        for name in journal:
            _ = journal[name], journal.sizes[name]


RECIPE = """[schedule]
kind = "cosine"
rate = 0.001
warm_up = 10
[optimiser]
kind = "adamw"
decay = 0.05
[boxes]
kind = "giou"
weight = 2
[layers]
freeze = ["conv*"]
[layers.rates]
"fc*" = 0.1
[input]
scales = [0.75, 1]
[augmentation]
close = 0.1
rest = ["crop"]
[augmentation.mosaic]
prob = 0.5
scale = [0.5, 1.5]
"""


def recipe_read(folder: Path) -> None:
    read_recipe(folder / "my.toml")


def recipes() -> list[Case]:
    return [case({"my.toml": RECIPE})]


SOLVERS = {"solver.prototxt": "solver", "labelmap.prototxt": "labelmap"}
TARGETS = [
    Target(
        "preflight",
        trainings,
        judged,
        (
            "training.preflight",
            "training.solver_file",
            "training.testing",
            "training.caffe",
            "engines.torch.shapes",
            "batches.augment.transform",
        ),
        kept=("*.mdb",),
        kinds=SOLVERS,
        renames=True,
        batch=100,
    ),
    Target(
        "snapshot",
        lambda: [snapshot("snap", 8) | snapshot("snap", 4)],
        resumed,
        ("training.snapshots", "training.resumestate", "training.options", "training.smoothing"),
        renames=True,
    ),
    Target(
        "train-recipe",
        recipes,
        recipe_read,
        ("training.recipe", "core.files.plain_toml"),
        batch=1000,
    ),
    Target(
        "run-table",
        runs,
        run_read,
        (
            "training.run_folder",
            "training.caffe.log",
            "pages.report.history",
            "pages.report.run_subject",
        ),
        kinds=SOLVERS,
        renames=True,
    ),
    Target(
        "run-page",
        runs,
        run_shown,
        ("pages.report.sections", "pages.report.curves"),
        kinds=SOLVERS,
        batch=60,
    ),
    Target("run-curves", runs, drawn, ("training.curves",), batch=15),
    Target("journal", journals, journal_read, ("evaluation.journal",), batch=1500),
]
