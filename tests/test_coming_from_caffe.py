"""The tables for people who come from the original: every command in them is one that we take."""

from __future__ import annotations

import re
import shlex

import click
import pytest
from support import ROOT

from ssd_data.cli import root

PAGE = ROOT / "docs" / "coming-from-caffe.md"
STEPS = (
    "create_list", "create_data.sh", "trainval_lmdb", "labelmap.prototxt", "gen_model.sh",
    "train.sh", "test.sh", "merge_bn.py", "demo.py", "caffe train", "caffe test", "caffe time",
    "generate_sfd.sh", "start_training.sh", "generate-lists.py", "ssd_pascal.py",
)  # fmt: skip


def commands() -> list[str]:
    """All commands of the page's tables' right columns."""
    rows = [line.split("|") for line in PAGE.read_text("utf-8").splitlines() if line[:1] == "|"]
    right = " ".join(cell for row in rows for cell in row[2:])
    return sorted(set(re.findall(r"`ssd-data ([^`]+)`", right)))


def steps_of_the_systems() -> list[str]:
    """The commands of the pages of the two reference systems; a comment may follow."""
    pages = [ROOT / "docs" / name for name in ("mobilenet-ssd.md", "sfd-640.md")]
    text = "\n".join(page.read_text("utf-8") for page in pages)
    return re.findall(r"^ssd-data ([^#\n]+)", text, re.M)


@pytest.mark.parametrize("line", sorted({*commands(), *steps_of_the_systems()}))
def test_the_command_is_one_of_ours(line: str) -> None:
    name, *args = shlex.split(line)
    if name == "--help":
        return
    command = root.get_command(click.Context(root), name)
    assert command is not None, name
    if args and args != ["--help"]:  # else the command is only named
        command.make_context(name, args)  # parses options and arguments, runs nothing


def test_every_step_has_its_place() -> None:
    text = PAGE.read_text("utf-8")
    for step in STEPS:
        assert step in text, step
    assert len(commands()) > 12
