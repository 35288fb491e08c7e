"""Our own face detector: what it costs, what it is made of, what it refuses."""

import numpy as np
import pytest

from ssd_data import UsageError, families
from ssd_data.engines.torch.summary import summarise
from ssd_data.nets.graph import to_graph

# Every reader of Caffe's files that nets are shipped to has these.
PLAIN = set(
    "Input Convolution BatchNorm Scale ReLU Eltwise Deconvolution Permute Flatten Concat Reshape "
    "Sigmoid PriorBox DetectionOutput".split()
)


@pytest.mark.parametrize(("variant", "most"), [("500m", 500e6), ("100m", 125e6)])
def test_it_costs_what_its_name_says(variant: str, most: float) -> None:
    pytest.importorskip("torch")
    net = families.generate("face_ssd", num_classes=2, variant=variant).nets["deploy"]
    cost = summarise(to_graph(net, "TEST")).multiply_adds
    assert 0.75 * most < cost <= most


def test_its_layers_are_plain() -> None:
    for options in ({}, {"merged": True}):
        net = families.generate("face_ssd", num_classes=2, **options).nets["deploy"]
        assert {layer.type for layer in net.layer} <= PLAIN


def test_what_is_enlarged_is_a_picture_twice_as_wide() -> None:
    """Its fixed deconvolution leaves a ramp a ramp."""
    torch = pytest.importorskip("torch")
    from ssd_data.engines.torch.fillers import fill

    net = families.generate("face_ssd", num_classes=2).nets["train"]
    (layer,) = (layer for layer in net.layer if layer.name == "up0")
    weight = torch.zeros(1, 1, 4, 4)
    fill(weight, layer.convolution_param.weight_filler, "up0")
    ramp = torch.arange(6.0).repeat(6, 1)[None, None]
    wide = torch.nn.functional.conv_transpose2d(ramp, weight, stride=2, padding=1)
    np.testing.assert_allclose(wide[0, 0, 5, 2:-2].numpy(), np.arange(0.75, 4.5, 0.5))
    assert [param.lr_mult for param in layer.param] == [0]


def test_sides_are_multiples_of_32() -> None:
    families.generate("face_ssd", num_classes=2, size=(320, 224))
    with pytest.raises(UsageError, match="630 is no multiple of 32"):
        families.generate("face_ssd", num_classes=2, size=(640, 630))
