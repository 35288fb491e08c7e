"""A fork's ``caffe.proto``, read as text: its messages without protoc.

The proto2 that such files are written in: messages, enumerations, fields with their options.
Source: protobuf.dev/reference/protobuf/proto2-spec.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from types import ModuleType

from google.protobuf import descriptor_pb2

from ssd_data.proto.classes import classes_of

MOST_DEPTH = 16
_TOKEN = re.compile(
    r"""(?P<skipped>\s+|//[^\n]*|/\*.*?\*/)|(?P<text>"[^"\n]*"|'[^'\n]*')|(?P<word>[-+.\w()]+)"""
    r"""|(?P<mark>[{}\[\]=;,<>])""",
    re.DOTALL,
)
_Field = descriptor_pb2.FieldDescriptorProto
_LABELS = {
    "optional": _Field.LABEL_OPTIONAL,
    "required": _Field.LABEL_REQUIRED,
    "repeated": _Field.LABEL_REPEATED,
}
_TYPES = {
    name.removeprefix("TYPE_").lower(): number
    for name, number in _Field.Type.items()
    if name not in ("TYPE_GROUP", "TYPE_MESSAGE", "TYPE_ENUM")
}
_PASSED_OVER = ("option", "reserved", "extensions", "import")


def messages_of(text: str, name: str = "caffe.proto") -> ModuleType:
    """What ``caffe_pb2`` would be of this text.

    >>> messages = messages_of('package caffe; message A { repeated float b = 1; }')
    >>> messages.A(b=[0.5]).b[0]
    0.5

    Raises:
        ValueError: it is none, with the line.
    """
    file = _Parser(text).file()
    file.name = name
    kinds = _kinds(file.message_type, file.enum_type)
    for message in file.message_type:
        _resolve(message, (), kinds, file.package)
    try:
        found = classes_of([file])
    except (TypeError, KeyError) as error:
        raise ValueError(f"its messages do not fit: {error}") from None
    module = ModuleType("caffe.proto.caffe_pb2")
    module.__dict__.update(found)
    return module


def _kinds(
    messages: Iterable[descriptor_pb2.DescriptorProto],
    enums: Iterable[descriptor_pb2.EnumDescriptorProto],
    path: str = "",
) -> dict[str, descriptor_pb2.FieldDescriptorProto.Type.ValueType]:
    """``Message.Nested`` → whether it is a message or an enumeration."""
    found = {f"{path}{enum.name}": _Field.TYPE_ENUM for enum in enums}
    for message in messages:
        found[f"{path}{message.name}"] = _Field.TYPE_MESSAGE
        found |= _kinds(message.nested_type, message.enum_type, f"{path}{message.name}.")
    return found


def _resolve(
    message: descriptor_pb2.DescriptorProto,
    scope: tuple[str, ...],
    kinds: dict[str, descriptor_pb2.FieldDescriptorProto.Type.ValueType],
    package: str,
) -> None:
    """Which message or enumeration a field is of: the nearest of that name, from within."""
    scope = (*scope, message.name)
    for field in message.field:
        if not field.type_name:
            continue
        name = field.type_name.removeprefix(".").removeprefix(f"{package}.")
        depth = len(scope) if name == field.type_name else 0
        near = (".".join((*scope[:level], name)) for level in range(depth, -1, -1))
        found = next((one for one in near if one in kinds), None)
        if found is None:
            where = f"{'.'.join(scope)}.{field.name}"
            raise ValueError(f"{where} is of {name}, and nothing is called so")
        field.type, field.type_name = kinds[found], f".{package}.{found}"
    for nested in message.nested_type:
        _resolve(nested, scope, kinds, package)


class _Parser:
    def __init__(self, text: str) -> None:
        self.tokens: list[tuple[str, int]] = []
        place, line = 0, 1
        while place < len(text):
            found = _TOKEN.match(text, place)
            if found is None:
                raise ValueError(f"line {line}: {text[place : place + 20]!r} is not understood")
            if found.lastgroup != "skipped":
                self.tokens.append((found[0], line))
            line += found[0].count("\n")
            place = found.end()
        self.tokens.append(("", line))
        self.place = 0

    def next(self, *wanted: str) -> str:
        """The next token, which is one of those wanted, where any are."""
        token, line = self.tokens[self.place]
        if (wanted and token not in wanted) or not token:
            expected = " or ".join(wanted) or "more"
            raise ValueError(f"line {line}: {expected} expected, not {token or 'the end'}")
        self.place += 1
        return token

    def peek(self) -> str:
        return self.tokens[self.place][0]

    def pass_over(self) -> None:
        while self.next() != ";":
            pass

    def number(self) -> int:
        token = self.next()
        try:
            return int(token, 0)
        except ValueError:
            line = self.tokens[self.place - 1][1]
            raise ValueError(f"line {line}: {token} is no number") from None

    def file(self) -> descriptor_pb2.FileDescriptorProto:
        file = descriptor_pb2.FileDescriptorProto(package="caffe")
        while self.peek():
            word = self.next("syntax", "package", "message", "enum", ";", *_PASSED_OVER)
            if word == "message":
                self.message(file.message_type.add(), MOST_DEPTH)
            elif word == "enum":
                self.enum(file.enum_type.add())
            elif word == "package":
                file.package = self.next()
                self.next(";")
            elif word == "syntax":
                self.next("=")
                self.next('"proto2"', "'proto2'")
                self.next(";")
            elif word != ";":
                self.pass_over()
        return file

    def message(self, made: descriptor_pb2.DescriptorProto, depth: int) -> None:
        made.name = self.next()
        self.next("{")
        while self.peek() != "}":
            word = self.next("message", "enum", ";", *_LABELS, *_PASSED_OVER)
            if word in _LABELS:
                self.field(made.field.add(label=_LABELS[word]))
            elif word == "message" and depth:
                self.message(made.nested_type.add(), depth - 1)
            elif word == "enum":
                self.enum(made.enum_type.add())
            elif word != ";":
                self.pass_over()
        self.next("}")

    def field(self, made: descriptor_pb2.FieldDescriptorProto) -> None:
        kind = self.next()
        if kind in _TYPES:
            made.type = _TYPES[kind]
        else:
            made.type_name = kind
        made.name = self.next()
        self.next("=")
        made.number = self.number()
        for name, value in self.options():
            if name == "default":
                made.default_value = value
            elif name == "packed":
                made.options.packed = value == "true"

    def enum(self, made: descriptor_pb2.EnumDescriptorProto) -> None:
        made.name = self.next()
        self.next("{")
        while self.peek() != "}":
            word = self.next()
            if word in _PASSED_OVER and self.peek() != "=":
                self.pass_over()
            elif word != ";":
                self.next("=")
                made.value.add(name=word, number=self.number())
                self.options()
        self.next("}")

    def options(self) -> list[tuple[str, str]]:
        """What stands in brackets behind a field, and the semicolon."""
        found: list[tuple[str, str]] = []
        if self.next("[", ";") == ";":
            return found
        while True:
            name = self.next()
            self.next("=")
            value = self.next()
            found.append((name, value[1:-1] if value[0] in "\"'" else value))
            if self.next(",", "]") == "]":
                self.next(";")
                return found
