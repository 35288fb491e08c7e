"""MultiBoxLoss: SSD's loss, from matching and mining to its two sums (``multibox_loss_param``)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ssd_data.engines.torch.boxes import CORNER, Coding, Priors, outside
from ssd_data.engines.torch.labels import require_labels
from ssd_data.engines.torch.loss import (
    LossLayer,
    half_square,
    sigmoid_losses,
    smooth_l1,
    softmax_losses,
    with_value,
)
from ssd_data.engines.torch.matching import UNMATCHED, GroundTruth, match
from ssd_data.engines.torch.mining import confidence_losses, greatest, greatest_apart
from ssd_data.proto import caffe_pb2

MultiBox = caffe_pb2.MultiBoxLossParameter


@dataclass(frozen=True, slots=True)
class Parts:
    """What the last forward found, as scalars on the net's device, for logs.

    Attributes:
        loc, conf: the two parts of the loss, weighted and normalised.
        matches: how many priors have a ground truth.
        examples: how many priors the confidence loss looked at.
        normalizer: what both sums were divided by.
    """

    loc: Tensor
    conf: Tensor
    matches: Tensor
    examples: Tensor
    normalizer: Tensor


class MultiBoxLoss(LossLayer):
    """(loc_weight · localisation loss + confidence loss) / normalizer.

    Bottoms: offsets (N, P·4) or, not shared, (N, P·classes·4); scores (N, P·classes); priors and
    their variances (1, 2, P·4); ground truth (1, 1, M, 8): picture, label, instance, xmin, ymin,
    xmax, ymax, difficult, with picture -1 where there is none.

    Attributes:
        parts: see :class:`Parts`; None before the first forward.
        objective: computes the loss of the bottoms in its place, see ``training/recipe``.
        compensates: whether truths with few priors get more (``--scale-compensation``).
    """

    bottoms = (4, 4)
    no_gradient = (2, 3)
    parts: Parts | None = None
    objective: Callable[[MultiBoxLoss, Tensor, Tensor, Tensor, Tensor], Tensor] | None = None
    compensates: bool = False

    def setup(self, *bottoms: Tensor) -> None:
        """Check the parameters against one another, as the original does."""
        p = self.p = self.param.multibox_loss_param
        self.mines = p.mining_type != MultiBox.NONE
        self.logistic = p.conf_loss_type == MultiBox.LOGISTIC
        self.coding = Coding(p.code_type, p.encode_variance_in_target)
        self.suppresses = p.HasField("nms_param") and p.nms_param.nms_threshold > 0
        if not p.num_classes:
            raise self.error("num_classes is missing, or 0")
        if p.background_label_id + p.map_object_to_agnostic >= p.num_classes:
            raise self.error(f"has {p.num_classes} classes, background_label_id is none of them")
        if p.map_object_to_agnostic and p.num_classes != 2:
            raise self.error("map_object_to_agnostic needs num_classes 2: background and object")
        if p.HasField("do_neg_mining") and p.do_neg_mining != self.mines:
            raise self.error("do_neg_mining contradicts mining_type", "Leave do_neg_mining out")
        if self.mines and not p.share_location:
            raise self.error("share_location: false goes with mining_type: NONE only")
        if p.mining_type == MultiBox.HARD_EXAMPLE and p.sample_size <= 0:
            raise self.error(f"sample_size is {p.sample_size}, not above 0")

    def complete(self, param: caffe_pb2.LayerParameter) -> None:
        """Locations and confidences alone get gradients."""
        if not param.propagate_down:
            param.propagate_down.extend([True, True, False, False])
        super().complete(param)

    def check_shapes(self, *bottoms: Tensor) -> None:
        """As many predictions as the priors ask for, and eight numbers a box."""
        loc, conf, prior, label = bottoms
        count = prior.numel() // 8
        self.loc_classes = 1 if self.p.share_location else self.p.num_classes
        if not count or prior.numel() != 8 * count or prior.shape[:2] != (1, 2):
            raise self.error(f"priors have shape {tuple(prior.shape)}, not 1 x 2 x (priors * 4)")
        pairs = [(loc, self.loc_classes * 4, "location"), (conf, self.p.num_classes, "confidence")]
        for bottom, each, name in pairs:
            size = bottom.shape[1:].numel()
            if size != count * each:
                raise self.error(f"has {size} {name} predictions for {count} priors of {each}")
        if label.shape[-1:] != (8,):
            raise self.error(f"labels have shape {tuple(label.shape)}, not 1 x 1 x boxes x 8")

    def forward(self, *bottoms: Tensor) -> Tensor:
        """The loss, a scalar; of a part whose ``propagate_down`` is false nothing enters."""
        loc, conf, prior, label = bottoms
        if self.objective is not None:
            return self.objective(self, loc, conf, prior, label)
        p, pictures = self.p, len(loc)
        priors = self.priors_of(prior.detach())
        offsets = loc.reshape(pictures, len(priors.boxes), self.loc_classes, 4)
        scores = conf.reshape(pictures, len(priors.boxes), p.num_classes)
        truth = self.truth_of(label.detach(), pictures)
        with torch.no_grad():
            index, overlap = self.match_priors(offsets, priors, truth)
            chosen = torch.ones_like(overlap, dtype=torch.bool)
            if self.mines:
                index, chosen = self.mine(scores, offsets, priors, truth, index, overlap)
        matches = (index >= 0).sum()
        normalizer = self.normalizer(pictures, len(priors.boxes), matches)
        difference = self.differences(offsets, priors, truth, index)[-1]
        loc_loss = p.loc_weight * self.loc_losses(difference).sum() / normalizer
        conf_loss = self.conf_loss_of(scores, truth, index, chosen) / normalizer
        return self.sum_of(loc_loss, conf_loss, matches, chosen.sum(), normalizer)

    def sum_of(
        self, loc: Tensor, conf: Tensor, matches: Tensor, examples: Tensor, normalizer: Tensor
    ) -> Tensor:
        """Both parts of the loss together; all of it is kept as :attr:`parts`."""
        self.parts = Parts(loc.detach(), conf.detach(), matches, examples, normalizer)
        asked = self.param.propagate_down or (True, True)
        zero = torch.zeros((), device=loc.device)
        return (loc if asked[0] else zero) + (conf if asked[1] else zero)

    # ---- what the bottoms hold ----

    def priors_of(self, prior: Tensor) -> Priors:
        """The priors (1, 2, P·4) as boxes and variances."""
        boxes, variances = prior.reshape(2, -1, 4)
        if not (variances > 0).all():
            raise self.error("a prior's variance is not above 0")
        decodes = not self.p.use_prior_for_matching or (
            self.suppresses and not self.p.use_prior_for_nms
        )
        if decodes and self.coding.kind != CORNER and not (boxes[:, 2:] > boxes[:, :2]).all():
            raise self.error("a prior has no area")
        return Priors(boxes, variances)

    def truth_of(self, label: Tensor, pictures: int) -> GroundTruth:
        """The boxes that count, of labels (1, 1, M, 8)."""
        p, rows = self.p, label.reshape(-1, 8).cpu()
        picture = rows[:, 0].long()
        rows, picture = (t[(picture >= 0) & (picture < pictures)] for t in (rows, picture))
        labels = rows[:, 1].long()
        if (labels == p.background_label_id).any():
            raise self.error(
                f"a ground truth box has the background's label, {p.background_label_id}"
            )
        if self.mines or not (p.map_object_to_agnostic and p.share_location):
            require_labels(self, labels, p.num_classes)
        kept = (rows[:, 7] == 0) | p.use_difficult_gt
        device = label.device
        return GroundTruth(
            picture[kept].to(device), labels[kept].to(device), rows[kept, 3:7].to(device)
        )

    # ---- matching and mining; no gradients ----

    def match_priors(
        self, offsets: Tensor, priors: Priors, truth: GroundTruth
    ) -> tuple[Tensor, Tensor]:
        """Rows of the truth (N, P, 1 or classes), and the greatest overlaps (N, P)."""
        p, pictures = self.p, len(offsets)
        threshold = p.overlap_threshold if p.match_type == MultiBox.PER_PREDICTION else None

        def find(boxes: Tensor, among: GroundTruth) -> tuple[Tensor, Tensor]:
            return match(
                boxes,
                among,
                pictures,
                threshold=threshold,
                ignore_outside=p.ignore_cross_boundary_bbox,
                compensates=self.compensates,
            )

        if p.share_location:
            own = p.use_prior_for_matching
            boxes = priors.boxes if own else self.coding.decode(offsets[:, :, 0], priors)
            index, overlap = find(boxes, truth)
            return index[..., None], overlap
        index = torch.full(offsets.shape[:3], UNMATCHED, device=offsets.device)
        if p.use_prior_for_matching:
            found, overlap = find(priors.boxes, truth)
            places = (found >= 0).nonzero(as_tuple=True)
            index[(*places, truth.label[found[places]])] = found[places]
            return index, overlap
        for c in sorted(set(truth.label.tolist())):
            rows = (truth.label == c).nonzero().squeeze(1)
            found, overlap = find(self.coding.decode(offsets[:, :, c], priors), truth.rows(rows))
            index[:, :, c] = torch.where(found >= 0, rows[found.clamp(min=0)], found)
        return index, offsets.new_zeros(offsets.shape[:2])

    def mine(
        self,
        scores: Tensor,
        offsets: Tensor,
        priors: Priors,
        truth: GroundTruth,
        index: Tensor,
        overlap: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """The matches that stay (N, P, 1), and the priors, matched or not, to look at (N, P)."""
        p = self.p
        matched = index >= 0
        losses = confidence_losses(scores, self.labels_of(truth, index), self.logistic)
        eligible = torch.zeros_like(overlap, dtype=torch.bool)
        eligible[truth.picture] = True  # a picture without truth gives no examples
        if p.mining_type == MultiBox.HARD_EXAMPLE:
            picture, prior, _, difference = self.differences(offsets, priors, truth, index)
            losses[picture, prior] += self.loc_losses(difference).sum(1)
            count = torch.full((len(losses),), p.sample_size, device=losses.device)
        else:
            eligible &= (index[..., 0] == UNMATCHED) & (overlap < p.neg_overlap)
            count = (matched.sum((1, 2)).float() * p.neg_pos_ratio).long()
        if self.suppresses:
            own = p.use_prior_for_nms
            boxes = priors.boxes if own else self.coding.decode(offsets[:, :, 0], priors)
            nms = p.nms_param
            taken = greatest_apart(losses, eligible, count, boxes, nms.nms_threshold, nms.top_k)
        else:
            taken = greatest(losses, eligible, count)
        negatives = taken & (index[..., 0] == UNMATCHED)
        if p.mining_type == MultiBox.HARD_EXAMPLE:
            index = torch.where(matched & ~taken[..., None], UNMATCHED, index)
        return index, negatives | (index[..., 0] >= 0)

    # ---- the two sums ----

    def differences(
        self, offsets: Tensor, priors: Priors, truth: GroundTruth, index: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Picture, prior and class of each match (K,), and its offsets' errors (K, 4)."""
        picture, prior, c = (index >= 0).nonzero(as_tuple=True)
        given, own = offsets[picture, prior, c], priors.rows(prior)
        wanted = self.coding.encode(truth.boxes[index[picture, prior, c]], own)
        difference = given - wanted
        if self.coding.in_target:
            # The original divides both by the variance, and leaves it out of the gradient.
            difference = with_value(given / own.variances - wanted / own.variances, given)
        if self.p.bp_inside:
            by_prior = self.p.use_prior_for_matching
            boxes = own.boxes if by_prior else self.coding.decode(given.detach(), own)
            difference = difference.masked_fill(outside(boxes), 0)
        return picture, prior, c, difference

    def loc_losses(self, difference: Tensor) -> Tensor:
        """Of each error (K, 4) its loss."""
        l2 = self.p.loc_loss_type == MultiBox.L2
        return half_square(difference) if l2 else smooth_l1(difference)

    def labels_of(self, truth: GroundTruth, index: Tensor, agnostic: bool = False) -> Tensor:
        """Each prior's label (N, P); of several classes' matches the last one's counts."""
        picture, prior, c = (index >= 0).nonzero(as_tuple=True)
        background = self.p.background_label_id
        labels = torch.full(index.shape[:2], background, device=index.device)
        if agnostic:
            labels[picture, prior] = background + 1
        elif index.shape[2] == 1:
            labels[picture, prior] = truth.label[index[picture, prior, c]]
        else:
            classes = torch.arange(index.shape[2], device=index.device)
            last = torch.where(index >= 0, classes, -1).amax(2)
            labels = torch.where(last >= 0, last, labels)
        return labels

    def softmax_losses(self, scores: Tensor, labels: Tensor) -> Tensor:
        """Of scores (K, classes) and labels (K,) the losses (K,)."""
        return softmax_losses(scores, labels)

    def conf_loss_of(
        self, scores: Tensor, truth: GroundTruth, index: Tensor, chosen: Tensor
    ) -> Tensor:
        """The sum of the losses of the chosen priors' scores, a scalar."""
        labels = self.labels_of(truth, index, self.p.map_object_to_agnostic)
        if not self.logistic:
            return self.softmax_losses(scores[chosen], labels[chosen]).sum()
        # Where a class is no object's, the original's target is the background's number, not 0.
        targets = torch.full_like(scores, self.p.background_label_id)
        if self.mines:
            targets.scatter_(2, labels[..., None], 1)
        else:
            self._targets_without_mining(targets, truth, index)
        return sigmoid_losses(scores[chosen], targets[chosen]).sum()

    def _targets_without_mining(self, targets: Tensor, truth: GroundTruth, index: Tensor) -> None:
        """Mark the objects where the original does.

        It moves on by P values a picture where a picture has P · classes; so from the second
        picture on the marks land on other priors, and a net trained that way has learned them.
        """
        picture, prior, c = (index >= 0).nonzero(as_tuple=True)
        label = truth.label[index[picture, prior, c]]
        if self.p.map_object_to_agnostic:
            label = torch.full_like(label, self.p.background_label_id + 1)
        _, priors, classes = targets.shape
        targets.view(-1)[picture * priors + prior * classes + label] = 1
