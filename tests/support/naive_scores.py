"""Scores as their originals describe them, box by box: slow, and written without a look at ours."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np

F = np.float32


def overlap(a: Any, b: Any, plus: float, kind: Any = float) -> float:
    a, b = [kind(x) for x in a], [kind(x) for x in b]
    w = kind(min(a[2], b[2]) - max(a[0], b[0])) + kind(plus)
    h = kind(min(a[3], b[3]) - max(a[1], b[1])) + kind(plus)
    if w <= 0 or h <= 0:
        return kind(0)
    area = [(c[2] - c[0] + kind(plus)) * (c[3] - c[1] + kind(plus)) for c in (a, b)]
    return w * h / (area[0] + area[1] - w * h)


def detection_evaluate(
    det: Any, gt: Any, classes: int, threshold: float, difficult: bool
) -> list[list[float]]:
    true: Any = defaultdict(lambda: defaultdict(list))
    for row in gt:
        true[int(row[0])][int(row[1])].append(row)
    found: Any = defaultdict(lambda: defaultdict(list))
    for row in det:
        if row[1] != -1:
            found[int(row[0])][int(row[1])].append(row)
    out = []
    for c in range(1, classes):
        rows = [r for image in true.values() for r in image.get(c, [])]
        out.append([-1, c, sum(difficult or not r[7] for r in rows), -1, -1])
    for image in sorted(found):
        for label in sorted(found[image]):
            boxes = found[image][label]
            mine = true[image].get(label, []) if image in true else []
            if not mine:
                out += [[image, label, r[2], 0, 1] for r in boxes]
                continue
            taken: set[int] = set()
            for r in sorted(boxes, key=lambda r: -r[2]):
                best, at = F(-1), -1
                for j, g in enumerate(mine):
                    o = overlap(r[3:7], g[3:7], 0, F)
                    if o > best:
                        best, at = o, j
                tp = fp = 0
                if best >= F(threshold):
                    if difficult or not mine[at][7]:
                        tp, fp = int(at not in taken), int(at in taken)
                        taken.add(at)
                else:
                    fp = 1
                out.append([image, label, r[2], tp, fp])
    return out


def compute_ap(tps: list[tuple[float, int]], positives: int, version: str) -> float:
    if not tps or not positives:
        return 0.0
    ranked = sorted(tps, key=lambda t: -t[0])
    prec, rec, tp = [], [], 0
    for i, (_, hit) in enumerate(ranked, 1):
        tp += hit
        prec.append(F(tp) / F(i))
        rec.append(F(tp) / F(positives))
    ap = F(0)
    if version == "11point":
        best = [F(0)] * 11
        start = len(rec) - 1
        for j in range(10, -1, -1):
            for i in range(start, -1, -1):
                if float(rec[i]) < j / 10.0:
                    start = i
                    if j:
                        best[j - 1] = best[j]
                    break
                best[j] = max(best[j], prec[i])
        for j in range(10, -1, -1):
            ap += best[j] / F(11)
    elif version == "MaxIntegral":
        cur_rec, cur_prec = rec[-1], prec[-1]
        for i in range(len(rec) - 2, -1, -1):
            cur_prec = max(prec[i], cur_prec)
            if abs(cur_rec - rec[i]) > 1e-6:
                ap += cur_prec * abs(cur_rec - rec[i])
            cur_rec = rec[i]
        ap += cur_rec * cur_prec
    else:
        previous = F(0)
        for p, r in zip(prec, rec, strict=True):
            if abs(r - previous) > 1e-6:
                ap += p * abs(r - previous)
            previous = r
    return float(ap)


def test_detection(rows: Any, version: str) -> float:
    positives: dict[int, int] = defaultdict(int)
    tps: Any = defaultdict(list)
    for image, label, score, tp, fp in rows:
        if image == -1:
            positives[int(label)] += int(score)
        elif tp or fp:
            tps[int(label)].append((score, int(tp)))
    total = sum(compute_ap(tps[c], n, version) for c, n in positives.items())
    return total / len(positives)


test_detection.__test__ = False  # type: ignore[attr-defined]


def voc_ap(rec: list[float], prec: list[float], version: str) -> float:
    if version == "VOC07":
        levels = [0, 0.1, 0.2, 3 * 0.1, 0.4, 0.5, 1 - 0.4, 1 - 3 * 0.1, 0.8, 0.9, 1]
        best = [max([p for r, p in zip(rec, prec, strict=True) if r >= t] or [0]) for t in levels]
        return sum(best) / 11
    mrec, mpre = [0.0, *rec, 1.0], [0.0, *prec, 0.0]
    for i in range(len(mpre) - 2, -1, -1):
        mpre[i] = max(mpre[i], mpre[i + 1])
    return sum((mrec[i] - mrec[i - 1]) * mpre[i] for i in range(1, len(mrec)))


def devkit(det: Any, gt: Any, label: int, threshold: float, version: str) -> float | None:
    """``det``: image, label, score, box; ``gt``: image, label, box, difficult."""
    true: Any = defaultdict(list)
    for g in gt:
        if g[1] == label:
            true[g[0]].append(g)
    positives = sum(not g[-1] for rows in true.values() for g in rows)
    if not positives:
        return None
    taken: set[Any] = set()
    tp = fp = 0
    rec, prec = [], []
    for d in sorted((d for d in det if d[1] == label), key=lambda d: -d[2]):
        best, at = -1.0, -1
        for j, g in enumerate(true[d[0]]):
            o = overlap(d[3:7], g[2:6], 1)
            if o > best:
                best, at = o, j
        if best >= threshold:
            if true[d[0]][at][-1]:
                continue
            tp, fp = (tp, fp + 1) if (d[0], at) in taken else (tp + 1, fp)
            taken.add((d[0], at))
        else:
            fp += 1
        rec.append(tp / positives)
        prec.append(tp / (tp + fp))
    return voc_ap(rec, prec, version)


def wider(pictures: list[tuple[Any, Any, set[int]]]) -> float:
    """Per picture: rows x y w h score; faces x y w h; the indices of those that count."""
    scores = [row[4] for rows, _, _ in pictures for row in rows]
    low, high = min(scores, default=0), max(scores, default=1)
    curve = np.zeros((1000, 2))
    faces = 0
    for rows, boxes, keep in pictures:
        faces += len(keep)
        if not len(boxes) or not len(rows):
            continue
        ranked = sorted(
            ([*r[:4], 1.0 if low == high else (r[4] - low) / (high - low)] for r in rows),
            key=lambda r: -r[4],
        )
        recall_list = [0] * len(boxes)
        proposal, recalled = [], []
        for x, y, w, h, _ in ranked:
            o = [overlap((x, y, x + w, y + h), (a, b, a + c, b + d), 1) for a, b, c, d in boxes]
            at = o.index(max(o))
            proposal.append(1)
            if o[at] >= 0.5:
                if at not in keep:
                    recall_list[at] = proposal[-1] = -1
                elif recall_list[at] == 0:
                    recall_list[at] = 1
            recalled.append(recall_list.count(1))
        for t in range(1000):
            above = [i for i, r in enumerate(ranked) if r[4] >= 1 - (t + 1) / 1000]
            if above:
                curve[t] += proposal[: above[-1] + 1].count(1), recalled[above[-1]]
    prec = [r / p if p else 0.0 for p, r in curve.tolist()]
    return voc_ap([r / max(faces, 1) for _, r in curve.tolist()], prec, "VOC10")


def coco_ap(det: Any, gt: Any, labels: list[int]) -> float | None:
    """AP over all sizes and thresholds. ``det``: image, label, score, x, y, w, h; ``gt``: image,
    label, x, y, w, h, crowd."""
    aps = []
    for threshold in np.linspace(0.5, 0.95, 10):
        for label in labels:
            positives = sum(g[1] == label and not g[6] for g in gt)
            if not positives:
                continue
            marks: list[tuple[float, int]] = []
            for image in sorted({r[0] for r in [*det, *gt]}):
                mine = [g for g in gt if g[0] == image and g[1] == label]
                mine = sorted(mine, key=lambda g: g[6])
                taken: set[int] = set()
                rows = [d for d in det if d[0] == image and d[1] == label]
                for d in sorted(rows, key=lambda d: -d[2])[:100]:
                    best, at = min(threshold, 1 - 1e-10), -1
                    for j, g in enumerate(mine):
                        if j in taken and not g[6]:
                            continue
                        if at > -1 and not mine[at][6] and g[6]:
                            break
                        o = _coco_overlap(d[3:7], g[2:6], g[6])
                        if o >= best:
                            best, at = o, j
                    if at == -1:
                        marks.append((d[2], 0))
                    elif not mine[at][6]:
                        marks.append((d[2], 1))
                    taken.add(at)
            ranked = sorted(marks, key=lambda m: -m[0])
            tp = np.cumsum([m[1] for m in ranked])
            rec = tp / positives
            prec = (tp / np.arange(1, len(tp) + 1)).tolist()
            for i in range(len(prec) - 1, 0, -1):
                prec[i - 1] = max(prec[i - 1], prec[i])
            at_points = np.searchsorted(rec, np.linspace(0, 1, 101), side="left")
            aps.append(np.mean([prec[i] if i < len(prec) else 0 for i in at_points]))
    return float(np.mean(aps)) if aps else None


def _coco_overlap(d: Any, g: Any, crowd: bool) -> float:
    w = min(d[0] + d[2], g[0] + g[2]) - max(d[0], g[0])
    h = min(d[1] + d[3], g[1] + g[3]) - max(d[1], g[1])
    if w <= 0 or h <= 0:
        return 0.0
    return w * h / (d[2] * d[3] if crowd else d[2] * d[3] + g[2] * g[3] - w * h)
