"""OpenVINO on the CPU, in single precision; without PyTorch."""

from __future__ import annotations

import os
import sys
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from ssd_data.core.errors import InputError
from ssd_data.core.files.paths import spelled
from ssd_data.core.optional import missing
from ssd_data.engines import Array, EngineOptions
from ssd_data.engines._emitted import threads
from ssd_data.engines._through_onnx import (
    Run,
    ThroughOnnx,
    first_line,
    require_onnx,
)
from ssd_data.nets.edit.merge_bn import merge_bn
from ssd_data.nets.prepare import DeployNet, read_trained


def require_openvino() -> Any:
    """The module ``openvino``.

    Raises:
        UsageError: it or ``onnx`` is not installed.
    """
    require_onnx("openvino")
    # Where this is there, OpenVINO tells its makers of its use.
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    try:
        import openvino
    except ImportError as error:
        raise missing("OpenVINO", error, "openvino") from None
    return openvino


def core() -> Any:
    """OpenVINO's core, one for the process, and another for each that is forked of it.

    Its CPU plugin gives a thread another stack for signals and frees it when it is unloaded: the
    next Ctrl-C would end the process by SIGSEGV.
    """
    return _core(os.getpid())


@cache
def _core(process: int) -> Any:
    return require_openvino().Core()


def read_net(source: Path | bytes, where: object = "") -> Any:
    """A net of OpenVINO's own files (``.xml``), or of an ONNX model's bytes.

    Raises:
        InputError: OpenVINO cannot read it.
    """
    runtime = core()
    try:
        return runtime.read_model(source if isinstance(source, bytes) else spelled(source))
    except Exception as error:  # its exceptions have no common base but this
        text = f"OpenVINO cannot read this net: {_reason(error)}"
        raise InputError(text, where=where or source) from None


def open_net(net: Any, names: list[str], where: object = "") -> Run:
    """A net ready to run, on all of the CPU's threads or as ``OMP_NUM_THREADS`` says.

    Single precision is asked for: by itself OpenVINO takes half as many bits where a processor has
    them. Where the net's convolutions are in 8 bits, they are computed so.

    Raises:
        InputError: OpenVINO cannot run it.
    """
    settings: dict[str, Any] = {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY"}
    if count := threads():
        settings["INFERENCE_NUM_THREADS"] = count
    try:
        ready = core().compile_model(net, "CPU", settings)
        ends = [ready.output(name) for name in names]
    except Exception as error:
        text = f"OpenVINO cannot run this net: {_reason(error)}"
        raise InputError(text, where=where) from None

    def run(batch: Array) -> list[Array]:
        found = ready([batch])
        return [np.array(found[end], np.float32) for end in ends]

    return run


def _reason(error: Exception) -> str:
    """The line that says what is wrong; those before it say where in OpenVINO's source."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    told = [line for line in lines if not line.startswith(("Exception from", "Check "))]
    return (told or [first_line(error)])[0][:300]


class OpenVino(ThroughOnnx):
    """Runs on the CPU, without PyTorch."""

    name, title = "openvino", "OpenVINO"

    def open(self, model: Any, names: list[str]) -> Run:
        """See :meth:`ThroughOnnx.open`."""
        net = read_net(model.SerializeToString(), self.graph.origin)
        return open_net(net, names, self.graph.origin)


def load(deploy: DeployNet, weights: Path | str, options: EngineOptions) -> OpenVino:
    """See :func:`ssd_data.engines.load_engine`."""
    require_openvino()
    options.require_cpu("openvino")
    return OpenVino(merge_bn(read_trained(deploy, weights, options.threshold)).merged)
