"""Measure what planning a build of very many pictures takes: ``python -m benchmarks.planning``.

The scan, the digests, the cut into shards and their tasks are those of a build; pictures and
annotations are made up as they are asked for, so that what is kept is what a build keeps.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

import numpy as np

from benchmarks.shared import Context, Result, Topic, mebibytes, run_child, run_topic
from ssd_data.core.files.spill import Spill
from ssd_data.core.labelmap import LabelMap
from ssd_data.core.progress import untracked
from ssd_data.core.structures import AnnotatedImage
from ssd_data.core.tasks import Size
from ssd_data.data import spread
from ssd_data.data.build.options import BuildOptions
from ssd_data.data.build.plan import plan
from ssd_data.data.build.sharding.driver import Sharding, Shards
from ssd_data.data.build.sharding.inputs import ShardInputs
from ssd_data.data.build.sharding.task import ShardOutcome, ShardTask
from ssd_data.data.dataset import Dataset, DatasetSplit
from ssd_data.data.spread import Stamp

A_SHARD = 1000  # pictures
COUNTS = (100_000, 1_000_000)


def main(arguments: Sequence[str] | None = None) -> int:
    """Plan, each time in a process of its own, and print the table."""
    parser = argparse.ArgumentParser("python -m benchmarks.planning", description=__doc__)
    parser.add_argument("--pictures", type=int, nargs="+", default=COUNTS)
    return run_topic(
        parser,
        lambda setting, asked: measure(setting, [3000] if asked.quick else asked.pictures),
        arguments,
    )


def measure(setting: Context, counts: Sequence[int]) -> Topic:
    """Memory and time of each number of pictures; of none, what Python and its packages take."""
    alone = run_child(setting, "plan", entries=0, shards=1)
    results = [Result("no pictures: peak memory", mebibytes(alone.anonymous))]
    for count in counts:
        made = run_child(setting, "plan", entries=count, shards=max(1, count // A_SHARD))
        each = made.answer["cpu"] / count * 1e6
        what = f"{count:,} pictures, {made.answer['shards']:,} shards: peak memory"
        results.append(Result(what, f"{mebibytes(made.anonymous)}, {each:.0f} µs of CPU a picture"))
    about = "each picture with two boxes; names that a folder's listing keeps are not among it"
    return Topic("Planning a build", results, [about])


def plan_made_up(entries: int, shards: int) -> dict[str, Any]:
    """CPU seconds of a plan, and how many shards it has; in this process."""
    begun = time.process_time()
    if not entries:
        return {"cpu": 0.0, "shards": 0}
    labels = LabelMap.from_names(["cat", "dog"], ["cat", "dog"], "made up")
    with TemporaryDirectory() as name:
        root = Path(name)
        split = {"train": DatasetSplit((), shuffle=True)}
        found = Dataset("made_up", root, "voc", split, {"trainval_lmdb": "train"}, settled=labels)
        with (
            patch.object(Dataset, "entries", lambda *_: _entries(entries)),
            patch.object(spread, "stamps", _stamps),
        ):
            made = plan(found, BuildOptions(), ["train"], labels)
            scan, stamps = made.scans()["train"], Spill[Stamp]()
            scan.input_digest(root, stamps.append)
            inputs = ShardInputs(scan, stamps, made.options)
        sharding: Any = Sharding(shards, _Nobody(), 1)  # type: ignore[arg-type]
        job = Shards(root, made.options, sharding, root / "part", False, untracked)
        pieces = job.build("train", inputs, root / "old")[0].pieces
        named = sum(1 for piece in pieces for _ in inputs.paths(piece.cut))
    assert named == entries
    return {"cpu": time.process_time() - begun, "shards": len(pieces)}


def _entries(count: int) -> Iterator[AnnotatedImage]:
    for number in range(count):
        yield AnnotatedImage(
            image=f"JPEGImages/picture{number:08}.jpg",
            annotation=f"Annotations/picture{number:08}.xml",
            classes=("cat", "dog"),
            boxes=np.array([[1, 2, 30, 40], [5, 6, 70, number % 300 + 9]], np.float32),
            difficult=np.zeros(2, np.bool_),
            width=500,
            height=375,
            places=(7, 13),
        )


def _stamps(root: Path, paths: Iterable[str], look: Callable[[str], Stamp]) -> Iterator[Stamp]:
    return ((115_000, 1_700_000_000_000_000_000 + number) for number, _ in enumerate(paths))


class _Nobody:
    """Takes the tasks of a build, and lets each go."""

    is_local = False
    size = Size()

    def run(
        self, function: object, tasks: Iterable[ShardTask], needs: object
    ) -> Iterator[tuple[int, ShardOutcome]]:
        """See :func:`ssd_data.core.tasks.run`."""
        for number, task in enumerate(tasks):
            yield number, ShardOutcome(task.name)


if __name__ == "__main__":
    sys.exit(main())
