"""Speed of nets to detections: ``python -m benchmarks.nets``.

Generated nets with random weights and random pictures. In each round all competitors run one after
the other; shown are the best of the rounds with median and slowest, and the ratio of the bests.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter, process_time

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ssd_data.engines import Array, load_engine
from ssd_data.engines.torch.compiled import Compiled
from ssd_data.engines.torch.randomise import write_random_weights
from ssd_data.families import generate
from ssd_data.nets.caffemodel import read_caffemodel
from ssd_data.nets.prototxt import to_text

Run = Callable[[], object]
Clock = Callable[[], float]
LOADING = """
import sys, torch
from time import perf_counter, process_time
clock = process_time if sys.argv[3:] else perf_counter
start = clock()
from ssd_data.engines import load_engine
load_engine("torch", sys.argv[1], sys.argv[2], device="cpu")
print(clock() - start)
"""
ENGINES = ("torch", "onnxruntime", "opencv")
RUNTIME = 0.5  # of OpenCV's time, as a target for ONNX Runtime
TARGETS = {
    "batch 1": 0.75,
    "batch 8": 0.6,
    "interpreter": 1.05,
}


class ByHand:
    """MobileNet-SSD as one would write it in PyTorch: the same arithmetic, no graph to follow."""

    MAPS = ("conv11", "conv13", "conv14_2", "conv15_2", "conv16_2", "conv17_2")

    def __init__(self, weights: Path, engine: Compiled) -> None:
        self.arrays = {
            layer.name: (
                torch.from_numpy(layer.arrays[0]).contiguous(memory_format=torch.channels_last),
                torch.from_numpy(layer.arrays[1]),
            )
            for layer in read_caffemodel(weights).layers
        }
        priors = [step.call for step in engine.steps if "priorbox" in step.tops[0]][:-1]
        shapes = [torch.empty(1, 1, side, side) for side in (19, 10, 5, 3, 2, 1)]
        picture = torch.empty(1, 3, 300, 300)
        self.priors = torch.cat([p(m, picture)[0] for p, m in zip(priors, shapes, strict=True)], 2)
        self.detect = engine.steps[-1].call

    def conv(self, name: str, x: Tensor, stride: int = 1, pad: int = 0, group: int = 1) -> Tensor:
        weight, bias = self.arrays[name]
        return functional.conv2d(x, weight, bias, stride, pad, 1, group)

    def __call__(self, batch: Array) -> Array:
        with torch.inference_mode():
            x = torch.from_numpy(batch).contiguous(memory_format=torch.channels_last)
            x = functional.relu_(self.conv("conv0", x, 2, 1))
            maps = {}
            for i in range(1, 14):
                stride = 2 if i in (2, 4, 6, 12) else 1
                x = functional.relu_(self.conv(f"conv{i}/dw", x, stride, 1, x.shape[1]))
                maps[f"conv{i}"] = x = functional.relu_(self.conv(f"conv{i}", x))
            for i in range(14, 18):
                x = functional.relu_(self.conv(f"conv{i}_1", x))
                maps[f"conv{i}_2"] = x = functional.relu_(self.conv(f"conv{i}_2", x, 2, 1))
            found = {"loc": [], "conf": []}
            for name in self.MAPS:
                for kind, parts in found.items():
                    head = self.conv(f"{name}_mbox_{kind}", maps[name])
                    parts.append(head.permute(0, 2, 3, 1).flatten(1))
            conf = torch.cat(found["conf"], 1).reshape(len(batch), -1, 21)
            scores = torch.softmax(conf, 2).flatten(1)
            rows: Tensor = self.detect(torch.cat(found["loc"], 1), scores, self.priors)[0]
            return rows.numpy().copy()


def measure(runs: Mapping[str, Run], rounds: int, clock: Clock) -> dict[str, list[float]]:
    """Seconds of each, round by round, after one run that does not count.

    A run that returns a float has measured itself.
    """
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for number in range(rounds + 1):
        for name, run in runs.items():
            start = clock()
            own = run()
            took = own if isinstance(own, float) else clock() - start
            if number:
                seconds[name].append(took)
    return seconds


def show(title: str, seconds: Mapping[str, Sequence[float]], target: float | None = None) -> None:
    """A table; ratios are to the last competitor."""
    base = min(list(seconds.values())[-1])
    print(f"\n### {title}\n\n| | best, ms | median | slowest | best over best |")
    print("|---|---|---|---|---|")
    for name, values in seconds.items():
        best = min(values)
        cells = [best, median(values), max(values)]
        figures = " | ".join(f"{1e3 * v:.1f}" for v in cells)
        print(f"| {name} | {figures} | {best / base:.2f} |")
    if target is not None:
        print(f"\ntarget: at most {target} for the first")


def write_net(folder: Path, family: str, classes: int) -> tuple[Path, Path]:
    """A family's deploy net with random weights."""
    folder.mkdir()
    deploy, weights = folder / "deploy.prototxt", folder / "random.caffemodel"
    deploy.write_text(to_text(generate(family, classes).nets["deploy"]))
    write_random_weights(deploy, weights)
    return deploy, weights


def pictures(count: int, side: int) -> Array:
    shape = (count, 3, side, side)
    return np.random.default_rng(0).uniform(-1, 1, shape).astype(np.float32)


def against_opencv(
    title: str, files: tuple[Path, Path], batch: Array, rounds: int, clock: Clock
) -> None:
    engines = {name: load_engine(name, *files, device="cpu") for name in ENGINES}
    found = {name: sum(map(len, engine.detect(batch))) for name, engine in engines.items()}
    runs = {name: lambda e=engine: e.forward(batch) for name, engine in engines.items()}
    batch_size = title.rpartition(", ")[2]
    show(title, measure(runs, rounds, clock), TARGETS.get(batch_size))
    if batch_size in TARGETS:
        print(f"target: at most {RUNTIME} for onnxruntime")
    print("detections: " + ", ".join(f"{name} {count}" for name, count in found.items()))


def interpreter(files: tuple[Path, Path], rounds: int, clock: Clock) -> None:
    engine = load_engine("torch", *files, device="cpu")
    assert isinstance(engine, Compiled)
    by_hand, batch = ByHand(files[1], engine), pictures(1, 300)
    (rows,) = engine.forward(batch).values()
    np.testing.assert_allclose(by_hand(batch), rows, atol=1e-4)
    runs = {"the compiled copy": lambda: engine.forward(batch), "by hand": lambda: by_hand(batch)}
    title = "MobileNet-SSD 300x300 over the same net by hand"
    show(title, measure(runs, rounds, clock), TARGETS["interpreter"])


def loading(files: tuple[Path, Path], rounds: int, clock: Clock) -> None:
    """In processes of their own, besides importing torch."""
    call = [sys.executable, "-c", LOADING, *map(str, files)]
    call += ["processor"] if clock is process_time else []
    seconds = [
        float(subprocess.run(call, check=True, capture_output=True, text=True).stdout)
        for _ in range(rounds)
    ]
    show("Loading MobileNet-SSD besides importing torch", {"ours": seconds})
    print("\ntarget: at most 300 ms")


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.nets", description=__doc__)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--threads", type=int, default=2, help="of each side")
    parser.add_argument("--quick", action="store_true", help="one round; figures mean nothing")
    parser.add_argument(
        "--processor-time",
        action="store_true",
        help="what the process took of a processor: for a busy machine, with --threads 1",
    )
    options = parser.parse_args(arguments)
    clock = process_time if options.processor_time else perf_counter
    rounds = 1 if options.quick else options.rounds
    torch.set_num_threads(options.threads)
    os.environ["OMP_NUM_THREADS"] = str(options.threads)  # what the engine onnxruntime goes by
    cv2.setNumThreads(options.threads)
    print(f"torch {torch.__version__}, OpenCV {cv2.__version__}, {options.threads} threads each")
    with TemporaryDirectory(prefix="ssd-data-") as folder:
        ssd = write_net(Path(folder, "ssd"), "mobilenet_ssd", 21)
        for count in (1, 8):
            title = f"MobileNet-SSD 300x300 to detections, batch {count}"
            fewer = rounds if count == 1 else max(1, rounds // 3)
            against_opencv(title, ssd, pictures(count, 300), fewer, clock)
        interpreter(ssd, rounds, clock)
        if not options.quick:
            sfd = write_net(Path(folder, "sfd"), "sfd_mobilenetv2", 2)
            title = "SFD on MobileNet V2, mod2, 640x640 to detections"
            against_opencv(title, sfd, pictures(1, 640), max(1, rounds // 3), clock)
        loading(ssd, 1 if options.quick else 5, clock)


if __name__ == "__main__":
    main(sys.argv[1:])
