"""A data set comes from a stranger, and so may modules that lie in it: none of them is run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from support import ROOT
from support.viewed import ordinary

PLANTED = (
    "cv2 numpy torch click lmdb PIL lxml msgspec google yaml tqdm simplejpeg jinja2 werkzeug "
    "waitress signal json shutil difflib tempfile logging sitecustomize usercustomize matplotlib "
    "ssd_plugin"
).split()
SCRIPT = "import sys\nfrom ssd_data.__main__ import start\nsys.exit(start())\n"  # as pip writes it
ASK = "import sys; from ssd_data import __main__ as m; m._forget_working_folder(); print(sys.path)"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An LMDB among modules that tell when they are run."""
    folder = tmp_path / "data"
    ordinary(folder / "x_lmdb", 3)
    said = "import os\nos.write(2, b'RAN ' + __name__.encode() + b'\\n')\nos._exit(77)\n"
    for name in PLANTED:
        (folder / f"{name}.py").write_text(said)
    (folder / "plugin-1.dist-info").mkdir()
    (folder / "plugin-1.dist-info" / "METADATA").write_text("Name: plugin\nVersion: 1\n")
    for group in ("ssd_data.formats", "torch.backends"):
        with (folder / "plugin-1.dist-info" / "entry_points.txt").open("a") as points:
            points.write(f"[{group}]\nevil = ssd_plugin:run\n")
    return folder


def run(folder: Path, *command: object, **env: str) -> subprocess.CompletedProcess[str]:
    paths = os.pathsep.join([env.pop("before", ""), str(ROOT)]).removeprefix(os.pathsep)
    return subprocess.run(
        [sys.executable, *map(str, command)], cwd=folder, capture_output=True, text=True,
        check=False, env={**os.environ, "PYTHONPATH": paths, **env},
    )  # fmt: skip


COMMANDS = [
    ("check", "x_lmdb"),
    ("inspect", "x_lmdb"),
    ("model", "tiny_ssd", "--num-classes", "3", "--summary"),
    ("build", "nowhere"),
    ("view", "x_lmdb", "-q"),
]


@pytest.mark.parametrize("command", COMMANDS)
def test_python_m(folder: Path, command: tuple[str, ...]) -> None:
    done = run(folder, "-m", "ssd_data", *command)
    assert "RAN" not in done.stderr
    assert "Traceback" not in done.stderr
    assert done.returncode in (0, 1, 2)
    assert done.returncode == 0 or "nowhere" in done.stderr or "-q hides" in done.stderr


def test_the_script(folder: Path, tmp_path: Path) -> None:
    script = tmp_path / "ssd-data"
    script.write_text(SCRIPT)
    done = run(folder, script, "check", "x_lmdb")
    assert "RAN" not in done.stderr
    assert done.returncode == 0


def test_an_empty_part_of_pythonpath(folder: Path) -> None:
    """What Caffe's instructions leave behind. Of what Python itself imports we cannot decide."""
    for name in ("signal", "json", "shutil", "logging", "tempfile", "sitecustomize", "difflib"):
        (folder / f"{name}.py").unlink()
    (folder / "usercustomize.py").unlink()
    env = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}"}
    done = subprocess.run(
        [sys.executable, "-m", "ssd_data", "check", "x_lmdb"], cwd=folder, env=env,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "RAN" not in done.stderr
    assert done.returncode == 0


def test_the_planted_ones_would_be_run(folder: Path) -> None:
    """Where Python looks there, they are; as they were before."""
    done = run(folder, "-c", "import cv2")
    assert (done.returncode, done.stderr) == (77, "RAN cv2\n")
    done = run(folder, "-m", "ssd_data", "check", "x_lmdb", before=str(folder))
    assert done.returncode == 77  # PYTHONPATH names it: so be it


def test_what_else_is_looked_in_stays(tmp_path: Path) -> None:
    paths = [str(tmp_path / "a"), str(ROOT)]
    for given in ([], ["-I"]):
        program = f"import sys; sys.path[:0] = {paths!r}; {ASK}"
        done = run(tmp_path, *given, "-c", program)
        assert done.stdout.startswith(f"['{paths[0]}', '{ROOT}'"), done.stderr


def test_a_working_folder_that_is_gone(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    program = f"import os; os.rmdir({str(gone)!r}); {ASK}"
    done = run(gone, "-c", program)
    assert done.returncode == 0, done.stderr
