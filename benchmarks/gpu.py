"""What a GPU does with all of it: ``python -m benchmarks.gpu``, under eight minutes, no network.

Each topic is checked and measured on pictures and nets that are made here. What fails is said, the
rest goes on, and the exit status is 1 at the end. The topics:

equal     layers, losses, gradients and detections of the GPU against the CPU's
steps     pictures a second of training steps, data already there, by precision and layout
detect    pictures a second to detections, by batch and precision
data      whole trainings from an LMDB: who waits for whom, by the number of threads that read
resume    a run that is stopped and resumed against one that is not
nccl      one process under torchrun against none
growth    memory after 50 and after 300 iterations

``--json FILE`` keeps the figures. On a machine without a GPU ``--device cpu --quick`` runs the same
lines with tiny numbers, which mean nothing.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import json
import math
import os
import platform
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

import numpy as np
import torch

import ssd_data
from benchmarks.nets import pictures, write_net
from benchmarks.train import held, solver
from ssd_data.batches import Batches
from ssd_data.engines import load_engine
from ssd_data.engines.torch.compiled import Compiled
from ssd_data.evaluation.compare import compare_detections
from ssd_data.nets.graph import read_graph
from ssd_data.proto import caffe_pb2
from ssd_data.training.solver import Solver

SSD = ("mobilenet_ssd", 21, 300)
SFD = ("sfd_mobilenetv2", 2, 640)


@dataclass
class Bench:
    """The device, the size of it all, and what was found."""

    device: str
    quick: bool
    folder: Path
    figures: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)

    def row(self, topic: str, **cells: object) -> None:
        self.figures.setdefault(topic, []).append(cells)
        print(f"{topic}: " + ", ".join(f"{k} {v}" for k, v in cells.items()), flush=True)

    def check(self, topic: str, holds: bool, **cells: object) -> None:
        self.row(topic, **cells, holds="yes" if holds else "NO")
        if not holds:
            self.failed.append(f"{topic}: {cells}")

    def wait(self) -> None:
        if self.device != "cpu":
            torch.cuda.synchronize()

    def peak(self) -> int:
        """MiB that tensors took at most since the last time."""
        if self.device == "cpu":
            return 0
        most = torch.cuda.max_memory_allocated() // 2**20
        torch.cuda.reset_peak_memory_stats()
        return most


# ---- the GPU against the CPU ----


def equal(bench: Bench) -> None:
    """Largest relative differences of a net's blobs, losses and gradients, and of detections."""
    for family, classes, side in (SSD, SFD):
        count = 1 if bench.quick else 4
        before, after = (solver(family, classes, side, count, d) for d in ("cpu", bench.device))
        _same_weights(before, after)
        losses = [_forward_backward(one) for one in (before, after)]
        blobs = _apart(
            [
                (name, blob.data, after.net.blobs[name].data)
                for name, blob in before.net.blobs.items()
            ]
        )
        gradient, usual = (
            _norm_apart(before, after),
            _apart_on_the_cpu(before, family, classes, side),
        )
        loss = abs(losses[0] - losses[1]) / abs(losses[0])
        holds = loss < 1e-5 and blobs[0] < 1e-3 and gradient < 2 * usual
        bench.check(
            "equal",
            holds,
            net=family,
            loss=f"{loss:.1e}",
            blob=f"{blobs[0]:.1e} ({blobs[1]})",
            gradient=f"{gradient:.1e} (two ways on the CPU: {usual:.1e})",
        )
        _equal_detections(bench, family, classes, side, count)


def _apart_on_the_cpu(before: Solver, family: str, classes: int, side: int) -> float:
    """The same of the CPU's plain convolutions: rounding turns ReLUs and the choice of negatives
    over, so that gradients differ where the loss does not."""
    count = before.net.blobs[before.net.inputs[0]].data.shape[0]
    plain = solver(family, classes, side, count, "cpu")
    _same_weights(before, plain)
    with torch.backends.mkldnn.flags(enabled=False):
        _forward_backward(plain)
    return _norm_apart(before, plain)


def _same_weights(before: Solver, after: Solver) -> None:
    for name, blobs in before.net.params.items():
        for one, other in zip(blobs, after.net.params[name], strict=True):
            other.data[...] = one.data
    for name in before.net.inputs:
        after.net.blobs[name].data[...] = before.net.blobs[name].data


def _forward_backward(solver: Solver) -> float:
    solver.net.clear_param_diffs()
    loss = solver.trainable.forward()
    solver.trainable.backward(loss)
    return float(loss.detach())


def _apart(pairs: Sequence[tuple[str, np.ndarray, np.ndarray]]) -> tuple[float, str]:
    """The largest difference by the largest value of its array, and whose it is."""
    return max(
        (float(np.abs(a - b).max(initial=0) / (np.abs(a).max(initial=0) or 1)), name)
        for name, a, b in pairs
    )


def _norm_apart(before: Solver, after: Solver) -> float:
    """The norm of the gradients' difference by the gradients' norm: single ones may be rounding
    alone, those of a bias before a BatchNorm say."""
    pairs = [
        (one.diff, other.diff)
        for name, blobs in before.net.params.items()
        for one, other in zip(blobs, after.net.params[name], strict=True)
    ]
    apart = sum(float(np.square(a - b).sum()) for a, b in pairs)
    return math.sqrt(apart / sum(float(np.square(a).sum()) for a, _ in pairs))


def _equal_detections(bench: Bench, family: str, classes: int, side: int, count: int) -> None:
    files = write_net(bench.folder / f"equal-{family}", family, classes)
    ours, theirs = (load_engine("torch", *files, device=d) for d in ("cpu", bench.device))
    batch = pictures(count, side)
    layer = ours.graph.producers()[ours.outputs[0]][-1].param.detection_output_param
    pairs = zip(ours.detect(batch), theirs.detect(batch), strict=True)
    found = compare_detections("detections", bench.device, pairs, layer)
    bench.check("equal", found.within(1e-3), net=family, detections=found.sentence())


# ---- steps ----


def steps(bench: Bench) -> None:
    ways: list[dict[str, Any]] = [
        {"channels_last": False},
        {},
        {"amp": "bf16"},
        {"amp": "fp16"},
        {"amp": "bf16", "compile": True},
    ]
    sizes: list[tuple[tuple[str, int, int], tuple[int, ...]]]
    sizes = [(SSD, (24, 128)), (SFD, (6, 24))]
    if bench.quick:
        ways, sizes = ways[:3], [(SSD, (1,))]
    for (family, classes, side), batches in sizes:
        for batch in batches:
            for way in ways:
                small = batch == min(batches)  # compiling takes a minute
                if (way.get("amp") == "fp16" and bench.device == "cpu") or (
                    small and way.get("compile")
                ):
                    continue
                with _kept_going(bench, f"steps {family} {batch} {way}"):
                    _steps(bench, solver(family, classes, side, batch, bench.device, **way), way)
                _forget(bench)


def _steps(bench: Bench, solver: Solver, way: dict[str, Any]) -> None:
    bench.peak()
    batch = solver.net.blobs["data"].shape[0]
    start = perf_counter()
    solver.step(3)
    bench.wait()
    begun = perf_counter() - start
    count = 2 if bench.quick else 20
    start = perf_counter()
    solver.step(count)
    bench.wait()
    seconds = (perf_counter() - start) / count
    bench.row(
        "steps",
        net=solver.net.graph.net.name,
        batch=batch,
        way=_spelled(way),
        ms=f"{1e3 * seconds:.1f}",
        pictures=f"{batch / seconds:.0f}/s",
        first=f"{begun:.1f} s",
        MiB=bench.peak(),
        loss=f"{solver.progress.smoothed_loss:.3f}",
    )


# ---- detections ----


def detect(bench: Bench) -> None:
    for family, classes, side in (SSD, SFD):
        files = write_net(bench.folder / f"detect-{family}", family, classes)
        for half in (False, True) if bench.device != "cpu" else (False,):
            engine = load_engine("torch", *files, device=bench.device, half=half)
            assert isinstance(engine, Compiled)
            for batch in (1,) if bench.quick else (1, 8, 32):
                with _kept_going(bench, f"detect {family} {batch} half {half}"):
                    _detect(bench, engine, family, batch, side, half)
            _forget(bench)


def _detect(bench: Bench, engine: Compiled, family: str, batch: int, side: int, half: bool) -> None:
    data = pictures(batch, side)
    for _ in range(3):
        engine.detect(data)
    bench.peak()
    count = 2 if bench.quick else 20
    start = perf_counter()
    for _ in range(count):
        engine.detect(data)
    seconds = (perf_counter() - start) / count
    speed = f"{batch / seconds:.0f}/s"
    figures = {"ms": f"{1e3 * seconds:.1f}", "pictures": speed, "MiB": bench.peak()}
    bench.row("detect", net=family, batch=batch, half=half, **figures)


# ---- whole trainings ----


def data(bench: Bench) -> None:
    """Threads against speed and the share of time in which the GPU waits for pictures; before
    that, what the threads alone come to."""
    ways: list[tuple[dict[str, Any], int]] = [({}, workers) for workers in (1, 4, 8, 16)]
    ways += [({"jpeg_roundtrip": False}, n) for n in (4, 16)]
    ways += [({"jpeg_roundtrip": False, "cache": 2000}, 16)]
    if bench.quick:
        ways = ways[:1]
    with _in_folder(_trained(bench, "mobilenet_ssd", 300, 2 if bench.quick else 24)):
        for way, workers in ways:
            if workers <= (os.cpu_count() or 1):
                with _kept_going(bench, f"data {way} {workers}"):
                    _data_alone(bench, way, workers)
                    _data(bench, way, workers)


def _data_alone(bench: Bench, way: dict[str, Any], workers: int) -> None:
    layer = read_graph("net/train.prototxt", caffe_pb2.TRAIN).nodes[0].param
    count = 2 if bench.quick else 30
    with Batches(layer, workers=workers, seed=1, **way) as batches:
        next(batches)
        start = perf_counter()
        for _ in range(count):
            next(batches)
        seconds = perf_counter() - start
    speed = f"{count * batches.batch_size / seconds:.0f}/s"
    bench.row("data", threads=workers, way=_spelled(way), pictures=speed, waiting="alone", loss="")


def _data(bench: Bench, way: dict[str, Any], workers: int) -> None:
    from ssd_data.training.log import Displayed, Event

    shown: list[Displayed] = []

    def listen(event: Event) -> None:
        if isinstance(event, Displayed):
            shown.append(event)

    iterations = 4 if bench.quick else 60
    ssd_data.train(
        "net/solver.prototxt",
        device=bench.device,
        workers=workers,
        max_iter=iterations,
        seed=1,
        listeners=[listen],
        **way,
    )
    last = shown[-1]
    bench.row(
        "data",
        threads=workers,
        way=_spelled(way),
        pictures=f"{last.speed or 0:.0f}/s",
        waiting=f"{100 * (last.waiting or 0):.0f} %",
        loss=f"{last.loss:.4f}",
    )


def _trained(bench: Bench, family: str, side: int, batch: int) -> Path:
    """A folder with a build of drawings, linked, and the family's nets for it in ``net``."""
    folder = bench.folder / f"{family}-{side}-{batch}"
    if folder.exists():
        return folder
    folder.mkdir()
    count = "8" if bench.quick else "600"
    _ssd_data(folder, "sample", "s", "--layout", "voc", "--train", count, "--size", "500", "-q")
    _ssd_data(folder, "build", "s/voc", "-o", "BUILD", "--link", ".", "-q")
    sizes = ["--size", str(side), "--batch-size", str(batch)]
    _ssd_data(
        folder, "model", family, "--build", "BUILD", *sizes, "--test-batch-size", "8", "-o", "net"
    )
    solver = folder / "net/solver.prototxt"
    text = "".join(
        line
        for line in solver.read_text().splitlines(keepends=True)
        if not line.startswith(("display:", "test_interval:", "snapshot:", "snapshot_after_train:"))
    )
    display = 2 if bench.quick else 30
    solver.write_text(f"{text}display: {display}\ntest_interval: 100000\nsnapshot: 0\n")
    return folder


def _ssd_data(folder: Path, *arguments: str) -> None:
    subprocess.run(
        [sys.executable, "-m", "ssd_data", *arguments],
        cwd=folder,
        check=True,
        stdout=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )


def resume(bench: Bench) -> None:
    """Losses after a stop, a snapshot and a resume, beside those of a run that goes through."""
    middle, end = (2, 4) if bench.quick else (15, 30)
    with _in_folder(_trained(bench, "mobilenet_ssd", 300, 2 if bench.quick else 24)):
        for amp in ("off",) if bench.device == "cpu" else ("off", "bf16", "fp16"):
            with _kept_going(bench, f"resume {amp}"):
                settings: dict[str, Any] = {"device": bench.device, "seed": 1, "amp": amp}
                through = ssd_data.train("net/solver.prototxt", max_iter=end, **settings)
                ssd_data.train("net/solver.prototxt", max_iter=middle, **settings)
                again = ssd_data.train(
                    "net/solver.prototxt", max_iter=end, resume="auto", **settings
                )
                once_more = ssd_data.train("net/solver.prototxt", max_iter=end, **settings)
                bench.check(
                    "resume",
                    through.loss == again.loss == once_more.loss,
                    amp=amp,
                    through=through.loss,
                    resumed=again.loss,
                    once_more=once_more.loss,
                )


def nccl(bench: Bench) -> None:
    """One process that torchrun starts, with its collectives, beside a plain one."""
    iterations = "3" if bench.quick else "20"
    folder = _trained(bench, "mobilenet_ssd", 300, 2 if bench.quick else 24)
    losses = []
    for start in ([], ["-m", "torch.distributed.run", "--nproc-per-node", "1"]):
        call = [sys.executable, *start, "-m", "ssd_data", "train", "net/solver.prototxt"]
        call += ["--max-iter", iterations, "--seed", "1", "--device", bench.device.split(":")[0]]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        done = subprocess.run(
            [*call, "--json"],
            check=False,
            cwd=folder,
            capture_output=True,
            text=True,
            env=environment,
            timeout=120,
        )
        if done.returncode:
            raise RuntimeError(f"{' '.join(call[1:])}: {done.stderr[-600:]}")
        losses.append(json.loads(done.stdout)["loss"])
    apart = abs(losses[0] - losses[1]) / abs(losses[0])
    bench.check("nccl", apart < 1e-6, losses=losses, apart=f"{apart:.1e}")


def growth(bench: Bench) -> None:
    """Memory of tensors, and of the process, after 50 and after 300 iterations."""
    batch, (early, late) = (1, (2, 4)) if bench.quick else (6, (50, 300))
    made = solver(*(SSD if bench.quick else SFD), batch, bench.device)
    found = []
    for until in (early, late):
        made.step(until - made.iter)
        bench.wait()
        tensors = 0 if bench.device == "cpu" else torch.cuda.memory_allocated() // 2**20
        found.append((tensors, int(held())))
    holds = found[1][0] <= found[0][0] + 8 and found[1][1] <= found[0][1] + 64
    bench.check("growth", holds or bench.quick, iterations=(early, late), MiB=found)


# ---- the run ----


def _spelled(way: dict[str, Any]) -> str:
    return ", ".join(f"{k} {v}" for k, v in way.items()) or "default"


@contextlib.contextmanager
def _in_folder(folder: Path) -> Iterator[None]:
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


@contextlib.contextmanager
def _kept_going(bench: Bench, what: str) -> Iterator[None]:
    """What fails is said and noted; the next comes all the same."""
    try:
        yield
    except Exception as error:
        traceback.print_exc(limit=-12)
        bench.failed.append(f"{what}: {type(error).__name__}: {str(error)[:300]}")


def _forget(bench: Bench) -> None:
    gc.collect()
    if bench.device != "cpu":
        torch.cuda.empty_cache()


TOPICS: dict[str, Callable[[Bench], None]] = {
    "equal": equal,
    "steps": steps,
    "detect": detect,
    "data": data,
    "resume": resume,
    "nccl": nccl,
    "growth": growth,
}


def _tables(figures: dict[str, list[dict[str, Any]]]) -> str:
    """The figures in Markdown, a table for each set of columns."""
    lines: list[str] = []
    for topic, rows in figures.items():
        columns: list[str] = []
        lines.append(f"\n### {topic}")
        for row in rows:
            if list(row) != columns:
                columns = list(row)
                lines += ["", f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
            lines.append(f"| {' | '.join(map(str, row.values()))} |")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser("python -m benchmarks.gpu", description=__doc__)
    parser.add_argument("topic", nargs="*", help=f"{', '.join(TOPICS)}; all of them by default")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--quick", action="store_true", help="a smoke test; figures mean nothing")
    parser.add_argument("--json", type=Path, metavar="FILE", help="keep the figures")
    options = parser.parse_args(arguments)
    if unknown := set(options.topic) - set(TOPICS):
        parser.error(f"no such topic: {', '.join(sorted(unknown))}")
    if options.device != "cpu" and not torch.cuda.is_available():
        parser.error("no GPU here; --device cpu --quick runs the same lines")
    name = torch.cuda.get_device_name() if options.device != "cpu" else platform.processor()
    print(f"{name}, {os.cpu_count()} processors, torch {torch.__version__}", flush=True)
    began = perf_counter()
    with TemporaryDirectory(prefix="ssd-data-") as folder:
        bench = Bench(options.device, options.quick, Path(folder))
        for topic in options.topic or TOPICS:
            start = perf_counter()
            with _kept_going(bench, topic):
                TOPICS[topic](bench)
            _forget(bench)
            print(f"({topic}: {perf_counter() - start:.0f} s)", flush=True)
            if options.json is not None:
                options.json.write_text(json.dumps(bench.figures, indent=1))
    print(_tables(bench.figures))
    print(f"\n{perf_counter() - began:.0f} s in all")
    for text in bench.failed:
        print(f"FAILED {text}")
    return bool(bench.failed)


if __name__ == "__main__":
    sys.exit(main())
