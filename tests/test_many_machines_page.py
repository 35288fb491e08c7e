"""From one machine to many: each command of that page runs, in the page's order."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest
from support import ROOT, commands

from ssd_data.cli import root

PAGE = ROOT / "docs" / "from-one-machine-to-many.md"
BLOCK = re.compile(r"^```sh(.*)\n((?:.*\n)*?)```", re.M)


def lines(kind: str) -> list[str]:
    """The commands of all blocks of a kind: those without a word run here."""
    blocks = BLOCK.findall(PAGE.read_text("utf-8"))
    found = [line for word, text in blocks if word.strip() == kind for line in text.splitlines()]
    assert found
    assert all(line.startswith("ssd-data ") for line in found)
    return found


def test_each_command_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("torch")
    monkeypatch.chdir(tmp_path)
    for line in lines(""):
        status = commands.run(*shlex.split(line)[1:])
        assert status == 0, f"{line}: {capfd.readouterr().err}"
    assert Path("BIG/voc_trainval_lmdb/shards.json").is_file()
    assert Path("found").is_dir()


@pytest.mark.parametrize("line", lines("on a cluster"))
def test_what_needs_a_cluster_is_taken(line: str) -> None:
    name, *args = shlex.split(line)[1:]
    command = root.get_command(click.Context(root), name)
    assert command is not None
    command.make_context(name, args)  # parses options and arguments, runs nothing
