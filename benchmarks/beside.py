"""Measure training beside other programs: ``python -m benchmarks.beside``."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from statistics import median

BUSY = (0, 2, 6)
SPIN = "while True: pass"


def main(arguments: Sequence[str] | None = None) -> int:
    """A training step alone and beside programs that never wait, in rounds."""
    parser = argparse.ArgumentParser("python -m benchmarks.beside", description=__doc__)
    parser.add_argument("--iterations", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="a smoke test; figures mean nothing")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    iterations, rounds = (1, 1) if options.quick else (options.iterations, options.rounds)
    if options.child:
        print(json.dumps(_seconds(iterations)))
        return 0
    counts = BUSY[:2] if options.quick else BUSY
    found: dict[int, list[float]] = {busy: [] for busy in counts}
    for _ in range(rounds):
        for busy in counts:
            with _busy(busy):
                found[busy].append(_child(iterations))
    alone, cores = median(found[0]), os.cpu_count() or 1
    print("other programs  ms an iteration  fair share  ratio (target 1.5)")
    for busy in counts:
        took, fair = median(found[busy]), alone * (cores + busy) / cores
        print(f"{busy:14}  {took * 1e3:15.0f}  {fair * 1e3:10.0f}  {took / fair:5.2f}")
    return 0


@contextmanager
def _busy(count: int) -> Iterator[None]:
    programs = [subprocess.Popen([sys.executable, "-c", SPIN]) for _ in range(count)]
    try:
        time.sleep(0.5)
        yield
    finally:
        for one in programs:
            one.kill()
            one.wait()


def _child(iterations: int) -> float:
    """In a process of its own, since how threads wait is chosen as PyTorch is loaded."""
    command = [sys.executable, "-m", "benchmarks.beside", "--child", "--iterations", iterations]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=True)
    return float(json.loads(done.stdout.splitlines()[-1]))


def _seconds(iterations: int) -> float:
    """The demo's net, a batch of 16, two steps first."""
    from benchmarks.train import solver

    made = solver("tiny_ssd", 5, 128, 16)
    made.step(min(2, iterations))
    start = time.perf_counter()
    made.step(iterations)
    return (time.perf_counter() - start) / iterations


if __name__ == "__main__":
    sys.exit(main())
