"""A single file, written whole or not at all. (Folders: ``publish.py``.)"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from ssd_data.errors import OutputError


def write_whole(path: Path, data: bytes | str) -> None:
    """Give a file its new content, through a temporary file beside it that is synced first.

    Raises:
        OutputError: it cannot be written; what was there before is still there.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with beside.open("wb") as file:
            file.write(data.encode("utf-8") if isinstance(data, str) else data)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError as error:
        with suppress(OSError):
            beside.unlink(missing_ok=True)
        raise OutputError(f"cannot write it: {error.strerror}", where=path) from None
