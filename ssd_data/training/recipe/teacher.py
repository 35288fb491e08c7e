"""``[distillation]``: a larger net's answers to the same pictures, besides the boxes.

Scores (G. Hinton et al., Distilling the Knowledge in a Neural Network, arXiv:1503.02531) and
offsets count by how sure the teacher is that there is an object (as Z. Du et al., Distilling Object
Detectors with Feature Richness, arXiv:2111.00674, weigh theirs): nearly all priors are background.
Maps are compared by where they are strong (S. Zagoruyko, N. Komodakis, Paying More Attention to
Attention, arXiv:1612.03928), so that they may have other numbers of channels.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from ssd_data.core.errors import InputError
from ssd_data.engines.torch.interpreter import exact_arithmetic
from ssd_data.engines.torch.layer import as_tuple
from ssd_data.engines.torch.layers.multiboxloss import MultiBoxLoss
from ssd_data.engines.torch.loss import sigmoid_losses, smooth_l1
from ssd_data.engines.torch.net import Net
from ssd_data.nets.detection import DetectionHead, find_detection_head
from ssd_data.nets.edit.deploy_form import read_deploy_form
from ssd_data.training.recipe.objective import prior_maps
from ssd_data.training.recipe.parts import Distillation

LEAST = 1e-12


@dataclass(frozen=True, slots=True)
class Answers:
    """What a teacher says of N pictures.

    Attributes:
        offsets: (N, P, 4). scores: (N, P, classes), before softmax or sigmoid.
        priors: (1, 2, P·4). maps: of the blobs that are compared.
    """

    offsets: Tensor
    scores: Tensor
    priors: Tensor
    maps: dict[str, Tensor]


class Teacher:
    """The larger net, which learns nothing.

    Args:
        how: the recipe's part. device: where it runs.

    Raises:
        InputError: it cannot be read, is no detector, or has not the maps that are asked for.
    """

    def __init__(self, how: Distillation, device: torch.device) -> None:
        self.how = how
        graph = read_deploy_form(how.net, Path(how.weights))
        self.head: DetectionHead = find_detection_head(graph)
        known = {top for node in graph.nodes for top in node.tops}
        for name in how.maps:
            if name not in known:
                raise InputError(f'the teacher has no blob "{name}"', where=how.net)
        head = self.head
        self._ends = (head.locations, head.confidences, head.priors)
        self.net = Net(graph, device=str(device), weights=how.weights)
        self._steps = [self.net.steps[i] for i in graph.needed([*self._ends, *how.maps])]

    def answer(self, pictures: Tensor) -> Answers:
        """What it says of pictures (N, channels, height, width); no gradients."""
        values: dict[str, Tensor] = {}
        with torch.no_grad(), exact_arithmetic():
            for layer in self._steps:
                if layer.node.type == "Input":
                    values[layer.node.tops[0]] = pictures
                    continue
                layer.weights = [param.tensor for param in layer.params]
                tops = as_tuple(layer.forward(*(values[name] for name in layer.node.bottoms)))
                values.update(zip(layer.node.tops, tops, strict=False))
        loc, conf, priors = (values[name] for name in self._ends)
        count, classes = priors.shape[-1] // 4, self.head.settings["num_classes"]
        return Answers(
            loc.reshape(len(pictures), count, 4),
            conf.reshape(len(pictures), count, classes),
            priors,
            {name: values[name] for name in self.how.maps},
        )


class DistillationLoss:
    """What a training net's answers differ from its teacher's by.

    Args:
        how: the recipe's part. net: the training net.

    Raises:
        InputError: the teacher cannot be had, see :class:`Teacher`.
    """

    def __init__(self, how: Distillation, net: Net) -> None:
        self.how = how
        self.layer = next(layer for layer in net.steps if isinstance(layer, MultiBoxLoss))
        self.teacher = Teacher(how, net.device)
        _, self.picture = prior_maps(net.graph, self.layer.node.bottoms[2])

    def __call__(self, values: Mapping[str, Tensor]) -> Tensor:
        """The loss of the batch whose blobs these are; a scalar.

        Raises:
            InputError: the teacher's priors are others, or a map has another size.
        """
        how, pictures = self.how, values[self.picture]
        loc, conf, priors = (values[name].float() for name in self.layer.node.bottoms[:3])
        theirs = self.teacher.answer(pictures)
        if theirs.priors.shape != priors.shape or not torch.allclose(theirs.priors, priors):
            raise InputError("the teacher's priors are not the net's", where=how.net, hint=SAME)
        scores = conf.reshape(theirs.scores.shape)
        sure = sureness(theirs.scores, self.layer)
        total = self.layer.all_reduce(sure.sum()).clamp(min=LEAST)
        losses = score_losses(scores, theirs.scores, self.layer, how.temperature)
        loss = how.scores * (sure * losses).sum() / total
        errors = smooth_l1(loc.reshape(theirs.offsets.shape) - theirs.offsets).sum(2)
        loss = loss + how.boxes * (sure * errors).sum() / total
        if how.features and how.maps:
            count = self.layer.pictures(pictures)
            for name in how.maps:
                own, other = values[name].float(), theirs.maps[name]
                if own.shape[2:] != other.shape[2:]:
                    raise InputError(f'its map "{name}" has another size', where=how.net)
                part = (attention(own) - attention(other)).square().sum()
                loss = loss + how.features * part / count
        return loss


SAME = "Both nets must have the same input, feature maps, priors and code_type"


def sureness(scores: Tensor, layer: MultiBoxLoss) -> Tensor:
    """The greatest probability of a class that is no background, of scores (N, P, classes);
    (N, P)."""
    found = torch.sigmoid(scores) if layer.logistic else torch.softmax(scores, 2)
    return found[..., objects(scores, layer)].amax(2)


def score_losses(scores: Tensor, theirs: Tensor, layer: MultiBoxLoss, temperature: float) -> Tensor:
    """T² times the relative entropy of the nets' scores (N, P, classes) over T; (N, P)."""
    own, other = scores / temperature, theirs / temperature
    if not layer.logistic:
        wanted = torch.log_softmax(other, 2)
        found = functional.kl_div(
            torch.log_softmax(own, 2), wanted, reduction="none", log_target=True
        )
        return temperature**2 * found.sum(2)
    which = objects(scores, layer)
    own, other = own[..., which], other[..., which]
    wanted = torch.sigmoid(other)
    least = sigmoid_losses(other, wanted)  # what is left where both are the same
    return temperature**2 * (sigmoid_losses(own, wanted) - least).sum(2)


def objects(scores: Tensor, layer: MultiBoxLoss) -> Tensor:
    """The classes that are not the background; int64."""
    classes = torch.arange(scores.shape[2], device=scores.device)
    return classes[classes != layer.p.background_label_id]


def attention(values: Tensor) -> Tensor:
    """Where a map (N, C, H, W) is strong: the mean of the squares over its channels, each picture's
    made 1 long; (N, H·W)."""
    return functional.normalize(values.square().mean(1).flatten(1), dim=1)
