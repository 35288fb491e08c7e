"""Open Images' CSV files, in small."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from support.trees import jpeg

HEADER = (
    "ImageID,Source,LabelName,Confidence,XMin,XMax,YMin,YMax,"
    "IsOccluded,IsTruncated,IsGroupOf,IsDepiction,IsInside"
)
CUP, PLATE = "/m/0cup1", "/m/0plate"


def row(image: str, code: str, box: Sequence[float], group: Any = 0, sure: Any = 1) -> str:
    """A line; ``box`` is xmin, ymin, xmax, ymax."""
    xmin, ymin, xmax, ymax = box
    return f"{image},xclick,{code},{sure},{xmin},{xmax},{ymin},{ymax},0,0,{group},0,0"


def write(root: Path, name: str, lines: Iterable[str], header: str = HEADER) -> Path:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in (header, *lines) if line), "utf-8")
    return path


def names(root: Path, name: str = "class-descriptions-boxable.csv", header: str = "") -> Path:
    return write(root, name, [f"{CUP},Coffee cup", f'{PLATE},"Plate, flat"'], header)


def pictures(root: Path, *paths: str) -> None:
    for seed, path in enumerate(paths):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(jpeg(160, 120, seed=seed))
