"""What was written, held against the embedded engine: heads as numbers, detections as sets."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from shutil import copytree
from typing import Any

import numpy as np

from ssd_data.core.errors import OutputError
from ssd_data.core.files.scratch import scratch
from ssd_data.core.overlaps import overlaps
from ssd_data.data.synthetic.shapes import draw
from ssd_data.engines import Array, Engine
from ssd_data.evaluation.candidates import Candidates
from ssd_data.evaluation.compare import Difference, compare_engines, compare_values
from ssd_data.evaluation.detect import read_inputs
from ssd_data.evaluation.reasons import opencv_reasons
from ssd_data.nets.detection import detection_blob
from ssd_data.nets.prepare import PreparedNet

TOLERANCE = 1e-3  # of an output's largest value
MOST_PICTURES = 16
VERSION = "VOC10"
ROUNDING = 1e-9
REPORT = "Please report it with the net; see also ssd-data parity"
TIES = (
    "Take --head raw, if scores are equal: the runtime then has its own order. Else please report "
    "it with the net"
)


class WrittenEngine(Engine):
    """A net that was written, as an engine.

    Args:
        net: what it was made of.
        name: of what runs it.
        rows: preprocessed pictures to detections (N, 7), as DetectionOutput's.
        values: the same to outputs by name, where they are among ``locations``, ``confidences``,
            ``boxes`` and ``scores``.
    """

    def __init__(
        self,
        net: PreparedNet,
        name: str,
        rows: Callable[[Array], Array],
        values: Callable[[Array], Mapping[str, Array]] | None = None,
    ) -> None:
        super().__init__(net.given.graph)
        self.name = name
        self.outputs = [detection_blob(self.graph)]
        self._rows = rows
        self.values = values

    def forward(self, batch: Array) -> dict[str, Array]:
        """See :meth:`Engine.forward`."""
        return {self.outputs[0]: self._rows(batch)[None, None]}


def read_batches(
    net: PreparedNet, pictures: Iterable[Path] = (), follow_links: bool = False
) -> list[Array]:
    """What to compare on: pictures, or noise and two drawn pictures; one a batch.

    Raises:
        InputError: a file is no picture, or (but with ``follow_links``) a link leaves a folder.
    """
    if files := list(pictures):
        return read_inputs(files, net.preprocessing, net.size, MOST_PICTURES, follow_links)
    random, (width, height) = np.random.default_rng(0), net.size
    shown = [random.integers(0, 256, (height, width, 3)).astype(np.uint8)]
    shown += [draw(0, 0, i, 300).pixels for i in range(2)]
    return [net.preprocessing.apply(picture, net.size)[None] for picture in shown]


class Proof:
    """Holds what was written against the embedded engine with the net as it came.

    The last engine that was given to :meth:`require` or :meth:`losses` is what is shipped, and what
    :meth:`score` scores.

    Args:
        net: the prepared net. reference: the embedded engine.
        batches: preprocessed pictures, one a batch.
    """

    def __init__(self, net: PreparedNet, reference: Engine, batches: Sequence[Array]) -> None:
        self.net, self.reference, self.batches = net, reference, list(batches)
        self.shipped: WrittenEngine | None = None
        self.candidates = Candidates(net)

    def measure(self, written: WrittenEngine) -> list[Difference]:
        """How far what was written differs.

        Raises:
            OutputError: it gives values that are no numbers, or another count of them.
        """
        found = []
        if written.values is not None:
            pairs = [
                (self.candidates.heads(batch), written.values(batch)) for batch in self.batches
            ]
            for name in pairs[0][1]:
                self._require_size(name, written, pairs)
                sides = [(a[name], b[name].reshape(a[name].shape)) for a, b in pairs]
                found.append(compare_values(name, written.name, sides))
                if not np.isfinite(found[-1].largest):
                    what = f'{written.name} gives values in "{name}" that are no numbers'
                    raise OutputError(what)
        engines = [self.reference, written]
        (rows,) = compare_engines(engines, self.batches, written.outputs, self.candidates.boxes)
        return [*found, replace(rows, output="detections")]

    def require(self, written: WrittenEngine, hint: str = REPORT) -> list[Difference]:
        """The same; refuses what is not equal.

        Args:
            hint: what to do then.

        Raises:
            OutputError: says the difference.
        """
        self.shipped = written
        differences = self.measure(written)
        for found in differences:
            if not found.within(TOLERANCE):
                raise OutputError(
                    "what was made is not the same net, nothing was written: " + found.sentence(),
                    where=self.net.deploy,
                    hint=self._why(written) or hint,
                )
        return differences

    def _require_size(
        self,
        name: str,
        written: WrittenEngine,
        pairs: Sequence[tuple[Mapping[str, Array], Mapping[str, Array]]],
    ) -> None:
        """Refuse an output that has more or fewer values."""
        for ours, theirs in pairs:
            if ours[name].size != theirs[name].size:
                raise OutputError(
                    "what was made is not the same net, nothing was written: "
                    f'{written.name} gives {theirs[name].size} values in "{name}", '
                    f"not {ours[name].size}",
                    where=self.net.deploy,
                    hint=self._why(written) or REPORT,
                )

    def _why(self, written: WrittenEngine) -> str:
        """Where the runtime is known to compute something else; empty where it is not."""
        reasons = opencv_reasons(self.net.canonical.graph) if "opencv" in written.name else []
        return f"OpenCV differs, {reasons[0]}. Take --profile onnx" if reasons else ""

    def losses(self, written: WrittenEngine) -> dict[str, Any]:
        """What a net that is not quite the same gives up: how far its heads are off, and what
        became of the embedded engine's detections.

        Of each of those the nearest of the other net's with its label counts, if their overlap is
        at least a half.
        """
        self.shipped = written
        found: dict[str, Any] = {}
        if written.values is not None:
            for one in self.measure(written):
                if one.output != "detections":
                    found[f"{one.output}_largest"] = one.largest
                    found[f"{one.output}_relative"] = one.relative
        wanted = kept = extra = 0
        score = 0.0
        for batch in self.batches:
            sides = zip(self.reference.detect(batch), written.detect(batch), strict=True)
            for ours, theirs in ((a.sound(), b.sound()) for a, b in sides):
                near = overlaps(ours.boxes, theirs.boxes) >= 0.5
                near &= ours.labels[:, None] == theirs.labels
                far = np.where(near, np.abs(ours.scores[:, None] - theirs.scores), np.inf)
                best = far.min(1, initial=np.inf)
                there = np.isfinite(best)
                wanted, kept = wanted + len(ours), kept + int(there.sum())
                extra += int((~near.any(0)).sum())
                score = max(score, float(best[there].max(initial=0)))
        return {
            **found, "detections": wanted, "found_again": kept, "new": extra, "score_largest": score
        }  # fmt: skip

    def score(
        self,
        lmdb: Path | None,
        allowed: float | None = None,
        worst: int | None = None,
        folder: Path | None = None,
    ) -> dict[str, Any]:
        """Score what is shipped beside the embedded engine, where an LMDB is given; by name.

        Args:
            allowed: how much lower its mAP may be, as a fraction.
            worst: how many of the pictures with most errors to draw, into ``folder``.

        Raises:
            InputError: see :meth:`scores`.
            OutputError: it is lower by more, or the net scores nothing before.
        """
        if lmdb is None:
            return {}
        assert self.shipped is not None, "a target's prove holds nothing against the reference"
        found = self.scores(self.shipped, lmdb, worst or 0, folder)
        if allowed is not None:
            _require_loss(found, allowed, lmdb.name, self.net.deploy)
        return {f"mAP on {lmdb.name}": found}

    def scores(
        self, written: WrittenEngine, lmdb: Path, worst: int = 0, drawn: Path | None = None
    ) -> dict[str, Any]:
        """mAP (the VOC devkit's since 2010) of both, at the net's own thresholds, and the loss.

        Args:
            worst: how many of the pictures with most errors by what was written to draw, into the
                folder ``drawn``.

        Raises:
            InputError: it is no LMDB, or its classes are not the net's.
        """
        from ssd_data.evaluation.run import EvalNet, EvalOptions, evaluate
        from ssd_data.evaluation.sources import EvalChoice, open_set
        from ssd_data.metrics import ScoreOptions

        data = open_set(lmdb, EvalChoice(metric="voc"))
        found = {}
        for name, engine in (("embedded", self.reference), ("shipped", written)):
            detector = EvalNet(engine, self.net.weights, self.net.preprocessing, size=self.net.size)
            with scratch() as folder:
                shown = worst if engine is written else 0
                options = EvalOptions(rules=ScoreOptions(missing="skip"), worst=shown)
                report = evaluate(data, detector, folder, options)
                if drawn is not None and report.drawn:
                    copytree(report.drawn[0].parent, drawn)
            found[name] = float(report.scores.ap[VERSION] or 0)
        loss = found["embedded"] - found["shipped"]
        return {**found, "loss": loss, "records": len(data.names)}


def _require_loss(found: Mapping[str, Any], allowed: float, lmdb: str, where: Path) -> None:
    """Refuse what is lost beyond what is allowed, but for a rounding error of the difference."""
    before, after, loss = (found[name] for name in ("embedded", "shipped", "loss"))
    if before == 0:
        raise OutputError(
            f"the net has a mAP of 0 on {lmdb} by the embedded engine: what is lost cannot be "
            "seen, nothing was written",
            where=where,
            hint="Are --mean, --scale and the classes those that it was trained with?",
        )
    if not loss <= allowed + ROUNDING:
        raise OutputError(
            f"mAP on {lmdb} falls by {loss:.2g}, from {before:.4f} to {after:.4f}, and "
            f"{allowed:g} is allowed: nothing was written",
            where=where,
            hint="Allow more with --allow-loss, or take a higher precision",
        )


def difference_table(found: Difference) -> dict[str, Any]:
    """As ``preprocess.json`` has it."""
    names = ("output", "largest", "relative", "unmatched", "compared")
    return {"runtime": found.engine, **{name: getattr(found, name) for name in names}}
