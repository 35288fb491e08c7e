"""Measures what ``docs/from-one-machine-to-many.md`` tells, and writes its tables.

``make figures``; ``ONLY="ray shards"`` some of them: ``ray`` (workers), ``shards`` (merging,
reading, the cache), ``planning`` (the driver's memory), ``many`` (scores), ``cluster`` (ten million
pictures, by arithmetic). Each takes some minutes on a machine that has nothing else to do, and what
it had measured before stands until it ends.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

PAGE = Path(__file__).with_name("from-one-machine-to-many.md")
PARTS = ("ray", "shards", "planning", "many", "cluster")
OPTIONS = {"cluster": ("--measure", "300")}
QUICK = {"cluster": ("--measure", "12", "--pictures", "100000", "--shards", "50", "400")}


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, and write each table as it is there."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}")
    parser.add_argument("--dir", type=Path, default=Path(), help="work below this folder")
    parser.add_argument("--page", type=Path, default=PAGE)
    parser.add_argument("--quick", action="store_true", help="a smoke test; figures mean nothing")
    options = parser.parse_args(arguments)
    for part in options.parts or PARTS:
        if part not in PARTS:
            parser.error(f'there is no part "{part}": {", ".join(PARTS)}')
        more = QUICK.get(part, ("--quick",)) if options.quick else OPTIONS.get(part, ())
        found, load = measured(part, options.dir, more)
        lines = told_cluster(found) if part == "cluster" else told(found)
        write(options.page, part, [*lines, machine(load)])
    return 0


def measured(part: str, folder: Path, more: Sequence[str]) -> tuple[Any, float]:
    """What a benchmark finds, and how busy the machine was before."""
    load = os.getloadavg()[0]
    with TemporaryDirectory() as kept:
        file = Path(kept) / "figures.json"
        given = ["--dir", str(folder.absolute()), "--json", str(file), *more]
        root = Path(__file__).parent.parent
        subprocess.run([sys.executable, "-m", f"benchmarks.{part}", *given], check=True, cwd=root)
        return json.loads(file.read_text()), load


def told(found: Any) -> Iterator[str]:
    """The tables of topics, as :class:`benchmarks.shared.Topic` writes them."""
    for topic in found if isinstance(found, list) else [found]:
        yield from (f"{topic['title']}:", "")
        yield from ("| | | over | times |", "|---|--:|--:|--:|")
        for row in topic["results"]:
            ratio = "" if row["ratio"] is None else f"{row['ratio']:.2f}"
            yield f"| {row['what']} | {row['ours']} | {row['reference']} | {ratio} |"
        yield ""
        for note in topic["notes"]:
            yield from (f"{note[:1].upper()}{note[1:]}.", "")


def told_cluster(found: dict[str, Any]) -> Iterator[str]:
    """What bounds a build, and when its workers are done, by number of shards."""
    supposed = found["supposed"]
    picture, entry = supposed["picture"] * 1e3, supposed["entry"] * 1e6
    yield (
        f"Supposed: {supposed['pictures']:,} pictures of {supposed['size'] / 1000:.0f} kB on "
        f"{supposed['machines']:,} machines of {supposed['cpus']} CPUs with "
        f"{supposed['link'] * 8 / 1e9:g} Gbit/s each, a store that gives "
        f"{supposed['store'] / 1e9:g} GB/s; measured here: {picture:.2f} ms of CPU a picture, "
        f"{entry:.0f} µs of the driver."
    )
    yield from ("", "| | at least |", "|---|--:|")
    yield from (f"| {what} | {seconds:,.0f} s |" for what, seconds in found["bounds"].items())
    cases = found["cases"]
    yield from ("", "Workers, until the last shard is there, seconds:", "")
    yield "| shards | planned in | " + " | ".join(cases) + " |"
    yield "|--:|" + "--:|" * (len(cases) + 1)
    for rows in zip(*cases.values(), strict=True):
        shards = rows[0]["shards"]
        seconds = " | ".join(f"{row['workers']:,.0f}" for row in rows)
        yield f"| {shards:,} | {found['planned'][str(shards)]:.1f} s | {seconds} |"
    yield ""


def machine(load: float) -> str:
    """Where and when."""
    count = os.cpu_count() or 1
    busy = " Others ran at the same time: times are rough." if load > 1 else ""
    return f"({date.today()}, {count} processors, load before {load:.1f}.{busy})"


def write(page: Path, part: str, lines: Sequence[str]) -> None:
    """The page with these lines between the part's two marks."""
    begin, end = f"<!-- figures: {part} -->", f"<!-- /figures: {part} -->"
    before, mark, rest = page.read_text("utf-8").partition(begin)
    _, other, after = rest.partition(end)
    if not mark or not other:
        raise SystemExit(f"{page} has no {begin} … {end}")
    made = "\n".join([begin, "", *lines, "", end])
    page.write_text(before + made + after, "utf-8")


if __name__ == "__main__":
    sys.exit(main())
