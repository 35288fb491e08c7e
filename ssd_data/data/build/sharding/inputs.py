"""What goes into a shard, and its name, which is the digest of that.

Whatever decides a record's bytes is in it: so a shard of that name is the shard that is wanted,
whoever built it and when. Its numbers count from 0: so it is the same one wherever it stands.
"""

from __future__ import annotations

import hashlib
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path

from ssd_data.core.version import __version__
from ssd_data.data.build.options import BuildOptions
from ssd_data.data.build.recorded import PACKAGES
from ssd_data.data.build.scan import LabelledImage, Scan, picture_stamp
from ssd_data.data.spread import Stamp

FORM = 1  # of shards: another makes other names
# What these say stands in the entries, which are in the digest themselves.
READ_BEFORE = frozenset(
    ["unknown", "map", "rotated", "boxes", "boxless", "unannotated", "shuffle", "seed", "limit"]
)


@dataclass
class ShardInputs:
    """A split's entries, of which shards take ranges.

    Attributes:
        scan: the split. stamps: of its pictures, see :meth:`Scan.stamps`.
    """

    scan: Scan
    stamps: Sequence[Stamp]
    options: BuildOptions

    @cached_property
    def _numbers(self) -> array[int]:
        """Of the pictures; none where they are all lines."""
        if len(self.scan.images) == len(self.scan.lines):
            return array("Q")
        return array("Q", (image.number for image in self.scan.images))

    @cached_property
    def _settings(self) -> bytes:
        return settings_of(self.options)

    def __len__(self) -> int:
        """How many numbers there are: the lines of the list."""
        return len(self.scan.lines)

    def first_of(self, start: int) -> str:
        """The picture of a line, by which a shard that was built before is found again."""
        return self.scan.lines[start][0]

    def images(self, cut: range) -> tuple[list[LabelledImage], list[Stamp]]:
        """The pictures of a range with their numbers in it, and their stamps."""
        low, high = self._at(cut.start), self._at(cut.stop)
        images = [
            LabelledImage(image.number - cut.start, image.entry, image.labels)
            for image in self.scan.images[low:high]
        ]
        return images, list(self.stamps[low:high])

    def paths(self, cut: range) -> Iterator[tuple[int, str]]:
        """The pictures' numbers in a range, and their paths."""
        if self.scan.escaped or self._numbers:
            yield from ((image.number, image.entry.image) for image in self.images(cut)[0])
        else:
            lines = enumerate(self.scan.lines[cut.start : cut.stop])
            yield from ((number, image) for number, (image, _) in lines)

    def _at(self, number: int) -> int:
        return bisect_left(self._numbers, number) if self._numbers else number

    def name(self, cut: range) -> str:
        """The name of the shard of a range."""
        return name_of(self._settings, len(cut), *self.images(cut))


def settings_of(options: BuildOptions) -> bytes:
    """What decides records beside their entries: options, and versions of packages."""
    made = {k: v for k, v in options.to_json().items() if k not in READ_BEFORE}
    versions = {package: version(package) for package in PACKAGES}
    return repr((FORM, __version__, sorted(versions.items()), sorted(made.items()))).encode()


def name_of(
    settings: bytes, numbers: int, images: Iterable[LabelledImage], stamps: Iterable[Stamp]
) -> str:
    """A shard's name, 32 hexadecimal digits.

    Args:
        settings: :func:`settings_of` it. numbers: how many it takes.
        images: with their numbers in the shard. stamps: of their files.
    """
    digest = hashlib.sha256(settings + repr(numbers).encode())
    for image, stamp in zip(images, stamps, strict=True):
        entry = image.entry
        sizes = (entry.width, entry.height, entry.normalized, entry.upright)
        digest.update(repr((image.number, entry.image, stamp, entry.image_id, sizes)).encode())
        for values in (image.labels, entry.boxes, entry.difficult):
            digest.update(repr(values.shape).encode() + values.tobytes())
    return digest.hexdigest()[:32]


def stamps_now(root: Path, images: Iterable[LabelledImage]) -> list[Stamp]:
    """The stamps of pictures as they are now, and as this machine sees them."""
    entries = (image.entry for image in images)
    return [one.held.stamp if one.held else picture_stamp(f"{root}/{one.image}") for one in entries]
