"""Nets put together from the text of their layers, and random weights for them."""

from __future__ import annotations

import numpy as np

from ssd_data.engines.torch.net import Net
from ssd_data.nets.caffemodel import Caffemodel, LayerWeights
from ssd_data.nets.graph import Graph, parse_graph

INPUT = 'layer { name: "data" type: "Input" top: "data" input_param { shape { %s } } }\n'
FOUR = INPUT % "dim: 2 dim: 4 dim: 7 dim: 6"


def layer(kind: str, name: str, bottom: str, top: str, rest: str = "") -> str:
    bottoms = " ".join(f'bottom: "{b}"' for b in bottom.split())
    return f'layer {{ name: "{name}" type: "{kind}" {bottoms} top: "{top}" {rest} }}\n'


def conv(name: str, bottom: str, top: str, rest: str = "", outputs: int = 4) -> str:
    rest = f"num_output: {outputs} kernel_size: 3 {rest}"
    return layer("Convolution", name, bottom, top, f"convolution_param {{ {rest} }}")


def bn(name: str, bottom: str, top: str, rest: str = "") -> str:
    return layer("BatchNorm", name, bottom, top, rest)


def scale(name: str, bottom: str, top: str, rest: str = "bias_term: true") -> str:
    return layer("Scale", name, bottom, top, f"scale_param {{ {rest} }}")


def random_weights(graph: Graph, seed: int = 0) -> list[LayerWeights]:
    """Values as in a trained net: variances above 0, a factor that is not 1."""
    random = np.random.default_rng(seed)
    layers = []
    for weights in Net(graph).weights():
        arrays = [random.normal(0, 0.5, a.shape).astype(np.float32) for a in weights.arrays]
        if weights.type == "BatchNorm":
            arrays[1] = random.uniform(0.01, 30, arrays[1].shape).astype(np.float32)
            arrays[2] = np.float32([random.choice([1.0, 0.5, 999.98])])
        layers.append(LayerWeights(weights.name, weights.type, arrays))
    return layers


def head(name: str, bottom: str, outputs: int, rest: str = "") -> str:
    """A confidence head on a feature map, up to its flat row."""
    text = conv(name, bottom, "c_" + bottom, f"pad: 1 {rest}", outputs)
    order = "permute_param { order: 0 order: 2 order: 3 order: 1 }"
    text += layer("Permute", name + "_perm", "c_" + bottom, "p_" + bottom, order)
    return text + layer("Flatten", name + "_flat", "p_" + bottom, "f_" + bottom)


def detector(
    classes: int,
    logistic: bool = False,
    suffix: str = "",
    priors: tuple[int, int] = (3, 6),
    end: str = "",
) -> str:
    filler = 'weight_filler { type: "gaussian" std: 0.01 } bias_filler { value: 0.25 }'
    text = FOUR + conv("a", "data", "a") + layer("ReLU", "r", "a", "a") + conv("b", "a", "b")
    text += head("a_conf" + suffix, "a", priors[0] * classes, filler)
    text += head("b_conf" + suffix, "b", priors[1] * classes, filler)
    text += layer("Concat", "conf", "f_a f_b", "conf")
    text += conv("loc", "a", "loc", outputs=4) + conv("prior", "a", "prior", outputs=4)
    scores = "conf"
    if logistic:
        text += layer("Sigmoid", "scores", "conf", "scores")
        scores = "scores"
    end = end or f"detection_output_param {{ num_classes: {classes} }}"
    return text + layer("DetectionOutput", "out", f"loc {scores} prior", "out", end)


def a_model(text: str, logistic: bool = False) -> Caffemodel:
    graph = parse_graph(text)
    part = graph.part(["conf", "loc", "prior"])
    return Caffemodel(random_weights(part), net=graph.net)
