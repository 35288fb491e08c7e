"""A recipe in two processes: as one of twice the batch."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from support import ROOT

from ssd_data.nets.caffemodel import read_caffemodel
from ssd_data.training.log import Displayed
from ssd_data.training.run import train

WEIGHTS = "sgd_iter_120.caffemodel"
RECIPE = """
[schedule]
kind = "cosine"
rate = 0.0005
warm_up = 2
[optimiser]
kind = "sgdw"
decay = 0.05
[gradients]
clip = 20
[average]
decay = 0.9
[classification]
kind = "varifocal"
[boxes]
kind = "giou"
[matching]
kind = "simota"
[input]
scales = [0.75, 1]
every = 2
multiple = 8
[augmentation]
close = 0.25
rest = ["distort"]
[distillation]
net = "teacher.prototxt"
weights = "sgd_iter_120.caffemodel"
features = 1
maps = ["conv4"]
"""


def write(name: str, batch: int) -> None:
    text = Path("train.prototxt").read_text()
    augment = "mirror: true distort_param { brightness_prob: 0.5 brightness_delta: 32 } "
    text = text.replace("transform_param {", "transform_param { " + augment, 1)
    text = text.replace("SOFTMAX", "LOGISTIC").replace("batch_size: 4", f"batch_size: {batch}")
    Path(f"train_{name}.prototxt").write_text(text)
    Path(f"{name}.prototxt").write_text(
        f'train_net: "train_{name}.prototxt" test_net: "tested.prototxt" test_iter: 1\n'
        "test_interval: 8 test_initialization: false display: 1 max_iter: 8 snapshot: 4\n"
        f'random_seed: 5 iter_size: 2 snapshot_prefix: "{name}" eval_type: "detection"\n'
        'type: "SGD" base_lr: 0.001 momentum: 0.9 weight_decay: 0.0005 lr_policy: "fixed"\n'
    )


@pytest.mark.usefixtures("folder")
def test_two_equal_one_of_twice_the_batch() -> None:
    write("one", 8)
    write("two", 4)
    text = Path("test.prototxt").read_text()
    sigmoids = text.replace('type: "Softmax"', 'type: "Sigmoid"')
    Path("tested.prototxt").write_text(sigmoids)
    Path("teacher.prototxt").write_text(sigmoids)
    Path("my.toml").write_text(RECIPE)
    losses: dict[int, float] = {}
    train(
        "one.prototxt",
        WEIGHTS,
        recipe="my.toml",
        device="cpu",
        workers=0,
        listeners=[
            lambda e: losses.update({e.iteration: e.loss}) if isinstance(e, Displayed) else None
        ],
    )
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"]
    arguments = ["-m", "ssd_data", "train", "two.prototxt", "--weights", WEIGHTS, "--sync-bn"]
    done = subprocess.run(
        [*torchrun, *arguments, "--recipe", "my.toml", "--device", "cpu"],
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    shown = re.findall(r"^Iteration (\d+), loss = (\S+)$", done.stderr, re.M)
    assert [int(n) for n, _ in shown] == list(range(9))
    for number, loss in shown:
        assert float(loss) == pytest.approx(losses[int(number)], rel=1e-3)
    ours, theirs = (
        read_caffemodel(f"{name}_iter_8.ema.caffemodel").layers for name in ("two", "one")
    )
    for a, b in zip(ours, theirs, strict=True):
        for x, y in zip(a.arrays, b.arrays, strict=True):
            assert np.abs(x - y).max() <= 1e-3 * max(np.abs(y).max(), 1e-3), a.name
    beside = json.loads(Path("two_iter_8.resume.json").read_text())
    assert beside["processes"] == 2
    assert beside["options"]["recipe"]["matching"]["kind"] == "simota"
