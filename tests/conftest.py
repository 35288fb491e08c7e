"""What all tests share."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

# Threads of several test processes would wait for one another.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# A shell's background job ignores Ctrl-C, and so would all that the tests start and interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

import pytest
from hypothesis import settings

# Its assertions tell what differs, as a test's own do.
pytest.register_assert_rewrite("support")

from support import GOLDEN, ROOT, commands  # noqa: E402


@pytest.fixture(scope="session")
def golden() -> Path:
    return GOLDEN


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real data; tests that need it skip where it is not."""
    folder = Path(os.environ.get("SSD_DATA_SHARED", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real data at {folder} (set SSD_DATA_SHARED)")
    return folder


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> Callable[..., commands.Result]:
    """Runs a command of ``ssd-data``, which may fail but not with a traceback."""

    def call(*args: object) -> commands.Result:
        status = commands.run(*args)
        out, err = capfd.readouterr()
        assert "Traceback" not in err
        return commands.Result(status, out, err)

    return call


@pytest.fixture(autouse=True)
def _no_ambient_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSD_DATA_ROOT", raising=False)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes minutes begins first, so that nothing waits for it at the end."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


settings.register_profile("ci", derandomize=True, deadline=None)
settings.register_profile("here", deadline=None)
settings.load_profile("ci" if os.environ.get("CI") else "here")
