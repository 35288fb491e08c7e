"""Truth of many pictures: of annotations, records, or rows of a table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ssd_data.core.boxes import to_pixels
from ssd_data.core.errors import InputError
from ssd_data.core.labelmap import LabelMap
from ssd_data.core.structures import AnnotatedImage, Flags, Labels
from ssd_data.data.lmdb.table import BoxTable
from ssd_data.metrics.scores import Floats, Ints, Truth


@dataclass(slots=True, eq=False)
class TruthBuilder:
    """Pictures and their true boxes, of which a :class:`Truth` is made.

    Attributes:
        images: the pictures' paths; image_ids: COCO's ids, None where there is none.
        sizes: int64 (P, 2), width and height of each, 0 where not known.
        picture: int64 (M,), index of each box's picture, rising; labels: int32 (M,);
        boxes: float64 (M, 4); difficult: bool (M,).

    >>> dog = np.array([[0.25, 0.5, 0.75, 1.0]])
    >>> zero = np.array([0])
    >>> pictures = TruthBuilder(["a/7.jpg"], zero, zero, np.array([2]), dog, zero == 1)
    >>> pictures.to_pixels(np.array([[64, 48]]))
    >>> truth = pictures.build(["7"], LabelMap.from_names(["cat", "dog"]), "test_lmdb")
    >>> truth.classes, truth.label, truth.boxes
    (('cat', 'dog'), array([1]), array([[16., 24., 48., 48.]]))
    """

    images: Sequence[str]
    sizes: Ints
    picture: Ints
    labels: Labels
    boxes: Floats
    difficult: Flags
    image_ids: Sequence[int | None] = ()

    @classmethod
    def of_table(cls, table: BoxTable) -> TruthBuilder:
        """All pictures of an LMDB; boxes are fractions."""
        sizes, boxes = table.sizes.astype(np.int64), table.boxes.astype(np.float64)
        return cls(table.images, sizes, table.record, table.labels, boxes, table.difficult)

    @classmethod
    def of_entries(
        cls, entries: Sequence[AnnotatedImage], labels: Sequence[Labels]
    ) -> TruthBuilder:
        """Annotated pictures with the labels of their boxes, which are in pixels."""
        sizes = [(entry.width or 0, entry.height or 0) for entry in entries]
        return cls(
            [entry.image for entry in entries],
            np.array(sizes, np.int64).reshape(-1, 2),
            np.repeat(np.arange(len(entries)), [len(one) for one in labels]),
            np.concatenate([np.zeros(0, np.int32), *labels]),
            np.concatenate([np.zeros((0, 4)), *(entry.boxes for entry in entries)]),
            np.concatenate([np.zeros(0, np.bool_), *(entry.difficult for entry in entries)]),
            [entry.image_id for entry in entries],
        )

    def to_pixels(self, sizes: Ints) -> None:
        """Boxes were fractions: make them pixels of pictures of those sizes, int64 (P, 2)."""
        self.sizes = sizes
        self.boxes = to_pixels(self.boxes, *sizes[self.picture].T)

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
        labels = self.labels.tolist()
        if unknown := [label for label in labels if label not in index]:
            text = f"label {unknown[0]} is not in the labelmap {labelmap.origin}"
            raise InputError(text, where=origin)
        return Truth(
            origin=str(origin),
            pictures=tuple(names),
            classes=tuple(item.name for item in items),
            picture=self.picture,
            label=np.array([index[label] for label in labels], np.int64),
            boxes=self.boxes,
            ignored=self.difficult,
            sizes=self.sizes,
        )
