"""The way of a record with elements of augmentation, which begin and end the layer's own way.

An opening takes the place of expand and the batch samplers; then the picture is distorted, resized
and mirrored as the layer says; joinings and colours follow, and boxes that are too small for
``min_box`` go. Where no element happens, a picture is to the last bit what it is without elements.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ssd_data.batches.augment import DataTransformer
from ssd_data.batches.augment.rows import Rows
from ssd_data.batches.augment.transform import Draft
from ssd_data.batches.augment.values import Array
from ssd_data.batches.elements._base import (
    Colour,
    Context,
    Element,
    Generator,
    Joining,
    Opening,
    Piece,
)
from ssd_data.batches.plan import FeedPlan
from ssd_data.batches.streams import generator_at
from ssd_data.core.errors import InputError
from ssd_data.core.files.typed import typed
from ssd_data.core.registry import AUGMENTATIONS
from ssd_data.proto import caffe_pb2


@dataclass(frozen=True, slots=True)
class Happening:
    """An element that happens to a picture, and what was drawn for it."""

    element: Element
    drawn: Any


class Composer:
    """Makes a net's input of records and elements.

    Args:
        plan: its elements, in any order, and when the strong ones rest.
        seed: of all that is random.
    """

    def __init__(self, plan: FeedPlan, seed: int) -> None:
        self.elements = sorted(plan.elements, key=lambda element: element.rank)
        self.plan, self.seed = plan, seed

    def draw(self, position: int, setting: Context, records: int) -> list[Happening]:
        """What happens to the picture at a position, in order; of openings the first one only."""
        found: list[Happening] = []
        opened = False
        for element in self.elements:
            if element.strong and self.plan.is_closed(position):
                continue
            generator = generator_at(self.seed, position, element.name)
            if generator.random() >= element.prob or (opened and isinstance(element, Opening)):
                continue
            opened = opened or isinstance(element, Opening)
            found.append(Happening(element, element.draw(generator, setting, records)))
        return found

    def __call__(
        self,
        happening: Sequence[Happening],
        own: Piece,
        others: Sequence[Piece],
        transformer: DataTransformer,
        setting: Context,
        generator: Generator,
        out: Array | None = None,
    ) -> tuple[Array, Rows]:
        """Values and boxes, as the transformer gives them.

        Args:
            happening: from :meth:`draw`. own, others: as stored; others in the order of
                :func:`needed`.
            generator: of what the layer itself draws.

        Raises:
            InputError: a picture does not fit.
        """
        left = iter(others)
        taken = [[next(left) for _ in one.element.others(one.drawn)] for one in happening]
        draft, piece = self._open(happening, taken, own, transformer, setting, generator)
        pixels = transformer.crop(piece.pixels, draft, setting.exact)
        pixels, rows = transformer.fit(pixels, piece.rows, generator, exact=setting.exact)
        for one, pieces in zip(happening, taken, strict=True):
            if isinstance(one.element, Joining):
                joined = one.element.join(one.drawn, Piece(pixels, rows), pieces, setting)
                pixels, rows = joined.pixels, joined.rows
            elif isinstance(one.element, Colour):
                pixels = one.element.paint(one.drawn, pixels)
        return transformer.finish(pixels, rows, out)

    def _open(
        self,
        happening: Sequence[Happening],
        taken: Sequence[Sequence[Piece]],
        own: Piece,
        transformer: DataTransformer,
        setting: Context,
        generator: Generator,
    ) -> tuple[Draft, Piece]:
        for one, pieces in zip(happening, taken, strict=True):
            if isinstance(one.element, Opening):
                opened = one.element.open(one.drawn, own, pieces, setting)
                distortion = transformer.draw_distortion(generator)
                return Draft(distortion, opened.expansion, opened.region), opened.piece
        draft, rows = transformer.draw(own.rows, *own.size, generator)
        return draft, Piece(own.pixels, rows)


def needed(happening: Sequence[Happening]) -> list[int]:
    """How many positions further on the other pictures stand."""
    return [offset for one in happening for offset in one.element.others(one.drawn)]


def faults(
    elements: Sequence[Element], layer: caffe_pb2.LayerParameter, min_box: int, where: str
) -> Iterator[InputError]:
    """What speaks against elements in a data layer, each part apart.

    Args:
        min_box: see :class:`~ssd_data.batches.Batches`.
    """
    for element in elements:
        for what, hint in element.faults(layer, min_box):
            yield InputError(f"{element.name}: {what}", where=where, hint=hint)
    noise = layer.transform_param.noise_param
    if noise.convert_to_hsv and any(isinstance(one, Colour) for one in elements):
        what = "noise_param: convert_to_hsv leaves no colours that could be changed after it"
        yield InputError(what, where=where, hint="Leave it out, or the colours")


def known_elements() -> dict[str, type[Element]]:
    """Of each element's name its class."""
    return {name: AUGMENTATIONS.load(name).ELEMENT for name in AUGMENTATIONS.names()}


def augmentation(name: str, **keys: Any) -> Element:
    """An element of augmentation, for a :class:`~ssd_data.batches.plan.FeedPlan`.

    >>> augmentation("mosaic", prob=0.5).strong
    True

    Args:
        name: of a file in ``batches/elements``. keys: the element's fields, as a recipe has them.

    Raises:
        UsageError: there is none of that name. InputError: a key is unknown or out of range.
    """
    return typed(keys, AUGMENTATIONS.load(name).ELEMENT, name)  # type: ignore[no-any-return]
