"""What breaks the promise of one clear error: another exception, a signal, much time or memory."""

from __future__ import annotations

import re
import signal
import traceback
import unicodedata
from dataclasses import dataclass
from pathlib import Path

import ssd_data
from ssd_data.core.errors import SsdDataError

PACKAGE = str(Path(ssd_data.__file__).parent)
LONGEST = 1000  # letters of a sentence, which has a path of some length in it
TEXTS = LONG, CONTROL = "long text", "control characters"
SIGNALS = {-signal.SIGPROF: "more than 2 s", -signal.SIGALRM: "waits for something"}


@dataclass(frozen=True)
class Fault:
    """One kind of fault.

    Attributes:
        target: whose.
        kind: the exception's class, a signal's name, "long text", ...
        place: ``file.py:line`` of the innermost of our frames.
        text: what was said.
        stack: where it came about.
    """

    target: str
    kind: str
    place: str
    text: str = ""
    stack: str = ""

    @property
    def key(self) -> tuple[str, str, str]:
        return self.target, self.kind, self.place

    @property
    def is_text(self) -> bool:
        return self.kind in TEXTS

    def __str__(self) -> str:
        return ascii(f"{self.target}: {self.kind} at {self.place}: {self.text}")[1:-1][:300]


def of_exception(target: str, error: BaseException) -> Fault | None:
    """The fault of what a reader raised, None where it is an error as it should be."""
    if isinstance(error, SsdDataError):
        kind = of_text(error.sentence) or of_text(error.hint.replace("\n", " "))
        if not kind:
            return None
    else:
        kind = type(error).__name__
    stack = "".join(traceback.format_exception(error, limit=-12))
    try:
        text = str(error)
    except Exception as again:
        text = f"(its text raises {type(again).__name__})"
    return Fault(target, kind, _place(error), text[:500], stack[-6000:])


def of_notes(target: str, said: list[str]) -> Fault | None:
    """The fault of what is told beside a result."""
    for text in said:
        if kind := of_text(text):
            return Fault(target, kind, f"what is told, {_shape(text)}", text[:500])
    return None


def _shape(text: str) -> str:
    """The first words of a text, which tell one kind of note from another."""
    return re.sub(r"[^a-z ]+", "", text.partition(":")[0])[:40].strip()


def of_text(text: str) -> str:
    """What is wrong with what is said to people: empty where nothing is."""
    if len(text) > LONGEST:
        return LONG
    if any(unicodedata.category(letter) in ("Cc", "Cs") for letter in text.replace("\n", "")):
        return CONTROL
    return ""


def _place(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    own = [one for one in frames if one.filename.startswith(PACKAGE)] or list(frames)[-1:]
    if not own:
        return "?"
    return f"{own[-1].filename.removeprefix(PACKAGE + '/')}:{own[-1].lineno}"


def of_death(target: str, status: int, stack: str) -> Fault:
    """The fault of a process that was ended; ``stack`` is what faulthandler wrote."""
    try:
        name = SIGNALS.get(status) or signal.Signals(-status).name
    except ValueError:
        name = f"exit status {status}"
    found = re.search(rf'File "{re.escape(PACKAGE)}/([^"]+)", line (\d+)', stack)
    return Fault(target, name, f"{found[1]}:{found[2]}" if found else "?", "", stack[-6000:])
