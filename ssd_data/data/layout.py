"""Which format a folder is in: each looks at it and says why, and the surest is taken.

Where two are as sure, nobody guesses.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from ssd_data.core.errors import InputError, UsageError
from ssd_data.core.files.inside import require_inside, require_none_refused
from ssd_data.data import formats, recipes
from ssd_data.data.formats import Recognised
from ssd_data.data.formats.pictures import ENDINGS
from ssd_data.data.formats.walking import files_below, folders_in

_RECIPE = """\
  format = "folders"
  links = {{ trainval_lmdb = "trainval", test_lmdb = "test" }}
  [splits.trainval]
  shuffle = true
  sources = [{{ images = "{images}", labels = "{labels}", to = 0.8 }}]
  [splits.test]
  sources = [{{ images = "{images}", labels = "{labels}", from = 0.8 }}]"""
_NO_HINT = {f".{ending}" for ending in ENDINGS}
MOST_SHOWN, MOST_LISTED = 12, 100_000


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
        InputError: no layout fits, or two fit alike; the error says how to choose. Or a link leaves
            the folder, see :mod:`ssd_data.core.files.inside`.
        UsageError: ``format`` is no format of folders.
    """
    folder = Path(folder)
    name = folder.resolve().name
    if found := _layout(folder, format):
        return FoundLayout(name, folder, *found)
    folders = (folder / name for name in folders_in(folder))
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
    require_none_refused(folder)
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
    known = {
        name: one.layout
        for name, one in formats.all_formats()
        if one.recognise and format in ("", name)
    }
    files = list(islice(files_below(folder), MOST_LISTED))
    for path in files:
        require_inside(folder / path)
    endings = {f".{path.rpartition('.')[2].lower()}" for path in files} - _NO_HINT
    near = {name: text for name, text in known.items() if any(_names(text, e) for e in endings)}
    what = f"no {format} data set" if format else "no known layout"
    shown = near or known
    hints = ["Known layouts:", *(f"{name}:\n{layout}" for name, layout in shown.items())]
    if others := [name for name in known if name not in shown]:
        hints.append(f"and {', '.join(others)}, as the documentation shows them")
    hints += _recipe(files)
    return InputError(
        f"{what}. Here is: {there}",
        where=folder,
        hint="\n".join(hints).replace("\n", "\n  "),
    )


def _names(layout: str, ending: str) -> bool:
    return re.search(re.escape(ending) + r"\b", layout) is not None


def _recipe(files: Sequence[str]) -> list[str]:
    """The recipe that reads pictures of one folder with the annotations of another, if it may be
    so."""
    pictures, annotations = _fullest(files, ENDINGS), _fullest(files, {"xml", "txt", "json"})
    if not pictures or not annotations:
        return []
    (images, many), (labels, some) = pictures, annotations
    return [
        f"There are {many} pictures in {images}/ and {some} annotations in {labels}/. If they "
        "belong together, a recipe my.toml reads them: ssd-data build my.toml",
        _RECIPE.format(images=images, labels=labels),
    ]


def _fullest(files: Sequence[str], endings: Collection[str]) -> tuple[str, int] | None:
    """The folder that holds most files of these endings, and how many."""
    held: Counter[str] = Counter()
    for path in files:
        inside, _, name = path.rpartition("/")
        held[inside or "."] += name.rpartition(".")[2].lower() in endings
    ((inside, count),) = held.most_common(1) or [("", 0)]
    return (inside, count) if count else None
