"""Priors that layers move about before a DetectionOutput reads them: folded once."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from support.nets import detector_text, write_detector
from support.prototxts import layer

from ssd_data import load_engine
from ssd_data.core.errors import InputError
from ssd_data.deploy import deploy as deploy_net
from ssd_data.engines.torch.net import Net
from ssd_data.nets import constants
from ssd_data.nets.constants import constant_blobs, fold_priors
from ssd_data.nets.graph import parse_graph
from ssd_data.nets.preprocessing import Preprocessing
from ssd_data.nets.sizes import map_sizes

INPUT = layer("Input", "x", "", "x", "input_param { shape { dim: 1 dim: 2 dim: 8 dim: 8 } }")
INPUT += layer("Pooling", "m", "x", "m", "pooling_param { kernel_size: 2 stride: 2 }")
PRIORS = "prior_box_param { min_size: 4 variance: 0.1 variance: 0.1 variance: 0.2 variance: 0.2 }"
BOTH = layer("PriorBox", "p", "x x", "p", PRIORS) + layer("PriorBox", "q", "m x", "q", PRIORS)
JOINED = BOTH + layer("Concat", "both", "q p", "both", "concat_param { axis: 2 }")
# Each leaves "end" with the priors of q, then those of p; 64 and 256 numbers.
WAYS = {
    "joined": BOTH + layer("Concat", "end", "q p", "end", "concat_param { axis: 2 }"),
    "flat": BOTH
    + layer("Flatten", "fq", "q", "fq", "flatten_param { axis: 2 }")
    + layer("Flatten", "fp", "p", "fp", "flatten_param { axis: -1 }")
    + layer("Concat", "end", "fq fp", "end", "concat_param { axis: -1 }"),
    "reshaped": BOTH
    + layer("Reshape", "rq", "q", "rq", "reshape_param { shape { dim: 0 dim: 2 dim: -1 dim: 4 } }")
    + layer("Reshape", "rp", "p", "rp", "reshape_param { shape { dim: 0 dim: 2 dim: -1 dim: 4 } }")
    + layer("Concat", "j", "rq rp", "j", "concat_param { axis: 2 }")
    + layer("Reshape", "end", "j", "end", "reshape_param { shape { dim: 0 dim: 0 dim: -1 } }"),
    "sliced": JOINED
    + 'layer { name: "s" type: "Slice" bottom: "both" top: "s1" top: "s2" top: "s3"\n'
    + "slice_param { axis: 2 slice_point: 12 slice_point: 100 } }\n"
    + layer("Concat", "end", "s1 s2 s3", "end", "concat_param { axis: 2 }"),
    "permuted": BOTH
    + layer("Permute", "tq", "q", "tq", "permute_param { order: 2 order: 1 order: 0 }")
    + layer("Permute", "tp", "p", "tp", "permute_param { order: 2 order: 1 order: 0 }")
    + layer("Concat", "j", "tq tp", "j", "concat_param { axis: 0 }")
    + layer("Permute", "end", "j", "end", "permute_param { order: 2 order: 1 order: 0 }"),
    "split": JOINED + 'layer { name: "s" type: "Split" bottom: "both" top: "end" top: "other" }\n',
}


@pytest.mark.parametrize("way", WAYS)
def test_folded_as_the_net_computes_them(way: str) -> None:
    graph = parse_graph(INPUT + WAYS[way])
    net = Net(graph)
    net.forward()
    folded = fold_priors(graph, "end", map_sizes(graph))
    assert folded.shape == (2, 80, 4)
    np.testing.assert_array_equal(folded.reshape(-1), net.blobs["end"].data.reshape(-1))
    boxes = folded[0]
    np.testing.assert_allclose(boxes[0], [-0.125, -0.125, 0.375, 0.375])  # of q, on 4 x 4 places
    np.testing.assert_allclose(boxes[16], [-0.1875, -0.1875, 0.3125, 0.3125])
    np.testing.assert_array_equal(folded[1], np.tile(np.float32([0.1, 0.1, 0.2, 0.2]), (80, 1)))
    assert {"q", "p", "end"} <= constant_blobs(graph)
    assert not {"x", "m"} & constant_blobs(graph)


def test_what_cannot_be_folded(monkeypatch: pytest.MonkeyPatch) -> None:
    graph = parse_graph(INPUT + JOINED + layer("ReLU", "r", "both", "end"))
    with pytest.raises(InputError, match=r'layer "r"\): the priors come from a ReLU'):
        fold_priors(graph, "end", map_sizes(graph))
    with pytest.raises(InputError, match='the size of "m" is not known'):
        fold_priors(parse_graph(INPUT + WAYS["flat"]), "end", {"x": (8, 8)})
    flat = parse_graph(INPUT + JOINED + layer("Flatten", "f", "both", "end"))
    with pytest.raises(InputError, match=r"the priors have shape \(1, 640\)"):
        fold_priors(flat, "end", map_sizes(flat))
    odd = "reshape_param { shape { dim: 7 dim: -1 } }"
    odd_net = parse_graph(INPUT + JOINED + layer("Reshape", "f", "both", "end", odd))
    with pytest.raises(InputError, match=r'layer "f"\): cannot be computed'):
        fold_priors(odd_net, "end", map_sizes(odd_net))
    monkeypatch.setattr(constants, "MOST_VALUES", 700)
    text = JOINED + layer("Concat", "c", "both both both", "end", "concat_param { axis: 2 }")
    large = parse_graph(INPUT + text)
    with pytest.raises(InputError, match="more priors than this package takes"):
        fold_priors(large, "end", map_sizes(large))


MOVED = """
layer { name: "cut" type: "Slice" bottom: "prior1" top: "a" top: "b"
  slice_param { axis: 2 slice_point: 24 } }
layer { name: "flat" type: "Flatten" bottom: "prior2" top: "c" flatten_param { axis: 2 } }
layer { name: "j" type: "Concat" bottom: "a" bottom: "b" bottom: "c" top: "joined"
  concat_param { axis: 2 } }
layer { name: "rows" type: "Reshape" bottom: "joined" top: "rows"
  reshape_param { shape { dim: 0 dim: 2 dim: -1 dim: 4 } } }
layer { name: "priors" type: "Flatten" bottom: "rows" top: "priors" flatten_param { axis: 2 } }
"""


def moved_text() -> str:
    """The tiny detector with priors that go another way, and a fourth bottom."""
    text = detector_text()
    start = text.index('layer { name: "priors"')
    end = text.index('layer { name: "conf_rows"')
    text = text[:start] + MOVED.strip() + "\n" + text[end:]
    return text.replace('bottom: "priors" top:', 'bottom: "priors" bottom: "data" top:')


def test_every_engine_and_profile_reads_them(tmp_path: Path) -> None:
    deploy, weights = write_detector(tmp_path)
    batch = np.random.default_rng(0).uniform(-1, 1, (2, 3, 64, 64)).astype(np.float32)
    (wanted, _) = plain = load_engine("torch", deploy, weights).detect(batch)
    assert len(wanted) > 5
    deploy.write_text(moved_text())
    engines = ["torch", "onnxruntime", "opencv", *(["ncnn"] if find_spec("ncnn") else [])]
    for name in engines:
        one_by_one = [load_engine(name, deploy, weights).detect(one[None])[0] for one in batch]
        for found, expected in zip(one_by_one, plain, strict=True):
            np.testing.assert_array_equal(found.labels, expected.labels)
            np.testing.assert_allclose(found.boxes, expected.boxes, atol=1e-4)
    preparing = Preprocessing((127.5, 127.5, 127.5), 0.007843)
    profiles = ["caffe-ssd", "npu", "onnx", *(["ncnn"] if find_spec("ncnn") else [])]
    for profile in profiles:
        made = deploy_net(profile, deploy, weights, tmp_path / profile, preparing)
        assert all(found.within(1e-3) for found in made.proofs)
        assert made.proofs
    assert (
        'bottom: "data"'
        not in (tmp_path / "npu" / "deploy.prototxt").read_text().split('name: "loc"')[1]
    )


def test_five_bottoms_are_another_net(tmp_path: Path) -> None:
    deploy, weights = write_detector(tmp_path)
    text = moved_text().replace(
        'bottom: "data" top: "det', 'bottom: "data" bottom: "data" top: "det'
    )
    deploy.write_text(text)
    for name in ("torch", "onnxruntime"):
        with pytest.raises(InputError, match=r'layer "detection_out"\): has 5 bottoms'):
            load_engine(name, deploy, weights)
