"""Ascend's layer at the end of a Caffe net: what is written says what the net says."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from support.nets import detector_text

from ssd_data import InputError
from ssd_data.deploy import DeployedNet, deploy
from ssd_data.engines.torch.randomise import write_random_weights
from ssd_data.nets.preprocessing import Preprocessing

PREPARE = Preprocessing((127.5, 127.5, 127.5), 0.007843)


def ship(folder: Path, change: Callable[[str], str] = lambda text: text) -> DeployedNet:
    folder.mkdir(exist_ok=True)
    (folder / "deploy.prototxt").write_text(change(detector_text()))
    write_random_weights(folder / "deploy.prototxt", folder / "net.caffemodel")
    files = folder / "deploy.prototxt", folder / "net.caffemodel"
    return deploy("ascend", *files, folder / "out", PREPARE)


def last_layer(folder: Path) -> list[str]:
    text = (folder / "out" / "deploy.prototxt").read_text()
    assert text.count("DetectionOutput") == 1
    return [line.strip() for line in text[text.rindex("layer {") :].splitlines()]


def test_its_layer_stands_at_the_end(tmp_path: Path) -> None:
    made = ship(tmp_path)
    assert [found.within(1e-4) for found in made.proofs] == [True]
    lines = last_layer(tmp_path)
    assert 'type: "SSDDetectionOutput"' in lines
    bottoms = [line for line in lines if line.startswith("bottom")]
    assert bottoms == ['bottom: "loc"', 'bottom: "scores"', 'bottom: "priors"']
    tops = [line for line in lines if line.startswith("top:")]
    assert tops == ['top: "out_boxnum"', 'top: "detection_out"']
    assert {"num_classes: 3", "code_type: 2", "eta: 1", "background_label_id: 0"} <= {*lines}
    readme = (tmp_path / "out" / "README.md").read_text()
    assert "not run on Ascend" in readme
    assert "(1, 50, 8)" in readme


def test_more_boxes_than_it_takes_are_measured(tmp_path: Path) -> None:
    larger = {"top_k: 100 ": "top_k: 5000 ", "dim: 64 dim: 64": "dim: 128 dim: 128"}
    made = ship(tmp_path, lambda text: re.sub("|".join(larger), lambda m: larger[m[0]], text))
    assert not made.proofs
    assert "top_k: 1024" in last_layer(tmp_path)
    assert any("takes at most 1024 boxes" in name for name in made.table["losses"])
    assert "of each class the 1024 best" in (tmp_path / "out" / "README.md").read_text()


def test_as_many_as_there_are(tmp_path: Path) -> None:
    made = ship(tmp_path, lambda text: text.replace("top_k: 100 ", "top_k: 5000 "))
    assert [found.within(1e-4) for found in made.proofs] == [True]
    assert "top_k: 640" in last_layer(tmp_path)


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ("CENTER_SIZE", "CORNER", "code_type CORNER, SSDDetectionOutput takes CENTER_SIZE alone"),
        ("top_k: 100 ", "top_k: 100 eta: 0.9 ", "eta 0.9, SSDDetectionOutput takes 1 alone"),
    ],
)
def test_what_it_cannot_do(old: str, new: str, what: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=what):
        ship(tmp_path, lambda text: text.replace(old, new))
    assert not (tmp_path / "out").exists()
