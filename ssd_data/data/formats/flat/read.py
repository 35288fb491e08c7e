"""Two folders side by side, pictures and annotations, split by a ratio.

Source options: ``images`` and ``labels`` (folders below the root), ``from`` and ``to`` (the share
of the shuffled pictures that this split takes, 0 to 1) and ``seed``. Annotations are VOC XML, the
original's JSON a picture, or txt (see ``txt.py``).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from random import Random

from ssd_data.core.errors import InputError
from ssd_data.core.files.paths import below
from ssd_data.core.notes import Tally
from ssd_data.core.structures import Entry, Unreadable
from ssd_data.data import formats
from ssd_data.data.formats import Options

LAYOUT = """\
Images/<name>.jpg
Labels/<name>.xml    (VOC XML, or .txt: label xmin ymin xmax ymax in pixels)"""
PAIRS = (("Images", "Labels"), ("images", "labels"), ("JPEGImages", "Annotations"))
PICTURES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")
RATIO = 0.8
REQUIRED = ("images", "labels")


def recognise(folder: Path) -> dict[str, list[Options]] | None:
    """A pair of folders; ``trainval`` takes the first 80 % of the shuffled pictures."""
    for images, labels in PAIRS:
        if (folder / images).is_dir() and (folder / labels).is_dir():
            common = {"images": images, "labels": labels, "seed": 0}
            return {
                "trainval": [{**common, "from": 0.0, "to": RATIO}],
                "test": [{**common, "from": RATIO, "to": 1.0}],
            }
    return None


def needs(options: Options) -> list[str]:
    """The paths below the root that a source cannot do without."""
    return [str(options[key]) for key in ("images", "labels") if key in options]


def read(root: Path, options: Options, notes: Tally) -> Iterator[Entry]:
    """The pictures of one share, sorted by name.

    Raises:
        InputError: a folder is absent or holds no picture.
    """
    pictures = _files(below(root, options["images"]))
    chosen = [name for name in pictures if Path(name).suffix.lower() in PICTURES]
    if not chosen:
        raise InputError("no pictures here", where=root / options["images"])
    labels: dict[str, str] = {}
    for name in _files(below(root, options["labels"])):
        if formats.by_suffix(Path(name).suffix) is not None:
            labels.setdefault(name.rpartition(".")[0], name)
    for name in _share(chosen, options):
        yield _entry(root, options, name, labels.get(name.rpartition(".")[0]), notes)


def _entry(root: Path, options: Options, name: str, label: str | None, notes: Tally) -> Entry:
    image, labels = f"{options['images']}/{name}", options["labels"]
    if label is None:
        stem = name.rpartition(".")[0]
        missing = InputError("the annotation is missing", where=f"{labels}/{stem}.xml")
        return Unreadable(image, f"{labels}/{stem}.xml", missing)
    annotation = f"{labels}/{label}"
    reader = formats.by_suffix(Path(label).suffix)
    assert reader is not None
    try:
        entry: Entry = reader.read_file(root / annotation, image, annotation, notes)
    except InputError as error:
        entry = Unreadable(image, annotation, error)
    return entry


def _files(folder: Path) -> list[str]:
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def _share(names: list[str], options: Options) -> list[str]:
    """A share of the shuffled names, sorted again; the shares of one seed do not overlap."""
    random = Random(str(options.get("seed", 0)))
    shuffled = sorted(names, key=lambda _: random.random())
    first, last = (_part(options, key, default) for key, default in (("from", 0.0), ("to", 1.0)))
    return sorted(shuffled[round(first * len(names)) : round(last * len(names))])


def _part(options: Options, key: str, default: float) -> float:
    value = options.get(key, default)
    if not isinstance(value, int | float) or not 0 <= value <= 1:
        raise InputError(f'"{key}" is {value!r}, not a share between 0 and 1')
    return value
