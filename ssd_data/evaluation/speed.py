"""Which engine is fastest here: the same pictures through several, turn and turn about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from time import perf_counter

from ssd_data.engines import Array, Engine


@dataclass(frozen=True, slots=True)
class Speed:
    """How long an engine takes for a batch, in milliseconds.

    Attributes:
        median, fastest: of all rounds.
        relative: its median by the first engine's.
    """

    engine: str
    median: float
    fastest: float
    relative: float


def compare_speed(engines: Sequence[Engine], batch: Array, rounds: int) -> list[Speed]:
    """Run each engine once a round, each round another one first, so that what else the machine
    does meets all of them. What they do first, and once only, is not counted.

    Args:
        batch: preprocessed pictures.
    """
    for engine in engines:
        engine.forward(batch)
    times: list[list[float]] = [[] for _ in engines]
    for number in range(rounds):
        for turn in range(len(engines)):
            index = (number + turn) % len(engines)
            start = perf_counter()
            engines[index].forward(batch)
            times[index].append(1e3 * (perf_counter() - start))
    first = median(times[0])
    return [
        Speed(engine.name, median(own), min(own), median(own) / first if first else 1.0)
        for engine, own in zip(engines, times, strict=True)
    ]
