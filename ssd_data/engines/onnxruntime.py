"""ONNX Runtime on the CPU, without PyTorch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ssd_data.core.errors import InputError
from ssd_data.core.optional import missing
from ssd_data.engines import Array, EngineOptions
from ssd_data.engines._emitted import threads
from ssd_data.engines._through_onnx import Run, ThroughOnnx, first_line
from ssd_data.nets.edit.merge_bn import merge_bn
from ssd_data.nets.prepare import DeployNet, read_trained


def require_onnxruntime() -> Any:
    """The module ``onnxruntime``.

    Raises:
        UsageError: it or ``onnx`` is not installed.
    """
    try:
        import onnx  # noqa: F401
        import onnxruntime
    except ImportError as error:
        raise missing("ONNX and ONNX Runtime", error, "onnx") from None
    return onnxruntime


def open_session(model: bytes, where: object = "") -> Any:
    """A model in ONNX Runtime, on all of the CPU's threads or as ``OMP_NUM_THREADS`` says.

    Raises:
        InputError: ONNX Runtime cannot read it.
    """
    runtime = require_onnxruntime()
    options = runtime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = threads()
    # Threads that wait for work give their processor to others, as the embedded engine's do.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return runtime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its exceptions have no common base but this
        text = f"ONNX Runtime cannot read this net: {first_line(error)}"
        raise InputError(text, where=where) from None


class OnnxRuntime(ThroughOnnx):
    """Runs on the CPU, without PyTorch."""

    name, title = "onnxruntime", "ONNX Runtime"

    def open(self, model: Any, names: list[str]) -> Run:
        """See :meth:`ThroughOnnx.open`."""
        session = open_session(model.SerializeToString(), self.graph.origin)
        own = str(model.graph.input[0].name)

        def run(batch: Array) -> list[Array]:
            found: list[Array] = session.run(names, {own: batch})
            return found

        return run


def load(deploy: DeployNet, weights: Path | str, options: EngineOptions) -> OnnxRuntime:
    """See :func:`ssd_data.engines.load_engine`."""
    require_onnxruntime()
    options.require_cpu("onnxruntime")
    return OnnxRuntime(merge_bn(read_trained(deploy, weights, options.threshold)).merged)
