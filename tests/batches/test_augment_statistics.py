"""What the data layer delivers is distributed as what the original's delivers.

Between two samples of 2,000 and 4,000 pictures of one distribution the statistic exceeds .037 in
one of twenty columns and .05 in one of 400; the seed is fixed.
"""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.augment import build_trainval, layer_of
from benchmarks.kolmogorov import Columns, distance, distances, golden
from ssd_data.batches import Batches

DRAWS = 2000
FILES = {"mobilenet": "mobilenet_ssd", "sfd": "sfd640"}
LIMIT = 0.05


@pytest.fixture(scope="module")
def source(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_trainval(shared / "VOCdevkit", tmp_path_factory.mktemp("statistics") / "lmdb")


@pytest.mark.parametrize("name", FILES)
def test_distributions(name: str, shared: Path, source: Path) -> None:
    file = shared.parent / "golden" / f"augment_{FILES[name]}.npz"
    if not file.is_file():
        pytest.skip(f"no goldens at {file}")
    columns = Columns()
    with Batches(layer_of(name, source), seed=1) as batches:
        columns.take(batches, DRAWS)
    found = distances(columns.arrays(), golden(file))
    assert max(found.values()) < LIMIT, found


def test_the_statistic() -> None:
    one, other = np.array([1, 2, 3, 4], np.float32), np.array([3, 4, 5, 6], np.float32)
    assert distance(one, one) == 0
    assert distance(one, other) == 0.5
    assert distance(one, other + 9) == 1
