"""What the tests of batches are fed from."""

from pathlib import Path

import pytest
from support.data_layers import write_records


@pytest.fixture(scope="session")
def records(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_records(tmp_path_factory.mktemp("batches") / "db")
