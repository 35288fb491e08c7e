"""What a build records of itself: which data set and options, and each split's counts."""

from __future__ import annotations

import hashlib
import platform
from collections import Counter
from collections.abc import Mapping
from importlib.metadata import version

import numpy as np

from ssd_data.core.files.spill import Spill
from ssd_data.core.labelmap import LabelMap
from ssd_data.core.notes import Tally
from ssd_data.core.version import __version__
from ssd_data.data.build.convert import BuiltRecord
from ssd_data.data.build.options import BuildOptions
from ssd_data.data.dataset import Dataset
from ssd_data.data.lmdb.manifest import (
    LABELMAP,
    BuiltLabelmap,
    BuiltSplit,
    Manifest,
    labelmap_digest,
)

# They decide on bytes.
PACKAGES = ("lmdb", "protobuf", "pillow", "opencv-python-headless", "numpy")


def new_manifest(dataset: Dataset, options: BuildOptions, labelmap: LabelMap) -> Manifest:
    """A record without splits."""
    versions = {package: version(package) for package in PACKAGES}
    return Manifest(
        name=dataset.name,
        format=dataset.format,
        metric=dataset.metric,
        root=str(dataset.root.resolve()),
        options=options.to_json(),
        labelmap=BuiltLabelmap(LABELMAP, len(labelmap), labelmap_digest(labelmap)),
        links=dict(dataset.links),
        splits={},
        versions={"ssd-data": __version__, "python": platform.python_version(), **versions},
    )


class SplitCounts:
    """Counts of one split, collected record by record.

    Attributes:
        records: how many; keys: of those that were added whole.
        size_lines: their lines in the file of names and sizes.
    """

    def __init__(self, notes: Tally) -> None:
        self.notes = notes
        self.keys: list[bytes] = []
        self.size_lines = Spill[str]()
        self.classes: Counter[int] = Counter()
        self.records = self.difficult = self.without_boxes = self.bytes = 0
        self._digest = hashlib.sha256()

    def add(self, made: BuiltRecord) -> None:
        """Take in one more."""
        self.add_record(made.key, made.digest, made.size_line)
        self.classes.update(made.labels.tolist())
        hard, boxless = int(np.count_nonzero(made.difficult)), not len(made.labels)
        self.add_counts({}, hard, boxless, len(made.value))
        self.notes.merge(made.notes)
        self.keys.append(made.key)

    def add_record(self, key: bytes, digest: bytes, size_line: str) -> None:
        """Take in one more record, of which all else is counted elsewhere."""
        self.records += 1
        self.size_lines.append(size_line)
        self._digest.update(key + b"\0" + digest)

    def add_counts(
        self, classes: Mapping[int, int], difficult: int, without_boxes: int, size: int
    ) -> None:
        """Take in what was counted of records."""
        self.classes.update(classes)
        self.difficult += difficult
        self.without_boxes += without_boxes
        self.bytes += size

    @property
    def content_digest(self) -> str:
        """Of all keys and values so far."""
        return self._digest.hexdigest()

    def split(
        self, labelmap: LabelMap, lmdb: str, list_: str, name_size: str, listed: int
    ) -> BuiltSplit:
        """All of it, with the names of the split's files and how many lines its list has."""
        shown = labelmap.shown_apart()
        return BuiltSplit(
            lmdb=lmdb,
            list=list_,
            name_size=name_size,
            listed=listed,
            records=self.records,
            boxes=self.classes.total(),
            difficult=self.difficult,
            without_boxes=self.without_boxes,
            bytes=self.bytes,
            classes={shown[n]: self.classes[n] for n in sorted(self.classes)},
            content_digest=self.content_digest,
            notes=self.notes.kinds,
        )
