"""The line that brings what is missing."""

import sys

import pytest

from ssd_data.core.errors import SsdDataError
from ssd_data.core.optional import install_line, require


@pytest.mark.parametrize(
    ("prefix", "line"),
    [
        ("/usr", "pip install 'ssd-data[view]'"),
        ("/home/me/tools/venv", "pip install 'ssd-data[view]'"),
        ("/home/me/pipx/venv", "pip install 'ssd-data[view]'"),
        ("/x/uv/archive-v0/Xd4", "uvx --from 'ssd-data[view]' ssd-data view 'my lmdb'"),
        ("/x/uv/tools/ssd-data", "uv tool install 'ssd-data[view]'"),
        ("/x/pipx/.cache/61ca", "pipx run --spec 'ssd-data[view]' ssd-data view 'my lmdb'"),
        ("/x/pipx/venvs/ssd-data", "pipx install --force 'ssd-data[view]'"),
    ],
)
def test_who_runs_it_can_install_it(
    prefix: str, line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "prefix", prefix)
    monkeypatch.setattr(sys, "argv", ["/x/bin/ssd-data", "view", "my lmdb"])
    assert install_line("view") == line
    with pytest.raises(SsdDataError) as caught:
        require("no_such_module", "view")
    assert caught.value.hint == f"Install it: {line}"


def test_without_an_extra() -> None:
    assert install_line("") == "pip install ssd-data"
