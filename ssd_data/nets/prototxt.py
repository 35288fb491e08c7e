"""Prototxts: Caffe's messages as text, with the line of every layer for later errors.

protobuf's own text parser reads the values. It alone would refuse a field that it does not know, a
value of an enum that another fork has, and a field that stands twice; and prototxts of other forks
(NVCaffe's, Intel's) have such. So one walk over its tokens collects them first, and notes on which
line each layer starts. Whether they matter, :mod:`ssd_data.nets.foreign` says.
"""

from __future__ import annotations

import re
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Iterable, Iterator
from copy import deepcopy
from dataclasses import dataclass, field
from difflib import get_close_matches
from itertools import accumulate
from pathlib import Path
from typing import Any, Generic, TypeVar

from google.protobuf import text_format
from google.protobuf.message import Message

from ssd_data.core.errors import InputError
from ssd_data.core.files.paths import read_bytes
from ssd_data.nets.filetypes import EMPTY, LABELMAP, SOLVER, TEXTS, file_type
from ssd_data.nets.foreign import ForeignField, refuse
from ssd_data.proto import caffe_pb2

MOST_BYTES = 64 << 20
MOST_DEPTH = 32
MOST_FOREIGN = 10_000
_LOOKED_AT = 1 << 16
_LAYER_FIELDS = {"layer", "layers"}
_INPUT_FIELDS = {"input", "input_shape", "input_dim"}
_PLACE = re.compile(r"^(\d+):(\d+) : ")
_PLACEHOLDER = re.compile(r"Couldn't parse (?:integer|float|number)[^:]*: ([A-Za-z_$%{@<]\w*)")
_NO_LINE_END = re.compile(r"[^\n]")
_ODD_BYTE = re.compile("[\udc80-\udcff]")
# What stands before a comment: strings and all else but "#".
_COMMENT = re.compile(r"""^((?:"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|[^"'#])*)#.*$""")
_OPENING, _CLOSING = {"{", "<"}, {"}", ">"}

_M = TypeVar("_M", bound=Message)


@dataclass(slots=True)
class Prototxt(Generic[_M]):
    """A parsed prototxt.

    Attributes:
        message: what it says.
        origin: the file's name, for errors.
        input_line: the line of the first of a net's ``input`` fields; 0 where it has none.
        layer_lines: for each ``layer`` (or ``layers``) of a net, the line that it starts on.
        foreign: the fields that no message of the SSD branch has, and those that stand twice.
        as_written: whether all of the text is the SSD branch's.
    """

    message: _M
    origin: str
    layer_lines: list[int] = field(default_factory=list)
    input_line: int = 0
    foreign: list[ForeignField] = field(default_factory=list)
    as_written: bool = True


def read_prototxt(path: Path | str, kind: type[_M]) -> Prototxt[_M]:
    """Read a prototxt of that kind (``NetParameter``, ``SolverParameter``, …).

    Raises:
        InputError: the file is missing, no text, or not a prototxt of that kind.
    """
    return parse_prototxt(prototxt_text(path), kind, str(path))


def prototxt_text(path: Path | str) -> str:
    """A prototxt's text; comments may be in any encoding, and are left out where it is not UTF-8.

    Raises:
        InputError: the file is missing, or what is no comment is not UTF-8.
    """
    data = read_bytes(path, "prototxt", MOST_BYTES)
    if data.startswith((BOM_UTF16_LE, BOM_UTF16_BE)):
        what = "the prototxt is not UTF-8 text, but UTF-16"
        raise InputError(what, where=path, hint="Save it as UTF-8")
    refuse_other_files(data, path)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        lines = data.decode("utf-8-sig", "surrogateescape").split("\n")
    for number, line in enumerate(lines, 1):
        if _ODD_BYTE.search(line):
            lines[number - 1] = kept = _COMMENT.sub(r"\1", line)
            if _ODD_BYTE.search(kept):
                raise InputError(
                    "this line is not UTF-8 text",
                    where=f"{path}:{number}",
                    hint="Save the file as UTF-8: in comments alone other encodings are taken",
                )
    return "\n".join(lines)


def parse_prototxt(text: str, kind: type[_M], origin: str = "prototxt") -> Prototxt[_M]:
    """Parse a prototxt, see :func:`read_prototxt`; ``origin`` names it in errors."""
    refuse_other_files(text[:_LOOKED_AT].encode("utf-8", "replace"), origin)
    result = Prototxt(kind(), origin)
    try:
        survey = _Survey(result)
        survey.through(text)
        seen = _without(text, survey.unseen)
        text_format.Merge(seen, result.message, allow_unknown_field=True)
    except text_format.ParseError as error:
        raise _readable(error, kind, text, origin) from None
    result.as_written = not (result.foreign or survey.unseen)
    _refuse_other_kinds(result)
    refuse((f for f in result.foreign if f.layer is None and f.first), origin)
    return result


def to_text(message: Message) -> str:
    """A message as a prototxt, floats as short as single precision allows.

    >>> from ssd_data import families
    >>> net = families.generate("tiny_ssd", num_classes=4).nets["deploy"]
    >>> to_text(net).splitlines()[0]
    'name: "Tiny-SSD"'
    """
    return text_format.MessageToString(message, use_short_repeated_primitives=False)


def deploy_text(net: caffe_pb2.NetParameter) -> str:
    """A deploy net as a prototxt that says nothing of phases, which readers need not know."""
    plain = deepcopy(net)
    plain.ClearField("state")
    for layer in plain.layer:
        layer.ClearField("phase")
    return to_text(plain)


def refuse_other_files(data: bytes, origin: object) -> None:
    """Refuse what is plainly no prototxt of any kind.

    Raises:
        InputError: it says what it is.
    """
    found = file_type(data)
    if found is not None and found is not EMPTY and found not in TEXTS:
        what = f"this is {found.what}, not a prototxt"
        raise InputError(what, where=origin, hint=found.hint)
    if b"\0" in data:
        raise InputError("this is a binary file, not a prototxt", where=origin)


def _refuse_other_kinds(result: Prototxt[Any]) -> None:
    """A solver or a labelmap in the place of a net."""
    message, names = result.message, {f.name for f in result.foreign if f.layer is None}
    if not isinstance(message, caffe_pb2.NetParameter) or message.layer or message.layers:
        return
    solver = names & {field.name for field in caffe_pb2.SolverParameter.DESCRIPTOR.fields}
    kind = SOLVER if solver else LABELMAP if "item" in names else None
    if kind is not None:
        raise InputError(f"this is {kind.what}, not a net's", where=result.origin, hint=kind.hint)


class _Survey:
    """One walk over a text: the layers' lines, what the SSD branch has not, and where values stand
    that the parser is not to see."""

    def __init__(self, result: Prototxt[Any]) -> None:
        self.result = result
        self.unseen: list[tuple[int, int]] = []  # spans of the text
        # Of each open message: its type (None for an unknown one), the field that holds it, and
        # the lines of the fields that it has had.
        self.scopes: list[Any] = [result.message.DESCRIPTOR]
        self.holders: list[Any] = [None]
        self.seen: list[dict[str, int]] = [{}]
        self.field: Any = None
        self.start = 0  # of the field's name
        self.waiting: ForeignField | None = None  # for its value
        self.layer: int | None = None

    def through(self, text: str) -> None:
        """Raises ParseError where no token can be read, InputError where it is too deep."""
        for word, follows, line, at in _words(text):
            if word in _OPENING:
                self._open(line)
            elif word in _CLOSING:
                self._close()
            elif (follows in _OPENING or follows == ":") and word.isidentifier():
                self._name(word, line, at)
            elif word != ":":
                self._value(word, at)

    def _open(self, line: int) -> None:
        if len(self.scopes) == 1 and self.field is not None and self.field.name in _LAYER_FIELDS:
            self.result.layer_lines.append(line)
            self.layer = len(self.result.layer_lines) - 1
        self.scopes.append(None if self.field is None else self.field.message_type)
        self.holders.append(self.field)
        self.seen.append({})
        if self.waiting is not None:
            self.waiting.value = self.waiting.value or "{ }"
        if len(self.scopes) > MOST_DEPTH:
            where = f"{self.result.origin}:{line}"
            raise InputError(f"nested deeper than {MOST_DEPTH}", where=where)

    def _close(self) -> None:
        self.scopes = self.scopes[:-1] or [None]
        self.seen = self.seen[:-1] or [{}]
        self.field = self.holders.pop() if self.holders else None  # a list's next is the same's
        self.waiting = None
        if len(self.scopes) == 1:
            self.layer = None

    def _name(self, word: str, line: int, at: int) -> None:
        scope, self.start, self.waiting = self.scopes[-1], at, None
        self.field = scope.fields_by_name.get(word) if scope is not None else None
        if scope is None:
            return
        if len(self.scopes) == 1 and word in _INPUT_FIELDS and not self.result.input_line:
            self.result.input_line = line
        if self.field is None:
            self.waiting = ForeignField(scope.name, word, line, self.layer)
            self._note(self.waiting)
        elif not _is_repeated(self.field):
            first = self.seen[-1].setdefault(word, 0)
            if first:
                self._note(ForeignField(scope.name, word, line, self.layer, first=first))
            self.seen[-1][word] = first or line

    def _note(self, field: ForeignField) -> None:
        self.result.foreign.append(field)
        if len(self.result.foreign) > MOST_FOREIGN:
            what = f"has more than {MOST_FOREIGN:,} fields that Caffe does not know"
            raise InputError(what, where=self.result.origin)

    def _value(self, word: str, at: int) -> None:
        if self.waiting is not None and not self.waiting.value:
            self.waiting.value = word
        kind = None if self.field is None else self.field.enum_type
        if kind is not None and self.field.name == "engine" and not _is_known(kind, word):
            self.unseen.append((self.start, at + len(word)))


def _is_repeated(field: Any) -> bool:
    known = getattr(field, "is_repeated", None)  # of today's protobuf
    return bool(field.label == field.LABEL_REPEATED if known is None else known)


def _is_known(kind: Any, word: str) -> bool:
    return any(word in (value.name, str(value.number)) for value in kind.values)


def _words(text: str) -> Iterator[tuple[str, str, int, int]]:
    """Each token, the next one (a bracket, where only a colon is between), its line, and where it
    stands in the text."""
    lines = text.split("\n")
    starts = [0, *accumulate(len(line) + 1 for line in lines)]
    tokens = text_format.Tokenizer(lines)
    word, line, at = "", 0, 0
    while not tokens.AtEnd():
        # No public way leads to a token's place.
        here, column = tokens._line + 1, tokens._column  # type: ignore[attr-defined]
        token = tokens.token
        tokens.NextToken()
        if word and not (token in _OPENING and word == ":"):
            yield word, token, line, at
        word, line, at = token, here, starts[here - 1] + column
    if word:
        yield word, "", line, at


def _without(text: str, spans: Iterable[tuple[int, int]]) -> str:
    """The text with spaces where those are, so that all else stays in its place."""
    parts, end = [], 0
    for start, stop in spans:
        parts += [text[end:start], _NO_LINE_END.sub(" ", text[start:stop])]
        end = stop
    return "".join([*parts, text[end:]])


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
    if found := _PLACEHOLDER.search(message):
        hint = f"Is this a template? Its script writes a number for {found[1]} (gen_model.sh)"
    lines = text.split("\n")
    said = lines[line - 1] if 0 < line <= len(lines) else ""
    message = message.removeprefix(f"'{said}': ")  # some of protobuf's errors repeat the line
    shown = said.strip()[:80]
    where = f"{origin}:{line}" if line else origin
    return InputError(f"{message} (in: {shown})" if shown else message, where=where, hint=hint)
