"""Folders of plug-ins: one file each, whose name is its registration."""

from __future__ import annotations

from pathlib import Path
from pkgutil import iter_modules

_PACKAGE = Path(__file__).resolve().parent.parent


def plugins(folder: str, *, folders: bool | None = False) -> list[str]:
    """The names of what a folder of the package holds, sorted; nothing is imported.

    Args:
        folders: whether the plug-ins are its folders, and files lie beside them, or (False) the
            other way about; None where both are.
    """
    held = iter_modules([str(_PACKAGE / folder)])
    return sorted(m.name for m in held if folders is None or m.ispkg == folders)
