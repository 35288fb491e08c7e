"""SIGINT and SIGTERM end a run in its own time."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def signals(
    say: Callable[[str], None],
    once: Callable[[], None],
    twice: Callable[[], None] | None = None,
) -> Iterator[None]:
    """The first SIGINT or SIGTERM ends the run after this update; the second ends it at once."""
    asked = False

    def handle(number: int, frame: FrameType | None) -> None:
        nonlocal asked
        if not asked:
            say("stopping: a snapshot is written after this iteration; once more stops at once")
            once()
        elif twice is not None:
            twice()
        else:
            os._exit(128 + number)
        asked = True

    old = {}
    for number in (signal.SIGINT, signal.SIGTERM):
        try:
            old[number] = signal.signal(number, handle)
        except ValueError:  # not in the main thread: whoever runs us has the signals
            break
    try:
        yield
    finally:
        for number, before in old.items():
            signal.signal(number, before)
