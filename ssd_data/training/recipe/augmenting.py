"""What a recipe does to pictures: elements of augmentation, and inputs of several sizes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from math import ceil
from typing import Any

import msgspec

from ssd_data.batches.composer import known_elements
from ssd_data.batches.elements._base import Element
from ssd_data.batches.sizes import BatchSizes
from ssd_data.proto import caffe_pb2
from ssd_data.training.recipe.parts import Augmentation, TrainRecipe


@cache
def with_elements() -> type[Augmentation]:
    """:class:`~ssd_data.training.recipe.parts.Augmentation` with a field for each element."""
    fields: list[Any] = [(name, kind | None, None) for name, kind in known_elements().items()]
    made = msgspec.defstruct("WithElements", fields, bases=(Augmentation,), frozen=True)
    assert issubclass(made, Augmentation)
    return made


@dataclass(frozen=True, slots=True)
class Course:
    """How far a run is.

    Attributes:
        iteration: updates made. position: records that were read for them.
        last: when it ends. update: records of an update, of all processes and ``iter_size``.
    """

    iteration: int
    position: int
    last: int
    update: int


def elements_of(recipe: TrainRecipe | None) -> tuple[Element, ...]:
    """The elements of augmentation that a recipe has."""
    if recipe is None or recipe.augmentation is None:
        return ()
    return recipe.augmentation.elements()


def closing(recipe: TrainRecipe, course: Course) -> int | None:
    """The position from which on strong elements rest; None for never.

    >>> recipe = TrainRecipe(origin="", augmentation=Augmentation(close=0.1))
    >>> closing(recipe, Course(iteration=20, position=640, last=100, update=32))  # 70 more
    2880
    """
    if recipe.augmentation is None or not recipe.augmentation.close:
        return None
    first = course.last - ceil(recipe.augmentation.close * course.last)
    return course.position + (first - course.iteration) * course.update


def sizes_of(
    recipe: TrainRecipe | None, param: caffe_pb2.TransformationParameter, update: int
) -> BatchSizes | None:
    """The sizes of the input; None where there is one.

    Args:
        param: of the data layer, which has the input's own size.
        update: as :attr:`Course.update`.
    """
    if recipe is None or recipe.input is None:
        return None
    how = param.resize_param
    known = tuple(recipe.input.sizes(how.width, how.height))
    return BatchSizes(known, recipe.input.every * update)
