"""Runs that differ in their seed alone, as one; and what the others differ in."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, median, stdev
from typing import Any, TypeAlias

import numpy as np
from google.protobuf import json_format

from ssd_data.core.errors import InputError
from ssd_data.nets.prototxt import read_prototxt, to_text
from ssd_data.pages.report.history import Points, known
from ssd_data.pages.report.run_subject import RunSubject
from ssd_data.proto import caffe_pb2
from ssd_data.training.recipe.change import flat

Traits: TypeAlias = dict[str, str]

# What says nothing of how a net is trained.
PLACES = {
    "trainNet", "testNet", "net", "snapshotPrefix", "randomSeed", "display", "snapshot", "testIter",
    "testInterval", "testInitialization", "solverMode", "deviceId", "averageLoss", "weights",
    "snapshotAfterTrain", "snapshotDiff", "debugInfo", "showPerClassResult",
}  # fmt: skip
OF_FEW = 2  # runs that a spread needs


@dataclass(frozen=True, slots=True)
class RunGroup:
    """Runs that are trained alike, by several seeds.

    Attributes:
        title: what they are called. traits: what they have in common, name to value.
    """

    title: str
    runs: tuple[RunSubject, ...]
    traits: Traits

    def scores(self) -> dict[int, float]:
        """Seed to the last score; a run without a test has none."""
        lasts = ((seed_of(run), run.history.summary()["last_score"]) for run in self.runs)
        return {seed: score for seed, score in lasts if score is not None}

    def milliseconds(self) -> float | None:
        """Of an iteration, the median over the runs; None where nothing says."""
        found = []
        for run in self.runs:
            pictures, speed = run.pictures(), known(run.history.speed(run.pictures()))[1]
            if pictures and len(speed):
                found.append(1000 * pictures / float(np.median(speed)))
        return median(found) if found else None

    def curve(self, points: Callable[[RunSubject], Points]) -> Points:
        """The mean of the runs' curves, where each of them has a number."""
        curves = [dict(zip(*map(np.ndarray.tolist, points(run)), strict=True)) for run in self.runs]
        shared = sorted(set.intersection(*map(set, curves)))
        means = [mean(one[x] for one in curves) for x in shared]
        return np.array(shared, np.float64), np.array(means, np.float64)


def group_runs(subjects: Sequence[RunSubject]) -> list[RunGroup]:
    """The groups, in the order of their first runs."""
    found: dict[frozenset[tuple[str, str]], tuple[Traits, list[RunSubject]]] = {}
    for subject in subjects:
        traits = traits_of(subject)
        found.setdefault(frozenset(traits.items()), (traits, []))[1].append(subject)
    titles = _titles([runs for _, runs in found.values()])
    return [
        RunGroup(title, tuple(runs), traits)
        for title, (traits, runs) in zip(titles, found.values(), strict=True)
    ]


def differing(groups: Sequence[RunGroup]) -> list[str]:
    """The names of the traits that are not the same in all groups."""
    names = dict.fromkeys(name for group in groups for name in group.traits)
    return [name for name in names if len({group.traits.get(name) for group in groups}) > 1]


def gain(group: RunGroup, base: RunGroup) -> tuple[float, float | None] | None:
    """The mean of the differences of scores from the base's of the same seeds, and its standard
    error where there are several; None where no seed is in both, or one was trained longer."""
    if len({run.history.last for one in (group, base) for run in one.runs}) > 1:
        return None
    own, theirs = group.scores(), base.scores()
    found = [own[seed] - theirs[seed] for seed in own if seed in theirs]
    if not found:
        return None
    many = len(found) >= OF_FEW
    return mean(found), stdev(found) / math.sqrt(len(found)) if many else None


def seed_of(run: RunSubject) -> int:
    """What all that is random in it came from; 0 where nothing says."""
    options = run.facts.get("options")
    told = options.get("seed") if isinstance(options, dict) else None
    seed = run.facts.get("seed", told)
    if isinstance(seed, int):
        return seed
    return max(run.solver.random_seed, 0) if run.solver is not None else 0


def traits_of(run: RunSubject) -> Traits:
    """What a run is trained by: its recipe, what it has beyond the original, solver and nets."""
    found = ((name, value) for name, value in _traits(run) if value not in (None, "", []))
    return {name: f"{v:.6g}" if isinstance(v, float) else str(v) for name, v in found}


def _traits(run: RunSubject) -> Iterator[tuple[str, Any]]:
    options = run.facts.get("options")
    options = options if isinstance(options, dict) else {}
    recipe = options.get("recipe")
    if isinstance(recipe, dict):
        yield from flat({key: value for key, value in recipe.items() if key != "origin"})
    elif recipe is not None:
        yield "recipe", recipe
    extras = options.get("extras")
    yield from flat(extras if isinstance(extras, dict) else {})
    yield "max_iter", options.get("max_iter")
    weights = options.get("weights")
    yield "weights", ", ".join(map(str, weights)) if isinstance(weights, list) else weights
    yield "jpeg_roundtrip", options.get("jpeg_roundtrip")
    if run.solver is not None:
        for name, value in json_format.MessageToDict(run.solver).items():
            if name not in PLACES:
                yield f"solver.{name}", value
    yield "training net", _digest(run.train)
    yield "batch", run.pictures() or None


def _digest(net: Path | None) -> str | None:
    """Some letters that stand for a net; of one that cannot be read none."""
    if net is None:
        return None
    try:
        message = read_prototxt(net, caffe_pb2.NetParameter).message
    except InputError:
        return None
    return hashlib.sha256(to_text(message).encode()).hexdigest()[:8]


def _titles(groups: Sequence[Sequence[RunSubject]]) -> list[str]:
    """Names that tell them apart: those given, of their recipes, of the folders above, else of the
    runs."""
    ways: list[Callable[[RunSubject], str]] = [
        _given_title,
        _recipe_name,
        lambda run: run.path.resolve().parent.name,
        lambda run: run.title,
    ]
    for way in ways:
        found = [{way(run) for run in runs} for runs in groups]
        names = [min(each) for each in found]
        if all(len(each) == 1 for each in found) and len({*names, ""}) == len(groups) + 1:
            return names
    return [runs[0].title for runs in groups]


def _given_title(run: RunSubject) -> str:
    """What a run is called, where that is not its path's."""
    return "" if run.title in (run.path.resolve().name, str(run.path)) else run.title


def _recipe_name(run: RunSubject) -> str:
    options = run.facts.get("options")
    recipe = options.get("recipe") if isinstance(options, dict) else None
    if recipe is None:
        return "original"
    origin = recipe.get("origin") if isinstance(recipe, dict) else recipe
    return Path(str(origin)).stem
