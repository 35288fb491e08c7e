"""A training run's folder: which net and which snapshot to ship."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

from ssd_data.core.errors import InputError
from ssd_data.core.files.paths import read_text
from ssd_data.nets.prototxt import read_prototxt
from ssd_data.proto import caffe_pb2

DEPLOY, SOLVER, TABLE = "deploy.prototxt", "solver.prototxt", ".jsonl"
LABELMAP = "labelmap.prototxt"
_SNAPSHOT = re.compile(r"(?P<prefix>.+)_iter_(?P<iteration>\d{1,9})\.caffemodel")
HINT = "Give DEPLOY and WEIGHTS"


@dataclass(frozen=True, slots=True)
class RunDir:
    """What of a run is shipped, and why that snapshot."""

    deploy: Path
    weights: Path
    labelmap: Path | None
    why: str


def read_run_dir(folder: Path) -> RunDir:
    """The deploy net of a folder and its best snapshot: that of the best test by its first output,
    as the run's table has it; without tests the newest.

    Snapshots are looked for in the folder and where ``solver.prototxt`` says (from there, or from
    the folder above).

    Raises:
        InputError: it is no such folder, or holds no snapshot.
    """
    if not folder.is_dir():
        raise InputError("is no folder, and no WEIGHTS are given", where=folder, hint=HINT)
    if not (folder / DEPLOY).is_file():
        raise InputError(f"the folder has no {DEPLOY}", where=folder, hint=HINT)
    found = [(place, *parts) for place in places(folder) for parts in snapshots(place)]
    if not found:
        raise InputError(
            "the folder has no snapshot (*_iter_N.caffemodel)", where=folder, hint=HINT
        )
    weights, why = _best(found)
    labelmaps = [path for path in (folder / LABELMAP, folder.parent / LABELMAP) if path.is_file()]
    return RunDir(folder / DEPLOY, weights, labelmaps[0] if labelmaps else None, why)


def places(folder: Path) -> list[Path]:
    """Folders that may hold a run's snapshots, each once: its own, and where its solver says.

    Raises:
        InputError: ``solver.prototxt`` is no solver.
    """
    found = [folder]
    if (folder / SOLVER).is_file():
        solver = read_prototxt(folder / SOLVER, caffe_pb2.SolverParameter).message
        prefix = Path(solver.snapshot_prefix)
        found += [(base / prefix).parent for base in (folder, folder.parent, Path())]
    there = {place.resolve(): place for place in found if _is_folder(place)}
    return list(there.values())


def _is_folder(place: Path) -> bool:
    """Also of a name that no folder can have."""
    try:
        return place.is_dir()
    except (OSError, ValueError):
        return False


def snapshots(place: Path) -> list[tuple[str, int, Path]]:
    """(prefix, iteration, caffemodel) of a folder's snapshots."""
    matches = ((path, _SNAPSHOT.fullmatch(path.name)) for path in sorted(place.iterdir()))
    return [(m["prefix"], int(m["iteration"]), path) for path, m in matches if m]


def _best(found: list[tuple[Path, str, int, Path]]) -> tuple[Path, str]:
    scores: dict[tuple[Path, str], dict[int, float]] = {}
    for place, prefix, _, _ in found:
        if (place, prefix) not in scores:
            scores[place, prefix] = _tests(place / f"{prefix}{TABLE}")
    tested = [(scores[p, x][i], i, path) for p, x, i, path in found if i in scores[p, x]]
    if tested:
        value, iteration, path = max(tested, key=lambda item: item[:2])
        return path, f"the best test, {value:.4f} at iteration {iteration}"
    _, _, iteration, path = max(found, key=lambda item: (item[2], item[3].stat().st_mtime))
    return path, f"the newest, iteration {iteration}; no test says which is best"


def _tests(table: Path) -> dict[int, float]:
    """Iteration → the first output of its test."""
    values: dict[int, float] = {}
    if not table.is_file():
        return values
    for line in read_text(table, "table of the run").splitlines():
        try:
            row = json.loads(line)
            if row["event"] == "test" and not row.get("net"):
                values[int(row["iteration"])] = float(next(iter(row["outputs"].values())))
        except (ValueError, KeyError, TypeError, AttributeError, StopIteration, RecursionError):
            continue  # a line that was cut short
    return values
