"""PriorBox, computed once: its boxes are constants of the graph."""

from __future__ import annotations

import numpy as np

from ssd_data.nets.onnx.emission import Step, Value, check_shape
from ssd_data.nets.onnx.emitters import emits
from ssd_data.nets.priors import prior_boxes, prior_shapes


@emits("PriorBox")
def priorbox(step: Step) -> Value:
    """(1, 2, 4 · boxes): the boxes, and below them their variances."""
    if not 1 <= len(step.bottoms) <= 2:
        raise step.error(f"has {len(step.bottoms)} bottoms; PriorBox takes 1 to 2")
    p = step.param.prior_box_param
    shapes = prior_shapes(p, step.node.where)
    map_size, picture = step.picture_map()[2:], step.bottoms[-1].shape[2:]
    if len(picture) != 2:
        raise ValueError("the second is no picture")
    check_shape((2, *map_size, 4, len(shapes.sizes)))
    boxes = prior_boxes(p, map_size, (picture[0], picture[1]), step.node.where)
    variances = np.tile(np.array(shapes.variances, np.float32), len(boxes))
    both = np.stack([boxes.reshape(-1), variances])[None]
    return Value("", both.shape, False, both)
