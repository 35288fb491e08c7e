"""What the elements of a recipe's loss work on: a batch's predictions, their matches, pairs."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from ssd_data.engines.torch.boxes import Priors
from ssd_data.engines.torch.layers.multiboxloss import MultiBox, MultiBoxLoss
from ssd_data.engines.torch.matching import GroundTruth


@dataclass(frozen=True, slots=True)
class PriorMatches:
    """Which truth each prior is matched with.

    Attributes:
        index: int64 (N, P), a row of the truth, or UNMATCHED, or IGNORED.
        overlap: float32 (N, P), the prior's greatest overlap with any truth.
    """

    index: Tensor
    overlap: Tensor


@dataclass(frozen=True, slots=True)
class MatchedPairs:
    """K matched priors and their truths.

    Attributes:
        picture, prior: int64 (K,). label: int64 (K,), of the truth.
        difference: float32 (K, 4), the errors of the offsets, as the original's loss has them.
        given: float32 (K, 4), the predicted boxes; wanted: the truths. Both in pixels of the input.
        l2: whether the net's own loss of the errors is a square.
    """

    picture: Tensor
    prior: Tensor
    label: Tensor
    difference: Tensor
    given: Tensor
    wanted: Tensor
    l2: bool = False


@dataclass(frozen=True, slots=True)
class MapSize:
    """A feature map with priors.

    Attributes:
        count: how many priors. width, height: places of the map.
    """

    count: int
    width: int
    height: int


@dataclass(frozen=True)
class Predictions:
    """What a net says of a batch of N pictures, and what is true of them.

    Attributes:
        layer: the MultiBoxLoss.
        offsets: float32 (N, P, 4). scores: float32 (N, P, classes), before softmax or sigmoid.
        priors: P boxes and variances. truth: the batch's boxes. All boxes are fractions.
        levels: the feature maps, in the order of their priors.
        size: width and height of the net's input.
    """

    layer: MultiBoxLoss
    offsets: Tensor
    scores: Tensor
    priors: Priors
    truth: GroundTruth
    levels: tuple[MapSize, ...]
    size: tuple[int, int]

    @property
    def logistic(self) -> bool:
        """Whether each class has its own sigmoid."""
        return self.layer.logistic

    @property
    def background(self) -> int:
        """The class that no box has."""
        return self.layer.p.background_label_id

    @property
    def pictures(self) -> int:
        """How many there are: N."""
        return len(self.scores)

    @cached_property
    def pixels(self) -> Tensor:
        """What makes pixels of fractions; float32 (4,)."""
        return torch.tensor(self.size * 2, dtype=torch.float32, device=self.scores.device)

    @cached_property
    def boxes(self) -> Tensor:
        """The predicted boxes of all priors, no gradient; float32 (N, P, 4)."""
        return self.layer.coding.decode(self.offsets.detach(), self.priors)

    @cached_property
    def objects(self) -> Tensor:
        """The classes that are not the background; int64."""
        classes = torch.arange(self.scores.shape[2], device=self.scores.device)
        return classes[classes != self.background]

    def pairs(self, index: Tensor) -> MatchedPairs:
        """The matches of an index (N, P)."""
        picture, prior, _, difference = self.layer.differences(
            self.offsets[:, :, None], self.priors, self.truth, index[..., None]
        )
        row = index[picture, prior]
        given = self.layer.coding.decode(self.offsets[picture, prior], self.priors.rows(prior))
        wanted = self.truth.boxes[row] * self.pixels
        label = self.truth.label[row]
        l2 = self.layer.p.loc_loss_type == MultiBox.L2
        return MatchedPairs(picture, prior, label, difference, given * self.pixels, wanted, l2)

    def labels(self, index: Tensor) -> Tensor:
        """Each prior's class (N, P), the background's where it has no match."""
        return self.layer.labels_of(self.truth, index[..., None])
