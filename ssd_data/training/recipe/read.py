"""Recipes from TOML files and from the records of snapshots, and back."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Callable, Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import msgspec

from ssd_data.core.errors import InputError, SsdDataError, UsageError
from ssd_data.core.files.plain_toml import to_toml
from ssd_data.core.files.typed import plain, typed
from ssd_data.core.legible import legible
from ssd_data.core.registry import (
    BOX_LOSSES,
    CLASSIFICATION,
    MATCHINGS,
    OPTIMISERS,
    SCHEDULES,
    Registry,
)
from ssd_data.training.recipe import parts
from ssd_data.training.recipe.augmenting import with_elements
from ssd_data.training.recipe.layered import read_layers
from ssd_data.training.recipe.named import ORIGINAL, file_of, names, no_such
from ssd_data.training.recipe.parts import TrainRecipe

ELEMENTS: dict[str, Registry] = {
    "schedule": SCHEDULES,
    "optimiser": OPTIMISERS,
    "classification": CLASSIFICATION,
    "boxes": BOX_LOSSES,
    "matching": MATCHINGS,
}
PARTS: dict[str, type[parts.RecipePart]] = {
    "average": parts.Averaging,
    "gradients": parts.Gradients,
    "layers": parts.LayerRates,
    "input": parts.InputSizes,
    "distillation": parts.Distillation,
    "augmentation": with_elements(),
}
TABLES = (*ELEMENTS, *PARTS)


def read_recipe(name: Path | str) -> TrainRecipe:
    """A recipe file by its path (``my.toml``), or a shipped one by its name.

    >>> read_recipe("original") == TrainRecipe(origin="original")
    True

    Raises:
        UsageError: no recipe has that name.
        InputError: the file is no recipe; says file, line and key.
    """
    text = str(name)
    if text == ORIGINAL:
        return TrainRecipe(origin=ORIGINAL)
    if text.endswith(".toml"):
        return parse_recipe(Path(name))
    if text in names():
        return msgspec.structs.replace(parse_recipe(file_of(text)), origin=text)
    what, hint = no_such(text)
    raise UsageError(what, where="--recipe", hint=hint)


def parse_recipe(path: Path) -> TrainRecipe:
    """Read one file, and what it begins with, see ``layered.py``.

    Raises:
        InputError: it is no TOML, or what it says is no recipe.
    """
    table, place = read_layers(path, _line)
    return from_table(table, str(path), place)


def from_table(
    table: Mapping[str, Any], origin: str, file: Callable[[str], str] | None = None
) -> TrainRecipe:
    """A recipe from its tables.

    Args:
        origin: what the recipe is called. file: tells of keys (``schedule.kind``) which place to
            name in errors; by default the origin.

    Raises:
        InputError: a table or key is not known, missing, of another type, or out of its range.
    """
    tell = file or (lambda keys: origin)
    for name in table:
        if name not in TABLES:
            near = get_close_matches(name, TABLES, n=1)
            hint = f'Did you mean "[{near[0]}]"?' if near else f"A recipe has {', '.join(TABLES)}"
            raise InputError("a recipe has no such part", where=f"{tell(name)}: {name}", hint=hint)
    found = {name: _part(name, own, tell) for name, own in table.items()}
    return TrainRecipe(origin=origin, **found)


def to_table(recipe: TrainRecipe) -> dict[str, Any]:
    """What a recipe says, as :func:`from_table` takes it."""
    found: dict[str, Any] = {}
    for name in TABLES:
        if (own := getattr(recipe, name)) is not None:
            kind = {"kind": own.kind} if name in ELEMENTS else {}
            found[name] = kind | plain(own)
    return found


def digest_of(recipe: TrainRecipe) -> str:
    """Twelve digits that stand for what a recipe says, whatever it is called.

    >>> digest_of(TrainRecipe(origin="a")) == digest_of(TrainRecipe(origin="b"))
    True
    """
    text = json.dumps(to_table(recipe), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def as_toml(recipe: TrainRecipe) -> str:
    """A recipe as a file that says the same, keys that say nothing left out.

    >>> print(as_toml(from_table({"gradients": {"clip": 10}}, "mine")), end="")
    # mine, f3e6d6ae7da1
    [gradients]
    clip = 10.0
    """
    name = recipe.origin.replace("\n", " ")
    head = legible(f"# {name}, {digest_of(recipe)}")
    return f"{head}\n{to_toml(to_table(recipe))}"


def _part(name: str, table: object, tell: Callable[[str], str]) -> Any:
    if not isinstance(table, dict):
        raise InputError(f"write [{name}] and its keys below", where=f"{tell(name)}: {name}")
    for key, value in _leaves(table, name):
        if isinstance(value, float) and not math.isfinite(value):
            raise InputError(f"{value} is no number", where=f"{tell(key)}: {key}")
    kind: Any = PARTS.get(name)
    if kind is None:
        kind, table = _element(name, table, tell)
    try:
        return typed(table, kind, name)
    except InputError as error:
        keys = str(error.where).replace(": ", ".")
        raise InputError(error.what, where=f"{tell(keys)}: {keys}", hint=error.hint) from None


def _element(name: str, table: dict[str, Any], tell: Callable[[str], str]) -> tuple[Any, Any]:
    """The element that a table's ``kind`` names, and the other keys."""
    registry, where = ELEMENTS[name], f"{tell(f'{name}.kind')}: {name}.kind"
    kind = table.get("kind")
    if not isinstance(kind, str):
        what = "the key is missing" if kind is None else "should be a str"
        raise InputError(what, where=where, hint=f"Known are {', '.join(registry.names())}")
    try:
        element = registry.load(kind).ELEMENT
    except SsdDataError as error:
        raise InputError(error.what, where=where, hint=error.hint) from None
    return element, {key: value for key, value in table.items() if key != "kind"}


def _leaves(value: object, key: str) -> Iterator[tuple[str, object]]:
    if isinstance(value, dict):
        for name, own in value.items():
            yield from _leaves(own, f"{key}.{name}")
    elif isinstance(value, list):
        for own in value:
            yield from _leaves(own, key)
    else:
        yield key, value


def _line(text: str, keys: str) -> str:
    """``:N``, the line of a key (``schedule.kind``); of the table around it where it has none; or
    nothing."""
    wanted = [part.partition("[")[0] for part in keys.split(".")]
    table: list[str] = []
    at, most = "", 0
    for number, line in enumerate(text.split("\n"), 1):
        if (head := re.match(r"\s*\[{1,2}([^]]+)]", line)) is not None:
            path = table = _path_of(head[1])
        elif (key := re.match(r"\s*([\w\"'. -]+?)\s*=", line)) is not None:
            path = table + _path_of(key[1])
        else:
            continue
        if most < len(path) and path == wanted[: len(path)]:
            at, most = f":{number}", len(path)
    return at


def _path_of(dotted: str) -> list[str]:
    return [part.strip(" \t\"'") for part in dotted.split(".")]
