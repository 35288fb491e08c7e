"""Rockchip's NPUs, by the simulator of rknn-toolkit2, in half precision as the chips compute.

The toolkit needs an environment of its own: ``RKNN_PYTHON`` names its interpreter.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ssd_data.core.errors import UsageError
from ssd_data.core.files.paths import spelled
from ssd_data.engines import Array, EngineOptions
from ssd_data.engines._foreign import Child
from ssd_data.engines._through_onnx import Run, ThroughOnnx, require_onnx
from ssd_data.engines._toolkits import RKNN
from ssd_data.nets.edit.merge_bn import merge_bn
from ssd_data.nets.prepare import DeployNet, read_trained

CHIP = "rk3588"
MODEL = "net.onnx"


class BuiltNet:
    """A net that the toolkit built, in a process that runs it in the simulator.

    Args:
        model: ONNX, for one picture. chip: for which. python: the interpreter, by default what the
            environment names.
        pictures: by whose values whole numbers are scaled (batch, channels, height, width), as the
            chip is fed; without any it is built in half precision.
        mean, scale: what the net does with what it is fed.

    Raises:
        UsageError: the toolkit is not there.
        InputError: it cannot take the net.
    """

    def __init__(
        self,
        model: Any,
        chip: str = CHIP,
        python: Path | None = None,
        *,
        pictures: Sequence[Any] = (),
        mean: Sequence[float] | None = None,
        scale: float = 1.0,
        where: object = "",
    ) -> None:
        self.where = where
        self._child = Child(RKNN, python)
        (self._child.folder / MODEL).write_bytes(model.SerializeToString())
        words = {"model": MODEL, "chip": chip, "mean": mean and list(mean), "scale": scale}
        self._child.ask("build", pictures, where, **words)

    def run(self, picture: Any) -> list[Array]:
        """A picture (1, height, width, channels) to the outputs."""
        _, found = self._child.ask("run", [picture], self.where)
        return [values.astype(np.float32, copy=False) for values in found]

    def given(self, picture: Array) -> list[Array]:
        """The same by ONNX Runtime, of what the toolkit was given: (1, channels, height, width)."""
        return self._child.ask("given", [picture], self.where, model=MODEL)[1]

    def export(self, file: Path) -> None:
        """Write what was built."""
        self._child.ask("export", where=file, file=spelled(file))

    def layers(self, picture: Any) -> dict[str, float]:
        """How far each of the toolkit's layers is off, as it names them; (1, channels, height,
        width)."""
        found: dict[str, float] = self._child.ask("layers", [picture], self.where)[0]["layers"]
        return found


class RknnSim(ThroughOnnx):
    """Runs in the toolkit's interpreter, one picture at a time."""

    name, title = "rknn-sim", "RKNN's simulator"
    in_batches = False

    def open(self, model: Any, names: list[str]) -> Run:
        """See :meth:`ThroughOnnx.open`."""
        from ssd_data.nets.onnx.maps import maps_of_heads

        cut = maps_of_heads(model)
        built = BuiltNet(cut.model, where=self.graph.origin)

        def run(batch: Array) -> list[Array]:
            values = batch.transpose(0, 2, 3, 1) if batch.ndim == 4 else batch
            found = cut.joined(built.run(values))
            return [found[name] for name in names]

        return run


def load(deploy: DeployNet, weights: Path | str, options: EngineOptions) -> RknnSim:
    """See :func:`ssd_data.engines.load_engine`. Half precision is all there is."""
    if options.device not in (None, "auto", "cpu"):
        raise UsageError("the engine rknn-sim simulates a chip on the CPU")
    require_onnx("onnx")
    RKNN.interpreter()
    return RknnSim(merge_bn(read_trained(deploy, weights, options.threshold)).merged)
