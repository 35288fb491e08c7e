"""Prototxts: Caffe's messages as text, with the line of every layer for later errors.

protobuf's own text parser reads the values. It alone would refuse a field that it does not know,
and prototxts of other forks (NVCaffe's, Intel's) have such fields; so one walk over its tokens
collects them first, and notes on which line each layer starts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Generic, TypeVar

from google.protobuf import text_format
from google.protobuf.message import Message

from ssd_data.core.errors import InputError
from ssd_data.core.files.paths import read_text

MOST_BYTES = 64 << 20
MOST_DEPTH = 32
_LAYER_FIELDS = {"layer", "layers"}
_PLACE = re.compile(r"^(\d+):(\d+) : ")
_OPENING, _CLOSING = {"{", "<"}, {"}", ">"}

_M = TypeVar("_M", bound=Message)


@dataclass(slots=True)
class Prototxt(Generic[_M]):
    """A parsed prototxt.

    Attributes:
        message: what it says.
        origin: the file's name, for errors.
        layer_lines: for each ``layer`` (or ``layers``) of a net, the line that it starts on.
        ignored: ``file:line: field`` of the fields that no message of the SSD branch has, each at
            its first place.
    """

    message: _M
    origin: str
    layer_lines: list[int] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)


def read_prototxt(path: Path | str, kind: type[_M]) -> Prototxt[_M]:
    """Read a prototxt of that kind (``NetParameter``, ``SolverParameter``, …).

    Raises:
        InputError: the file is missing, no text, or not a prototxt of that kind.
    """
    text = read_text(Path(path), "prototxt", MOST_BYTES)
    return parse_prototxt(text, kind, str(path))


def parse_prototxt(text: str, kind: type[_M], origin: str = "prototxt") -> Prototxt[_M]:
    """Parse a prototxt, see :func:`read_prototxt`; ``origin`` names it in errors."""
    _refuse_other_files(text, origin)
    result = Prototxt(kind(), origin)
    try:
        _survey(text, result)
        text_format.Parse(text, result.message, allow_unknown_field=True)
    except text_format.ParseError as error:
        raise _readable(error, kind, text, origin) from None
    return result


def to_text(message: Message) -> str:
    """A message as a prototxt, floats as short as single precision allows.

    >>> from ssd_data import families
    >>> net = families.generate("tiny_ssd", num_classes=4).nets["deploy"]
    >>> to_text(net).splitlines()[0]
    'name: "Tiny-SSD"'
    """
    return text_format.MessageToString(message, use_short_repeated_primitives=False)


def _refuse_other_files(text: str, origin: str) -> None:
    start = text.lstrip()[:64].lower()
    if start.startswith(("<!doctype", "<html", "<?xml")):
        raise InputError(
            "this is a saved web page, not a prototxt",
            where=origin,
            hint="Download the raw file (on GitHub: the Raw button)",
        )
    if "\0" in text:
        raise InputError("this is a binary file, not a prototxt", where=origin)


def _survey(text: str, result: Prototxt[Any]) -> None:
    """Note the layers' lines and the unknown fields; values are left to the parser."""
    # The open messages' types, None for an unknown one, and the fields that hold them.
    scopes: list[Any] = [result.message.DESCRIPTOR]
    holders: list[Any] = [None]
    field: Any = None
    ignored: dict[str, int] = {}
    for word, follows, line in _words(text):
        if word in _OPENING:
            if len(scopes) == 1 and field is not None and field.name in _LAYER_FIELDS:
                result.layer_lines.append(line)
            scopes.append(None if field is None else field.message_type)
            holders.append(field)
            if len(scopes) > MOST_DEPTH:
                raise InputError(
                    f"nested deeper than {MOST_DEPTH}", where=f"{result.origin}:{line}"
                )
        elif word in _CLOSING:
            scopes = scopes[:-1] or [None]
            field = holders.pop() if holders else None  # a list's next message is the same's
        elif (follows in _OPENING or follows == ":") and word.isidentifier():
            scope = scopes[-1]
            field = scope.fields_by_name.get(word) if scope is not None else None
            if scope is not None and field is None:
                ignored.setdefault(f"{scope.name}.{word}", line)
    result.ignored = [f"{result.origin}:{line}: {name}" for name, line in ignored.items()]


def _words(text: str) -> Iterator[tuple[str, str, int]]:
    """Each token, the next one (a bracket, where only a colon is between) and its line."""
    tokens = text_format.Tokenizer(text.split("\n"))
    word, line = "", 0
    while not tokens.AtEnd():
        here = tokens._line + 1  # type: ignore[attr-defined]  # no public way to a token's line
        token = tokens.token
        tokens.NextToken()
        if word and not (token in _OPENING and word == ":"):
            yield word, token, line
        word, line = token, here
    if word:
        yield word, "", line


def _readable(
    error: text_format.ParseError, kind: type[Message], text: str, origin: str
) -> InputError:
    """protobuf's error as ours: the line's own text, and the nearest value that would be known."""
    message = str(error)
    place = _PLACE.match(message)
    line = error.GetLine() or (int(place[1]) if place else 0)
    message = message[place.end() :] if place else message
    hint = ""
    if found := re.search(r'Enum type "([\w.]+)" has no value named (\w+)', message):
        values = kind.DESCRIPTOR.file.pool.FindEnumTypeByName(found[1]).values
        known = [value.name for value in values]
        near = get_close_matches(found[2].upper(), known, n=1)
        hint = f"Did you mean {near[0]}?" if near else "Known are " + ", ".join(known)
        message = f"{found[2]} is no {found[1].split('.')[-1]}"
    lines = text.split("\n")
    said = lines[line - 1] if 0 < line <= len(lines) else ""
    message = message.removeprefix(f"'{said}': ")  # some of protobuf's errors repeat the line
    shown = said.strip()[:80]
    where = f"{origin}:{line}" if line else origin
    return InputError(f"{message} (in: {shown})" if shown else message, where=where, hint=hint)
