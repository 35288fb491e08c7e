"""What engines have in common that are fed with ONNX, made in memory by the emitters that
``ssd-data deploy`` writes files with."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import Any, TypeAlias

from ssd_data.core.errors import InputError, SsdDataError
from ssd_data.core.optional import missing
from ssd_data.engines import Array
from ssd_data.engines._emitted import EmittedEngine, RuntimeNet
from ssd_data.nets.geometry import Shape

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


def first_line(error: Exception) -> str:
    """What a runtime's error says, as far as it fits into a sentence."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0][:300]


class ThroughOnnx(EmittedEngine):
    """A net with BatchNorm merged, in a runtime that reads ONNX or what is made of it.

    Attributes:
        title: the runtime's name, for people.
    """

    in_batches = True
    title = ""

    @abstractmethod
    def open(self, model: Any, names: list[str]) -> Run:
        """An ONNX model ready to run.

        Args:
            model: for one shape of batch. names: the outputs to give, in that order.
        """

    def write(self, blobs: list[str], priors: list[str], shape: Shape) -> RuntimeNet:
        """See :meth:`EmittedEngine.write`."""
        from ssd_data.nets.onnx.emit import emit

        made = emit(self.trained, [*blobs, *priors], shape, reserved=blobs)
        ends = {name: made.blobs[name] for name in blobs}
        give = self.open(made.emission.model({made.input.name: made.input}, ends), blobs)

        def run(batch: Array) -> dict[str, Array]:
            try:
                return dict(zip(blobs, give(batch), strict=True))
            except SsdDataError:
                raise
            except Exception as error:  # runtimes' exceptions have no common base but this
                text = f"{self.title} cannot run this net: {first_line(error)}"
                raise InputError(text, where=self.graph.origin) from None

        shapes = {name: made.blobs[name].shape for name in blobs}
        return RuntimeNet(run, shapes, {name: made.blobs[name].constant for name in priors})
