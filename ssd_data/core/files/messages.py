"""Binary protobuf messages from files, looked through before they are parsed.

protobuf takes a few hundred bytes of memory for a part that takes two in the file, and says only to
who looks at a string that it is not UTF-8. The wire format is that of
https://protobuf.dev/programming-guides/encoding.
"""

from __future__ import annotations

from typing import Any, TypeVar

from google.protobuf.message import DecodeError, Message

from ssd_data.core.errors import InputError

MOST_FIELDS = 1 << 20  # numbers in one piece, as Caffe writes them, count once
MOST_PARTS = 1 << 18
_VARINT, _EIGHT, _LENGTH, _FOUR = 0, 1, 2, 5  # how the next value is written

_M = TypeVar("_M", bound=Message)


def parse_message(data: bytes, kind: type[_M], what: str, where: object, hint: str = "") -> _M:
    """A message of that kind, whose strings are all text.

    Args:
        data: the file's bytes. what: the file, for the error: "caffemodel".
        where: names it in the error. hint: what to do where it is no such message.

    Raises:
        InputError: it is no such message, or cut short; it has more parts than any file has that
            Caffe wrote; a string in it is not UTF-8.
    """
    message = kind()
    try:
        _Walk(data).through(0, len(data), message.DESCRIPTOR)
        message.ParseFromString(data)
    except UnicodeDecodeError as error:
        name = ascii(error.object[:40])[1:]
        raise InputError(f"a name in this {what} is not UTF-8 text: {name}", where=where) from None
    except OverflowError:
        raise InputError(f"this {what} has more parts than any has", where=where) from None
    except (DecodeError, IndexError):
        what = f"this is no {what}, or one that was cut short"
        raise InputError(what, where=where, hint=hint) from None
    return message


class _Walk:
    """Goes through a message's bytes without keeping anything.

    Raises, from :meth:`through`:
        IndexError: they are cut short, or no message. OverflowError: there are too many parts.
        UnicodeDecodeError: a string is none.
    """

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.fields = self.parts = 0

    def through(self, at: int, end: int, kind: Any) -> None:
        known = kind.fields_by_number
        self.parts += 1
        while at < end:
            self.fields += 1
            if self.fields > MOST_FIELDS or self.parts > MOST_PARTS:
                raise OverflowError
            tag, at = self._varint(at)
            way, field = tag & 7, known.get(tag >> 3)
            if way == _VARINT:
                _, at = self._varint(at)
            elif way == _LENGTH:
                length, at = self._varint(at)
                if field is not None and at + length <= end:
                    self._into(field, at, at + length)
                at += length
            elif way in (_EIGHT, _FOUR):
                at += 8 if way == _EIGHT else 4
            else:
                raise IndexError
        if at > end:
            raise IndexError

    def _into(self, field: Any, at: int, end: int) -> None:
        if field.type == field.TYPE_MESSAGE:
            self.through(at, end, field.message_type)
        elif field.type == field.TYPE_STRING:
            self.data[at:end].decode()

    def _varint(self, at: int) -> tuple[int, int]:
        value = 0
        for shift in range(0, 70, 7):
            byte = self.data[at]
            value |= (byte & 0x7F) << shift
            at += 1
            if byte < 0x80:
                return value, at
        raise IndexError
