"""Tasks that run at the same time and speak to one another, each on a worker of its own."""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any

from ssd_data.core.tasks import Needs
from ssd_data.core.tasks._ray_door import door
from ssd_data.core.tasks._ray_driver import WAITS, FailedError, lost_errors, other_version

A_LOOK = 0.2  # seconds between looks at what they tell
MOST_TOLD = 10_000  # things that wait to be told


class Together:
    """One function with a few tasks, all at once."""

    def __init__(
        self,
        ray: Any,
        pipe: Connection,
        function: bytes,
        wanted: Mapping[str, str],
        driver: str,
        needs: Needs,
        tasks: Sequence[bytes],
    ) -> None:
        self.ray, self.pipe, self.needs, self.wanted, self.tasks = ray, pipe, needs, wanted, tasks
        digest, held = hashlib.sha256(function).hexdigest(), [ray.put(function)]
        self.given = digest, held, wanted, driver
        self.answers: list[bytes] = [b""] * len(tasks)

    def go(self) -> None:
        """Until all are done.

        Raises:
            FailedError: one cannot be done.
            EOFError: nobody wants them any more.
        """
        from ray.util.placement_group import placement_group, remove_placement_group
        from ray.util.queue import Queue

        need = {"CPU": self.needs.cpus, "GPU": self.needs.gpus}
        bundle = {name: much for name, much in need.items() if much}
        group = placement_group([bundle] * len(self.tasks), strategy="PACK")
        told = Queue(MOST_TOLD, actor_options={"num_cpus": 0})
        try:
            self._await(group)
            places = self._places(group)
            on = [self._on(group, number, door()) for number in range(len(self.tasks))]
            pending = {
                one.remote(*self.given, task, place, told): place["rank"]
                for one, task, place in zip(on, self.tasks, places, strict=True)
            }
            self._attend(pending, told)
            self.pipe.send(("together", self.answers))
        except self.ray.exceptions.RayActorError:  # on a machine that was lost
            raise _lost("") from None
        finally:
            with suppress(Exception):
                told.shutdown(force=True)
                remove_placement_group(group)

    def _on(self, group: Any, number: int, function: Any) -> Any:
        from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

        alone = self.ray.remote(max_calls=1)  # no other task gets its process
        return alone(function).options(
            max_retries=0,
            num_cpus=self.needs.cpus,
            num_gpus=self.needs.gpus,
            scheduling_strategy=PlacementGroupSchedulingStrategy(
                group, placement_group_bundle_index=number
            ),
        )

    def _await(self, group: Any) -> None:
        """Until the cluster has room for all at a time."""
        ready, begun = group.ready(), time.monotonic()
        while not self.ray.wait([ready], timeout=1)[0]:
            if self._heard():
                raise EOFError
            if time.monotonic() - begun > WAITS:
                gpus = f" and {self.needs.gpus:g} GPUs" if self.needs.gpus else ""
                each = f"{self.needs.cpus:g} CPUs{gpus} each"
                text = f"waiting: the cluster has no room for {len(self.tasks)} with {each}"
                self.pipe.send(("said", text))
                begun = time.monotonic()

    def _places(self, group: Any) -> Iterator[dict[str, Any]]:
        """Who each is, and where all of them meet."""
        count = len(self.tasks)
        probes = [self._on(group, number, _probe()).remote() for number in range(count)]
        found = self.ray.get(probes)
        on_machine: Counter[str] = Counter()
        address, _, port = found[0]
        all_of = Counter(machine for _, machine, _ in found)
        for rank, (_, machine, _) in enumerate(found):
            yield {
                "rank": rank,
                "world": count,
                "local_rank": on_machine[machine],
                "local_world": all_of[machine],
                "address": address,
                "port": port,
            }
            on_machine[machine] += 1

    def _attend(self, pending: dict[Any, int], told: Any) -> None:
        while pending:
            done, _ = self.ray.wait(list(pending), timeout=A_LOOK)
            self._tell_on(told)
            if self._heard():
                for reference, rank in pending.items():
                    if rank == 0:
                        self.ray.cancel(reference)
            for reference in done:
                self._take(reference, pending.pop(reference))
        self._tell_on(told)

    def _tell_on(self, told: Any) -> None:
        while count := told.qsize():
            for what in told.get_nowait_batch(count):
                self.pipe.send(("told", what))

    def _heard(self) -> bool:
        """Whether they are asked to stop.

        Raises:
            EOFError: nobody wants them any more.
        """
        return self.pipe.poll() and self.pipe.recv() == ("stop",)

    def _take(self, reference: Any, rank: int) -> None:
        errors = self.ray.exceptions
        try:
            answer = self.ray.get(reference)
        except errors.TaskCancelledError:
            return
        except (errors.LocalRayletDiedError, errors.OwnerDiedError):
            raise EOFError from None
        except lost_errors(self.ray):
            raise _lost(f"process {rank}") from None
        if isinstance(answer, tuple):
            raise other_version(answer[0], answer[1], self.wanted)
        self.answers[rank] = answer


def _lost(where: str) -> FailedError:
    hint = "Start it again, from what it has kept (a training: --resume auto)"
    return FailedError("a worker was lost, and with it what all do together", where, hint)


def _probe() -> Any:
    """What a worker says of where it is: its address, its machine and a free port."""

    def where() -> tuple[str, str, int]:
        import socket

        import ray

        with socket.socket() as free:
            free.bind(("", 0))
            port = free.getsockname()[1]
        return ray.util.get_node_ip_address(), ray.get_runtime_context().get_node_id(), port

    return where
