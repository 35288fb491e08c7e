"""What lies beside a solver state and Caffe does not keep, read and checked."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ssd_data.core.errors import InputError
from ssd_data.core.files.paths import read_text
from ssd_data.core.files.there import is_file
from ssd_data.training.rates import FLOAT_MAX
from ssd_data.training.smoothing import is_smoothed

RESUME = ".resume.json"
_MOST = 1 << 62  # records read
_HEXADECIMAL = re.compile(r"([0-9a-f]{2})*")


def read_resume_state(path: Path) -> dict[str, Any]:
    """The resume state beside a solver state; empty where there is none.

    Its ``positions`` are a table a net, data layer → records read; ``random`` a state a process, in
    hexadecimal digits (one alone in older files); ``data`` a table a net, data layer → records and
    digest of its LMDB, of a mix also each one's. All may be missing, and be null.

    Raises:
        InputError: it is no table in JSON, or these are something else.
    """
    file = path.with_suffix(RESUME)
    if not is_file(file):
        return {}
    try:
        table = json.loads(read_text(file, "resume file"))
    except (ValueError, RecursionError):
        raise InputError("the file beside the solver state is not JSON", where=file) from None
    if not isinstance(table, dict):
        raise InputError("the file beside the solver state is no table", where=file)
    for name, holds in _KEPT.items():
        if (value := table.get(name)) is not None and not holds(value):
            raise InputError(f'its "{name}" is not what a training writes', where=file)
    return table


def _is_count(value: object) -> bool:
    return type(value) is int and 0 <= value < _MOST


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and abs(value) <= FLOAT_MAX


def _are_positions(value: object) -> bool:
    return isinstance(value, list) and all(
        isinstance(net, dict) and all(map(_is_count, net.values())) for net in value
    )


def _are_sources(value: object) -> bool:
    return isinstance(value, list) and all(
        isinstance(net, dict)
        and all(
            isinstance(source, dict)
            and _is_count(source.get("records"))
            and isinstance(source.get("digest"), str)
            and _is_mix(source.get("mix", []))
            for source in net.values()
        )
        for net in value
    )


def _is_mix(value: object) -> bool:
    return isinstance(value, list) and all(
        isinstance(share, dict)
        and all(isinstance(share.get(name), str) for name in ("source", "digest"))
        and all(_is_count(share.get(name)) for name in ("weight", "records"))
        for share in value
    )


def _are_states(value: object) -> bool:
    states = [value] if isinstance(value, str) else value
    return isinstance(states, list) and all(
        isinstance(state, str) and _HEXADECIMAL.fullmatch(state) for state in states
    )


_KEPT: dict[str, Callable[[object], bool]] = {
    "positions": _are_positions,
    "random": _are_states,
    "gpu_random": _are_states,
    "smoothed": is_smoothed,
    "minimum_loss": _is_number,
    "processes": _is_count,
    "data": _are_sources,
}
