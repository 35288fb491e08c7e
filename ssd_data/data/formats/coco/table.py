"""The annotations of a JSON as arrays, sorted by image; the JSON's own objects are let go."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from ssd_data.core.boxes import from_xywh
from ssd_data.core.errors import InputError
from ssd_data.core.images import picture_bytes, probe
from ssd_data.core.structures import AnnotatedImage, Entry, Unreadable, flagged
from ssd_data.data.formats.coco import boxes as boxlib
from ssd_data.data.formats.coco import loose
from ssd_data.data.formats.coco.context import CocoContext
from ssd_data.data.formats.coco.jsonfile import raise_all
from ssd_data.data.formats.coco.naming import ListedImage
from ssd_data.data.formats.coco.schema import (
    FROM_OUTLINE,
    MADE_TWICE,
    MASKS,
    NOTHING,
    STRANGER,
    TURNED,
    TWO_SIZES,
    CocoAnnotation,
    CocoImage,
    PlainAnnotation,
)
from ssd_data.data.formats.numbers import FAR

AT_ONCE = 512
_decode_annotation = msgspec.json.Decoder(CocoAnnotation).decode
_decode_plain = msgspec.json.Decoder(PlainAnnotation).decode


class _Columns:
    """Image, category, id, crowd and four numbers a box, and whether it has an outline."""

    def __init__(self, context: CocoContext) -> None:
        self.context = context
        self.owner, self.category, self.id = (array("q") for _ in range(3))
        self.crowd = array("b")
        self.boxes: array[float] = array("f")
        self.traced: list[int] = []
        self.rotated: list[int] = []
        self.left_out: list[int] = []
        self.lacking: dict[int, list[str]] = {}
        self._faults: list[InputError] = []

    def add_all(self, annotations: list[msgspec.Raw]) -> None:
        """Take all in, and empty the list.

        Raises:
            InputError: some have no image or category; they are listed.
        """
        simple = self.context.source.bbox != "xyxy" and not self.context.label_studio
        for start in range(0, len(annotations), AT_ONCE):
            raws = annotations[start : start + AT_ONCE]
            if not (simple and self._add_plain(raws)):
                for index, raw in enumerate(raws, start):
                    self._add_odd(index, raw)
        annotations.clear()
        raise_all(self._faults, self.context.name)

    def _add_plain(self, raws: list[msgspec.Raw]) -> bool:
        """Take in annotations that are all as most are; False, and none, where one is not."""
        try:
            many = [_decode_plain(raw) for raw in raws]
        except msgspec.ValidationError:
            return False
        boxes = np.array([one.bbox for one in many], np.float64)
        if not (np.abs(boxes) < FAR).all() or any(one.attributes is not NOTHING for one in many):
            return False
        self.owner.extend([one.image_id for one in many])
        self.category.extend([one.category_id for one in many])
        self.id.extend([one.id for one in many])
        self.crowd.extend([bool(one.iscrowd) for one in many])
        self.boxes.frombytes(boxes.astype(np.float32).tobytes())
        return True

    def _add_odd(self, index: int, raw: msgspec.Raw) -> None:
        """Take in an annotation that is not as plain as most."""
        try:
            one = self._decoded(index, raw)
        except InputError as error:
            self._faults.append(error)
            return
        box = boxlib.stated(one.bbox)
        if isinstance(box, str):
            found = self._traced(raw, index, one, box)
            if found is None:
                self.left_out.append(index)
                return
            box = found
        elif self.context.source.bbox == "xyxy":
            box = (box[0], box[1], box[2] - box[0], box[3] - box[1])
        crowd = bool(one.iscrowd)
        if one.attributes is not NOTHING:
            box, crowd = self._as_cvat(raw, index, one, box)
        if self.context.label_studio and boxlib.outline(raw) is not None:
            self.traced.append(len(self.owner))
        self.owner.append(one.image_id)
        self.category.append(one.category_id)
        self.id.append(one.id)
        self.crowd.append(crowd)
        self.boxes.extend(box)

    def _decoded(self, index: int, raw: msgspec.Raw) -> CocoAnnotation:
        try:
            return _decode_annotation(raw)
        except msgspec.ValidationError:
            known, where = self.context, f"{self.context.name}: annotations[{index}]"
            return loose.annotation(raw, known.image_ids, known.category_ids, where, known.notes)

    def _traced(
        self, raw: msgspec.Raw, index: int, annotation: CocoAnnotation, fault: str
    ) -> boxlib.Quad | None:
        """The hull of an annotation without a box; None, and kept in mind, where it has none."""
        place = self._place(index, annotation)
        box = boxlib.hull(boxlib.outline(raw))
        if box is None:
            self.lacking.setdefault(annotation.image_id, []).append(f"{place}: {fault}")
        else:
            self.context.notes.add(FROM_OUTLINE, f"{place}: {fault}")
        return box

    def _as_cvat(
        self, raw: msgspec.Raw, index: int, annotation: CocoAnnotation, box: boxlib.Quad
    ) -> tuple[boxlib.Quad, bool]:
        written, turn = boxlib.cvat(annotation.attributes)
        crowd = bool(annotation.iscrowd)
        if not written:
            return box, crowd
        place = self._place(index, annotation)
        if turn % 180 and boxlib.outline(raw) is None:
            self.context.notes.add(TURNED, f"{place}: {turn:g} degrees")
            box = boxlib.turned(box, turn)
            self.rotated.append(len(self.owner))
        if crowd and self.context.source.crowd == "auto":
            self.context.notes.add(MASKS, place)
            crowd = False
        return box, crowd

    def _place(self, index: int, annotation: CocoAnnotation) -> str:
        name = self.context.name
        if annotation.id < 0:
            return f"{name}: annotations[{index}]"
        return f"{name}: annotation {annotation.id}"


class CocoTable:
    """A JSON's annotations, sorted by image.

    Raises:
        InputError: annotations have no image or category; all of them are of images that are not
            listed; or all boxes seem to be two corners.
    """

    def __init__(
        self, annotations: list[msgspec.Raw], images: list[CocoImage], context: CocoContext
    ) -> None:
        self.context = context
        columns = _Columns(context)
        columns.add_all(annotations)
        self.lacking = columns.lacking
        owner = np.frombuffer(columns.owner, np.int64)
        order = np.argsort(owner, kind="stable")
        self.owner = owner[order]
        self.category = np.frombuffer(columns.category, np.int64)[order]
        self.crowd = np.frombuffer(columns.crowd, np.bool_)[order]
        if context.source.crowd == "plain":
            self.crowd = np.zeros_like(self.crowd)
        self.traced = np.isin(order, columns.traced) if columns.traced else None
        self.rotated = np.isin(order, columns.rotated)
        ids = np.frombuffer(columns.id, np.int64)
        numbered = bool((ids >= 0).all())
        self.kind = "annotation" if numbered else "entry"
        if not numbered:
            ids = np.delete(np.arange(len(ids) + len(columns.left_out)), columns.left_out)
        self.id = ids[order]
        xywh = np.frombuffer(columns.boxes, np.float32).reshape(-1, 4)[order]
        self._judge(xywh, images)
        self.boxes = from_xywh(xywh)
        self._count_alike()
        used = np.unique(self.category).tolist()
        self.classes = {n: context.names.get(n) or self._text(n) for n in used}
        self._note(images)

    def _count_alike(self) -> None:
        """Annotations that count categories from 1 where the list of them counts from 0."""
        listed = self.context.listed
        used = set(np.unique(self.category).tolist())
        if 0 in listed and 1 in used and not used & listed and {n - 1 for n in used} <= listed:
            self.category = self.category - 1
            kind = "annotations count categories from 1, their list from 0 (one less is taken)"
            self.context.notes.add(kind, f"{self.context.name}: {len(self.category):,}")

    def _text(self, category: int) -> str:
        return self.context.category_ids.text(category) or str(category)

    def _judge(self, xywh: npt.NDArray[np.float32], images: list[CocoImage]) -> None:
        if self.context.source.bbox != "auto" or not boxlib.could_be_corners(xywh):
            return
        sides = {image.id: (image.width or 0, image.height or 0) for image in images}
        each = np.array([sides.get(n, (0, 0)) for n in self.owner.tolist()], np.int64)
        if boxlib.are_corners(xywh, each):
            shown = " ".join(f"{value:g}" for value in xywh[0])
            raise InputError(
                f"the boxes seem to be two corners each ({shown}), not x, y, width and height",
                where=self.context.name,
                hint='A recipe says what they are: sources = [{ json = "…", images = "…", '
                'bbox = "xyxy" }], or bbox = "xywh"',
            )

    def _note(self, images: list[CocoImage]) -> None:
        name, notes = self.context.name, self.context.notes
        known = np.fromiter((image.id for image in images), np.int64, len(images))
        strangers = ~np.isin(self.owner, known)
        if len(known) and len(strangers) and strangers.all():
            raise InputError(
                "no annotation is of an image that the JSON lists: the image_id of "
                f"{self.kind} {self.id[0]} is {self._image_id(self.owner[0])}",
                where=name,
                hint="Are images and annotations of the same data set?",
            )
        for id_ in self.id[strangers]:
            notes.add(STRANGER, f"{name}: {id_}")
        for number in set(self.lacking) - set(known.tolist()):
            for text in self.lacking[number]:
                notes.add(STRANGER, text)
        ids, counts = np.unique(self.id, return_counts=True)
        for id_ in ids[counts > 1]:
            notes.add("annotation id stands more than once", f"{name}: annotation {id_}")

    def _image_id(self, number: int) -> str:
        return self.context.image_ids.text(int(number)) or str(number)

    def entries(self, listed: Sequence[ListedImage]) -> Iterator[Entry]:
        """The pictures with their boxes, in the file's order; of each of its ids in turn."""
        ids = np.fromiter((one.image.id for one in listed), np.int64, len(listed))
        firsts = np.searchsorted(self.owner, ids).tolist()
        lasts = np.searchsorted(self.owner, ids, "right").tolist()
        for one, first, last in zip(listed, firsts, lasts, strict=True):
            if one.error is not None:
                yield Unreadable(one.path, self.context.name, one.error)
            elif one.again:
                yield self._united(one)
            else:
                yield self._entry(one, slice(first, last))

    def _entry(self, one: ListedImage, mine: Any) -> Entry:
        """A picture with the boxes of those rows."""
        image = one.image
        boxes = self.boxes[mine]
        if self.traced is not None and image.width and image.height and self.traced[mine].any():
            boxes = self._unstretched(one.path, boxes, self.traced[mine], image.width, image.height)
        entry = AnnotatedImage(
            image=one.path,
            annotation=self.context.name,
            classes=tuple([self.classes[n] for n in self.category[mine].tolist()]),
            boxes=boxes,
            difficult=self.crowd[mine],
            width=image.width or None,
            height=image.height or None,
            image_id=image.id if image.id > loose.OWN else None,
            places=tuple(self.id[mine].tolist()),
            place_kind=self.kind,
            attributes=flagged("rotated", self.rotated[mine]),
            upright=True if self.context.label_studio else None,
        )
        if not self.lacking:
            return entry
        lacking = [text for i in (image, *one.again) for text in self.lacking.get(i.id, ())]
        if not lacking:
            return entry
        error = _lacking(lacking, one.path)
        return Unreadable(one.path, entry.annotation, error, boxless=tuple(lacking), rest=entry)

    def _united(self, one: ListedImage) -> Entry:
        images = (one.image, *one.again)
        if len(sizes := {(image.width, image.height) for image in images}) > 1:
            shown = " and ".join(sorted(f"{width}x{height}" for width, height in sizes))
            error = InputError(f"{TWO_SIZES}: {shown}", where=f"{self.context.name}: {one.path}")
            return Unreadable(one.path, self.context.name, error)
        return self._entry(one, self._of_all(images))

    def _of_all(self, images: Sequence[CocoImage]) -> list[int]:
        """The rows of several ids of one picture, without boxes that an earlier one has as well."""
        kept: list[int] = []
        seen: set[tuple[int, bytes]] = set()
        for image in images:
            rows = np.flatnonzero(self.owner == image.id).tolist()
            keys = {row: (int(self.category[row]), self.boxes[row].tobytes()) for row in rows}
            kept += [row for row in rows if keys[row] not in seen]
            for row in rows:
                if keys[row] in seen:
                    place = f"{self.context.name}: {self.kind} {self.id[row]}"
                    self.context.notes.add(MADE_TWICE, place)
            seen.update(keys.values())
        return kept

    def _unstretched(
        self, path: str, boxes: Any, traced: npt.NDArray[np.bool_], width: int, height: int
    ) -> Any:
        try:
            file = picture_bytes(self.context.root / path, path, again=True)
            turned = probe(file, path).orientation >= 5
        except InputError:  # the build says it
            return boxes
        return boxlib.unstretched(boxes, traced, width, height) if turned else boxes


def _lacking(lacking: Sequence[str], path: str) -> InputError:
    place, _, fault = lacking[0].rpartition(": ")
    text = f"{fault} ({path})"
    return InputError("; ".join([text, *lacking[1:]]), where=place)
