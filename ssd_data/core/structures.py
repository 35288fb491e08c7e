"""The nouns that flow through the package; all frozen.

Boxes are ``float32`` arrays of shape (N, 4) in the order xmin, ymin, xmax, ymax. In an
:class:`AnnotatedImage` they are as the annotation states them (``xmax`` is not moved by one,
nothing is clipped); everywhere else they are fractions of the picture's width and height.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from ssd_data.core.errors import InputError

Boxes: TypeAlias = npt.NDArray[np.float32]
Flags: TypeAlias = npt.NDArray[np.bool_]
Labels: TypeAlias = npt.NDArray[np.int32]
Pixels: TypeAlias = npt.NDArray[np.uint8]
Scores: TypeAlias = npt.NDArray[np.float32]

NO_BOXES: Boxes = np.zeros((0, 4), np.float32)
NO_BOXES.setflags(write=False)


class HeldPicture(Protocol):
    """A picture that is no file of its own but lies in another."""

    @property
    def stamp(self) -> tuple[int, int]:
        """What changes when the picture does: size and time of the file that holds it."""

    def read(self) -> bytes:
        """The picture's file, whole.

        Raises:
            InputError: it cannot be read.
        """


def flagged(name: str, flags: Sequence[bool] | Flags) -> dict[str, npt.NDArray[np.int8]]:
    """An attribute of boxes that is said only where one has it.

    >>> flagged("rotated", [False, True]), flagged("rotated", [False])
    ({'rotated': array([0, 1], dtype=int8)}, {})
    """
    return {name: np.asarray(flags, np.int8)} if any(flags) else {}


@dataclass(frozen=True, slots=True, eq=False)
class AnnotatedImage:
    """One picture of a raw data set with its boxes, as its annotation states them.

    >>> from ssd_data import Tally, find
    >>> first = next(find("sample/voc").entries("test", Tally()))
    >>> first.image, first.classes
    ('JPEGImages/test000001.jpg', ('circle', 'square', 'circle'))
    >>> first.boxes[0].tolist()
    [59.0, 39.0, 84.0, 65.0]

    Attributes:
        image: the picture's path below the data set's root, with ``/``; or, of one that is
            ``held`` by another file, the path that it would have.
        annotation: the annotation's path below the root, as lists name it.
        classes: per box the class, a name (``str``) or, in txt files, a label number (``int``).
        boxes: float32 (N, 4), xmin ymin xmax ymax; pixels, or fractions where ``normalized``.
        difficult: bool (N,); VOC's ``difficult``, COCO's ``iscrowd``, WIDER FACE's ``invalid``.
        width: the width in pixels that the annotation states, None where it states none.
        height: likewise.
        image_id: COCO's integer image id, else None.
        places: per box where it stands: a line number, or what ``place_kind`` says.
        place_kind: "line" (of the annotation file) or "annotation" (COCO's id).
        normalized: whether boxes are fractions of the picture's width and height: then nobody needs
            to know its size to store them.
        upright: whether boxes, and a stated size, are of the picture as its EXIF orientation turns
            it; None where only the sizes can tell.
        held: where the picture is no file of its own, what gives its bytes.
        attributes: further values per box (``rotated``: whether the box is the upright one around a
            rotated box), each an array of length N (WIDER FACE: ``blur``,
            ``expression``, ``illumination``, ``invalid``, ``occlusion``, ``pose``).
    """

    image: str
    annotation: str
    classes: tuple[str | int, ...] = ()
    boxes: Boxes = field(default_factory=lambda: NO_BOXES)
    difficult: Flags = field(default_factory=lambda: np.zeros(0, np.bool_))
    width: int | None = None
    height: int | None = None
    image_id: int | None = None
    places: tuple[int, ...] = ()
    place_kind: str = "line"
    attributes: Mapping[str, npt.NDArray[np.int8]] = field(default_factory=dict)
    normalized: bool = False
    upright: bool | None = None
    held: HeldPicture | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        """Arrays as their bytes: millions are pickled, and that takes a third of the time."""
        boxes, difficult = packed(self.boxes), packed(self.difficult)
        front = self.image, self.annotation, self.classes, boxes, difficult, self.width, self.height
        more = self.image_id, self.places, self.place_kind, self.attributes
        return _image, (*front, *more, self.normalized, self.upright, self.held)

    def size(self, width: int, height: int) -> tuple[int, int]:
        """The width and height that the annotation states, else those of the picture's file."""
        return self.width or width, self.height or height

    def unit(self, width: int, height: int) -> tuple[int, int]:
        """What boxes are divided by to be fractions: the picture's size, or 1 where they are that.

        >>> AnnotatedImage("a.jpg", "a.xml", width=640).unit(320, 240)
        (640, 240)
        >>> AnnotatedImage("a.jpg", "a.txt", normalized=True).unit(320, 240)
        (1, 1)

        Args:
            width, height: of the picture's file.
        """
        return (1, 1) if self.normalized else self.size(width, height)

    def place(self, index: int) -> str:
        """Where box ``index`` stands, as ``file:line`` or ``file: annotation id``."""
        if self.place_kind == "line":
            return f"{self.annotation}:{self.places[index]}"
        return f"{self.annotation}: {self.place_kind} {self.places[index]}"


def packed(values: npt.NDArray[Any]) -> tuple[str, bytes]:
    """An array's type and bytes."""
    return values.dtype.str, values.tobytes()


def unpacked(kind: str, data: bytes) -> npt.NDArray[Any]:
    """The array of one dimension again.

    >>> unpacked(*packed(np.array([1, 2], np.int32)))
    array([1, 2], dtype=int32)
    """
    return np.frombuffer(bytearray(data), kind)


def _image(
    image: str,
    annotation: str,
    classes: tuple[str | int, ...],
    boxes: tuple[str, bytes],
    difficult: tuple[str, bytes],
    *more: Any,
) -> AnnotatedImage:
    corners, flags = unpacked(*boxes).reshape(-1, 4), unpacked(*difficult)
    return AnnotatedImage(image, annotation, classes, corners, flags, *more)


@dataclass(frozen=True, slots=True)
class Unreadable:
    """An entry of a data set whose annotation could not be read; keeps its place in the list.

    Attributes:
        unannotated: there is no annotation, so that it may be meant as a picture without objects.
        boxless: where objects stand that have no box, and what is wrong with each; only they are.
        rest: then, the picture without them.
        held: as :attr:`AnnotatedImage.held`.
    """

    image: str
    annotation: str
    error: InputError
    unannotated: bool = False
    boxless: tuple[str, ...] = ()
    rest: AnnotatedImage | None = None
    held: HeldPicture | None = None


Entry: TypeAlias = AnnotatedImage | Unreadable


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """What a data layer gives a net at once.

    Attributes:
        data: float32 (N, channels, height, width) after mean and scale, BGR.
        label: float32 (1, 1, M, 8), a row a box in the pictures' order: item_id (0 … N-1),
            group_label, instance_id, xmin, ymin, xmax, ymax (fractions of the input), difficult;
            one row of -1 where there is no box.
        keys: of the N records; of a mix of LMDBs with their path before them.
        others: of each those of records that something was taken of besides.
    """

    data: npt.NDArray[np.float32]
    label: npt.NDArray[np.float32]
    keys: tuple[str, ...]
    others: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Detections:
    """What a detector found in one picture, by label, then by falling score.

    >>> boxes = np.array([[0.25, 0.5, 0.75, 1], [0, 0, 1, 1]], np.float32)
    >>> found = Detections(np.array([1, 3]), np.array([0.9, 0.2], np.float32), boxes)
    >>> len(found), len(found.above(0.5))
    (2, 1)
    >>> found.in_pixels(200, 100)[0].tolist()
    [50.0, 50.0, 150.0, 100.0]

    Attributes:
        labels: int32 (N,); scores: float32 (N,);
        boxes: float32 (N, 4), fractions of the picture, xmin ymin xmax ymax, not clipped.
    """

    labels: Labels
    scores: Scores
    boxes: Boxes

    def __len__(self) -> int:
        return len(self.labels)

    def in_pixels(self, width: int, height: int) -> Boxes:
        """The boxes in pixels of a picture of that size, float32 (N, 4)."""
        return self.boxes * np.array([width, height] * 2, np.float32)

    def above(self, score: float) -> Detections:
        """Those of at least that score."""
        return self.only(self.scores >= score)

    def sound(self) -> Detections:
        """Those whose score and box are numbers: what a net gives may be NaN or infinite."""
        return self.only(np.isfinite(self.scores) & np.isfinite(self.boxes).all(1))

    def only(self, kept: Flags) -> Detections:
        """Those of the given flags."""
        return Detections(self.labels[kept], self.scores[kept], self.boxes[kept])
