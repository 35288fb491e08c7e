"""What a shipped net scores on an LMDB, beside the embedded engine."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ssd_data.deploy.source import Source
from ssd_data.engines import Engine
from ssd_data.evaluation.run import EvalNet, EvalOptions, evaluate
from ssd_data.evaluation.sources import EvalChoice, open_set

VERSION = "VOC10"


def scores(source: Source, written: Engine, lmdb: Path) -> dict[str, Any]:
    """mAP (the VOC devkit's since 2010) of both, at the net's own thresholds, and the loss.

    Raises:
        InputError: it is no LMDB, or its classes are not the net's.
    """
    data = open_set(lmdb, EvalChoice(metric="voc"))
    found = {}
    size = (source.shape[3], source.shape[2])
    for name, engine in (("embedded", source.reference), ("shipped", written)):
        detector = EvalNet(engine, source.weights, source.preprocessing, size=size)
        with TemporaryDirectory(prefix="ssd-data-") as folder:
            report = evaluate(data, detector, Path(folder), EvalOptions(missing="skip"))
        found[name] = float(report.scores.ap[VERSION] or 0)
    return {**found, "loss": found["embedded"] - found["shipped"], "records": len(data.names)}
