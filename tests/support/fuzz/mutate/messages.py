"""Changes to protobuf messages, as text and as bytes: field by field, and in the wire format itself
(https://protobuf.dev/programming-guides/encoding)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from random import Random
from typing import Any

from google.protobuf import text_format
from google.protobuf.message import DecodeError, Message

from support.fuzz.mutate import odd, raw, text

Change = Callable[[bytes, Random], bytes]


def as_text(kind: type[Message]) -> Change:
    """Changes a message of that kind written as text."""

    def mutate(data: bytes, random: Random) -> bytes:
        if random.random() < 0.45:
            return text.mutate(data, random)
        message = kind()
        try:
            text_format.Parse(data, message, allow_unknown_field=True)
        except (text_format.ParseError, UnicodeDecodeError):
            return text.mutate(data, random)
        change(message, random)
        return text_format.MessageToString(message, as_utf8=random.random() < 0.5).encode()

    return mutate


def as_bytes(kind: type[Message]) -> Change:
    """Changes a message of that kind in its binary form."""

    def mutate(data: bytes, random: Random) -> bytes:
        if random.random() < 0.5:
            return wire(data, random)
        message = kind()
        try:
            message.ParseFromString(data)
        except DecodeError:
            return wire(data, random)
        change(message, random)
        return message.SerializePartialToString()

    return mutate


def change(message: Message, random: Random) -> None:
    """Some of its fields set, cleared, doubled, or taken from elsewhere in it."""
    for _ in range(random.choice([1, 1, 1, 2, 3, 6])):
        found = list(_inner(message))
        if random.random() < 0.5:  # the likes of one kind count once: there are many numbers
            kinds = sorted({one.DESCRIPTOR.full_name for one in found})
            wanted = random.choice(kinds)
            found = [one for one in found if one.DESCRIPTOR.full_name == wanted]
        _change(random.choice(found), random)


def _inner(message: Message) -> Iterator[Message]:
    yield message
    for field, value in message.ListFields():
        if field.type == field.TYPE_MESSAGE:
            for one in value if field.is_repeated else [value]:
                yield from _inner(one)


def _change(message: Message, random: Random) -> None:
    known = [field for field, _ in message.ListFields()]
    fields = list(message.DESCRIPTOR.fields)
    field = random.choice(known if known and random.random() < 0.7 else fields)
    if random.random() < 0.2:
        message.ClearField(field.name)
    elif field.is_repeated:
        _change_many(getattr(message, field.name), field, random)
    elif field.type == field.TYPE_MESSAGE:
        if random.random() < 0.5:
            getattr(message, field.name).SetInParent()
        else:
            _change(getattr(message, field.name), random)
    else:
        setattr(message, field.name, _value(field, random))


def _change_many(values: Any, field: Any, random: Random) -> None:
    kind = random.randrange(5)
    at = random.randrange(len(values)) if values else 0
    if kind == 0 and values:
        del values[at]
    elif kind == 1 and values:
        for _ in range(random.choice([1, 1, 2, 70])):
            values.append(values[at])
    elif kind == 2 and len(values) > 1:
        other = random.randrange(len(values))
        if field.type == field.TYPE_MESSAGE:
            values[at].MergeFrom(values[other])
        else:
            values[at] = values[other]
    elif field.type == field.TYPE_MESSAGE:
        _change(values[at] if values and kind != 3 else values.add(), random)
    elif values and kind != 3:
        values[at] = _value(field, random)
    else:
        values.append(_value(field, random))


def _value(field: Any, random: Random) -> Any:
    if field.type == field.TYPE_ENUM:
        return random.choice(field.enum_type.values).number
    if field.type == field.TYPE_BOOL:
        return random.random() < 0.5
    if field.type == field.TYPE_STRING:
        return odd.word(random)
    if field.type == field.TYPE_BYTES:
        return random.randbytes(random.choice([0, 1, 8, 100]))
    if field.type in (field.TYPE_FLOAT, field.TYPE_DOUBLE):
        return random.choice([*odd.REALS, random.random(), random.randrange(-3, 400)])
    return _integer(field, random)


def _integer(field: Any, random: Random) -> int:
    signed = field.cpp_type in (field.CPPTYPE_INT32, field.CPPTYPE_INT64)
    bits = 64 if field.cpp_type in (field.CPPTYPE_INT64, field.CPPTYPE_UINT64) else 32
    value = odd.integer(random) % (1 << bits)
    return value - (1 << bits) if signed and value >> (bits - 1) else value


# The wire format, whatever the message is.


def wire(data: bytes, random: Random) -> bytes:
    """One field changed at any depth, and the lengths around it made to fit, or not."""
    parts = _parts(data)
    if parts is None or not parts or random.random() < 0.15:
        return raw.mutate(data, random)
    at = random.randrange(len(parts))
    number, way, value = parts[at]
    if way == 2 and len(value) > 1 and random.random() < 0.7 and _parts(value):
        parts[at] = (number, way, wire(value, random))
        return _joined(parts)
    kind = random.randrange(9)
    if kind == 0:
        del parts[at]
    elif kind == 1:
        parts[at:at] = [parts[at]] * random.choice([1, 1, 5, 300])
    elif kind == 2:
        parts[at] = (
            random.choice([number + 1, 0, 100, 1 << 20, random.randrange(1, 40)]),
            way,
            value,
        )
    elif kind == 3:
        parts[at] = (number, random.randrange(8), value)
    elif kind == 4 and way == 2:
        parts[at] = (number, way, raw.mutate(value, random))
    elif kind == 5:
        parts[at] = (number, 0, varint(odd.integer(random) % (1 << 64)))
    elif kind == 6:
        parts[at] = (number, 2, random.choice([b"", odd.word(random).encode(), *odd.NOT_TEXT]))
    elif kind == 7:
        parts.insert(random.randrange(len(parts) + 1), parts.pop(at))
    else:
        lie = varint(odd.integer(random) % (1 << 64))
        return (
            _joined(parts[:at]) + varint(number << 3 | 2) + lie + value + _joined(parts[at + 1 :])
        )
    return _joined(parts)


Part = tuple[int, int, bytes]


def _parts(data: bytes) -> list[Part] | None:
    """The fields of a message: number, kind and bytes; None where it is none."""
    found: list[Part] = []
    at = 0
    try:
        while at < len(data):
            tag, at = _read(data, at)
            way, number = tag & 7, tag >> 3
            if way == 0:
                _, end = _read(data, at)
            elif way == 2:
                size, at = _read(data, at)
                end = at + size
            elif way in (1, 5):
                end = at + (8 if way == 1 else 4)
            else:
                return None
            if end > len(data) or not number:
                return None
            found.append((number, way, data[at:end]))
            at = end
    except IndexError:
        return None
    return found


def _read(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at
        if shift > 63:
            raise IndexError


def varint(value: int) -> bytes:
    made = bytearray()
    while value > 0x7F:
        made.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*made, value])


def _joined(parts: list[Part]) -> bytes:
    made = [
        varint(number << 3 | way) + (varint(len(value)) if way == 2 else b"") + value
        for number, way, value in parts
    ]
    return b"".join(made)[: raw.MOST_BYTES]
