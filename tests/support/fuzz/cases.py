"""Good inputs put together, for targets."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from support.fuzz.target import Case, read
from support.trees import jpeg


def case(files: Mapping[str, str | bytes]) -> Case:
    """Files by their paths; texts are UTF-8."""
    return {
        name: content.encode() if isinstance(content, str) else content
        for name, content in files.items()
    }


def below(folder: str, files: Mapping[str, str | bytes]) -> Case:
    return case({f"{folder}/{name}": content for name, content in files.items()})


def pictures(*names: str) -> dict[str, str | bytes]:
    """Small pictures, in the format that their names say."""
    endings = {"png": "PNG", "webp": "WEBP", "bmp": "BMP"}
    return {
        name: jpeg(32, 24, seed=i, format=endings.get(name.rpartition(".")[2], "JPEG"))
        for i, name in enumerate(names)
    }


def built(*make: Callable[[Path], object]) -> Case:
    """What functions write into an empty folder."""
    with tempfile.TemporaryDirectory() as folder:
        for one in make:
            one(Path(folder))
        return read(Path(folder))
