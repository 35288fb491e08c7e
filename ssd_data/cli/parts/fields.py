"""A command's options, made of the class that holds them: names, values, ranges, help, defaults."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields
from pathlib import Path
from types import UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import click

from ssd_data.cli.parts import shared
from ssd_data.core.options import Option, flag, offered

_F = TypeVar("_F", bound=Callable[..., Any])


def options_of(holder: type, *, told: bool = False) -> Callable[[_F], _F]:
    """The options of a dataclass's fields that are offered (``core/options.py``), in their order.

    The command gets each under the field's name. A field that may be None, or that is on by itself,
    can be said with ``--no-`` if it is a yes or no.

    Args:
        holder: the dataclass.
        told: whether what was not given shall be None, whatever the field's default.
    """
    hints = get_type_hints(holder)

    def decorate(function: _F) -> _F:
        for one in reversed(fields(holder)):
            if (offer := offered(one)) is not None:
                default = None if told else one.default
                function = _option(one.name, hints[one.name], default, offer)(function)
        return function

    return decorate


def _option(name: str, kind: Any, default: Any, offer: Option) -> Callable[[_F], _F]:
    if get_origin(kind) in (Union, UnionType):
        kind = get_args(kind)[0]  # the rest is None, or read from the same text
    letter = [f"-{offer.letter}"] if offer.letter else []
    settings: dict[str, Any] = {"help": offer.help, "show_default": offer.shows_default}
    words = flag(name)
    if kind is not bool:
        settings |= {"type": _type(kind, offer), "metavar": offer.metavar}
    elif default is False:
        settings["is_flag"] = True
    else:
        words += "/" + flag(name, False)
    return click.option(*letter, words, name, default=default, **settings)


def _type(kind: Any, offer: Option) -> Any:
    """What click makes of a value's text."""
    if get_origin(kind) is Literal or offer.choices:
        return click.Choice(offer.choices or get_args(kind))
    if kind is int and offer.low is not None:
        return click.IntRange(offer.low)
    if kind is float:
        return shared.Number(offer.low, offer.below, max_open=offer.below is not None)
    types: dict[Any, Any] = {int: click.INT, Path: shared.PATH, Sequence[Path]: _paths}
    return types.get(kind, click.STRING)


def _paths(text: str | Sequence[Path]) -> Sequence[Path]:
    """Paths with commas between them; none of an empty text."""
    if not isinstance(text, str):
        return text
    return [Path(name) for name in text.split(",")] if text else []
