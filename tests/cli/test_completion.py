"""What a shell completes, and where its script goes."""

import subprocess
import sys
from pathlib import Path

import pytest
from support import commands

BIN = Path(sys.executable).parent


def completed(words: str, folder: Path) -> list[str]:
    """What bash is offered behind these words."""
    given = words.split(" ")
    program = subprocess.run(
        [str(BIN / "ssd-data")],
        env={
            "_SSD_DATA_COMPLETE": "bash_complete",
            "COMP_WORDS": words,
            "COMP_CWORD": str(len(given) - 1),
        },
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    return program.stdout.split()


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("ssd-data merge", ["plain,merge", "plain,merge-bn"]),
        ("ssd-data train --build B --family tiny", ["plain,tiny_ssd"]),
        ("ssd-data deploy RUN --profile ope", ["plain,openvino"]),
        ("ssd-data eval L --engine onnxr", ["plain,onnxruntime"]),
        ("ssd-data build D --format voc", ["plain,voc"]),
        ("ssd-data detect D W --family sfd_m", ["plain,sfd_mobilenetv2"]),
        ("ssd-data model vgg", ["plain,vgg_ssd", "file,vgg"]),
        ("ssd-data check ", []),
    ],
)
def test_commands_options_and_names_are_completed(
    words: str, offered: list[str], tmp_path: Path
) -> None:
    assert completed(words, tmp_path) == offered


@pytest.mark.parametrize(
    ("shell", "file"),
    [
        ("bash", "data/bash-completion/completions/ssd-data"),
        ("zsh", "data/zsh/site-functions/_ssd-data"),
        ("fish", "config/fish/completions/ssd-data.fish"),
    ],
)
def test_the_script_goes_where_the_shell_looks(
    shell: str,
    file: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("SHELL", f"/usr/bin/{shell}")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    assert commands.run("completion") == 0
    printed = capsys.readouterr().out
    assert "_SSD_DATA_COMPLETE" in printed
    for _ in range(2):  # also over an older one
        assert commands.run("completion", "--install") == 0
    out = capsys.readouterr().out
    assert (tmp_path / file).read_text() == printed
    assert str(tmp_path / file) in out
    assert ("fpath" in out) == (shell == "zsh")


def test_bash_itself_takes_the_script(tmp_path: Path) -> None:
    script = (
        'eval "$(ssd-data completion bash)"; COMP_WORDS=(ssd-data par); COMP_CWORD=1; '
        '_ssd_data_completion ssd-data par ssd-data; echo "${COMPREPLY[@]}"'
    )
    program = subprocess.run(
        ["bash", "--norc", "-c", script],
        env={"PATH": f"{BIN}:/usr/bin:/bin"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert program.stdout.split() == ["parity"]


def test_an_unknown_shell(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SHELL", "/bin/tcsh")
    assert commands.run("completion") == 2
    assert "names none of bash, zsh, fish" in capsys.readouterr().err
