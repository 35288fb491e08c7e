"""A trained net made ready: read, BatchNorm merged, in canonical form, its head and priors known.

Nothing is computed here. That what was prepared is the same net is for whoever can run it to show
(:func:`ssd_data.evaluation.compare.compare_nets`).
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from copy import deepcopy
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from ssd_data.core.errors import InputError
from ssd_data.core.labelmap import LabelMap
from ssd_data.core.structures import Boxes
from ssd_data.nets.caffemodel import read_caffemodel
from ssd_data.nets.constants import fold_priors
from ssd_data.nets.detection import (
    DETECTION_PARAMS,
    DetectionHead,
    find_detection_head,
    find_detections,
)
from ssd_data.nets.edit.canonical import canonical, without_relu6
from ssd_data.nets.edit.merge_bn import Merge, merge_bn
from ssd_data.nets.edit.standard import in_standard_layers
from ssd_data.nets.geometry import Size
from ssd_data.nets.graph import Graph, read_graph, to_graph
from ssd_data.nets.matching import TrainedNet, with_scales
from ssd_data.nets.preprocessing import Preprocessing
from ssd_data.nets.sizes import map_sizes

DeployNet: TypeAlias = Path | str | Graph  # a prototxt, or what was read of one


def read_deploy(deploy: DeployNet, threshold: float | None = None) -> Graph:
    """A deploy net's graph, with another ``confidence_threshold`` where one is given; a copy.

    Raises:
        InputError: it is no net, or has no DetectionOutput that a threshold could belong to.
    """
    given = deploy if isinstance(deploy, Graph) else read_graph(deploy, "TEST")
    if threshold is None and given is not deploy:
        return given
    net = deepcopy(given.net)
    if threshold is not None:
        for index in find_detections(given):
            layer = net.layer[index]
            getattr(layer, DETECTION_PARAMS[layer.type]).confidence_threshold = threshold
    places = [node.where for node in given.nodes]
    graph = to_graph(net, "TEST", origin=given.origin, places=places)
    graph.as_written, graph.made = given.as_written and threshold is None, given.made
    return graph


def read_either(path: Path | str) -> Graph:
    """A net as it is trained; a test net, whose data layer is TEST's alone, as it is tested.

    Raises:
        InputError: see :func:`ssd_data.nets.graph.read_graph`.
    """
    try:
        return read_graph(path, "TRAIN")
    except InputError as error:
        with suppress(InputError):
            return read_graph(path, "TEST")
        raise error from None


def read_trained(
    deploy: DeployNet, weights: Path | str, threshold: float | None = None
) -> TrainedNet:
    """A deploy net with its caffemodel's arrays.

    Raises:
        InputError: prototxt or weights are wrong, see also :func:`read_deploy`.
    """
    graph, layers = read_deploy(deploy, threshold), read_caffemodel(weights).layers
    return TrainedNet(with_scales(graph, layers), layers)


@dataclass(frozen=True, slots=True, eq=False)
class PreparedNet:
    """A trained detector that is ready to be written for others.

    Attributes:
        deploy, weights: where it came from.
        preprocessing: what its pictures go through before it. labelmap: names its classes.
        given: the net as it came. merged: without BatchNorm. canonical: in standard layers alone.
        head: its end.
        boxes: its priors, float32 (N, 4), fractions. variances: float32 (N, 4).
        notes: what was done to it.
    """

    deploy: Path
    weights: Path
    preprocessing: Preprocessing
    labelmap: LabelMap | None
    given: TrainedNet
    merged: TrainedNet
    canonical: TrainedNet
    head: DetectionHead
    boxes: Boxes
    variances: Boxes
    notes: list[str] = field(default_factory=list)

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Of the input: (batch, channels, height, width)."""
        return self.given.graph.input_shape()

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of its pictures."""
        return self.shape[3], self.shape[2]

    @property
    def ending(self) -> TrainedNet:
        """The net that ends with the locations and the confidences before their activation."""
        return ending(self.canonical, self.head)

    def settings(self) -> dict[str, Any]:
        """All that the post-processing needs but the priors, as ``preprocess.json`` has it."""
        same = (self.variances == self.variances[:1]).all()
        variances = self.variances[0] if same else self.variances
        return {
            **self.head.settings,
            "activation": self.head.activation,
            "variances": [float(str(v)) for v in variances] if same else variances.tolist(),
        }

    def without_relu6(self, how: str) -> PreparedNet:
        """The same with other layers in the place of ReLU6: "layers", "relu", or "keep".

        See :func:`ssd_data.nets.edit.canonical.without_relu6`.
        """
        if how == "keep":
            return self
        return self._with(*without_relu6(self.canonical, how))

    def in_standard_layers(self) -> PreparedNet:
        """The same with layers of forks written as layers that all readers of Caffe's nets have.

        Raises:
            LayerError: see :func:`ssd_data.nets.edit.standard.in_standard_layers`.
        """
        return self._with(*in_standard_layers(self.canonical))

    def _with(self, made: TrainedNet, notes: list[str]) -> PreparedNet:
        head = find_detection_head(made.graph)
        return replace(self, canonical=made, head=head, notes=[*self.notes, *notes])


def ending(trained: TrainedNet, head: DetectionHead) -> TrainedNet:
    """A net up to its locations and its confidences before their activation."""
    return trained.part([head.locations, head.confidences], head.without)


def prepare(
    deploy: Path | Graph,
    weights: Path,
    preprocessing: Preprocessing,
    labelmap: LabelMap | None = None,
    sizes: Mapping[str, Size] | None = None,
) -> PreparedNet:
    """Read a detector and make it ready to be written for others.

    Args:
        sizes: (height, width) of its maps, where an engine knows more of them than the prototxt
            alone tells (:func:`ssd_data.nets.sizes.map_sizes`).

    Raises:
        InputError: prototxt or weights are wrong, or it is no detector whose priors are known.
    """
    given = read_trained(deploy, weights)
    preprocessing = preprocessing.fitted(given.graph)
    merge = merge_bn(given)
    sizes = map_sizes(merge.merged.graph) if sizes is None else sizes
    made, notes = canonical(merge.merged, sizes)
    head = find_detection_head(made.graph)
    boxes, variances = fold_priors(merge.merged.graph, head.priors, sizes)
    if not (np.isfinite(boxes).all() and np.isfinite(variances).all()):
        raise head.node.error("reads priors or variances that are no numbers (NaN or infinite)")
    return PreparedNet(
        Path(given.graph.origin),
        weights,
        preprocessing,
        labelmap,
        given=given,
        merged=merge.merged,
        canonical=made,
        head=head,
        boxes=boxes,
        variances=variances,
        notes=[*filter(None, [given.graph.made]), *_merge_notes(merge), *notes],
    )


def _merge_notes(merge: Merge) -> list[str]:
    notes = [f"{len(merge.into)} BatchNorm and Scale merged"] if merge.into else []
    kept = [row for row in merge.rows if not row.into]
    return [*notes, *(f"{row.type} {row.name} kept: it {row.reason}" for row in kept)]
