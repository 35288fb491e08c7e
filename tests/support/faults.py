"""Calls to the system that fail, in forked processes with ``faults.c`` preloaded.

It hits native libraries as well. The process that forks must itself have been started with it,
see :func:`preloaded`.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support import ROOT

KINDS = {"READ": 1, "WRITE": 2, "SYNC": 4, "NAME": 8, "REMOVE": 16, "LOCK": 32, "LOOK": 64}
READ, WRITE, SYNC, NAME, REMOVE, LOCK, LOOK = KINDS.values()  # kinds of calls
CHANGE = WRITE | SYNC | NAME | REMOVE
ALL = CHANGE | READ | LOOK
SOURCE = Path(__file__).with_suffix(".c")
LIBRARY = "SSD_DATA_FAULTS"  # names the compiled one to a process that has it preloaded
CALL_IT = """
import importlib, json, sys
module, function, arguments, result = sys.argv[1:]
done = getattr(importlib.import_module(module), function)(**json.loads(arguments))
open(result, "w").write(json.dumps(done))
"""


class State(ctypes.Structure):
    """As ``struct state`` of ``faults.c``."""

    _fields_ = (
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
        ("of_kind", ctypes.c_long * len(KINDS)),
        ("call", ctypes.c_char * 32),
        ("path", ctypes.c_char * 4096),
    )


@dataclass(frozen=True)
class Fault:
    """What goes wrong.

    Attributes:
        kinds: of the calls that are counted.
        code: the errno with which one fails; 0: none does.
        at: which one, the first is 1; 0 for none.
        on: all after it fail as well; 2: those for the same path.
        halved: if it writes, it writes half, and all after it fail.
        share: of a million calls this many fail at random.
        seed: of that.
        back: seconds by which the clock goes back each time somebody looks at it.
        waits: the call ``at`` waits until :meth:`Faults.go_on`.
    """

    kinds: int
    code: int = 0
    at: int = 0
    on: int = 0
    halved: bool = False
    share: int = 0
    seed: int = 0
    back: int = 0
    waits: bool = False

    def __str__(self) -> str:
        kinds = "|".join(name.lower() for name, bit in KINDS.items() if self.kinds & bit)
        words = [errno.errorcode.get(self.code, ""), f"in {kinds}"]
        words += [f"at call {self.at}" if self.at else ""]
        words += [("", "and on", "and on for its path")[self.on], "halved" if self.halved else ""]
        words += [f"in {self.share} of a million, seed {self.seed}" if self.share else ""]
        words += [f"the clock goes back {self.back} s" if self.back else ""]
        return " ".join(filter(None, words))


def seeds_that_hit(share: int, calls: int, dice: random.Random) -> Iterator[int]:
    """Seeds with which one of the first so many calls fails at random, as ``faults.c`` draws."""
    while True:
        seed = number = dice.getrandbits(63)
        for _ in range(calls):
            number = (number * 6364136223846793005 + 1442695040888963407) % (1 << 64)
            if (number >> 33) % 1_000_000 < share:
                yield seed
                break


def can_preload() -> bool:
    """Whether there is a compiler here, and the system preloads."""
    return sys.platform == "linux" and shutil.which("cc") is not None


def preloaded(module: str, function: str, **arguments: Any) -> Any:
    """Call a function in a new process with the library preloaded; arguments and result are JSON.

    Raises:
        CalledProcessError: it raises.
    """
    with tempfile.TemporaryDirectory() as folder:
        library, result = Path(folder, "faults.so"), Path(folder, "result")
        command = ["cc", "-shared", "-fPIC", "-O1", "-o", str(library), str(SOURCE), "-ldl"]
        subprocess.run(command, check=True)
        words = [sys.executable, "-c", CALL_IT, module, function, json.dumps(arguments)]
        places = [str(ROOT), str(ROOT / "tests"), os.environ.get("PYTHONPATH", "")]
        own = {LIBRARY: str(library), "LD_PRELOAD": str(library), "OMP_NUM_THREADS": "1"}
        own["PYTHONPATH"] = os.pathsep.join(places)
        subprocess.run([*words, str(result)], check=True, env={**os.environ, **own})
        return json.loads(result.read_text())


class Faults:
    """The preloaded library, for calls below a folder.

    Attributes:
        state: what it is told, and tells.
    """

    def __init__(self, below: Path) -> None:
        library = ctypes.CDLL(os.environ[LIBRARY])
        library.faults_state.restype = ctypes.POINTER(State)
        library.faults_size.restype = ctypes.c_size_t
        assert library.faults_size() == ctypes.sizeof(State)
        self.state: State = library.faults_state().contents
        self.below = os.fsencode(os.path.realpath(below))
        self._pipes: tuple[int, ...] = ()

    def hook(self, fault: Fault) -> Callable[[], None]:
        """What the forked process is to do before; :meth:`end` when it has ended."""
        self.state.seen = self.state.failed = 0
        self.state.of_kind[:] = [0] * len(KINDS)
        self.state.call = self.state.path = b""
        self._pipes = (*os.pipe(), *os.pipe()) if fault.waits else ()

        def arm() -> None:
            state = self.state
            state.below, state.code, state.at = self.below, fault.code, fault.at
            state.on, state.halved = fault.on or int(fault.halved), fault.halved
            state.share, state.random, state.back = fault.share, fault.seed, fault.back
            state.tell, state.answer = (self._pipes[1], self._pipes[2]) if self._pipes else (-1, -1)
            state.kinds = fault.kinds

        return arm

    @property
    def seen(self) -> int:
        """How many calls there were."""
        return int(self.state.seen)

    @property
    def told(self) -> int:
        """Readable when the call that waits is about to be made."""
        return self._pipes[0]

    def go_on(self) -> None:
        """Let it be made."""
        self.state.kinds = 0
        os.write(self._pipes[3], b"\0")

    def end(self) -> None:
        """Nothing fails any more."""
        self.state.kinds = self.state.back = 0
        for descriptor in self._pipes:
            os.close(descriptor)
        self._pipes = ()

    @property
    def counts(self) -> dict[int, int]:
        """Kind of call → how many there were."""
        return dict(zip(KINDS.values(), self.state.of_kind, strict=True))

    @property
    def what(self) -> tuple[str, str]:
        """The last call that failed or waited, and the path that it was for."""
        return self.state.call.decode(), os.fsdecode(self.state.path)
