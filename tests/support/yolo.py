"""Small YOLO data sets for tests: folders by what lies in them, and lines as a naive reader has
them."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path

import numpy as np

from support.trees import jpeg

PICTURE = None  # in place of a file's text
A, B, C = "0 0.5 0.25 0.5 0.25\n", "1 0.25 0.5 0.125 0.5\n", "0 0.75 0.625 0.25 0.25\n"


def tree(root: Path, files: Mapping[str, str | bytes | None]) -> Path:
    """Files by their paths; a picture where there is no content."""
    for seed, (name, content) in enumerate(files.items()):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        data = jpeg(seed=seed) if content is None else content
        path.write_bytes(data.encode() if isinstance(data, str) else data)
    return root


def pictures(images: str, labels: str, **texts: str) -> dict[str, str | bytes | None]:
    """Pictures of a folder and the txt of each by its name."""
    found: dict[str, str | bytes | None] = {f"{images}/{name}.jpg": PICTURE for name in texts}
    return found | {f"{labels}/{name}.txt": text for name, text in texts.items()}


def exact_corners(line: str) -> list[float]:
    """The corners of a line as single precision, with nothing rounded on the way but at the end."""
    _, *numbers = line.split()
    x, y, w, h = map(Fraction, numbers[:4])
    exact = x - w / 2, y - h / 2, x + w / 2, y + h / 2
    return [float(np.float32(float(value))) for value in exact]
