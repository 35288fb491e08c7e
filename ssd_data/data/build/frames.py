"""The frame that boxes are in: of the picture as it is stored, or as its EXIF orientation turns it;
of the size that the annotation states, or of the picture's own.

Pictures are stored as they are (turning them would encode them anew), so boxes are turned instead.
"""

from __future__ import annotations

from dataclasses import replace

from ssd_data.core.boxes import turned_back
from ssd_data.core.errors import InputError
from ssd_data.core.headers import PictureInfo
from ssd_data.core.notes import Tally
from ssd_data.core.structures import AnnotatedImage
from ssd_data.data.build.options import BuildOptions

IGNORED = "EXIF orientation ignored (its tag is set to 1)"
TURNED = "boxes turned into the stored pixels (EXIF orientation)"
UNDECIDED = (
    "EXIF orientation may turn the boxes too: nothing tells, so stored pixels are taken "
    "(--exif upright turns them)"
)
OTHER_SIZE = "annotation states another size (it is used for the boxes)"
SIZE_REPLACED = "annotation states another size (the picture's is used for the boxes)"
SLACK = 1.0  # tools that count from 1 write a border as the size, or one more


class FrameError(InputError):
    """A size is stated that the boxes contradict."""


def in_stored_frame(
    entry: AnnotatedImage, info: PictureInfo, options: BuildOptions, notes: Tally
) -> AnnotatedImage:
    """The same picture with its boxes in the pixels as they are stored.

    Raises:
        FrameError: the annotation states a size that is not the picture's, and its boxes fit
            only one of the two.
    """
    if info.orientation != 1:
        entry = _turned(entry, info, options, notes)
    stated = entry.size(info.width, info.height)
    if entry.normalized or stated == (info.width, info.height):
        return entry
    if options.sizes == "picture":
        notes.add(SIZE_REPLACED, _sizes(entry, stated, info))
        return replace(entry, width=info.width, height=info.height)
    if options.sizes == "fail":
        _require_fitting(entry, stated, info)
    notes.add(OTHER_SIZE, _sizes(entry, stated, info))
    return entry


def _turned(
    entry: AnnotatedImage, info: PictureInfo, options: BuildOptions, notes: Tally
) -> AnnotatedImage:
    upright = _is_upright(entry, info, options)
    if not upright:
        kind = IGNORED if upright is False or not len(entry.boxes) else UNDECIDED
        notes.add(kind, entry.image)
        return entry
    notes.add(TURNED, entry.image)
    width, height = entry.size(*info.upright)
    if (width, height) == (info.width, info.height):  # stated as stored, as Label Studio does
        width, height = info.upright
    unit = (1, 1) if entry.normalized else (width, height)
    turned = turned_back(entry.boxes, info.orientation, *unit)
    if entry.width is None and entry.height is None:
        return replace(entry, boxes=turned)
    sides = (height, width) if info.orientation >= 5 else (width, height)
    return replace(entry, boxes=turned, width=sides[0], height=sides[1])


def _is_upright(entry: AnnotatedImage, info: PictureInfo, options: BuildOptions) -> bool | None:
    """Whether boxes are of the turned picture; None where nothing tells."""
    if options.exif != "auto":
        return options.exif == "upright"
    if entry.upright is not None:
        return entry.upright
    stored = (info.width, info.height)
    if stored == info.upright:
        return None
    if entry.width and entry.height:
        return {stored: False, info.upright: True}.get((entry.width, entry.height))
    if entry.normalized:
        return None
    fits = _fits(entry, *stored), _fits(entry, *info.upright)
    return fits[1] if fits[0] != fits[1] else None


def _require_fitting(entry: AnnotatedImage, stated: tuple[int, int], info: PictureInfo) -> None:
    own = (info.width, info.height)
    swapped = stated == own[::-1]
    if not len(entry.boxes) or (_fits(entry, *stated) == _fits(entry, *own) and not swapped):
        return
    fitting = "the stated" if _fits(entry, *stated) else "the picture's"
    text = "width and height are exchanged" if swapped else f"the boxes fit only {fitting} size"
    raise FrameError(
        f"{text}: the annotation states {stated[0]}x{stated[1]}, the picture has {own[0]}x{own[1]}",
        where=entry.annotation if entry.image_id is None else f"{entry.annotation}: {entry.image}",
        hint="--sizes picture takes the picture's own size for the boxes, --sizes stated the "
        "annotation's",
    )


def _fits(entry: AnnotatedImage, width: int, height: int) -> bool:
    across, down = entry.boxes[:, 0::2], entry.boxes[:, 1::2]
    return bool(across.max(initial=0) <= width + SLACK and down.max(initial=0) <= height + SLACK)


def _sizes(entry: AnnotatedImage, stated: tuple[int, int], info: PictureInfo) -> str:
    return f"{entry.annotation}: {stated[0]}x{stated[1]}, the picture {info.width}x{info.height}"
