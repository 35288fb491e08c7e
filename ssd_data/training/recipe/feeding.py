"""What a recipe changes of what a net is fed."""

from __future__ import annotations

import math

from ssd_data.batches.plan import FeedPlan
from ssd_data.proto import caffe_pb2
from ssd_data.training.recipe.parts import TrainRecipe


def plan_of(
    recipe: TrainRecipe,
    solver: caffe_pb2.SolverParameter,
    param: caffe_pb2.TransformationParameter,
    batch: int,
) -> FeedPlan:
    """How what a data layer of the training net gives changes along the run.

    Args:
        solver: its ``max_iter`` and ``iter_size`` count. param: the data layer's.
        batch: pictures of a batch, of all processes together.
    """
    sizes, rest, adds_up = recipe.input, recipe.augmentation, max(solver.iter_size, 1)
    own: tuple[tuple[int, int], ...] = ()
    closes = None
    if sizes is not None:
        own = tuple(sizes.sizes(param.resize_param.width, param.resize_param.height))
    if rest is not None:
        begins = math.ceil(solver.max_iter * (1 - rest.close))
        closes = begins * adds_up * batch
    return FeedPlan(
        own,
        1 if sizes is None else sizes.every * adds_up,
        closes,
        () if rest is None else rest.rest,
        () if rest is None else rest.elements(),
    )
