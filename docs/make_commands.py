"""Writes ``docs/commands.md``, or the file named, from the commands' own help: ``make docs``."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from ssd_data.cli import root, sections

PAGE = Path(__file__).with_name("commands.md")
WIDTH = 80


def reference() -> str:
    """The page: every command's ``--help``, in the order of the work."""
    parts = [
        "# Commands",
        "What `--help` says; `make docs` writes this page, and a test compares it.",
    ]
    for title, names in sections().items():
        links = ", ".join(f"[{name}](#ssd-data-{name})" for name in names)
        parts.append(f"{title}: {links}")
    for names in sections().values():
        for name in names:
            command = root.get_command(click.Context(root), name)
            assert command is not None
            parts += [
                f"## ssd-data {name}",
                f"```text\n{help_of(command, f'ssd-data {name}')}\n```",
            ]
            for inner in getattr(command, "commands", {}).values():
                called = f"ssd-data {name} {inner.name}"
                parts += [f"### {called}", f"```text\n{help_of(inner, called)}\n```"]
    return "\n\n".join(parts) + "\n"


def help_of(command: click.Command, called: str) -> str:
    """Its help at a width of 80, by the name that it is called with."""
    context = click.Context(
        command, info_name=called, terminal_width=WIDTH, max_content_width=WIDTH,
        help_option_names=["-h", "--help"],
    )  # fmt: skip
    return "\n".join(line.rstrip() for line in command.get_help(context).splitlines())


if __name__ == "__main__":
    Path(*sys.argv[1:] or [PAGE]).write_text(reference(), encoding="utf-8")
