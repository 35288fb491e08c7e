"""MultiBoxLoss told once more, in plain loops over priors and boxes; slow, and easy to follow."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

F = np.float32


@dataclass
class Settings:
    """The parameters, under their own names."""

    num_classes: int = 3
    loc_loss_type: str = "SMOOTH_L1"
    conf_loss_type: str = "SOFTMAX"
    loc_weight: float = 1.0
    share_location: bool = True
    match_type: str = "PER_PREDICTION"
    overlap_threshold: float = 0.5
    use_prior_for_matching: bool = True
    background_label_id: int = 0
    use_difficult_gt: bool = True
    neg_pos_ratio: float = 3.0
    neg_overlap: float = 0.5
    code_type: str = "CENTER_SIZE"
    encode_variance_in_target: bool = False
    map_object_to_agnostic: bool = False
    ignore_cross_boundary_bbox: bool = False
    bp_inside: bool = False
    mining_type: str = "MAX_NEGATIVE"
    sample_size: int = 64
    use_prior_for_nms: bool = False
    nms_threshold: float = 0.0  # 0: no nms_param
    top_k: int = -1
    normalization: str = "VALID"

    def text(self) -> str:
        own = {"nms_threshold", "top_k", "normalization"}
        pairs = [(k, v) for k, v in vars(self).items() if k not in own]
        fields = " ".join(
            f"{k}: {str(v).lower() if v in (True, False) and isinstance(v, bool) else v}"
            for k, v in pairs
        )
        if self.nms_threshold:
            fields += f" nms_param {{ nms_threshold: {self.nms_threshold} top_k: {self.top_k} }}"
        return (
            f"loss_param {{ normalization: {self.normalization} }} "
            f"multibox_loss_param {{ {fields} }}"
        )


@dataclass
class Answer:
    """What the twin finds.

    A gradient is a difference: a location less the one wanted, a probability less its target. In
    single precision it is off by the last bits of what it is the difference of, however small it
    is itself. ``loc_terms`` and ``conf_terms`` hold these, weighted as the gradients are.
    """

    loss: float = 0.0
    matches: int = 0
    negatives: list[list[int]] = field(default_factory=list)
    index: list[dict[int, list[int]]] = field(default_factory=list)
    loc_grad: np.ndarray = field(default_factory=lambda: np.zeros(0))
    conf_grad: np.ndarray = field(default_factory=lambda: np.zeros(0))
    loc_terms: np.ndarray = field(default_factory=lambda: np.zeros(0))
    conf_terms: np.ndarray = field(default_factory=lambda: np.zeros(0))


def size_of(box: np.ndarray) -> np.float32:
    if box[2] < box[0] or box[3] < box[1]:
        return F(0)
    return (box[2] - box[0]) * (box[3] - box[1])


def overlap_of(a: np.ndarray, b: np.ndarray) -> np.float32:
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return F(0)
    shared = width * height
    return shared / (size_of(a) + size_of(b) - shared)


def leaves(box: np.ndarray) -> bool:
    return any(v < 0 or v > 1 for v in box)


def encode(s: Settings, box: np.ndarray, prior: np.ndarray, variance: np.ndarray) -> list[float]:
    width, height = float(prior[2] - prior[0]), float(prior[3] - prior[1])
    if s.code_type == "CENTER_SIZE":
        code = [
            (box[0] + box[2] - prior[0] - prior[2]) / 2 / width,
            (box[1] + box[3] - prior[1] - prior[3]) / 2 / height,
            math.log((box[2] - box[0]) / width),
            math.log((box[3] - box[1]) / height),
        ]
    else:
        over = [width, height, width, height] if s.code_type == "CORNER_SIZE" else [1] * 4
        code = [(box[k] - prior[k]) / over[k] for k in range(4)]
    if not s.encode_variance_in_target:
        code = [c / float(v) for c, v in zip(code, variance, strict=True)]
    return [float(c) for c in code]


def decode(s: Settings, code: np.ndarray, prior: np.ndarray, variance: np.ndarray) -> np.ndarray:
    width, height = prior[2] - prior[0], prior[3] - prior[1]
    if not s.encode_variance_in_target:
        code = code * variance
    if s.code_type == "CORNER":
        return prior + code
    if s.code_type == "CORNER_SIZE":
        return prior + code * np.array([width, height, width, height], F)
    x = code[0] * width + (prior[0] + prior[2]) / F(2)
    y = code[1] * height + (prior[1] + prior[3]) / F(2)
    w, h = np.exp(code[2]) * width / F(2), np.exp(code[3]) * height / F(2)
    return np.array([x - w, y - h, x + w, y + h], F)


def match(s: Settings, boxes: list, truths: list, label: int) -> tuple[list[int], list[float]]:
    index, best = [-1] * len(boxes), [F(0)] * len(boxes)
    mine = [j for j, t in enumerate(truths) if label in (-1, t[0])]
    if not mine:
        return index, best
    table = {}
    for i, box in enumerate(boxes):
        if s.ignore_cross_boundary_bbox and leaves(box):
            index[i] = -2
            continue
        for j in mine:
            value = overlap_of(box, truths[j][1])
            if value > 1e-6:
                table[i, j] = value
                best[i] = max(best[i], value)
    pool = list(mine)
    while pool:
        open_pairs = [(-v, i, j) for (i, j), v in table.items() if index[i] == -1 and j in pool]
        if not open_pairs:
            break
        _, i, j = min(open_pairs)
        index[i] = j
        pool.remove(j)
    if s.match_type == "PER_PREDICTION":
        for i in range(len(boxes)):
            enough = [
                (-table[i, j], j)
                for j in mine
                if table.get((i, j), 0) >= F(s.overlap_threshold) and (i, j) in table
            ]
            if index[i] == -1 and enough:
                index[i] = min(enough)[1]
    return index, best


def conf_loss(s: Settings, row: np.ndarray, label: int) -> float:
    row = row.astype(np.float64)
    if s.conf_loss_type == "SOFTMAX":
        e = np.exp(row - row.max())
        return -math.log(max(e[label] / e.sum(), float(np.finfo(F).tiny)))
    return sum(np.logaddexp(0, x) - x * (c == label) for c, x in enumerate(row))


def loc_loss(s: Settings, d: list[float]) -> float:
    if s.loc_loss_type == "L2":
        return sum(0.5 * v * v for v in d)
    return sum(0.5 * v * v if abs(v) < 1 else abs(v) - 0.5 for v in d)


def nms(s: Settings, boxes: list, losses: list[float]) -> list[int]:
    order = sorted(range(len(losses)), key=lambda i: -losses[i])
    if s.top_k > -1:
        order = order[: s.top_k]
    order = [i for i in order if float(size_of(boxes[i])) >= 1e-5]
    kept: list[int] = []
    for i in order:
        if s.top_k > -1 and len(kept) >= s.top_k:
            break
        if all(overlap_of(boxes[k], boxes[i]) <= F(s.nms_threshold) for k in kept):
            kept.append(i)
    return kept


def twin(
    s: Settings, loc: np.ndarray, conf: np.ndarray, prior: np.ndarray, label: np.ndarray
) -> Answer:
    """loc (N, P, classes or 1, 4), conf (N, P, C), prior (2, P, 4), label (M, 8)."""
    answer = Answer(
        loc_grad=np.zeros(loc.shape),
        conf_grad=np.zeros(conf.shape),
        loc_terms=np.zeros(loc.shape),
        conf_terms=np.zeros(conf.shape),
    )
    priors, variances = prior
    pictures, count = conf.shape[:2]
    all_truths = []
    for n in range(pictures):
        rows = [r for r in label if int(r[0]) == n and (s.use_difficult_gt or not r[7])]
        all_truths.append([(int(r[1]), r[3:7]) for r in rows])
    kinds = (
        [-1]
        if s.share_location
        else [c for c in range(s.num_classes) if c != s.background_label_id]
    )

    def place(kind: int) -> int:
        return 0 if s.share_location else kind

    def wanted_of(n: int, p: int, j: int) -> list[float]:
        return encode(s, all_truths[n][j][1].astype(np.float64), priors[p], variances[p])

    def difference(n: int, kind: int, p: int, j: int) -> list[float]:
        given, wanted = loc[n, p, place(kind)], wanted_of(n, p, j)
        d = [float(g) - w for g, w in zip(given, wanted, strict=True)]
        if s.encode_variance_in_target:
            d = [v / float(q) for v, q in zip(d, variances[p], strict=True)]
        if s.bp_inside:
            box = (
                priors[p] if s.use_prior_for_matching else decode(s, given, priors[p], variances[p])
            )
            d = [0.0 if box[k] < 0 or box[k] > 1 else d[k] for k in range(4)]
        return d

    overlaps = []
    for n in range(pictures):
        truths = all_truths[n]
        found: dict[int, list[int]] = {}
        best: dict[int, list[float]] = {}
        if truths and not s.use_prior_for_matching:
            for kind in kinds:
                boxes = [
                    decode(s, loc[n, p, place(kind)], priors[p], variances[p]) for p in range(count)
                ]
                found[kind], best[kind] = match(s, boxes, truths, kind)
        elif truths:
            index, over = match(s, list(priors), truths, -1)
            for kind in kinds:
                found[kind] = (
                    index
                    if kind == -1
                    else [j if j > -1 and truths[j][0] == kind else -1 for j in index]
                )
                best[kind] = over
        answer.index.append(found)
        overlaps.append(best)

    mines = s.mining_type != "NONE"
    for n in range(pictures):
        negatives: list[int] = []
        for kind, index in answer.index[n].items() if mines else ():
            losses = []
            for p, j in enumerate(index):
                value = conf_loss(
                    s, conf[n, p], all_truths[n][j][0] if j > -1 else s.background_label_id
                )
                if j > -1 and s.mining_type == "HARD_EXAMPLE":
                    value += loc_loss(s, difference(n, kind, p, j))
                losses.append(value)
            if s.mining_type == "HARD_EXAMPLE":
                eligible = list(range(count))
                number = min(s.sample_size, count)
            else:
                eligible = [
                    p
                    for p in range(count)
                    if index[p] == -1 and overlaps[n][kind][p] < F(s.neg_overlap)
                ]
                positives = sum(j > -1 for j in index)
                number = min(int(F(positives) * F(s.neg_pos_ratio)), len(eligible))
            if s.nms_threshold > 0:
                boxes = (
                    list(priors)
                    if s.use_prior_for_nms
                    else [decode(s, loc[n, p, 0], priors[p], variances[p]) for p in range(count)]
                )
                kept = nms(s, [boxes[p] for p in eligible], [losses[p] for p in eligible])
                taken = {eligible[k] for k in kept[:number]}
            else:
                taken = set(sorted(eligible, key=lambda p: -losses[p])[:number])
            for p in range(count):
                if index[p] > -1 and s.mining_type == "HARD_EXAMPLE" and p not in taken:
                    index[p] = -1
                elif index[p] == -1 and p in taken:
                    negatives.append(p)
        answer.negatives.append(negatives)

    answer.matches = sum(
        j > -1 for found in answer.index for index in found.values() for j in index
    )
    normalizer = max(
        1,
        {"FULL": pictures * count, "VALID": answer.matches, "BATCH_SIZE": pictures, "NONE": 1}[
            s.normalization
        ],
    )
    loc_sum = 0.0
    for n in range(pictures):
        for kind, index in answer.index[n].items():
            for p, j in enumerate(index):
                if j > -1:
                    d = difference(n, kind, p, j)
                    loc_sum += loc_loss(s, d)
                    slope = d if s.loc_loss_type == "L2" else np.clip(d, -1, 1)
                    answer.loc_grad[n, p, place(kind)] = np.array(slope) * s.loc_weight / normalizer
                    terms = np.abs(loc[n, p, place(kind)]) + np.abs(wanted_of(n, p, j))
                    if s.encode_variance_in_target:
                        terms = terms / variances[p]
                    answer.loc_terms[n, p, place(kind)] = terms * s.loc_weight / normalizer
    conf_sum = add_conf(s, conf, all_truths, answer, normalizer)
    answer.loss = (s.loc_weight * loc_sum + conf_sum) / normalizer
    return answer


def add_conf(
    s: Settings, conf: np.ndarray, all_truths: list, answer: Answer, normalizer: int
) -> float:
    pictures, count, classes = conf.shape
    mines = s.mining_type != "NONE"
    looked = np.full((pictures, count), not mines)
    labels = np.full((pictures, count), s.background_label_id)
    targets = np.full(conf.shape, float(s.background_label_id))
    flat = targets.reshape(-1)
    for n in range(pictures):
        for index in answer.index[n].values():
            for p, j in enumerate(index):
                if j > -1:
                    label = (
                        s.background_label_id + 1
                        if s.map_object_to_agnostic
                        else all_truths[n][j][0]
                    )
                    labels[n, p] = label
                    looked[n, p] = True
                    if mines:
                        targets[n, p, label] = 1
                    else:
                        flat[n * count + p * classes + label] = 1
        for p in answer.negatives[n]:
            looked[n, p] = True
            targets[n, p, s.background_label_id] = 1
    total = 0.0
    for n, p in zip(*looked.nonzero(), strict=True):
        row = conf[n, p].astype(np.float64)
        if s.conf_loss_type == "SOFTMAX":
            total += conf_loss(s, conf[n, p], labels[n, p])
            e = np.exp(row - row.max())
            grad = e / e.sum()
            grad[labels[n, p]] -= 1
        else:
            total += float(sum(np.logaddexp(0, row) - row * targets[n, p]))
            grad = 1 / (1 + np.exp(-row)) - targets[n, p]
        answer.conf_grad[n, p] = grad / normalizer
        answer.conf_terms[n, p] = 1 / normalizer
    return total
