"""Two folders side by side, pictures and annotations, split by a ratio.

Annotations are VOC XML, the original's JSON a picture, or txt.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec

from ssd_data.core.errors import InputError
from ssd_data.core.files.paths import below
from ssd_data.core.notes import Tally
from ssd_data.core.structures import Entry, Unreadable
from ssd_data.data.formats import Confidence, Format, Recognised, annotation_files
from ssd_data.data.formats.splits import share

LAYOUT = """\
Images/<name>.jpg
Labels/<name>.xml    (VOC XML, or .txt: label xmin ymin xmax ymax in pixels)"""
PAIRS = (("Images", "Labels"), ("images", "labels"), ("JPEGImages", "Annotations"))
PICTURES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")
RATIO = 0.8


class FlatSource(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Two folders, and the share of their shuffled pictures that a split takes.

    Attributes:
        images, labels: the folders, below the root.
        first, last: where the share begins and ends, 0 to 1; ``from`` and ``to`` in a recipe.
        seed: of the shuffle.
    """

    images: str
    labels: str
    first: float = msgspec.field(default=0.0, name="from")
    last: float = msgspec.field(default=1.0, name="to")
    seed: int | float | str = 0


def recognise(folder: Path) -> Recognised[FlatSource] | None:
    """A pair of folders; ``trainval`` takes the first 80 % of the shuffled pictures."""
    for images, labels in PAIRS:
        if (folder / images).is_dir() and (folder / labels).is_dir():
            splits = {
                "trainval": [FlatSource(images, labels, 0.0, RATIO)],
                "test": [FlatSource(images, labels, RATIO, 1.0)],
            }
            return Recognised(splits, f"it has {images} and {labels}", Confidence.NAMES)
    return None


def read(root: Path, source: FlatSource, notes: Tally) -> Iterator[Entry]:
    """The pictures of one share, sorted by name.

    Raises:
        InputError: a folder is absent or holds no picture.
    """
    pictures = _files(below(root, source.images))
    chosen = [name for name in pictures if Path(name).suffix.lower() in PICTURES]
    if not chosen:
        raise InputError("no pictures here", where=root / source.images)
    labels: dict[str, str] = {}
    for name in _files(below(root, source.labels)):
        if Path(name).suffix.lower() in annotation_files():
            labels.setdefault(name.rpartition(".")[0], name)
    for name in share(chosen, source.first, source.last, source.seed):
        yield _entry(root, source, name, labels.get(name.rpartition(".")[0]), notes)


def _entry(root: Path, source: FlatSource, name: str, label: str | None, notes: Tally) -> Entry:
    image = f"{source.images}/{name}"
    if label is None:
        annotation = f"{source.labels}/{name.rpartition('.')[0]}.xml"
        missing = InputError("the annotation is missing", where=annotation)
        return Unreadable(image, annotation, missing)
    annotation = f"{source.labels}/{label}"
    file = annotation_files()[Path(label).suffix.lower()]
    try:
        return file.read(root / annotation, image, annotation, notes)
    except InputError as error:
        return Unreadable(image, annotation, error)


def _files(folder: Path) -> list[str]:
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


FORMAT = Format(
    FlatSource,
    read,
    needs=lambda source: [source.images, source.labels],
    layout=LAYOUT,
    recognise=recognise,
)
