"""What becomes of a recipe when a run is resumed: it goes on, or what differs is said."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ssd_data.core.errors import InputError
from ssd_data.training.recipe.parts import TrainRecipe

_ORIGIN = "origin"


def named(recipe: Path | str | TrainRecipe) -> str:
    """A recipe's file or name."""
    return recipe.origin if isinstance(recipe, TrainRecipe) else str(recipe)


def recorded_recipe(recipe: Path | str | TrainRecipe) -> Any:
    """What log and snapshots keep of a recipe: all that it says."""
    if not isinstance(recipe, TrainRecipe):
        return str(recipe)
    from ssd_data.training.recipe.read import to_table

    return {_ORIGIN: recipe.origin, **to_table(recipe)}


def settle_recipe(
    told: Path | str | TrainRecipe | None,
    recorded: object,
    where: object = "",
    say: Callable[[str], None] = lambda text: None,
) -> TrainRecipe | None:
    """The recipe of a run: the one told, else the one that the snapshot records; None where it has
    none, or one that says nothing.

    Args:
        recorded: what :func:`recorded_recipe` gave; None where there is none.
        where: the snapshot that the run goes on from, if it does.
        say: is told what differs, and what is taken over.

    Raises:
        UsageError: no recipe has the name that was told.
        InputError: the file, or what is recorded, is no recipe.
    """
    from ssd_data.training.recipe.read import read_recipe, to_table

    before = from_record(recorded, where)
    if told is None:
        if before is not None:
            say(f"--recipe {before.origin}: as the snapshot records")
        return before
    recipe = told if isinstance(told, TrainRecipe) else read_recipe(told)
    if recorded is None and where and to_table(recipe):
        say(f"--recipe {recipe.origin}: until the snapshot there was none")
    elif recorded is not None:
        old = {} if before is None else to_table(before)
        for line in _differences(old, to_table(recipe)):
            say(f"--recipe {recipe.origin}: {line}")
    return recipe if to_table(recipe) else None


def from_record(recorded: object, where: object = "") -> TrainRecipe | None:
    """The recipe that :func:`recorded_recipe` has kept; None where it kept none.

    Raises:
        InputError: what is recorded is no recipe.
    """
    if recorded is None:
        return None
    from ssd_data.training.recipe.read import from_table

    table = dict(recorded) if isinstance(recorded, dict) else {}
    origin = table.pop(_ORIGIN, None)
    if not isinstance(origin, str) or not table:
        raise InputError("the recipe that it records is none", where=where)
    try:
        return from_table(table, origin)
    except InputError as error:
        what = f"the recipe that it records is none: {error.where}: {error.what}"
        hint = "Was it written by a later version of ssd-data?"
        raise InputError(what, where=where, hint=hint) from None


def _differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    old, new = dict(flat(before)), dict(flat(now))
    for key in dict.fromkeys((*old, *new)):
        if key not in new:
            yield f"without {key}, until the snapshot it was {old[key]}"
        elif key not in old:
            yield f"{key} is {new[key]}, until the snapshot there was none"
        elif old[key] != new[key]:
            yield f"{key} is {new[key]}, until the snapshot it was {old[key]}"


def flat(table: Mapping[str, Any], start: str = "") -> Iterator[tuple[str, Any]]:
    """The keys of nested tables that say something, ``schedule.kind``, and their values.

    >>> dict(flat({"origin": "a", "boxes": {"kind": "giou", "weight": None}}))
    {'origin': 'a', 'boxes.kind': 'giou'}
    """
    for key, value in table.items():
        if isinstance(value, dict):
            yield from flat(value, f"{start}{key}.")
        elif value is not None:
            yield f"{start}{key}", value
