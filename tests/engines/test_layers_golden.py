"""Every layer against the original Caffe's own answers, forward and backward."""

from __future__ import annotations

import json

import numpy as np
import pytest
from support import GOLDEN

from ssd_data.engines.torch.net import Net

FOLDER = GOLDEN / "layers"
CASES = [c for c in json.loads((FOLDER / "ABOUT.json").read_text())["cases"] if "solver" not in c]
FORWARD_ONLY = ("priorbox", "detection")
TOLERANCE = 1e-5  # of an array's largest value


def assert_close(ours: np.ndarray, theirs: np.ndarray, what: str) -> None:
    assert ours.shape == theirs.shape, what
    scale = np.abs(theirs).max(initial=0) or 1.0
    worst = np.abs(ours - theirs).max(initial=0) / scale
    assert worst <= TOLERANCE, f"{what}: {worst:.2e} relative"


@pytest.mark.parametrize("case", CASES)
def test_layer(case: str) -> None:
    arrays = {key.replace("|", "/"): v for key, v in np.load(FOLDER / f"{case}.npz").items()}
    test_phase = case.startswith(FORWARD_ONLY) or case.endswith("_test")
    net = Net(FOLDER / f"{case}.prototxt", "TEST" if test_phase else "TRAIN")
    for key, value in arrays.items():
        kind, _, name = key.partition("/")
        if kind == "in":
            net.blobs[name].data[...] = value
        elif kind == "param_before":
            layer, _, i = name.rpartition("/")
            net.params[layer][int(i)].data[...] = value
    net.forward()
    for key, value in arrays.items():
        kind, _, name = key.partition("/")
        if kind == "out":
            assert_close(net.blobs[name].data, value, key)
        elif kind == "topdiff":
            net.blobs[name].diff[...] = value
    compared = 0
    net.backward()
    for key, value in arrays.items():
        kind, _, name = key.partition("/")
        layer, _, i = name.rpartition("/")
        if kind == "diff":
            assert_close(net.blobs[name].diff, value, key)
        elif kind == "paramdiff":
            assert_close(net.params[layer][int(i)].diff, value, key)
        elif kind == "param_after":
            assert_close(net.params[layer][int(i)].data, value, key)
        compared += kind in ("diff", "paramdiff")
    assert compared or test_phase


def test_all_cases_are_here() -> None:
    assert len(CASES) == 67
    assert set(CASES) == {p.stem for p in FOLDER.glob("*.npz") if "solver" not in p.stem}
