"""Options of the command line that are fields of a dataclass: it says their default and choices."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, fields
from functools import cache
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

import click

from ssd_data.cli.parts.shared import PATH, Name, Number, parse_map, parse_size
from ssd_data.core.options import flag, offered
from ssd_data.core.registry import FAMILIES

_F = TypeVar("_F", bound=Callable[..., Any])


def options_of(kind: type, *, told: bool = False, only: Sequence[str] = ()) -> Callable[[_F], _F]:
    """All options that a dataclass offers (see ``core/options.py``), in the order of its fields.

    Args:
        kind: the dataclass; its module must be quick to import.
        told: what was not given is None, whatever the field's default; a yes or no can be denied.
        only: those fields alone.
    """

    def decorate(function: _F) -> _F:
        for one in reversed(fields(kind)):
            if offered(one) is not None and (not only or one.name in only):
                function = offered_option(kind, one.name, told=told)(function)
        return function

    return decorate


def offered_option(
    kind: type, name: str, *, told: bool = False, whose: str = ""
) -> Callable[[_F], _F]:
    """The option that a field of a dataclass offers, see :func:`options_of`.

    Args:
        whose: who has it; the help begins with that, or with the option that it belongs to.
    """
    (one,) = (one for one in fields(kind) if one.name == name)
    offer = offered(one)
    assert offer is not None
    words = flag(name)
    is_flag = "is_flag" in _type(_hints(kind)[name])
    if is_flag and (told or one.default is not False):
        words += "/" + flag(name, False)
    whose = flag(offer.of) if offer.of else whose
    text = f"{whose}: {offer.help}" if whose else offer.help
    settings = {"help": text, "show_default": offer.shows_default}
    settings |= {"metavar": offer.metavar} if offer.metavar else {}
    settings |= {"default": None} if told or one.default is None else {}
    if offer.below is not None:
        settings["type"] = Number(offer.low, offer.below, max_open=True)
    elif name in _NAMES:
        settings["type"] = Name(_NAMES[name])
    elif offer.low is not None:
        settings["type"] = click.IntRange(offer.low, offer.most)
    more = [f"-{offer.letter}"] if offer.letter else []
    more += [offer.also] if offer.also else []
    return field_option(kind, words, *more, **settings)


def field_option(kind: type, option: str, *more: str, **settings: Any) -> Callable[[_F], _F]:
    """An option that a dataclass has as a field: ``--max-pixels`` is ``max_pixels``.

    Args:
        kind: the dataclass; its module must be quick to import.
        option: as ``click.option`` takes it. more: other names for it.
        settings: click's, as for ``click.option``, where they differ from what the field says.
    """
    name = option.partition("/")[0].removeprefix("--").replace("-", "_")
    (default,) = (one.default for one in fields(kind) if one.name == name)
    found = _type(_hints(kind)[name])
    if not (default is None or default is False or default is MISSING):
        found = {"default": default, "show_default": True, **found}
    return click.option(option, *more, name, **{**found, **settings})


@cache
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)


def _paths(text: str | Sequence[Path]) -> Sequence[Path]:
    """Paths with commas between them; none of an empty text."""
    if not isinstance(text, str):
        return text
    return [Path(name) for name in text.split(",")] if text else []


_NAMES = {"family": FAMILIES}
_TYPES: dict[object, dict[str, Any]] = {
    bool: {"is_flag": True},
    float: {"type": Number()},
    int: {"type": int},
    str: {},
    Path: {"type": PATH},
    Sequence[Path]: {"type": _paths},
    tuple[int, int]: {"type": parse_size},
    Mapping[str, str]: {"multiple": True, "callback": lambda _, __, pairs: parse_map(pairs)},
}


def _type(hint: Any) -> dict[str, Any]:
    """What click says of a type: a number, a flag, one of some words, any number of them."""
    if hint in _TYPES:
        return _TYPES[hint]
    if get_origin(hint) is Literal:
        return {"type": click.Choice(get_args(hint))}
    if get_origin(hint) is tuple:
        return {**_type(get_args(hint)[0]), "multiple": True}
    return _type(get_args(hint)[0])  # the rest is None, or made of the same text
