"""Engines: what computes a net. One file (or folder) an engine; its name is its registration.

An engine's module defines ``load(deploy, weights, options) -> Engine``. What all can do is
:class:`Engine`; a net with parameters and gradients is the embedded engine's alone
(:class:`ssd_data.engines.torch.net.Net`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from ssd_data.core.errors import InputError, UsageError
from ssd_data.core.files.scratch import scratch
from ssd_data.core.legible import count_of
from ssd_data.core.registry import ENGINES
from ssd_data.core.structures import Detections
from ssd_data.nets.caffemodel import write_caffemodel
from ssd_data.nets.detection import detection_blob
from ssd_data.nets.geometry import Size, shape_text
from ssd_data.nets.graph import Graph
from ssd_data.nets.matching import TrainedNet
from ssd_data.nets.prepare import DeployNet
from ssd_data.nets.prototxt import to_text
from ssd_data.nets.sizes import map_sizes, side_multiple

Array: TypeAlias = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """How an engine runs, see :func:`load_engine`."""

    device: str | None = None
    half: bool = False
    threshold: float | None = None

    def require_cpu(self, name: str) -> None:
        """Refuse what an engine that runs on the CPU alone cannot do.

        Raises:
            UsageError: another device or half precision is wanted.
        """
        if self.device not in (None, "auto", "cpu") or self.half:
            raise UsageError(f"the engine {name} runs on the CPU, in single precision")


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
        self.graph = graph
        self.shape = graph.input_shape()
        self.input = graph.inputs[0]
        self.outputs = list(graph.outputs)

    @abstractmethod
    def forward(self, batch: Array) -> dict[str, Array]:
        """The outputs for pictures (batch, channels, height, width), float32, preprocessed.

        The batch may have any size, also another than the prototxt says.
        """

    @cached_property
    def side_multiple(self) -> int:
        """What sides of pictures have to be multiples of, see
        :func:`~ssd_data.nets.sizes.side_multiple`."""
        return side_multiple(self.graph)

    def map_sizes(self) -> dict[str, Size]:
        """(height, width) of the net's maps, with its own input, as far as the engine knows."""
        return map_sizes(self.graph)

    def detect(self, batch: Array) -> list[Detections]:
        """What the net's DetectionOutput finds in each picture.

        Raises:
            InputError: the net has none, or does not take pictures with so many channels.
        """
        if batch.ndim != 4 or batch.shape[1] != self.shape[1]:
            raise InputError(
                f"pictures of shape {shape_text(batch.shape)} are given, but the net's input has "
                + count_of(self.shape[1], "channel"),
                where=self.graph.input_place(),
                hint="Give batch, channels, height, width; see Preprocessing.fitted",
            )
        rows = self.forward(batch)[detection_blob(self.graph)]
        return to_detections(rows, len(batch))


def load_engine(
    name: str,
    deploy: DeployNet,
    weights: Path | str,
    *,
    device: str | None = None,
    half: bool = False,
    threshold: float | None = None,
) -> Engine:
    """Load a deploy net with its weights into an engine.

    >>> engine = load_engine("torch", "tiny_ssd/deploy.prototxt", "tiny_ssd/random.caffemodel")
    >>> engine.shape
    (1, 3, 128, 128)
    >>> (found,) = engine.detect(np.zeros(engine.shape, np.float32))

    Args:
        name: ``torch`` (the embedded one), ``onnxruntime``, ``openvino``, ``litert``, ``ncnn``,
            ``mnn``, ``rknn-sim``, ``opencv`` or ``caffe``; see
            :data:`ssd_data.core.registry.ENGINES`.
        deploy: a prototxt, or a net as :func:`ssd_data.nets.graph.read_graph` gives it.
        device: ``cpu``, ``cuda``, ``cuda:1``, ``auto``, where the engine has a choice.
        half: half precision, on a GPU.
        threshold: takes the place of the DetectionOutput's ``confidence_threshold``.

    Raises:
        UsageError: no engine has that name, it cannot be imported here, or it has no such option.
        InputError: prototxt or weights are wrong.
    """
    options = EngineOptions(device, half, threshold)
    engine: Engine = ENGINES.load(name).load(deploy, weights, options)
    return engine


@contextmanager
def caffe_files(
    trained: TrainedNet, deploy: DeployNet, weights: Path | str, changed: bool
) -> Iterator[tuple[str, str]]:
    """Prototxt and caffemodel for a program that reads Caffe's: temporary ones where the net was
    changed or is no file's, or where they hold what only a fork reads."""
    parted = any(layer.within for layer in trained.layers)
    changed = changed or isinstance(deploy, Graph)
    if not (changed or parted) and trained.graph.as_written:
        yield str(deploy), str(weights)
        return
    with scratch() as folder:
        net, arrays = folder / "deploy.prototxt", folder / "net.caffemodel"
        net.write_text(to_text(trained.graph.net))
        if not parted:
            yield str(net), str(weights)
            return
        own = trained.arrays().values()
        write_caffemodel(arrays, trained.graph.net, own)
        yield str(net), str(arrays)


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
