"""All readers of strangers' bytes: a file a room, each with a list of targets."""

from __future__ import annotations

import importlib
import pkgutil

from support.fuzz.target import Target


def all_targets() -> list[Target]:
    """The targets of all files of this folder, by name."""
    names = sorted(module.name for module in pkgutil.iter_modules(__path__))
    modules = [importlib.import_module(f"{__name__}.{name}") for name in names]
    found = [target for module in modules for target in module.TARGETS]
    assert len({target.name for target in found}) == len(found)
    return sorted(found, key=lambda target: target.name)
