"""Writes the table of ``docs/deploy.md``: each net for each target, run by the real runtime.

``make prove-all DATA=DIR``: DIR holds ``models/``, ``WIDER_FACE/`` and ``VOCdevkit/``; the demo's
net is taken from ``make demo``. A target whose packages are not installed here keeps the lines that
another environment wrote, by ``--only TARGET``. ``--times`` measures times alone, where a machine
has nothing else to do, and leaves what else stands there.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import date
from pathlib import Path
from typing import Any

from ssd_data import build, recognise
from ssd_data.core.errors import InputError, OutputError, UsageError
from ssd_data.core.files.scratch import scratch
from ssd_data.core.registry import TARGETS
from ssd_data.deploy import write_table
from ssd_data.deploy.proof import Proof
from ssd_data.deploy.readme import preprocess_table
from ssd_data.deploy.targets import choose
from ssd_data.engines import load_engine
from ssd_data.engines.torch.randomise import write_random_weights
from ssd_data.evaluation.compare import Difference
from ssd_data.evaluation.detect import read_inputs
from ssd_data.evaluation.speed import compare_speed
from ssd_data.families import generate
from ssd_data.nets.prepare import prepare
from ssd_data.nets.preprocessing import Preprocessing
from ssd_data.nets.prototxt import to_text

PAGE = Path(__file__).with_name("deploy.md")
BEGIN, END = "<!-- make prove-all -->", "<!-- /make prove-all -->"
PHOTOGRAPHS, ROUNDS = 50, 20
NETS = set(".caffemodel .onnx .bin .param .mnn .xml .tflite .rknn .bmodel .npy".split())  # noqa: SIM905
SFD, SSD = Preprocessing((104, 117, 123), 1.0), Preprocessing((127.5, 127.5, 127.5), 0.007843)
HEADER = (
    "| net | target | largest difference | not matched | mAP before | after | time | ms | MB |",
    "|---|---|---|---|---|---|---|---|---|",
)


@dataclass(frozen=True, slots=True)
class Net:
    """A net to ship.

    Attributes:
        pictures: where its photographs are. calibrated: an LMDB of pictures that it learned from.
        scored: one that it did not; None for weights that are drawn.
    """

    name: str
    deploy: Path
    weights: Path
    preprocessing: Preprocessing
    pictures: Path
    calibrated: Path
    scored: Path | None


def ways(profile: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """The precisions that a target has: what each is called, and its options."""
    yield "", {}
    known = _options(profile)
    if "half" in known:
        yield "half", {"half": True}
    if "int8" in known:
        yield "int8", {"int8": True}
    if profile == "litert":
        yield "int8 throughout", {"int8": True, "head": "raw"}


def _options(profile: str) -> set[str]:
    return {one.name for one in fields(TARGETS.load(profile).OPTIONS)}


class NetProof:
    """One net, its photographs, and the embedded engine with it, to hold targets against."""

    def __init__(self, net: Net, photographs: int = PHOTOGRAPHS) -> None:
        self.net = net
        self.reference = load_engine("torch", net.deploy, net.weights, device="cpu")
        sizes = self.reference.map_sizes()
        self.made = prepare(net.deploy, net.weights, net.preprocessing, None, sizes)
        files = sorted(net.pictures.rglob("*.jpg"))
        files = files[:: max(1, len(files) // photographs)][:photographs]
        size, given = self.made.size, self.made.preprocessing
        self.batches = read_inputs(files, given, size, photographs, True)

    def rows(self, profile: str, called: str, options: dict[str, Any]) -> list[str]:
        """The lines of a target: its own, and one for each other runtime that reads the same.

        Raises:
            UsageError: a package is not installed.
        """
        name = f"{profile} {called}".rstrip()
        if options.get("int8") and "calibrate" in _options(profile):
            options = options | {"calibrate": self.net.calibrated}
        try:
            with scratch() as folder:
                found = self._measured(profile, options, folder)
        except (InputError, OutputError) as error:
            found = {"": [str(error).splitlines()[0].rpartition(": ")[2], *[""] * 6]}
        about = {name if not by else f"{name}, by {by}": cells for by, cells in found.items()}
        return [f"| {self.net.name} | {what} | {' | '.join(x)} |" for what, x in about.items()]

    def _measured(
        self, profile: str, options: dict[str, Any], folder: Path
    ) -> dict[str, list[str]]:
        """What stands in a line, behind its target's name, by who reads it ("" for who has to)."""
        target, chosen = TARGETS.load(profile), choose(profile, options)
        written = target.write(self.made, chosen, folder)
        write_table(folder, preprocess_table(profile, written))
        proof = Proof(self.made, self.reference, self.batches)
        proofs = target.prove(written, chosen, folder, proof)
        assert proof.shipped is not None
        size = sum(path.stat().st_size for path in folder.iterdir() if path.suffix in NETS)
        lost: dict[str, Any] = next(iter(written.losses.values()), {})
        rows = {one.engine: one for one in proofs if one.output == "detections"}
        cells = _lost(lost) if lost else _same(rows.pop(proof.shipped.name))
        others = {} if lost else {by: [*_same(one), *[""] * 5] for by, one in rows.items()}
        cells += [*self._scores(proof), *self._took(proof), f"{size / 1e6:.1f}"]
        return {"": cells, **others}

    def _scores(self, proof: Proof) -> list[str]:
        if self.net.scored is None or proof.shipped is None:
            return ["", ""]
        told = proof.scores(proof.shipped, self.net.scored)
        return [f"{told['embedded']:.4f}", f"{told['shipped']:.4f}"]

    def _took(self, proof: Proof) -> list[str]:
        """Its time by the embedded engine's of the same rounds, and milliseconds a picture: the
        fastest of each, which other programs disturb least."""
        assert proof.shipped is not None
        both = [self.reference, proof.shipped]
        first, own = compare_speed(both, self.batches[len(self.batches) // 2], ROUNDS)
        return [f"{own.fastest / first.fastest:.2f}", f"{own.fastest:.1f}"]


def _same(one: Difference) -> list[str]:
    return [f"{one.largest:.1e}", f"{one.unmatched} of {one.compared}"]


def _lost(lost: Mapping[str, Any]) -> list[str]:
    """Of lower precision: how far scores are off, and detections that one side alone has."""
    apart = lost["detections"] - lost["found_again"] + lost["new"]
    return [f"score {lost['score_largest']:.1e}", f"{apart} of {lost['detections']}"]


def nets(data: Path, demo: Path, work: Path) -> Iterator[Net]:
    """The nets."""
    build(recognise(data / "WIDER_FACE"), work / "wider", splits=["train", "val"])
    learned, wider = (next((work / "wider").glob(f"*{x}_lmdb")) for x in ("train", "val"))
    model = data / "models" / "sfd_mobilenetv2_mod11g"
    weights = next(model.glob("*_iter_*.caffemodel"))
    faces, photographs = data / "WIDER_FACE" / "WIDER_val", data / "VOCdevkit"
    yield Net("SFD mod11g", model / "deploy.prototxt", weights, SFD, faces, learned, wider)
    if shots := sorted(demo.rglob("tiny_ssd/*_iter_*.caffemodel")):
        own, others = (next(demo.rglob(f"{split}_lmdb")) for split in ("trainval", "test"))
        deploy = shots[-1].parent / "deploy.prototxt"
        yield Net("the demo's", deploy, shots[-1], SSD, photographs, own, others)
    drawn = work / "mobilenet_ssd.prototxt"
    drawn.write_text(to_text(generate("mobilenet_ssd", 21).nets["deploy"]))
    random = drawn.with_suffix(".caffemodel")
    write_random_weights(drawn, random)
    yield Net("MobileNet-SSD, drawn", drawn, random, SSD, photographs, learned, None)


def main(arguments: Sequence[str] | None = None) -> int:
    """Prove all, print the lines as they come, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--demo", type=Path, default=Path("demo"))
    parser.add_argument("--only", nargs="*", default=TARGETS.names(), metavar="TARGET")
    parser.add_argument("--times", action="store_true")
    options = parser.parse_args(arguments)
    table = Table()
    with scratch() as work:
        for net in nets(options.data, options.demo, work):
            proof = NetProof(replace(net, scored=None), 2) if options.times else NetProof(net)
            for profile in options.only:
                table.take(net.name, profile, proof, options.times)
            table.write()
    return 0


def _retimed(stood: Sequence[str], lines: Sequence[str]) -> list[str]:
    """The lines that stood there with the times of new ones."""
    times = {cells[2]: cells[7:9] for cells in (line.split("|") for line in lines)}
    made = []
    for cells in (line.split("|") for line in stood):
        cells[7:9] = times.get(cells[2], cells[7:9])
        made.append("|".join(cells))
    return made


class Table:
    """The lines of the page, by net and target: those that stood there, until new ones come."""

    def __init__(self) -> None:
        text = PAGE.read_text("utf-8").partition(BEGIN)[2].partition(END)[0]
        self.lines: dict[tuple[str, str], list[str]] = {}
        for line in text.splitlines():
            cells = [cell.strip() for cell in line.split("|")]
            if len(cells) == HEADER[0].count("|") + 1 and line not in HEADER:
                profile = cells[2].replace(",", " ").split()[0]
                self.lines.setdefault((cells[1], profile), []).append(line)
        self.load: list[float] = []

    def take(self, net: str, profile: str, proof: NetProof, times: bool) -> None:
        """A target's lines, or their times alone, in the place of those that stood there, where it
        is installed."""
        lines = []
        for called, options in ways(profile):
            few = times and "int8" in options and "records" in _options(profile)
            try:
                found = proof.rows(profile, called, options | ({"records": 4} if few else {}))
            except UsageError as error:
                print(f"{profile} {called}: {error}", flush=True)
                continue
            print("\n".join(found), flush=True)
            lines += found
            self.load.append(os.getloadavg()[0])
        if times:
            lines = _retimed(self.lines.get((net, profile), []), lines)
        if lines:
            self.lines[net, profile] = lines

    def write(self) -> None:
        """The page with these lines between its two marks: after each net, so that a run that is
        stopped leaves what it has."""
        nets = [net for net, _ in self.lines]
        known = [*TARGETS.names(), *(profile for _, profile in self.lines)]
        places = sorted(self.lines, key=lambda one: (nets.index(one[0]), known.index(one[1])))
        lines = [line for place in places for line in self.lines[place]]
        most, count = max(self.load, default=0), os.cpu_count() or 1
        machine = (
            f"{date.today()}, {count} processors; the machine's load was "
            f"{min(self.load, default=0):.1f} to {most:.1f}."
        )
        if most > count + 1:
            machine += " Others ran at the same time: time and ms are rough."
        text = PAGE.read_text("utf-8")
        before, after = text.split(BEGIN)[0], text.split(END)[1]
        made = "\n".join([BEGIN, "", *HEADER, *lines, "", machine, "", END])
        PAGE.write_text(before + made + after, "utf-8")


if __name__ == "__main__":
    sys.exit(main())
