"""The GitHub Action and the pre-commit hook, run as their files say."""

import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from support import ROOT, commands

BIN = Path(sys.executable).parent


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    layout = ("--layout", "voc", "--train", "4", "--test", "2", "--size", "64", "-q")
    assert commands.run("sample", tmp_path / "sample", *layout) == 0
    (tmp_path / "sample" / "voc").rename(tmp_path / "my data")
    return tmp_path


def spoil(data: Path) -> str:
    """Cut one annotation short; the file's name."""
    file = min((data / "Annotations").glob("*.xml"))
    file.write_bytes(file.read_bytes()[:200])
    return file.name


def run(script: list[str], folder: Path, **variables: str) -> "subprocess.CompletedProcess[str]":
    env = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}", **variables}
    return subprocess.run(script, cwd=folder, env=env, capture_output=True, text=True, check=False)


def action(folder: Path, dataset: str, options: str = "") -> "subprocess.CompletedProcess[str]":
    """The step of the Action that checks, as a runner runs it."""
    described: dict[str, Any] = yaml.safe_load((ROOT / "action.yml").read_text("utf-8"))
    step = described["runs"]["steps"][-1]
    inputs = {"dataset": dataset, "options": options}
    variables = {
        name: inputs[text.removeprefix("${{ inputs.").removesuffix(" }}")]
        for name, text in step["env"].items()
    }
    script = folder / "step.sh"
    script.write_text(step["run"])
    shell = ["bash", "--noprofile", "--norc", "-eo", "pipefail", str(script)]
    return run(shell, folder, GITHUB_STEP_SUMMARY=str(folder / "summary.md"), **variables)


def test_the_action_passes_on_a_sound_set(repository: Path) -> None:
    done = action(repository, "my data")
    assert done.returncode == 0, done.stdout
    assert "no errors" in done.stdout
    assert "\n    no errors" in (repository / "summary.md").read_text()


def test_the_action_fails_on_a_broken_set(repository: Path) -> None:
    name = spoil(repository / "my data")
    done = action(repository, "my data")
    assert done.returncode == 1
    assert name in done.stdout
    assert name in (repository / "summary.md").read_text()
    assert action(repository, "my data", "--missing skip --no-decode").returncode == 0


def test_the_action_takes_options(repository: Path) -> None:
    done = action(repository, "my data", "--split nowhere")
    assert done.returncode != 0
    assert "nowhere" in done.stdout


def test_no_input_of_the_action_reaches_a_script_but_as_a_variable() -> None:
    described = yaml.safe_load((ROOT / "action.yml").read_text("utf-8"))
    scripts = [step["run"] for step in described["runs"]["steps"] if "run" in step]
    assert len(scripts) == 2
    assert not any("${{" in script for script in scripts)


def test_the_hook(repository: Path) -> None:
    (hook,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text("utf-8"))
    assert (hook["language"], hook["pass_filenames"]) == ("python", False)
    words = [*shlex.split(hook["entry"]), "my data"]  # what a user gives as args
    assert run(words, repository).returncode == 0
    name = spoil(repository / "my data")
    done = run(words, repository)
    assert done.returncode == 1
    assert name in done.stdout + done.stderr
