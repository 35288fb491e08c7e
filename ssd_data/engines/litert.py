"""LiteRT (TensorFlow Lite) on the CPU; without PyTorch and without TensorFlow."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np

from ssd_data.core.errors import InputError
from ssd_data.core.optional import missing
from ssd_data.engines import Array, EngineOptions
from ssd_data.engines._emitted import threads
from ssd_data.engines._quiet import no_output
from ssd_data.engines._through_onnx import (
    Run,
    ThroughOnnx,
    first_line,
    require_onnx,
)
from ssd_data.nets.edit.merge_bn import merge_bn
from ssd_data.nets.prepare import DeployNet, read_trained


def require_litert() -> Any:
    """The module ``ai_edge_litert.interpreter``.

    Raises:
        UsageError: it or ``onnx`` is not installed.
    """
    require_onnx("litert")
    try:
        from ai_edge_litert import interpreter
    except ImportError as error:
        raise missing("LiteRT", error, "litert") from None
    return interpreter


def open_interpreter(model: bytes, where: object = "", keep_all: bool = False) -> Any:
    """A model in LiteRT's interpreter, on the threads that ``OMP_NUM_THREADS`` says.

    Args:
        keep_all: keep what is computed within, to be read; nothing is optimised then.

    Raises:
        InputError: LiteRT cannot read it.
    """
    runtime = require_litert()
    settings: dict[str, Any] = {}
    if keep_all:
        kind = runtime.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
        settings = {"experimental_preserve_all_tensors": True}
        settings["experimental_op_resolver_type"] = kind
    try:
        with warnings.catch_warnings(), no_output(2):  # it tells how it optimises
            warnings.simplefilter("ignore")
            found = runtime.Interpreter(
                model_content=model, num_threads=threads() or None, **settings
            )
            found.allocate_tensors()
    except (ValueError, RuntimeError) as error:
        text = f"LiteRT cannot read this net: {first_line(error)}"
        raise InputError(text, where=where) from None
    return found


def open_net(model: bytes, names: list[str], where: object = "") -> Run:
    """A model ready to run. Its one input is channels last; where it takes whole numbers, values
    are brought to them and back by the scale and zero that the model says.

    Raises:
        InputError: LiteRT cannot read it.
    """
    from ssd_data.nets.tflite.graph import SIGNATURE

    runner = open_interpreter(model, where).get_signature_runner(SIGNATURE)
    ((own, given),) = runner.get_input_details().items()
    ends = runner.get_output_details()

    def run(batch: Array) -> list[Array]:
        values = batch.transpose(0, 2, 3, 1) if batch.ndim == 4 else batch
        found = runner(**{own: to_whole(np.ascontiguousarray(values), given)})
        return [from_whole(found[name], ends[name]) for name in names]

    return run


def to_whole(values: Array, detail: Any) -> Any:
    """Values as an input takes them."""
    kind = np.dtype(detail["dtype"])
    if kind == np.float32:
        return values
    scale, zero = detail["quantization"]
    limits = np.iinfo(kind)
    return np.clip(np.round(values / scale) + zero, limits.min, limits.max).astype(kind)


def from_whole(values: Any, detail: Any) -> Array:
    """An output's values."""
    if values.dtype == np.float32:
        return np.array(values)
    scale, zero = detail["quantization"]
    found: Array = (values.astype(np.float32) - np.float32(zero)) * np.float32(scale)
    return found


class LiteRT(ThroughOnnx):
    """Runs on the CPU, without PyTorch."""

    name, title = "litert", "LiteRT"

    def open(self, model: Any, names: list[str]) -> Run:
        """See :meth:`ThroughOnnx.open`."""
        from ssd_data.nets.tflite.translate import to_tflite

        return open_net(to_tflite(model), names, self.graph.origin)


def load(deploy: DeployNet, weights: Path | str, options: EngineOptions) -> LiteRT:
    """See :func:`ssd_data.engines.load_engine`."""
    require_litert()
    options.require_cpu("litert")
    return LiteRT(merge_bn(read_trained(deploy, weights, options.threshold)).merged)
