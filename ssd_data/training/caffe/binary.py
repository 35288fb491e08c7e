"""``--engine caffe``: the user's own Caffe trains, as a child process with its own logging.

What it logs goes on to standard error as it is, and is parsed into the events that the embedded
solver tells. None of the user's files is rewritten: where an option changes what the solver says,
Caffe gets a temporary copy of the solver. Where there is only the Python module, ``pycaffe.py``
drives that.
"""

from __future__ import annotations

import os
import queue
import shlex
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from ssd_data.core.errors import SsdDataError, UsageError
from ssd_data.core.legible import visible
from ssd_data.engines.caffe import LEVEL
from ssd_data.training.caffe import gpus, solver_for_caffe
from ssd_data.training.caffe.crash import LastLines
from ssd_data.training.caffe.finding import HINT, FoundCaffe, find_caffe
from ssd_data.training.caffe.log import LogParser
from ssd_data.training.caffe.watch import Watch
from ssd_data.training.log import Listener

PATIENCE = 10.0  # seconds between a second wish to stop and the kill


class CaffeError(SsdDataError):
    """Caffe could not be started, or ended with an error."""


def run_caffe(
    solver: Path | str,
    *,
    binary: Path | str | None = None,
    caffe: FoundCaffe | None = None,
    weights: Sequence[Path] = (),
    resume: Path | None = None,
    device: str | None = None,
    listeners: Sequence[Listener] = (),
    asked: Callable[[], int] = lambda: 0,
    changes: Mapping[str, Any] | None = None,
    quiet: bool = False,
    held: Sequence[int] = (),
) -> int:
    """Train in the working folder until Caffe ends: ``caffe train``, else its Python module. What
    Caffe logs goes on to standard error. It ends with this process, be that killed.

    Args:
        binary: see :func:`~ssd_data.training.caffe.finding.find_binary`. caffe: what was found.
        weights: caffemodels to begin with; resume: a solver state instead.
        device: ``cpu``, ``cuda``, ``cuda:1``, ``cuda:0,1``, ``cuda:all``; None and ``auto`` leave
            it to the solver's ``solver_mode``.
        listeners: called with each event, in this thread. A snapshot is told once it is written.
        asked: how often the user has asked to stop; looked at ten times a second (by pycaffe after
            each iteration). Once: Caffe writes a snapshot after its iteration and ends. Twice: it
            is ended at once. A KeyboardInterrupt counts as well.
        changes: solver fields with other values than the file's (``max_iter``, ``random_seed``).
        quiet: of what it logs warnings and errors alone go on.
        held: open files that it inherits, whose locks it holds as well.

    Returns:
        how many iterations it has come to, as far as its log tells; -1 where it does not.

    Raises:
        UsageError: there is no Caffe that can be run, or weights and a solver state were given.
        CaffeError: it could not be started, or ended with an error; says its last lines.
    """
    if weights and resume:
        raise UsageError("give --weights or --resume, not both")
    found = caffe or find_caffe(binary)
    if found.binary is None:
        from ssd_data.training.caffe.pycaffe import run_pycaffe

        return run_pycaffe(
            found.module,
            solver,
            weights=weights,
            resume=resume,
            device=device,
            listeners=listeners,
            asked=asked,
            changes=changes or {},
            quiet=quiet,
        )
    with solver_for_caffe(solver, device, changes or {}) as (path, param):
        command = [str(found.binary), "train", f"--solver={path}"]
        command += [f"--weights={','.join(map(str, weights))}"] if weights else []
        command += [f"--snapshot={resume}"] if resume else []
        command += [f"--gpu={numbers}"] if (numbers := gpus(device)) else []
        # Without snapshot_after_train its stopping alone would leave no snapshot.
        unsaved = 0 if param.snapshot_after_train else param.max_iter
        with _Child(command, unsaved, quiet, held) as child:
            return child.follow(listeners, asked)


class _Child:
    """A running Caffe; leaving the context ends it.

    Args:
        unsaved: before this iteration it is asked for a snapshot when it is to stop. Later it would
            write one of BatchNorm that has moved on since the last update.
        quiet, held: see :func:`run_caffe`.
    """

    def __init__(
        self, command: list[str], unsaved: int, quiet: bool = False, held: Sequence[int] = ()
    ) -> None:
        self.command, self.unsaved, self.quiet = command, unsaved, quiet
        self.last = LastLines()
        self.parser = LogParser()
        self.watch = Watch()
        try:
            # In a session of its own: the terminal's Ctrl-C comes to us alone, and we pass it on.
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                pass_fds=held,
                env={**os.environ, LEVEL: "0"},  # its lines are what we go by
            )
        except OSError as error:
            self.watch.done()
            text = error.strerror or str(error)
            hint = "Is it built for this machine?" if "format" in text else HINT
            raise CaffeError(f"cannot be started: {text}", where=command[0], hint=hint) from None
        self.watch.watch(self.process.pid)
        assert self.process.stdout is not None
        self.stream: IO[bytes] = self.process.stdout
        self.lines: queue.Queue[str | None] = queue.Queue()
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self) -> None:
        """Hand on line after line; a long line without an end comes in pieces."""
        for raw in iter(lambda: self.stream.readline(1 << 16), b""):
            self.lines.put(raw.decode("utf-8", "replace"))
        self.lines.put(None)

    def __enter__(self) -> _Child:
        return self

    def __exit__(self, *_: object) -> None:
        self._kill()
        self.watch.done()
        self.reader.join(PATIENCE)
        if not self.reader.is_alive():
            self.stream.close()

    def _kill(self) -> None:
        """End it and what it started."""
        if self.process.poll() is None:
            self._signal(signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(PATIENCE)
        self._signal(signal.SIGKILL)
        self.process.wait()

    def _signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, number)

    def follow(self, listeners: Sequence[Listener], asked: Callable[[], int]) -> int:
        """Listen until it ends; see :func:`run_caffe`."""
        interrupts = heeded = 0
        line: str | None = ""
        while line is not None:
            try:
                wishes = min(asked() + interrupts, 2)
                if wishes > heeded:
                    heeded = wishes
                    self._stop(heeded)
                with suppress(queue.Empty):
                    line = self.lines.get(timeout=0.1)
                    self._hear(line, listeners)
            except KeyboardInterrupt:
                interrupts += 1
        status = self.process.wait()
        before_it_listened = status in (-signal.SIGINT, -signal.SIGHUP)
        if status and heeded < 2 and not (heeded and before_it_listened):
            raise self._failed(status)
        return self.parser.iteration

    def _stop(self, wish: int) -> None:
        if wish > 1:
            self._kill()
            return
        if self.parser.iteration < self.unsaved:
            self._signal(signal.SIGHUP)
        self._signal(signal.SIGINT)

    def _hear(self, line: str | None, listeners: Sequence[Listener]) -> None:
        """Pass a line on, and the events that it completes; None is the end."""
        if line is not None:
            self.last.hear(line.rstrip())
            if not self.quiet or line.startswith(("W", "E", "F")):
                sys.stderr.write(visible(line.rstrip("\r\n")) + "\n" * line.endswith("\n"))
                sys.stderr.flush()
        for event in self.parser.close() if line is None else self.parser.feed(line):
            for listener in listeners:
                listener(event)

    def _failed(self, status: int) -> CaffeError:
        how = f"was ended by {_signal_name(-status)}" if status < 0 else f"ended with {status}"
        lines = self.last.lines()
        what = [f"Caffe {how}. Its last lines:", *lines]
        if not any(lines):
            what = [f"Caffe {how}, and said nothing"]
        return CaffeError(what, where=shlex.join(self.command), hint=self.last.cure())


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
