"""What a file is that was given in the place of a prototxt or caffemodel, from its first bytes."""

from __future__ import annotations

import re
from dataclasses import dataclass

_PAGE = (b"<!doctype", b"<html", b"<?xml", b"<head")
_RAW = "Download the raw file (on GitHub: the Raw button)"
_STARTS = {
    b"\x89HDF\r\n\x1a\n": ("an HDF5 file", "Save the weights as .caffemodel"),
    b"PK\x03\x04": ("a zip file (PyTorch's .pth is one)", "See ssd-data import-backbone"),
    b"\x1f\x8b": ("a gzip file", "Unpack it first"),
    b"version https://git-lfs": ("a Git LFS pointer", "Fetch the real file with git lfs pull"),
    b"7767517": ("an ncnn .param file", "Give the Caffe net that it was made of"),
    b"\x89PNG": ("a picture", ""),
    b"\xff\xd8\xff": ("a picture", ""),
}
ORDER = "The prototxt comes first, then the caffemodel"
_LAYERS = re.compile(rb"^\s*layers?\s*:?\s*[{\[]", re.M)
_SOLVER = re.compile(rb"^(base_lr|lr_policy|train_net|test_net|test_iter|max_iter)\s*:", re.M)
_LABELMAP = re.compile(rb"^\s*item\s*:?\s*\{", re.M)
_LOOKED_AT = 1 << 16
_MOST_FIELDS = 64
_VARINT, _LENGTH = 0, 2
_WIDTHS = {1: 8, 5: 4}


@dataclass(frozen=True, slots=True)
class FileType:
    """A kind of file as a sentence names it, and what to do about it."""

    what: str
    hint: str = ""


CAFFEMODEL = FileType("a caffemodel", ORDER)
PROTOTXT = FileType("a net's prototxt", ORDER)
SOLVER = FileType("a solver's prototxt", "Give the net that it names")
LABELMAP = FileType("a labelmap", "Give the net's prototxt")
SOLVERSTATE = FileType("a solver state", "Give the .caffemodel beside it")
TEXTS = (PROTOTXT, SOLVER, LABELMAP)
ONNX = FileType("an ONNX net", "Give the Caffe net that it was made of")
EMPTY = FileType("an empty file", "The download or copy failed: fetch it again")


def file_type(data: bytes) -> FileType | None:
    """What a file is, None where its bytes do not tell.

    >>> file_type(b"item { name: 'cat' label: 1 }").what
    'a labelmap'

    Args:
        data: all of it, or its beginning.
    """
    if not data.strip():
        return EMPTY if not data else None
    start = data[:512].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if start.startswith(_PAGE):
        return FileType("a saved web page", _RAW)
    for magic, (what, hint) in _STARTS.items():
        if data.startswith(magic):
            return FileType(what, hint)
    return _of_text(data[:_LOOKED_AT]) or _of_message(data)


def _of_text(data: bytes) -> FileType | None:
    if b"\0" in data:
        return None
    if _SOLVER.search(data):
        return SOLVER
    if _LAYERS.search(data):
        return PROTOTXT
    return LABELMAP if _LABELMAP.search(data) else None


def _of_message(data: bytes) -> FileType | None:
    """By the numbers and kinds of a binary message's outermost fields."""
    found = _fields(data)
    if {(1, _VARINT), (7, _LENGTH)} <= found:
        return ONNX
    if {(1, _VARINT), (3, _LENGTH)} <= found:
        return SOLVERSTATE
    layers = {(2, _LENGTH), (100, _LENGTH)} & found
    return CAFFEMODEL if layers and (1, _VARINT) not in found else None


def _fields(data: bytes) -> set[tuple[int, int]]:
    """(number, kind) of the first fields; what is behind the last whole one is not looked at."""
    found: set[tuple[int, int]] = set()
    at = 0
    try:
        for _ in range(_MOST_FIELDS):
            tag, at = _varint(data, at)
            kind = tag & 7
            if kind == _LENGTH:
                length, at = _varint(data, at)
                at += length
            elif kind == _VARINT:
                _, at = _varint(data, at)
            elif kind in _WIDTHS:
                at += _WIDTHS[kind]
            else:
                return set()
            found.add((tag >> 3, kind))
    except IndexError:
        pass
    return found


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 64, 7):
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at += 1
        if byte < 0x80:
            return value, at
    raise IndexError
