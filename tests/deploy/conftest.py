"""What nets are scored on and calibrated by."""

from __future__ import annotations

from pathlib import Path

import pytest

from ssd_data import BuildOptions, build, find
from ssd_data.data.synthetic.sample import draw_sample


@pytest.fixture(scope="package")
def lmdb(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Half a dozen drawn pictures."""
    folder = tmp_path_factory.mktemp("lmdb")
    draw_sample(folder / "sample", train=6, test=6, size=96)
    build(find(folder / "sample" / "voc"), folder / "lmdbs", BuildOptions())
    return next((folder / "lmdbs").glob("*_test_lmdb"))
