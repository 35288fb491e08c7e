"""What computes nets: each engine with a net, weights and pictures of strangers."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import cv2
import numpy as np

from ssd_data import SsdDataError
from ssd_data.engines import load_engine
from ssd_data.engines.torch.summary import summarise
from ssd_data.evaluation.detect import find_files, read_frames
from ssd_data.nets.graph import read_graph
from support.fuzz.cases import built, pictures
from support.fuzz.target import Case, Target
from support.fuzz.targets.nets import MOST_VALUES, MOST_WORK
from support.nets import write_detector


def detectors() -> list[Case]:
    return [built(write_detector)]


def engine(name: str) -> Callable[[Path], None]:
    def run(folder: Path) -> None:
        deploy, weights = folder / "deploy.prototxt", folder / "tiny.caffemodel"
        with suppress(SsdDataError):
            found = summarise(read_graph(deploy, "TEST"))
            values = sum(int(np.prod(shape)) for row in found.layers for shape in row.shapes)
            if found.multiply_adds > MOST_WORK or values > 10 * MOST_VALUES:
                return
        made = load_engine(name, deploy, weights)
        made.map_sizes()
        with suppress(SsdDataError):
            made.detect(np.full((2, *made.shape[1:]), 0.5, np.float32))
        made.forward(np.zeros(made.shape, np.float32))

    return run


def film(folder: Path) -> None:
    """Write a film of three pictures."""
    made = cv2.VideoWriter(str(folder / "a.avi"), cv2.VideoWriter_fourcc(*"MJPG"), 5, (32, 24))
    for number in range(3):
        made.write(np.full((24, 32, 3), 40 * number, np.uint8))
    made.release()


def films() -> list[Case]:
    shown = {name: bytes(data) for name, data in pictures("b/a.jpg", "b/b.png").items()}  # type: ignore[arg-type]
    return [built(film), shown]


def frames(folder: Path) -> list[str]:
    return [
        str(frame.error)
        for frame in read_frames(find_files(sorted(folder.iterdir())))
        if frame.error
    ]


TARGETS = [
    Target(
        "engine.torch",
        detectors,
        engine("torch"),
        ("engines.torch.compiled", "engines.torch.fused", "engines.torch.interpreter"),
        batch=100,
    ),
    Target(
        "engine.onnxruntime",
        detectors,
        engine("onnxruntime"),
        ("engines.onnxruntime", "nets.onnx"),
        batch=60,
    ),
    Target("engine.ncnn", detectors, engine("ncnn"), ("engines.ncnn", "nets.ncnn"), batch=60),
    Target(
        "engine.openvino",
        detectors,
        engine("openvino"),
        ("engines.openvino", "engines._through_onnx", "engines._emitted"),
        batch=60,
    ),
    Target("engine.opencv", detectors, engine("opencv"), ("engines.opencv",), batch=100),
    Target("frames", films, frames, ("evaluation.detect",), kinds={"*.avi": "raw"}),
]
