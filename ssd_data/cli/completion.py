"""``ssd-data completion``"""

from __future__ import annotations

import os
from pathlib import Path

import click

from ssd_data.cli.parts import shared

VARIABLE = "_SSD_DATA_COMPLETE"
SHELLS = ("bash", "zsh", "fish")


@click.command(short_help="Let the shell complete commands, options and names.")
@click.argument("shell", type=click.Choice(SHELLS), required=False)
@click.option("--install", is_flag=True, help="Put it where the shell looks for such files.")
@shared.output_options
def command(shell: str | None, install: bool, as_json: bool, quiet: bool) -> None:
    """Print the script by which a shell completes this command, or install it.

    SHELL is bash, zsh or fish, by default the one that $SHELL names. Bash needs its package
    bash-completion. What is installed is one file below your home folder; remove it, and it is
    gone.

    \b
    Examples:
      ssd-data completion --install
      eval "$(ssd-data completion bash)"     # for this shell alone
    """
    name = shell or _shell_in_use()
    text = _script(name)
    file = _installed(name, text) if install else None
    if as_json:
        shared.print_json({"shell": name, "script": text, "file": file})
    elif file is None:
        shared.print_prototxt(text + "\n")
    elif not quiet:
        shared.say(f"{file}: from the next {name} on")
        if name == "zsh":
            shared.say("if .zshrc does not name that folder, put this before its compinit:")
            shared.say(f"  fpath=({file.parent} $fpath)")


def _installed(shell: str, text: str) -> Path:
    """The file that holds the script from now on."""
    from ssd_data.core.files.whole import failed, write_whole

    file = _place(shell)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_whole(file, text + "\n")
    except OSError as error:
        raise failed(error, file) from None
    return file


def _shell_in_use() -> str:
    name = Path(os.environ.get("SHELL", "")).name
    if name not in SHELLS:
        known = ", ".join(SHELLS)
        raise click.UsageError(f"$SHELL names none of {known}: name one of them.")
    return name


def _script(shell: str) -> str:
    from click.shell_completion import get_completion_class

    from ssd_data.cli import root

    kind = get_completion_class(shell)
    assert kind is not None
    return kind(root, {}, "ssd-data", VARIABLE).source().strip()


def _place(shell: str) -> Path:
    """Where each shell, or its usual package, looks for a user's own files."""
    home = Path.home()
    data = Path(os.environ.get("XDG_DATA_HOME") or home / ".local" / "share")
    config = Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config")
    return {
        "bash": data / "bash-completion" / "completions" / "ssd-data",
        "zsh": data / "zsh" / "site-functions" / "_ssd-data",
        "fish": config / "fish" / "completions" / "ssd-data.fish",
    }[shell]
