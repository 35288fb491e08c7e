"""Commands run in a child that may take only so much memory and processor time."""

from __future__ import annotations

import re
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

MEGABYTE = 1 << 20
BACKSTOP = 6 << 30  # bytes of addresses: the machine is not to suffer


@dataclass(frozen=True)
class Ended:
    """How a child ended: its status (negative: a signal), what it wrote, its peak in megabytes."""

    status: int
    out: str
    err: str
    peak: int

    @property
    def text(self) -> str:
        return self.out + self.err


def limited(*args: object, seconds: int = 60, cwd: Path | None = None) -> Ended:
    """Run Python with some arguments, such as ``-m ssd_data check PATH``."""

    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        child = subprocess.Popen(
            [sys.executable, *map(str, args)],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            cwd=cwd,
        )
        resource.prlimit(child.pid, resource.RLIMIT_CPU, (seconds, seconds))
        resource.prlimit(child.pid, resource.RLIMIT_AS, (BACKSTOP, BACKSTOP))
        peak = 0
        while child.poll() is None:
            peak = max(peak, _high_water(child.pid))
            time.sleep(0.002)
        texts = []
        for file in (out, err):
            file.seek(0)
            texts.append(file.read().decode(errors="replace"))
    return Ended(child.returncode, *texts, peak=peak)


def _high_water(pid: int) -> int:
    """A living process's peak in megabytes. What the system says of an ended one counts its
    parent's memory, too, of which it was a copy for a moment."""
    try:
        text = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    if Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[:1] != [sys.executable.encode()]:
        return 0
    found = re.search(r"VmHWM:\s*(\d+) kB", text)
    return int(found[1]) * 1024 // MEGABYTE if found else 0


def command(*args: object, seconds: int = 60, cwd: Path | None = None) -> Ended:
    """Run ``ssd-data`` with some arguments."""
    return limited("-m", "ssd_data", *args, seconds=seconds, cwd=cwd)
