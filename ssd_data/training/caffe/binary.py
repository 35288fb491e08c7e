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
import shutil
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from ssd_data.core.errors import SsdDataError, UsageError
from ssd_data.core.legible import legible, visible
from ssd_data.engines.caffe import import_caffe
from ssd_data.training.caffe import gpus, solver_for_caffe
from ssd_data.training.caffe.log import LogParser
from ssd_data.training.log import Listener

BINARY = Path("build/tools/caffe")
LAST_LINES = 12
PATIENCE = 10.0  # seconds between a second wish to stop and the kill
HINT = (
    "Give --caffe PATH, point CAFFE_ROOT to the folder Caffe was built in, or put caffe on the PATH"
)
# What a Caffe says last, and what to do about it.
_CURES = {
    "Unknown layer type": "This Caffe is not the SSD branch: build weiliu89/caffe, branch ssd",
    "has no field named": "This Caffe does not know a field: is it the SSD branch?",
    "CPU-only Caffe": "This Caffe was built without CUDA: give --device cpu",
    "out of memory": "Take a smaller batch_size, and a larger iter_size for it",
    "error while loading shared libraries": "Add the library's folder to LD_LIBRARY_PATH",
    "no kernel image": "This Caffe was not built for this GPU: see CUDA_ARCH in Makefile.config",
    "Cannot copy param": "The weights are of another net: see ssd-data weights show",
    "Permission denied": "Mend the permissions, or the snapshot_prefix",
}
_CURE = "The lines above are Caffe's own; ssd-data train without --engine caffe runs the same files"


class CaffeError(SsdDataError):
    """Caffe could not be started, or ended with an error."""


def find_binary(given: Path | str | None = None) -> Path | None:
    """Caffe's executable: the one given, ``$CAFFE_ROOT/build/tools/caffe``, or the PATH's.

    Returns:
        None where there is none of the last two.

    Raises:
        UsageError: the one given, or the one below CAFFE_ROOT, is missing or cannot be run.
    """
    if given is not None:
        path = Path(given)
        return _require_executable(path / BINARY if path.is_dir() else path, "--caffe")
    if (root := os.environ.get("CAFFE_ROOT")) and (Path(root) / BINARY).exists():
        return _require_executable(Path(root) / BINARY, "CAFFE_ROOT")
    found = shutil.which("caffe")
    return Path(found) if found else None


def _require_executable(path: Path, where: str) -> Path:
    if not path.is_file():
        raise UsageError(f'"{path}" is not there', where=where, hint=HINT)
    if not os.access(path, os.X_OK):
        raise UsageError(f'"{path}" is not executable', where=where, hint=f"chmod +x {path}")
    return path.absolute()  # run from the working folder, whatever that is


def run_caffe(
    solver: Path | str,
    *,
    binary: Path | str | None = None,
    weights: Sequence[Path] = (),
    resume: Path | None = None,
    device: str | None = None,
    listeners: Sequence[Listener] = (),
    asked: Callable[[], int] = lambda: 0,
    changes: Mapping[str, Any] | None = None,
) -> int:
    """Train in the working folder until Caffe ends: ``caffe train``, else its Python module. What
    Caffe logs goes on to standard error.

    Args:
        binary: see :func:`find_binary`.
        weights: caffemodels to begin with; resume: a solver state instead.
        device: ``cpu``, ``cuda``, ``cuda:1``, ``cuda:0,1``, ``cuda:all``; None and ``auto`` leave
            it to the solver's ``solver_mode``.
        listeners: called with each event, in this thread. A snapshot is told once it is written.
        asked: how often the user has asked to stop; looked at ten times a second (by pycaffe after
            each iteration). Once: Caffe writes a snapshot after its iteration and ends. Twice: it
            is ended at once. A KeyboardInterrupt counts as well.
        changes: solver fields with other values than the file's (``max_iter``, ``random_seed``).

    Returns:
        how many iterations it has come to, as far as its log tells; -1 where it does not.

    Raises:
        UsageError: there is no Caffe that can be run, or weights and a solver state were given.
        CaffeError: it could not be started, or ended with an error; says its last lines.
    """
    if weights and resume:
        raise UsageError("give --weights or --resume, not both")
    found = find_binary(binary)
    if found is None:
        from ssd_data.training.caffe.pycaffe import run_pycaffe

        try:
            caffe = import_caffe()
        except UsageError as error:
            raise UsageError(
                f"no Caffe was found: no executable, and {error.what}",
                where="--engine caffe",
                hint=HINT,
            ) from None
        return run_pycaffe(
            caffe,
            solver,
            weights=weights,
            resume=resume,
            device=device,
            listeners=listeners,
            asked=asked,
            changes=changes or {},
        )
    with solver_for_caffe(solver, device, changes or {}) as (path, param):
        command = [str(found), "train", f"--solver={path}"]
        command += [f"--weights={','.join(map(str, weights))}"] if weights else []
        command += [f"--snapshot={resume}"] if resume else []
        command += [f"--gpu={numbers}"] if (numbers := gpus(device)) else []
        # Without snapshot_after_train its stopping alone would leave no snapshot.
        unsaved = 0 if param.snapshot_after_train else param.max_iter
        with _Child(command, unsaved) as child:
            return child.follow(listeners, asked)


class _Child:
    """A running Caffe; leaving the context ends it.

    Args:
        unsaved: before this iteration it is asked for a snapshot when it is to stop. Later it would
            write one of BatchNorm that has moved on since the last update.
    """

    def __init__(self, command: list[str], unsaved: int) -> None:
        self.command, self.unsaved = command, unsaved
        self.last: deque[str] = deque(maxlen=LAST_LINES)
        self.parser = LogParser()
        try:
            # In a session of its own: the terminal's Ctrl-C comes to us alone, and we pass it on.
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as error:
            text = error.strerror or str(error)
            hint = "Is it built for this machine?" if "format" in text else HINT
            raise CaffeError(f"cannot be started: {text}", where=command[0], hint=hint) from None
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
            self.last.append(legible(line.rstrip()))
            sys.stderr.write(visible(line.rstrip("\r\n")) + "\n" * line.endswith("\n"))
            sys.stderr.flush()
        for event in self.parser.close() if line is None else self.parser.feed(line):
            for listener in listeners:
                listener(event)

    def _failed(self, status: int) -> CaffeError:
        text = "\n".join(self.last)
        hint = next((cure for words, cure in _CURES.items() if words in text), _CURE)
        how = f"was ended by {_signal_name(-status)}" if status < 0 else f"ended with {status}"
        what = [f"Caffe {how}. Its last lines:", *self.last]
        if not text:
            what = [f"Caffe {how}, and said nothing"]
        return CaffeError(what, where=shlex.join(self.command), hint=hint)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
