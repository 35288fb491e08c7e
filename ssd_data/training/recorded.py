"""What a snapshot records of the options that its run had."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from ssd_data.core.errors import InputError, UsageError
from ssd_data.training.options import DEFAULTS, Extras
from ssd_data.training.snapshots import RESUME, read_resume_state


def recorded_options(state: Path) -> dict[str, Any]:
    """The options that the resume state beside a solver state records; none of Caffe's own.

    Raises:
        InputError: they are no table.
    """
    options = read_resume_state(state).get("options", {})
    if not isinstance(options, dict):
        raise InputError("its options are no table", where=state.with_suffix(RESUME))
    return options


def recorded_extras(state: Path) -> dict[str, Any]:
    """The extras among them.

    Raises:
        InputError: what it records are no such options.
    """
    where, found = state.with_suffix(RESUME), recorded_options(state).get("extras", {})
    if not isinstance(found, dict):
        raise InputError("its options are no table", where=where)
    if unknown := found.keys() - DEFAULTS.keys():
        raise InputError(
            f"it records an option that is not known: {sorted(unknown)[0][:40]!a}",
            where=where,
            hint="Was it written by a later version of ssd-data?",
        )
    try:
        return asdict(Extras(**found))
    except UsageError as error:
        raise InputError(f"it records {error.where}, but {error.what}", where=where) from None
