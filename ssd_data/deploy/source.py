"""A trained net as it comes: read, merged, written in standard layers, and known to be the same."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ssd_data.core.errors import InputError, OutputError
from ssd_data.core.labelmap import LabelMap
from ssd_data.core.structures import Boxes
from ssd_data.engines import Engine, read_deploy
from ssd_data.engines.torch import require_torch
from ssd_data.evaluation.proof import compare
from ssd_data.nets.caffemodel import LayerWeights, read_caffemodel
from ssd_data.nets.detection import DetectionHead, check_settings, find_detection_head
from ssd_data.nets.edit.canonical import Shape, standard, to_net
from ssd_data.nets.edit.merge_bn import merge_bn, merged_count
from ssd_data.nets.graph import Graph, to_graph
from ssd_data.nets.preprocessing import Preprocessing
from ssd_data.nets.priors import find_priors, map_priors

ALLOWED = 1e-4  # of an output's largest value, for what should be equal
MOST_PRIORS = 1 << 24
HEADS = ("raw", "decoded", "nms")  # of an ONNX net, see onnx/detection_head.py


@dataclass(frozen=True, slots=True)
class Options:
    """What the caller wants of a profile; each profile says which of these it takes.

    Attributes:
        relu6: see :func:`ssd_data.nets.edit.canonical.standard`.
        head: what an ONNX net ends with: "raw", "decoded" or "nms".
        dynamic_batch: whether an ONNX net takes batches of any size.
        half: half precision.
        int8: whole numbers of 8 bits, by ``calibrate``, an LMDB, and its first ``records`` records.
        test: an LMDB on which both nets are scored.
    """

    relu6: str | None = None
    head: str | None = None
    dynamic_batch: bool = False
    half: bool = False
    int8: bool = False
    calibrate: Path | None = None
    records: int | None = None
    test: Path | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """A net to be shipped.

    Attributes:
        deploy, weights: where it came from.
        merged: the net without BatchNorm. graph: the same in standard layers.
        merged_layers, layers: their arrays.
        heads: its end.
        boxes: its priors, float32 (N, 4), fractions. variances: float32 (N, 4).
        reference: the embedded engine with the net as it came.
        notes: what was done to it.
    """

    deploy: Path
    weights: Path
    preprocessing: Preprocessing
    labelmap: LabelMap | None
    merged: Graph
    merged_layers: list[LayerWeights]
    graph: Graph
    layers: list[LayerWeights]
    heads: DetectionHead
    boxes: Boxes
    variances: Boxes
    reference: Engine
    notes: list[str] = field(default_factory=list)

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Of the input: (batch, channels, height, width)."""
        return self.reference.shape

    @property
    def cut(self) -> Graph:
        """The net that ends with the locations and the confidences before their activation."""
        return self.graph.part([self.heads.locations, self.heads.confidences], self.heads.without)

    def settings(self) -> dict[str, Any]:
        """All that the post-processing needs but the priors, as ``preprocess.json`` has it."""
        same = (self.variances == self.variances[:1]).all()
        variances = self.variances[0] if same else self.variances
        return {
            **self.heads.settings,
            "activation": self.heads.activation,
            "variances": [float(str(v)) for v in variances] if same else variances.tolist(),
        }


def read_source(
    deploy: Path,
    weights: Path,
    preprocessing: Preprocessing,
    labelmap: LabelMap | None = None,
    options: Options | None = None,
) -> Source:
    """Read a detector and prepare it; what is prepared computes the same, which is tried.

    Raises:
        InputError: prototxt or weights are wrong, or it is no detector.
        OutputError: the prepared net is not the same.
        UsageError: PyTorch is not installed.
    """
    require_torch()
    from ssd_data.engines.torch import load
    from ssd_data.engines.torch.shapes import infer_shapes

    graph = read_deploy(deploy)
    reference = load(deploy, weights, device="cpu")
    model = read_caffemodel(weights)
    merge = merge_bn(graph, model.layers)
    merged = to_graph(merge.net, "TEST", origin=str(deploy))
    maps = infer_shapes(merged, {}).blobs
    made = standard(merged, merge.layers, maps, (options and options.relu6) or "keep")
    ready = to_net(made, str(deploy))
    if (options and options.relu6) != "relu":  # that one is another function, and measured
        _prove(graph, model.layers, ready, made.layers)
    heads = find_detection_head(ready)
    sizes = {name: (shape[2], shape[3]) for name, shape in maps.items() if len(shape) == 4}
    priors = [map_priors(node, sizes) for node in find_priors(merged, heads.priors)]
    if sum(one.count for one in priors) > MOST_PRIORS:
        raise InputError("makes more priors than this package takes", where=heads.node.where)
    boxes, variances = np.concatenate([one.values() for one in priors], 1).reshape(2, -1, 4)
    _check(heads, maps, len(boxes))
    notes = [f"{merged_count(merge.rows)} BatchNorm and Scale merged"] if merge.into else []
    kept = [f"{row.type} {row.name} kept: it {row.reason}" for row in merge.rows if not row.into]
    return Source(
        deploy,
        weights,
        preprocessing,
        labelmap,
        merged=merged,
        merged_layers=merge.layers,
        graph=ready,
        layers=made.layers,
        heads=heads,
        boxes=boxes,
        variances=variances,
        reference=reference,
        notes=[*notes, *kept, *made.notes],
    )


def _prove(
    graph: Graph, layers: list[LayerWeights], ready: Graph, ready_layers: list[LayerWeights]
) -> None:
    for found in compare(graph, layers, ready, ready_layers):
        if not found.relative <= ALLOWED:
            raise OutputError(
                f'"{found.name}" differs by {found.largest:.2g} after merging, of values up to '
                f"{found.scale:.2g}; nothing was written",
                where=graph.origin,
                hint="Please report it with the net",
            )


def _check(heads: DetectionHead, maps: dict[str, Shape], priors: int) -> None:
    counts = [math.prod(maps[name][1:]) for name in heads.node.bottoms[:2]]
    if fault := check_settings(heads.settings, counts[0], counts[1], priors):
        raise InputError(fault, where=heads.node.where)
