"""Work on an out folder that outlives its process: what is done of it is not done again.

It lies in a hidden folder beside the one in which all is staged, which who has locked the out
folder may use. The command that publishes removes it.
"""

from __future__ import annotations

import os
from pathlib import Path

from ssd_data.core.files.publish import OutFolder

ENDING = ".part"
INSIDE = f".work{ENDING}"
_BOOT = Path("/proc/sys/kernel/random/boot_id")


def part_of(folder: OutFolder) -> Path:
    """The hidden folder of what is done; it may not be there."""
    place = Path(os.path.realpath(folder.path))
    if folder.staging.parent == place:
        return place / INSIDE
    return place.parent / f".{place.name}{ENDING}"


def this_boot() -> str:
    """Tells whether the machine has died since: what was not synced may be in any state then.

    Empty where the system does not say.
    """
    try:
        return _BOOT.read_text().strip()
    except OSError:
        return ""
