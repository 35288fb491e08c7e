"""What a recipe says: one struct, and one for each of its tables that has no kinds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec

if TYPE_CHECKING:
    from ssd_data.batches.elements._base import Element
    from ssd_data.training.recipe.boxes._base import BoxLoss
    from ssd_data.training.recipe.classification._base import ClassLoss
    from ssd_data.training.recipe.matchings._base import MatchingRule
    from ssd_data.training.recipe.optimisers._base import Optimiser
    from ssd_data.training.recipe.schedules._base import Schedule

Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
Positive = Annotated[float, msgspec.Meta(gt=0, le=1e6)]
AtLeast0 = Annotated[float, msgspec.Meta(ge=0, le=1e6)]
Count = Annotated[int, msgspec.Meta(ge=0, lt=1 << 31)]
Number = Annotated[int, msgspec.Meta(ge=1, lt=1 << 31)]
Scale = Annotated[float, msgspec.Meta(ge=0.1, le=4)]


class RecipePart(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A table of a recipe: its fields are the keys."""


class Averaging(RecipePart, frozen=True):
    """``[average]``: test and snapshot a moving average of the weights, as ``--ema``.

    Attributes:
        decay: see :class:`~ssd_data.training.extras.Average`.
    """

    decay: Annotated[float, msgspec.Meta(ge=0, lt=1)] = 0.999


class Gradients(RecipePart, frozen=True):
    """``[gradients]``.

    Attributes:
        clip: the greatest L2 norm of all of an update's gradients together, the mean over
            ``iter_size``; instead of the solver's ``clip_gradients``, which is that of their sum.
    """

    clip: Positive


class LayerRates(RecipePart, frozen=True):
    """``[layers]``: patterns of layer names as a shell has them, ``*`` for anything.

    Attributes:
        freeze: layers that learn nothing; BatchNorm among them keeps its statistics.
        rates: pattern → factor of ``lr_mult``; of several that fit the first counts.
    """

    freeze: tuple[str, ...] = ()
    rates: dict[str, AtLeast0] = {}


class InputSizes(RecipePart, frozen=True):
    """``[input]``: batches of several sizes.

    Attributes:
        scales: of the input's width and height, from which each time one is drawn.
        every: updates until the next one is drawn.
        multiple: sides are rounded to a multiple of it; those of scale 1 are the net's own.
    """

    scales: Annotated[tuple[Scale, ...], msgspec.Meta(min_length=1, max_length=64)]
    every: Number = 10
    multiple: Annotated[int, msgspec.Meta(ge=1, le=1024)] = 32

    def sizes(self, width: int, height: int) -> list[tuple[int, int]]:
        """Width and height of each, for a net's own."""
        found = []
        for scale in self.scales:
            sides = (max(round(side * scale / self.multiple), 1) for side in (width, height))
            w, h = (number * self.multiple for number in sides)
            found.append((width, height) if scale == 1 else (w, h))
        return found


class Distillation(RecipePart, frozen=True):
    """``[distillation]``: a larger net's answers, to learn from besides the boxes.

    Attributes:
        net: its deploy prototxt. weights: its caffemodel. Paths are those of the working folder.
        scores, boxes, features: weights of the three losses; 0 leaves one out.
        temperature: what both nets' scores are divided by.
        maps: blobs of both nets whose attention is compared.
    """

    net: str
    weights: str
    scores: AtLeast0 = 1.0
    boxes: AtLeast0 = 1.0
    features: AtLeast0 = 0.0
    temperature: Positive = 2.0
    maps: tuple[str, ...] = ()


class Augmentation(RecipePart, frozen=True, omit_defaults=True):
    """``[augmentation]``: each of its tables, ``[augmentation.mosaic]``, is an element of
    ``batches/elements``, whose fields are its keys; see ``augmenting.py``. What is too strong rests
    towards the end.

    Attributes:
        close: the share of the iterations, at the end, in which it does: the elements that are
            strong, and what ``rest`` names.
        rest: of the net's own augmentation what does: ``distort``, ``expand``, ``crop``, ``noise``.
    """

    close: Share = 0.0
    rest: tuple[Literal["distort", "expand", "crop", "noise"], ...] = ("expand", "crop")

    def elements(self) -> tuple[Element, ...]:
        """Those that happen."""
        names = [name for name in self.__struct_fields__ if name not in ("close", "rest")]
        return tuple(one for name in names if (one := getattr(self, name)) is not None)


class TrainRecipe(msgspec.Struct, frozen=True, kw_only=True):
    """A recipe; what is None is as solver and nets say.

    Attributes:
        origin: its file, or the name of a shipped one.
        schedule, optimiser, classification, boxes, matching: its elements.
    """

    origin: str
    schedule: Schedule | None = None
    optimiser: Optimiser | None = None
    classification: ClassLoss | None = None
    boxes: BoxLoss | None = None
    matching: MatchingRule | None = None
    average: Averaging | None = None
    gradients: Gradients | None = None
    layers: LayerRates | None = None
    input: InputSizes | None = None
    distillation: Distillation | None = None
    augmentation: Augmentation | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        """To other processes it goes as what it says: the struct of its elements is made here."""
        from ssd_data.training.recipe.change import from_record, recorded_recipe

        return from_record, (recorded_recipe(self),)

    def extras(self) -> dict[str, Any]:
        """What of it is an option of :class:`~ssd_data.training.options.Extras`."""
        return {} if self.average is None else {"ema": self.average.decay}

    @property
    def has_loss(self) -> bool:
        """Whether it changes the loss of the boxes."""
        return any((self.classification, self.boxes, self.matching))
