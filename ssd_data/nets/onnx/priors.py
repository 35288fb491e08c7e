"""PriorBox, computed once: its boxes are constants of the graph."""

from __future__ import annotations

from ssd_data.nets.onnx.emission import EmitStep, Value, check_shape
from ssd_data.nets.onnx.emitters import emits
from ssd_data.nets.priors import prior_shapes, prior_values


@emits("PriorBox")
def priorbox(step: EmitStep) -> Value:
    """(1, 2, 4 · boxes): the boxes, and below them their variances."""
    if not 1 <= len(step.bottoms) <= 2:
        raise step.error(f"has {len(step.bottoms)} bottoms; PriorBox takes 1 to 2")
    p = step.param.prior_box_param
    shapes = prior_shapes(p, step.node.where)
    map_size, picture = step.picture_map()[2:], step.bottoms[-1].shape[2:]
    if len(picture) != 2:
        raise ValueError("the second is no picture")
    check_shape((2, *map_size, 4, len(shapes.sizes)))
    both = prior_values(p, map_size, (picture[0], picture[1]), step.node.where)[None]
    return Value("", both.shape, False, both)
