"""``Net``: a Caffe net on PyTorch with pycaffe's face."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from ssd_data.core.errors import UsageError
from ssd_data.engines.torch.blob import Array, Blob, BlobVec
from ssd_data.engines.torch.interpreter import Interpreter
from ssd_data.engines.torch.layer import Layer
from ssd_data.engines.torch.mode import find_device
from ssd_data.nets.caffemodel import Caffemodel, LayerWeights, read_caffemodel, write_caffemodel
from ssd_data.nets.graph import Graph, read_graph
from ssd_data.nets.matching import Matching, Slot, match
from ssd_data.nets.phases import Phase, phase_number
from ssd_data.nets.splits import with_splits
from ssd_data.proto import caffe_pb2


class Net(Interpreter):
    """A net as a prototxt says, computed as the original Caffe does.

    ``Net(model, weights, TEST)`` and ``Net(model, TEST, weights=...)`` are both understood.

    >>> import ssd_data as caffe
    >>> net = caffe.Net("tiny_ssd/deploy.prototxt", "tiny_ssd/random.caffemodel", caffe.TEST)
    >>> net.blobs["data"].data[...] = 0
    >>> net.forward()["detection_out"].shape[3]  # picture, label, score, xmin, ymin, xmax, ymax
    7

    Args:
        model: the prototxt, or a :class:`~ssd_data.nets.graph.Graph`.
        phase: ``TRAIN`` (0) or ``TEST`` (1), or the word.
        weights: a caffemodel.
        level, stages: what ``include`` rules may ask for.
        device: ``cpu``, ``cuda``, ``cuda:1``; by default as ``set_mode_gpu`` says.

    Attributes:
        blobs: name → :class:`~ssd_data.engines.torch.blob.Blob`. After ``forward`` their data,
            after ``backward`` their diffs are Caffe's; of a blob written in place the data is
            the last layer's, the diff the first one's, as in Caffe.

    Raises:
        InputError: the prototxt is wrong, with its file, line and layer, or the weights do not fit.
        UsageError: the device is not there.
    """

    def __init__(
        self,
        model: Path | str | Graph,
        *arguments: Path | str | Phase,
        phase: Phase | str | None = None,
        weights: Path | str | None = None,
        level: int = 0,
        stages: Iterable[str] | None = None,
        device: str | None = None,
    ) -> None:
        for argument in arguments:
            if argument in (0, 1, "TRAIN", "TEST"):
                phase = argument
            else:
                weights = argument  # type: ignore[assignment]
        if not isinstance(model, Graph):
            if phase is None:
                raise UsageError("a net needs a phase", hint="Net(model, TEST, weights=...)")
            model = read_graph(model, phase_number(phase), level=level, stages=tuple(stages or ()))
        super().__init__(model, find_device(device))
        if weights is not None:
            self.copy_from(weights)

    # ---- what it is ----

    @property
    def inputs(self) -> list[str]:
        """Names of the input blobs."""
        return list(self.graph.inputs)

    @property
    def outputs(self) -> list[str]:
        """Names of the blobs that nothing reads."""
        return list(self.graph.outputs)

    @property
    def layers(self) -> list[LayerView]:
        """The layers in order, each with ``type`` and ``blobs``."""
        return [LayerView(layer) for layer in self.steps]

    @property
    def layer_dict(self) -> OrderedDict[str, LayerView]:
        """Layer name → the layer; of several layers of one name, the last."""
        return OrderedDict((layer.node.name, LayerView(layer)) for layer in self.steps)

    @property
    def params(self) -> OrderedDict[str, BlobVec]:
        """Layer name → its parameters; of several layers of one name, the last."""
        return OrderedDict((s.node.name, BlobVec(s.params)) for s in self.steps if s.params)

    @property
    def bottom_names(self) -> OrderedDict[str, list[str]]:
        """Layer name → names of the blobs that it reads."""
        return OrderedDict((s.node.name, list(s.node.bottoms)) for s in self.steps)

    @property
    def top_names(self) -> OrderedDict[str, list[str]]:
        """Layer name → names of the blobs that it writes."""
        return OrderedDict((s.node.name, list(s.node.tops)) for s in self.steps)

    @property
    def _layer_names(self) -> list[str]:
        """As pycaffe calls the names of :attr:`layers`."""
        return [layer.node.name for layer in self.steps]

    # ---- running ----

    def forward(
        self,
        blobs: Iterable[str] | None = None,
        start: str | None = None,
        end: str | None = None,
        **arrays: npt.ArrayLike,
    ) -> dict[str, Array]:
        """Compute the layers from ``start`` to ``end``, both included.

        Args:
            blobs: names of blobs to return besides the outputs.
            start, end: layer names; the whole net by default.
            arrays: values of input blobs, of the blobs' own shapes.

        Returns:
            name → values of the outputs (of the last layer's tops, where ``end`` is given).

        Raises:
            UsageError: a name is not known, or a value has another shape than its blob.
        """
        for name, value in arrays.items():
            if name not in self.graph.inputs:
                raise UsageError(f'"{name}" is no input', hint=f"Inputs are {self.inputs}")
            np.copyto(self._fitting(name, value).data, np.asarray(value))
        first, last = self._range(start, end)
        self.run(first, last)
        names = self.outputs if end is None else self.steps[last].node.tops
        return {n: self._blob(n).data for n in [*names, *(blobs or ())]}

    def backward(
        self,
        diffs: Iterable[str] | None = None,
        start: str | None = None,
        end: str | None = None,
        **gradients: npt.ArrayLike,
    ) -> dict[str, Array]:
        """Compute gradients from layer ``start`` back to ``end``; begins with the loss weights.

        Args:
            diffs: names of blobs whose gradients to return besides the inputs'.
            start, end: layer names; from the last layer to the first by default.
            gradients: gradients of output blobs, of the blobs' own shapes.

        Raises:
            UsageError: a name is not known, a shape is wrong, or no forward was run.
        """
        for name, value in gradients.items():
            np.copyto(self._fitting(name, value).diff, np.asarray(value))
        last, first = self._range(start, end, backward=True)
        self.propagate(last, first)
        names = self.inputs if end is None else self.steps[first].node.bottoms
        return {n: self._blob(n).diff for n in [*names, *(diffs or ())]}

    def clear_param_diffs(self) -> None:
        """Set the parameters' gradients to zero; ``backward`` adds to them."""
        if grads := [param.grad for layer in self.steps for param in layer.params]:
            torch._foreach_zero_(grads)

    # ---- weights ----

    def copy_from(
        self, weights: Path | str | Caffemodel, *, skip_mismatch: bool = False
    ) -> Matching:
        """Take a caffemodel's arrays for the layers that have its names.

        Returns:
            what was kept, left out and started anew.

        Raises:
            InputError: the file is no caffemodel, or a shape differs (unless ``skip_mismatch``).
        """
        learned = [s for s in self.steps if s.params]
        slots = [Slot(s.node.name, s.node.where, tuple(p.shape for p in s.params)) for s in learned]
        model = weights if isinstance(weights, Caffemodel) else read_caffemodel(weights)
        result = match(model, slots, skip_mismatch)
        for index, arrays in result.found.items():
            for param, array in zip(learned[index].params, arrays, strict=True):
                if param.tensor.is_meta:
                    param.tensor = torch.from_numpy(array)
                else:
                    with torch.no_grad():
                        param.tensor.copy_(torch.from_numpy(array))
        return result

    def weights(self) -> list[LayerWeights]:
        """All parameters, as a caffemodel holds them."""
        return [
            LayerWeights(s.node.name, s.node.type, [p.data.copy() for p in s.params])
            for s in self.steps
            if s.params
        ]

    def to_proto(self) -> caffe_pb2.NetParameter:
        """The net as Caffe writes it into a caffemodel: with what it fills in, without arrays."""
        net = caffe_pb2.NetParameter(name=self.graph.net.name)
        groups = with_splits([layer.node for layer in self.steps])
        for layer, (own, *splits) in zip(self.steps, groups, strict=True):
            layer.complete(own)
            for split in splits:
                split.phase = self.phase  # type: ignore[assignment]
            net.layer.extend([own, *splits])
        return net

    def save(self, path: Path | str) -> None:
        """Write a caffemodel, whole or not at all.

        Raises:
            OutputError: it cannot be written.
        """
        write_caffemodel(path, self.to_proto(), self.weights())

    def share_with(self, other: Net) -> None:
        """Use another net's parameters, of the layers that have its names, as its own."""
        theirs = {s.node.name: s.params for s in other.steps}
        for layer in self.steps:
            if layer.node.name in theirs:
                layer.params = theirs[layer.node.name]

    # ---- names and arrays from the caller ----

    def _fitting(self, name: str, value: npt.ArrayLike) -> Blob:
        blob = self._blob(name)
        if np.shape(value) != blob.shape:
            raise UsageError(f'"{name}" has shape {blob.shape}, the array {np.shape(value)}')
        return blob

    def _blob(self, name: str) -> Blob:
        if name not in self.blobs:
            raise UsageError(f'no blob is called "{name}"', hint=f"Outputs are {self.outputs}")
        return self.blobs[name]

    def _range(self, start: str | None, end: str | None, backward: bool = False) -> tuple[int, int]:
        names = self._layer_names
        for name in (start, end):
            if name is not None and name not in names:
                raise UsageError(f'no layer is called "{name}"', hint=f"In {self.graph.origin}")
        ends = (len(names) - 1, 0) if backward else (0, len(names) - 1)
        return (
            ends[0] if start is None else names.index(start),
            ends[1] if end is None else names.index(end),
        )


class LayerView:
    """A layer as pycaffe shows it: its type and its parameters."""

    def __init__(self, layer: Layer) -> None:
        self.type = layer.node.type
        self.blobs = BlobVec(layer.params)

    def __repr__(self) -> str:
        return f"LayerView({self.type})"
