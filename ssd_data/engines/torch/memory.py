"""Memory that a process frees and needs again: how the C library treats it while a net learns."""

from __future__ import annotations

import ctypes
import sys
from functools import cache

_TRIM_THRESHOLD, _MMAP_MAX = -1, -4  # glibc's malloc.h
_NEVER = -1


@cache  # it holds for the process
def keep_freed_memory() -> None:
    """Let the process keep what was freed for what is needed next, from now on.

    Each iteration needs the same large blocks again. glibc takes every block of over 32 MB from
    the system anew and gives it back at once, and the system fills it with zeros page by page: a
    fifth and more of a step on the CPU. Elsewhere than on glibc nothing changes.
    """
    if not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_TRIM_THRESHOLD, _NEVER)
        mallopt(_MMAP_MAX, 0)
