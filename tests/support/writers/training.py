"""Commands that train, and test what was trained."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

from ssd_data.data.lmdb.store import LmdbReader
from support import GOLDEN
from support.writers.scene import Scene, ignored, run

SOLVER = """train_net: "train.prototxt" test_net: "test.prototxt" test_iter: 2 test_interval: 2
test_initialization: false display: 1 average_loss: 3 max_iter: 4 snapshot: 1 random_seed: 5
snapshot_prefix: "out/net" eval_type: "detection" ap_version: "11point" type: "SGD" base_lr: 0.005
momentum: 0.9 lr_policy: "fixed"
"""
SAVING = """save_output_param { output_directory: "found" output_name_prefix: "det_"
output_format: "VOC" label_map_file: "labelmap.prototxt" name_size_file: "sizes.txt" } """
CLOCKS = ("seconds", "pictures_per_second", "waiting_share")


def rows(table: bytes) -> object:
    """What a run's table comes to: of each iteration its last rows, without the time they took.

    One that was killed may lack that a snapshot was written just before.
    """
    found = {}
    for line in table.splitlines():
        try:
            row = json.loads(line)
        except ValueError:  # the last line of one that was killed
            continue
        if row["event"] in ("train", "test"):
            key = f"{row['iteration']:06d} {row['event']}"
            found[key] = {name: value for name, value in row.items() if name not in CLOCKS}
    return json.dumps(sorted(found.items()))


def state(resume: bytes) -> object:
    """A resume state, but for which snapshot the run went on from."""
    table = json.loads(resume)
    del table["options"]["resume"]
    return json.dumps(table)


def result(text: bytes) -> object:
    """What a trial has come to, but for the time it took."""
    return json.dumps({**json.loads(text), "seconds": 0})


def _nets() -> None:
    """The golden run's small net at 32 by 32 pixels, and its pictures."""
    for name in ("train.prototxt", "test.prototxt"):
        text = (GOLDEN / "training" / name).read_text()
        Path(name).write_text(text.replace("height: 96 width: 96", "height: 32 width: 32"))
    for name in ("lmdb", "lmdb_test"):
        shutil.copytree(GOLDEN / "training" / "lmdb", name)
    shutil.copy(GOLDEN / "training" / "labelmap.prototxt", ".")
    shutil.copy(GOLDEN / "training" / "initial.caffemodel", ".")
    Path("out").mkdir()
    Path("solver.prototxt").write_text(SOLVER)


def _half_trained() -> None:
    _nets()
    run(*TRAIN, "--max-iter", "2")


def _trained() -> None:
    _nets()
    run(*TRAIN)


def _saving() -> None:
    """A net whose test writes what it finds; files of an earlier test are there."""
    _nets()
    with LmdbReader("lmdb_test") as records:
        sizes = [(record.image, *record.decode().shape[:2]) for record in records]
    Path("sizes.txt").write_text("".join(f"{name} {h} {w}\n" for name, h, w in sizes[:8]))
    text = Path("test.prototxt").read_text()
    text = re.sub(r"detection_output_param \{", r"\g<0> " + SAVING, text)
    Path("test.prototxt").write_text(text)
    Path("found").mkdir()
    for name in re.findall(r'display_name: "(\w+)"', Path("labelmap.prototxt").read_text()):
        Path(f"found/det_{name}.txt").write_text("old\n")
    Path("found/notes.txt").write_text("mine")


def _build() -> None:
    run("sample", "shapes", "--layout", "voc", "--train", "4", "--test", "2", "--size", "64")
    run("build", "shapes/voc", "-o", "SHAPES")


TRAIN = ("train", "solver.prototxt", "--device", "cpu", "--workers", "0", "--resume", "auto")
WEIGHTS = ("--weights", "initial.caffemodel")
GROWS = {"*.log": ignored, "*.jsonl": rows, "*.resume.json": state}
TINY = ("train", "--build", "SHAPES", "--family", "tiny_ssd", "--max-iter", "1", "--device", "cpu")
TUNE = (
    "tune",
    "SHAPES",
    "--family",
    "tiny_ssd",
    "--iterations",
    "2",
    "--trials",
    "2",
    "--keep",
    "2",
)
TUNE += ("--keep", "2", "--over", "rate", "--device", "cpu", "--workers", "0", "-q")
SCENES = {
    "train": Scene(_nets, TRAIN, pieces=True, grows=GROWS),
    "train_keep": Scene(
        _half_trained, (*TRAIN, "--keep", "1", "--ema", "0.9"), pieces=True, grows=GROWS
    ),
    "train_again": Scene(_trained, TRAIN, pieces=True, grows=GROWS),
    "train_board": Scene(
        _half_trained,
        (*TRAIN, "--tensorboard", "board"),
        pieces=True,
        grows={**GROWS, "board/*": ignored},
    ),
    "train_family": Scene(
        _build, (*TINY, "--workers", "0", "--resume", "auto"), pieces=True, grows=GROWS
    ),
    "tune": Scene(
        _build, TUNE, pieces=True, grows={**GROWS, "*/result.json": result, "*.html": ignored}
    ),
    "test_saving": Scene(
        _saving, ("test", "solver.prototxt", *WEIGHTS, "--device", "cpu", "-q"), parts=("found",)
    ),
}
