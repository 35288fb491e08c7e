"""Nets that take some sizes alone see pictures of any: with a margin that no box speaks of."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ssd_data import families
from ssd_data.engines import load_engine
from ssd_data.engines.torch.randomise import write_random_weights
from ssd_data.evaluation.protocols import make_plan
from ssd_data.evaluation.protocols._padded import detect_padded
from ssd_data.families.parts.write import write_model
from ssd_data.nets.graph import to_graph
from ssd_data.nets.preprocessing import Preprocessing
from ssd_data.nets.sizes import side_multiple

MEAN = Preprocessing((104.0, 117.0, 123.0))


@pytest.mark.parametrize(
    ("family", "wanted"),
    [("face_ssd", 32), ("mobilenet_ssd", 1), ("tiny_ssd", 1), ("vgg_ssd", 1),
     ("mobilenetv3_ssdlite", 1), ("sfd_mobilenetv2", 1)],
)  # fmt: skip
def test_what_sides_have_to_be_multiples_of(family: str, wanted: int) -> None:
    for stage in ("deploy", "train"):
        net = families.generate(family, num_classes=2).nets[stage]  # type: ignore[index]
        phase = "TRAIN" if stage == "train" else "TEST"
        assert side_multiple(to_graph(net, phase)) == wanted


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("faces")
    write_model("face_ssd", folder, num_classes=2, variant="100m", size=(64, 64))
    weights = folder / "net.caffemodel"
    write_random_weights(folder / "deploy.prototxt", weights)
    return folder / "deploy.prototxt", weights


def test_a_picture_of_any_size(faces: tuple[Path, Path]) -> None:
    pytest.importorskip("torch")
    engine = load_engine("torch", *faces, device="cpu", threshold=0.0)
    picture = np.random.default_rng(0).integers(0, 256, (70, 101, 3), np.uint8)
    larger = np.zeros((1, 3, 96, 128), np.float32)
    larger[0, :, :70, :101] = MEAN.apply(picture, None)
    (wanted,) = engine.detect(larger)
    plan = make_plan("single", MEAN, None)
    (found,) = plan.run(engine, [plan.prepare(picture)])
    assert len(found) == len(wanted) > 0
    np.testing.assert_array_equal(found.scores, wanted.scores)
    usual = np.abs(wanted.boxes).max(1) < 10  # weights are random
    assert usual.any()
    pixels = wanted.only(usual).in_pixels(128, 96)
    np.testing.assert_allclose(found.only(usual).in_pixels(101, 70), pixels, rtol=1e-5, atol=1e-4)
    fits = MEAN.apply(picture[:64, :96], None)[None]
    (same,), (own,) = detect_padded(engine, fits), engine.detect(fits)
    np.testing.assert_array_equal(same.boxes, own.boxes)
    assert len(make_plan("sfd", MEAN, None).run(engine, [picture])) == 1
