"""What the parts of ``tests/hard`` share: how long they may go on, and the row that tells of it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

MOST_FINDINGS = 100


@dataclass
class Row:
    """A part's row of the table in ``docs/reliability.md``.

    Attributes:
        part: "kills", "faults" or "fuzz".
        executions: commands run, or inputs read.
        kills: processes ended from outside. faults: failures put in their way.
        seconds: how long it took.
        reached: what the attack came to, in a line: "31 of 31 commands, all 6,120 system calls".
        findings: one line each, with what is needed to see it again (seed, number, input).
    """

    part: str
    executions: int = 0
    kills: int = 0
    faults: int = 0
    seconds: float = 0.0
    reached: str = ""
    findings: list[str] = field(default_factory=list)

    def found(self, what: str) -> None:
        """Note something that broke the promise; the attack goes on."""
        if what not in self.findings and len(self.findings) < MOST_FINDINGS:
            self.findings.append(what)

    def write(self, path: Path) -> None:
        path.write_text(json.dumps(asdict(self), indent=1))

    @classmethod
    def read(cls, path: Path) -> Row:
        return cls(**json.loads(path.read_text()))


class Clock:
    """How long a part may go on."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._begun = time.monotonic()

    @property
    def spent(self) -> float:
        return time.monotonic() - self._begun

    @property
    def is_over(self) -> bool:
        return self.spent >= self.seconds


Attack = Callable[[float, int], Row]
