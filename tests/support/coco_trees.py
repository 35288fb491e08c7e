"""Folders as COCO's tools export them, each with small pictures."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from support.trees import jpeg

BOX = [20, 10, 30, 25]
CORNERS = [20.0, 10.0, 50.0, 35.0]
SIZE = (64, 48)


def image(number: Any, name: str, **more: Any) -> dict[str, Any]:
    return {"id": number, "file_name": name, "width": SIZE[0], "height": SIZE[1], **more}


def box(number: Any, of: Any, category: Any = 1, **more: Any) -> dict[str, Any]:
    """An annotation; what is None is left out."""
    table = {
        "id": number, "image_id": of, "category_id": category, "bbox": BOX, "area": 750,
        "iscrowd": 0, "segmentation": [], **more,
    }  # fmt: skip
    return {key: value for key, value in table.items() if value is not None}


def table(
    names: Iterable[str], categories: Mapping[Any, str] | None = None, **more: Any
) -> dict[str, Any]:
    """A JSON with one box a picture, of the first category."""
    known = {1: "cup"} if categories is None else categories
    images = [image(n, name) for n, name in enumerate(names, 1)]
    return {
        "info": {},
        "images": images,
        "annotations": [box(one["id"], one["id"], next(iter(known), 1)) for one in images],
        "categories": [{"id": n, "name": name} for n, name in known.items()],
        **more,
    }


def write(path: Path, data: Mapping[str, Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(data), "utf-8")
    return path


def pictures(folder: Path, names: Iterable[str], **more: Any) -> None:
    for seed, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(jpeg(*SIZE, seed=seed, **more))


def roboflow(root: Path, splits: Iterable[str] = ("train", "valid", "test")) -> Path:
    """With the category that holds the others, which is called as one of them."""
    categories = [
        {"id": 0, "name": "fish", "supercategory": "none"},
        {"id": 1, "name": "fish", "supercategory": "fish"},
        {"id": 2, "name": "trap", "supercategory": "fish"},
    ]
    for split in splits:
        names = [f"{split}_{i}_jpg.rf.0123456789abcdef.jpg" for i in range(3)]
        pictures(root / split, names)
        write(root / split / "_annotations.coco.json", table(names, categories=None) | {
            "categories": categories})  # fmt: skip
    (root / "README.dataset.txt").write_text("exported")
    return root


def label_studio(root: Path, **more: Any) -> Path:
    names = [f"images/0a1b2c3d-{i}.jpg" for i in range(5)]
    pictures(root, names)
    data = table(names, {0: "cup", 1: "plate"}, info={"contributor": "Label Studio"})
    for key in ("images", "annotations"):
        for one in data[key]:
            one["id"] -= 1
    for one in data["annotations"]:
        one["image_id"] -= 1
    write(root / "result.json", data | more)
    return root
