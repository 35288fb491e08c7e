"""Builds on a Ray cluster while its nodes are killed: ``python -m hard.nodes --kills 50``."""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import traceback
from pathlib import Path

from support.attack import Clock, Row
from support.nodekills import node_kills

IN_A_BUILD = 6  # kills, at most
MOST_FINDINGS = 5  # then it ends


def attack(seconds: float, seed: int, kills: int | None = None) -> Row:
    """See ``tests/hard/__main__.py``.

    Args:
        kills: it ends after so many, too.
    """
    row, clock = Row("nodes"), Clock(seconds)
    with tempfile.TemporaryDirectory() as folder, node_kills(Path(folder), seed) as world:
        while not clock.is_over and (kills is None or world.kills < kills):
            if len(row.findings) >= MOST_FINDINGS:
                break
            left = IN_A_BUILD if kills is None else min(IN_A_BUILD, kills - world.kills)
            try:
                world.round(left)
            except Exception as error:
                row.found(f"seed {seed}, build {world.builds}: {told(error)}")
            row.executions, row.kills = world.builds, world.kills
    row.seconds = clock.spent
    row.reached = (
        f"{world.builds} builds on a Ray cluster, {world.kills} nodes killed; {world.lost} tasks "
        f"were given out again, {world.again} builds run again"
    )
    return row


def told(error: Exception) -> str:
    """An error, and the calls that led to it."""
    calls = traceback.extract_tb(error.__traceback__)
    places = " > ".join(f"{Path(call.filename).name}:{call.lineno} {call.name}" for call in calls)
    return f"{type(error).__name__}: {error} ({places})"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m hard.nodes", description=__doc__)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=3600.0)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 16))
    given = parser.parse_args()
    row = attack(given.seconds, given.seed, given.kills)
    print(f"{row.reached}; {row.seconds:.0f} s, seed {given.seed}")
    print("\n".join(row.findings) or "nothing was found")
    sys.exit(bool(row.findings))


if __name__ == "__main__":
    main()
