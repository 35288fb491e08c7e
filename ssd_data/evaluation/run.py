"""Detect and score in one go, and go on where an earlier run was stopped."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ssd_data import metrics
from ssd_data.core.errors import InputError, OutputError, UsageError
from ssd_data.core.files.paths import read_bytes
from ssd_data.core.files.publish import OutFolder
from ssd_data.core.files.there import is_there
from ssd_data.core.files.whole import failed, write_text
from ssd_data.core.images import picture_limits
from ssd_data.core.jsontext import json_text
from ssd_data.core.notes import Tally
from ssd_data.core.progress import Track, untracked
from ssd_data.core.tasks import Pool
from ssd_data.engines import Engine
from ssd_data.evaluation.detecting import detect_all
from ssd_data.evaluation.journal import Journal
from ssd_data.evaluation.protocols import make_plan
from ssd_data.evaluation.results import Scored, write_and_score
from ssd_data.evaluation.sources import EvalSet
from ssd_data.evaluation.spread import SentDetector, detect_spread
from ssd_data.evaluation.worst import draw_worst
from ssd_data.metrics.plots import draw_curves
from ssd_data.metrics.scores import Scores
from ssd_data.nets.caffemodel import MOST_BYTES
from ssd_data.nets.detection import DETECTION_PARAMS, DETECTION_TYPE
from ssd_data.nets.prepare import DeployNet, read_deploy
from ssd_data.nets.preprocessing import Preprocessing
from ssd_data.nets.prototxt import to_text

BROKEN = "line that is none: from there on pictures were detected anew"
JOURNAL, SCORES, CURVES, WORST = "found.jsonl", "scores.json", "curves", "worst"


@dataclass(frozen=True, slots=True)
class EvalNet:
    """A net and how pictures go into it.

    Attributes:
        engine: the loaded net.
        weights: its caffemodel.
        preprocessing: of the pictures.
        protocol: "single" or "sfd".
        size: (width, height) that "single" warps to; None leaves pictures as they are.
        batch: how many go through the net at a time, where they have one size.
        threshold: the net's own, which lower scores do not reach.
        half: whether it computes in half precision.
        deploy, device: as the engine was loaded with; workers elsewhere load theirs so.
    """

    engine: Engine
    weights: Path
    preprocessing: Preprocessing
    protocol: str = "single"
    size: tuple[int, int] | None = None
    batch: int = 1
    threshold: float = 0.01
    half: bool = False
    deploy: DeployNet | None = None
    device: str | None = None

    def made_with(self) -> dict[str, Any]:
        """All that detections depend on, as JSON."""
        size = "multi-scale" if self.protocol == "sfd" else "native"
        return {
            "net": hashlib.sha256(to_text(self.engine.graph.net).encode()).hexdigest()[:16],
            "weights": hashlib.sha256(self._weights()).hexdigest()[:16],
            "engine": self.engine.name,
            "half": self.half,
            "mean": list(self.preprocessing.mean),
            "scale": self.preprocessing.scale,
            "protocol": self.protocol,
            "size": "x".join(map(str, self.size)) if self.size else size,
            "threshold": self.threshold,
        }

    def sent(self) -> SentDetector:
        """The same as workers get it.

        Raises:
            InputError: net or weights cannot be read.
            ValueError: it does not say of which prototxt it is.
        """
        if self.deploy is None:
            raise ValueError("EvalNet(deploy=...) is what workers load")
        return SentDetector(
            self.engine.name,
            read_deploy(self.deploy, self.threshold),
            self._weights(),
            self.preprocessing,
            self.protocol,
            self.size,
            self.batch,
            self.device,
            self.half,
        )

    def _weights(self) -> bytes:
        return read_bytes(self.weights, "caffemodel", MOST_BYTES)


@dataclass(frozen=True, slots=True)
class EvalOptions:
    """What comes of an evaluation.

    Attributes:
        limit: only the first so many pictures.
        rules: how to score; pictures without detections are here those that cannot be read.
        curves: draw precision-recall curves.
        worst: how many of the worst pictures to draw.
    """

    limit: int | None = None
    rules: metrics.ScoreOptions = field(default_factory=metrics.ScoreOptions)
    curves: bool = False
    worst: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Report:
    """What an evaluation gave.

    Attributes:
        scores: the numbers.
        made_with: net, weights and options, as JSON.
        detected: how many pictures went through the net; resumed: how many had before.
        seconds: that took, scoring not included.
        drawn: curves and pictures.
    """

    scores: Scores
    made_with: Mapping[str, Any]
    detected: int
    resumed: int
    seconds: float
    drawn: list[Path] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """The scores, and as ``detector`` what they were made with."""
        return {**self.scores.to_json(), "detector": dict(self.made_with)}


def evaluate(
    data: EvalSet,
    detector: EvalNet,
    folder: Path,
    options: EvalOptions | None = None,
    track: Track = untracked,
    pool: Pool | None = None,
) -> Report:
    """Detect in all pictures of a set and score what was found.

    Args:
        folder: takes the detections as they are found (``found.jsonl``), then the same in the
            metric's own format, ``scores.json``, ``curves`` and ``worst``, all of them at once.
            Pictures that it has from an earlier run with the same net, weights and options are not
            detected again.
        track: wraps the names of pictures as they are done, to show progress.
        pool: whose workers detect, where they are not this process.

    Raises:
        UsageError: an option is out of range.
        InputError: set and net do not fit together, or a picture cannot be read.
        OutputError: the folder holds something else, is in use, or cannot be written.
    """
    options = options or EvalOptions()
    _check(data, detector, options, folder)
    detector = replace(detector, preprocessing=detector.preprocessing.fitted(detector.engine.graph))
    made_with = {**detector.made_with(), **data.identity}
    unread: dict[str, str] = {}
    missing = options.rules.missing
    with Journal(folder / JOURNAL, made_with) as journal:
        start = time.perf_counter()
        total = min(len(data.names), options.limit or len(data.names))
        before = sum(name in journal for name in data.names[:total])
        with picture_limits(keep_threads=detector.engine.name == "opencv"):
            kept = None if missing == "fail" else unread
            done = _detect(data, detector, journal, pool, options.limit, kept)
            detected = sum(1 for _ in track(done, total - before, "eval"))
        seconds = time.perf_counter() - start
        with OutFolder(folder) as work:
            scored = write_and_score(
                data,
                journal,
                work.staging,
                options.rules,
                limit=options.limit,
                counted=unread if missing == "count" else (),
            )
            reasons = {name: unread[name] for name in data.names if name in unread}
            _add_notes(scored.scores.notes, journal, reasons)
            report = Report(scored.scores, made_with, detected, before, seconds)
            drawn = _write(report, scored, data, options, work.staging)
            work.publish()
    return replace(report, drawn=[folder / name for name in drawn])


def _detect(
    data: EvalSet,
    net: EvalNet,
    journal: Journal,
    pool: Pool | None,
    limit: int | None,
    unread: dict[str, str] | None,
) -> Iterator[str]:
    plan = make_plan(net.protocol, net.preprocessing, net.size, net.batch)
    if pool is None or pool.is_local:
        return detect_all(data, net.engine, plan, journal, limit=limit, unread=unread)
    return detect_spread(data, net.sent(), plan.batch, journal, pool, limit=limit, unread=unread)


def _add_notes(notes: Tally, journal: Journal, unread: Mapping[str, str]) -> None:
    if journal.broken:
        notes.add(BROKEN, f"{journal.path}:{journal.broken}")
    for name, why in unread.items():
        notes.add(f"picture that cannot be read: {why}", name)


def _write(
    report: Report, scored: Scored, data: EvalSet, options: EvalOptions, folder: Path
) -> list[Path]:
    """Write the scores, and draw what is asked for; the drawings, below the folder."""
    text = json_text(report.to_json(), ascii_only=False)
    write_text(folder / SCORES, text + "\n")
    drawn = draw_curves(scored.scores, folder / CURVES) if options.curves else []
    if options.worst:
        drawn += draw_worst(data, scored, options.worst, folder / WORST)
    return [path.relative_to(folder) for path in drawn]


def _check(data: EvalSet, detector: EvalNet, options: EvalOptions, folder: Path) -> None:
    if options.limit is not None and options.limit < 1:
        raise UsageError("at least one picture is needed", where="--limit")
    if not 0 <= detector.threshold <= 1:
        raise UsageError("a score lies between 0 and 1", where="--threshold")
    if detector.batch < 1:
        raise UsageError("at least one picture at a time", where="--batch")
    _check_classes(data, detector.engine)
    try:
        strangers = not is_there(folder / JOURNAL) and any(folder.iterdir())
    except FileNotFoundError:
        strangers = False
    except OSError as error:
        raise failed(error, folder) from None
    if strangers:
        hint = "Choose a folder that does not exist yet, is empty, or is of an earlier eval"
        raise OutputError("the folder holds other things", where=folder, hint=hint)


def _check_classes(data: EvalSet, engine: Engine) -> None:
    """Refuse a net of another number of classes than the labelmap has."""
    for layer in engine.graph.net.layer:
        if layer.type in DETECTION_PARAMS:
            has = getattr(layer, DETECTION_PARAMS[layer.type]).num_classes
            has += layer.type != DETECTION_TYPE  # YOLO's do not count the background
            wants = 1 + max((item.label for item in data.labelmap), default=0)
            if has != wants:
                raise InputError(
                    f"the net finds {has} classes, {data.labelmap.origin} has {wants} "
                    "(background included)",
                    where=engine.graph.origin,
                    hint="Is it the net of this data set? Else give its classes with --labelmap",
                )
