"""Options of the commands that read raw data sets beside LMDBs: how annotations are read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from ssd_data.cli.parts import shared
from ssd_data.cli.parts.fields import options_of
from ssd_data.data.build.options import READING, BuildOptions

_F = TypeVar("_F", bound=Callable[..., Any])


def reading_options(*but: str) -> Callable[[_F], _F]:
    """``--follow-links`` and those of a build that say how annotations are read.

    Args:
        but: without these.
    """
    names = [name for name in READING if name not in but]
    return shared.stacked(
        shared.follow_links_option, options_of(BuildOptions, told=True, only=names)
    )


def reading_of(options: dict[str, Any]) -> dict[str, Any]:
    """Those of :func:`reading_options` that were given, taken out of ``options``."""
    given = {name: options.pop(name) for name in READING if name in options}
    return {name: value for name, value in given.items() if value not in (None, {})}
