"""What an optimiser is."""

from __future__ import annotations

from typing import ClassVar

from ssd_data.training.recipe.parts import AtLeast0, RecipePart
from ssd_data.training.updates import Histories, SolverType, Tensors


class Optimiser(RecipePart, frozen=True):
    """An update rule in the place of the solver's ``type``, with *decoupled* weight decay: before
    each update the weights are multiplied by 1 - rate · decay, and the rule does not see it
    (I. Loshchilov, F. Hutter, Decoupled Weight Decay Regularization, arXiv:1711.05101; times the
    rate of the update, as torch has it).

    A layer's ``lr_mult`` and ``decay_mult`` count as with any rule.

    Attributes:
        kind: the element's name. histories: how many arrays a parameter has.
        decay: None for the solver's ``weight_decay``.
    """

    kind: ClassVar[str] = ""
    histories: ClassVar[int] = 1
    decay: AtLeast0 | None = None

    def update(self, g: Tensors, history: Histories, rate: float, iteration: int) -> Tensors:
        """What is subtracted from parameters; see ``updates.py``."""
        raise NotImplementedError

    def solver_type(self) -> SolverType:
        """The same as one of Caffe's solver types."""
        return SolverType(
            lambda g, history, rate, _, iteration: self.update(g, history, rate, iteration),
            self.histories,
            decay=self.decay,
            decouples=True,
        )
