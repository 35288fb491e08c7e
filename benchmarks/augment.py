"""Measure the data layer: ``python -m benchmarks.augment [mobilenet] [sfd] [elements] …``."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from functools import partial
from itertools import islice, product
from pathlib import Path
from statistics import median

from benchmarks import datalayer
from benchmarks.kolmogorov import Columns, distances, golden
from benchmarks.shared import Context, Result, Rounds, Topic, find_pictures, show, work_folder
from ssd_data.batches import Batches
from ssd_data.batches.composer import known_elements
from ssd_data.batches.plan import FeedPlan
from ssd_data.data.build.builder import build
from ssd_data.data.build.options import BuildOptions
from ssd_data.data.find import find
from ssd_data.families import generate
from ssd_data.proto import caffe_pb2

# The family whose training layer it is, its name in the goldens, pictures/s of the original, once.
LAYERS = {
    "mobilenet": ("mobilenet_ssd", "mobilenet_ssd", 56),
    "sfd": ("sfd_mobilenetv2", "sfd640", 85),
}
TARGETS = {True: ">= 1.8", False: ">= 4"}
WORKERS = 2
CACHE = 400  # megabytes: all pictures
DRAWS = 4000  # pictures whose statistics are compared: as many as the goldens have


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the topics and print a table each."""
    parser = argparse.ArgumentParser("python -m benchmarks.augment", description=__doc__)
    known = [*LAYERS, *TOPICS]
    parser.add_argument("topic", nargs="*", help=f"{', '.join(known)}; all of them by default")
    parser.add_argument("--data", type=Path, help="a VOCdevkit; else that of $SSD_DATA_SHARED")
    parser.add_argument("--rounds", type=int, default=5, help="how often each is measured")
    parser.add_argument("--patience", type=float, default=0, help="seconds to wait for quiet")
    parser.add_argument("--quick", action="store_true", help="a smoke test; figures mean nothing")
    options = parser.parse_args(arguments)
    if unknown := set(options.topic) - set(known):
        parser.error(f"no such topic: {', '.join(sorted(unknown))}")
    devkit = find_pictures(options.data)
    if devkit is None:
        parser.error("no VOCdevkit: give --data or set SSD_DATA_SHARED")
    rounds = 1 if options.quick else options.rounds
    with work_folder(None) as folder:
        limit = 24 if options.quick else None
        source = build_trainval(devkit, folder / "lmdb", limit)
        setting = Context(folder, devkit, options.quick, rounds, options.patience)
        for name in options.topic or known:
            measure = TOPICS[name] if name in TOPICS else partial(speed, name=name)
            print(show(measure(setting, source)), flush=True)
    return 0


def build_trainval(devkit: Path, out: Path, limit: int | None = None) -> Path:
    """An LMDB of VOC2007's trainval pictures in the order of their list."""
    options = BuildOptions(shuffle=False, limit=limit)
    build(find("voc2007", root=devkit), out, options, splits=["trainval"])
    return next(out.glob("*trainval_lmdb"))


def layer_of(name: str, source: Path) -> caffe_pb2.LayerParameter:
    """The training data layer of a family, as published."""
    layer = generate(LAYERS[name][0], 21).nets["train"].layer[0]
    layer.data_param.source = str(source)
    return layer


def speed(setting: Context, source: Path, name: str) -> Topic:
    """Pictures a second, with the JPEG round trips and without, against the stand-in."""
    layer = layer_of(name, source)
    works = datalayer.draw(layer)
    count = len(works)
    rounds = Rounds(setting)
    ways = [(again, workers) for again in TARGETS for workers in (1, WORKERS)]
    for number in range(setting.rounds):
        rounds.time("stand-in", lambda _: datalayer.run(works, layer))
        for again, workers in ways:
            rounds.time(
                _label(again, workers), partial(_epoch, layer, count, again, workers, number)
            )
    original = f"; the original {LAYERS[name][2]}"
    results = [Result("stand-in", "", rounds.speed("stand-in", count) + original)]
    taken = _batches(count, layer) * layer.data_param.batch_size
    for again, workers in ways:
        label = _label(again, workers)
        ratio = rounds.ratio("stand-in", label) * taken / count
        target = TARGETS[again] if workers == WORKERS else ""
        results.append(Result(label, rounds.speed(label, taken), "", ratio, target))
    for again in TARGETS:
        ours = [s / taken for s in rounds.busy[_label(again, WORKERS)]]
        theirs = [s / count for s in rounds.busy["stand-in"]]
        ratio = median(b / a for a, b in zip(ours, theirs, strict=True))
        shown = [f"{1000 * median(s):.1f} ms a picture" for s in (ours, theirs)]
        results.append(Result(f"processor time, {_trips(again)}", *shown, ratio))
    note = f"{count} pictures, {setting.rounds} rounds; meanwhile other processes took up to "
    note += f"{max(rounds.others):.1f} processors."
    return Topic(f"{name}: the training data layer", results, [note])


def _label(again: bool, workers: int) -> str:
    return f"{_trips(again)}, {workers} worker{'s' * (workers > 1)}"


def _trips(again: bool) -> str:
    return "round trips" if again else "no round trips"


def _batches(count: int, layer: caffe_pb2.LayerParameter) -> int:
    """Whole batches that hold ``count`` pictures."""
    return -(-count // layer.data_param.batch_size)


def _epoch(
    layer: caffe_pb2.LayerParameter, count: int, again: bool, workers: int, seed: int, _: Path
) -> None:
    """From the start of the threads to their end, and what they have read ahead."""
    with Batches(layer, workers=workers, jpeg_roundtrip=again, seed=seed) as batches:
        for _batch in islice(batches, _batches(count, layer)):
            pass


def statistics(setting: Context, source: Path) -> Topic:
    """How far the distributions lie from the original's: Kolmogorov-Smirnov, the worst column."""
    draws = 48 if setting.quick else DRAWS
    results = []
    for name, (_, file, _) in LAYERS.items():
        assert setting.data is not None
        reference = golden(setting.data.parents[1] / "golden" / f"augment_{file}.npz")
        for again in TARGETS:
            start = time.perf_counter()
            columns = Columns()
            with Batches(layer_of(name, source), seed=1, jpeg_roundtrip=again) as batches:
                columns.take(batches, draws)
            found = distances(columns.arrays(), reference)
            worst = max(found, key=lambda column: found[column])
            shown = ", ".join(f"{column} {value:.4f}" for column, value in found.items())
            took = time.perf_counter() - start
            what = f"{name}, {_trips(again)} ({took:.0f} s)"
            results.append(Result(what, shown, f"worst: {worst}", found[worst], "<= 0.05"))
    return Topic("Kolmogorov-Smirnov statistics", results, [f"{draws} pictures each."])


def elements(setting: Context, source: Path) -> Topic:
    """What each element of augmentation costs, as a share of the layer's own work without it: the
    processor's time of a batch on two threads, with pictures in memory and without."""
    rounds, count = Rounds(setting), 12 if setting.quick else 96
    cases = {"none": (), **{n: (kind(prob=1.0),) for n, kind in known_elements().items()}}
    cases["all, as often as by default"] = tuple(kind() for kind in known_elements().values())
    ways = [(name, cache) for name in LAYERS for cache in (0, CACHE)]
    for number in range(setting.rounds):
        for (name, cache), (label, chosen) in product(ways, cases.items()):
            layer = layer_of(name, source)
            layer.data_param.batch_size = 12
            plan = FeedPlan(elements=chosen)
            with Batches(
                layer, workers=WORKERS, seed=number, plan=plan, cache=cache, jpeg_roundtrip=False
            ) as batches:
                if cache and not setting.quick:
                    _take(batches, -(-len(batches) // 12), setting.folder)
                run = partial(_take, batches, count // 12)
                rounds.time(f"{name} {cache} {label}", run)
    results = []
    for name, cache in ways:
        base = rounds.busy[f"{name} {cache} none"]
        for label in cases:
            own = rounds.busy[f"{name} {cache} {label}"]
            ratio = median(a / b for a, b in zip(own, base, strict=True))
            kept = "kept in memory" if cache else "decoded"
            what = f"{name}, pictures {kept}: {label}"
            results.append(
                Result(what, f"{1000 * median(own) / count:.1f} ms a picture", "", ratio)
            )
    note = f"{count} pictures, {setting.rounds} rounds, no JPEG round trips; the ratio is to none."
    return Topic("elements of augmentation: processor time", results, [note])


def _take(batches: Batches, count: int, _: Path) -> None:
    for _batch in islice(batches, count):
        pass


TOPICS = {"statistics": statistics, "elements": elements}

if __name__ == "__main__":
    sys.exit(main())
