"""Moments of a command that Python itself can see, in a forked process: a file or a folder below
some folder is opened, or an LMDB is. Unlike :mod:`support.faults` this needs no compiler."""

from __future__ import annotations

import mmap
import os
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lmdb

from support.faults import Fault

OPENED = {"open", "os.listdir", "os.scandir"}


class Moments:
    """Counts them; at one of them the process waits. As :class:`support.faults.Faults`."""

    def __init__(self, below: Path) -> None:
        self.below = os.path.realpath(below)
        self._shared = mmap.mmap(-1, 4096)  # with the forked processes
        self._pipes: tuple[int, ...] = ()

    def hook(self, fault: Fault) -> Callable[[], None]:
        """What the forked process is to do before; :meth:`end` when it has ended."""
        self._shared[:16] = bytes(16)
        self._pipes = (*os.pipe(), *os.pipe()) if fault.waits else ()

        def arm() -> None:
            if fault.kinds:
                self._watch(fault.at)

        return arm

    def _watch(self, at: int) -> None:
        def moment(path: object) -> None:
            if self._is_below(path):
                self._shared[:8] = struct.pack("=q", self.seen + 1)
                if self.seen == at and self._pipes:
                    name = os.fsencode(str(path))[:4000]
                    self._shared[8:16] = struct.pack("=q", len(name))
                    self._shared[16 : 16 + len(name)] = name
                    os.write(self._pipes[1], b"\0")
                    os.read(self._pipes[2], 1)

        def opened(name: str, args: tuple[object, ...]) -> None:
            if name in OPENED and args:
                moment(args[0])

        really = lmdb.open

        def lmdb_opened(path: Any, **options: Any) -> Any:
            moment(path)
            return really(path, **options)

        sys.addaudithook(opened)
        lmdb.open = lmdb_opened

    def _is_below(self, path: object) -> bool:
        if not isinstance(path, (str, bytes, os.PathLike)):
            return False
        full = os.path.normpath(Path.cwd() / os.fsdecode(path))
        return full == self.below or full.startswith(f"{self.below}/")

    @property
    def seen(self) -> int:
        """How many there were."""
        return int(struct.unpack("=q", self._shared[:8])[0])

    @property
    def told(self) -> int:
        """Readable when the process waits."""
        return self._pipes[0]

    def go_on(self) -> None:
        """Let it."""
        os.write(self._pipes[3], b"\0")

    def end(self) -> None:
        """It has ended."""
        for descriptor in self._pipes:
            os.close(descriptor)
        self._pipes = ()

    @property
    def what(self) -> tuple[str, str]:
        """What it waited for."""
        length = struct.unpack("=q", self._shared[8:16])[0]
        return ("open" if length else "", os.fsdecode(self._shared[16 : 16 + length]))
