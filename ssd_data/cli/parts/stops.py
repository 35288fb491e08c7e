"""Ctrl-C and SIGTERM end every command alike: as a KeyboardInterrupt, which is raised once."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

STOPPED = 130  # the exit status
SAID = "interrupted; nothing is half-written"
_AGAIN = 0.02  # seconds
_PATIENCE = 500  # times that
_IMPORTING = "<frozen importlib._bootstrap>"


@contextmanager
def stops() -> Iterator[None]:
    """SIGINT and SIGTERM raise KeyboardInterrupt; a second one ends the process at once.

    While a module is being imported they wait until it is there: Python prints what is raised in
    some of its own functions and goes on, and modules in C turn it into errors of their own.
    """
    old = {}
    if threading.current_thread() is threading.main_thread():
        handler = _Handler()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM):
            before = signal.getsignal(number)
            if before is not None and before is not signal.SIG_IGN:  # as in a shell's background
                old[number] = signal.signal(number, handler)
    try:
        yield
    finally:
        for number, before in old.items():
            if number == signal.SIGALRM:
                signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(number, before)


class _Handler:
    def __init__(self) -> None:
        self.asked = False
        self.waited = 0

    def __call__(self, number: int, frame: FrameType | None) -> None:
        if number != signal.SIGALRM:
            if self.asked:
                os._exit(STOPPED)
            self.asked = True
        if _is_importing(frame) and self.waited < _PATIENCE:
            self.waited += 1
            signal.setitimer(signal.ITIMER_REAL, _AGAIN)
            return
        raise KeyboardInterrupt


def _is_importing(frame: FrameType | None) -> bool:
    while frame is not None and frame.f_code.co_filename != _IMPORTING:
        frame = frame.f_back
    return frame is not None
