"""``ssd-data``, and ``python -m ssd_data``."""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType

SAID = b"interrupted; nothing is half-written\n"


def start() -> None:
    """Run the command line and exit: Ctrl-C and SIGTERM leave no traceback, be it before the
    command begins, in it (see ``cli/parts/stops.py``), or when it is done."""
    _on_stop(_before)
    try:
        from ssd_data.cli import main

        main()
    except SystemExit as end:
        _on_stop(_after(end.code if isinstance(end.code, int) else bool(end.code)))
        raise
    except KeyboardInterrupt:  # it came while the command's error was being said
        _before()


def _on_stop(handler: object) -> None:
    """Where signals are ignored, as in a shell's background, they stay so."""
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, handler)  # type: ignore[arg-type]


def _before(number: int = 0, frame: FrameType | None = None) -> None:
    os.write(2, SAID)
    os._exit(130)


def _after(status: int) -> object:
    """All is done but that Python puts its things away."""

    def end(number: int, frame: FrameType | None) -> None:
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except (OSError, RuntimeError, ValueError):
                continue
        os._exit(status)

    return end


if __name__ == "__main__":
    start()
