"""Detections and true boxes as any tool wrote them, scored."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from ssd_data import SsdDataError
from ssd_data.evaluation.sources import EvalChoice, open_set
from ssd_data.metrics import ScoreOptions, recognise, score
from support.fuzz.cases import built
from support.fuzz.target import Case, Target
from support.fuzz.targets.databases import lmdb
from support.scored import CocoScored, VocScored, Wider

EXTRAS = ("by-size", "confusion", "thresholds", "errors")


def scored(metric: str, truth: str, found: str) -> Callable[[Path], list[str]]:
    def run(folder: Path) -> list[str]:
        with suppress(SsdDataError):
            recognise(folder / found)
        options = ScoreOptions(missing="count", extras=EXTRAS)
        made = score(metric, folder / truth, folder / found, options)
        made.to_json()
        return [f"{kind}: {place}" for kind, n in made.notes.kinds.items() for place in n.listed]

    return run


def target(metric: str, make: type, truth: str, found: str, kept: Sequence[str] = ()) -> Target:
    reads = (f"metrics.{metric}",)
    shared = ("metrics.files", "metrics.lines", "metrics.columns", "metrics.conventions",
              "metrics.comparable", "metrics.readings")  # fmt: skip
    return Target(
        f"score.{metric}", lambda: [built(make)], scored(metric, truth, found),
        reads + shared if metric == "voc" else reads, tuple(kept), renames=True, batch=100,
    )  # fmt: skip


def opened() -> list[Case]:
    return [lmdb(3) | {"test_name_size.txt": b"0 24 32\n1 24 32\n2 24 32\n"}]


def open_one(folder: Path) -> None:
    chosen = open_set(folder / "test_lmdb", EvalChoice(metric="voc"))
    for index in range(len(chosen.names)):
        with suppress(SsdDataError):
            chosen.read(index)


TARGETS = [
    target("voc", VocScored, "VOC2007", "results"),
    target("coco", CocoScored, "instances.json", "results.json"),
    target("widerface", Wider, "ground_truth", "pred"),
    Target(
        "evaluated-set",
        opened,
        open_one,
        ("evaluation.sources",),
        kinds={"labelmap.prototxt": "labelmap"},
        batch=150,
    ),
]
