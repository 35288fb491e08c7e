"""Stores that hold a folder: fsspec's own in memory, and an S3 on 127.0.0.1."""

from __future__ import annotations

import builtins
import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

fsspec = pytest.importorskip("fsspec")

_ASKING = {os: ("stat", "lstat", "open", "scandir", "listdir", "readlink", "access")}


def in_memory(folder: Path) -> str:
    """The address of a copy of a folder, in memory."""
    address = f"memory://{uuid4().hex}/{folder.name}"
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            with fsspec.open(f"{address}/{path.relative_to(folder).as_posix()}", "wb") as file:
                file.write(path.read_bytes())
    return address


@contextmanager
def disk_unasked(address: str) -> Iterator[None]:
    """For as long as it lasts, whoever asks the disk for an address, or for what is left of one in
    a path, fails, also where he would take it for "not there".
    """
    sought = address.partition("://")[2].partition("/")[0]

    def guarded(asked: Any) -> Any:
        def ask(path: Any = ".", *args: Any, **kwargs: Any) -> Any:
            assert isinstance(path, int) or sought not in os.fsdecode(path), f"the disk: {path}"
            return asked(path, *args, **kwargs)

        return ask

    replaced = {(os, name): getattr(os, name) for name in _ASKING[os]}
    replaced |= {(builtins, "open"): builtins.open, (io, "open"): io.open}
    try:
        for (module, name), asked in replaced.items():
            setattr(module, name, guarded(asked))
        yield
    finally:
        for (module, name), asked in replaced.items():
            setattr(module, name, asked)
