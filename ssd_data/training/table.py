"""A run's table, ``<prefix>.jsonl``, read back: one event a line, whoever wrote it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, TypeAlias

from ssd_data.core.files.paths import read_bytes

Row: TypeAlias = dict[str, Any]

MOST_BYTES = 1 << 30
MOST_ITERATION = 1 << 31  # Caffe counts them in an int
BEGIN, TRAIN, TEST, SNAPSHOT = "begin", "train", "test", "snapshot"
COUNTED = (TRAIN, TEST, SNAPSHOT)  # their rows have an iteration


def read_rows(path: Path) -> tuple[list[Row], int]:
    """All events as they stand there, and how many lines are none: cut short, or not a table's.

    A row is a dict with an ``event``, and of those in :data:`COUNTED` with an ``iteration``; the
    rest is whatever the file says.

    Raises:
        InputError: the file is missing or too large.
    """
    text = read_bytes(path, "table of the run", MOST_BYTES).decode("utf-8", "replace")
    rows: list[Row] = []
    broken = 0
    for line in text.split("\n"):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            row = None
        if _is_event(row):
            rows.append(row)
        else:
            broken += 1
    return rows, broken


def _is_event(row: object) -> bool:
    if not isinstance(row, dict) or not isinstance(row.get("event"), str):
        return False
    iteration = row.get("iteration")
    if row["event"] not in COUNTED and iteration is None:
        return True
    return type(iteration) is int and 0 <= iteration < MOST_ITERATION


def continuous(rows: list[Row]) -> list[Row]:
    """One curve of several runs on one table.

    Where a run went on from a snapshot, or began again, what was told of later iterations is left
    out.
    """
    kept: list[Row] = []
    for row in rows:
        if kept and kept[-1]["event"] == BEGIN and "iteration" in row:
            first = row["iteration"] - (row["event"] == SNAPSHOT)
            kept = [old for old in kept if old.get("iteration", -1) < first]
        kept.append(row)
    return kept
