"""MobileNet V3 with SSDLite heads: the sizes of torchvision's, of layers that all readers have."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ssd_data import families
from ssd_data.engines.torch.summary import summarise
from ssd_data.nets.graph import to_graph
from ssd_data.nets.prototxt import to_text

PLAIN = set(
    "Input Convolution BatchNorm Scale ReLU Eltwise Sigmoid Pooling Permute Flatten Concat Reshape "
    "Softmax PriorBox DetectionOutput".split()
)


def deploy(**options: object) -> families.Model:
    return families.generate("mobilenetv3_ssdlite", 91, **options)


def test_its_layers_are_plain() -> None:
    for options in ({}, {"merged": True}, {"variant": "small"}, {"scores": "sigmoid"}):
        assert {layer.type for layer in deploy(**options).nets["deploy"].layer} <= PLAIN


def test_it_is_as_large_as_torchvisions() -> None:
    """ssdlite320_mobilenet_v3_large: 3.44 M parameters and 0.58 G of multiply-adds, 91 classes,
    3,234 boxes."""
    pytest.importorskip("torch")
    cost = summarise(to_graph(deploy().nets["deploy"], "TEST"))
    assert cost.parameters == pytest.approx(3.44e6, rel=0.02)
    assert cost.multiply_adds == pytest.approx(0.583e9, rel=0.05)
    small = summarise(to_graph(deploy(variant="small").nets["deploy"], "TEST"))
    assert small.multiply_adds < 0.5 * cost.multiply_adds


def test_its_functions_are_those_of_the_paper_but_smooth(tmp_path: Path) -> None:
    """swish by Sigmoid and a product, squeeze-and-excite by a Scale of two bottoms: computed with
    weights of a seed against plain numpy."""
    pytest.importorskip("torch")
    from ssd_data.engines.torch.net import Net
    from ssd_data.engines.torch.randomise import write_random_weights

    path = tmp_path / "deploy.prototxt"
    path.write_text(to_text(deploy(variant="small").nets["deploy"]))
    write_random_weights(path, tmp_path / "net.caffemodel")
    net = Net(path, "TEST", weights=tmp_path / "net.caffemodel", device="cpu")
    rng = np.random.default_rng(0)
    net.blobs["data"].data[...] = rng.normal(size=(1, 3, 320, 320))
    net.forward()

    def blob(name: str) -> np.ndarray:
        return np.array(net.blobs[name].data)

    x = blob("conv")
    np.testing.assert_allclose(blob("conv/swish"), x / (1 + np.exp(-x)), rtol=1e-5, atol=1e-6)
    x, gate = blob("block1/dw"), blob("block1/se/up")
    assert gate.shape == (1, 16, 1, 1)
    assert ((gate > 0) & (gate < 1)).all()
    np.testing.assert_allclose(blob("block1/se"), x * gate, rtol=1e-5, atol=1e-6)
    means = x.mean((2, 3), keepdims=True)
    np.testing.assert_allclose(blob("block1/se/pool"), means, rtol=1e-4, atol=1e-5)
