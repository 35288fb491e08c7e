"""Folders of plug-ins: one file each, whose name is its registration."""

from __future__ import annotations

from pathlib import Path
from pkgutil import iter_modules


def plugins(folder: str) -> list[str]:
    """The names of what a folder of the package holds, sorted; nothing is imported."""
    return sorted(module.name for module in iter_modules([str(Path(__file__).parent / folder)]))
