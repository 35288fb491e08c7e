"""LabelMe's JSON as it writes it, in small."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from support.trees import jpeg

SIZE = (160, 120)
Points = Sequence[Sequence[float]]


def shape(
    label: Any, points: Points, kind: str | None = "rectangle", **more: Any
) -> dict[str, Any]:
    base = {"label": label, "points": points, "group_id": None, "description": "", "flags": {}}
    typed = {} if kind is None else {"shape_type": kind}
    return base | typed | more


def document(*shapes: dict[str, Any], path: str | None = "a.jpg", **more: Any) -> dict[str, Any]:
    base = {"version": "5.7.0", "flags": {}, "shapes": list(shapes), "imagePath": path}
    return base | {"imageData": None, "imageHeight": SIZE[1], "imageWidth": SIZE[0]} | more


def write(root: Path, name: str, content: dict[str, Any] | str | bytes) -> Path:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, dict):
        content = json.dumps(content, indent=2)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def pictures(root: Path, *names: str) -> None:
    for seed, name in enumerate(names):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(jpeg(*SIZE, seed=seed, format="PNG" if name.endswith("png") else "JPEG"))
