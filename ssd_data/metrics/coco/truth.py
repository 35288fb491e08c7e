"""What COCO takes for true of a data set, and by which numbers it calls pictures and classes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from ssd_data.core.boxes import to_xywh
from ssd_data.core.errors import InputError
from ssd_data.core.labelmap import LabelMap
from ssd_data.data import formats
from ssd_data.data.dataset import Dataset
from ssd_data.metrics.coco.files import read_truth
from ssd_data.metrics.scores import Truth
from ssd_data.metrics.truth import TruthBuilder

NO_SEGMENTATION = "of the boxes: records and VOC's annotations state no other"


def truth(pictures: TruthBuilder, labelmap: LabelMap, origin: Path, place: Path | None) -> Truth:
    """See :class:`ssd_data.metrics.Metric`; of records the areas are those of the boxes."""
    if place is not None:
        return read_truth(place)
    listed = pictures.build(names(pictures), labelmap, origin)
    shown = labelmap.shown_apart()
    xywh = to_xywh(listed.boxes)
    return replace(
        listed,
        classes=tuple(shown[item.label] for item in labelmap if item.label > 0),
        attributes={"xywh": xywh, "area": xywh[:, 2] * xywh[:, 3]},
        class_ids=np.array(list(category_ids(labelmap).values()), np.int64),
        rules={"area": NO_SEGMENTATION},
    )


def find_truth(root: Path, dataset: Dataset | None, split: str) -> Path | None:
    """The instances JSON of a split, where it says what is read of it; else None.

    Raises:
        InputError: there are several.
    """
    if dataset is None or dataset.format != "coco":
        return None
    file = formats.load(dataset.format).truth_file
    assert file is not None
    sources = dataset.splits[split].sources
    if len(sources) > 1:
        text = f'the split "{split}" has {len(sources)} JSONs; COCO\'s numbers are of one'
        raise InputError(text, where=root, hint="Choose another with --split")
    name = file(root, sources[0])
    return root / name if name else None


def names(pictures: TruthBuilder) -> tuple[str, ...]:
    """COCO's own ids; else the numbers that the files are called; else 1, 2, …"""
    ids = [number for number in pictures.image_ids if number is not None]
    if len(ids) < len(pictures.images):
        stems = [Path(image).stem.rpartition("_")[2] for image in pictures.images]
        ids = [int(stem) for stem in stems] if all(map(_is_number, stems)) else []
    if not ids or len(set(ids)) < len(ids):
        ids = list(range(1, len(pictures.images) + 1))
    return tuple(map(str, ids))


def remark(pictures: TruthBuilder) -> str:
    """That pictures are counted, where their names give no number."""
    last = Path(pictures.images[0]).stem[-1:]
    if names(pictures)[0] != "1" or last.isdecimal():
        return ""
    return "image ids are taken as 1, 2, … in the LMDB's order: no name is a number"


def category_ids(labelmap: LabelMap) -> dict[int, int]:
    """Label → category id: the class's name where all are numbers, as in COCO's labelmap."""
    items = [item for item in labelmap if item.label > 0]
    numbers = all(_is_number(item.name) for item in items)
    return {item.label: int(item.name) if numbers else item.label for item in items}


def known_categories(labelmap: LabelMap, truth: Truth) -> dict[int, int]:
    """The same of those categories that a truth has."""
    known = set(truth.class_ids.tolist())
    return {label: n for label, n in category_ids(labelmap).items() if n in known}


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) < 19
