"""What a build does to pictures and boxes; recorded in ``build.json`` and compared there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, get_args, get_origin, get_type_hints

from ssd_data.core.errors import UsageError
from ssd_data.core.options import JPEG_QUALITY, MAX_PIXELS, flag, offer, option

Exif = Literal["auto", "stored", "upright"]
Sizes = Literal["fail", "stated", "picture"]
Rotated = Literal["hull", "drop"]
Unit = Literal["auto", "pixels", "fractions"]
Unannotated = Literal["fail", "background", "skip"]
Encoding = Literal["jpg", "png", "raw"]
Outside = Literal["keep", "clip", "drop", "fail"]
Empty = Literal["drop", "keep", "mend", "fail"]
Boxless = Literal["fail", "drop"]
Policy = Literal["fail", "skip"]
Verify = Literal["header", "decode"]


# What says how annotations are read, wherever a raw data set is; the others are of what is stored.
READING = (
    *("unknown", "map", "exif", "sizes", "rotated", "boxes", "boxless", "unannotated", "missing"),
)


def require_raw(given: Mapping[str, Any], what: object) -> None:
    """Refuse options of raw data sets where there is none.

    Raises:
        UsageError: some are given.
    """
    for name in given:
        raise UsageError(f"{flag(name)} belongs to a raw data set, this is no such", where=what)


@dataclass(frozen=True, slots=True)
class BuildOptions:
    """How records are made.

    >>> BuildOptions(size=(300, 300), outside="clip").encode
    'jpg'

    Attributes:
        size: (width, height) to resize to, None to keep.
        min_dim, max_dim: as the original's; 0 is off. They override ``size``.
        gray: store one gray channel.
        encode: how pictures are stored; a JPEG's own bytes are kept where nothing changes them.
        quality: of JPEGs that are encoded anew, 1 to 100.
        unknown: boxes whose class the labelmap does not know: fail, or leave them out.
        map: class names to rename, or (empty) to leave out.
        outside: boxes that leave the picture.
        empty: boxes that are inverted or have no area; "mend" exchanges swapped corners.
        exif: which frame boxes are in where a picture has an EXIF orientation.
        sizes: where an annotation states another size than the picture has, which of them counts;
            "fail" takes the stated one, but stops where the boxes speak against it.
        rotated: rotated boxes: the upright box around them, or leave them out.
        boxes: their unit; "auto" is what the format says, but stops where all boxes of a data set
            in pixels lie within 0 to 1.
        boxless: objects without a box, where no outline tells it either.
        unannotated: pictures without annotation; "background" are pictures without objects.
        missing: pictures that are absent or unreadable, or whose annotation is.
        shuffle: None as the data set has it (training splits are), else all splits or none.
        seed: of the shuffle.
        limit: the first so many pictures of each split, None for all.
        verify: look at each kept picture's header and end, or decode all of it.
        max_pixels: refuse larger pictures (decompression bombs).
    """

    size: tuple[int, int] | None = option(None, "Resize to N x N or W x H.", metavar="N|WxH")
    min_dim: int = option(0, "Enlarge until the shorter side is N; overrides --size.", metavar="N")
    max_dim: int = option(0, "Shrink until the longer side is N; overrides --size.", metavar="N")
    gray: bool = option(False, "Store one gray channel.")
    encode: Encoding = option("jpg", "How pictures are stored.", shows_default=True)
    quality: int = option(
        JPEG_QUALITY,
        "JPEG quality where pictures are encoded anew.",
        metavar="N",
        shows_default=True,
    )
    unknown: Policy = option("fail", "Boxes whose class the labelmap lacks.", shows_default=True)
    map: Mapping[str, str] = field(
        default_factory=dict,
        metadata=offer("Rename a class, or drop it (OLD=); repeatable.", metavar="OLD=NEW"),
    )
    outside: Outside = option("keep", "Boxes that leave the picture.", shows_default=True)
    empty: Empty = option(
        "drop", "Boxes inverted or without area.  [default: drop; with --list keep]"
    )
    exif: Exif = option(
        "auto",
        "Boxes of turned pictures: as stored, or as turned.  [default: auto, by the stated size]",
    )
    sizes: Sizes = option(
        "fail",
        "Where a picture has another size than stated.  [default: fail, where boxes fit one only]",
    )
    rotated: Rotated = option(
        "hull", "Rotated boxes: the upright box around them.", shows_default=True
    )
    boxes: Unit = option(
        "auto", "The boxes' unit, if it is not the format's.  [default: auto, the format's]"
    )
    boxless: Boxless = option("fail", "Objects without a box.", shows_default=True)
    unannotated: Unannotated = option("fail", "Pictures without an annotation.", shows_default=True)
    missing: Policy = option(
        "fail", "Pictures absent or unreadable, or whose annotation is.", shows_default=True
    )
    shuffle: bool | None = option(
        None,
        "Shuffle all splits, or none.  [default: training splits; with --list none]",
    )
    seed: int = option(0, "Of the shuffle.", shows_default=True)
    limit: int | None = option(None, "Only the first N pictures of each split.", metavar="N")
    verify: Verify = option("header", "How kept pictures are checked.", shows_default=True)
    max_pixels: int = option(MAX_PIXELS, "Refuse larger pictures.", metavar="N", shows_default=True)

    def __post_init__(self) -> None:
        for name, kind in get_type_hints(BuildOptions).items():
            words = get_args(kind) if get_origin(kind) is Literal else ()
            if words and getattr(self, name) not in words:
                known = ", ".join(words)
                raise UsageError(f'"{getattr(self, name)}" is none of {known}', where=f"--{name}")
        ranges = {"quality": (1, 100), "min_dim": (0, 65535), "max_dim": (0, 65535)}
        ranges |= {"limit": (1, 2**31), "max_pixels": (1, 2**30)}
        for name, (low, high) in ranges.items():
            value = getattr(self, name)
            if value is not None and not low <= value <= high:
                raise UsageError(f"{value} is not between {low} and {high}", where=flag(name))
        if self.size and not all(1 <= side <= 65535 for side in self.size):
            raise UsageError("the sides lie between 1 and 65535", where="--size")

    @property
    def resizes(self) -> bool:
        """Whether any option may change the pictures' size."""
        return bool(self.size or self.min_dim or self.max_dim)

    @classmethod
    def reading(cls, given: Mapping[str, Any], **others: Any) -> BuildOptions:
        """Options that say how annotations are read, and others.

        >>> BuildOptions.reading({"unannotated": "skip"}, empty="keep").unannotated
        'skip'

        Raises:
            UsageError: ``given`` has others than :data:`READING`.
        """
        if odd := [name for name in given if name not in READING]:
            raise UsageError(f"{flag(odd[0])} does not say how annotations are read")
        return cls(**{**others, **given})

    def to_json(self) -> dict[str, Any]:
        """All options as JSON has them."""
        table = asdict(self)
        table["size"] = list(self.size) if self.size else None
        table["map"] = dict(self.map)
        return table
