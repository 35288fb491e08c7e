"""What recipes gain over the original's training: ``python -m benchmarks.recipes BUILD --dir DIR``.

Each element of a recipe alone and some together, and beside them the nets as they are, every one
with the same seeds, the same number of iterations and the same build; on the CPU or a GPU. Each
training is a process of its own in a folder of its own, which goes on where it was stopped, and is
not made again once it is done: so the whole goes on when it is started again. The table is written
after each.

A gain is the mean of the differences from the original of the same seed, with their standard error:
one seed has none. The time is an iteration's by the median of what the runs' tables say, over the
original's; on a machine that does other work besides it says little.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, median, stdev

from google.protobuf import text_format

from ssd_data.core.files.whole import write_whole
from ssd_data.data.build.links import link
from ssd_data.families.parts.write import write_model
from ssd_data.nets.prototxt import read_prototxt
from ssd_data.proto import caffe_pb2

SOFTMAX, SIGMOID = "softmax", "sigmoid"
BASE = "original"
# name: which nets it is for, its recipe.
ELEMENTS: dict[str, tuple[str, str]] = {
    BASE: (SOFTMAX, ""),
    "cosine": (SOFTMAX, '[schedule]\nkind = "cosine"\nwarm_up = {warm}\n'),
    "one_cycle": (SOFTMAX, '[schedule]\nkind = "one_cycle"\n'),
    "adamw": (
        SOFTMAX,
        '[schedule]\nkind = "cosine"\nwarm_up = {warm}\n'
        '[optimiser]\nkind = "adamw"\ndecay = 0.05\n',
    ),
    "sgdw": (
        SOFTMAX,
        '[schedule]\nkind = "cosine"\nrate = 0.02\nwarm_up = {warm}\n'
        '[optimiser]\nkind = "sgdw"\ndecay = 0.0005\n[gradients]\nclip = 10\n',
    ),
    "clip": (SOFTMAX, "[gradients]\nclip = 10\n"),
    "average": (SOFTMAX, "[average]\ndecay = {decay}\n"),
    "smoothing": (SOFTMAX, '[classification]\nkind = "original"\nsmoothing = 0.1\n'),
    "focal of softmax": (SOFTMAX, '[classification]\nkind = "focal"\nalpha = 0.5\n'),
    "iou": (SOFTMAX, '[boxes]\nkind = "iou"\nweight = 2\n'),
    "giou": (SOFTMAX, '[boxes]\nkind = "giou"\nweight = 2\n'),
    "diou": (SOFTMAX, '[boxes]\nkind = "diou"\nweight = 2\n'),
    "ciou": (SOFTMAX, '[boxes]\nkind = "ciou"\nweight = 2\n'),
    "atss": (SOFTMAX, '[matching]\nkind = "atss"\n'),
    "simota": (SOFTMAX, '[matching]\nkind = "simota"\n'),
    "input": (SOFTMAX, "[input]\nscales = [0.75, 1, 1.25]\n"),
    "rest": (SOFTMAX, "[augmentation]\nclose = 0.15\n"),
    "sigmoid": (SIGMOID, ""),
    "focal": (SIGMOID, '[classification]\nkind = "focal"\n'),
    "quality_focal": (SIGMOID, '[classification]\nkind = "quality_focal"\n'),
    "varifocal": (SIGMOID, '[classification]\nkind = "varifocal"\n'),
    "focal, atss, giou": (
        SIGMOID,
        '[classification]\nkind = "focal"\n[matching]\nkind = "atss"\n'
        '[boxes]\nkind = "giou"\nweight = 2\n',
    ),
    "varifocal, simota, giou": (
        SIGMOID,
        '[classification]\nkind = "varifocal"\n[matching]\nkind = "simota"\n'
        '[boxes]\nkind = "giou"\nweight = 2\n',
    ),
    "cosine, average, giou": (
        SOFTMAX,
        '[schedule]\nkind = "cosine"\nwarm_up = {warm}\n[average]\ndecay = {decay}\n'
        '[boxes]\nkind = "giou"\nweight = 2\n',
    ),
}


@dataclass(frozen=True, slots=True)
class Trial:
    """One training.

    Attributes:
        name: of the element. seed: of all that is random. nets: folder of the nets.
        recipe: its text; empty for none.
    """

    name: str
    seed: int
    nets: Path
    recipe: str

    @property
    def folder(self) -> Path:
        """Where it is made, from the common folder."""
        return Path("runs") / self.name.replace(", ", "+").replace(" ", "_") / str(self.seed)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of it: the last test's score, the last loss, seconds a picture, the first loss."""

    score: float
    loss: float
    seconds: float
    first: float


def main(arguments: Sequence[str] | None = None) -> int:
    """Make all trainings that are not done, and print the table."""
    options = _options(arguments)
    build = options.build.resolve()
    wanted = options.only.split(",") if options.only else [*ELEMENTS]
    own = {path.stem: path.resolve() for path in options.recipe}
    weights = [str(path.resolve()) for path in options.weights]
    given = {SOFTMAX: options.solver, SIGMOID: options.sigmoid_solver}
    solvers = {kind: path.resolve() for kind, path in given.items() if path is not None}
    options.dir.mkdir(parents=True, exist_ok=True)
    os.chdir(options.dir)
    link(build, Path())
    for kind in (SOFTMAX, SIGMOID):
        if kind not in solvers and options.family:
            folder = Path(f"nets_{kind}")
            if not (folder / "solver.prototxt").is_file():
                more = {"from_scratch": True} if options.from_scratch else {}
                write_model(options.family, folder, build=build, scores=kind, **more)
            solvers[kind] = folder / "solver.prototxt"
    trials = list(_trials(wanted, own, options.seeds, options.iterations, solvers))
    for number, trial in enumerate(trials, 1):
        if not (trial.folder / "result.json").is_file():
            print(f"{number} of {len(trials)}: {trial.name}, seed {trial.seed}", flush=True)
            run(trial, options.iterations, options.device, weights)
            write_whole(Path("table.md"), table(trials).encode())
    print(table(trials))
    return 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m benchmarks.recipes", description=__doc__)
    parser.add_argument("build", type=Path, help="a build's folder")
    parser.add_argument("--dir", type=Path, required=True, help="all is kept and resumed there")
    parser.add_argument("--family", default="tiny_ssd", help="of the nets")
    parser.add_argument("--from-scratch", action="store_true", help="as model's option")
    parser.add_argument("--solver", type=Path, help="a solver of nets of your own, instead")
    parser.add_argument("--sigmoid-solver", type=Path, help="one of nets with sigmoids")
    parser.add_argument("--weights", type=Path, nargs="*", default=[], help="to begin with")
    parser.add_argument("--iterations", type=int, default=400)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--only", help=f"some of {', '.join(ELEMENTS)}; with commas, none in names")
    parser.add_argument("--recipe", type=Path, nargs="*", default=[], help="files to compare, too")
    parser.add_argument("--device", default="auto")
    return parser.parse_args(arguments)


def _trials(
    wanted: Sequence[str],
    own: dict[str, Path],
    seeds: Sequence[int],
    iterations: int,
    solvers: dict[str, Path],
) -> Iterator[Trial]:
    """Seed by seed, so that a table of few seeds is whole early."""
    numbers = {"warm": max(iterations // 20, 1), "decay": 0.99 if iterations < 2000 else 0.999}
    for seed in seeds:
        for name in dict.fromkeys((BASE, *wanted)):
            kind, text = ELEMENTS[name.replace("+", ", ")]
            if kind in solvers:
                full = text.replace("{warm}", str(numbers["warm"]))
                full = full.replace("{decay}", str(numbers["decay"]))
                yield Trial(name.replace("+", ", "), seed, solvers[kind], full)
        for name, path in own.items():
            text = path.read_text()
            needs = SIGMOID if "quality_focal" in text or "varifocal" in text else SOFTMAX
            if needs in solvers:
                yield Trial(name, seed, solvers[needs], text)


def run(trial: Trial, iterations: int, device: str, weights: Sequence[str]) -> None:
    """Make one training, or go on with it.

    Raises:
        SystemExit: it failed.
    """
    trial.folder.mkdir(parents=True, exist_ok=True)
    solver = trial.folder / "solver.prototxt"
    param = read_prototxt(trial.nets, caffe_pb2.SolverParameter).message
    param.snapshot_prefix = str(trial.folder / "run")
    param.max_iter = param.test_interval = iterations
    param.snapshot = max(iterations // 4, 1)
    param.display = max(iterations // 50, 1)
    param.average_loss = param.display
    param.test_initialization = False
    param.ap_version = "MaxIntegral"
    write_whole(solver, text_format.MessageToString(param).encode())
    command = [sys.executable, "-m", "ssd_data", "train", str(solver), "--seed", str(trial.seed)]
    command += ["--device", device, "--resume", "auto", "--keep", "1", "--quiet", "--json"]
    if weights:
        command += ["--weights", ",".join(weights)]
    if trial.recipe:
        recipe = trial.folder / "recipe.toml"
        write_whole(recipe, trial.recipe.encode())
        command += ["--recipe", str(recipe)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"failed: {' '.join(command)}")
    told = json.loads(done.stdout)
    (score, *_) = (told["test"] or {"": math.nan}).values()
    rows = [json.loads(line) for line in Path(f"{trial.folder}/run.jsonl").read_text().splitlines()]
    steps = [row for row in rows if row["event"] == "train"]
    speeds = [row["pictures_per_second"] for row in steps if row["pictures_per_second"]]
    found = Outcome(
        score, told["loss"], 1 / median(speeds) if speeds else math.nan, steps[0]["loss"]
    )
    names = Outcome.__dataclass_fields__
    text = json.dumps({name: getattr(found, name) for name in names})
    write_whole(trial.folder / "result.json", text.encode())


def outcome(trial: Trial) -> Outcome | None:
    """What came of a training; None where it is not done."""
    path = trial.folder / "result.json"
    return Outcome(**json.loads(path.read_text())) if path.is_file() else None


def table(trials: Sequence[Trial]) -> str:
    """What is done so far, as Markdown."""
    found: dict[str, dict[int, Outcome]] = {}
    for trial in trials:
        if (one := outcome(trial)) is not None:
            found.setdefault(trial.name, {})[trial.seed] = one
    lines = [
        "| recipe | seeds | mAP | least – greatest | gain | loss, first → last | time |",
        "|---|---|---|---|---|---|---|",
    ]
    base = found.get(BASE, {})
    for name, own in found.items():
        scores = [one.score for one in own.values()]
        cells = [name, str(len(own)), f"{mean(scores):.3f}"]
        cells.append(f"{min(scores):.3f} – {max(scores):.3f}")
        cells.append(_gain([own[n].score - base[n].score for n in own if n in base], name))
        losses = (mean(getattr(one, part) for one in own.values()) for part in ("first", "loss"))
        cells.append(" → ".join(f"{loss:.3g}" for loss in losses))
        ratios = [own[n].seconds / base[n].seconds for n in own if n in base]
        cells.append(f"{median(ratios):.2f}×" if ratios else "")
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _gain(differences: Sequence[float], name: str) -> str:
    if name == BASE or not differences:
        return ""
    error = stdev(differences) / math.sqrt(len(differences)) if len(differences) > 1 else None
    return f"{mean(differences):+.3f}" + ("" if error is None else f" ± {error:.3f}")


if __name__ == "__main__":
    sys.exit(main())
