"""Real Caffe through pycaffe, where it can be imported."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from ssd_data.core.errors import InputError, UsageError
from ssd_data.engines import Array, Engine, EngineOptions, caffe_files
from ssd_data.nets.graph import Graph
from ssd_data.nets.prepare import read_trained

HINT = "Point CAFFE_ROOT to a Caffe that was built with its Python module (or PYTHONPATH to it)"


class Caffe(Engine):
    """A pycaffe net."""

    name = "caffe"

    def __init__(self, graph: Graph, net: Any) -> None:
        super().__init__(graph)
        self.net = net

    def forward(self, batch: Array) -> dict[str, Array]:
        """See :meth:`Engine.forward`."""
        blob = self.net.blobs[self.input]
        if tuple(blob.data.shape) != batch.shape:
            blob.reshape(*batch.shape)
            self.net.reshape()
        blob.data[...] = batch
        self.net.forward()
        return {name: np.array(self.net.blobs[name].data, np.float32) for name in self.outputs}


def import_caffe() -> Any:
    """The module ``caffe``.

    Raises:
        UsageError: there is none, or it is the empty package of that name.
    """
    root = os.environ.get("CAFFE_ROOT")
    folder = str(Path(root) / "python") if root else None
    if folder and folder not in sys.path:
        sys.path.insert(0, folder)
    try:
        module = import_module("caffe")
    except ImportError as error:
        raise UsageError(
            f"pycaffe cannot be imported: {error}", where="--engine caffe", hint=HINT
        ) from None
    if not hasattr(module, "Net"):
        raise UsageError(
            f"the module caffe at {getattr(module, '__path__', '?')} is not pycaffe",
            where="--engine caffe",
            hint=f"The package of that name on PyPI is empty: pip uninstall caffe. {HINT}",
        )
    return module


def _silence(graph: Graph) -> bool:
    """Take out what would write files: whoever detects takes the detections from the net's output.

    Caffe would also empty an ``output_directory``, whatever that is.

    Returns:
        whether there was any.

    Raises:
        InputError: a layer does nothing else.
    """
    found = False
    for layer in graph.net.layer:
        if layer.type == "HDF5Output":
            hint = "Take it out: a deploy net gives its detections"
            raise InputError("this layer writes a file", where=layer.name, hint=hint)
        for field in ("save_output_param", "visualize", "save_file"):
            if layer.detection_output_param.HasField(field):
                layer.detection_output_param.ClearField(field)
                found = True
    return found


def _refuse_unread(graph: Graph) -> None:
    """What the SSD branch cannot read: it would end the whole process."""
    for node in graph.nodes:
        p = node.param.pooling_param
        for name in ("ceil_mode", "count_include_pad"):
            if node.type == "Pooling" and p.HasField(name):
                hint = "Use the engine torch, opencv or onnxruntime"
                raise node.error(f"the SSD branch's Pooling has no {name}: false", hint)


def load(deploy: Path | str, weights: Path | str, options: EngineOptions) -> Caffe:
    """See :func:`ssd_data.engines.load_engine`."""
    if options.half:
        raise UsageError("the engine caffe has no half precision")
    trained = read_trained(deploy, weights, options.threshold)
    graph = trained.graph
    _refuse_unread(graph)
    changed = _silence(graph) or options.threshold is not None
    caffe = import_caffe()
    device = options.device or "auto"
    if device in ("auto", "cpu"):
        caffe.set_mode_cpu()
    else:
        caffe.set_device(int(device.rpartition(":")[2] or 0) if ":" in device else 0)
        caffe.set_mode_gpu()
    with caffe_files(trained, deploy, weights, changed) as (net, arrays):
        return Caffe(graph, caffe.Net(net, arrays, caffe.TEST))
