"""Engines that write a net in a runtime's own terms, up to its DetectionOutputs: what those do is
done in NumPy."""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import numpy as np

from ssd_data.core.errors import InputError
from ssd_data.engines import Array, Engine
from ssd_data.nets.detection import (
    DETECTION_PARAMS,
    DETECTION_TYPE,
    check_settings,
    detection_bottoms,
    detection_settings,
)
from ssd_data.nets.geometry import Shape
from ssd_data.nets.graph import Node
from ssd_data.nets.layer_step import split_priors
from ssd_data.nets.matching import TrainedNet
from ssd_data.nets.postprocess import detection_output
from ssd_data.nets.yolo import check_maps, yolo_output, yolo_settings

KEPT = 8  # shapes of input that a net is kept for at a time


def threads() -> int:
    """How many threads a runtime takes: what ``OMP_NUM_THREADS`` says, or 0 for all there are."""
    given = os.environ.get("OMP_NUM_THREADS", "")
    return int(given) if given.isdecimal() else 0


@dataclass(frozen=True, slots=True)
class RuntimeNet:
    """A net in a runtime's terms.

    Attributes:
        run: an input to blobs, by name.
        shapes: of these blobs, as Caffe has them.
        priors: the values of the blobs that DetectionOutputs read as priors, where they are known.
    """

    run: Callable[[Array], Mapping[str, Array]]
    shapes: Mapping[str, Shape]
    priors: Mapping[str, Array | None]


class EmittedEngine(Engine):
    """A net, merged, that a runtime computes up to its DetectionOutputs.

    Args:
        trained: the net.

    Attributes:
        in_batches: whether all pictures of a batch go through it at once, rather than one by one.
    """

    in_batches = False

    def __init__(self, trained: TrainedNet) -> None:
        super().__init__(trained.graph)
        self.trained = trained
        writers = self.graph.producers()
        last = {blob: writers[blob][-1] for blob in self.outputs}
        self._ends = {b: node for b, node in last.items() if node.type in DETECTION_PARAMS}
        for node in self._ends.values():
            if node.type == DETECTION_TYPE:
                detection_bottoms(node)
        self._ready = lru_cache(KEPT)(self._prepare)
        self._ready(self._shape(self.shape))

    @abstractmethod
    def write(self, blobs: list[str], priors: list[str], shape: Shape) -> RuntimeNet:
        """The net up to some blobs, for inputs of that shape; its batch is one, but for those that
        run :attr:`in_batches`."""

    def forward(self, batch: Array) -> dict[str, Array]:
        """See :meth:`Engine.forward`."""
        shape = self._shape(batch.shape)
        written, ends = self._ready(shape)
        values = np.ascontiguousarray(batch, np.float32)
        parts = [written.run(values[i : i + shape[0]]) for i in range(0, len(batch), shape[0])]
        found = {
            name: np.concatenate([part[name] for part in parts]).reshape(-1, *shape[1:])
            for name, shape in written.shapes.items()
        }
        return {
            blob: _rows(ends[blob], *(found[name] for name in _read(self._ends[blob])))
            if blob in ends
            else found[blob]
            for blob in self.outputs
        }

    def _shape(self, shape: Shape) -> Shape:
        """Of what goes through the net at a time."""
        return shape if self.in_batches else (1, *shape[1:])

    def _prepare(self, shape: Shape) -> tuple[RuntimeNet, dict[str, Callable[..., Array]]]:
        names = [blob for blob in self.outputs if blob not in self._ends]
        for node in self._ends.values():
            names += [blob for blob in _read(node) if blob not in names]
        priors = [n.bottoms[2] for n in self._ends.values() if n.type == DETECTION_TYPE]
        written = self.write(names, priors, shape)
        return written, {blob: _end(node, written) for blob, node in self._ends.items()}


def _read(node: Node) -> list[str]:
    """The blobs that a layer's detections are made of; priors are known before."""
    return node.bottoms[:2] if node.type == DETECTION_TYPE else node.bottoms


def _end(node: Node, written: RuntimeNet) -> Callable[..., Array]:
    """What a layer does with what it reads.

    Raises:
        InputError: the numbers of locations, scores and priors do not fit one another.
    """
    if node.type != DETECTION_TYPE:
        yolo = yolo_settings(node)
        check_maps(node, yolo, [written.shapes[name] for name in node.bottoms])
        return lambda *maps: yolo_output(maps, yolo)
    boxes, variances = split_priors(written.priors[node.bottoms[2]], node.where)
    settings: dict[str, Any] = detection_settings(node.param.detection_output_param)
    counts = [int(np.prod(written.shapes[name][1:])) for name in node.bottoms[:2]]
    if fault := check_settings(settings, counts[0], counts[1], len(boxes)):
        raise InputError(fault, where=node.where)
    return partial(detection_output, priors=boxes, variances=variances, settings=settings)


def _rows(end: Callable[..., Array], *values: Array) -> Array:
    """As DetectionOutput's: with nothing found in the whole batch one row a picture, all -1."""
    rows = end(*values)
    if not len(rows):
        rows = np.full((len(values[0]), 7), -1, np.float32)
        rows[:, 0] = np.arange(len(rows))
    return rows[None, None]
