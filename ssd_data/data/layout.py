"""Which format a folder is in: each looks at it and says why, and the surest is taken.

Where two are as sure, nobody guesses.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ssd_data.core.errors import InputError, UsageError
from ssd_data.data import formats, recipes
from ssd_data.data.formats import Recognised

MOST_SHOWN = 12


@dataclass(frozen=True, slots=True)
class FoundLayout:
    """A folder whose format is known.

    Attributes:
        name: what the folder that was named is called.
        root: the folder that has the layout: it, or the one inside.
        format: the format's name.
        recognised: its splits, and why.
    """

    name: str
    root: Path
    format: str
    recognised: Recognised[Any]


def find_layout(folder: Path | str, format: str = "") -> FoundLayout:
    """The layout of a folder, or of the one folder inside that has one.

    Args:
        format: ask only this one.

    Raises:
        InputError: no layout fits, or two fit alike; the error says how to choose.
        UsageError: ``format`` is no format of folders.
    """
    folder = Path(folder)
    name = folder.resolve().name
    if found := _layout(folder, format):
        return FoundLayout(name, folder, *found)
    folders = sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))
    inner = [(p, found) for p in folders if (found := _layout(p, format))]
    if len(inner) == 1:
        return FoundLayout(name, inner[0][0], *inner[0][1])
    if inner:
        several = ", ".join(str(p) for p, _ in inner)
        raise InputError(
            f"several data sets lie here: {several}",
            where=folder,
            hint=f"Name one of them, or a recipe with --root {folder} "
            f"({', '.join(recipes.names())})",
        )
    raise _unknown(folder, format)


def _layout(folder: Path, format: str) -> tuple[str, Recognised[Any]] | None:
    """The format that a folder is surely in; None where none fits.

    Raises:
        InputError: two are as sure.
    """
    asked = [(format, formats.load(format))] if format else list(formats.all_formats())
    if format and asked[0][1].recognise is None:
        raise UsageError(f'the format "{format}" is not one of folders', where="--format")
    found = [
        (name, recognised)
        for name, one in asked
        if one.recognise is not None and (recognised := one.recognise(folder)) is not None
    ]
    if not found:
        return None
    surest = max(recognised.confidence for _, recognised in found)
    best = [pair for pair in found if pair[1].confidence == surest]
    if len(best) == 1:
        return best[0]
    lines = [f"--format {name}: {recognised.why}" for name, recognised in best]
    raise InputError(
        f"this may be {' or '.join(name for name, _ in best)}",
        where=folder,
        hint="\n  ".join(["Say which it is:", *lines]),
    )


def _unknown(folder: Path, format: str) -> InputError:
    held = sorted(p.name + "/" * p.is_dir() for p in folder.iterdir())
    there = ", ".join(held[:MOST_SHOWN]) or "nothing"
    there += f" and {len(held) - MOST_SHOWN} more" if len(held) > MOST_SHOWN else ""
    known = [
        (name, one.layout)
        for name, one in formats.all_formats()
        if one.recognise and format in ("", name)
    ]
    layouts = [f"{name}:\n{layout}" for name, layout in known]
    what = f"no {format} data set" if format else "no known layout"
    return InputError(
        f"{what}. Here is: {there}",
        where=folder,
        hint="\n".join(["Known layouts:", *layouts, _RECIPE]).replace("\n", "\n  "),
    )


_RECIPE = """\
Any other arrangement of these is read by a recipe, a file my.toml of five lines:
  format = "voc"
  [splits.trainval]
  shuffle = true
  sources = [{ folder = "", set = "my_list", images = "my_pictures", annotations = "my_xml" }]"""
