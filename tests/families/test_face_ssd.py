"""Our own face detector: what it costs, what it is made of, what it refuses."""

from pathlib import Path
from typing import Any

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


def test_a_training_of_other_sides_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: Any
) -> None:
    pytest.importorskip("torch")
    monkeypatch.chdir(tmp_path)
    sample = ("sample", "s", "--layout", "voc", "--train", 4, "--test", 2, "--size", 64, "-q")
    assert run(*sample).status == 0
    assert run("build", "s/voc", "-o", "SHAPES", "--link", ".", "-q").status == 0
    made = run("model", "face_ssd", "--build", "SHAPES", "-o", "f", "--size", "64x64", "-q")
    assert made.status == 0
    Path("in.toml").write_text("[input]\nscales = [0.7]\nmultiple = 16\n")
    train = ("train", "f/solver.prototxt", "--device", "cpu", "--max-iter", 1)
    done = run(*train, "--recipe", "in.toml")
    assert done.status == 1
    assert "the net does not take pictures of 48x48" in done.err
    assert "round to multiples of 32" in done.err
    net = Path("f/train.prototxt")
    net.write_text(net.read_text().replace("height: 64", "height: 70"))
    done = run(*train)
    assert done.status == 1
    assert "pictures of 64x70, but sides have to be multiples of 32" in done.err
    assert "64x64 would do" in done.err
