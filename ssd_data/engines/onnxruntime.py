"""ONNX Runtime on the CPU.

Prototxt and caffemodel are made ONNX in memory, by the same emitters that ``ssd-data deploy``
writes files with. What a DetectionOutput does is done in NumPy.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from ssd_data.core.errors import InputError, UsageError
from ssd_data.engines import Array, Engine, EngineOptions
from ssd_data.nets.detection import (
    DETECTION_TYPE,
    check_settings,
    detection_bottoms,
    detection_settings,
)
from ssd_data.nets.edit.merge_bn import merge_bn
from ssd_data.nets.matching import TrainedNet
from ssd_data.nets.postprocess import detection_output
from ssd_data.nets.prepare import read_trained

SESSIONS = 8  # kept at a time, one for each shape of batch


def require_onnxruntime() -> Any:
    """The module ``onnxruntime``.

    Raises:
        UsageError: it or ``onnx`` is not installed.
    """
    try:
        import onnx  # noqa: F401
        import onnxruntime
    except ImportError as error:
        raise UsageError(
            f"this needs ONNX and ONNX Runtime: {error}",
            hint="Install them: pip install 'ssd-data[onnx]'",
        ) from None
    return onnxruntime


def open_session(model: bytes, where: object = "") -> Any:
    """A model in ONNX Runtime, on all of the CPU's threads or as ``OMP_NUM_THREADS`` says.

    Raises:
        InputError: ONNX Runtime cannot read it.
    """
    import os

    runtime = require_onnxruntime()
    options = runtime.SessionOptions()
    options.log_severity_level = 3
    given = os.environ.get("OMP_NUM_THREADS", "")
    options.intra_op_num_threads = int(given) if given.isdecimal() else 0
    # Threads that wait for work give their processor to others, as the embedded engine's do.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return runtime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its exceptions have no common base but this
        text = str(error).strip().splitlines()[0][:300]
        raise InputError(f"ONNX Runtime cannot read this net: {text}", where=where) from None


@dataclass(frozen=True, slots=True)
class _Ready:
    """A session for one shape of batch, and what its DetectionOutputs do, by their tops' names."""

    session: Any
    names: list[str]
    ends: Mapping[str, Callable[[Array, Array], Array]]


class OnnxRuntime(Engine):
    """Runs on the CPU, without PyTorch."""

    name = "onnxruntime"

    def __init__(self, trained: TrainedNet) -> None:
        super().__init__(trained.graph)
        self._trained = trained
        self._session = lru_cache(SESSIONS)(self._convert)
        writers = self.graph.producers()
        self._ends = {
            blob: writers[blob][-1]
            for blob in self.outputs
            if writers[blob][-1].type == DETECTION_TYPE
        }
        for node in self._ends.values():
            detection_bottoms(node)
        self._session(self.shape)

    def forward(self, batch: Array) -> dict[str, Array]:
        """See :meth:`Engine.forward`."""
        ready = self._session(batch.shape)
        values = np.ascontiguousarray(batch, np.float32)
        try:
            arrays = ready.session.run(ready.names, {self.input: values})
        except Exception as error:
            text = str(error).strip().splitlines()[0][:300]
            raise InputError(
                f"ONNX Runtime cannot run this net: {text}", where=self.graph.origin
            ) from None
        found = dict(zip(ready.names, arrays, strict=True))
        return {
            blob: _rows(ready.ends[blob], *(found[name] for name in self._ends[blob].bottoms[:2]))
            if blob in ready.ends
            else found[blob]
            for blob in self.outputs
        }

    def _convert(self, shape: tuple[int, ...]) -> _Ready:
        from ssd_data.nets.onnx.emit import emit, split_priors

        names = [blob for blob in self.outputs if blob not in self._ends]
        for node in self._ends.values():
            names += [blob for blob in node.bottoms[:2] if blob not in names]
        priors = [node.bottoms[2] for node in self._ends.values()]
        made = emit(self._trained, [*names, *priors], shape, reserved=names)
        ends = {}
        for blob, node in self._ends.items():
            boxes, variances = split_priors(made.blobs[node.bottoms[2]], node.where)
            settings = detection_settings(node.param.detection_output_param)
            counts = [int(np.prod(made.blobs[name].shape[1:])) for name in node.bottoms[:2]]
            if fault := check_settings(settings, counts[0], counts[1], len(boxes)):
                raise InputError(fault, where=node.where)
            ends[blob] = partial(
                detection_output, priors=boxes, variances=variances, settings=settings
            )
        outputs = {name: made.blobs[name] for name in names}
        model = made.emission.model({self.input: made.input}, outputs)
        return _Ready(open_session(model.SerializeToString(), self.graph.origin), names, ends)


def _rows(end: Callable[[Array, Array], Array], locations: Array, scores: Array) -> Array:
    """As DetectionOutput's: with nothing found in the whole batch one row a picture, all -1."""
    rows = end(locations, scores)
    if not len(rows):
        rows = np.full((len(locations), 7), -1, np.float32)
        rows[:, 0] = np.arange(len(rows))
    return rows[None, None]


def load(deploy: Path | str, weights: Path | str, options: EngineOptions) -> OnnxRuntime:
    """See :func:`ssd_data.engines.load_engine`."""
    require_onnxruntime()
    options.require_cpu("onnxruntime")
    return OnnxRuntime(merge_bn(read_trained(deploy, weights, options.threshold)).merged)
