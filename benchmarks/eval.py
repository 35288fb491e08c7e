"""What evaluating adds to a net's own time: ``python -m benchmarks.eval``.

The net alone computes the same pictures, prepared beforehand; ``eval`` reads them from an LMDB,
decodes, prepares, computes and keeps what was found. Both in turn: the ratio is of one round.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from time import perf_counter, process_time
from typing import NamedTuple

from benchmarks.shared import work_folder
from ssd_data.core.images import picture_limits
from ssd_data.data.build.builder import build
from ssd_data.data.find import find
from ssd_data.data.synthetic.sample import draw_sample
from ssd_data.engines import Engine, load_engine
from ssd_data.engines.torch.randomise import write_random_weights
from ssd_data.evaluation.detecting import detect_all
from ssd_data.evaluation.journal import Journal
from ssd_data.evaluation.protocols import Plan, make_plan
from ssd_data.evaluation.sources import EvalChoice, EvalSet, open_set
from ssd_data.families import generate
from ssd_data.nets.preprocessing import Preprocessing
from ssd_data.nets.prototxt import to_text

TARGET = 0.85


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the two rates and their ratio."""
    parser = argparse.ArgumentParser("python -m benchmarks.eval", description=__doc__)
    parser.add_argument("--data", help="a data set or LMDB; else pictures of 500 pixels are drawn")
    parser.add_argument("--root", type=Path, help="where a recipe's files lie")
    parser.add_argument("--deploy", type=Path, help="a net; else MobileNet-SSD as published")
    parser.add_argument("--weights", type=Path, help="its caffemodel; else random ones")
    parser.add_argument("--engine", default="torch")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--pictures", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--dir", type=Path, help="work below this folder, else the current one")
    options = parser.parse_args(arguments)
    with work_folder(options.dir) as folder, picture_limits(options.engine == "opencv"):
        data = open_set(
            options.data or draw(folder, options.pictures), EvalChoice(root=options.root)
        )
        deploy, weights = options.deploy, options.weights
        if deploy is None:
            deploy, weights = mobilenet_ssd(folder, 1 + len(data.labelmap.items[1:]))
        # Random weights find something everywhere; so high a threshold leaves the net its own time.
        threshold = 0.01 if options.weights else 0.9
        engine = load_engine(options.engine, deploy, weights, device="auto", threshold=threshold)
        prepare = Preprocessing((127.5,) * 3, 0.007843)
        if options.deploy:  # as most nets that are given have it
            prepare = Preprocessing((104.0, 117.0, 123.0))
        size = engine.shape[3], engine.shape[2]
        plan = make_plan("single", prepare, size, options.batch)
        count = min(options.pictures, len(data.names))
        rounds = [
            (net(engine, data, plan, count), whole(engine, data, plan, count, folder))
            for _ in range(options.rounds)
        ]
    show("net only", [alone for alone, _ in rounds], count)
    show("eval", [both for _, both in rounds], count)
    ratios = [alone.seconds / both.seconds for alone, both in rounds]
    busy = median(alone.processor / both.processor for alone, both in rounds)
    each = ", ".join(f"{ratio:.2f}" for ratio in ratios)
    print(f"ratio of the rates {median(ratios):.2f} (target >= {TARGET}; rounds {each})")
    print(f"the net's share of the processor time {busy:.2f}")
    return 0


class Took(NamedTuple):
    """Seconds by the clock, and of processor time in all threads."""

    seconds: float
    processor: float


def show(what: str, all_took: Sequence[Took], count: int) -> None:
    """One line of medians."""
    rate = count / median(took.seconds for took in all_took)
    processor = 1000 * median(took.processor for took in all_took) / count
    print(f"{what:<10} {rate:8.1f} pictures/s, {processor:6.1f} ms of processor time a picture")


def draw(folder: Path, pictures: int) -> Path:
    """An LMDB of drawn pictures."""
    draw_sample(folder / "sample", ["voc"], train=1, test=pictures, size=500)
    build(find(folder / "sample" / "voc"), folder / "built", splits=["test"])
    return folder / "built"


def mobilenet_ssd(folder: Path, classes: int) -> tuple[Path, Path]:
    """MobileNet-SSD's deploy net with random weights."""
    deploy, weights = folder / "deploy.prototxt", folder / "random.caffemodel"
    deploy.write_text(to_text(generate("mobilenet_ssd", classes).nets["deploy"]))
    write_random_weights(deploy, weights, 0)
    return deploy, weights


def net(engine: Engine, data: EvalSet, plan: Plan, count: int) -> Took:
    """The net alone."""
    ready = [plan.prepare(data.read(i)) for i in range(count)]
    plan.run(engine, ready[: plan.batch])
    with timed() as took:
        for at in range(0, count, plan.batch):
            plan.run(engine, ready[at : at + plan.batch])
    return took[0]


def whole(engine: Engine, data: EvalSet, plan: Plan, count: int, folder: Path) -> Took:
    """All that ``eval`` does until it scores."""
    file = folder / "found.jsonl"
    file.unlink(missing_ok=True)
    with Journal(file, {}) as journal, timed() as took:
        done = sum(1 for _ in detect_all(data, engine, plan, journal, limit=count))
    assert done == count
    return took[0]


@contextmanager
def timed() -> Iterator[list[Took]]:
    """What the statements inside took, as the one entry of the list."""
    took: list[Took] = []
    start, processor = perf_counter(), process_time()
    yield took
    took.append(Took(perf_counter() - start, process_time() - processor))


if __name__ == "__main__":
    sys.exit(main())
