"""Which lines of the package run: to keep inputs that reach new ones, and to tell how much is."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Collection
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

from support.fuzz.judge import PACKAGE

Line = tuple[str, int]


class Tracer:
    """Notes the lines of the package that run while it is on."""

    def __init__(self) -> None:
        self.seen: set[Line] = set()
        self._own: dict[CodeType, bool] = {}

    def __enter__(self) -> Tracer:
        self.seen = set()
        sys.settrace(self._call)
        return self

    def __exit__(self, *error: object) -> None:
        sys.settrace(None)

    def _call(self, frame: FrameType, event: str, argument: Any) -> Any:
        code = frame.f_code
        own = self._own.get(code)
        if own is None:
            own = self._own[code] = code.co_filename.startswith(PACKAGE)
        return self._line if own else None

    def _line(self, frame: FrameType, event: str, argument: Any) -> Any:
        if event == "line":
            self.seen.add((frame.f_code.co_filename, frame.f_lineno))
        return self._line


def lines_of(modules: Collection[str]) -> set[Line]:
    """All lines inside the functions of some modules."""
    found: set[Line] = set()
    for name in modules:
        spec = importlib.util.find_spec(name)
        assert spec is not None
        assert spec.origin is not None
        found |= _within(compile(Path(spec.origin).read_text(), spec.origin, "exec"))
    return found


def _within(code: CodeType, inside: bool = False) -> set[Line]:
    found: set[Line] = set()
    if inside:
        lines = {line for _, _, line in code.co_lines() if line}
        found = {(code.co_filename, line) for line in lines - {code.co_firstlineno}}
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            is_class = "__qualname__" in inner.co_names and "__module__" in inner.co_names
            found |= _within(inner, inside or not is_class)
    return found
