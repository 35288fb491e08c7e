"""Jobs whose memory is watched from outside, each run in a fresh process: see ``run_child``.

The answer is one JSON line: seconds, taken after all imports, and what else the job tells.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ssd_data.core.notes import Tally
from ssd_data.data import formats
from ssd_data.data.build.builder import build
from ssd_data.data.build.options import BuildOptions
from ssd_data.data.build.scan import scan
from ssd_data.data.find import recognise

Answer = dict[str, Any]


def _build(root: str, out: str, workers: int) -> Answer:
    """A whole build."""
    result = build(recognise(Path(root)), out, BuildOptions(), workers=workers)
    return {"records": sum(s["records"] for s in result.manifest["splits"].values())}


def _entries(root: str) -> Answer:
    """All annotations, read and let go one by one."""
    dataset = recognise(Path(root))
    split = next(iter(dataset.splits))
    return {"entries": sum(1 for _ in dataset.entries(split, Tally()))}


def _scan(root: str) -> Answer:
    """All annotations with their labels, held as a build holds them."""
    dataset = recognise(Path(root))
    split = next(iter(dataset.splits))
    found = scan(dataset, split, dataset.classes(), BuildOptions())
    return {"boxes": sum(len(image.labels) for image in found.images)}


def _classes(root: str) -> Answer:
    """The classes alone."""
    return {"classes": len(recognise(Path(root)).classes())}


def _json(path: str) -> Answer:
    """The reference: the standard library's parser."""
    with Path(path).open("rb") as file:
        return {"keys": len(json.load(file))}


def _score(metric: str, truth: str, found: str, many: int) -> Answer:
    """Detections scored; more than ``many`` in files."""
    from ssd_data.metrics import ScoreOptions
    from ssd_data.metrics import many as columns
    from ssd_data.metrics import score as scored

    columns.MANY = many
    begun = time.process_time()
    result = scored(metric, truth, found, ScoreOptions(missing="count"))
    return {"cpu": time.process_time() - begun, "scores": repr(result.to_json())}


def _plan(entries: int, shards: int) -> Answer:
    """A build of so many made-up pictures, planned."""
    from benchmarks.planning import plan_made_up

    return plan_made_up(entries, shards)


def _nothing() -> Answer:
    """What imports alone take."""
    time.sleep(0.05)
    return {}


JOBS: dict[str, Callable[..., Answer]] = {
    "build": _build,
    "entries": _entries,
    "scan": _scan,
    "classes": _classes,
    "json": _json,
    "nothing": _nothing,
    "score": _score,
    "plan": _plan,
}


def main() -> None:
    """Run the job that the command line names."""
    job, arguments = JOBS[sys.argv[1]], json.loads(sys.argv[2])
    list(formats.all_formats())  # imports every format
    start = time.perf_counter()
    answer = job(**arguments)
    print(json.dumps({**answer, "seconds": time.perf_counter() - start}))


if __name__ == "__main__":
    main()
