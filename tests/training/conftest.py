"""Folders to train in."""

import shutil
from pathlib import Path

import pytest
from support import GOLDEN


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The golden runs' files, with the copy of the LMDB that the test net names."""
    folder = tmp_path / "run"
    shutil.copytree(GOLDEN / "training", folder)
    shutil.copytree(folder / "lmdb", folder / "lmdb_test")
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def solver_file(folder: Path) -> Path:
    """A short run with random augmentation, a snapshot every 4 of 12 iterations."""
    net = (folder / "train.prototxt").read_text()
    augment = "mirror: true distort_param { brightness_prob: 0.5 brightness_delta: 32 } "
    (folder / "train.prototxt").write_text(
        net.replace("transform_param {", "transform_param { " + augment, 1)
    )
    path = folder / "short.prototxt"
    path.write_text(
        'train_net: "train.prototxt" test_net: "test.prototxt" test_iter: 2 test_interval: 6\n'
        "test_initialization: false display: 1 max_iter: 12 snapshot: 4 random_seed: 5\n"
        'snapshot_prefix: "short" eval_type: "detection" ap_version: "11point"\n'
        'type: "SGD" base_lr: 0.005 momentum: 0.9 weight_decay: 0.0005 lr_policy: "fixed"\n'
    )
    return path
