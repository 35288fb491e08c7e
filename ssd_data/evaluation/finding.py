"""Pictures and videos through a detector, by workers; what is found is what one process finds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ssd_data.core.parallel import chunks
from ssd_data.core.tasks import Pool, in_order
from ssd_data.engines import Engine
from ssd_data.evaluation.detect import VIDEOS, Frame, detect, read_frames
from ssd_data.evaluation.spread import SHARE, SentNet


@dataclass(eq=False)
class SentFinder:
    """What looks at files: each worker loads the net once.

    Attributes:
        net: it. size, batch, threshold: as :func:`~ssd_data.evaluation.detect.detect` takes them.
        every: as :func:`~ssd_data.evaluation.detect.read_frames` does.
    """

    net: SentNet
    size: tuple[int, int] | None = None
    batch: int = 1
    threshold: float = 0.0
    every: int = 1
    _loaded: Engine | None = None

    def __call__(self, files: Sequence[str]) -> list[Frame]:
        """What is found in them, without the pictures."""
        with self.net.limits():
            if self._loaded is None:
                self._loaded = self.net.load()
            frames = read_frames(map(Path, files), self.every, self.net.preprocessing.gray)
            found = detect(
                self._loaded,
                frames,
                self.net.preprocessing,
                size=self.size,
                batch=self.batch,
                threshold=self.threshold,
            )
            return [frame.let_go() for frame in found]


def find_spread(files: Iterable[Path], finder: SentFinder, pool: Pool) -> Iterator[Frame]:
    """What is found in files, in their order; the pictures themselves stay where they were read.

    Raises:
        InputError: as :func:`~ssd_data.evaluation.detect.detect`. SsdDataError: see
            :func:`ssd_data.core.tasks.run`.
    """
    names: dict[str, str] = {}

    def shares() -> Iterator[list[str]]:
        for share in _shares(files, max(1, SHARE // finder.batch) * finder.batch):
            there = [str(path.absolute()) for path in share]
            names.update(zip(there, map(str, share), strict=True))
            yield there

    for frames in in_order(pool, finder, shares(), finder.net.needs(pool.size)):
        for frame in frames:
            place, mark, number = frame.name.rpartition("#")
            if place in names:  # of a video
                yield _renamed(frame, place, names[place], mark + number)
            else:
                yield _renamed(frame, frame.name, names[frame.name], "")


def _shares(files: Iterable[Path], most: int) -> Iterator[list[Path]]:
    """Pictures together, each video alone."""
    pictures: list[Path] = []
    for path in files:
        is_video = path.suffix.lower() in VIDEOS
        if pictures and (is_video or len(pictures) == most):
            yield pictures
            pictures = []
        if is_video:
            yield [path]
        else:
            pictures.append(path)
    yield from chunks(pictures, most)


def _renamed(frame: Frame, place: str, given: str, more: str) -> Frame:
    if frame.error is not None:
        frame.error.where = str(frame.error.where).replace(place, given)
    return replace(frame, name=given + more)


def with_pictures(
    found: Iterable[Frame], files: Iterable[Path], every: int = 1, gray: bool = False
) -> Iterator[Frame]:
    """The same with their pictures, which are read here once more."""
    for frame, read in zip(found, read_frames(files, every, gray), strict=False):
        yield replace(frame, picture=read.picture)
