"""Options of the command line that are fields of a dataclass: it says their default and choices."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

import click

from ssd_data.cli.parts.shared import Number

_F = TypeVar("_F", bound=Callable[..., Any])
_TYPES: dict[object, dict[str, Any]] = {
    bool: {"is_flag": True},
    float: {"type": Number()},
    int: {"type": int},
    str: {},
}


def field_option(kind: type, option: str, **settings: Any) -> Callable[[_F], _F]:
    """An option that a dataclass has as a field: ``--max-pixels`` is ``max_pixels``.

    Args:
        kind: the dataclass; its module must be quick to import.
        settings: click's, as for ``click.option``, where they differ from what the field says.
    """
    name = option.removeprefix("--").replace("-", "_")
    (field,) = (field for field in fields(kind) if field.name == name)
    found: dict[str, Any] = {"default": field.default, **_type(get_type_hints(kind)[name])}
    if field.default is None or field.default is False:
        del found["default"]
    else:
        found["show_default"] = True
    return click.option(option, **{**found, **settings})


def _type(hint: Any) -> dict[str, Any]:
    """What click says of a type: a number, a flag, one of some words, any number of them."""
    if get_origin(hint) is Literal:
        return {"type": click.Choice(get_args(hint))}
    if get_origin(hint) is tuple:
        return {**_type(get_args(hint)[0]), "multiple": True}
    if hint in _TYPES:
        return _TYPES[hint]
    (inner,) = (one for one in get_args(hint) if one is not type(None))
    return _type(inner)
