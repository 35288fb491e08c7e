"""Tables from TOML and JSON files made structs: each key is there, known and of its type."""

from __future__ import annotations

import re
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from ssd_data.core.errors import InputError

T = TypeVar("T", bound=msgspec.Struct)
_FAULT = re.compile(r"(?P<what>.*?)(?: - at `\$\.?(?P<key>.*)`)?", re.S)
_NAMED = re.compile(r"(missing required|contains unknown) field `(.*)`", re.S)
_PYTHON = {"object": "dict", "array": "list"}


def typed(table: object, kind: type[T], where: str) -> T:
    """A struct from a table as a TOML or JSON parser gives it; strings become paths.

    >>> class Download(msgspec.Struct, forbid_unknown_fields=True):
    ...     name: str
    ...     bytes: int = 0
    >>> typed({"name": "a.zip"}, Download, "my.toml").bytes
    0
    >>> typed({"name": "a.zip", "byte": 7}, Download, "my.toml")
    Traceback (most recent call last):
    ssd_data.core.errors.InputError: my.toml: byte: unknown key
      Did you mean "bytes"?

    Args:
        table: its values may be structs already.
        where: names the table in errors.

    Raises:
        InputError: a key is missing, unknown or of another type; where it stands is
            ``file: key``, or ``where: key`` of a table in a file.
    """
    try:
        return msgspec.convert(table, kind, dec_hook=_path)
    except msgspec.ValidationError as error:
        raise _said(str(error), kind, where) from None


def plain(struct: msgspec.Struct) -> dict[str, Any]:
    """A struct as JSON has it, its keys in order."""
    table: dict[str, Any] = msgspec.to_builtins(struct, enc_hook=str)
    return table


def _path(kind: type, value: object) -> Path:
    if kind is not Path or not isinstance(value, str):
        raise ValueError("Expected `str`, got another")
    return Path(value)


def _said(text: str, kind: type[msgspec.Struct], where: str) -> InputError:
    """msgspec's sentence in this package's words."""
    fault = _FAULT.fullmatch(text)
    assert fault is not None
    what, key = fault["what"], fault["key"] or ""
    if named := _NAMED.search(what):
        key = f"{key}.{named[2]}".lstrip(".")
        if named[1].startswith("missing"):
            return InputError("the key is missing", where=f"{where}: {key}")
        hint = _nearest(named[2], kind) if "." not in key else ""
        return InputError("unknown key", where=f"{where}: {key}", hint=hint)
    wanted = re.match(r"Expected `(\w+)[^`]*`(?P<range> (?:<=?|>=?|of) .*)?", what)
    if wanted is not None:
        what = f"should be a {_PYTHON.get(wanted[1], wanted[1])}{wanted['range'] or ''}"
    return InputError(what, where=f"{where}: {key}" if key else where)


def _nearest(key: str, kind: type[msgspec.Struct]) -> str:
    known = kind.__struct_encode_fields__
    near = get_close_matches(key, known, n=1)
    return f'Did you mean "{near[0]}"?' if near else f"Known: {', '.join(known)}"
