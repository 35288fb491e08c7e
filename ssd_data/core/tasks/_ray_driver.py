"""The process beside ours in which Ray runs: it gives out tasks, and says what came of them.

A task whose worker was lost is given out again: so often as its process alone was lost (it may have
ended it), more often where a machine was.
"""

from __future__ import annotations

import hashlib
import math
import signal
import socket
import time
from collections import Counter
from collections.abc import Callable, Mapping
from multiprocessing.connection import Connection
from typing import Any

from ssd_data.core.tasks import Needs
from ssd_data.core.tasks._ray_door import door

OBJECTS = 1 << 28  # bytes that a cluster of our own may keep in shared memory
REACHED = 5  # seconds in which a host must answer
TRIES, MOVES = 4, 50  # times that a task may lose its process; its machine
ENOUGH = ("enough",)  # instead of a task
TICK, WAITS = 1, 30  # seconds between looks at who asked; until one says what is waited for


class FailedError(Exception):
    """What to say: what is wrong, where and what to do."""


def main(descriptor: int) -> None:
    """Do what the process at the other end of a socket asks for until it closes that."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for both: the other closes the socket
    pipe = Connection(descriptor)
    where = ""
    try:
        import ray

        connected = _connect(ray, *pipe.recv())
        where = connected[1]
        pipe.send(connected)
        while True:
            kind, *given = pipe.recv()
            if kind == "enough":  # the round had just ended
                continue
            _kind(kind)(ray, pipe, *given).go()
            pipe.send(("finished",))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        pass  # nobody wants more
    except FailedError as failed:
        pipe.send(("failed", *failed.args))
    except Exception as error:  # Ray's own, of many kinds
        if not where or _answers(where):
            pipe.send(("failed", f"Ray: {_first(error)}", "", ""))
        # else the cluster is lost, which this process says by its end


def _kind(kind: str) -> Callable[..., Any]:
    if kind == "run":
        return _Round
    from ssd_data.core.tasks._ray_together import Together

    return Together


def _first(error: Exception) -> str:
    text = f"{type(error).__name__}: {error}"
    return text.strip().splitlines()[0]


def _connect(ray: Any, address: str, cpus: int) -> tuple[Any, ...]:
    """Whether a cluster was started, where it is, whether it was found here, and how many machines,
    CPUs and GPUs it has."""
    quiet = {"log_to_driver": False, "logging_level": "ERROR"}
    found = "" if address else _on_this_machine()
    address = address or found
    begun = address in ("local", "")
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if host and port.isdecimal():
        _reach(host, int(port), address)
    try:
        if begun:
            ray.init(
                address="local",
                num_cpus=cpus,
                object_store_memory=OBJECTS,
                include_dashboard=False,
                **quiet,
            )
        else:
            ray.init(address=address, **({} if "://" in address else quiet))
    except (RuntimeError, ValueError, OSError) as error:
        raise _refused(error, address) from error
    alive = [node for node in ray.nodes() if node["Alive"]]
    has = ray.cluster_resources()
    where = address if address not in ("local", "") else ray.get_runtime_context().gcs_address
    return begun, where, bool(found), len(alive), has.get("CPU", 0), has.get("GPU", 0)


def _on_this_machine() -> str:
    """The cluster that ``ray start`` has begun here, or joined; empty where there is none.

    Those that other programs have for themselves are left alone: they end with these.
    """
    try:
        from ray._private.utils import read_ray_address

        found = read_ray_address() or ""
    except (ImportError, OSError):
        return ""
    return found if _answers(found) else ""


def _answers(address: str) -> bool:
    """Whether somebody listens there."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    try:
        socket.create_connection((host, int(port)), REACHED).close()
    except (OSError, ValueError):
        return False
    return True


def _reach(host: str, port: int, address: str) -> None:
    """Ray itself would wait for minutes."""
    try:
        socket.create_connection((host, port), REACHED).close()
    except OSError as error:
        why = error.strerror or str(error)
        hint = "Is the cluster there, and its port open? ray status says so on its head"
        raise FailedError(f"Ray cannot be reached: {why}", address, hint) from error


def _refused(error: Exception, address: str) -> FailedError:
    text = " ".join(str(error).split())
    hint = ""
    if "ersion mismatch" in text:
        hint = "Install the same versions of Ray and Python here as in the cluster"
    elif "uthentication" in type(error.__cause__).__name__ + text:
        text = "the cluster asks for a token"
        hint = "RAY_AUTH_MODE=token, and its token in RAY_AUTH_TOKEN or ~/.ray/auth_token"
    return FailedError(f"Ray: {text}", address, hint)


def lost_errors(ray: Any) -> tuple[type[Exception], ...]:
    """What Ray says of a task whose worker was lost."""
    errors = ray.exceptions
    return (
        errors.WorkerCrashedError,
        errors.NodeDiedError,
        errors.ObjectLostError,
        errors.OutOfMemoryError,
    )


def other_version(machine: str, theirs: str, wanted: Mapping[str, str]) -> FailedError:
    """What to say of a worker with another version of us."""
    from ssd_data.core.tasks import _work

    error = _work.other_version("ssd-data", machine, theirs, wanted["ssd-data"])
    return FailedError(error.what, error.where, error.hint)


class _Round:
    """One function over its tasks."""

    def __init__(
        self,
        ray: Any,
        pipe: Connection,
        function: bytes,
        wanted: Mapping[str, str],
        driver: str,
        needs: Needs,
    ) -> None:
        self.ray, self.pipe, self.needs, self.wanted = ray, pipe, needs, wanted
        took = {"num_cpus": needs.cpus, "num_gpus": needs.gpus}
        remote = ray.remote(door()).options(max_retries=0, **took)
        digest, held = hashlib.sha256(function).hexdigest(), [ray.put(function)]
        self.give: Callable[[bytes], Any] = lambda task: remote.remote(
            digest, held, wanted, driver, task
        )
        self.pending: dict[Any, tuple[int, bytes]] = {}
        self.lost: Counter[int] = Counter()
        self.losses = 0
        self.looked, self.room_seen = -math.inf, 1

    def go(self) -> None:
        """Until all tasks are done.

        Raises:
            FailedError: a task cannot be done.
            EOFError: nobody wants them any more.
        """
        number, more = 0, True
        stirred = time.monotonic()
        while more or self.pending:
            while more and len(self.pending) < self.room():
                self.pipe.send(("next",))
                task = self.pipe.recv()
                if task == ENOUGH:
                    return self.drop()
                more = task is not None
                if more:
                    self.pending[self.give(task)] = number, task
                    number += 1
            done, _ = self.ray.wait(list(self.pending), timeout=TICK) if self.pending else ([], [])
            if self.pipe.poll():  # nothing was asked
                self.pipe.recv()
                return self.drop()
            for reference in done:
                self.take(reference)
            if done:
                stirred = time.monotonic()
            elif time.monotonic() - stirred > WAITS:
                self.say_what_lacks()
                stirred = time.monotonic()
        return None

    def drop(self) -> None:
        """End what was given out: it is wanted no more."""
        for reference in self.pending:
            self.ray.cancel(reference, force=True)
        self.pending.clear()

    def room(self) -> int:
        """How many tasks may be given out and not be done, by what the cluster has now."""
        if self.needs.ahead is not None:
            return max(1, self.needs.ahead)
        now = time.monotonic()
        if now - self.looked >= TICK:
            self.looked, self.room_seen = now, 2 * max(1, self.slots())
        return self.room_seen

    def slots(self) -> int:
        """How many tasks can run at a time; 0 where no machine has what one needs."""
        has = [node["Resources"] for node in self.ray.nodes() if node["Alive"]]
        wants = {"CPU": self.needs.cpus, "GPU": self.needs.gpus}
        wants = {name: much for name, much in wants.items() if much}
        fit = [
            min((one.get(name, 0) // much for name, much in wants.items()), default=1)
            for one in has
        ]
        return int(sum(fit))

    def take(self, reference: Any) -> None:
        """Hand on what a task gave, or give it out once more."""
        number, task = self.pending.pop(reference)
        try:
            answer = self.ray.get(reference)
        except (self.ray.exceptions.LocalRayletDiedError, self.ray.exceptions.OwnerDiedError):
            raise EOFError from None  # who gave it out is this process: its cluster is lost
        except lost_errors(self.ray) as error:
            self.pending[self.again(number, task, error)] = number, task
            return
        if isinstance(answer, tuple):
            raise other_version(answer[0], answer[1], self.wanted)
        self.pipe.send(("done", number, answer))

    def again(self, number: int, task: bytes, error: Exception) -> Any:
        """Give out a task whose worker was lost, if it was not lost too often."""
        moved = isinstance(
            error, (self.ray.exceptions.NodeDiedError, self.ray.exceptions.ObjectLostError)
        )
        self.lost[number] += 1 if moved else MOVES // TRIES + 1
        self.losses += 1
        why = "had no memory left" if "Memory" in type(error).__name__ else "was lost"
        if self.lost[number] > MOVES:
            what = f"a worker {why}, and so was each other that had the same task"
            hint = "See the memory of the machines, and Ray's logs in /tmp/ray/session_latest/logs"
            raise FailedError(what, "", hint)
        self.pipe.send(("said", f"a worker {why}; its task is run again ({self.losses} so far)"))
        return self.give(task)

    def say_what_lacks(self) -> None:
        """Where no machine can run a task, say what is waited for."""
        if not self.slots():
            gpus = f" and {self.needs.gpus:g} GPUs" if self.needs.gpus else ""
            needs = f"{self.needs.cpus:g} CPUs{gpus}"
            self.pipe.send(("said", f"waiting: no machine of the cluster has {needs}"))
