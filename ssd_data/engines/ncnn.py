"""ncnn on the CPU, in single precision.

Prototxt and caffemodel are written as ncnn's files, by the same code that ``ssd-data deploy`` uses.
What a DetectionOutput does is done in NumPy.
"""

from __future__ import annotations

from collections.abc import Sequence
from os import cpu_count
from pathlib import Path
from typing import Any

import numpy as np

from ssd_data.core.errors import InputError
from ssd_data.core.files.paths import spelled
from ssd_data.core.files.scratch import scratch
from ssd_data.core.optional import missing
from ssd_data.engines import Array, EngineOptions
from ssd_data.engines._emitted import EmittedEngine, RuntimeNet, threads
from ssd_data.nets.edit.merge_bn import merge_bn
from ssd_data.nets.geometry import Shape
from ssd_data.nets.prepare import DeployNet, read_trained

PARAM, BIN = "net.param", "net.bin"
LOWER = (
    "use_fp16_packed", "use_fp16_storage", "use_fp16_arithmetic", "use_bf16_packed",
    "use_bf16_storage", "use_vulkan_compute",
)  # fmt: skip


def require_ncnn() -> Any:
    """The module ``ncnn``.

    Raises:
        UsageError: it is not installed.
    """
    try:
        import ncnn
    except ImportError as error:
        raise missing("ncnn", error, "ncnn") from None
    return ncnn


class NcnnFiles:
    """Two of ncnn's files, loaded: on all of the CPU's threads or as ``OMP_NUM_THREADS`` says.

    Args:
        folder: holds them.
        keeps: whether every blob can be had, not the last alone.

    Raises:
        InputError: ncnn cannot read them.
    """

    def __init__(self, folder: Path, where: object = "", keeps: bool = False) -> None:
        self.where = where or folder
        self._ncnn = require_ncnn()
        self._net = self._ncnn.Net()
        self._net.opt.num_threads = threads() or cpu_count() or 1
        self._net.opt.lightmode = not keeps
        for name in LOWER:
            setattr(self._net.opt, name, False)
        for load, name in ((self._net.load_param, PARAM), (self._net.load_model, BIN)):
            if load(spelled(folder / name)) != 0:
                raise InputError(f"ncnn cannot read {name}", where=self.where)

    def run(self, picture: Array, own: str, names: Sequence[str]) -> dict[str, Array]:
        """Blobs by name, for one picture (channels, height, width); without values where there are
        none.

        Raises:
            InputError: ncnn cannot compute one.
        """
        extractor = self._net.create_extractor()
        values = np.ascontiguousarray(
            picture, np.float32
        )  # a Mat does not hold it, nor is it aligned as ncnn wants it
        extractor.input(own, self._ncnn.Mat(values).clone())
        found = {}
        for name in names:
            status, mat = extractor.extract(name)
            if status != 0:
                raise InputError(f'ncnn cannot compute "{name}"', where=self.where)
            found[name] = np.array(mat, np.float32) if mat.dims else np.zeros(0, np.float32)
        return found


class Ncnn(EmittedEngine):
    """Runs on the CPU, without PyTorch."""

    name = "ncnn"

    def write(self, blobs: list[str], priors: list[str], shape: Shape) -> RuntimeNet:
        """See :meth:`EmittedEngine.write`."""
        from ssd_data.nets.ncnn.emit import write_layers

        outputs = {blob: f"out/{i}" for i, blob in enumerate(blobs)}
        made = write_layers(self.trained, [*blobs, *priors], shape, outputs.values())
        model = made.model({name: made.blobs[blob] for blob, name in outputs.items()})
        with scratch() as folder:
            (folder / PARAM).write_text(model.text(), "utf-8")
            (folder / BIN).write_bytes(model.data())
            files = NcnnFiles(folder, self.graph.origin)

        def run(picture: Array) -> dict[str, Array]:
            found = files.run(picture[0], made.input.name, list(outputs.values()))
            return {blob: found[name].reshape(1, -1) for blob, name in outputs.items()}

        shapes = {blob: made.blobs[blob].shape for blob in blobs}
        return RuntimeNet(run, shapes, {blob: made.blobs[blob].constant for blob in priors})


def load(deploy: DeployNet, weights: Path | str, options: EngineOptions) -> Ncnn:
    """See :func:`ssd_data.engines.load_engine`."""
    require_ncnn()
    options.require_cpu("ncnn")
    return Ncnn(merge_bn(read_trained(deploy, weights, options.threshold)).merged)
