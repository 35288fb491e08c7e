"""Millions of changed inputs to every reader, see ``support/fuzz``.

    python -m hard fuzz --seconds 60 --seed 3

What is found is made small and saved in ``build/fuzz``; ``SSD_DATA_FUZZ=voc,record`` attacks only
the targets whose names hold one of these.
"""

from __future__ import annotations

import os

from support.attack import Clock, Row
from support.fuzz.campaign import Campaign, table
from support.fuzz.targets import all_targets


def attack(seconds: float, seed: int) -> Row:
    clock = Clock(seconds)
    row = Row("fuzz")
    words = os.environ.get("SSD_DATA_FUZZ", "").split(",")
    chosen = [one for one in all_targets() if any(word in one.name for word in words)]
    campaign = Campaign(chosen, seed)
    while not clock.is_over:
        campaign.round(clock)
    for line in campaign.faults.values():
        row.found(line)
    row.executions = sum(subject.executions for subject in campaign.subjects)
    row.seconds = clock.spent
    reached, lines = campaign.coverage
    row.reached = f"{len(chosen)} readers, {100 * reached // max(lines, 1)} % of {lines:,} lines"
    print(table(campaign))
    return row
