"""What VOC takes for true of a data set: what its annotations or records say themselves."""

from __future__ import annotations

from pathlib import Path

from ssd_data.core.labelmap import LabelMap
from ssd_data.metrics.scores import Truth
from ssd_data.metrics.truth import TruthBuilder


def names(pictures: TruthBuilder) -> tuple[str, ...]:
    """The files' names without ending; where two are the same, their paths. No spaces."""
    names = [Path(image).stem for image in pictures.images]
    if len(set(names)) < len(names):
        names = [str(Path(image).with_suffix("")) for image in pictures.images]
    return tuple("_".join(name.split()) for name in names)


def truth(pictures: TruthBuilder, labelmap: LabelMap, origin: Path, place: Path | None) -> Truth:
    """See :class:`ssd_data.metrics.Metric`; VOC has no other truth at another place."""
    return pictures.build(names(pictures), labelmap, origin)
