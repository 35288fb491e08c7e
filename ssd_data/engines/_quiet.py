"""For libraries that write to the process's own streams by themselves, beneath Python."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def no_output(stream: int = 1) -> Iterator[None]:
    """What is written to the process's standard output (1) or error (2) meanwhile goes nowhere."""
    (sys.stdout if stream == 1 else sys.stderr).flush()
    try:
        kept = os.dup(stream)
    except OSError:  # it is closed
        yield
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, stream)
        yield
    finally:
        os.dup2(kept, stream)
        os.close(nowhere)
        os.close(kept)
