"""``ssd-data``, and ``python -m ssd_data``.

Nothing is imported here that Python has not imported itself, until :func:`start` has looked where
modules come from.
"""

from __future__ import annotations

import atexit
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType

SAID = b"interrupted; nothing is half-written\n"


def start() -> None:
    """Run the command line and exit: Ctrl-C and SIGTERM leave no traceback, be it before the
    command begins, in it (see ``cli/parts/stops.py``), or when it is done."""
    _forget_working_folder()
    import signal

    _on_stop(_before)
    atexit.register(_on_stop, signal.SIG_IGN)  # what is left of the end takes no time
    try:
        from ssd_data.cli import main

        main()
    except SystemExit as end:
        _on_stop(_after(end.code if isinstance(end.code, int) else bool(end.code)))
        raise
    except KeyboardInterrupt:  # it came while the command's error was being said
        _before()


def _forget_working_folder() -> None:
    """Import nothing from the working folder, where a stranger's data set may have a ``cv2.py``.

    ``python -m`` puts it first, and so does an empty part of ``PYTHONPATH`` (``:/caffe/python``).
    Where ``PYTHONPATH`` names it, it stays.
    """
    try:
        here = os.getcwd()  # noqa: PTH109
    except OSError:  # there is none any more
        return
    named = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    if any(part and os.path.abspath(part) == here for part in named):  # noqa: PTH100
        return
    if __name__ == "__main__" and sys.path[:1] == [here]:
        del sys.path[0]
    if len(named) > 1 and "" in named and here in sys.path[: len(named)]:
        sys.path.remove(here)


def _on_stop(handler: object) -> None:
    """Where signals are ignored, as in a shell's background, they stay so."""
    import signal

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
