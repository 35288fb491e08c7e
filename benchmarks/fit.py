"""Measure the matching of boxes and priors: ``python -m benchmarks.fit``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

import numpy as np

from ssd_data.families import generate
from ssd_data.families.fit.layout import Layout, read_layout
from ssd_data.families.fit.matching import match
from ssd_data.families.fit.proposals import propose
from ssd_data.families.fit.truths import Truths
from ssd_data.nets.prototxt import to_text

NETS = {"mobilenet_ssd": 21, "sfd_mobilenetv2": 2}
A_PICTURE = 2.5  # boxes of a picture, as VOC has them


def layout_of(family: str) -> Layout:
    """The priors of a family's training net."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "train.prototxt"
        path.write_text(to_text(generate(family, NETS[family]).nets["train"]))
        return read_layout(path)


def draw_truths(count: int) -> Truths:
    """Boxes of all sizes, a few a picture."""
    random = np.random.default_rng(0)
    sides = np.exp(random.uniform(np.log(0.02), np.log(0.9), (count, 2)))
    corners = random.uniform(0, 1 - sides)
    boxes = np.concatenate((corners, corners + sides), 1).astype(np.float32)
    picture = np.sort(random.integers(0, max(1, int(count / A_PICTURE)), count))
    keys = [str(number) for number in range(int(picture[-1]) + 1)]
    return Truths(keys, picture, boxes, np.ones(count, np.int32))


def main(arguments: Sequence[str] | None = None) -> int:
    """Print a line a net."""
    parser = argparse.ArgumentParser("python -m benchmarks.fit", description=__doc__)
    parser.add_argument("--boxes", type=int, default=100_000)
    options = parser.parse_args(arguments)
    truths = draw_truths(options.boxes)
    for family in NETS:
        layout = layout_of(family)
        priors, _ = layout.boxes()
        times = [perf_counter()]
        matches = match(truths, priors, layout.rules)
        times.append(perf_counter())
        found = propose(layout, truths.boxes)
        times.append(perf_counter())
        matched, searched = np.diff(times)
        print(
            f"{family}: {len(truths):,} boxes, {len(priors):,} priors: matched in {matched:.1f} s "
            f"({len(truths) * len(priors) / matched / 1e6:.0f} million pairs/s; "
            f"{matches.coverage:.1%} by the threshold), {len(found)} proposals in {searched:.1f} s"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
