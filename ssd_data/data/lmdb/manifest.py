"""``build.json``: what a build holds and how it was made."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import msgspec

from ssd_data.core.errors import InputError
from ssd_data.core.files.moving import require_settled
from ssd_data.core.files.paths import is_plain_name, listable, read_text
from ssd_data.core.files.typed import plain, typed
from ssd_data.core.labelmap import LabelMap
from ssd_data.core.notes import Count
from ssd_data.data.lmdb.shards import Shard

MANIFEST = "build.json"
LABELMAP = "labelmap.prototxt"
MAX_BYTES = 256 << 20


class BuiltLabelmap(msgspec.Struct, frozen=True, omit_defaults=True):
    """The labelmap of a build: its file, how many items it has, and its digest."""

    file: str | None = None
    classes: int | None = None
    sha256: str | None = None


class BuiltSplit(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One split of a build.

    Attributes:
        lmdb, list, name_size: the names of its LMDB and files.
        listed: lines of the list; records: how many of them have one.
        boxes, difficult, without_boxes: how many were stored, and records without any.
        bytes: of all values.
        classes: display name to number of boxes; see :meth:`LabelMap.shown_apart`.
        content_digest: of all keys and values; input_digest: of what was read.
        notes: what is odd but no error, and what options left out.
        shards: of which the LMDB consists, in order; None where it is one.
    """

    lmdb: str
    list: str
    name_size: str
    listed: int
    records: int
    boxes: int
    difficult: int
    without_boxes: int
    bytes: int
    classes: dict[str, int] | None = None
    content_digest: str | None = None
    notes: dict[str, Count]
    input_digest: str | None = None
    shards: tuple[Shard, ...] | None = None


class Manifest(msgspec.Struct, omit_defaults=True, kw_only=True):
    """A build's record; of older builds what they lack is None.

    Attributes:
        name, format, metric, root: of the data set.
        options: as they were written, with those that another version of the package has.
        links: link name to split.
        versions: of this package and of those that it needs; only shown, as ``root`` is.
    """

    name: str
    format: str
    metric: str | None = None
    root: Any = None
    options: dict[str, Any]
    labelmap: BuiltLabelmap
    links: dict[str, str]
    splits: dict[str, BuiltSplit]
    versions: Any = None

    @property
    def resizes(self) -> bool:
        """Whether any option may have changed the pictures' size."""
        return any(self.options.get(name) for name in ("size", "min_dim", "max_dim"))

    def find(self, lmdb: str) -> tuple[str, BuiltSplit] | None:
        """The split whose LMDB has that name, and what is said of it; None where there is none."""
        return next((pair for pair in self.splits.items() if pair[1].lmdb == lmdb), None)

    def to_json(self) -> dict[str, Any]:
        """All of it as ``build.json`` has it."""
        return plain(self)

    def to_text(self) -> str:
        """The text of ``build.json``."""
        return json.dumps(self.to_json(), indent=1) + "\n"


def read_manifest(folder: Path) -> Manifest | None:
    """A build's record, None where there is none.

    Raises:
        InputError: the file is there and is not a build's, or a build was killed while it took
            its place.
    """
    path = folder / MANIFEST
    require_settled(folder)
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    text = read_text(path, "build's record", MAX_BYTES)
    try:
        table = json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise InputError(f"cannot read the build's record: {error}", where=path) from None
    try:
        return _checked(table, path)
    except InputError as error:
        raise InputError(f"not the record of a build: {error.what}", where=error.where) from None


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")


def _checked(table: Any, path: Path) -> Manifest:
    """Refuse what no build has written; names become paths."""
    where = f"{path}: splits."
    if isinstance(table, dict) and isinstance(splits := table.get("splits"), dict):
        table["splits"] = {n: typed(s, BuiltSplit, where + listable(n)) for n, s in splits.items()}
    manifest = typed(table, Manifest, str(path))
    names = {f"links.{name}": [name] for name in manifest.links}
    for split, made in manifest.splits.items():
        names[f"splits.{split}"] = [split, made.lmdb, made.list, made.name_size]
    for key, given in names.items():
        for name in given:
            if not is_plain_name(name):
                raise InputError(f"{name!r} cannot name a file", where=f"{path}: {listable(key)}")
    return manifest


def labelmap_digest(labelmap: LabelMap) -> str:
    """SHA-256 of the labelmap's text."""
    return hashlib.sha256(labelmap.to_text().encode()).hexdigest()


def differences(old: Manifest, new: Manifest) -> list[str]:
    """How two builds' options and labelmaps differ, each as ``key then (now …)``."""
    then, now = old.options, new.options
    found = [
        f"{key} {_shown(then.get(key))} (now {_shown(now[key])})"
        for key in now
        if then.get(key) != now[key]
    ]
    if old.labelmap.sha256 != new.labelmap.sha256:
        found.append("another labelmap")
    return found


def _shown(value: object) -> str:
    return "not given" if value is None else json.dumps(value)
