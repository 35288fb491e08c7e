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

from ssd_data.cli.parts.shared import report_error
from ssd_data.core.errors import InputError
from ssd_data.core.files.paths import listable

WHAT = "it was cut short while it was being read"
HINT = "Run this again when nobody writes it: what is to be replaced is written anew and renamed"
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
def cuts_said(args: list[str]) -> Iterator[None]:
    """End the process with an error that names the file, as other errors are said; on Linux.

    Args:
        args: of the command.
    """
    if sys.platform != "linux" or ctypes.sizeof(ctypes.c_void_p) != 8:
        yield
        return
    libc = ctypes.CDLL(None)
    old = _Action()

    def end(number: int, info: int, _: int) -> None:
        address = ctypes.c_void_p.from_address(info + _ADDRESS).value or 0
        if file := _mapped_at(address):
            try:
                report_error(InputError(WHAT, where=listable(file), hint=HINT), args)
                sys.stdout.flush()
            finally:
                os._exit(1)
        libc.signal(number, ctypes.c_void_p(signal.SIG_DFL))  # Python's may be called by one thread
        os.kill(os.getpid(), number)

    handler = _Handler(end)
    new = _Action(ctypes.cast(handler, ctypes.c_void_p).value, flags=_SIGINFO)
    libc.sigaction(signal.SIGBUS, ctypes.byref(new), ctypes.byref(old))
    try:
        yield
    finally:
        libc.sigaction(signal.SIGBUS, ctypes.byref(old), None)


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
