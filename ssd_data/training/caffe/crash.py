"""What a Caffe says last, and what to do about it."""

from __future__ import annotations

import re
from collections import deque

from ssd_data.core.legible import legible
from ssd_data.training.preflight.branch import SSD_TYPES, TYPES, advice

LAST_LINES, FATAL_LINES = 12, 4
# Of glog's stack trace the frames say nothing to who did not write Caffe.
_TRACE = re.compile(r"\s*@\s+0x[0-9a-f]+|PC: @|\*\*\* Aborted at ")
_FATAL = re.compile(r"[EF]\d{4,8} \d\d:")
_UNKNOWN = re.compile(r"Unknown layer type: (\S+)(?: \(known types: ([^)]*)\))?")
_CURES = {
    r"has no field named": "This Caffe does not know a field: is it the SSD branch?",
    r"CPU-only Caffe": "This Caffe was built without CUDA: give --device cpu",
    r"out of memory": "Take a smaller batch_size, and a larger iter_size for it",
    r"error while loading shared libraries": "Add the library's folder to LD_LIBRARY_PATH",
    r"no kernel image": "This Caffe was not built for this GPU: see CUDA_ARCH in Makefile.config",
    r"Cannot copy param": "The weights are of another net: see ssd-data weights show",
    r"Permission denied": "Mend the permissions, or the snapshot_prefix",
    r"Check failed: a <= b \(0 vs\. -": "Caffe's sampler, as today's compilers build it, makes a "
    "crop a rounding error wider than the picture. In SampleBBox (src/caffe/util/sampler.cpp) add "
    "behind bbox_height: bbox_width = std::min(bbox_width, 1.f); the height likewise; build again",
}
_CURE = "The lines above are Caffe's own; ssd-data train without --engine caffe runs the same files"


class LastLines:
    """The last lines of a log, without its stack trace, and those before that say what was fatal.

    >>> last = LastLines()
    >>> last.hear("F1121 10:00:00.1  7 x.cpp:1] Check failed: error == cudaSuccess  out of memory")
    >>> last.hear("*** Check failure stack trace: ***")
    >>> last.hear("    @     0x7f2b  google::LogMessage::Fail()")
    >>> len(last.lines()), last.cure()
    (2, 'Take a smaller batch_size, and a larger iter_size for it')
    """

    def __init__(self) -> None:
        self._last: deque[str] = deque(maxlen=LAST_LINES)
        self._fatal: deque[str] = deque(maxlen=FATAL_LINES)

    def hear(self, line: str) -> None:
        """Take note of a line."""
        if _TRACE.match(line):
            return
        self._last.append(line)
        if _FATAL.match(line):
            self._fatal.append(line)

    def lines(self) -> list[str]:
        """For people, the oldest first."""
        gone = [line for line in self._fatal if line not in self._last]
        return [legible(line) for line in (*gone, *self._last)]

    def cure(self) -> str:
        """What to do, as far as the lines tell."""
        text = "\n".join((*self._fatal, *self._last))
        if found := _UNKNOWN.search(text):
            return cure_of_type(found[1], (found[2] or "").replace(",", " ").split())
        return next((cure for words, cure in _CURES.items() if re.search(words, text)), _CURE)


def cure_of_type(kind: str, known: list[str]) -> str:
    """What to do about a layer type that a Caffe does not know.

    Args:
        known: those that it knows, as far as it says.
    """
    if kind in SSD_TYPES and kind not in known:
        return "This Caffe is not the SSD branch: build weiliu89/caffe, branch ssd"
    return advice(kind) if kind in TYPES else f"The SSD branch has none either. {advice(kind)}"
