"""A run's table as anybody may have changed it: each value in turn is of another kind."""

from __future__ import annotations

import json
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from support.fuzz.targets.training import TABLE, run_read

from ssd_data.core.errors import InputError
from ssd_data.training.run_folder import continuous, read_rows

ODD = [None, True, -1, 2.5, 10**400, float("nan"), "x", [], [None], {}, {"a": {}}]
MORE = {"iteration": 0, "resumed": "a_iter_3.solverstate", "options": {"extras": {"a": 1}}}
ROWS = [{**MORE, **row} for row in TABLE]


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The ways to all that lies in it."""
    if path:
        yield path
    inner = dict(enumerate(value)) if isinstance(value, list) else value
    for key, below in inner.items() if isinstance(inner, dict) else ():
        yield from places(below, (*path, key))


def changed(rows: list[Any], path: tuple[Any, ...], value: Any) -> list[Any]:
    rows = deepcopy(rows)
    place: Any = rows
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return rows


def write(path: Path, rows: list[Any]) -> None:
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))


def test_an_iteration_that_is_null_is_none(tmp_path: Path) -> None:
    table = tmp_path / "a.jsonl"
    rows = [TABLE[1], {"event": "begin", "iteration": None}, {"event": "end", "iteration": None}]
    write(table, [*rows, *TABLE[2:4]])
    found, broken = read_rows(table)
    assert broken == 0
    assert ["iteration" in row for row in found] == [True, False, False, True, True]
    assert continuous(found) == found


@pytest.mark.parametrize("odd", ODD, ids=lambda odd: str(odd)[:9])
def test_values_of_every_other_kind(odd: Any, tmp_path: Path) -> None:
    (tmp_path / "solver.prototxt").write_text("max_iter: 3")
    for path in places(ROWS):
        write(tmp_path / "snap.jsonl", [*ROWS, *changed(ROWS, path, odd), *ROWS])
        try:
            run_read(tmp_path)
        except InputError as error:
            pytest.fail(f"{path} {error}")  # the other rows are sound
