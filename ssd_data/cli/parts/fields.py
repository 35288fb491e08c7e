"""Options of the command line that are fields of a dataclass: it says their default and choices."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

import click

from ssd_data.cli.parts.shared import PATH, Number
from ssd_data.core.options import Option, flag, offered

_F = TypeVar("_F", bound=Callable[..., Any])


def options_of(kind: type, *, told: bool = False) -> Callable[[_F], _F]:
    """All options that a dataclass offers (see ``core/options.py``), in the order of its fields.

    Args:
        kind: the dataclass; its module must be quick to import.
        told: what was not given is None, whatever the field's default; a yes or no can be denied.
    """

    def decorate(function: _F) -> _F:
        for field in reversed(fields(kind)):
            if (offer := offered(field)) is not None:
                function = _offered_option(kind, field.name, field.default, offer, told)(function)
        return function

    return decorate


def _offered_option(
    kind: type, name: str, default: Any, offer: Option, told: bool
) -> Callable[[_F], _F]:
    words = flag(name)
    if default is True or (told and default is False):
        words += "/" + flag(name, False)
    settings = {"help": offer.help, "show_default": offer.shows_default}
    settings |= {"metavar": offer.metavar} if offer.metavar else {}
    settings |= {"default": None} if told else {}
    if offer.below is not None:
        settings["type"] = Number(offer.low, offer.below, max_open=True)
    elif offer.low is not None:
        settings["type"] = click.IntRange(offer.low)
    letter = [f"-{offer.letter}"] if offer.letter else []
    return field_option(kind, words, *letter, **settings)


def field_option(kind: type, option: str, *more: str, **settings: Any) -> Callable[[_F], _F]:
    """An option that a dataclass has as a field: ``--max-pixels`` is ``max_pixels``.

    Args:
        kind: the dataclass; its module must be quick to import.
        option: as ``click.option`` takes it. more: other names for it.
        settings: click's, as for ``click.option``, where they differ from what the field says.
    """
    name = option.partition("/")[0].removeprefix("--").replace("-", "_")
    (field,) = (field for field in fields(kind) if field.name == name)
    found: dict[str, Any] = {"default": field.default, **_type(get_type_hints(kind)[name])}
    if field.default is None or field.default is False:
        del found["default"]
    else:
        found["show_default"] = True
    return click.option(option, *more, name, **{**found, **settings})


def _paths(text: str | Sequence[Path]) -> Sequence[Path]:
    """Paths with commas between them; none of an empty text."""
    if not isinstance(text, str):
        return text
    return [Path(name) for name in text.split(",")] if text else []


_TYPES: dict[object, dict[str, Any]] = {
    bool: {"is_flag": True},
    float: {"type": Number()},
    int: {"type": int},
    str: {},
    Path: {"type": PATH},
    Sequence[Path]: {"type": _paths},
}


def _type(hint: Any) -> dict[str, Any]:
    """What click says of a type: a number, a flag, one of some words, any number of them."""
    if get_origin(hint) is Literal:
        return {"type": click.Choice(get_args(hint))}
    if get_origin(hint) is tuple:
        return {**_type(get_args(hint)[0]), "multiple": True}
    if hint in _TYPES:
        return _TYPES[hint]
    return _type(get_args(hint)[0])  # the rest is None, or made of the same text
