"""One picture with labelled boxes to one record: the build's inner step, run in many threads."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from posixpath import basename, splitext

import numpy as np

from ssd_data.core import boxes as boxlib
from ssd_data.core.errors import InputError, as_input_error
from ssd_data.core.files.inside import ahead_of, announce
from ssd_data.core.files.paths import is_below, require_below
from ssd_data.core.headers import PictureInfo
from ssd_data.core.images import (
    DamagedError,
    decode,
    encode,
    picture_bytes,
    probe,
    resize,
    resized_size,
    without_orientation,
)
from ssd_data.core.notes import Tally
from ssd_data.core.parallel import ordered_map
from ssd_data.core.structures import AnnotatedImage, Boxes, Flags, Labels, Pixels
from ssd_data.data.build.frames import in_stored_frame
from ssd_data.data.build.options import BuildOptions
from ssd_data.data.build.scan import LabelledImage
from ssd_data.data.lmdb.records import encode_record, key_of

MOST_KEY_BYTES = 511  # LMDB's own limit


class BoxRuleError(InputError):
    """A box that ``--outside fail`` or ``--empty fail`` does not allow."""


@dataclass(slots=True)
class BuiltRecord:
    """One record and what is to be said of it; or, with ``error``, why there is none.

    Attributes:
        size_line: the record's line of ``<split>_name_size.txt``.
        labels: int32 (N,) of the boxes that were stored; difficult: bool (N,).
        entry: the picture with its boxes in the stored pixels, before any rule about boxes.
        rest: what is left to do, while the record is being made.
    """

    key: bytes
    value: bytes = b""
    digest: bytes = b""
    size_line: str = ""
    labels: Labels = field(default_factory=lambda: np.zeros(0, np.int32))
    difficult: Flags = field(default_factory=lambda: np.zeros(0, np.bool_))
    notes: Tally = field(default_factory=Tally)
    error: InputError | None = None
    entry: AnnotatedImage | None = None
    rest: Callable[[], None] | None = None


def make_record(root: Path, image: LabelledImage, options: BuildOptions) -> BuiltRecord:
    """Read the picture, bring it to the wanted form and encode the record.

    An ``InputError`` of this picture or its boxes is returned, not raised.
    """
    return _finish(_begin(root, image, options))


def make_records(
    root: Path, images: Iterable[LabelledImage], options: BuildOptions, workers: int
) -> Iterator[BuiltRecord]:
    """:func:`make_record` of each picture, in order.

    Threads do what takes long outside the interpreter's lock: they decode, encode and digest. The
    short steps before that are done by the caller: threads would mostly wait for each other.
    """
    begun = (_begin(root, image, options) for image in _announced(root, images))
    return ordered_map(_finish, begun, workers)


def _announced(root: Path, images: Iterable[LabelledImage]) -> Iterator[LabelledImage]:
    """The same pictures; the disk fetches those that come next."""
    waiting: deque[LabelledImage] = deque()
    ahead = ahead_of(root)
    for image in images:
        if is_below(image.entry.image) and not image.entry.held:
            announce(f"{root}/{image.entry.image}")
        waiting.append(image)
        if len(waiting) > ahead:
            yield waiting.popleft()
    yield from waiting


def _begin(root: Path, image: LabelledImage, options: BuildOptions) -> BuiltRecord:
    """A record, whole but for its digest where the picture's own bytes are stored unseen."""
    name = image.entry.image
    made = BuiltRecord(key_of(image.number, name))
    try:
        if len(made.key) > MOST_KEY_BYTES:
            raise InputError(f"the key is longer than LMDB's {MOST_KEY_BYTES} bytes", where=name)
        require_below(root, name)
        with as_input_error():
            file = picture_file(root, image.entry)
        info = probe(file, name, options.max_pixels)
        if _is_kept(info, options) and options.verify == "header":
            _fill(made, file, info, image, options)
        else:
            made.rest = partial(_fill, made, file, info, image, options)
    except InputError as error:
        made.error = error
    return made


def picture_file(root: Path, entry: AnnotatedImage) -> bytes:
    """The bytes of a picture's file.

    Raises:
        InputError: it cannot be read.
    """
    if entry.held is not None:
        return entry.held.read()
    return picture_bytes(f"{root}/{entry.image}", entry.image)


def _finish(made: BuiltRecord) -> BuiltRecord:
    if made.rest is not None:
        try:
            made.rest()
        except InputError as error:
            made.error = error
        made.rest = None  # lets go of the file's bytes
    made.digest = hashlib.sha256(made.value).digest()
    return made


def _fill(
    made: BuiltRecord, file: bytes, info: PictureInfo, image: LabelledImage, options: BuildOptions
) -> None:
    entry = image.entry
    data, shape = _stored(file, info, entry.image, options, made.notes)
    made.entry = entry = in_stored_frame(entry, info, options, made.notes)
    unit = entry.unit(info.width, info.height)
    image = LabelledImage(image.number, entry, image.labels)
    labels, boxes, difficult = _boxes(image, unit, options, made.notes)
    made.value = encode_record(
        data, shape, labels, boxes, difficult, encoded=options.encode != "raw"
    )
    name = splitext(basename(entry.image))[0] if entry.image_id is None else entry.image_id
    made.size_line = f"{name} {info.height} {info.width}\n"
    made.labels, made.difficult = labels, difficult


def in_pixels(root: Path, entry: AnnotatedImage, options: BuildOptions) -> AnnotatedImage:
    """The same picture with boxes in its stored pixels, as a build sees them.

    Where the picture cannot be read, what the annotation states counts.

    Raises:
        InputError: boxes are fractions, and neither a stated size nor the picture says of what; or
            :func:`in_stored_frame` refuses it.
    """
    width, height = entry.size(0, 0)
    require_below(root, entry.image)
    try:
        info = probe(picture_file(root, entry), entry.image)
    except InputError:
        if entry.normalized and not (width and height):
            raise
    else:
        entry = in_stored_frame(entry, info, options, Tally())
        width, height = info.width, info.height
    if not entry.normalized:
        return entry
    boxes = boxlib.to_pixels(entry.boxes, width, height).astype(np.float32)
    return replace(entry, boxes=boxes, width=width, height=height, normalized=False)


def _is_kept(info: PictureInfo, options: BuildOptions) -> bool:
    """Whether the picture's own bytes are what is stored."""
    mode = "L" if options.gray else "RGB"
    sideways = info.orientation != 1 and info.orientation_at is None  # the tag cannot be reset
    kept = info.format == options.encode and info.mode == mode and not sideways
    return kept and not options.resizes


def _stored(
    file: bytes, info: PictureInfo, name: str, options: BuildOptions, notes: Tally
) -> tuple[bytes, tuple[int, int, int]]:
    """The bytes to store and their channels, height, width; the file's own where they will do."""
    suffix = splitext(name)[1].lower().lstrip(".").replace("jpeg", "jpg")
    if suffix != info.format:
        notes.add("the file's ending is not its format's (its content counts)", name)
    if _is_kept(info, options):
        if options.verify == "decode":
            decode(file, name, strict=True, info=info)
        shape = (1 if options.gray else 3, info.height, info.width)
        return without_orientation(file, info), shape
    if info.mode not in ("L" if options.gray else "RGB", "RGB"):
        notes.add(f"{info.mode} picture stored with {1 if options.gray else 3} channels", name)
    pixels = _decoded(file, info, name, options, notes)
    how = resized_size(info.width, info.height, options.size, options.min_dim, options.max_dim)
    pixels = resize(pixels, how, name, options.max_pixels)
    height, width = pixels.shape[:2]
    shape = (1 if options.gray else 3, height, width)
    return encode(pixels, options.encode, options.quality), shape


def _decoded(
    file: bytes, info: PictureInfo, name: str, options: BuildOptions, notes: Tally
) -> Pixels:
    """The pixels; those of a damaged picture are noted, unless pictures are verified."""
    try:
        return decode(file, name, options.gray, strict=True, info=info)
    except DamagedError as error:
        if options.verify == "decode":
            raise
        notes.add("picture is damaged (what is left of it is stored)", error.sentence)
        return decode(file, name, options.gray, info=info)


def _boxes(
    image: LabelledImage, unit: tuple[int, int], options: BuildOptions, notes: Tally
) -> tuple[Labels, Boxes, Flags]:
    """Fractional boxes after the rules for boxes without area and boxes that leave the picture."""
    if boxlib.all_sound(image.entry.boxes, *unit):
        return image.labels, boxlib.normalize(image.entry.boxes, *unit), image.entry.difficult
    if options.empty == "mend":
        image = _mended(image, notes)
    entry = image.entry
    boxes = boxlib.normalize(entry.boxes, *unit)
    # Empty is judged on what the annotation states: a fraction's rounding must not decide it.
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
        policy = "drop" if options.empty == "mend" else options.empty
        _report(image, empty & keep, policy, "is inverted or has no area", notes)
        if policy == "drop":
            keep &= ~empty
    if keep.all():
        return image.labels, boxes, entry.difficult
    return image.labels[keep], boxes[keep], entry.difficult[keep]


def _mended(image: LabelledImage, notes: Tally) -> LabelledImage:
    """The same picture with corners exchanged that stand in each other's place."""
    boxes = image.entry.boxes
    mended = np.hstack(
        [np.minimum(boxes[:, :2], boxes[:, 2:]), np.maximum(boxes[:, :2], boxes[:, 2:])]
    )
    swapped = np.any(mended != boxes, axis=1) & ~boxlib.is_empty(mended)
    _report(image, swapped, "mend", "has its corners exchanged", notes)
    chosen = np.where(swapped[:, None], mended, boxes)
    return LabelledImage(image.number, replace(image.entry, boxes=chosen), image.labels)


_DONE = {"keep": "kept", "drop": "dropped", "mend": "mended", "clip": "clipped"}


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
