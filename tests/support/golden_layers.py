"""The original's answers for single layers, as engines and emitters are asked for them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ssd_data.nets.caffemodel import LayerWeights
from ssd_data.nets.graph import Graph, read_graph
from support import GOLDEN

FOLDER = GOLDEN / "layers"
# Engines take nets of one input, in which BatchNorm does not learn.
CASES = sorted(
    p.stem
    for p in FOLDER.glob("layer_*.npz")
    if "_norm_train" not in p.stem and len(read_graph(p.with_suffix(".prototxt")).inputs) == 1
)


class GoldenLayer(NamedTuple):
    """A net of one layer, its arrays, what it reads, and what the original made of it.

    Attributes:
        blob: the top's name.
    """

    graph: Graph
    layers: list[LayerWeights]
    value: np.ndarray
    blob: str
    answer: np.ndarray


def golden_layer(case: str) -> GoldenLayer:
    arrays = {key.replace("|", "/"): v for key, v in np.load(FOLDER / f"{case}.npz").items()}
    graph = read_graph(FOLDER / f"{case}.prototxt")
    own: dict[str, dict[int, np.ndarray]] = {}
    for key, value in arrays.items():
        if key.startswith("param_before/"):
            name, _, i = key.removeprefix("param_before/").rpartition("/")
            own.setdefault(name, {})[int(i)] = value
    layers = [LayerWeights(n, "", [by[i] for i in sorted(by)]) for n, by in own.items()]
    (wanted,) = (key for key in arrays if key.startswith("out/"))
    value = arrays[f"in/{graph.inputs[0]}"]
    return GoldenLayer(graph, layers, value, wanted.removeprefix("out/"), arrays[wanted])
