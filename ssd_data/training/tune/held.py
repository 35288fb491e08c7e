"""A build whose training pictures are parted in two, by a seed: most to train on, the others to
test on. So no choice is made by the pictures that the test set is kept for."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from random import Random

from ssd_data.core.errors import InputError
from ssd_data.core.files.publish import OutFolder
from ssd_data.core.files.there import is_file
from ssd_data.core.files.whole import write_text
from ssd_data.core.labelmap import read_labelmap
from ssd_data.core.progress import Track, untracked
from ssd_data.data.lmdb.companions import name_size_file, name_size_name, read_name_sizes
from ssd_data.data.lmdb.manifest import (
    LABELMAP,
    MANIFEST,
    BuiltLabelmap,
    BuiltSplit,
    Manifest,
    read_manifest,
)
from ssd_data.data.lmdb.one_build import one_build
from ssd_data.data.lmdb.store import LmdbReader, bytes_on_disk
from ssd_data.data.lmdb.writer import FIRST_MAP_SIZE, LmdbWriter
from ssd_data.families.parts.data import TEST_SOURCE, TRAIN_SOURCE

LEAST = 2  # pictures that can be parted


def training_lmdb(build: Path) -> Path:
    """Where a build's training pictures lie.

    Raises:
        InputError: it is no build, or no split of it is for training.
    """
    return _lmdb(build, TRAIN_SOURCE, "training")


def test_lmdb(build: Path) -> Path:
    """Where its test pictures lie; raises as :func:`training_lmdb`."""
    return _lmdb(build, TEST_SOURCE, "testing")


def digest_of_training(build: Path) -> str:
    """What tells its training pictures from others; empty where the build does not say. Raises as
    :func:`training_lmdb`."""
    return _split(build, TRAIN_SOURCE, "training").content_digest or ""


def _lmdb(build: Path, link: str, what: str) -> Path:
    return build / _split(build, link, what).lmdb


def _split(build: Path, link: str, what: str) -> BuiltSplit:
    manifest = read_manifest(build)
    if manifest is None:
        raise InputError("no build here: build.json is missing", where=build)
    made = manifest.splits.get(manifest.links.get(link, ""))
    if made is None:
        raise InputError(f"the build has no split for {what}", where=build)
    return made


def hold_out(build: Path, out: Path, share: float, seed: int = 0, track: Track = untracked) -> None:
    """Write such a build; it appears when it is whole.

    Args:
        share: of the training pictures, to test on; at least one picture.

    Raises:
        InputError: the build cannot be read, or has too few pictures.
        OutputError: it cannot be written.
    """
    source = training_lmdb(build)
    with OutFolder(out) as folder, one_build(source), closing(LmdbReader(source)) as reader:
        count = len(reader)
        if count < LEAST:
            raise InputError(f"{count} picture cannot be parted", where=source)
        tested = min(max(round(count * share), 1), count - 1)
        held = set(Random(seed).sample(range(count), tested))
        keys = list(track(reader.keys(), count, "records"))
        names = _name_sizes(source, count)
        splits = {}
        for split, is_test in (("train", False), ("held", True)):
            rows = [row for row in range(count) if (row in held) is is_test]
            splits[split] = _write(folder.staging, split, reader, [keys[r] for r in rows])
            lines = "".join(f"{names[row]}\n" for row in rows) if names else ""
            write_text(folder.staging / name_size_name(split), lines)
            write_text(folder.staging / f"{split}.txt", "")
        labelmap = read_labelmap(build / LABELMAP)
        write_text(folder.staging / LABELMAP, labelmap.to_text())
        manifest = read_manifest(build)
        assert manifest is not None
        links = {TRAIN_SOURCE: "train", TEST_SOURCE: "held"}
        classes = BuiltLabelmap(file=LABELMAP, classes=manifest.labelmap.classes)
        made = Manifest(
            name="held", format=manifest.format, metric=manifest.metric, options=manifest.options,
            labelmap=classes, links=links, splits=splits,
        )  # fmt: skip
        write_text(folder.staging / MANIFEST, made.to_text())
        folder.publish()


def _write(folder: Path, split: str, reader: LmdbReader, keys: Iterable[bytes]) -> BuiltSplit:
    """One split's LMDB."""
    size = max(2 * bytes_on_disk(reader.path), FIRST_MAP_SIZE)
    count = boxes = difficult = without = total = 0
    with LmdbWriter(folder / f"{split}_lmdb", size) as writer:
        for key in keys:
            value = reader.value(key)
            record = reader.record(key, value)
            writer.put(key, value)
            count, total = count + 1, total + len(value)
            boxes, without = boxes + len(record.boxes), without + (not len(record.boxes))
            difficult += int(record.difficult.sum())
    return BuiltSplit(
        lmdb=f"{split}_lmdb", list=f"{split}.txt", name_size=name_size_name(split), listed=count,
        records=count, boxes=boxes, difficult=difficult, without_boxes=without, bytes=total,
        notes={},
    )  # fmt: skip


def _name_sizes(source: Path, count: int) -> list[str]:
    """The lines of the pictures' names and sizes; none where they are not there."""
    path = name_size_file(source)
    if not is_file(path):
        return []
    rows = read_name_sizes(path)
    lines = [f"{name} {height} {width}" for name, (width, height) in rows]
    return lines if len(lines) == count else []
