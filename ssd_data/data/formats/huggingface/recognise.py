"""Which folders are Hugging Face data sets, and what their splits are."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import msgspec

from ssd_data.core.errors import InputError
from ssd_data.data.formats import Confidence, Recognised
from ssd_data.data.formats.fournumbers import Meaning
from ssd_data.data.formats.huggingface.gallery import PictureGallery
from ssd_data.data.formats.huggingface.meaning import decide
from ssd_data.data.formats.huggingface.objects import UnknownKeyError
from ssd_data.data.formats.huggingface.parquet import ParquetTable, has_pyarrow
from ssd_data.data.formats.huggingface.rows import METADATA, numbered_rows, picture_name
from ssd_data.data.formats.huggingface.schema import PARQUET, HuggingFaceSource
from ssd_data.data.formats.huggingface.table import ObjectTable, sample_keys
from ssd_data.data.formats.indexsplits import by_file, of_one, split_words
from ssd_data.data.formats.parts import files_of, picture_folder
from ssd_data.data.formats.splits import plain_split, split_in
from ssd_data.data.formats.tree import Tree
from ssd_data.data.formats.undivided import split_up

ENDINGS = frozenset({".jsonl", ".csv", PARQUET})
MOST_FILES = 20_000
SAMPLE = 2000  # rows in which boxes are looked for
_SHARD = re.compile(r"(.*)-(\d{5})-of-(\d{5})\.parquet")
_SAID: dict[Meaning, str] = {"sides": "x y width height", "corners": "xmin ymin xmax ymax"}
Splits = dict[str, list[HuggingFaceSource]]


def recognise(tree: Tree) -> Recognised[HuggingFaceSource] | None:
    """The splits by the names of Parquet files, or of the folders of metadata files.

    Raises:
        InputError: shards are missing, or several files contradict each other.
    """
    folder, named = tree.root, list(islice(files_of(tree, ENDINGS), MOST_FILES))
    metadata = [n for n in named if posixpath.basename(n) in METADATA and _has_boxes(folder, n)]
    if metadata:
        return _of_metadata(tree, metadata)
    shards = [n for n in named if n.endswith(PARQUET) and posixpath.basename(n) not in METADATA]
    if not shards:
        return None
    if not has_pyarrow():
        _require_whole(folder, shards)
        splits, said = _by_shard(tree, shards)
        return Recognised(splits, f"{shards[0]} is a Parquet file", Confidence.NAMES, said)
    if not _has_boxes(folder, shards[0]):
        return None
    _require_whole(folder, shards)
    splits, said = _by_shard(tree, shards)
    return _decided(folder, splits, f"{shards[0]} holds pictures and boxes", said)


def indexed(tree: Tree, name: str) -> Recognised[HuggingFaceSource] | None:
    """The splits of one Parquet or metadata file."""
    metadata = posixpath.basename(name) in METADATA
    if not (metadata or name.endswith(PARQUET)) or not _has_boxes(tree.root, name):
        return None
    if metadata:
        return _of_metadata(tree, [name])
    splits, said = _by_shard(tree, [name])
    why = f"{name} is a Parquet file"
    if not has_pyarrow():
        return Recognised(splits, why, Confidence.NAMES, said)
    return _decided(tree.root, splits, why, said)


def _of_metadata(tree: Tree, files: Sequence[str]) -> Recognised[HuggingFaceSource]:
    splits, said = _by_metadata(tree, files)
    return _decided(tree.root, splits, f"{files[0]} has boxes of pictures", said)


def _has_boxes(folder: Path, name: str) -> bool:
    """Whether the rows of a file are of pictures and have boxes."""
    try:
        if name.endswith(PARQUET) and not has_pyarrow():
            return True
        rows = numbered_rows(folder / name, name)
        _, first = next(rows, (0, {}))
        held = name.endswith(PARQUET) and bool(ParquetTable(folder / name, name).picture)
        return (held or bool(picture_name(first))) and sample_keys(
            folder / name, name, SAMPLE
        ) is not None
    except UnknownKeyError:
        return True  # is said when it is read
    except InputError:
        return False


def _by_metadata(tree: Tree, files: Sequence[str]) -> tuple[Splits, list[str]]:
    def source(name: str, place: str) -> HuggingFaceSource:
        return HuggingFaceSource(file=name, images=place)

    if len(files) > 1:
        words, said = split_words(tree.root, files, "metadata files")
        splits, more = by_file(tree, words, source)
        return splits, [*said, *more]
    (name,) = files
    word = split_in(name) or ""
    return of_one(tree, source(name, picture_folder(tree, posixpath.dirname(name), word)), word)


def _by_shard(tree: Tree, files: Sequence[str]) -> tuple[Splits, list[str]]:
    splits: Splits = {}
    for name in files:
        word = plain_split(split_in(name) or "")
        splits.setdefault(word, []).append(HuggingFaceSource(file=name))
    unnamed = splits.pop(plain_split(""), [])
    if not splits:
        return split_up(tree, unnamed)
    return splits, [f"{one.file} names no split: it is left out" for one in unnamed]


def _require_whole(folder: Path, files: Sequence[str]) -> None:
    """Refuse a set of shards of which some are missing."""
    there: dict[tuple[str, str], set[int]] = {}
    for name in files:
        if match := _SHARD.fullmatch(name):
            there.setdefault((match[1], match[3]), set()).add(int(match[2]))
    for (start, count), found in there.items():
        for number in range(int(count)):
            if number not in found:
                raise InputError(
                    f"{start}-{number:05d}-of-{count}.parquet is missing: {len(found)} of "
                    f"{int(count)} are here",
                    where=folder,
                    hint="Download the others, or name those that are here as sources of a recipe",
                )


def _decided(
    folder: Path, splits: Splits, why: str, said: list[str]
) -> Recognised[HuggingFaceSource]:
    """The same with what all boxes together tell of their numbers."""
    sources = {one.file: one for several in splits.values() for one in several}
    try:
        tables, galleries = [], []
        for source in sources.values():
            keys = sample_keys(folder / source.file, source.file)
            if keys is not None:
                tables.append(ObjectTable(folder, source.file, keys))
                galleries.append(PictureGallery(folder, source, tables[-1]))
        meaning = decide(tables, lambda table, picture: galleries[table].size_of(picture))
    except InputError:
        meaning = None  # what is wrong is said when it is read
    if meaning is not None:
        said = [f"boxes are {_SAID[meaning]}, as all of them together tell", *said]
    chosen = {
        split: [msgspec.structs.replace(one, four=meaning) for one in several]
        for split, several in splits.items()
    }
    return Recognised(chosen, why, Confidence.CONTENT, said)
