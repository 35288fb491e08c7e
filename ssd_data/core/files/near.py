"""Names that differ only in capitals or in how their accents are stored: for most people, and for
Windows and macOS, one name; for Linux two.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import PurePath
from unicodedata import normalize

from ssd_data.core.files.paths import listable
from ssd_data.core.files.there import is_named_there


def folded(name: str) -> str:
    """What two such names have in common.

    >>> folded("Cafe\\u0301.JPG") == folded("caf\\u00e9.jpg")
    True
    """
    return normalize("NFC", normalize("NFC", name).casefold())


def by_fold(names: Iterable[str]) -> dict[str, str]:
    """Names by what they have in common with others; of several one."""
    return {folded(name): name for name in names}


def spelling_hint(wanted: str, there: Mapping[str, str]) -> str:
    """What to say of a name that is not there, where one like it is; empty where none is.

    >>> spelling_hint("a.JPG", by_fold(["a.jpg"]))
    'There is "a.jpg": capitals count'

    Args:
        there: see :func:`by_fold`.
    """
    found = there.get(folded(wanted))
    if found is None or found == wanted:
        return ""
    if normalize("NFC", found) == normalize("NFC", wanted):
        return f'There is "{listable(found)}", whose accents are stored otherwise: rename one'
    return f'There is "{listable(found)}": capitals count'


def near_file(path: object) -> str:
    """The same of a path that is not there: what lies in the folder, or in one like it."""
    try:
        parts = PurePath(str(path)).parts
        here, wanted = "", ""
        for part in parts:
            if is_named_there(os.path.join(here, part)):
                here = os.path.join(here, part)
                continue
            status = os.stat(here or ".")  # noqa: PTH116
            found = _names(here or ".", status.st_mtime_ns).get(folded(part))
            if found is None:
                return ""
            wanted = wanted or spelling_hint(part, {folded(part): found})
            here = os.path.join(here, found)
    except (OSError, ValueError):
        return ""
    return wanted


@lru_cache(maxsize=8)
def _names(folder: str, changed: int) -> Mapping[str, str]:
    return by_fold(os.listdir(folder))  # noqa: PTH208 - names
