"""Trained nets against the original's answers on real pictures: raw outputs and detections."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support.detections import differences

from ssd_data.engines.torch.net import Net


@pytest.fixture(params=["e", "g", "j"])
def case(request: pytest.FixtureRequest, shared: Path) -> tuple[Net, dict[str, np.ndarray]]:
    answers = shared.parent / "golden" / "nets" / f"net_mod11{request.param}.npz"
    if not answers.is_file():
        pytest.skip(f"no answers at {answers}")
    folder = shared / "models" / f"sfd_mobilenetv2_mod11{request.param}"
    net = Net(folder / "deploy.prototxt", folder / "wider_iter_90000.caffemodel", "TEST")
    return net, dict(np.load(answers))


def test_trained_net(case: tuple[Net, dict[str, np.ndarray]]) -> None:
    net, answers = case
    for i, picture in enumerate(answers["in/bgr_uint8"]):
        values = picture.transpose(2, 0, 1) - answers["in/mean_bgr"][:, None, None]
        net.forward(data=values[None].astype(np.float32))
        for key, theirs in answers.items():
            if key.startswith(f"out/{i}/"):
                name = key.split("/", 2)[2].replace("|", "/")
                compare(name, net.blobs[name].data, theirs)
    priors = next(b for b in net.blobs.values() if b.shape == answers["prior"].shape)
    np.testing.assert_array_equal(priors.data, answers["prior"])


def compare(name: str, ours: np.ndarray, theirs: np.ndarray) -> None:
    if name == "detection_out":
        assert not differences(ours[0, 0], theirs[0, 0], keep=750, threshold=0.3)
    else:
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-5 * np.abs(theirs).max())
