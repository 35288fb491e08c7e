"""Pictures, folders and videos through a detector."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ssd_data.core import apart
from ssd_data.core.errors import InputError, UsageError, as_input_error
from ssd_data.core.files.fences import keep_inside, require_inside
from ssd_data.core.files.paths import spelled
from ssd_data.core.files.there import is_file, is_folder, is_there
from ssd_data.core.images import read_picture
from ssd_data.core.structures import Detections, Pixels
from ssd_data.data.formats.tree import Tree
from ssd_data.engines import Array, Engine
from ssd_data.nets.preprocessing import Preprocessing

PICTURES = {".jpg", ".jpeg", ".png", ".bmp", ".ppm", ".pgm", ".tif", ".tiff", ".webp"}
VIDEOS = {".mp4", ".avi", ".mov", ".mkv", ".webm", ".m4v", ".mpg", ".mpeg"}


@dataclass(frozen=True, slots=True)
class Frame:
    """One picture on its way through the detector.

    Attributes:
        name: the file's path; of a video ``path#frame``, counted from 0.
        picture: uint8 (height, width, 3), BGR, or gray (height, width); None where there is an
            error.
        found: once it has been through the net.
        unsound: how many more it gave whose score or box is no number; they are left out.
        error: why there is no picture.
    """

    name: str
    picture: Pixels | None = None
    found: Detections | None = None
    unsound: int = 0
    error: InputError | None = None


def find_files(places: Iterable[Path | str], follow_links: bool = False) -> list[Path]:
    """Files as they are given; of folders all pictures below them, sorted.

    Args:
        follow_links: also through links that leave a folder; else they are refused.

    Raises:
        InputError: a place does not exist, a folder holds no picture, or a link leaves it.
    """
    files: list[Path] = []
    for place in map(Path, places):
        if not is_there(place):
            raise InputError("there is no such file or folder", where=place)
        if not is_folder(place):
            files.append(place)
            continue
        keep_inside(place, follow_links)
        below = (place / name for name in Tree(place).below())
        found = [path for path in below if path.suffix.lower() in PICTURES and is_file(path)]
        if not found:
            raise InputError("the folder holds no picture", where=place)
        for path in found:
            require_inside(path)
        files += found
    if not files:
        raise UsageError("no picture is given")
    return files


def read_frames(files: Iterable[Path], every: int = 1, gray: bool = False) -> Iterator[Frame]:
    """The pictures of files, and every so manieth frame of videos, each decoded in its own process.

    A file that is no picture comes as a frame with an error, and so does the rest of a video that
    its decoder cannot take.

    Args:
        gray: files are decoded gray, as Caffe does by ``force_gray``; frames of videos are not.
    """
    for path in files:
        if path.suffix.lower() in VIDEOS:
            yield from _video(path, every)
        else:
            yield _picture(path, gray)


def read_inputs(
    paths: Iterable[Path],
    preprocessing: Preprocessing,
    size: tuple[int, int],
    most: int | None = None,
    follow_links: bool = False,
) -> list[Array]:
    """Pictures as a net's inputs, float32 (1, channels, height, width) each.

    Args:
        paths: files and folders. size: (width, height). most: how many files at most.
        follow_links: as for :func:`find_files`.

    Raises:
        InputError: a file is no picture.
    """
    inputs = []
    for frame in read_frames(find_files(paths, follow_links)[:most], gray=preprocessing.gray):
        if frame.error is not None:
            raise frame.error
        assert frame.picture is not None
        inputs.append(preprocessing.apply(frame.picture, size)[None])
    return inputs


def _picture(path: Path, gray: bool) -> Frame:
    try:
        with as_input_error():
            return Frame(str(path), read_picture(path, gray=gray))
    except InputError as error:
        return Frame(str(path), error=error)


def _video(path: Path, every: int) -> Iterator[Frame]:
    last = -1
    try:
        if not is_file(path):
            raise InputError("the video is no regular file", where=path)
        for number, picture in apart.frames_apart(spelled(path), every):
            if picture is not None:
                yield Frame(f"{path}#{number}", picture)
            elif not number:
                raise InputError("this video cannot be read", where=path)
            last = number
    except apart.FilmError:
        beyond = f" beyond frame {last}" if last >= 0 else ""
        yield Frame(str(path), error=InputError(f"this video cannot be read{beyond}", where=path))
    except InputError as error:
        yield Frame(str(path), error=error)


def detect(
    engine: Engine,
    frames: Iterable[Frame],
    preprocessing: Preprocessing,
    *,
    size: tuple[int, int] | None = None,
    batch: int = 1,
    threshold: float = 0.0,
) -> Iterator[Frame]:
    """Run pictures through a detector; frames come back in order, with what was found.

    Args:
        size: (width, height) that pictures are warped to; the net's own by default.
        batch: how many pictures at a time.
        threshold: detections below this score are left out.

    Raises:
        InputError: the net has no DetectionOutput, or cannot take such pictures.
    """
    preprocessing = preprocessing.fitted(engine.graph)
    size = size or (engine.shape[3], engine.shape[2])
    waiting: list[Frame] = []
    for frame in frames:
        waiting.append(frame)
        if sum(f.picture is not None for f in waiting) >= batch:
            yield from _run(engine, waiting, preprocessing, size, threshold)
            waiting = []
    yield from _run(engine, waiting, preprocessing, size, threshold)


def _run(
    engine: Engine,
    frames: Sequence[Frame],
    preprocessing: Preprocessing,
    size: tuple[int, int],
    threshold: float,
) -> Iterator[Frame]:
    pictures = [f.picture for f in frames if f.picture is not None]
    inputs = [preprocessing.apply(picture, size) for picture in pictures]
    found = iter(engine.detect(np.stack(inputs)) if inputs else ())
    for frame in frames:
        if frame.picture is None:
            yield frame
            continue
        given = next(found)
        sound = given.sound()
        left_out = len(given) - len(sound)
        yield replace(frame, found=sound.above(threshold), unsound=left_out)
