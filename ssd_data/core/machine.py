"""What the machine is: its processors, what of them this process may take, and its memory."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

FEATURES = (
    *("sse4_2", "avx", "avx2", "fma", "avx512f", "avx512_vnni", "avx_vnni", "amx_tile"),
    *("asimd", "asimddp", "sve"),
)
GPUS = "/proc/driver/nvidia/gpus"


@dataclass(frozen=True, slots=True)
class Machine:
    """Attributes:
    system, processor: as they call themselves. features: of :data:`FEATURES`, those it has.
    processors: how many there are. usable: how many this process may run on.
    quota: how many processors' time a container gets; None where nothing limits it.
    running: how many processes want a processor just now; None where nobody says.
    memory, available: MiB, of all and free to take; None where nobody says.
    gpus: NVIDIA's, as the driver calls them.
    """

    system: str
    processor: str
    features: tuple[str, ...]
    processors: int
    usable: int
    quota: float | None
    running: int | None
    memory: int | None
    available: int | None
    gpus: tuple[str, ...]


def machine() -> Machine:
    """What this one is, as far as the system says (Linux says all of it)."""
    cpu, memory = _table("/proc/cpuinfo"), _table("/proc/meminfo")
    flags = set((cpu.get("flags") or cpu.get("Features") or "").split())
    count = os.cpu_count() or 1
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else count
    running = re.search(r"^procs_running (\d+)$", _text("/proc/stat"), re.MULTILINE)
    return Machine(
        f"{platform.system()} {platform.release()}, {platform.machine()}",
        cpu.get("model name") or platform.processor() or platform.machine(),
        tuple(name for name in FEATURES if name in flags),
        count,
        usable,
        quota(),
        int(running[1]) if running else None,
        _mebibytes(memory.get("MemTotal")),
        _mebibytes(memory.get("MemAvailable")),
        _gpus(),
    )


def quota(folder: Path = Path("/sys/fs/cgroup")) -> float | None:
    """How many processors' time the control group allows."""
    with suppress(ValueError):
        if words := _text(folder / "cpu.max").split():
            return None if words[0] == "max" else int(words[0]) / int(words[1])
        most = int(_text(folder / "cpu/cpu.cfs_quota_us"))
        each = int(_text(folder / "cpu/cpu.cfs_period_us"))
        return most / each if most > 0 else None
    return None


def _gpus() -> tuple[str, ...]:
    found = []
    with suppress(OSError):
        for entry in sorted(Path(GPUS).iterdir()):
            found.append(_table(entry / "information").get("Model") or entry.name)
    return tuple(found)


def _table(path: Path | str) -> Mapping[str, str]:
    """The first value of each key of a file of lines ``key : value``."""
    found: dict[str, str] = {}
    for line in _text(path).splitlines():
        key, colon, value = line.partition(":")
        if colon:
            found.setdefault(key.strip(), value.strip())
    return found


def _text(path: Path | str) -> str:
    try:
        return Path(path).read_text(errors="replace")
    except OSError:
        return ""


def _mebibytes(text: str | None) -> int | None:
    words = (text or "").split()
    return int(words[0]) // 1024 if words and words[0].isdecimal() else None
