"""The least input that still shows a fault, found by leaving pieces out."""

from __future__ import annotations

from collections.abc import Callable

from support.attack import Clock
from support.fuzz.judge import Fault
from support.fuzz.pool import outcome
from support.fuzz.target import Case, Target

MOST_BYTES = 1 << 17


def shrunk(
    target: Target, seeds: list[Case], fault: Fault, case: Case, seconds: float = 15.0
) -> tuple[Case, bool]:
    """A small input of the same fault, and whether it is seen again at all."""
    clock = Clock(seconds)

    def still(tried: Case) -> bool:
        found = outcome(target, tried)
        return found is not None and found.key == fault.key

    if not still(case):
        return case, False
    case = _with_good_files(seeds, case, still)
    for name in sorted(case):
        good = any(case[name] == seed.get(name) for seed in seeds)
        if not good and len(case[name]) <= MOST_BYTES:
            case = {**case, name: _less(case, name, still, clock)}
    return case, True


def _with_good_files(seeds: list[Case], case: Case, still: Callable[[Case], bool]) -> Case:
    for name in sorted(case):
        without = {other: data for other, data in case.items() if other != name}
        goods = [{**case, name: seed[name]} for seed in seeds if name in seed]
        for tried in (without, *goods[:3]):
            if tried != case and tried and still(tried):
                case = tried
                break
    return case


def _less(case: Case, name: str, still: Callable[[Case], bool], clock: Clock) -> bytes:
    data = case[name]
    size = max(len(data) // 2, 1)
    while data and not clock.is_over:
        at = 0
        while at < len(data) and not clock.is_over:
            tried = data[:at] + data[at + size :]
            if still({**case, name: tried}):
                data = tried
            else:
                at += size
        if size == 1:
            break
        size //= 2
    return data
