"""The commands of ``ssd-data``, called in this process."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ssd_data.cli import main


class Result:
    """What a command said and how it ended."""

    def __init__(self, status: int, out: str, err: str) -> None:
        self.status, self.out, self.err = status, out, err

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def run(*args: object) -> int:
    """The exit status of a command; what it prints is left to whoever captures it."""
    with pytest.raises(SystemExit) as caught:
        main([str(arg) for arg in args])
    return int(caught.value.code or 0)
