"""Why a module that is there cannot be imported: it was built, or written, for other packages."""

from __future__ import annotations

import re

_ANEW = "or build it anew"
_KINDS = (  # what Python, NumPy or protobuf says; what that means; what it needs
    (
        r"compiled using NumPy 1|_ARRAY_API|multiarray failed to import",
        "was built for NumPy 1, and NumPy {numpy} is there",
        f"Give it an environment with 'numpy<2', {_ANEW}",
    ),
    (
        r"numpy\.\w+ size changed|compiled against (?:ABI|API) version",
        "was built for another NumPy than {numpy}, which is there",
        f"Give it an environment with the NumPy that it was built for, {_ANEW}",
    ),
    (
        r"module 'numpy' has no attribute '(?:bool|complex|float|int|object|str)'",
        "was written for an older NumPy than {numpy}, which is there",
        "Give it an environment with 'numpy<1.24'",
    ),
    (
        r"module 'numpy' has no attribute|was removed in the NumPy 2",
        "was written for an older NumPy than {numpy}, which is there",
        "Give it an environment with 'numpy<2'",
    ),
    (
        r"Descriptors cannot (?:not )?be created directly",
        "has a caffe_pb2.py of an older protobuf than the one that is there",
        "Give it an environment with 'protobuf<3.21', or make caffe_pb2.py anew with protoc",
    ),
    (
        r"\b(?:Syntax|Tab)Error\b",
        "was written for Python 2",
        "Build one of Python 3",
    ),
)


def built_for(text: str, numpy: str) -> tuple[str, str] | None:
    """What is wrong with a module, and what to do.

    Args:
        text: what was said where it was imported. numpy: the version there.

    Returns:
        None where nothing of that kind is wrong.
    """
    for words, what, hint in _KINDS:
        if re.search(words, text):
            return what.format(numpy=numpy), hint
    return None
