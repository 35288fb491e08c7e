"""MobileNet V3's net as all readers have it: each gives what the embedded engine does."""

from __future__ import annotations

from pathlib import Path

import pytest

from ssd_data.deploy import deploy
from ssd_data.engines.torch.randomise import write_random_weights
from ssd_data.families.parts.write import write_model
from ssd_data.nets.preprocessing import Preprocessing

PREPARE = Preprocessing((127.5, 127.5, 127.5), 0.007843)
NEEDS = {"caffe-ssd": "cv2", "npu": "cv2", "onnx": "onnxruntime", "ncnn": "ncnn", "mnn": "MNN",
         "openvino": "openvino"}  # fmt: skip


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("v3")
    write_model("mobilenetv3_ssdlite", folder, num_classes=4, variant="small")
    weights = folder / "net.caffemodel"
    write_random_weights(folder / "deploy.prototxt", weights)
    return folder / "deploy.prototxt", weights


@pytest.mark.parametrize("profile", NEEDS)
def test_each_reader_computes_the_same(
    profile: str, net: tuple[Path, Path], tmp_path: Path
) -> None:
    pytest.importorskip(NEEDS[profile])
    shipped = deploy(profile, *net, tmp_path / "out", PREPARE)
    assert shipped is not None
    assert (tmp_path / "out" / "README.md").is_file()
