"""Commands whose calls to the system fail, in forked processes with ``faults.c`` preloaded.

It hits native libraries as well. The process that forks must itself have been started with it,
see :func:`preloaded`.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from support import ROOT

READ, WRITE, SYNC, NAME, REMOVE, LOCK = (1 << n for n in range(6))  # kinds of calls
CHANGE = WRITE | SYNC | NAME | REMOVE
ALL = CHANGE | READ
LONGEST = 120.0  # seconds until a command hangs
SOURCE = Path(__file__).with_suffix(".c")
LIBRARY = "SSD_DATA_FAULTS"  # names the compiled one to a process that has it preloaded


class _State(ctypes.Structure):
    """As ``struct state`` of ``faults.c``."""

    _fields_ = [
        ("below", ctypes.c_char * 4096),
        ("kinds", ctypes.c_int),
        ("code", ctypes.c_int),
        ("at", ctypes.c_long),
        ("on", ctypes.c_int),
        ("halved", ctypes.c_int),
        ("share", ctypes.c_int),
        ("random", ctypes.c_uint64),
        ("tell", ctypes.c_int),
        ("answer", ctypes.c_int),
        ("back", ctypes.c_long),
        ("seen", ctypes.c_long),
        ("failed", ctypes.c_long),
        ("call", ctypes.c_char * 32),
        ("path", ctypes.c_char * 4096),
    ]


@dataclass(frozen=True)
class Fault:
    """What goes wrong.

    Attributes:
        kinds: of the calls that are counted.
        code: the errno with which one fails.
        at: which one, the first is 1; 0 for none.
        on: all after it fail as well.
        halved: if it writes, it writes half.
        share: of a million calls this many fail at random.
        seed: of that.
        meanwhile: done by the parent when the call ``at`` is about to be made.
        back: seconds by which the clock goes back each time somebody looks at it.
    """

    kinds: int = ALL
    code: int = 0
    at: int = 0
    on: bool = False
    halved: bool = False
    share: int = 0
    seed: int = 0
    meanwhile: Callable[[], None] | None = field(default=None, compare=False)
    back: int = 0

    def __str__(self) -> str:
        kinds = [
            name
            for name in ("READ", "WRITE", "SYNC", "NAME", "REMOVE", "LOCK")
            if self.kinds & globals()[name]
        ]
        parts = ["|".join(kinds), errno.errorcode.get(self.code, "")]
        parts += [f"at {self.at}" if self.at else "", "and on" if self.on else ""]
        parts += ["halved" if self.halved else ""]
        parts += [f"{self.share} of a million, seed {self.seed}" if self.share else ""]
        parts += [f"clock back {self.back} s" if self.back else ""]
        parts += [self.meanwhile.__name__ if self.meanwhile else ""]
        return " ".join(filter(None, parts))


@dataclass(frozen=True)
class Ended:
    """How a command ended: its status (negative for a signal, None if it hung), what it printed,
    how many calls were counted, how many failed, and which did last."""

    status: int | None
    out: str
    err: str
    seen: int
    failed: int
    call: str
    path: str


def can_preload() -> bool:
    """Whether there is a compiler here, and the system preloads."""
    return sys.platform == "linux" and shutil.which("cc") is not None


def preloaded(module: str, function: str, **arguments: Any) -> Any:
    """Call a function in a new process with the library preloaded; arguments and result are JSON."""
    with tempfile.TemporaryDirectory() as folder:
        library, result = Path(folder, "faults.so"), Path(folder, "result")
        command = ["cc", "-shared", "-fPIC", "-O1", "-o", str(library), str(SOURCE), "-ldl"]
        subprocess.run(command, check=True)
        code = "import importlib, json, sys; m, f, a, r = sys.argv[1:]; "
        code += "done = getattr(importlib.import_module(m), f)(**json.loads(a)); "
        code += "open(r, 'w').write(json.dumps(done))"
        words = [sys.executable, "-c", code, module, function, json.dumps(arguments), str(result)]
        paths = os.pathsep.join([str(ROOT), str(ROOT / "tests"), os.environ.get("PYTHONPATH", "")])
        own = {LIBRARY: str(library), "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"}
        own["LD_PRELOAD"] = str(library)
        subprocess.run(words, check=True, env={**os.environ, **own})
        return json.loads(result.read_text())


class Faults:
    """The preloaded library, for calls below a folder."""

    def __init__(self, below: Path) -> None:
        library = ctypes.CDLL(os.environ[LIBRARY])
        library.faults_state.restype = ctypes.POINTER(_State)
        library.faults_size.restype = ctypes.c_size_t
        assert library.faults_size() == ctypes.sizeof(_State)
        self._state = library.faults_state().contents
        self._state.below = os.fsencode(os.path.realpath(below))

    def run(self, action: Callable[[], int], fault: Fault) -> Ended:
        """Run in a forked process, where that goes wrong."""
        state = self._state
        state.seen = state.failed = 0
        state.call = state.path = b""
        told, tell = os.pipe()
        answer, answers = os.pipe()
        state.tell, state.answer = (tell, answer) if fault.meanwhile else (-1, -1)
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            pid = os.fork()
            if not pid:
                self._child(action, fault, out.fileno(), err.fileno())
            status = _wait(pid, told, fault, answers)
            state.kinds = 0
            for descriptor in (told, tell, answer, answers):
                os.close(descriptor)
            texts = [file.seek(0) or file.read().decode(errors="replace") for file in (out, err)]
        call, path = state.call.decode(), os.fsdecode(state.path)
        return Ended(status, *texts, state.seen, state.failed, call, path)

    def _child(self, action: Callable[[], int], fault: Fault, out: int, err: int) -> None:
        status = 70
        try:
            os.dup2(out, 1)
            os.dup2(err, 2)
            state = self._state
            state.code, state.at, state.on = fault.code, fault.at, fault.on
            state.halved, state.share, state.random = fault.halved, fault.share, fault.seed
            state.back, state.kinds = fault.back, fault.kinds
            status = action()
        finally:
            for stream in (sys.stdout, sys.stderr):
                stream.flush()
            os._exit(status)


def _wait(pid: int, told: int, fault: Fault, answers: int) -> int | None:
    """The status, None if it had to be killed."""
    end = os.pidfd_open(pid)
    try:
        while True:
            ready, _, _ = select.select([end, told], [], [], LONGEST)
            if told in ready:
                os.read(told, 1)
                assert fault.meanwhile is not None
                fault.meanwhile()
                os.write(answers, b"\0")
            elif end in ready:
                return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            else:
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
                return None
    finally:
        os.close(end)


def import_all_of(action: Callable[[], int]) -> None:
    """Import what an action imports, so that what is forked need not."""
    with tempfile.TemporaryDirectory() as folder:
        names = Path(folder, "names")
        pid = os.fork()
        if not pid:
            try:
                null = os.open(os.devnull, os.O_WRONLY)
                os.dup2(null, 1)
                os.dup2(null, 2)
                os.chdir(folder)
                action()
            finally:
                names.write_text("\n".join(sys.modules))
                os._exit(0)
        os.waitpid(pid, 0)
        for name in names.read_text().split("\n"):
            if name not in sys.modules and name.split(".")[0] != "__main__":
                try:
                    __import__(name)
                except Exception:  # made up by another module
                    continue
