"""JSON as its standard has it: without NaN and infinity, which Python's own would write."""

from __future__ import annotations

import json
import math
from typing import Any


def json_text(value: Any, *, ascii_only: bool = True, indent: int | None = 1) -> str:
    """A value as JSON; numbers that are none as the words ``nan``, ``inf`` and ``-inf``, and what
    JSON does not know by its ``str``; with no ``indent`` on one line.

    >>> print(json_text({"largest": float("nan")}))
    {
     "largest": "nan"
    }
    """
    plain = _finite(value)
    return json.dumps(plain, indent=indent, default=str, ensure_ascii=ascii_only, allow_nan=False)


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(one) for one in value]
    return str(float(value)) if isinstance(value, float) and not math.isfinite(value) else value
