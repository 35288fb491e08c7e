"""Pixels of pictures whose decoders are not to be trusted: decoded in a process that may die.

A few hundred bytes of JPEG 2000 or AVIF can ask their decoders for any amount of memory, in many
places beside the picture's size. So they run in a child with little of it.
"""

from __future__ import annotations

import subprocess
import sys

import numpy as np

from ssd_data.core.structures import Pixels

FORMS = ("jpeg2000", "avif")
MOST_SECONDS = 60
SPARE, A_PIXEL = 1 << 28, 24  # bytes that decoding takes: at all, and for a pixel
_PROGRAM = """\
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
pixels = cv2.imdecode(numpy.frombuffer(sys.stdin.buffer.read(), numpy.uint8), {flag})
if pixels is None or pixels.shape[:2] != {shape} or pixels.dtype != numpy.uint8:
    sys.exit(1)
sys.stdout.buffer.write(pixels.tobytes())
"""


def decode_apart(data: bytes, flag: int, width: int, height: int) -> Pixels | None:
    """What OpenCV makes of a picture; None where it fails, dies or takes too much.

    Args:
        data: the file. flag: as OpenCV has it. width, height: as the pixels must be.

    Returns:
        uint8 (height, width) or (height, width, 3), by the flag.
    """
    most = SPARE + A_PIXEL * width * height
    program = _PROGRAM.format(path=sys.path, flag=flag, shape=(height, width), most=most)
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
