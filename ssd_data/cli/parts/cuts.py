"""A mapped file (an LMDB, a large JSON) that somebody cuts short while it is read ends the process
by SIGBUS: here it does with a sentence.

What raises that signal cannot go on, so that Python's own handlers, which run later, are of no use.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ssd_data.core.files.paths import listable

SAID = (
    "error: {}: it was cut short while it was being read\n"
    "  Run this again when nobody writes it: what is to be replaced is written anew and renamed\n"
)
_SIGINFO = 4  # SA_SIGINFO: the handler is told the address
_ADDRESS = 16  # where that stands in siginfo_t
_Handler = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)


class _Action(ctypes.Structure):
    """``struct sigaction`` of Linux with 64 bits."""

    _fields_ = (
        ("handler", ctypes.c_void_p),
        ("mask", ctypes.c_byte * 128),
        ("flags", ctypes.c_int),
        ("restorer", ctypes.c_void_p),
    )


@contextmanager
def cuts_said() -> Iterator[None]:
    """End the process with a sentence that names the file; on Linux."""
    if sys.platform != "linux" or ctypes.sizeof(ctypes.c_void_p) != 8:
        yield
        return
    libc = ctypes.CDLL(None)
    old = _Action()
    handler = _Handler(_end)
    new = _Action(ctypes.cast(handler, ctypes.c_void_p).value, flags=_SIGINFO)
    libc.sigaction(signal.SIGBUS, ctypes.byref(new), ctypes.byref(old))
    try:
        yield
    finally:
        libc.sigaction(signal.SIGBUS, ctypes.byref(old), None)


def _end(number: int, info: int, context: int) -> None:
    address = ctypes.c_void_p.from_address(info + _ADDRESS).value
    if address is None or not (file := _mapped_at(address)):
        signal.signal(number, signal.SIG_DFL)  # it comes once more
        return
    os.write(2, SAID.format(listable(file)).encode())
    os._exit(1)


def _mapped_at(address: int) -> str:
    """The file that is mapped there, from the working folder; nothing where none is."""
    with Path("/proc/self/maps").open(errors="surrogateescape") as maps:
        for line in maps:
            words = line.rstrip("\n").split(maxsplit=5)
            start, end = (int(word, 16) for word in words[0].split("-"))
            if start <= address < end:
                file = words[5] if len(words) > 5 and words[5].startswith("/") else ""
                return os.path.relpath(file) if file.startswith(f"{Path.cwd()}/") else file
    return ""
