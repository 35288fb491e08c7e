"""Measure the build: ``python -m benchmarks.build [TOPIC …]``; the README explains the topics."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.shared import Context, find_data, show, work_folder
from benchmarks.topics import TOPICS
from ssd_data.data import formats


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the topics and print a table each."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if unknown := set(options.topic) - set(TOPICS):
        parser.error(f"no such topic: {', '.join(sorted(unknown))}")
    list(formats.all_formats())  # imports every format
    topics = []
    with work_folder(options.dir) as folder:
        rounds = 1 if options.quick else options.rounds
        data = find_data(options.data)
        setting = Context(folder, data, options.quick, rounds, options.patience)
        for name in options.topic or TOPICS:
            topic = TOPICS[name](setting)
            print(show(topic), flush=True)
            topics.append(topic)
    if options.json:
        options.json.write_text(json.dumps([t.to_json() for t in topics], indent=1) + "\n")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m benchmarks.build", description=__doc__)
    known = ", ".join(TOPICS)
    parser.add_argument("topic", nargs="*", help=f"{known}; all of them by default")
    parser.add_argument("--dir", type=Path, help="work below this folder, else the current one")
    parser.add_argument("--data", type=Path, help="pictures in WIDER FACE's layout")
    parser.add_argument("--json", type=Path, help="keep the figures in this file")
    parser.add_argument("--rounds", type=int, default=5, help="how often each is measured")
    parser.add_argument("--patience", type=float, default=0, help="seconds to wait for quiet")
    parser.add_argument("--quick", action="store_true", help="a smoke test; figures mean nothing")
    return parser


if __name__ == "__main__":
    sys.exit(main())
