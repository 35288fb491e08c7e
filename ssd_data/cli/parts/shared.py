"""What commands share: their common options, printing, progress."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ssd_data.core.errors import SsdDataError
from ssd_data.core.files.remote.address import as_path
from ssd_data.core.jsontext import json_text
from ssd_data.core.legible import QUOTE, Legible, legible, visible
from ssd_data.core.progress import Track, untracked
from ssd_data.core.registry import FORMATS, Registry

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from ssd_data.core.labelmap import LabelMap

    _Text = click.ParamType[str]
else:
    _Text = click.ParamType  # before click 8.2 it was no generic type

_F = TypeVar("_F", bound=Callable[..., Any])
_T = TypeVar("_T")


class PathOrAddress(click.Path):
    """A path, or an address such as ``s3://bucket/folder``."""

    def __init__(self) -> None:
        super().__init__(path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """As click's, but for addresses."""
        return as_path(value)


PATH = PathOrAddress()
CELL = (200, QUOTE)  # how long a table's cell may be, and what is left of a longer one


class Number(click.FloatRange):
    """A finite number; ``nan`` lies in all of click's own ranges."""

    name = "float"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """As click's, but for what is no number."""
        found: float = super().convert(value, param, ctx)
        if not math.isfinite(found):
            self.fail(f"{value!r} is no finite number", param, ctx)
        return found

    def _describe_range(self) -> str:
        return "" if self.min is self.max is None else super()._describe_range()


class Name(_Text):
    """The name of a plug-in, which a shell may complete; whoever takes it says what is none.

    Args:
        registry: where it is one. files: whether it may as well be a file.
    """

    name = "text"

    def __init__(self, registry: Registry, files: bool = False) -> None:
        self.registry, self.files = registry, files

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """The names that begin so, then files."""
        from click.shell_completion import CompletionItem

        names = [name for name in self.registry.names() if name.startswith(incomplete)]
        files = [CompletionItem(incomplete, type="file")] if self.files else []
        return [*map(CompletionItem, names), *files]


def stacked(*options: Callable[[_F], _F]) -> Callable[[_F], _F]:
    """Several options as one decorator, in this order."""

    def decorate(function: _F) -> _F:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


def output_options(function: _F) -> _F:
    """``--json``: standard output is one JSON object, nothing else; ``-q``: nothing but errors."""
    quiet = click.option("-q", "--quiet", is_flag=True, help="Print nothing but errors.")
    as_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
    return as_json(quiet(function))


def out_option(what: str, **settings: Any) -> Callable[[_F], _F]:
    """``-o/--out``: where the result goes."""
    return click.option("-o", "--out", type=PATH, help=what, **settings)


def splits_option(what: str) -> Callable[[_F], _F]:
    """``--split``: any number of splits."""
    return click.option("--split", "splits", multiple=True, metavar="NAME", help=what)


def format_option(function: _F) -> _F:
    """``--format``: what a folder is in, where more than one layout fits or none is recognised."""
    return click.option(
        "--format",
        type=Name(FORMATS),
        default="",
        metavar="NAME",
        help="Read a folder as this format, whatever else it may be.",
    )(function)


def follow_links_option(function: _F) -> _F:
    """``--follow-links``: what is read may lie outside the folder that was named."""
    return click.option(
        "--follow-links",
        is_flag=True,
        help="Read through links that leave the data set's folder, too.",
    )(function)


def say(line: object = "", *, err: bool = False) -> None:
    """One line on standard output or, with ``err``, on standard error: what commands print, they
    print here, since names and paths come from strangers."""
    click.echo(legible(line), err=err)


def complain(error: object, kind: str = "error") -> None:
    """An error (or :class:`Trouble`) with its cure below it, on standard error."""
    say(Legible(f"{kind}: {error}"), err=True)


def print_said(said: Iterable[str]) -> None:
    """What was guessed of a data set's layout."""
    for sentence in said:
        say(f"note: {sentence}")


def print_left_out(names: Iterable[str], done: str) -> None:
    """Splits that are there and that a command passes by, since the user named none."""
    for name in (legible(name, QUOTE) for name in names):
        say(f'note: the split "{name}" is not {done}: --split {name} does it')


def print_json(value: Any) -> None:
    """One JSON object on standard output, all of it ASCII."""
    click.echo(json_text(value))


def print_prototxt(text: str) -> None:
    """A file's content on standard output; unseen characters as prototxts may write them."""
    lines = text.split("\n")
    text = "\n".join("".join(map(_octal, line)) for line in lines)
    click.echo(text.encode(), nl=False)  # in any locale, since it may be redirected into a file


def _octal(c: str) -> str:
    return c if visible(c) == c else "".join(f"\\{byte:03o}" for byte in c.encode())


def print_table(
    rows: Iterable[Iterable[object]], *, right: Iterable[int] = (), err: bool = False
) -> None:
    """Columns parted by two spaces, those in ``right`` aligned to the right; on standard output,
    or with ``err`` on standard error."""
    lines = [[legible(cell, *CELL) for cell in row] for row in rows]
    if not lines:
        return
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    to_right = set(right)
    for line in lines:
        cells = [
            cell.rjust(width) if i in to_right else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        click.echo("  ".join(cells).rstrip(), err=err)


def print_listed(
    title: str, listed: Sequence[object], count: int, *, shown: int = 3, more: str = "…"
) -> None:
    """How many there are of something, and the first of them."""
    say(title)
    for one in listed[:shown]:
        say(f"    {one}")
    if count > shown:
        say(f"    {more}")


def read_names(path: Path | None) -> LabelMap | None:
    """The labelmap that an option names; None where it names none.

    Raises:
        InputError: it cannot be read.
    """
    from ssd_data.core.labelmap import read_labelmap

    return None if path is None else read_labelmap(path)


def tracker(quiet: bool) -> Track:
    """A progress bar on standard error, if that is a terminal; with ``-q`` nothing."""
    if quiet or not sys.stderr.isatty():
        return untracked

    def track(items: Iterable[_T], total: int, what: str) -> Iterable[_T]:
        from tqdm import tqdm

        bar: Iterable[_T] = tqdm(
            items, total=total, desc=legible(what, QUOTE), unit=" pictures", file=sys.stderr
        )
        return bar

    return track


def report_error(
    error: SsdDataError, args: list[str], usage: click.ClickException | None = None
) -> None:
    """An error on standard error; with ``--json`` also as the one object on standard output."""
    if "--json" in args:
        table = {"where": error.where, "what": error.what, "hint": error.hint}
        print_json({"error": table})
    if usage is not None:
        click.UsageError(error.what, getattr(usage, "ctx", None)).show()
    else:
        complain(error)


def parse_size(text: str | None) -> tuple[int, int] | None:
    """``300`` or ``640x480`` (width x height) as (width, height).

    Raises:
        click.BadParameter: it is neither.
    """
    if text is None:
        return None
    words = text.lower().split("x")
    if len(words) > 2 or not all(w.isdecimal() and w.isascii() and len(w) < 7 for w in words):
        raise click.BadParameter(f'"{text}" is neither N nor WxH', param_hint="--size")
    return int(words[0]), int(words[-1])


def parse_map(pairs: Iterable[str], option: str = "--map") -> dict[str, str]:
    """``OLD=NEW`` pairs as a table; ``OLD=`` drops the class.

    Raises:
        click.BadParameter: a pair has no ``=`` or no old name.
    """
    table = {}
    for pair in pairs:
        old, equals, new = pair.partition("=")
        if not equals or not old:
            raise click.BadParameter(f'"{pair}" is not OLD=NEW', param_hint=option)
        table[old] = new
    return table
