"""Pictures that no split is stated for: lists beside them decide, else each split draws a share.

A source of such a format is a :class:`PartSource`; where the data set itself says which pictures
are whose, it takes them all.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from random import Random
from typing import TypeVar

import msgspec

from ssd_data.core.errors import InputError
from ssd_data.core.files.paths import below, read_text
from ssd_data.data.formats.parts import holds_picture
from ssd_data.data.formats.pictures import has_picture_ending, stem_of
from ssd_data.data.formats.splits import TRAINING, role

RATIO = 0.8
UNASSIGNED = "unassigned"  # pictures of no split, where others are of one
LIST_BYTES = 64 << 20
DRAWN = (
    "no split is stated: 80 % of the pictures are trainval, 20 % test, drawn by seed 0 (list the "
    "pictures, a name a line, in train.txt and test.txt at the root to choose them)"
)
STRETCHES = (
    "no split is stated: the first 80 % of the frames are trainval, the last 20 % test, since "
    "neighbouring frames are alike (list the frames, a name a line, in train.txt and test.txt at "
    "the root to choose them)"
)


FEWEST = 3  # of two pictures, no share of a fifth has one
TOO_FEW = "no split is stated, and there are too few pictures to draw one: all are trainval"


class PartSource(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which of its pictures a source takes.

    >>> half = PartSource(first=0.5)
    >>> half.chosen(["a.jpg", "b.jpg", "c.jpg", "d.jpg"], Path(), in_order=True)
    [2, 3]

    Attributes:
        only: a list below the root, a picture's name or path a line, its ending left out or not;
            only those are taken.
        first, last: where the share begins and ends, 0 to 1; ``from`` and ``to`` in a recipe.
        seed: of the shuffle that the share is of.
    """

    only: str = ""
    first: float = msgspec.field(default=0.0, name="from")
    last: float = msgspec.field(default=1.0, name="to")
    seed: int | float | str = 0

    def chosen(self, images: Sequence[str], root: Path, *, in_order: bool) -> list[int]:
        """The indices of the pictures that it takes, in their order.

        Args:
            images: paths below the root.
            root: where the list lies.
            in_order: shares are stretches of the order given, not drawn.

        Raises:
            InputError: a line of the list is no picture, or may be several; a share is none.
        """
        for key, value in (("from", self.first), ("to", self.last)):
            if not 0 <= value <= 1:
                raise InputError(f'"{key}" is {value!r}, not a share between 0 and 1')
        order = sorted(_listed(images, root, self.only)) if self.only else list(range(len(images)))
        if not in_order and (self.first, self.last) != (0, 1):
            random = Random(str(self.seed))
            order.sort(key=lambda index: images[index])
            order.sort(key=lambda _: random.random())
        return sorted(order[round(self.first * len(order)) : round(self.last * len(order))])


S = TypeVar("S", bound=PartSource)


def split_up(
    folder: Path, sources: Sequence[S], *, in_order: bool = False
) -> tuple[dict[str, list[S]], list[str]]:
    """The splits of sources that nothing assigns to one, and what is to be said of that.

    Args:
        in_order: the pictures are a video's frames.
    """
    lists = split_lists(folder) if len(sources) == 1 else {}
    if lists:
        named = {
            split: [msgspec.structs.replace(sources[0], only=name)] for split, name in lists.items()
        }
        return named, [f"the splits are the lists {', '.join(lists.values())}"]
    if not holds_picture(folder, count=FEWEST):
        return {"trainval": list(sources)}, [TOO_FEW]
    shares = {"trainval": (0.0, RATIO), "test": (RATIO, 1.0)}
    drawn = {
        split: [msgspec.structs.replace(one, first=first, last=last) for one in sources]
        for split, (first, last) in shares.items()
    }
    return drawn, [STRETCHES if in_order else DRAWN]


def split_lists(folder: Path) -> dict[str, str]:
    """Lists of pictures at the root that are called as splits are; none where none is for training.

    >>> split_lists(Path("sample/voc"))
    {}
    """
    found: dict[str, str] = {}
    for path in sorted(folder.glob("*.txt")):
        if role(path.stem) and path.is_file() and path.stat().st_size <= LIST_BYTES:
            found[path.stem] = path.name
    return found if any(role(split) in TRAINING for split in found) else {}


def _listed(images: Sequence[str], root: Path, name: str) -> set[int]:
    keys: dict[str, list[int]] = {}
    for index, image in enumerate(images):
        for key in _names(image):
            keys.setdefault(key, []).append(index)
    chosen: set[int] = set()
    text = read_text(below(root, name), "list", LIST_BYTES, name)
    for number, line in enumerate(text.splitlines(), 1):
        if not (wanted := line.strip().replace("\\", "/").removeprefix("./")):
            continue
        found = keys.get(wanted, [])
        if len(found) != 1:
            many = ", ".join(images[index] for index in found[:4])
            what = f"may be {len(found)} pictures: {many}" if found else "is no picture here"
            raise InputError(f'"{wanted}" {what}', where=f"{name}:{number}")
        chosen.add(found[0])
    return chosen


def _names(image: str) -> Iterable[str]:
    """All ends of a path, with and without its ending."""
    parts = image.split("/")
    for start in range(len(parts)):
        tail = "/".join(parts[start:])
        yield tail
        if has_picture_ending(tail):
            yield stem_of(tail)
