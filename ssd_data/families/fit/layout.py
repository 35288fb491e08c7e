"""What a net's prototxt says of its priors and of the boxes that they are matched with."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ssd_data.core.errors import InputError, UsageError
from ssd_data.core.structures import Boxes
from ssd_data.nets.geometry import Size
from ssd_data.nets.graph import Graph, Node
from ssd_data.nets.prepare import read_either
from ssd_data.nets.priors import MapPriors, map_priors, prior_boxes
from ssd_data.nets.sizes import fixed_size, map_sizes
from ssd_data.proto import caffe_pb2

_Loss = caffe_pb2.MultiBoxLossParameter
MOST_PRIORS = 1_000_000
FARTHEST = 1e6  # times the input


@dataclass(frozen=True, slots=True)
class Rules:
    """How priors and boxes are matched (``multibox_loss_param``).

    Attributes:
        overlap: the least Jaccard overlap of a match.
        bipartite_only: a box gets one prior, whatever others overlap it (BIPARTITE).
        use_difficult: difficult boxes are matched too.
        ignore_outside: priors that leave the picture match nothing.
    """

    overlap: float
    bipartite_only: bool = False
    use_difficult: bool = True
    ignore_outside: bool = False


@dataclass(frozen=True, slots=True)
class Layout:
    """A net's priors.

    Attributes:
        origin: the prototxt.
        size: (height, width) of the input in pixels.
        maps: in the order of the net.
        rules: how they are matched.
        transform: of the data layer that the net is trained on; one that warps for a net without.
        notes: what is to be known of it.
    """

    origin: str
    size: Size
    maps: tuple[MapPriors, ...]
    rules: Rules
    transform: caffe_pb2.TransformationParameter
    notes: tuple[str, ...] = ()

    def boxes(self) -> tuple[Boxes, npt.NDArray[np.int64]]:
        """All priors, float32 (P, 4), fractions, and the map of each, (P,).

        Raises:
            InputError: they are too large for numbers.
        """
        with np.errstate(all="ignore"):
            boxes = [prior_boxes(m.param, m.size, self.size, m.where) for m in self.maps]
        for one, own in zip(self.maps, boxes, strict=True):
            if not np.abs(own).max() < FARTHEST:
                raise InputError("its priors are far outside any picture", where=one.where)
        owner = np.repeat(np.arange(len(boxes)), [len(b) for b in boxes])
        return np.concatenate(boxes), owner


def read_layout(path: Path | str, overlap: float | None = None) -> Layout:
    """A net's priors, of a training, test or deploy prototxt.

    Args:
        overlap: least overlap of a match; None takes the net's own, which a MultiBoxLoss states.

    Raises:
        InputError: the file is no net, or has no priors, or its input has no fixed size.
        UsageError: the net has no MultiBoxLoss, and no overlap was given.
    """
    graph = read_either(path)
    layers = [node for node in graph.nodes if node.type == "PriorBox"]
    if not layers:
        raise InputError("the net has no PriorBox layer", where=path, hint="Is it a detector's?")
    data = next((node for node in graph.nodes if node.type == "AnnotatedData"), None)
    sizes = map_sizes(graph, _data_size(data) if data else None)
    maps = tuple(map_priors(node, sizes) for node in layers)
    size, *others = {one.image for one in maps}
    if others:
        raise InputError("the maps have inputs of different sizes", where=path)
    if sum(one.count for one in maps) > MOST_PRIORS:
        raise InputError(f"the net has more than {MOST_PRIORS:,} priors", where=path)
    transform = data.param.transform_param if data else _warp(size)
    notes = _notes(data, size)
    return Layout(str(path), size, maps, _rules(graph, overlap), transform, tuple(notes))


def _data_size(data: Node) -> Size:
    param = data.param.transform_param
    size = fixed_size(param)
    if size is None:
        hint = "transform_param needs a resize_param that warps"
        raise InputError("pictures keep their own sizes", where=data.where, hint=hint)
    if param.crop_size or param.crop_h:
        raise InputError("crops of a fixed size are not measured", where=data.where)
    return size


def _rules(graph: Graph, overlap: float | None) -> Rules:
    losses = ("MultiBoxLoss", "MultiBoxFocalLoss")
    loss = next((node for node in graph.nodes if node.type in losses), None)
    if loss is None:
        if overlap is None:
            raise UsageError(
                "the net has no MultiBoxLoss that says which overlap is a match",
                where=graph.origin,
                hint="Give its training prototxt, or --overlap 0.5",
            )
        return Rules(overlap)
    param = loss.param.multibox_loss_param
    if not math.isfinite(param.overlap_threshold):
        raise InputError("overlap_threshold is no number", where=loss.where)
    return Rules(
        param.overlap_threshold if overlap is None else overlap,
        param.match_type == _Loss.BIPARTITE,
        param.use_difficult_gt,
        param.ignore_cross_boundary_bbox,
    )


def _warp(size: Size) -> caffe_pb2.TransformationParameter:
    param = caffe_pb2.TransformationParameter()
    param.resize_param.height, param.resize_param.width = size
    param.resize_param.resize_mode = caffe_pb2.ResizeParameter.WARP
    return param


def _notes(data: Node | None, size: Size) -> list[str]:
    """What training does to sizes, which is not measured."""
    whole = f"boxes as a test sees them: the whole picture at {size[1]}x{size[0]}"
    if data is None:
        return [whole]
    does = []
    if data.param.annotated_data_param.batch_sampler:
        does.append("crops at random (boxes grow)")
    expand = data.param.transform_param.expand_param
    if expand.prob > 0 and expand.max_expand_ratio > 1:
        does.append(f"expands up to {expand.max_expand_ratio:g} times (boxes shrink)")
    also = "; its training also " + " and ".join(does) if does else ""
    return [whole + also]
