"""``build.json``: what a build holds and how it was made."""

from __future__ import annotations

import hashlib
import json
import os
import platform
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeAlias

from ssd_data.core.errors import InputError
from ssd_data.core.files.paths import is_plain_name, read_text
from ssd_data.core.labelmap import LabelMap
from ssd_data.core.version import __version__
from ssd_data.data.build.options import BuildOptions
from ssd_data.data.dataset import Dataset

MANIFEST = "build.json"
LABELMAP = "labelmap.prototxt"
MAX_BYTES = 256 << 20
Manifest: TypeAlias = dict[str, Any]
_PACKAGES = ("lmdb", "protobuf", "pillow", "opencv-python-headless", "numpy")


def read_manifest(folder: Path) -> Manifest | None:
    """A build's record, None where there is none.

    Raises:
        InputError: the file is there and is not a build's.
    """
    path = folder / MANIFEST
    if not os.path.lexists(path):
        return None
    text = read_text(path, "build's record", MAX_BYTES)
    try:
        manifest = json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise InputError(f"cannot read the build's record: {error}", where=path) from None
    try:
        _check(manifest)
    except (KeyError, TypeError, AttributeError, ValueError):
        raise InputError("not the record of a build", where=path) from None
    checked: Manifest = manifest
    return checked


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")


def _check(manifest: Any) -> None:
    """Refuse, by any of a few exceptions, what no build has written; names become paths."""
    for key, kind in (("name", str), ("format", str), ("options", dict), ("labelmap", dict)):
        _require(isinstance(manifest[key], kind))
    for name, split in manifest["links"].items():
        _require(is_plain_name(name) and isinstance(split, str))
    for split, made in manifest["splits"].items():
        _require(is_plain_name(split))
        for key in ("lmdb", "list", "name_size"):
            _require(isinstance(made[key], str) and is_plain_name(made[key]))
        for key in ("listed", "records", "boxes", "difficult", "without_boxes", "bytes"):
            _require(isinstance(made[key], int))
        for entry in made["notes"].values():
            _require(isinstance(entry["count"], int))
            _require(all(isinstance(place, str) for place in entry["listed"]))


def _require(condition: bool) -> None:
    if not condition:
        raise ValueError


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
        f"{key} {_shown(then.get(key))} (now {_shown(now[key])})"
        for key in now
        if then.get(key) != now[key]
    ]
    if old["labelmap"].get("sha256") != new["labelmap"]["sha256"]:
        found.append("another labelmap")
    return found


def _shown(value: object) -> str:
    return "not given" if value is None else json.dumps(value)
