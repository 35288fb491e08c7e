"""Commands that detect, score, draw and report."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from support.nets import write_detector
from support.scored import CocoScored, VocScored, Wider
from support.trees import jpeg
from support.writers.scene import Scene, ignored, run
from support.writers.training import TINY

MEAN = ("--mean", "127.5", "--scale", "0.0078")
PICTURES = 6


def _set() -> None:
    """The drawn sample, its VOC build, and a tiny net of its three classes."""
    layouts = ("--layout", "voc", "--layout", "coco")
    run("sample", "shapes", *layouts, "--train", "1", "--test", PICTURES, "--size", "64")
    run("build", "shapes/voc", "-o", "SHAPES")
    write_detector(Path(), classes=4)


def _evaluated() -> None:
    """Scores of other rules, of fewer pictures."""
    _set()
    run(*EVAL, "--limit", "2", "--iou", "0.7", "--draw-worst", "2")


def _scored(kind: type[CocoScored | VocScored | Wider]) -> None:
    kind(Path())
    Path("curves").mkdir()
    Path("curves/voc_cat.png").write_bytes(b"old")
    Path("curves/notes").write_text("mine")
    Path("scores.json").write_text("old")


def _seen() -> None:
    """Pictures, a video, and drawings of earlier ones."""
    write_detector(Path(), classes=4)
    for folder in ("photos", "drawn"):
        Path(folder).mkdir()
    for number, name in enumerate(("a.jpg", "b.jpg")):
        Path("photos", name).write_bytes(jpeg(seed=number))
    video = cv2.VideoWriter("photos/street.avi", cv2.VideoWriter.fourcc(*"MJPG"), 10, (64, 48))
    for i in range(3):
        video.write(np.full((48, 64, 3), 40 * i, np.uint8))
    video.release()
    Path("drawn/a.jpg").write_bytes(b"old")
    Path("drawn/street.mp4").write_bytes(b"old")


def _run_to_report() -> None:
    run("sample", "shapes", "--layout", "voc", "--train", "4", "--test", "2", "--size", "64")
    run("build", "shapes/voc", "-o", "SHAPES")
    run(*TINY, "--workers", "0")
    Path("run.html").write_text("old")


def _fitted() -> None:
    _set()
    run("model", "tiny_ssd", "--build", "SHAPES", "-o", "ssd")
    Path("plots").mkdir()
    for name in ("sizes", "ratios", "shapes"):
        Path(f"plots/fit_{name}.png").write_bytes(b"old")


LMDB = "SHAPES/voc_test_lmdb"
EVAL = ("eval", LMDB, "--deploy", "deploy.prototxt", "--weights", "tiny.caffemodel", *MEAN)
EVAL += ("--out", "scores")
COCO = ("eval", "shapes/coco", *EVAL[2:])
JOURNAL = {"scores/found.jsonl": ignored}
DETECT = ("detect", "deploy.prototxt", "tiny.caffemodel", "photos", *MEAN, "--draw", "drawn", "-q")
INT8 = ("deploy", "deploy.prototxt", "tiny.caffemodel", *MEAN, "--profile", "onnx", "-o", "shipped")
INT8 += ("--int8", "--calibrate", LMDB, "--records", "2", "-q")
SCORE = ("--plot", "curves", "-o", "scores.json", "-q")
SCENES = {
    "eval": Scene(_set, (*EVAL, "--draw-worst", "2", "-q"), grows=JOURNAL),
    "eval_more": Scene(_evaluated, (*EVAL, "--draw-worst", "1", "-q"), grows=JOURNAL),
    "eval_coco": Scene(_set, (*COCO, "-q"), grows=JOURNAL),
    "deploy_int8": Scene(_set, INT8, measured="shipped/README.md"),
    "detect": Scene(_seen, DETECT, parts=("drawn/a.jpg", "drawn/b.jpg", "drawn/street.mp4")),
    "score_voc": Scene(
        lambda: _scored(VocScored),
        ("score", "voc", "--truth", "VOC2007", "--detections", "results", *SCORE),
        parts=("curves",),
    ),
    "score_coco": Scene(
        lambda: _scored(CocoScored),
        ("score", "coco", "--truth", "instances.json", "--detections", "results.json", *SCORE),
        parts=("curves",),
    ),
    "score_widerface": Scene(
        lambda: _scored(Wider),
        ("score", "widerface", "--truth", "ground_truth", "--detections", "pred", *SCORE),
        parts=("curves",),
    ),
    "report": Scene(_set, ("report", "SHAPES", "-o", "pages/data.html", "-q")),
    "report_run": Scene(_run_to_report, ("report", "tiny_ssd", "-o", "run.html", "-q")),
    "fit": Scene(_fitted, ("fit", LMDB, "--net", "ssd/train.prototxt", "-o", "plots", "-q")),
    "inspect": Scene(_set, ("inspect", LMDB, "--draw", "drawn", "-q"), pieces=True),
}
