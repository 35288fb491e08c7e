"""What evaluating adds to a net's own time: ``python -m benchmarks.eval``.

The net alone computes the same pictures, prepared beforehand; ``eval`` reads them from an LMDB,
decodes, prepares, computes and keeps what was found. Both in turn: the ratio is of one round.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from time import perf_counter

from benchmarks.shared import work_folder
from ssd_data.builder import build
from ssd_data.dataset import find
from ssd_data.engines import Engine, load_engine
from ssd_data.engines.torch.randomise import write_random_weights
from ssd_data.evaluation.detecting import detect_all
from ssd_data.evaluation.journal import Journal
from ssd_data.evaluation.sources import Choice, EvalSet, open_set
from ssd_data.families import generate
from ssd_data.pictures import picture_limits
from ssd_data.preprocessing import Preprocessing
from ssd_data.protocols import Plan, make_plan
from ssd_data.prototxt import to_text
from ssd_data.sample import draw_sample

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
        data = open_set(options.data or draw(folder, options.pictures), Choice(root=options.root))
        deploy, weights = options.deploy, options.weights
        if deploy is None:
            deploy, weights = mobilenet_ssd(folder, 1 + len(data.labelmap.items[1:]))
        # Random weights find something everywhere; so high a threshold leaves the net its own time.
        threshold = 0.01 if options.weights else 0.9
        engine = load_engine(options.engine, deploy, weights, device="auto", threshold=threshold)
        mean = (104.0, 117.0, 123.0) if options.deploy else (127.5,) * 3
        size = engine.shape[3], engine.shape[2]
        plan = make_plan("single", Preprocessing(mean, 0.007843), size, options.batch)
        count = min(options.pictures, len(data.names))
        rates = [(net(engine, data, plan, count), whole(engine, data, plan, count, folder))
                 for _ in range(options.rounds)]  # fmt: skip
    ratio = median(b / a for a, b in rates)
    print(f"net only   {median(a for a, _ in rates):8.1f} pictures/s")
    print(f"eval       {median(b for _, b in rates):8.1f} pictures/s")
    each = ", ".join(f"{b / a:.2f}" for a, b in rates)
    print(f"ratio      {ratio:8.2f} (target >= {TARGET}; rounds {each})")
    return 0


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


def net(engine: Engine, data: EvalSet, plan: Plan, count: int) -> float:
    """Pictures a second of the net alone."""
    ready = [plan.prepare(data.read(i)) for i in range(count)]
    plan.run(engine, ready[: plan.batch])
    start = perf_counter()
    for at in range(0, count, plan.batch):
        plan.run(engine, ready[at : at + plan.batch])
    return count / (perf_counter() - start)


def whole(engine: Engine, data: EvalSet, plan: Plan, count: int, folder: Path) -> float:
    """Pictures a second of all that ``eval`` does until it scores."""
    file = folder / "found.jsonl"
    file.unlink(missing_ok=True)
    with Journal(file, {}) as journal:
        start = perf_counter()
        done = sum(1 for _ in detect_all(data, engine, plan, journal, limit=count))
        return done / (perf_counter() - start)


if __name__ == "__main__":
    sys.exit(main())
