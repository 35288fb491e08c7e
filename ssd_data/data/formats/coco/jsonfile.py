"""A JSON of any size, decoded from its pages: only what is asked for takes memory."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from ssd_data.core.errors import InputError
from ssd_data.core.files.inside import mapped
from ssd_data.core.files.there import is_named_there
from ssd_data.data.formats.coco.schema import CocoAnnotation, CocoImage, RawInstances

SHOWN = 20
BROKEN = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
NEWLINE = b"\n"
BOM = b"\xef\xbb\xbf"
MISFIT = "not what the format says"
MISFIT_HINT = "Boxes come from instances_*.json; captions and results files are others"
NO_NUMBERS = "NaN and Infinity are no numbers of JSON, though Python's json.dump writes them"
_T = TypeVar("_T")


class MisfitError(InputError):
    """A JSON, but not what the format says."""


class JsonFile:
    """A regular file's JSON.

    Args:
        path: the file.
        name: what errors call it.

    Raises:
        InputError: it is absent, no regular file, empty or unreadable.
    """

    def __init__(self, path: Path, name: str) -> None:
        self.name = name
        if not is_named_there(path):
            raise InputError("the annotation is missing", where=name)
        self._data = mapped(path, "JSON", name)
        if not self._data:
            raise InputError("the JSON is empty", where=name)
        skipped = len(BOM) if self._data[: len(BOM)] == BOM else 0
        self.view = memoryview(self._data)[skipped:]

    def decode(self, kind: type[_T]) -> _T:
        """What ``kind`` names of it, in one pass.

        Raises:
            MisfitError: a value is of another type.
            InputError: it is no JSON.
        """
        try:
            return msgspec.json.decode(self.view, type=kind)
        except msgspec.ValidationError as error:
            raise misfit(error, self._locate()) from None
        except BROKEN as error:
            text, place = f"malformed JSON: {error}", self._line(error)
            raise InputError(text, where=place, hint=self._cure(error)) from None

    def _locate(self) -> str:
        """Which image or annotation does not fit, for the error; slow and rarely called."""
        try:
            raw = msgspec.json.decode(self.view, type=RawInstances)
        except BROKEN:
            return self.name
        parts: list[tuple[str, list[msgspec.Raw], Any]] = [
            ("images", raw.images, CocoImage),
            ("annotations", raw.annotations or [], CocoAnnotation),
        ]
        for key, entries, kind in parts:
            for index, entry in enumerate(entries):
                try:
                    msgspec.json.decode(entry, type=kind)
                except BROKEN:
                    return f"{self.name}: {key}[{index}]"
        return self.name

    def _line(self, error: Exception) -> str:
        """``file:line`` from msgspec's ``(byte n)``."""
        if "truncated" in str(error):
            return f"{self.name}:{self._lines(len(self.view))} (its end)"
        at = _position(error)
        return self.name if at is None else f"{self.name}:{self._lines(at)} (byte {at})"

    def _lines(self, end: int) -> int:
        step = 1 << 20
        parts = (bytes(self.view[at : min(at + step, end)]) for at in range(0, end, step))
        return sum(part.count(NEWLINE) for part in parts) + 1

    def _cure(self, error: Exception) -> str:
        at = _position(error)
        if "truncated" in str(error):
            return "The file is cut short: fetch or write it again"
        near = b"" if at is None else bytes(self.view[max(at - 1, 0) : at + 2])
        return NO_NUMBERS if any(word in near for word in (b"Na", b"In", b"-I")) else ""


def _position(error: Exception) -> int | None:
    position = str(error).rpartition("(byte ")[2].rstrip(")")
    return int(position) if position.isdecimal() else None


def misfit(error: Exception, where: str) -> MisfitError:
    """The error about a value of another type than the format says."""
    return MisfitError(f"{MISFIT}: {error}", where=where, hint=MISFIT_HINT)


def raise_all(faults: Sequence[InputError], where: str) -> None:
    """Raise what is wrong, all of it at once; nothing where there is nothing.

    Raises:
        InputError: the one fault; or several, of which the first are listed.
    """
    if not faults:
        return
    if len(faults) == 1:
        raise faults[0]
    lines = [fault.sentence for fault in faults[:SHOWN]]
    lines += ["…"] if len(faults) > SHOWN else []
    text = [f"{len(faults)} entries cannot be read:", *lines]
    raise InputError(text, where=where, hint=faults[0].hint)
