"""``--on ray``: the workers of a Ray cluster (https://docs.ray.io), by its plain tasks.

Ray runs in a process of its own beside this one (``_ray_driver.py``): it ends the process that has
lost its cluster, takes over signals, and prints. That process asks for tasks and says what came of
them; where it ends without a word, the cluster is lost.
"""

from __future__ import annotations

import os
import pickle
import platform
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection, Pipe
from typing import Any, TypeVar

from ssd_data.core.errors import SsdDataError, SsdDataWarning, UsageError
from ssd_data.core.legible import count_of
from ssd_data.core.optional import require_there
from ssd_data.core.parallel import default_workers
from ssd_data.core.tasks import Needs, Rank, Say, Size, Workers
from ssd_data.core.tasks._work import Answer, versions_of
from ssd_data.core.version import __version__

_T = TypeVar("_T")
_R = TypeVar("_R")
_PROGRAM = """\
import sys
sys.path[:] = {path!r}
from ssd_data.core.tasks._ray_driver import main
main({descriptor})
"""
_FOUND = ", which ray start has begun on this machine"
_PATIENCE = 20  # seconds until a driver that was told to end is ended
_AGAIN = "Run it again when the cluster is there: what was done is taken as it is"


class RemoteError(Exception):
    """Where in a worker it was raised, as text; it stands as the cause of what is raised here."""

    def __str__(self) -> str:
        return f"\n{self.args[0]}"


class RayWorkers:
    """The workers of a cluster; see :class:`ssd_data.core.tasks.Workers`."""

    def __init__(self, pipe: Connection, place: str, say: Say) -> None:
        self._pipe, self._place, self._say = pipe, place, say
        self._lost = ""
        self.size = Size()

    def start(self, address: str) -> None:
        """Connect to a cluster, or start one, and say so."""
        self._lost = "Ray has ended while it was connected"
        self._tell((address, default_workers()))
        started, where, found, *size = self._hear()
        self._lost = "the Ray cluster was lost: its head, or this machine's part of it, has stopped"
        self.size = Size(*size)
        cpus = count_of(int(self.size.cpus), "CPU")
        machines = count_of(self.size.machines, "machine")
        gpus = f", {count_of(int(self.size.gpus), 'GPU')}" if self.size.gpus else ""
        joined = f"Ray at {where}{_FOUND * found}: {machines}"
        begun = "started Ray on this machine" if started else joined
        self._say(f"{begun}, {cpus}{gpus}")

    def run(
        self,
        function: Callable[[_T], _R],
        tasks: Iterable[_T],
        needs: Needs = Needs(),  # noqa: B008 - frozen
    ) -> Iterator[tuple[int, _R]]:
        """See :func:`ssd_data.core.tasks.run`."""
        wanted = {"ssd-data": __version__, **versions_of(needs.packages)}
        source = map(pickle.dumps, tasks)
        self._tell(("run", pickle.dumps(function), wanted, platform.node(), needs))
        try:
            while (heard := self._hear())[0] != "finished":
                kind, *told = heard
                if kind == "next":
                    self._tell(next(source, None))
                elif kind == "said":
                    self._say(told[0])
                else:
                    number, answer = told
                    yield number, _taken(pickle.loads(answer))
        except GeneratorExit:
            self._end_round()
            raise
        except BaseException:
            self._pipe.close()  # what was given out is wanted no more
            raise

    def _end_round(self) -> None:
        """No more is wanted; another round may follow."""
        try:
            self._tell(("enough",))
            while self._hear()[0] != "finished":
                pass
        except BaseException:
            self._pipe.close()
            raise

    def together(
        self,
        function: Callable[[_T, Rank], _R],
        tasks: Sequence[_T],
        needs: Needs,
        told: Callable[[Any], object],
    ) -> list[_R | None]:
        """See :meth:`ssd_data.core.tasks.Pool.together`."""
        wanted = {"ssd-data": __version__, **versions_of(needs.packages)}
        given = [pickle.dumps(task) for task in tasks]
        self._tell(("together", pickle.dumps(function), wanted, platform.node(), needs, given))
        found: list[_R | None] = []
        while (heard := self._hear())[0] != "finished":
            kind, what = heard
            if kind == "told":
                told(what)
            elif kind == "said":
                self._say(what)
            else:
                found = [_taken(pickle.loads(one)) if one else None for one in what]
        return found

    def stop(self) -> None:
        """See :meth:`ssd_data.core.tasks.Pool.stop`."""
        self._tell(("stop",))

    def _tell(self, what: Any) -> None:
        try:
            self._pipe.send(what)
        except OSError:
            raise SsdDataError(self._lost, where=self._place, hint=_AGAIN) from None

    def _hear(self) -> Any:
        try:
            heard = self._pipe.recv()
        except (EOFError, OSError):
            raise SsdDataError(self._lost, where=self._place, hint=_AGAIN) from None
        if heard[0] == "failed":
            _, what, where, hint = heard
            raise SsdDataError(what, where=where or self._place, hint=hint or _AGAIN)
        return heard


def _taken(answer: Answer) -> Any:
    """What a task gave; warnings are given as here, errors raised."""
    for text in answer.warned:
        warnings.warn(text, SsdDataWarning, stacklevel=3)
    if answer.error is not None:
        raise answer.error from RemoteError(answer.trace)
    return answer.value


@contextmanager
def connect(on: str, say: Say) -> Iterator[Workers]:
    """See :func:`ssd_data.core.tasks.connect`."""
    address = _address(on)
    require_there("ray", "ray", error=UsageError, where="--on")
    if address.startswith("ray://"):
        require_there("grpc", "ray", "grpcio", error=UsageError, where="--on")
    ours, theirs = Pipe()
    path = [os.path.abspath(place) for place in sys.path]  # noqa: PTH100 - "" is this folder
    program = _PROGRAM.format(path=path, descriptor=theirs.fileno())
    driver = subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        pass_fds=[theirs.fileno()],
        cwd="/",  # workers import what lies in its folder before all else
        env={"RAY_USAGE_STATS_ENABLED": "0", **os.environ},
    )
    theirs.close()
    try:
        workers = RayWorkers(ours, address if "://" in address else on, say)
        workers.start(address)
        yield workers
    finally:
        ours.close()  # it ends then, and with it what it had started
        _await(driver)


def _await(driver: subprocess.Popen[bytes]) -> None:
    try:
        driver.wait(_PATIENCE)
    except BaseException as error:
        driver.kill()
        driver.wait()
        if not isinstance(error, subprocess.TimeoutExpired):
            raise


def _address(on: str) -> str:
    """As Ray takes it; empty: that of this machine's ``ray start``, or else a new one."""
    _, mark, place = on.partition("://")
    if not mark:
        return os.environ.get("RAY_ADDRESS", "")
    host, colon, port = place.rpartition(":")
    if not host or not colon or not port.isdecimal():
        hint = "Write ray://HOST:10001, the port of the head's client server; or ray"
        raise UsageError(f'"{on}" names no host and port', where="--on", hint=hint)
    return on
