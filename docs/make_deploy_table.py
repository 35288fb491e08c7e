"""Writes the table of ``docs/deploy.md``: each net for each target, run by the real runtime.

``make prove-all DATA=DIR``: DIR holds ``models/``, ``WIDER_FACE/`` and ``VOCdevkit/``; the demo's
net is taken from ``make demo``. A target whose packages are not installed is listed as such.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any

from ssd_data import build, recognise
from ssd_data.core.errors import InputError, OutputError, UsageError
from ssd_data.core.files.scratch import scratch
from ssd_data.core.registry import TARGETS
from ssd_data.deploy import write_table
from ssd_data.deploy.proof import Proof
from ssd_data.deploy.readme import preprocess_table
from ssd_data.deploy.targets import choose
from ssd_data.engines import Array, Engine, load_engine
from ssd_data.engines.torch.randomise import write_random_weights
from ssd_data.evaluation.detect import read_inputs
from ssd_data.families import generate
from ssd_data.nets.prepare import prepare
from ssd_data.nets.preprocessing import Preprocessing
from ssd_data.nets.prototxt import to_text

PAGE = Path(__file__).with_name("deploy.md")
BEGIN, END = "<!-- make prove-all -->", "<!-- /make prove-all -->"
PHOTOGRAPHS, TIMED = 50, 20
BYTES = {".caffemodel", ".onnx", ".bin", ".param", ".mnn", ".xml", ".tflite", ".rknn", ".npy"}
SFD, SSD = Preprocessing((104, 117, 123), 1.0), Preprocessing((127.5, 127.5, 127.5), 0.007843)
HEADER = (
    "| net | target | largest difference | not matched | AP before | AP after | ms | MB |",
    "|---|---|---|---|---|---|---|---|",
)


@dataclass(frozen=True, slots=True)
class Net:
    """A net to ship: its files, its photographs, and an LMDB to score it on (None for weights that
    are drawn)."""

    name: str
    deploy: Path
    weights: Path
    preprocessing: Preprocessing
    pictures: Path
    scored: Path | None


def ways(profile: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """The precisions that a target has: what each is called, and its options."""
    yield "", {}
    known = _options(profile)
    if "half" in known:
        yield "half", {"half": True}
    if "int8" in known:
        yield "int8", {"int8": True}


def _options(profile: str) -> set[str]:
    return {one.name for one in fields(TARGETS.load(profile).OPTIONS)}


def row(net: Net, profile: str, called: str, options: dict[str, Any], trained: Path) -> str:
    """A line of the table."""
    about = f"| {net.name} | {profile} {called}".rstrip()
    if options.get("int8") and "calibrate" in _options(profile):
        options = options | {"calibrate": trained}
    try:
        target, chosen = TARGETS.load(profile), choose(profile, options)
        with scratch() as folder:
            return f"{about} | {' | '.join(_measured(net, profile, target, chosen, folder))} |"
    except (UsageError, InputError, OutputError) as error:
        return f"{about} | {str(error).splitlines()[0].rpartition(': ')[2]} | | | | | |"


def _measured(net: Net, profile: str, target: Any, chosen: Any, folder: Path) -> list[str]:
    reference = load_engine("torch", net.deploy, net.weights, device="cpu")
    made = prepare(net.deploy, net.weights, net.preprocessing, None, reference.map_sizes())
    written = target.write(made, chosen, folder)
    write_table(folder, preprocess_table(profile, written))
    files = list(islice(sorted(net.pictures.rglob("*.jpg")), PHOTOGRAPHS))
    batches = read_inputs(files, made.preprocessing, made.size, PHOTOGRAPHS, True)
    proof = Proof(made, reference, batches)
    proofs = target.prove(written, chosen, folder, proof)
    assert proof.shipped is not None
    lost: dict[str, Any] = next(iter(written.losses.values()), {})
    if lost:
        largest = f"score {lost['score_largest']:.1e}"
        apart = lost["detections"] - lost["found_again"] + lost["new"]
        unmatched = f"{apart} of {lost['detections']}"
    else:
        ran = [one for one in proofs if one.output == "detections"]
        found = max(ran, key=lambda one: (one.unmatched, one.largest))
        largest, unmatched = f"{found.largest:.1e}", f"{found.unmatched} of {found.compared}"
    scores = ["", ""]
    if net.scored is not None:
        told = proof.scores(proof.shipped, net.scored)
        scores = [f"{told['embedded']:.4f}", f"{told['shipped']:.4f}"]
    size = sum(path.stat().st_size for path in folder.iterdir() if path.suffix in BYTES)
    return [
        largest,
        unmatched,
        *scores,
        f"{_took(proof.shipped, batches):.0f}",
        f"{size / 1e6:.1f}",
    ]


def _took(engine: Engine, batches: Sequence[Array]) -> float:
    """Milliseconds a picture, the median."""
    took = []
    for batch in batches[:TIMED]:
        start = time.perf_counter()
        engine.forward(batch)
        took.append((time.perf_counter() - start) * 1e3)
    return median(took)


def nets(data: Path, demo: Path, work: Path) -> Iterator[tuple[Net, Path]]:
    """The nets, each with an LMDB to calibrate it on."""
    build(recognise(data / "WIDER_FACE"), work / "wider", splits=["val"])
    wider = next((work / "wider").glob("*_lmdb"))
    model = data / "models" / "sfd_mobilenetv2_mod11g"
    weights = next(path for path in sorted(model.glob("*.caffemodel")) if "no_bn" not in path.name)
    yield Net("SFD mod11g, trained", model / "deploy.prototxt", weights, SFD, data, wider), wider
    if shots := sorted(demo.rglob("*_iter_*.caffemodel")):
        scored = next(demo.rglob("test_lmdb"))
        deploy = next(path.parent for path in shots) / "deploy.prototxt"
        yield Net("the demo's", deploy, shots[-1], SSD, demo, scored), scored
    drawn = work / "mobilenet_ssd.prototxt"
    drawn.write_text(to_text(generate("mobilenet_ssd", 21).nets["deploy"]))
    write_random_weights(drawn, drawn.with_suffix(".caffemodel"))
    yield (
        Net("MobileNet-SSD, drawn", drawn, drawn.with_suffix(".caffemodel"), SSD, data, None),
        wider,
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Prove all, print the lines as they come, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--demo", type=Path, default=Path("demo"))
    parser.add_argument("--only", nargs="*", default=TARGETS.names(), metavar="TARGET")
    options = parser.parse_args(arguments)
    lines = list(HEADER)
    with scratch() as work:
        for net, trained in nets(options.data, options.demo, work):
            for profile in options.only:
                for called, wanted in ways(profile):
                    lines.append(row(net, profile, called, wanted, trained))
                    print(lines[-1], flush=True)
            write_page(lines)
    return 0


def write_page(lines: Sequence[str]) -> None:
    """The page with these lines between its two marks: after each net, so that a run that is
    stopped leaves what it has."""
    text = PAGE.read_text("utf-8")
    before, after = text.split(BEGIN)[0], text.split(END)[1]
    machine = f"On {os.cpu_count()} processors; ms: the median of {TIMED} pictures, one at a time."
    PAGE.write_text(before + "\n".join([BEGIN, "", *lines, "", machine, "", END]) + after, "utf-8")


if __name__ == "__main__":
    sys.exit(main())
