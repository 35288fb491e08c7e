"""Packages that only some of the work needs: asked for in one way when it begins."""

from __future__ import annotations

import shlex
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ssd_data.core.errors import SsdDataError, UsageError

# What runs a program in an environment of its own, by where these environments lie.
RUNNERS = {
    "archive-v0": "uvx --from '{wanted}' ssd-data {words}",
    "uv/tools": "uv tool install '{wanted}'",
    "pipx/.cache": "pipx run --spec '{wanted}' ssd-data {words}",
    "pipx/venvs": "pipx install --force '{wanted}'",
}


def install_line(extra: str) -> str:
    """The command that brings an extra to where this runs: pip's, or that of uv or pipx.

    Args:
        extra: one of ssd-data's; empty for none.
    """
    wanted = f"ssd-data[{extra}]" if extra else "ssd-data"
    folder = Path(sys.prefix).parent
    for place, line in RUNNERS.items():
        if folder.parts[-1 - place.count("/") :] == tuple(place.split("/")):
            return line.format(wanted=wanted, words=shlex.join(sys.argv[1:]))
    return f"pip install '{wanted}'" if extra else f"pip install {wanted}"


def require(
    module: str,
    extra: str,
    name: str = "",
    *,
    error: type[SsdDataError] = SsdDataError,
    where: str = "",
) -> Any:
    """A module of an optional package.

    Args:
        module: as it is imported.
        extra: which of ssd-data's extras brings it.
        name: what people call it; by default the package's own name.
        error: what is raised; where: the option that asked for it.

    Raises:
        SsdDataError: it is not installed; the hint says how to.
    """
    try:
        return import_module(module)
    except ImportError:
        raise _absent(module, extra, name, error, where) from None


def require_there(
    module: str,
    extra: str,
    name: str = "",
    *,
    error: type[SsdDataError] = SsdDataError,
    where: str = "",
) -> None:
    """The same of a package that another process imports: it is only looked for.

    Raises:
        SsdDataError: as :func:`require`.
    """
    if find_spec(module) is None:
        raise _absent(module, extra, name, error, where)


def _absent(
    module: str, extra: str, name: str, error: type[SsdDataError], where: str
) -> SsdDataError:
    called = name or module.partition(".")[0].replace("_", "-")
    hint = f"Install it: {install_line(extra)}"
    return error(f"this needs {called}", where=where, hint=hint)


def missing(what: str, error: ImportError, extra: str) -> UsageError:
    """The error about packages that cannot be imported, where it matters why.

    Args:
        what: as people call them. extra: which of ssd-data's extras brings them.
    """
    them = "them" if " and " in what else "it"
    hint = f"Install {them}: {install_line(extra)}"
    return UsageError(f"this needs {what}: {error}", hint=hint)
