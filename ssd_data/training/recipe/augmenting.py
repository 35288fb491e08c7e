"""The elements of augmentation that a recipe may have."""

from __future__ import annotations

from functools import cache
from typing import Any

import msgspec

from ssd_data.batches.composer import known_elements
from ssd_data.batches.elements._base import Element
from ssd_data.training.recipe.parts import Augmentation, TrainRecipe


@cache
def with_elements() -> type[Augmentation]:
    """:class:`~ssd_data.training.recipe.parts.Augmentation` with a field for each element."""
    fields: list[Any] = [(name, kind | None, None) for name, kind in known_elements().items()]
    made = msgspec.defstruct("WithElements", fields, bases=(Augmentation,), frozen=True)
    assert issubclass(made, Augmentation)
    return made


def elements_of(recipe: TrainRecipe) -> tuple[Element, ...]:
    """The elements of augmentation that a recipe has."""
    return () if recipe.augmentation is None else recipe.augmentation.elements()
