"""What was written, held against the embedded engine: heads as numbers, detections as sets."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ssd_data.core.boxes import overlaps
from ssd_data.core.errors import OutputError
from ssd_data.data.synthetic.shapes import draw
from ssd_data.deploy.source import Source
from ssd_data.engines import Array, Engine
from ssd_data.evaluation import compare as parity
from ssd_data.evaluation.detect import find_files, read_frames
from ssd_data.nets.detection import detection_blob, find_detection_head
from ssd_data.nets.matching import pair
from ssd_data.nets.preprocessing import Preprocessing

TOLERANCE = 1e-3  # of an output's largest value
MOST_PICTURES = 16
RELU = "ReLU in the place of ReLU6"


class Written(Engine):
    """A net that was written, as an engine.

    Args:
        source: what it was made of.
        name: of what runs it.
        rows: preprocessed pictures to detections (N, 7), as DetectionOutput's.
        values: the same to outputs by name, where they are among those of :func:`heads`.
    """

    def __init__(
        self,
        source: Source,
        name: str,
        rows: Callable[[Array], Array],
        values: Callable[[Array], Mapping[str, Array]] | None = None,
    ) -> None:
        super().__init__(source.reference.graph)
        self.name = name
        self.outputs = [detection_blob(self.graph)]
        self._rows = rows
        self.values = values

    def forward(self, batch: Array) -> dict[str, Array]:
        """See :meth:`Engine.forward`."""
        return {self.outputs[0]: self._rows(batch)[None, None]}


@dataclass(frozen=True, slots=True)
class Proof:
    """How far what was written differs from the embedded engine.

    Attributes:
        runtime: what ran it.
        output: a head's name, or "detections".
        largest: the largest absolute difference. relative: the same by the largest value.
        unmatched: detections that only one side has, and no threshold explains.
        compared: values, or detections.
    """

    runtime: str
    output: str
    largest: float
    relative: float
    unmatched: int
    compared: int

    @property
    def holds(self) -> bool:
        """Whether both are the same."""
        return self.relative <= TOLERANCE and not self.unmatched

    def sentence(self) -> str:
        """For people."""
        alone = f", {self.unmatched} that only one side has" if self.unmatched else ""
        what = f"{self.compared} {'' if self.output == 'detections' else 'values of '}{self.output}"
        return f"{self.runtime}: {what}, largest difference {self.largest:.1e}{alone}"

    def table(self) -> dict[str, Any]:
        """As JSON."""
        names = ("runtime", "output", "largest", "relative", "unmatched", "compared")
        return {name: getattr(self, name) for name in names}


def batches(
    source: Source, preprocessing: Preprocessing, pictures: Iterable[Path] = (), seed: int = 0
) -> list[Array]:
    """What to compare on: pictures, or noise and two drawn pictures; one a batch."""
    size = (source.shape[3], source.shape[2])
    shown = []
    if files := list(pictures):
        for frame in read_frames(find_files(files)[:MOST_PICTURES]):
            if frame.error is not None:
                raise frame.error
            assert frame.picture is not None
            shown.append(frame.picture)
    else:
        random = np.random.default_rng(seed)
        shown = [random.integers(0, 256, (size[1], size[0], 3)).astype(np.uint8)]
        shown += [draw(seed, 0, i, 300).pixels for i in range(2)]
    return [preprocessing.apply(picture, size)[None] for picture in shown]


def heads(source: Source) -> Callable[[Array], dict[str, Array]]:
    """The embedded engine's locations and confidences, and boxes and scores of them."""
    from ssd_data.engines.torch.compiled import compile_net
    from ssd_data.nets.postprocess import activate, decode

    found, settings = find_detection_head(source.merged), source.settings()
    part = source.merged.part([found.locations, found.confidences], found.without)
    engine = compile_net(part, source.merged_layers, str(source.weights))
    each = (4,) if settings["share_location"] else (settings["num_classes"], 4)
    spread = (slice(None), None) if len(each) == 2 else (slice(None),)

    def run(batch: Array) -> dict[str, Array]:
        values = engine.forward(batch)
        locations = values[found.locations].reshape(len(batch), -1, *each)
        confidences = values[found.confidences].reshape(len(batch), -1, settings["num_classes"])
        boxes = decode(
            locations, source.boxes[spread], source.variances[spread], settings["code_type"],
            settings["variance_encoded_in_target"],
        )  # fmt: skip
        return {
            "locations": locations,
            "confidences": confidences,
            "boxes": boxes,
            "scores": activate(confidences, settings["activation"], settings["num_classes"]),
        }

    return run


def measure(source: Source, written: Written, pictures: Sequence[Array]) -> list[Proof]:
    """How far what was written differs.

    Raises:
        OutputError: it gives values that are no numbers.
    """
    proofs = []
    if written.values is not None:
        reference = heads(source)
        pairs = [(reference(batch), written.values(batch)) for batch in pictures]
        for name in pairs[0][1]:
            sides = [(a[name], b[name].reshape(a[name].shape)) for a, b in pairs]
            proofs.append(_values(written.name, name, sides))
    (found,) = parity.compare([_Rows(source), written], pictures)
    proofs.append(
        Proof(written.name, "detections", found.largest, found.relative, found.unmatched,
              found.compared)
    )  # fmt: skip
    return proofs


class _Rows(Engine):
    """The reference with its detections alone."""

    name = "torch"

    def __init__(self, source: Source) -> None:
        super().__init__(source.reference.graph)
        self.engine = source.reference
        self.outputs = [detection_blob(self.graph)]

    def forward(self, batch: Array) -> dict[str, Array]:
        """See :meth:`Engine.forward`."""
        return {self.outputs[0]: self.engine.forward(batch)[self.outputs[0]]}


def _values(runtime: str, name: str, sides: Sequence[tuple[Array, Array]]) -> Proof:
    if not all(np.isfinite(b).all() for a, b in sides if np.isfinite(a).all()):
        raise OutputError(f'{runtime} gives values in "{name}" that are no numbers')
    largest = max(float(np.abs(a - b).max(initial=0)) for a, b in sides)
    scale = max(float(np.abs(a).max(initial=0)) for a, _ in sides)
    return Proof(runtime, name, largest, largest / (scale or 1), 0, sum(a.size for a, _ in sides))


def require(proofs: Iterable[Proof], where: object) -> None:
    """Refuse what is not the same.

    Raises:
        OutputError: says the difference.
    """
    for proof in proofs:
        if not proof.holds:
            raise OutputError(
                f"what was made is not the same net, nothing was written: {proof.sentence()}",
                where=where,
                hint="Please report it with the net; see also ssd-data parity",
            )


def losses(source: Source, written: Written, pictures: Sequence[Array]) -> dict[str, Any]:
    """What a net that is not quite the same gives up: how far its heads are off, and what became of
    the embedded engine's detections.

    Of each of those the nearest of the other net's with its label counts, if their overlap is at
    least a half.
    """
    found: dict[str, Any] = {}
    if written.values is not None:
        for proof in measure(source, written, pictures):
            if proof.output != "detections":
                found[f"{proof.output}_largest"] = proof.largest
                found[f"{proof.output}_relative"] = proof.relative
    wanted = kept = extra = 0
    score = 0.0
    for batch in pictures:
        sides = zip(source.reference.detect(batch), written.detect(batch), strict=True)
        for ours, theirs in sides:
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


def arrays_of(source: Source) -> dict[int, Any]:
    """Index of a layer of the net that ends with its heads → its arrays."""
    return pair(source.cut.nodes, source.layers)[0]
