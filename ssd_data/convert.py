"""One picture with labelled boxes to one record: the build's inner step, run in many threads."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from posixpath import basename, splitext

import numpy as np

from ssd_data import boxes as boxlib
from ssd_data.errors import InputError
from ssd_data.options import BuildOptions
from ssd_data.paths import read_bytes, require_below
from ssd_data.pictures import (
    PictureInfo,
    decode,
    encode,
    probe,
    resize,
    resized_size,
    without_orientation,
)
from ssd_data.records import encode_record, key_of
from ssd_data.scan import LabelledImage
from ssd_data.structures import Boxes, Flags, Labels
from ssd_data.tally import Tally

MOST_BYTES = 1 << 30
MOST_KEY_BYTES = 511  # LMDB's own limit


class BoxRuleError(InputError):
    """A box that ``--outside fail`` or ``--empty fail`` does not allow."""


@dataclass(slots=True)
class Made:
    """One record and what is to be said of it; or, with ``error``, why there is none.

    Attributes:
        size_line: the record's line of ``<split>_name_size.txt``.
        labels: int32 (N,) of the boxes that were stored; difficult: bool (N,).
    """

    key: bytes
    value: bytes = b""
    digest: bytes = b""
    size_line: str = ""
    labels: Labels = field(default_factory=lambda: np.zeros(0, np.int32))
    difficult: Flags = field(default_factory=lambda: np.zeros(0, np.bool_))
    notes: Tally = field(default_factory=Tally)
    error: InputError | None = None


def make_record(root: Path, image: LabelledImage, options: BuildOptions) -> Made:
    """Read the picture, bring it to the wanted form and encode the record.

    An ``InputError`` of this picture or its boxes is returned, not raised.
    """
    made = Made(key_of(image.number, image.entry.image))
    try:
        if len(made.key) > MOST_KEY_BYTES:
            where = image.entry.image
            raise InputError(f"the key is longer than LMDB's {MOST_KEY_BYTES} bytes", where=where)
        _fill(made, root, image, options)
    except InputError as error:
        made.error = error
    return made


def _fill(made: Made, root: Path, image: LabelledImage, options: BuildOptions) -> None:
    entry = image.entry
    require_below(root, entry.image)
    file = read_bytes(f"{root}/{entry.image}", "picture", MOST_BYTES, entry.image)
    info = probe(file, entry.image, options.max_pixels)
    data, shape = _stored(file, info, entry.image, options, made.notes)
    width, height = entry.width or info.width, entry.height or info.height
    if (width, height) != (info.width, info.height):
        stated = f"{entry.annotation}: {width}x{height}, the picture {info.width}x{info.height}"
        made.notes.add("annotation states another size (it is used for the boxes)", stated)
    labels, boxes, difficult = _boxes(image, width, height, options, made.notes)
    made.value = encode_record(
        data, shape, labels, boxes, difficult, encoded=options.encode != "raw"
    )
    made.digest = hashlib.sha256(made.value).digest()
    name = splitext(basename(entry.image))[0] if entry.image_id is None else entry.image_id
    made.size_line = f"{name} {info.height} {info.width}\n"
    made.labels, made.difficult = labels, difficult


def _stored(
    file: bytes, info: PictureInfo, name: str, options: BuildOptions, notes: Tally
) -> tuple[bytes, tuple[int, int, int]]:
    """The bytes to store and their channels, height, width; the file's own where they will do."""
    if info.orientation_at is not None:
        notes.add("EXIF orientation ignored (its tag is set to 1)", name)
    suffix = splitext(name)[1].lower().lstrip(".").replace("jpeg", "jpg")
    if suffix != info.format:
        notes.add("the file's ending is not its format's (its content counts)", name)
    wanted = "L" if options.gray else "RGB"
    if info.format == options.encode and info.mode == wanted and not options.resizes:
        if options.verify == "decode":
            decode(file, name)
        shape = (1 if options.gray else 3, info.height, info.width)
        return without_orientation(file, info), shape
    if info.mode not in (wanted, "RGB"):
        notes.add(f"{info.mode} picture stored with {1 if options.gray else 3} channels", name)
    pixels = decode(file, name, options.gray)
    how = resized_size(info.width, info.height, options.size, options.min_dim, options.max_dim)
    pixels = resize(pixels, how, name, options.max_pixels)
    height, width = pixels.shape[:2]
    shape = (1 if options.gray else 3, height, width)
    return encode(pixels, options.encode, options.quality), shape


def _boxes(
    image: LabelledImage, width: int, height: int, options: BuildOptions, notes: Tally
) -> tuple[Labels, Boxes, Flags]:
    """Fractional boxes after the rules for boxes without area and boxes that leave the picture."""
    entry = image.entry
    boxes = boxlib.normalize(entry.boxes, width, height)
    if boxlib.all_sound(entry.boxes, width, height):
        return image.labels, boxes, entry.difficult
    # Empty is judged on pixels: a fraction's rounding must not decide it.
    empty = boxlib.is_empty(entry.boxes)
    outside = boxlib.is_outside(boxes)
    keep = np.ones(len(boxes), np.bool_)
    if outside.any():
        _report(image, outside & ~empty, options.outside, "leaves the picture", notes)
        if options.outside == "drop":
            keep &= ~outside
        elif options.outside == "clip":
            boxes = boxlib.clip(boxes)
            empty |= boxlib.is_empty(boxes)
    if empty.any():
        _report(image, empty & keep, options.empty, "is inverted or has no area", notes)
        if options.empty == "drop":
            keep &= ~empty
    if keep.all():
        return image.labels, boxes, entry.difficult
    return image.labels[keep], boxes[keep], entry.difficult[keep]


_DONE = {"keep": "kept", "drop": "dropped", "clip": "clipped"}


def _report(image: LabelledImage, which: Flags, policy: str, what: str, notes: Tally) -> None:
    for index in np.flatnonzero(which):
        corners = " ".join(f"{value:g}" for value in image.entry.boxes[index])
        where = f"{image.entry.place(int(index))}: {image.entry.image}"
        if policy == "fail":
            raise BoxRuleError(
                f"the box {corners} {what}",
                where=where,
                hint="--outside and --empty say what to do with such boxes",
            )
        notes.add(f"box {what} ({_DONE[policy]})", f"{where}: {corners}")
