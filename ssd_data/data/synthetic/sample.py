"""A sample data set that the package draws itself: circles, squares and triangles.

It shows the way from raw data to a trained net without a download. Picture ``i`` of a split is the
same for a seed and size, however many there are: its boxes always, its file's bytes as long as the
versions of NumPy and OpenCV are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ssd_data.core.errors import UsageError
from ssd_data.core.files.together import new_folder
from ssd_data.core.images import encode
from ssd_data.core.parallel import default_workers, ordered_map
from ssd_data.core.progress import Track, untracked
from ssd_data.data.synthetic import LAYOUTS, SIZE, TEST, TRAIN
from ssd_data.data.synthetic.layouts import SPLITS, Picture
from ssd_data.data.synthetic.shapes import draw

JPEG_QUALITY = 90
MOST_PICTURES = 999_999


@dataclass(slots=True)
class SplitCount:
    """How many pictures and boxes a split of one layout holds."""

    pictures: int = 0
    boxes: int = 0


@dataclass(slots=True)
class LayoutResult:
    """One layout of the sample.

    Attributes:
        name: "voc", "coco" or "widerface".
        folder: where it lies.
        splits: the counts by the layout's own names of its splits.
    """

    name: str
    folder: Path
    splits: dict[str, SplitCount] = field(default_factory=dict)


def draw_sample(
    out: Path | str,
    layouts: Sequence[str] = LAYOUTS,
    *,
    train: int = TRAIN,
    test: int = TEST,
    size: int = SIZE,
    seed: int = 0,
    track: Track = untracked,
) -> list[LayoutResult]:
    """Draw the sample data set into ``out/<layout>``, each picture once for all layouts.

    Args:
        out: a folder that does not exist or is empty, or holds just this sample; filled when all is
            done, or not at all.
        layouts: of "voc", "coco" and "widerface".
        train, test: how many pictures the splits hold.
        size: about the pictures' sides; their shapes vary around a square.
        seed: another one draws other pictures.
        track: wraps the pictures as they are drawn, to show progress.

    Raises:
        UsageError: an unknown layout, or a number out of range.
        OutputError: ``out`` holds something, or cannot be written.
    """
    _check(layouts, train, test, size, seed)
    results = [LayoutResult(name, Path(out) / name) for name in dict.fromkeys(layouts)]
    with new_folder(Path(out).resolve(), marks=LAYOUTS) as staging:
        for split, count in enumerate((train, test)):
            pictures = _pictures(seed, split, count, size)
            what = ("training", "test")[split]
            _write_split(staging, split, track(pictures, count, what), results)
    return results


def _check(layouts: Sequence[str], train: int, test: int, size: int, seed: int) -> None:
    for name in layouts:
        if name not in LAYOUTS:
            raise UsageError(f'"{name}" is none of {", ".join(LAYOUTS)}', where="--layout")
    if not layouts:
        raise UsageError("no layout is asked for", where="--layout")
    ranges = {"train": (train, 1, MOST_PICTURES), "test": (test, 1, MOST_PICTURES)}
    ranges |= {"size": (size, 64, 4096), "seed": (seed, 0, 2**64 - 1)}
    for option, (value, low, high) in ranges.items():
        if not low <= value <= high:
            raise UsageError(f"{value} is not between {low} and {high}", where=f"--{option}")


def _pictures(seed: int, split: int, count: int, size: int) -> Iterator[Picture]:
    def make(index: int) -> Picture:
        drawing = draw(seed, split, index, size)
        height, width = drawing.pixels.shape[:2]
        return Picture(
            name=f"{('train', 'test')[split]}{index + 1:06d}",
            number=split * (MOST_PICTURES + 1) + index + 1,
            ground=drawing.ground,
            data=encode(drawing.pixels, "jpg", JPEG_QUALITY),
            width=width,
            height=height,
            shapes=drawing.shapes,
        )

    return ordered_map(make, range(count), default_workers())


def _write_split(
    staging: Path, split: int, pictures: Iterable[Picture], results: list[LayoutResult]
) -> None:
    """Write a split in every layout and count what it holds."""
    writers = [SPLITS[result.name](staging / result.name, split == 1) for result in results]
    counts = [SplitCount() for _ in writers]
    for picture in pictures:
        for writer, count in zip(writers, counts, strict=True):
            count.boxes += writer.add(picture)
            count.pictures += 1
    for writer, result, count in zip(writers, results, counts, strict=True):
        writer.finish()
        result.splits[writer.split] = count
