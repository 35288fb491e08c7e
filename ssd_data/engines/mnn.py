"""MNN on the CPU, in single precision.

Prototxt and caffemodel are made ONNX, by the emitters that ``ssd-data deploy`` uses, and converted
by MNN's own converter, called as a library in a process of its own. (Its console script
``mnnconvert`` reports to its makers; it is never run.) What a DetectionOutput does is done in
NumPy.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from os import cpu_count
from pathlib import Path
from typing import Any

import numpy as np

from ssd_data.core.errors import InputError
from ssd_data.core.files.paths import spelled
from ssd_data.core.files.scratch import scratch
from ssd_data.core.files.there import is_file
from ssd_data.core.optional import missing
from ssd_data.engines import Array, EngineOptions
from ssd_data.engines._emitted import EmittedEngine, RuntimeNet, threads
from ssd_data.engines._quiet import no_output
from ssd_data.nets.edit.merge_bn import merge_bn
from ssd_data.nets.geometry import Shape
from ssd_data.nets.prepare import DeployNet, read_trained

PROGRAM = "import sys, _tools; _tools.mnnconvert(sys.argv)"
# Interpreter::WINOGRAD_MEMORY_LEVEL at 0: convolutions by small tiles alone. With larger ones, its
# default, values are off by 1e-4 of the largest, and other boxes are suppressed.
SMALL_TILES = (3, 0)
MINUTES = 10  # that a conversion may take


def require_mnn() -> Any:
    """The module ``MNN``.

    Raises:
        UsageError: it is not installed, or ``onnx`` is not.
    """
    try:
        import onnx  # noqa: F401

        with no_output():
            import MNN
    except ImportError as error:
        raise missing("MNN and ONNX", error, "mnn") from None
    return MNN


def convert(source: Sequence[str], folder: Path, made: str, where: object = "") -> None:
    """Have MNN's converter make a file.

    Args:
        source: what it is made of and how, as the converter's options; files lie in ``folder``.
        made: the file's name there.

    Raises:
        InputError: it cannot.
    """
    call = [sys.executable, "-c", PROGRAM, *source, "--MNNModel", made, "--bizCode", "ssd-data"]
    try:
        done = subprocess.run(
            call, cwd=folder, capture_output=True, timeout=60 * MINUTES, check=False
        )
    except subprocess.TimeoutExpired:
        raise InputError("MNN's converter does not come to an end", where=where) from None
    if done.returncode == 0 and is_file(folder / made):
        return
    said = (done.stdout + b"\n" + done.stderr).decode("utf-8", "replace").strip().splitlines()
    text = next((line for line in said if "rror" in line), said[-1] if said else "it says nothing")
    raise InputError(f"MNN's converter cannot take this net: {text.strip()[:300]}", where=where)


class MnnFile:
    """A file of MNN's, loaded: on all of the CPU's threads or as ``OMP_NUM_THREADS`` says.

    Raises:
        InputError: MNN cannot read it.
    """

    def __init__(self, file: Path, where: object = "") -> None:
        self.where = where or file
        self._mnn = require_mnn()
        wanted = {"backend": "CPU", "precision": "high", "numThread": threads() or cpu_count() or 1}
        with no_output():
            self._net = self._mnn.Interpreter(spelled(file))
            self._net.setSessionHint(*SMALL_TILES)
            self._session = self._net.createSession(wanted)
        if self._session is None:
            raise InputError("MNN cannot read this net", where=self.where)

    def run(self, batch: Array, own: str, names: Sequence[str]) -> dict[str, Array]:
        """Blobs by name, for a batch of the shape that the net was made for.

        Raises:
            InputError: MNN cannot compute one.
        """
        values = np.ascontiguousarray(batch, np.float32)
        start = self._net.getSessionInput(self._session, own)
        start.copyFrom(self._tensor(values.shape, values))
        with no_output():
            status = self._net.runSession(self._session)
        if status != 0:
            raise InputError(f"MNN cannot run this net (it says {status})", where=self.where)
        found = {}
        for name in names:
            end = self._net.getSessionOutput(self._session, name)
            found[name] = np.zeros(end.getShape(), np.float32)
            if found[name].size:  # MNN crashes where there is nothing
                held = self._tensor(found[name].shape, found[name])
                end.copyToHostTensor(held)
                found[name] = np.array(held.getNumpyData()).reshape(found[name].shape)
        return found

    def _tensor(self, shape: Sequence[int], values: Array) -> Any:
        kind, order = self._mnn.Halide_Type_Float, self._mnn.Tensor_DimensionType_Caffe
        return self._mnn.Tensor(tuple(shape), kind, values, order)


class Mnn(EmittedEngine):
    """Runs on the CPU, without PyTorch."""

    name = "mnn"

    def write(self, blobs: list[str], priors: list[str], shape: Shape) -> RuntimeNet:
        """See :meth:`EmittedEngine.write`."""
        from ssd_data.nets.onnx.emit import emit

        outputs = {blob: f"out_{i}" for i, blob in enumerate(blobs)}
        made = emit(self.trained, [*blobs, *priors], shape, reserved=outputs.values())
        ends = {name: made.blobs[blob] for blob, name in outputs.items()}
        model = made.emission.model({made.input.name: made.input}, ends)
        with scratch() as folder:
            (folder / "net.onnx").write_bytes(model.SerializeToString())
            source = ["-f", "ONNX", "--modelFile", "net.onnx"]
            convert(source, folder, "net.mnn", self.graph.origin)
            file = MnnFile(folder / "net.mnn", self.graph.origin)

        def run(picture: Array) -> dict[str, Array]:
            found = file.run(picture, made.input.name, list(outputs.values()))
            return {blob: found[name].reshape(1, -1) for blob, name in outputs.items()}

        shapes = {blob: made.blobs[blob].shape for blob in blobs}
        return RuntimeNet(run, shapes, {blob: made.blobs[blob].constant for blob in priors})


def load(deploy: DeployNet, weights: Path | str, options: EngineOptions) -> Mnn:
    """See :func:`ssd_data.engines.load_engine`."""
    require_mnn()
    options.require_cpu("mnn")
    return Mnn(merge_bn(read_trained(deploy, weights, options.threshold)).merged)
