"""Truth of pictures that come one after the other: annotations, records, or rows of a table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ssd_data.core.boxes import to_pixels
from ssd_data.core.errors import InputError
from ssd_data.core.labelmap import LabelMap
from ssd_data.core.structures import Boxes, Flags, Labels
from ssd_data.data.lmdb.table import BoxTable
from ssd_data.metrics.scores import Floats, Ints, Truth


class TruthBuilder:
    """Collects pictures and their true boxes, and makes a :class:`Truth` of them.

    Attributes:
        images: the pictures' paths; image_ids: COCO's ids, None where there is none.
        sizes: width and height of each, 0 where not known.

    >>> pictures = TruthBuilder()
    >>> dog = np.array([[0.25, 0.5, 0.75, 1.0]])
    >>> pictures.add("a/7.jpg", (0, 0), np.array([2]), dog, np.array([False]))
    >>> pictures.to_pixels(np.array([[64, 48]]))
    >>> truth = pictures.build(["7"], LabelMap.from_names(["cat", "dog"]), "test_lmdb")
    >>> truth.classes, truth.label, truth.boxes
    (('cat', 'dog'), array([1]), array([[16., 24., 48., 48.]]))
    """

    def __init__(self) -> None:
        self.images: list[str] = []
        self.image_ids: list[int | None] = []
        self.sizes: list[tuple[int, int]] = []
        self._labels: list[Labels] = []
        self._boxes: list[Floats] = []
        self._difficult: list[Flags] = []

    def add(
        self,
        image: str,
        size: tuple[int, int],
        labels: Labels,
        boxes: Boxes,
        difficult: Flags,
        image_id: int | None = None,
    ) -> None:
        """One picture: its path, width and height, and its boxes, (N, 4)."""
        self.images.append(image)
        self.image_ids.append(image_id)
        self.sizes.append(size)
        self._labels.append(labels)
        self._boxes.append(boxes.astype(np.float64))
        self._difficult.append(difficult)

    def add_table(self, table: BoxTable) -> None:
        """All pictures of an LMDB; boxes are fractions."""
        sizes = table.sizes.tolist()
        for image, (width, height), mine in zip(table.images, sizes, table.rows(), strict=True):
            self.add(
                image,
                (width, height),
                table.labels[mine],
                table.boxes[mine],
                table.difficult[mine],
            )

    def to_pixels(self, sizes: Ints) -> None:
        """Boxes were fractions: make them pixels of pictures of those sizes, int64 (P, 2)."""
        self.sizes = [(width, height) for width, height in sizes.tolist()]
        for i, (width, height) in enumerate(self.sizes):
            self._boxes[i] = to_pixels(self._boxes[i], width, height)

    def build(self, names: Sequence[str], labelmap: LabelMap, origin: Path | str) -> Truth:
        """The truth; its classes are the labelmap's, the background left out.

        Args:
            names: what the pictures are called.
            origin: where all this comes from.

        Raises:
            InputError: there is no picture, a name stands twice, or the labelmap lacks a label.
        """
        if not names:
            raise InputError("it lists no picture", where=origin)
        if twice := [name for name, count in Counter(names).items() if count > 1]:
            raise InputError(f'the picture "{twice[0]}" stands twice', where=origin)
        items = [item for item in labelmap if item.label > 0]
        index = {item.label: i for i, item in enumerate(items)}
        labels = np.concatenate([np.zeros(0, np.int32), *self._labels]).tolist()
        if unknown := [label for label in labels if label not in index]:
            text = f"label {unknown[0]} is not in the labelmap {labelmap.origin}"
            raise InputError(text, where=origin)
        return Truth(
            origin=str(origin),
            pictures=tuple(names),
            classes=tuple(item.name for item in items),
            picture=np.repeat(np.arange(len(names)), [len(labels) for labels in self._labels]),
            label=np.array([index[label] for label in labels], np.int64),
            boxes=np.concatenate([np.zeros((0, 4)), *self._boxes]),
            ignored=np.concatenate([np.zeros(0, np.bool_), *self._difficult]),
            sizes=np.array(self.sizes, np.int64).reshape(-1, 2),
        )
