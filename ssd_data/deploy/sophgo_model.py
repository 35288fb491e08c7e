"""A net that TPU-MLIR compiles for a chip of Sophgo's, in an interpreter of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from ssd_data.core.errors import OutputError
from ssd_data.core.files.whole import write_whole
from ssd_data.deploy.caffe_files import DEPLOY, WEIGHTS, write_net
from ssd_data.deploy.precision import NEAR
from ssd_data.deploy.proof import REPORT, TOLERANCE
from ssd_data.engines import Array
from ssd_data.engines._foreign import Child
from ssd_data.engines._toolkits import TPU_MLIR
from ssd_data.nets.prepare import PreparedNet

COMPILED = "net.bmodel"


class CompiledNet:
    """A net as TPU-MLIR took and compiled it, in the process that did.

    Args:
        net: in standard layers; its heads are the outputs.
        chip: for which. kind: F32, F16 or INT8, that by pictures (1, channels, height, width),
            preprocessed. python: the interpreter, by default what the environment names.

    Raises:
        UsageError: the toolkit is not there.
        InputError: it cannot take the net.
    """

    def __init__(
        self,
        net: PreparedNet,
        chip: str,
        kind: str,
        pictures: Sequence[Array] = (),
        python: Path | None = None,
    ) -> None:
        self.net, self.kind = net, kind
        self.names = [net.head.locations, net.head.confidences]
        self._child = Child(TPU_MLIR, python)
        write_net(net.ending, self._child.folder)
        shape = [1, *net.shape[1:]]
        where = net.deploy
        self._child.ask("transform", where=where, deploy=DEPLOY, weights=WEIGHTS, shape=shape)
        self._child.ask("compile", pictures, where, chip=chip, kind=kind)

    def write(self, file: Path) -> None:
        """Write what was compiled."""
        write_whole(file, (self._child.folder / COMPILED).read_bytes())

    def runner(self, kind: str) -> Callable[[Array], list[Array]]:
        """What runs it as the compiler has it, a picture at a time: of that kind, or as it was
        taken (an empty word)."""

        def run(batch: Array) -> list[Array]:
            words = {"names": self.names, "kind": kind}
            rows = [
                self._child.ask("run", [picture[None]], self.net.deploy, **words)[1]
                for picture in batch
            ]
            return [np.concatenate(parts) for parts in zip(*rows, strict=True)]

        return run

    def require_emulated(self, batch: Array) -> float:
        """How far the chip's emulator, with the compiled file, is off what the compiler has, of a
        head's largest value.

        Raises:
            OutputError: by too much.
        """
        own = self.runner(self.kind)(batch)
        found = self._child.ask("emulate", [batch], self.net.deploy, names=self.names)[1]
        off = max(
            float(np.abs(a.ravel() - b.ravel()).max() / (np.abs(a).max() or 1))
            for a, b in zip(own, found, strict=True)
        )
        if not off <= (TOLERANCE if self.kind == "F32" else NEAR):
            raise OutputError(
                f"{COMPILED} gives other values in the chip's emulator, by {off:.2g} of the "
                "largest: nothing was written",
                where=self.net.deploy,
                hint=REPORT,
            )
        return off
