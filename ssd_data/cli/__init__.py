"""The command line: one file a command, named after it, that parses, calls and prints.

A command's module has ``command``, a click command. Nothing heavier than click is imported before a
command runs, so that ``ssd-data --help`` answers at once.
"""

from __future__ import annotations

import io
import os
import sys
import traceback
import warnings
from typing import TextIO

import click

from ssd_data.cli.parts.cuts import cuts_said
from ssd_data.cli.parts.shared import report_error, say
from ssd_data.cli.parts.stops import SAID, STOPPED, stops
from ssd_data.core.errors import (
    SsdDataError,
    SsdDataWarning,
    UsageError,
    is_out_of_memory,
    said_by_system,
)
from ssd_data.core.registry import COMMANDS
from ssd_data.core.version import __version__

DEBUG = "SSD_DATA_DEBUG"
# What --help shows, in the order of the work; a command that is not here stands at the end.
SECTIONS = {
    "Data": "download build labelmap link shard merge check diff inspect report view export sample",
    "Nets": "model fit import-backbone weights transfer",
    "Training": "train tune recipe test",
    "Scores": "eval score",
    "Use": "merge-bn deploy detect parity time pycaffe",
    "This machine": "doctor completion",
}
OTHER = "Other"


class Commands(click.Group):
    """Finds commands by their file's name."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All files of this folder, in the order of the work."""
        return [name for names in sections().values() for name in names]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """A section for each step of the work."""
        width = max(map(len, self.list_commands(ctx)))
        for title, names in sections().items():
            rows = []
            for name in names:
                command = self.get_command(ctx, name)
                assert command is not None
                text = command.get_short_help_str(formatter.width - 6 - width)
                rows.append((name.ljust(width), text))
            with formatter.section(title):
                formatter.write_dl(rows)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name, None where there is none."""
        if cmd_name not in self.list_commands(ctx):
            return None
        command: click.Command = COMMANDS.load(cmd_name).command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; an unknown one's error names the nearest."""
        from difflib import get_close_matches

        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            if near := get_close_matches(args[0], self.list_commands(ctx), n=1):
                text = f"{error.message} Did you mean '{near[0]}'?"
                raise click.UsageError(text, ctx) from None
            raise


def sections() -> dict[str, list[str]]:
    """The names of all commands by section."""
    there = set(COMMANDS.names())
    found = {title: [n for n in names.split() if n in there] for title, names in SECTIONS.items()}
    listed = {name for names in found.values() for name in names}
    found[OTHER] = sorted(there - listed)
    return {title: names for title, names in found.items() if names}


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=lambda ctx, param, value: _say_version(ctx) if value else None,
    help="Say which release this is, on what, and exit.",
)
def root() -> None:
    """From raw detection data sets to Caffe's LMDBs, and on to trained, scored, shipped detectors.

    \b
    Example:
      ssd-data build voc0712 --root VOCdevkit --link .
      ssd-data train --build VOC0712 --family mobilenet_ssd

    Exit status: 0 done, 1 failed, 2 wrong usage, 130 stopped by Ctrl-C or SIGTERM.
    """


def _say_version(ctx: click.Context) -> None:
    """The line that a report of a fault begins with."""
    import platform

    from ssd_data.core.installed import version

    names = ("numpy", "opencv-python-headless", "lmdb", "torch")
    there = ", ".join(f"{name} {found}" for name in names if (found := version(name)))
    system = f"{platform.system()} {platform.machine()}"
    say(f"ssd-data, version {__version__} (Python {platform.python_version()}, {system}; {there})")
    ctx.exit()


def main(args: list[str] | None = None) -> None:
    """Run the command line and exit."""
    args = sys.argv[1:] if args is None else args
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # as standard error is
    with stops(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="PIL")  # of broken pictures; our errors say it
        _say_warnings(quiet=not {"-q", "--quiet"}.isdisjoint(args))
        try:
            _run(args)
        except SystemExit as ended:
            _let_go(ended)
            raise


def _say_warnings(quiet: bool) -> None:
    """This package's warnings become lines on standard error, each once."""
    warnings.simplefilter("ignore" if quiet else "default", SsdDataWarning)
    others = warnings.showwarning

    def show(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        if issubclass(category, SsdDataWarning):
            say(f"warning: {message}", err=True)
        else:
            others(message, category, filename, lineno, file, line)

    warnings.showwarning = show


def _run(args: list[str]) -> None:
    try:
        # Outside standalone mode click returns the status of ctx.exit() instead of exiting.
        with cuts_said(args):
            sys.exit(root.main(args, prog_name="ssd-data", standalone_mode=False) or 0)
    except (click.Abort, KeyboardInterrupt):
        say(SAID, err=True)
        sys.exit(STOPPED)
    except click.ClickException as error:
        if not _is_said_by_another(args):
            said = UsageError(" ".join(error.format_message().split()))
            report_error(said, args, usage=error)
        sys.exit(2)
    except SsdDataError as error:
        report_error(error, args)
        sys.exit(2 if isinstance(error, UsageError) else 1)
    except BrokenPipeError:
        sys.stderr.close()  # whoever read our output has gone, as `head` does
        sys.exit(1)
    except Exception as error:
        if os.environ.get(DEBUG):
            raise
        if isinstance(error, OSError):
            report_error(said_by_system(error), args)
            sys.exit(1)
        if is_out_of_memory(error):
            hint = "Lower batch_size or the pictures' size (iter_size makes up for a small batch)"
            report_error(SsdDataError("out of memory", hint=hint), args)
            sys.exit(1)
        hint = f"If the input is not to blame, please report it with what {DEBUG}=1 shows"
        report_error(SsdDataError(f"{type(error).__name__}: {error}", hint=hint), args)
        sys.exit(1)


def _let_go(ended: SystemExit) -> None:
    """What a failed command had open is closed, also where the process goes on: its error, which
    the exit keeps, keeps the frames that held it."""
    error: BaseException | None = ended.__context__
    while error is not None:
        traceback.clear_frames(error.__traceback__)
        error = error.__context__


def _is_said_by_another(args: list[str]) -> bool:
    """Whether this is one of several processes that train, and not the first."""
    from ssd_data.training.processes import is_follower

    return args[:1] == ["train"] and is_follower()
