"""What WIDER FACE takes for true of a data set: its official lists, else the faces that it has."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from ssd_data.core.errors import InputError
from ssd_data.core.files.there import is_folder
from ssd_data.core.labelmap import LabelMap
from ssd_data.data.dataset import Dataset
from ssd_data.metrics import all_labels
from ssd_data.metrics.scores import Truth
from ssd_data.metrics.truth import TruthBuilder
from ssd_data.metrics.widerface.files import FACE, read_truth

GROUND_TRUTH = Path("eval_tools", "ground_truth")
NO_LISTS = "all: every face that is not invalid; easy, medium and hard need the official lists"


def truth(pictures: TruthBuilder, labelmap: LabelMap, origin: Path, place: Path | None) -> Truth:
    """See :class:`ssd_data.metrics.Metric`; without the lists there is one part, ``all``."""
    label = face_label(labelmap)
    if label is None:
        text = f'the labelmap {labelmap.origin} has no class "{FACE}"'
        raise InputError(text, where=origin)
    if place is not None:
        return _official(place, names(pictures))
    listed = pictures.build(names(pictures), labelmap, origin)
    faces = listed.rows(listed.label == all_labels(labelmap).index(label))
    return replace(
        faces,
        classes=(FACE,),
        label=np.zeros(len(faces.label), np.int64),
        sets={"all": ~faces.ignored},
        rules={"sets": NO_LISTS},
    )


def _official(place: Path, names: tuple[str, ...]) -> Truth:
    """The official lists, which may have more pictures than there are here, but not fewer."""
    truth = read_truth(place)
    if unknown := set(names) - set(truth.pictures):
        raise InputError(
            f"{len(unknown):,} of {len(names):,} pictures are not in the truth, such as "
            f"{min(unknown)}",
            where=truth.origin,
            hint="The official evaluation is of the validation pictures: --split val",
        )
    return truth


def find_truth(root: Path, dataset: Dataset | None, split: str) -> Path | None:
    """The lists, where somebody has put them below the data set's root."""
    place = root / GROUND_TRUTH
    return place if is_folder(place) else None


def names(pictures: TruthBuilder) -> tuple[str, ...]:
    """``EVENT/picture``."""
    stems = [Path(image).with_suffix("") for image in pictures.images]
    return tuple("/".join(stem.parts[-2:]) for stem in stems)


def face_label(labelmap: LabelMap) -> int | None:
    """The label of faces: of the class ``face``, or of the only class there is."""
    labels = all_labels(labelmap)
    return labelmap.label(FACE) or (labels[0] if len(labels) == 1 else None)
