"""``build.json``: what a build holds and how it was made."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeAlias

from ssd_data import __version__
from ssd_data.dataset import Dataset
from ssd_data.errors import InputError
from ssd_data.labelmap import LabelMap
from ssd_data.options import BuildOptions

MANIFEST = "build.json"
LABELMAP = "labelmap.prototxt"
Manifest: TypeAlias = dict[str, Any]
_PACKAGES = ("lmdb", "protobuf", "pillow", "opencv-python-headless", "numpy")


def read_manifest(folder: Path) -> Manifest | None:
    """A build's record, None where there is none.

    Raises:
        InputError: the file is there and is not a build's.
    """
    path = folder / MANIFEST
    try:
        manifest = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"cannot read the build's record: {error}", where=path) from None
    if not _is_manifest(manifest):
        raise InputError("not the record of a build", where=path)
    checked: Manifest = manifest
    return checked


def _is_manifest(value: object) -> bool:
    if not isinstance(value, dict) or not isinstance(value.get("splits"), dict):
        return False
    splits = value["splits"].values()
    tables = (value.get("options"), value.get("labelmap"), value.get("links"))
    return all(isinstance(table, dict) for table in tables) and all(
        isinstance(s, dict) and isinstance(s.get("lmdb"), str) and "/" not in s["lmdb"]
        for s in splits
    )


def new_manifest(dataset: Dataset, options: BuildOptions, labelmap: LabelMap) -> Manifest:
    """A record without splits."""
    return {
        "name": dataset.name,
        "format": dataset.format,
        "metric": dataset.metric,
        "root": str(dataset.root.resolve()),
        "options": options.to_json(),
        "labelmap": {
            "file": LABELMAP,
            "classes": len(labelmap),
            "sha256": labelmap_digest(labelmap),
        },
        "links": dict(dataset.links),
        "splits": {},
        "versions": {
            "ssd-data": __version__,
            "python": platform.python_version(),
            **{package: version(package) for package in _PACKAGES},
        },
    }


def labelmap_digest(labelmap: LabelMap) -> str:
    """SHA-256 of the labelmap's text."""
    return hashlib.sha256(labelmap.to_text().encode()).hexdigest()


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """How two builds' options and labelmaps differ, each as ``key then (now …)``."""
    then, now = old["options"], new["options"]
    found = [
        f"{key} {json.dumps(then.get(key))} (now {json.dumps(now[key])})"
        for key in now
        if then.get(key) != now[key]
    ]
    if old["labelmap"].get("sha256") != new["labelmap"]["sha256"]:
        found.append("another labelmap")
    return found
