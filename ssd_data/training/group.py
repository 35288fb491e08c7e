"""Processes that speak through ``torch.distributed``."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

from ssd_data.core.errors import UsageError
from ssd_data.core.parallel import default_workers
from ssd_data.training.processes import (
    ALONE,
    PeerError,
    Processes,
    torchrun_number,
    world_size,
)

T = TypeVar("T")
PATIENCE = timedelta(minutes=10)  # for one answer


class Group(Processes):
    """Processes that speak through ``torch.distributed``.

    All methods are for all processes to call, in one order; each waits for the others.

    Args:
        rank, world: as the attributes. local: the same on this machine.
        backend: of ``torch.distributed``; plain numbers always go by gloo.
        patience: how long one call waits for the others.

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
    ) -> None:
        self.rank, self.world, self.local = rank, world, local
        self.patience, self.backend = patience, backend
        with self._others():
            dist.init_process_group(backend, rank=rank, world_size=world, timeout=patience)

    def all_reduce(self, values: Tensor) -> Tensor:
        """See :class:`Processes`."""
        values = values.detach().clone()
        with self._others():
            dist.all_reduce(values)
        return values

    def all_reduce_(self, tensors: Sequence[Tensor]) -> None:
        """See :class:`Processes`; all travel as one."""
        with self._joined(tensors) as flat:
            dist.all_reduce(flat)

    def broadcast(self, tensors: Sequence[Tensor]) -> None:
        """See :class:`Processes`."""
        with self._joined(tensors) as flat:
            dist.broadcast(flat, 0)

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
    def _joined(self, tensors: Sequence[Tensor]) -> Iterator[Tensor]:
        """All of them as one, to be changed with the others; then they get their parts of it."""
        flat = torch.cat([tensor.detach().reshape(-1) for tensor in tensors])
        with self._others():
            yield flat
        with torch.no_grad():
            parts = torch.split(flat, [tensor.numel() for tensor in tensors])
            for tensor, part in zip(tensors, parts, strict=True):
                tensor.copy_(part.view(tensor.shape))

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


def join(device: str | None = None) -> Processes:
    """The processes that torchrun started; without it, this one alone.

    Args:
        device: as for Net; for GPUs they speak through nccl, else through gloo.

    Raises:
        UsageError: the device cannot be shared, or ``RANK`` is none of these processes.
        PeerError: the others do not come.
    """
    world, rank = world_size(), torchrun_number("RANK", 0)
    if world < 2:
        return ALONE
    if device is not None and device.startswith("cuda:"):
        raise UsageError(
            "several processes cannot share one GPU",
            where=f"--device {device}",
            hint="Say --device cuda, and choose GPUs by CUDA_VISIBLE_DEVICES",
        )
    if rank >= world or not os.environ.get("RANK", "").isdecimal():
        what = f"RANK is {os.environ.get('RANK', '')!a}, WORLD_SIZE is {world}"
        raise UsageError(what, where="torchrun", hint="Let torchrun set both")
    local = (torchrun_number("LOCAL_RANK", rank), torchrun_number("LOCAL_WORLD_SIZE", world))
    on_gpu = device == "cuda" or (device == "auto" and torch.cuda.is_available())
    if not on_gpu:
        return Group(rank, world, local)
    if local[0] >= torch.cuda.device_count():
        raise UsageError(
            f"process {local[0]} of this machine finds {torch.cuda.device_count()} GPUs",
            where="--nproc-per-node",
            hint="One process a GPU; or --device cpu",
        )
    torch.cuda.set_device(local[0])
    return Group(rank, world, local, backend="cpu:gloo,cuda:nccl")
