"""Options of ``train`` that the original has not, in a group of their own in the help."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from ssd_data.cli.parts import shared

_F = TypeVar("_F", bound=Callable[..., Any])
_COUNT = click.IntRange(0)
_OPTIONS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("--warm-up", {"type": _COUNT, "metavar": "N", "help": "Let the rate rise over N iterations."}),
    (
        "--ema",
        {
            "type": shared.Number(0, 1, max_open=True),
            "metavar": "DECAY",
            "help": "Test and snapshot a moving average of the weights; 0.999, say.",
        },
    ),
    (
        "--amp",
        {
            "type": click.Choice(["off", "bf16", "fp16"]),
            "help": "Mixed precision; fp16 needs a GPU.",
        },
    ),
    (
        "--channels-last/--no-channels-last",
        {"default": None, "help": "How pictures lie in memory.  [default: channels last]"},
    ),
    (
        "--compile/--no-compile",
        {"default": None, "help": "Run the net through torch.compile."},
    ),
    (
        "--cache",
        {"type": _COUNT, "metavar": "MB", "help": "Keep decoded pictures in memory."},
    ),
    (
        "--scale-compensation/--no-scale-compensation",
        {"default": None, "help": "SFD's second stage of matching."},
    ),
    (
        "--min-face",
        {
            "type": _COUNT,
            "metavar": "PIXELS",
            "help": "Train without boxes that are narrower or lower; SFD: 6.",
        },
    ),
    (
        "--freeze-bn/--no-freeze-bn",
        {"default": None, "help": "Leave BatchNorm's statistics as they are."},
    ),
    (
        "--sync-bn/--no-sync-bn",
        {"default": None, "help": "BatchNorm over the batches of all processes."},
    ),
)
NAMES = tuple(name.split("/")[0][2:].replace("-", "_") for name, _ in _OPTIONS)


class GroupedCommand(click.Command):
    """A command whose help shows these options below the others, under a heading."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write both groups."""
        common: list[tuple[str, str]] = []
        extras: list[tuple[str, str]] = []
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx)
            if record is not None and isinstance(param, click.Option):
                (extras if param.name in NAMES else common).append(record)
        with formatter.section("Options"):
            formatter.write_dl(common)
        with formatter.section("Beyond the original (off by default; kept on --resume)"):
            formatter.write_dl(extras)


def extra_options(function: _F) -> _F:
    """The options; a command gets them under :data:`NAMES`, None where one was not given."""
    for name, settings in reversed(_OPTIONS):
        function = click.option(name, **settings)(function)
    return function


def told(given: dict[str, Any]) -> dict[str, Any]:
    """Those of the options that were given, as ``TrainOptions.extras`` takes them."""
    return {name: value for name, value in given.items() if value is not None}
