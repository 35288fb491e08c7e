"""Real Caffe through pycaffe: where it can be imported, or in the interpreter that ``CAFFE_PYTHON``
names."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterable
from contextlib import redirect_stderr
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from ssd_data.core.errors import InputError, UsageError
from ssd_data.core.legible import few, legible
from ssd_data.engines import Array, Engine, EngineOptions, caffe_files
from ssd_data.engines._built_for import built_for
from ssd_data.engines._foreign import Child
from ssd_data.engines._toolkits import PYCAFFE
from ssd_data.nets.caffemodel import read_caffemodel
from ssd_data.nets.graph import Graph
from ssd_data.nets.matching import match, pair
from ssd_data.nets.prepare import DeployNet, read_trained

LEVEL = "GLOG_minloglevel"  # below it Caffe logs nothing: 0 all, 2 errors alone
_LEARN = ("Convolution", "Deconvolution", "InnerProduct", "BatchNorm", "Scale", "Normalize")
_REGISTERED = ("Input",)  # where old nets say input:, the graph has such a layer
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
    os.environ.setdefault(LEVEL, "2")  # else it prints every net that it makes
    said = io.StringIO()
    try:
        with redirect_stderr(said):  # NumPy says a page where a module is for another NumPy
            module = import_module("caffe")
    except Exception as error:
        raise _unusable(error, said.getvalue()) from None
    sys.stderr.write(said.getvalue())
    if module.__name__ == "ssd_data":
        what = 'here the module caffe is ssd-data itself, as "as_caffe" has it'
        raise UsageError(what, where="--engine caffe", hint="Say --engine torch")
    if not hasattr(module, "Net"):
        raise UsageError(
            f"the module caffe at {getattr(module, '__path__', '?')} is not pycaffe",
            where="--engine caffe",
            hint=f"The package of that name on PyPI is empty: pip uninstall caffe. {HINT}",
        )
    return module


def _unusable(error: Exception, said: str) -> UsageError:
    why = built_for(f"{type(error).__name__}: {error} {said}", np.__version__)
    if why is not None:
        what, hint = why
        if "environment" in hint:
            hint += f"; for all but train, {PYCAFFE.variable} can name that environment's Python"
        return UsageError(f"pycaffe {what}", where="--engine caffe", hint=hint)
    text = " ".join(str(error).split()) or type(error).__name__
    what = f"pycaffe cannot be imported: {legible(text)}"
    return UsageError(what, where="--engine caffe", hint=HINT)


def layer_types(caffe: Any) -> list[str]:
    """The layer types that a pycaffe has; none where it does not say."""
    return list(caffe.layer_type_list()) if hasattr(caffe, "layer_type_list") else []


def require_types(types: Iterable[str], graphs: Iterable[Graph]) -> None:
    """Refuse nets with layers that a Caffe does not have: it would end its process.

    Args:
        types: those that it has; none where that is not known.

    Raises:
        InputError: names the first such layer.
    """
    known = set(types)
    for node in (node for graph in graphs for node in graph.nodes):
        if known and node.type not in known and node.type not in _REGISTERED:
            raise InputError(
                f'this Caffe has no layer of type "{node.type}"',
                where=node.where,
                hint="Use --engine torch, or a Caffe that has it",
            )


def require_weights(graph: Graph, weights: Path | str) -> None:
    """Refuse weights of another net, which a Caffe would take without a word, or end at.

    Raises:
        InputError: they are no caffemodel, or layers that learn have no arrays in it, or others.
    """
    model = read_caffemodel(weights)
    try:
        from ssd_data.engines.torch.shapes import infer_shapes
    except ImportError:  # without PyTorch names alone are compared
        found = pair(graph.nodes, model.layers)[0]
        new = [n.name for i, n in enumerate(graph.nodes) if n.type in _LEARN and i not in found]
    else:
        new = match(model, infer_shapes(graph, {}).slots).new
    if new:
        raise InputError(
            f"{len(new)} layers of {graph.origin} are not in this caffemodel: {few(new)}",
            where=weights,
        )


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


class CaffeElsewhere(Engine):
    """A pycaffe net in another interpreter; where Caffe ends its process, that is an error here."""

    name = "caffe"

    def __init__(self, graph: Graph, child: Child) -> None:
        super().__init__(graph)
        self._child = child

    def forward(self, batch: Array) -> dict[str, Array]:
        """See :meth:`Engine.forward`."""
        words = {"given": self.input, "outputs": self.outputs}
        values = np.ascontiguousarray(batch, np.float32)
        found = self._child.ask("run", [values], self.graph.origin, **words)[1]
        return dict(zip(self.outputs, found, strict=True))


def load(deploy: DeployNet, weights: Path | str, options: EngineOptions) -> Engine:
    """See :func:`ssd_data.engines.load_engine`."""
    if options.half:
        raise UsageError("the engine caffe has no half precision")
    trained = read_trained(deploy, weights, options.threshold)
    graph = trained.graph
    _refuse_unread(graph)
    changed = _silence(graph) or options.threshold is not None
    require_weights(graph, weights)
    gpu = _gpu(options.device or "auto")
    if os.environ.get(PYCAFFE.variable):
        child = Child(PYCAFFE)
        require_types(child.ask("types")[0]["types"], [graph])
        with caffe_files(trained, deploy, weights, changed) as files:
            net, arrays = (str(Path(file).absolute()) for file in files)
            child.ask("load", where=graph.origin, net=net, weights=arrays, gpu=gpu)
        return CaffeElsewhere(graph, child)
    caffe = import_caffe()
    require_types(layer_types(caffe), [graph])
    if gpu is None:
        caffe.set_mode_cpu()
    else:
        caffe.set_device(gpu)
        caffe.set_mode_gpu()
    with caffe_files(trained, deploy, weights, changed) as (net, arrays):
        return Caffe(graph, caffe.Net(net, arrays, caffe.TEST))


def _gpu(device: str) -> int | None:
    """The number of the GPU that is meant; None for the CPU."""
    if device in ("auto", "cpu"):
        return None
    return int(device.rpartition(":")[2] or 0) if ":" in device else 0
