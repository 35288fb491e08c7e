"""JSON without NaN and infinity."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from hypothesis import given, strategies

from ssd_data.core.jsontext import json_text

NUMBERS = strategies.none() | strategies.booleans() | strategies.floats() | strategies.integers()
VALUES = strategies.recursive(
    NUMBERS | strategies.text(),
    lambda inner: strategies.lists(inner) | strategies.dictionaries(strategies.text(), inner),
)


def strict(text: str) -> Any:
    def refuse(word: str) -> None:
        raise AssertionError(word)

    return json.loads(text, parse_constant=refuse)


def wanted(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return {True: "inf", False: "-inf"}[value > 0] if math.isinf(value) else "nan"
    if isinstance(value, dict):
        return {key: wanted(one) for key, one in value.items()}
    return [wanted(one) for one in value] if isinstance(value, list) else value


@given(VALUES)
def test_any_value(value: Any) -> None:
    assert strict(json_text(value)) == wanted(value)
    line = json_text(value, indent=None)
    assert strict(line) == wanted(value)
    assert "\n" not in line


def test_what_json_does_not_know() -> None:
    assert strict(json_text({"file": Path("a"), "sizes": (1, 2)})) == {"file": "a", "sizes": [1, 2]}
    assert json_text("é", ascii_only=False) == '"é"'
    assert json_text("é") == '"\\u00e9"'
