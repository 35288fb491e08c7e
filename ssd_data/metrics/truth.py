"""What each metric takes for true, from annotations or records."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from ssd_data.core.errors import InputError
from ssd_data.core.labelmap import LabelMap
from ssd_data.core.structures import Boxes, Flags, Labels
from ssd_data.metrics.coco import files as coco
from ssd_data.metrics.coco.files import CocoTruth
from ssd_data.metrics.scores import Floats, Ints, Truth
from ssd_data.metrics.widerface import files as widerface

FACE = "face"
GROUND_TRUTH = Path("eval_tools", "ground_truth")


class TruthBuilder:
    """Pictures and their boxes as they come, one after the other."""

    def __init__(self) -> None:
        self.images: list[str] = []
        self.ids: list[int | None] = []
        self.sizes: list[tuple[int, int]] = []
        self.labels: list[Labels] = []
        self.boxes: list[Floats] = []
        self.difficult: list[Flags] = []

    def add(
        self,
        image: str,
        size: tuple[int, int],
        labels: Labels,
        boxes: Boxes,
        difficult: Flags,
        image_id: int | None = None,
    ) -> None:
        """One picture: its path, width and height, and its boxes, float32 (N, 4)."""
        self.images.append(image)
        self.ids.append(image_id)
        self.sizes.append(size)
        self.labels.append(labels)
        self.boxes.append(boxes.astype(np.float64))
        self.difficult.append(difficult)

    def to_pixels(self, sizes: Ints) -> None:
        """Boxes were fractions: make them pixels of pictures of those sizes, int64 (P, 2)."""
        self.sizes = [(width, height) for width, height in sizes.tolist()]
        for i, (width, height) in enumerate(self.sizes):
            # Fractions are float32: a thousandth of a pixel is what they can tell.
            self.boxes[i] = np.round(self.boxes[i] * [width, height, width, height], 3)


def make(
    metric: str,
    listed: TruthBuilder,
    labelmap: LabelMap,
    origin: Path,
    place: Path | None,
    root: Path,
) -> tuple[tuple[str, ...], Truth | CocoTruth]:
    """The pictures' names in the metric's files, and the truth by its rules.

    Args:
        listed: all pictures, boxes in pixels.
        origin: names the truth in errors.
        place: COCO's instances JSON, or WIDER FACE's ``ground_truth``, where one is given.
        root: of the raw data set.

    Raises:
        InputError: a label or name does not fit, or a file of the truth is broken.
    """
    if metric == "voc":
        names = _voc_names(listed, origin)
        return names, _gather(listed, names, labelmap, origin)
    if metric == "coco":
        return _coco(listed, labelmap, origin, place)
    return _wider(listed, labelmap, origin, place, root)


def _gather(
    listed: TruthBuilder, names: tuple[str, ...], labelmap: LabelMap, origin: Path
) -> Truth:
    if not names:
        raise InputError("it lists no picture", where=origin)
    if len(set(names)) < len(names):
        seen: set[str] = set()
        twice = next(name for name in names if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise InputError(f'the picture "{twice}" stands twice', where=origin)
    items = [item for item in labelmap if item.label > 0]
    index = {item.label: i for i, item in enumerate(items)}
    labels = np.concatenate([np.zeros(0, np.int32), *listed.labels]).tolist()
    if unknown := [label for label in labels if label not in index]:
        text = f"label {unknown[0]} is not in the labelmap {labelmap.origin}"
        raise InputError(text, where=origin)
    return Truth(
        origin=str(origin),
        pictures=names,
        classes=tuple(item.name for item in items),
        picture=np.repeat(np.arange(len(names)), [len(labels) for labels in listed.labels]),
        label=np.array([index[label] for label in labels], np.int64),
        boxes=np.concatenate([np.zeros((0, 4)), *listed.boxes]),
        ignored=np.concatenate([np.zeros(0, np.bool_), *listed.difficult]),
        sizes=np.array(listed.sizes, np.int64).reshape(-1, 2),
    )


def _voc_names(listed: TruthBuilder, origin: Path) -> tuple[str, ...]:
    """The files' names without ending; where two are the same, their paths. No spaces."""
    names = [Path(image).stem for image in listed.images]
    if len(set(names)) < len(names):
        names = [str(Path(image).with_suffix("")) for image in listed.images]
    return tuple("_".join(name.split()) for name in names)


def _coco(
    listed: TruthBuilder, labelmap: LabelMap, origin: Path, place: Path | None
) -> tuple[tuple[str, ...], CocoTruth]:
    if place is not None:
        return tuple(map(str, _image_ids(listed))), coco.read_truth(place)
    ids = _image_ids(listed)
    names = tuple(map(str, ids))
    truth = _gather(listed, names, labelmap, origin)
    xywh = truth.boxes.copy()
    xywh[:, 2:] -= xywh[:, :2]
    categories = np.array(list(category_ids(labelmap).values()), np.int64)
    truth = replace(truth, classes=tuple(i.display_name or i.name for i in labelmap if i.label > 0))
    return names, CocoTruth(
        truth, np.array(ids, np.int64), categories, xywh, xywh[:, 2] * xywh[:, 3]
    )


def _image_ids(listed: TruthBuilder) -> list[int]:
    """COCO's own ids; else the numbers that the files are called; else 1, 2, …"""
    ids = [number for number in listed.ids if number is not None]
    if len(ids) < len(listed.ids):
        stems = [Path(image).stem.rpartition("_")[2] for image in listed.images]
        numbers = all(stem.isascii() and stem.isdecimal() and len(stem) < 19 for stem in stems)
        ids = [int(stem) for stem in stems] if numbers else []
    return ids if ids and len(set(ids)) == len(ids) else list(range(1, len(listed.images) + 1))


def category_ids(labelmap: LabelMap) -> dict[int, int]:
    """Label → category id: the class's name where all are numbers, as in COCO's labelmap."""
    items = [item for item in labelmap if item.label > 0]
    numbers = all(i.name.isascii() and i.name.isdecimal() and len(i.name) < 19 for i in items)
    return {item.label: int(item.name) if numbers else item.label for item in items}


def face_label(labelmap: LabelMap) -> int | None:
    """The label of faces: of the class ``face``, or of the only class there is."""
    labels = [item.label for item in labelmap if item.label > 0]
    return labelmap.label(FACE) or (labels[0] if len(labels) == 1 else None)


def _wider(
    listed: TruthBuilder, labelmap: LabelMap, origin: Path, place: Path | None, root: Path
) -> tuple[tuple[str, ...], Truth]:
    names = tuple("/".join(Path(image).with_suffix("").parts[-2:]) for image in listed.images)
    if face_label(labelmap) is None:
        raise InputError(f'the labelmap {labelmap.origin} has no class "{FACE}"', where=origin)
    usual = root / GROUND_TRUTH
    if place is None and usual.is_dir():
        place = usual
    if place is None:
        truth = _gather(listed, names, labelmap, origin)
        mine = truth.label == truth.classes.index(_face_name(labelmap))
        truth = replace(truth, classes=(FACE,), label=np.zeros(mine.sum(), np.int64),
                        picture=truth.picture[mine], boxes=truth.boxes[mine],
                        ignored=truth.ignored[mine])  # fmt: skip
        return names, replace(truth, sets={"all": ~truth.ignored})
    truth = widerface.read_truth(place)
    if unknown := set(names) - set(truth.pictures):
        raise InputError(
            f"{len(unknown):,} of {len(names):,} pictures are not in the truth, such as "
            f"{min(unknown)}",
            where=truth.origin,
            hint="The official evaluation is of the validation pictures: --split val",
        )
    return names, truth


def _face_name(labelmap: LabelMap) -> str:
    label = face_label(labelmap)
    return next(item.name for item in labelmap if item.label == label)
