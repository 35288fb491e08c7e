"""How PyTorch's threads wait for each other, decided before it is loaded.

Threads that wait for work spin for about as long as waking them takes, then give their processor to
others. By themselves they spin on, and on a machine that is shared PyTorch is many times slower. If
they never spin, training takes a third longer on a machine that is not shared, and the least time
on one that is. What a net computes is the same in each case.
"""

from __future__ import annotations

import os
import re
import time
from contextlib import suppress
from pathlib import Path
from statistics import median

SPINS = 5000
LOOKS, BETWEEN = 5, 0.002  # seconds
_RUNNING = re.compile(r"^procs_running (\d+)$", re.MULTILINE)


def choose_waiting(stat: Path = Path("/proc/stat")) -> None:
    """Set the environment that GNU's OpenMP reads as it is loaded, unless the user has.

    It counts where torch was not imported before.
    """
    if "OMP_WAIT_POLICY" in os.environ:
        return
    os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
    if "GOMP_SPINCOUNT" not in os.environ:
        os.environ["GOMP_SPINCOUNT"] = str(0 if is_taken(stat) else SPINS)


def is_taken(stat: Path = Path("/proc/stat")) -> bool:
    """Whether others run on as many processors as the machine has; False where none can say."""
    found: list[int] = []
    with suppress(OSError, ValueError):
        for look in range(LOOKS):
            time.sleep(BETWEEN if look else 0)
            if running := _RUNNING.search(stat.read_text()):
                found.append(int(running[1]) - 1)  # this process runs as well
    return bool(found) and median(found) >= (os.cpu_count() or 1)
