"""MultiBoxLoss layers, and what to feed them."""

from __future__ import annotations

import numpy as np
import torch

from ssd_data.engines.torch.interpreter import Interpreter
from ssd_data.engines.torch.layers.multiboxloss import MultiBoxLoss
from ssd_data.nets.graph import parse_graph
from support.multibox_twin import Settings


def make(
    s: Settings,
    pictures: int,
    priors: int,
    boxes: int,
    more: str = "",
    kind: str = "MultiBoxLoss",
) -> MultiBoxLoss:
    each = 1 if s.share_location else s.num_classes
    shapes = [(pictures, priors * 4 * each), (pictures, priors * s.num_classes)]
    shapes += [(1, 2, priors * 4), (1, 1, boxes, 8)]
    text = "".join(f"shape {{ {' '.join(f'dim: {n}' for n in shape)} }}" for shape in shapes)
    graph = parse_graph(
        'layer { name: "in" type: "Input" top: "loc" top: "conf" top: "prior" top: "label" '
        f"input_param {{ {text} }} }}\n"
        f'layer {{ name: "mbox" type: "{kind}" bottom: "loc" bottom: "conf" bottom: "prior" '
        f'bottom: "label" top: "loss" {more} {s.text()} }}',
        "TRAIN",
    )
    layer = Interpreter(graph, torch.device("cpu")).steps[1]
    assert isinstance(layer, MultiBoxLoss)
    return layer


def draw_boxes(rng: np.random.Generator, count: int, grid: int, out: int = 0) -> np.ndarray:
    """Boxes on a coarse grid, so that overlaps tie."""
    low = rng.integers(-out, grid, (count, 2))
    high = low + rng.integers(1, max(2, grid // 2), (count, 2))
    return (np.concatenate([low, high], 1) / grid).astype(np.float32)


def draw(s: Settings, seed: int, pictures: int, priors: int, boxes: int) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    each = 1 if s.share_location else s.num_classes
    loc = rng.normal(0, 1, (pictures, priors, each, 4)).astype(np.float32)
    conf = rng.normal(0, 2, (pictures, priors, s.num_classes)).astype(np.float32)
    conf[:, priors // 2 :][:, ::3] = conf[:, :1]  # rows that tie in mining
    prior = np.stack([draw_boxes(rng, priors, 8, 2), np.full((priors, 4), 0.5, np.float32)])
    prior[1, :, 2:] = 0.25
    label = np.zeros((boxes, 8), np.float32)
    label[:, 0] = rng.integers(-1, pictures, boxes)
    label[:, 1] = rng.integers(s.background_label_id + 1, s.num_classes, boxes)
    label[:, 3:7] = draw_boxes(rng, boxes, 8)
    label[rng.random(boxes) < 0.1, 5] = 0  # inverted, or without area
    label[:, 7] = rng.random(boxes) < 0.3
    return [loc, conf, prior, label]
