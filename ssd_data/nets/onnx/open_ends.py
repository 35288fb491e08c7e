"""A detector as ONNX up to what its DetectionOutputs read; those follow in NumPy."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt
import onnx

from ssd_data.core.errors import InputError
from ssd_data.nets.detection import DETECTION_TYPE, check_settings, detection_settings
from ssd_data.nets.geometry import Shape
from ssd_data.nets.graph import Graph, Node
from ssd_data.nets.matching import TrainedNet
from ssd_data.nets.onnx.emit import emit, split_priors
from ssd_data.nets.postprocess import detection_output

Array = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class OpenEnds:
    """A net as ONNX, and what is left to do.

    Attributes:
        model: gives ``names``.
        names: its outputs, as a runtime is to give them.
        ends: a DetectionOutput's top to what makes it of locations and scores; reads: to the names
            of those.
    """

    model: onnx.ModelProto
    names: list[str]
    ends: Mapping[str, Callable[[Array, Array], Array]]
    reads: Mapping[str, tuple[str, str]]

    def finish(self, arrays: Sequence[Array], outputs: Sequence[str]) -> dict[str, Array]:
        """The net's outputs, of the model's in the order of its names."""
        found = dict(zip(self.names, arrays, strict=True))
        return {
            name: _rows(self.ends[name], *(found[read] for read in self.reads[name]))
            if name in self.ends
            else found[name]
            for name in outputs
        }


def detection_nodes(graph: Graph) -> dict[str, Node]:
    """The DetectionOutputs by the outputs that they give.

    Raises:
        InputError: one reads more than locations, scores and priors.
    """
    writers = graph.producers()
    found = {name: writers[name][-1] for name in graph.outputs}
    found = {name: node for name, node in found.items() if node.type == DETECTION_TYPE}
    for node in found.values():
        if len(node.bottoms) != 3:
            raise InputError(f"has {len(node.bottoms)} bottoms, not 3", where=node.where)
    return found


def open_ends(trained: TrainedNet, shape: Shape) -> OpenEnds:
    """Emit a net for one shape of its input.

    Raises:
        InputError: a layer's type has no emitter, or a DetectionOutput does not fit what it reads.
    """
    graph = trained.graph
    nodes = detection_nodes(graph)
    names = [name for name in graph.outputs if name not in nodes]
    for node in nodes.values():
        names += [name for name in node.bottoms[:2] if name not in names]
    priors = [node.bottoms[2] for node in nodes.values()]
    made = emit(trained, [*names, *priors], shape, reserved=names)
    ends = {}
    for name, node in nodes.items():
        boxes, variances = split_priors(made.blobs[node.bottoms[2]], node.where)
        settings = detection_settings(node.param.detection_output_param)
        counts = [int(np.prod(made.blobs[read].shape[1:])) for read in node.bottoms[:2]]
        if fault := check_settings(settings, counts[0], counts[1], len(boxes)):
            raise InputError(fault, where=node.where)
        ends[name] = partial(detection_output, priors=boxes, variances=variances, settings=settings)
    outputs = {name: made.blobs[name] for name in names}
    model = made.emission.model({graph.inputs[0]: made.input}, outputs)
    reads = {name: (node.bottoms[0], node.bottoms[1]) for name, node in nodes.items()}
    return OpenEnds(model, names, ends, reads)


def _rows(end: Callable[[Array, Array], Array], locations: Array, scores: Array) -> Array:
    """As DetectionOutput's: with nothing found in the whole batch one row a picture, all -1."""
    rows = end(locations, scores)
    if not len(rows):
        rows = np.full((len(locations), 7), -1, np.float32)
        rows[:, 0] = np.arange(len(rows))
    return rows[None, None]
