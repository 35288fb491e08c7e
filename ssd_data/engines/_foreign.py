"""Toolkits that need an interpreter of their own, asked through a child process of it.

Some want versions of Python, NumPy or PyTorch that this package does not run on. The user names an
interpreter in which such a toolkit is installed; a program of ``_children`` runs there.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import threading
import weakref
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import IO, Any

import numpy as np

from ssd_data.core.errors import InputError, UsageError
from ssd_data.core.files.scratch import scratch
from ssd_data.core.legible import legible
from ssd_data.engines._built_for import built_for
from ssd_data.engines._toolkits import Toolkit

SERVE = Path(__file__).parent / "_children" / "serve.py"
MINUTES = 60  # that an answer may take
LINE = 1 << 24  # bytes of an answer's words
LOGGED = 1 << 16  # bytes of what a toolkit printed last
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_BUILT_IN = re.compile(r"^(?:[A-Za-z]+Error|E[ :]|.*\b(?:error|ERROR|Error|Check failed)\b)")


class Child:
    """A process of another interpreter, which does what is asked until it is no longer held.

    Attributes:
        folder: where it runs; removed with it. python: the interpreter.

    Raises:
        UsageError: there is no such interpreter.
    """

    def __init__(self, toolkit: Toolkit, given: Path | None = None) -> None:
        self.toolkit = toolkit
        self.python = toolkit.interpreter(given)
        held = ExitStack()
        self.folder = held.enter_context(scratch())
        log: IO[bytes] = held.enter_context((self.folder / "log").open("w+b"))
        words = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        self._log = log
        self._process = subprocess.Popen(
            [self.python, str(SERVE), toolkit.module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            cwd=self.folder,
            env=words | {"PYTHONDONTWRITEBYTECODE": "1"},
            start_new_session=True,  # whoever interrupts us does not interrupt it halfway
        )
        self.close = weakref.finalize(self, _end, self._process, held, os.getpid())

    def ask(
        self, do: str, arrays: Sequence[Any] = (), where: object = "", **words: Any
    ) -> tuple[dict[str, Any], list[Any]]:
        """What it answers: words and arrays.

        Args:
            do: one of the functions that its module has. where: which file it is about.

        Raises:
            UsageError: the toolkit is not installed there.
            InputError: it cannot do that; says what it said.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        held = [np.ascontiguousarray(values) for values in arrays]
        kinds = [[values.dtype.str, list(values.shape)] for values in held]
        line = json.dumps({"do": do, "arrays": kinds, **words}).encode() + b"\n"
        late = threading.Timer(60 * MINUTES, self._process.kill)
        late.daemon = True
        try:
            late.start()
            with suppress(BrokenPipeError):
                self._process.stdin.write(line)
                for values in held:
                    self._process.stdin.write(values.tobytes())
                self._process.stdin.flush()
            answer, found = _read(self._process.stdout)
        except BaseException:
            self.close()
            raise
        finally:
            late.cancel()
        return self._judged(answer, where), found

    def _judged(self, answer: dict[str, Any] | None, where: object) -> dict[str, Any]:
        name = self.toolkit.name
        if answer is not None and "missing" in answer:
            raise self._unusable(answer["missing"], answer.get("numpy", ""))
        if answer is None or "error" in answer:
            said = self._reason(answer["error"] if answer else "")
            what = "cannot take this net" if where else "does not answer"
            raise InputError(f"{name} {what}: {said}", where=where)
        return answer

    def _unusable(self, missing: str, numpy: str) -> UsageError:
        """It cannot be imported: it is not there, or was built for something else."""
        why = built_for(f"{missing} {self._logged()}", numpy)
        what, hint = why or (
            f"cannot be imported by {self.python}: {' '.join(missing.split())}",
            f"Install it there: {self.toolkit.install}",
        )
        if why is not None:
            what = f"{what}, in the environment of {self.python}"
        text = legible(f"{self.toolkit.name} {what}")
        return UsageError(text, where=self.toolkit.variable, hint=hint)

    def _logged(self) -> str:
        """What it printed last."""
        size = self._log.seek(0, os.SEEK_END)
        self._log.seek(max(0, size - LOGGED))
        return self._log.read().decode("utf-8", "replace")

    def _reason(self, error: str) -> str:
        """What a toolkit said of it, in a line."""
        text = self._logged() + "\n" + error
        lines = [_COLOUR.sub("", line).strip() for line in text.splitlines()]
        told = [line for line in lines if _BUILT_IN.match(line)] or [x for x in lines if x]
        return legible(told[-1][:300]) if told else "it says nothing"


def _read(stream: IO[bytes]) -> tuple[dict[str, Any] | None, list[Any]]:
    """An answer; None where the process gives none."""
    line = stream.readline(LINE)
    try:
        answer: dict[str, Any] = json.loads(line)
        kinds = answer.pop("arrays")
    except (ValueError, AttributeError, KeyError):  # it has ended, or is another program
        return None, []
    arrays = []
    for kind, shape in kinds:
        size = int(np.prod(shape)) * np.dtype(kind).itemsize
        held = stream.read(size)
        if len(held) != size:
            return None, []
        arrays.append(np.frombuffer(held, kind).reshape(shape).copy())
    return answer, arrays


def _end(process: subprocess.Popen[bytes], held: ExitStack, owner: int) -> None:
    """End it, and what it started; but not where we are a fork of who began it."""
    if os.getpid() != owner:
        return
    with suppress(OSError):
        os.killpg(process.pid, 9)
    process.wait()
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            with suppress(OSError):
                stream.close()
    held.close()
