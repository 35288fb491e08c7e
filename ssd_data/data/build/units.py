"""Boxes in fractions where pixels are expected: seen over all boxes of a data set, never of one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from ssd_data.core.boxes import is_empty
from ssd_data.core.errors import InputError
from ssd_data.data.build.options import BuildOptions
from ssd_data.data.build.scan import LabelledImage, Scan

FRACTION = "box lies within 0 to 1: a fraction of its picture? (taken as pixels)"
MOST = 1 + 1e-6  # what 1.0 becomes when it is rounded up on its way


def settle_unit(scans: Iterable[Scan], options: BuildOptions, origin: object) -> None:
    """Take boxes as fractions where that was asked for; refuse them where nobody did.

    Raises:
        InputError: the boxes of all scans, stated in pixels, lie within 0 to 1.
    """
    scans = list(scans)
    stated = [image for scan in scans for image in scan.images if not image.entry.normalized]
    if options.boxes == "fractions":
        for scan in scans:
            scan.images = [_as_fractions(image) for image in scan.images]
    elif options.boxes == "auto" and (first := _all_fractions(stated)):
        raise InputError(
            "all boxes are fractions of their pictures, not pixels "
            f"(the first, at {first.entry.place(0)}, is {_corners(first)})",
            where=origin,
            hint="Take them as fractions with --boxes fractions; if they really are pixels, "
            "with --boxes pixels",
        )
    if options.boxes == "auto":
        for scan in scans:
            _note_fractions(scan)


def _note_fractions(scan: Scan) -> None:
    """Count the boxes that fractions may be among boxes that are pixels."""
    for image in scan.images:
        boxes = image.entry.boxes
        if image.entry.normalized or not len(boxes):
            continue
        inside = (boxes.max(axis=1) <= MOST) & (boxes.min(axis=1) >= 1 - MOST) & ~is_empty(boxes)
        for index in np.flatnonzero(inside):
            scan.notes.add(FRACTION, image.entry.place(int(index)))


def _all_fractions(images: list[LabelledImage]) -> LabelledImage | None:
    """The first picture with a box of some area, where none of any picture leaves 0 to 1."""
    first = None
    for image in images:
        boxes = image.entry.boxes[~is_empty(image.entry.boxes)]
        if not len(boxes):
            continue
        if boxes.max() > MOST or boxes.min() < 1 - MOST:
            return None
        first = first or image
    return first


def _as_fractions(image: LabelledImage) -> LabelledImage:
    return replace(image, entry=replace(image.entry, normalized=True))


def _corners(image: LabelledImage) -> str:
    return " ".join(f"{value:g}" for value in np.asarray(image.entry.boxes[0]))
