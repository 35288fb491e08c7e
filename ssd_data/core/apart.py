"""Pixels of pictures and videos whose decoders are not to be trusted: decoded in a process that may
die.

A few hundred bytes of JPEG 2000 or AVIF can ask their decoders for any amount of memory, in many
places beside the picture's size; a video with a changed byte can end the process. So they run in a
child with little memory and time.
"""

from __future__ import annotations

import struct
import subprocess
import sys
from collections.abc import Iterator
from typing import IO

import numpy as np

from ssd_data.core.structures import Pixels

FORMS = ("jpeg2000", "avif")
MOST_SECONDS = 60
SPARE, A_PIXEL = 1 << 28, 24  # bytes that decoding takes: at all, and for a pixel
MOST_FRAME, FILM_MEMORY = 1 << 26, 3 << 29  # pixels; bytes, for all that a video's decoder keeps
_FRAME = struct.Struct("<qII")  # its number, height and width; the end has none of these two
_LIMITS = """\
import sys
sys.path[:] = {path!r}
import resource
import cv2
import numpy
try:
    with open("/proc/self/statm") as file:
        used = int(file.read().split()[5]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_DATA, (used + {most}, used + {most}))
except (OSError, ValueError):
    pass
cv2.setNumThreads(1)
"""
_PROGRAM = """\
pixels = cv2.imdecode(numpy.frombuffer(sys.stdin.buffer.read(), numpy.uint8), {flag})
if pixels is None or pixels.shape[:2] != {shape} or pixels.dtype != numpy.uint8:
    sys.exit(1)
sys.stdout.buffer.write(pixels.tobytes())
"""
_FILM = """\
import struct
import time
def take_time():
    most = int(time.process_time()) + 2 + {seconds}
    resource.setrlimit(resource.RLIMIT_CPU, (most, resource.RLIM_INFINITY))
def told(number, height, width, data):
    sys.stdout.buffer.write(struct.pack("<qII", number, height, width))
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()
take_time()
film = cv2.VideoCapture({film!r})
number = 0
while film.grab():
    if number % {every} == 0:
        read, picture = film.retrieve()
        if read and picture.dtype == numpy.uint8 and picture.shape[2:] == (3,):
            told(number, *picture.shape[:2], numpy.ascontiguousarray(picture))
        take_time()
    number += 1
told(number, 0, 0, b"")
"""


def decode_apart(data: bytes, flag: int, width: int, height: int) -> Pixels | None:
    """What OpenCV makes of a picture; None where it fails, dies or takes too much.

    Args:
        data: the file. flag: as OpenCV has it. width, height: as the pixels must be.

    Returns:
        uint8 (height, width) or (height, width, 3), by the flag.
    """
    most = SPARE + A_PIXEL * width * height
    program = (_LIMITS + _PROGRAM).format(
        path=sys.path, flag=flag, shape=(height, width), most=most
    )
    command = [sys.executable, "-c", program]
    try:
        done = subprocess.run(
            command, check=False, input=data, capture_output=True, timeout=MOST_SECONDS
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    bands, rest = divmod(len(done.stdout), width * height)
    if done.returncode or rest or bands not in (1, 3):
        return None
    pixels = np.frombuffer(done.stdout, np.uint8)
    return pixels.reshape((height, width, 3) if bands == 3 else (height, width))


class FilmError(Exception):
    """A video's decoder has died, or it was stopped."""


def frames_apart(film: str, every: int) -> Iterator[tuple[int, Pixels | None]]:
    """Every so manieth frame of a video and its number, uint8 (height, width, 3), BGR; at the end
    how many frames it has, and None.

    Args:
        film: its path, as OpenCV takes it.

    Raises:
        FilmError: its decoder died, or took too much memory or time for a frame.
    """
    program = (_LIMITS + _FILM).format(
        path=sys.path, film=film, every=every, most=FILM_MEMORY, seconds=MOST_SECONDS
    )
    child = subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    assert child.stdout is not None
    try:
        while (frame := _read_frame(child.stdout))[1] is not None:
            yield frame
        yield frame
    finally:
        child.kill()
        child.stdout.close()
        child.wait()


def _read_frame(pipe: IO[bytes]) -> tuple[int, Pixels | None]:
    head = pipe.read(_FRAME.size)
    if len(head) < _FRAME.size:
        raise FilmError
    number, height, width = _FRAME.unpack(head)
    if not height:
        return number, None
    size = height * width * 3
    if height * width > MOST_FRAME or len(data := pipe.read(size)) < size:
        raise FilmError
    return number, np.frombuffer(data, np.uint8).reshape(height, width, 3)
