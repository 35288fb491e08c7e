"""A recipe at work in a solver: its rate, its rule, its layers' rates, its losses."""

from __future__ import annotations

from copy import deepcopy

from ssd_data.batches.plan import FeedPlan
from ssd_data.engines.torch.layers.annotateddata import AnnotatedData
from ssd_data.engines.torch.net import Net
from ssd_data.engines.torch.trainable import MoreLoss
from ssd_data.nets.graph import Graph
from ssd_data.proto import caffe_pb2
from ssd_data.training.rates import Progress, learning_rate
from ssd_data.training.recipe import rates
from ssd_data.training.recipe.feeding import plan_of
from ssd_data.training.recipe.objective import set_objective
from ssd_data.training.recipe.parts import TrainRecipe
from ssd_data.training.recipe.teacher import DistillationLoss
from ssd_data.training.updates import SolverType, find_type


class RecipeAtWork:
    """What a solver does otherwise than its prototxt says; without a recipe nothing.

    Args:
        recipe: None where there is none. param: the solver's; its clipping is set.
    """

    def __init__(self, recipe: TrainRecipe | None, param: caffe_pb2.SolverParameter) -> None:
        self.recipe = recipe or TrainRecipe(origin="")
        self.param = param
        if self.recipe.gradients is not None:  # the solver's is of the sum over iter_size
            param.clip_gradients = self.recipe.gradients.clip * max(param.iter_size, 1)

    def solver_type(self) -> SolverType:
        """The rule that moves the parameters.

        Raises:
            InputError: the solver's own type is none, see ``updates.py``.
        """
        optimiser = self.recipe.optimiser
        return find_type(self.param) if optimiser is None else optimiser.solver_type()

    def rate(self, progress: Progress) -> float:
        """The learning rate of the coming update; a solver's policy may move the progress."""
        schedule = self.recipe.schedule
        if schedule is None:
            return learning_rate(self.param, progress)
        return schedule.at(progress.iteration, self.param.max_iter, self.param.base_lr)

    def graph(self, graph: Graph) -> Graph:
        """The training net, one of its own where it is changed."""
        return graph if self.recipe.layers is None else deepcopy(graph)

    def prepare(self, net: Net) -> None:
        """Set the training net as the recipe says."""
        if self.recipe.layers is not None:
            rates.set_rates(net, self.recipe.layers)
        if self.recipe.has_loss:
            set_objective(net, self.recipe)

    def begin(self, net: Net) -> None:
        """The weights to begin with are there.

        Raises:
            InputError: a layer that is to be frozen has none.
        """
        if self.recipe.layers is not None:
            rates.require_statistics(net, self.recipe.layers)

    def losses(self, net: Net) -> list[MoreLoss]:
        """What is added to the net's own loss.

        Raises:
            InputError: the teacher of a distillation cannot be had.
        """
        how = self.recipe.distillation
        return [] if how is None else [DistillationLoss(how, net)]

    def plan(self, layer: AnnotatedData) -> FeedPlan:
        """How what a data layer of the training net gives changes along the run."""
        return plan_of(self.recipe, self.param, layer.param.transform_param, layer.global_batch)
