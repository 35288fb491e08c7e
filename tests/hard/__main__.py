"""The attack: ``make hard HOURS=2``, or a part of it with ``python -m hard PART``.

A part is a module of this folder with ``attack(seconds, seed)``, which returns a
:class:`support.attack.Row`. It goes on for about that long, and never raises: what it finds stands
in its row. The same seed does the same in the same order.
"""

from __future__ import annotations

import argparse
import importlib
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from support import ROOT
from support.attack import Row

LANES = [["kills", "faults"], ["fuzz"]]  # a core each
PARTS = [part for lane in LANES for part in lane]
PAGE = ROOT / "docs" / "reliability.md"
BEGIN, END = "<!-- made by: make hard -->\n", "<!-- end of what is made -->"


def run_part(part: str, seconds: float, seed: int) -> Row:
    return importlib.import_module(f"hard.{part}").attack(seconds, seed)


def run_lane(lane: list[str], seconds: float, seed: int, folder: Path) -> list[Row]:
    """Its parts one after another, each in a process of its own; one that dies is a finding."""
    rows = []
    for part in lane:
        file = folder / f"{part}.json"
        words = [sys.executable, "-m", "hard", part, "--seconds", str(seconds / len(lane))]
        words += ["--seed", str(seed), "--json", str(file)]
        status = subprocess.run(words, check=False).returncode
        row = Row.read(file) if file.exists() else Row(part)
        if status not in (0, 1) or not file.exists():
            row.found(f"the part ended with status {status}")
        rows.append(row)
    return rows


def table(rows: list[Row]) -> str:
    lines = ["| part | executions | kills | faults | hours | reached | findings |"]
    lines.append("|---|--:|--:|--:|--:|---|--:|")
    for row in rows:
        cells = [row.part, *(f"{n:,}" for n in (row.executions, row.kills, row.faults))]
        cells += [f"{row.seconds / 3600:.2f}", row.reached, str(len(row.findings))]
        lines.append(f"| {' | '.join(cells)} |")
    found = [f"- {row.part}: `{ascii(what)[1:-1][:300]}`" for row in rows for what in row.findings]
    return "\n".join([*lines, *([""] if found else []), *found]) + "\n"


def put_into(page: Path, text: str) -> None:
    """Put the table between the page's two markers."""
    before, rest = page.read_text().split(BEGIN)
    page.write_text(f"{before}{BEGIN}{text}{END}{rest.split(END)[1]}")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m hard", description=__doc__)
    parser.add_argument(
        "part", nargs="?", choices=PARTS, help="only this one; else all, and the page"
    )
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--hours", type=float, help="instead of --seconds")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, help="write the part's row there")
    given = parser.parse_args()
    seconds = given.hours * 3600 if given.hours else given.seconds
    if given.part:
        rows = [run_part(given.part, seconds, given.seed)]
        if given.json:
            rows[0].write(given.json)
    else:
        with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(len(LANES)) as pool:
            jobs = [pool.submit(run_lane, x, seconds, given.seed, Path(folder)) for x in LANES]
            rows = [row for job in jobs for row in job.result()]
        put_into(PAGE, table(rows))
    print(table(rows))
    sys.exit(any(row.findings for row in rows))


if __name__ == "__main__":
    main()
