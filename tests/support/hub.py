"""Hugging Face data sets, in small: Parquet files as ``datasets`` writes them, metadata files."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from support.trees import jpeg

SIZE = (160, 120)
NAMES = ("cup", "plate", "fork")


def picture(name: str | None, seed: int = 0) -> dict[str, Any]:
    """What an ``image`` column holds."""
    return {"bytes": jpeg(*SIZE, seed=seed), "path": name}


def row(
    name: str | None, *boxes: Sequence[float], classes: Sequence[Any] = (), **columns: Any
) -> dict[str, Any]:
    """A row with a picture in it; classes are 0 where none is named."""
    chosen = list(classes) or [0] * len(boxes)
    objects = {"bbox": [list(map(float, box)) for box in boxes], "category": chosen}
    return {"image": picture(name), "objects": objects, **columns}


def features(names: Sequence[str] = NAMES) -> dict[str, Any]:
    """What ``datasets`` says of the columns."""
    label = {"names": list(names), "_type": "ClassLabel"}
    box = {"feature": {"dtype": "float32", "_type": "Value"}, "length": 4, "_type": "Sequence"}
    return {
        "image": {"_type": "Image"},
        "objects": {
            "bbox": {"feature": box, "_type": "Sequence"},
            "category": {"feature": label, "_type": "Sequence"},
        },
    }


def parquet(
    root: Path,
    name: str,
    rows: Sequence[Mapping[str, Any]],
    stated: Mapping[str, Any] | None = None,
    **how: Any,
) -> Path:
    """Write a Parquet file; ``stated`` are its features, ``how`` is passed on to pyarrow."""
    import pyarrow
    from pyarrow.parquet import write_table

    table = pyarrow.Table.from_pylist(list(rows))
    if stated is not None:
        info = json.dumps({"info": {"features": stated}}).encode()
        table = table.replace_schema_metadata({b"huggingface": info})
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    write_table(table, path, **how)
    return path


def metadata(root: Path, name: str, *lines: Mapping[str, Any] | str) -> Path:
    """Write a ``metadata.jsonl``."""
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    path.write_text("".join(f"{text}\n" for text in texts), "utf-8")
    return path
