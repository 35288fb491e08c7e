"""Engines: what computes a net. One file (or folder) an engine; its name is its registration.

An engine's module defines ``load(deploy, weights, **options) -> Engine``. What all can do is
:class:`Engine`; a net with parameters and gradients is the embedded engine's alone
(:class:`ssd_data.engines.torch.net.Net`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from ssd_data.core.errors import InputError
from ssd_data.core.registry import ENGINES
from ssd_data.core.structures import Detections
from ssd_data.nets.detection import DETECTION_TYPE
from ssd_data.nets.graph import Graph, read_graph, to_graph

Array: TypeAlias = npt.NDArray[np.float32]


class Engine(ABC):
    """A net that is ready to run.

    Attributes:
        name: the engine's.
        graph: the deploy net.
        input: name of the one input blob.
        shape: its shape as the prototxt has it: (batch, channels, height, width).
        outputs: names of the blobs that nothing reads.
    """

    name = ""

    def __init__(self, graph: Graph) -> None:
        if len(graph.inputs) != 1:
            raise InputError(
                f"a deploy net has one input, this has {len(graph.inputs)}",
                where=graph.origin,
                hint="Nets for training have data layers; give the deploy net",
            )
        self.graph = graph
        self.input = graph.inputs[0]
        self.shape = input_shape(graph)
        self.outputs = list(graph.outputs)

    @abstractmethod
    def forward(self, batch: Array) -> dict[str, Array]:
        """The outputs for pictures (batch, channels, height, width), float32, preprocessed.

        The batch may have any size, also another than the prototxt says.
        """

    def detect(self, batch: Array) -> list[Detections]:
        """What the net's DetectionOutput finds in each picture.

        Raises:
            InputError: the net has none.
        """
        rows = self.forward(batch)[detection_blob(self.graph)]
        return to_detections(rows, len(batch))


def load_engine(
    name: str,
    deploy: Path | str,
    weights: Path | str,
    *,
    device: str | None = None,
    half: bool = False,
    threshold: float | None = None,
) -> Engine:
    """Load a deploy net with its weights into an engine.

    Args:
        name: ``torch`` (the embedded one), ``onnxruntime``, ``opencv`` or ``caffe``.
        device: ``cpu``, ``cuda``, ``cuda:1``, ``auto``, where the engine has a choice.
        half: half precision, on a GPU.
        threshold: takes the place of the DetectionOutput's ``confidence_threshold``.

    Raises:
        UsageError: no engine has that name, it cannot be imported here, or it has no such option.
        InputError: prototxt or weights are wrong.
    """
    module = ENGINES.load(name)
    engine: Engine = module.load(deploy, weights, device=device, half=half, threshold=threshold)
    return engine


def read_deploy(deploy: Path | str, threshold: float | None = None) -> Graph:
    """A deploy net's graph, with another ``confidence_threshold`` where one is given.

    Raises:
        InputError: it is no net, or has no DetectionOutput that a threshold could belong to.
    """
    graph = read_graph(deploy, "TEST")
    if threshold is not None:
        detection_blob(graph)
        for layer in graph.net.layer:
            if layer.type == DETECTION_TYPE:
                layer.detection_output_param.confidence_threshold = threshold
        graph = to_graph(graph.net, "TEST", origin=str(deploy))
    return graph


def input_shape(graph: Graph) -> tuple[int, int, int, int]:
    """(batch, channels, height, width) of the one input.

    Raises:
        InputError: it has not four axes.
    """
    node = next(node for node in graph.nodes if node.type == "Input")
    dims = tuple(node.param.input_param.shape[0].dim)
    if len(dims) != 4:
        raise InputError(f"the input has {len(dims)} axes, not 4", where=node.where)
    return dims[0], dims[1], dims[2], dims[3]


def detection_blob(graph: Graph) -> str:
    """Name of the blob with the detections.

    Raises:
        InputError: the net has no DetectionOutput.
    """
    for node in graph.nodes:
        if node.type == DETECTION_TYPE:
            return node.tops[0]
    raise InputError(
        "the net has no DetectionOutput",
        where=graph.origin,
        hint="Give the deploy net of a detector; ssd-data model writes one",
    )


def to_detections(rows: Array, pictures: int) -> list[Detections]:
    """DetectionOutput's rows (1, 1, N, 7) picture by picture; filler rows are left out."""
    rows = rows.reshape(-1, 7)
    rows = rows[rows[:, 1] > 0]
    found = []
    for i in range(pictures):
        own = rows[rows[:, 0] == i]
        own = own[np.lexsort((-own[:, 2], own[:, 1]))]
        found.append(Detections(own[:, 1].astype(np.int32), own[:, 2].copy(), own[:, 3:].copy()))
    return found
