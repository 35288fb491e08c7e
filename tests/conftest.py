"""What all tests share."""

import os
import shutil
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

from support import GOLDEN, ROOT, commands, data_layers  # noqa: E402


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


@pytest.fixture(scope="session")
def records(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return data_layers.write_records(tmp_path_factory.mktemp("batches") / "db")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The golden runs' files, with the copy of the LMDB that the test net names."""
    folder = tmp_path / "run"
    shutil.copytree(GOLDEN / "training", folder)
    shutil.copytree(folder / "lmdb", folder / "lmdb_test")
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def solver_file(folder: Path) -> Path:
    """A short run with random augmentation, a snapshot every 4 of 12 iterations."""
    net = (folder / "train.prototxt").read_text()
    augment = "mirror: true distort_param { brightness_prob: 0.5 brightness_delta: 32 } "
    (folder / "train.prototxt").write_text(
        net.replace("transform_param {", "transform_param { " + augment, 1)
    )
    path = folder / "short.prototxt"
    path.write_text(
        'train_net: "train.prototxt" test_net: "test.prototxt" test_iter: 2 test_interval: 6\n'
        "test_initialization: false display: 1 max_iter: 12 snapshot: 4 random_seed: 5\n"
        'snapshot_prefix: "short" eval_type: "detection" ap_version: "11point"\n'
        'type: "SGD" base_lr: 0.005 momentum: 0.9 weight_decay: 0.0005 lr_policy: "fixed"\n'
    )
    return path


@pytest.fixture(autouse=True)
def _no_ambient_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSD_DATA_ROOT", raising=False)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes minutes begins first, so that nothing waits for it at the end."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


settings.register_profile("ci", derandomize=True, deadline=None)
settings.register_profile("here", deadline=None)
settings.load_profile("ci" if os.environ.get("CI") else "here")
