"""Processes that speak through ``torch.distributed``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

from ssd_data.core.errors import UsageError
from ssd_data.core.parallel import default_workers
from ssd_data.training.processes import PeerError, Processes

T = TypeVar("T")
PATIENCE = timedelta(minutes=10)  # for one answer


class Group(Processes):
    """Processes that speak through ``torch.distributed``.

    All methods are for all processes to call, in one order; each waits for the others.

    Args:
        rank, world: as the attributes. local: the same on this machine.
        backend: of ``torch.distributed``; plain numbers always go by gloo.
        patience: how long one call waits for the others. init: where they meet, its URL.

    Raises:
        PeerError: from any method: a process has ended, or has not answered for that long.
    """

    def __init__(
        self,
        rank: int,
        world: int,
        local: tuple[int, int] = (0, 1),
        *,
        backend: str = "gloo",
        patience: timedelta = PATIENCE,
        init: str = "env://",
    ) -> None:
        self.rank, self.world, self.local = rank, world, local
        self.patience, self.backend = patience, backend
        with self._others():
            dist.init_process_group(
                backend, init_method=init, rank=rank, world_size=world, timeout=patience
            )

    def all_reduce(self, values: Tensor) -> Tensor:
        """See :class:`Processes`."""
        values = values.detach().clone()
        with self._others():
            dist.all_reduce(values)
        return values

    def all_reduce_(self, tensors: Sequence[Tensor]) -> None:
        """See :class:`Processes`; all travel as one."""
        flat = _joined(tensors)
        with self._others():
            dist.all_reduce(flat)
        _part(flat, tensors)

    def broadcast(self, tensors: Sequence[Tensor]) -> None:
        """See :class:`Processes`."""
        flat = _joined(tensors)
        with self._others():
            dist.broadcast(flat, 0)
        _part(flat, tensors)

    def all_sum(self, values: Sequence[float]) -> list[float]:
        """See :class:`Processes`."""
        return self._numbers(values, dist.ReduceOp.SUM)

    def all_max(self, values: Sequence[float]) -> list[float]:
        """See :class:`Processes`."""
        return self._numbers(values, dist.ReduceOp.MAX)

    def broadcast_object(self, value: T) -> T:
        """See :class:`Processes`."""
        return self._broadcast_from(0, value)

    def all_gather(self, value: T) -> list[T]:
        """See :class:`Processes`."""
        return [self._broadcast_from(rank, value) for rank in range(self.world)]

    def workers(self, asked: int | None) -> int | None:
        """See :class:`Processes`."""
        return max(1, default_workers() // self.local[1]) if asked is None else asked

    def device(self, asked: str | None) -> str | None:
        """See :class:`Processes`."""
        return f"cuda:{self.local[0]}" if "nccl" in self.backend else asked

    def close(self) -> None:
        """See :class:`Processes`."""
        if dist.is_initialized():
            dist.destroy_process_group()

    def _broadcast_from(self, rank: int, value: T) -> T:
        box: list[Any] = [value]
        with self._others():
            dist.broadcast_object_list(box, rank, device=torch.device("cpu"))
        given: T = box[0]
        return given

    def _numbers(self, values: Sequence[float], operation: Any) -> list[float]:
        tensor = torch.tensor(list(values), dtype=torch.float64)
        with self._others():
            dist.all_reduce(tensor, operation)
        return tensor.tolist()

    @contextmanager
    def _others(self) -> Iterator[None]:
        try:
            yield
        except (RuntimeError, ValueError) as error:
            lines = str(error).splitlines() or [type(error).__name__]
            detail = lines[0].rpartition("] ")[2] if "gloo" in lines[0] else lines[0]
            raise PeerError(
                "another process of this run has ended, or has not answered for "
                f"{self.patience.total_seconds():g} s: {detail.partition('. ')[0]}",
                where=f"process {self.rank}",
                hint="torchrun's report says which one ended first. --resume auto goes on from the "
                "last snapshot",
            ) from None


def _joined(tensors: Sequence[Tensor]) -> Tensor:
    return torch.cat([tensor.detach().reshape(-1) for tensor in tensors])


def _part(flat: Tensor, tensors: Sequence[Tensor]) -> None:
    with torch.no_grad():
        parts = torch.split(flat, [tensor.numel() for tensor in tensors])
        for tensor, part in zip(tensors, parts, strict=True):
            tensor.copy_(part.view(tensor.shape))


def form_group(rank: int, world: int, local: tuple[int, int], device: str | None) -> Group:
    """The processes of a run, on the CPU or with a GPU each.

    Args:
        rank, world: this process and how many there are. local: the same on this machine.
        device: as for Net, but no GPU by its number.

    Raises:
        UsageError: this machine has not a GPU for each. PeerError: the others do not come.
    """
    if device != "cuda" and not (device == "auto" and torch.cuda.is_available()):
        return Group(rank, world, local)
    if local[0] >= torch.cuda.device_count():
        raise UsageError(
            f"process {local[0]} of this machine finds {torch.cuda.device_count()} GPUs",
            where="--nproc-per-node",
            hint="One process a GPU; or --device cpu",
        )
    torch.cuda.set_device(local[0])
    return Group(rank, world, local, backend="cpu:gloo,cuda:nccl")
