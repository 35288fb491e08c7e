"""Commands that write nothing but what they print."""

from __future__ import annotations

import shutil
from pathlib import Path

from support.writers.builds import built
from support.writers.scene import Scene
from support.writers.scores import DETECT, EVAL, LMDB, MEAN, _seen, _set
from support.writers.training import WEIGHTS, _nets

NET = ("deploy.prototxt", "tiny.caffemodel")


def _two_builds() -> None:
    built()
    shutil.copytree("OUT", "NEW")


def _script() -> None:
    Path("net.py").write_text("from caffe import layers as L\nprint(L.Input().to_proto())\n")


SCENES = {
    "check": Scene(_set, ("check", "SHAPES")),
    "completion": Scene(lambda: None, ("completion", "bash")),
    "diff": Scene(_two_builds, ("diff", "OUT", "NEW")),
    "doctor": Scene(_two_builds, ("doctor", "OUT")),
    "eval_only": Scene(_set, EVAL[:-2]),
    "detect_only": Scene(_seen, DETECT[:-3]),
    "inspect_only": Scene(_set, ("inspect", LMDB)),
    "parity": Scene(_set, ("parity", *NET, "shapes/voc/JPEGImages", *MEAN)),
    "parity_random": Scene(_set, ("parity", NET[0], "random", "--random", "1")),
    "pycaffe": Scene(_script, ("pycaffe", "net.py")),
    "recipe": Scene(lambda: None, ("recipe", "small-data")),
    "test": Scene(_nets, ("test", "solver.prototxt", *WEIGHTS, "--device", "cpu")),
    "time": Scene(_set, ("time", *NET, "--iterations", "1")),
    "weights": Scene(_set, ("weights", "stats", NET[1])),
}
