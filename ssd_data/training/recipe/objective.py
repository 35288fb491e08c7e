"""A MultiBoxLoss put together from a recipe's elements, and the net's own in their places."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor

from ssd_data.engines.torch.layers.multiboxloss import MultiBoxLoss
from ssd_data.engines.torch.net import Net
from ssd_data.nets.detection import find_confidence_layers
from ssd_data.nets.graph import Graph
from ssd_data.training.recipe.boxes._base import BoxLoss
from ssd_data.training.recipe.boxes.original import OriginalBoxes
from ssd_data.training.recipe.classification._base import ClassLoss
from ssd_data.training.recipe.classification.original import OriginalClasses
from ssd_data.training.recipe.matchings._base import MatchingRule
from ssd_data.training.recipe.matchings.original import OriginalMatching
from ssd_data.training.recipe.pairs import MapSize, Predictions
from ssd_data.training.recipe.parts import TrainRecipe

Layout: TypeAlias = tuple[tuple[MapSize, ...], tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Objective:
    """(loc_weight · weight · box losses + class losses) / normalizer, the normalizer as the
    MultiBoxLoss's own ``loss_param`` says: by default how many priors are matched.

    Attributes:
        layout: tells of the feature maps with priors, and the input's width and height.
    """

    matching: MatchingRule
    classes: ClassLoss
    boxes: BoxLoss
    layout: Callable[[], Layout]

    def __call__(
        self, layer: MultiBoxLoss, loc: Tensor, conf: Tensor, prior: Tensor, label: Tensor
    ) -> Tensor:
        """The loss of a batch, a scalar; see :class:`MultiBoxLoss`."""
        pictures = len(loc)
        priors = layer.priors_of(prior.detach())
        count = len(priors.boxes)
        truth = layer.truth_of(label.detach(), pictures)
        levels, size = self.layout()
        predictions = Predictions(
            layer,
            loc.reshape(pictures, count, 4),
            conf.reshape(pictures, count, -1),
            priors,
            truth,
            levels,
            size,
        )
        with torch.no_grad():
            matches = self.matching.match(predictions)
            matches, chosen = self.classes.choose(predictions, matches)
        matched = (matches.index >= 0).sum()
        normalizer = layer.normalizer(pictures, count, matched)
        weight = layer.p.loc_weight * self.boxes.weight
        losses = self.boxes.losses(predictions.pairs(matches.index))
        loc_loss = weight * losses.sum() / normalizer
        conf_loss = self.classes.loss(predictions, matches, chosen) / normalizer
        return layer.sum_of(loc_loss, conf_loss, matched, chosen.sum(), normalizer)


def set_objective(net: Net, recipe: TrainRecipe) -> None:
    """Give a training net's MultiBoxLoss a recipe's elements, and its class heads the biases that
    these begin with."""
    for layer in net.steps:
        if isinstance(layer, MultiBoxLoss):
            layer.objective = Objective(
                recipe.matching or OriginalMatching(),
                recipe.classification or OriginalClasses(),
                recipe.boxes or OriginalBoxes(),
                _layout(net, layer.node.bottoms[2]),
            )
            _set_biases(net, layer, layer.objective.classes)


def _layout(net: Net, prior: str) -> Callable[[], Layout]:
    """What an objective asks for its layout."""
    pairs, picture = prior_maps(net.graph, prior)

    def layout() -> Layout:
        def places(blob: str) -> tuple[int, int]:
            height, width = net.blobs[blob].shape[-2:] if blob else (1, 1)
            return width, height

        maps = (
            MapSize(net.blobs[part].tensor.shape[-1] // 4, *places(name)) for part, name in pairs
        )
        return tuple(maps), places(picture)

    return layout


def prior_maps(graph: Graph, prior: str) -> tuple[list[tuple[str, str]], str]:
    """Of the feature maps' priors that are gathered into one blob, theirs and the map's, in order;
    and the blob of the pictures. Where that is no PriorBox's, nothing is known of it: ``""``."""
    nodes = [graph.nodes[index] for index in graph.needed([prior])]
    concat = next((n for n in reversed(nodes) if n.type == "Concat" and prior in n.tops), None)
    makers = {n.tops[0]: n for n in nodes if n.type == "PriorBox" and len(n.bottoms) > 1}
    parts = [prior] if concat is None else concat.bottoms
    pairs = [(part, makers[part].bottoms[0] if part in makers else "") for part in parts]
    return pairs, next((node.bottoms[1] for node in makers.values()), "")


def _set_biases(net: Net, layer: MultiBoxLoss, classes: ClassLoss) -> None:
    p = layer.p
    wanted = classes.first_bias(p.num_classes, p.background_label_id, layer.logistic)
    if wanted is None:
        return
    for index in find_confidence_layers(net.graph).layers:
        params = net.steps[index].params
        if len(params) > 1:
            bias = params[1].tensor.detach()
            bias.copy_(torch.tensor(wanted).repeat(len(bias) // len(wanted)))
