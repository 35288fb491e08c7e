"""Commands run in a child that may take only so much memory and processor time."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
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
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        texts = []
        for file in (out, err):
            file.seek(0)
            texts.append(file.read().decode(errors="replace"))
    return Ended(child.returncode, *texts, peak=usage.ru_maxrss * 1024 // MEGABYTE)


def command(*args: object, seconds: int = 60, cwd: Path | None = None) -> Ended:
    """Run ``ssd-data`` with some arguments."""
    return limited("-m", "ssd_data", *args, seconds=seconds, cwd=cwd)
