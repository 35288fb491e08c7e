"""What engines have in common that are fed with ONNX, made in memory by the emitters that
``ssd-data deploy`` writes files with. What a DetectionOutput does is done in NumPy."""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from ssd_data.core.errors import InputError, UsageError
from ssd_data.engines import Array, Engine
from ssd_data.nets.matching import TrainedNet

if TYPE_CHECKING:
    from ssd_data.nets.onnx.open_ends import OpenEnds

SESSIONS = 8  # kept at a time, one for each shape of batch
Run: TypeAlias = Callable[[Array], list[Array]]


def require_onnx(extra: str) -> None:
    """See to it that ``onnx`` is there.

    Raises:
        UsageError: it is not installed.
    """
    try:
        import onnx  # noqa: F401
    except ImportError as error:
        raise missing("ONNX", error, extra) from None


def missing(what: str, error: ImportError, extra: str) -> UsageError:
    """What is said where a package is not installed."""
    return UsageError(
        f"this needs {what}: {error}", hint=f"Install it: pip install 'ssd-data[{extra}]'"
    )


def threads() -> int:
    """How many ``OMP_NUM_THREADS`` says; 0 where it says nothing."""
    given = os.environ.get("OMP_NUM_THREADS", "")
    return int(given) if given.isdecimal() else 0


def first_line(error: Exception) -> str:
    """What a runtime's error says, as far as it fits into a sentence."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0][:300]


class ThroughOnnx(Engine):
    """A net with BatchNorm merged, in a runtime that reads ONNX or what is made of it.

    Attributes:
        title: the runtime's name, for people.
    """

    title = ""

    def __init__(self, trained: TrainedNet) -> None:
        from ssd_data.nets.onnx.open_ends import detection_nodes

        super().__init__(trained.graph)
        detection_nodes(self.graph)
        self._trained = trained
        self._session = lru_cache(SESSIONS)(self._convert)
        self._session(self.shape)

    @abstractmethod
    def open(self, model: Any, names: list[str]) -> Run:
        """An ONNX model ready to run.

        Args:
            model: for one shape of batch. names: the outputs to give, in that order.
        """

    def forward(self, batch: Array) -> dict[str, Array]:
        """See :meth:`Engine.forward`."""
        net, run = self._session(batch.shape)
        try:
            arrays = run(np.ascontiguousarray(batch, np.float32))
        except Exception as error:  # runtimes' exceptions have no common base but this
            raise InputError(
                f"{self.title} cannot run this net: {first_line(error)}", where=self.graph.origin
            ) from None
        return net.finish(arrays, self.outputs)

    def _convert(self, shape: tuple[int, ...]) -> tuple[OpenEnds, Run]:
        from ssd_data.nets.onnx.open_ends import open_ends

        net = open_ends(self._trained, shape)
        return net, self.open(net.model, net.names)
