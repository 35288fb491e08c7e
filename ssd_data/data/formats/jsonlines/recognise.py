"""Which folders hold JSON lines of Ground Truth or Vertex AI, and what their splits are."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from itertools import islice
from pathlib import Path

import msgspec

from ssd_data.core.errors import InputError
from ssd_data.data.formats import Confidence, Recognised
from ssd_data.data.formats.indexsplits import UNASSIGNED, by_file, by_value, of_one, split_words
from ssd_data.data.formats.jsonlines.groundtruth import METADATA
from ssd_data.data.formats.jsonlines.schema import JsonLinesSource, ManifestHead, head_of, lines_of
from ssd_data.data.formats.parts import files_in, files_of, picture_folder
from ssd_data.data.formats.splits import split_in
from ssd_data.data.formats.tree import Tree

ENDINGS = frozenset({".manifest", ".jsonl", ".ndjson"})
MOST_FILES = 256
_OUTPUT = "manifests/output"  # where Ground Truth writes them


def recognise(tree: Tree) -> Recognised[JsonLinesSource] | None:
    """The splits by what Vertex AI uses pictures for, by the names of the files, or by folders.

    Raises:
        InputError: several files contradict each other.
    """
    folder, output = tree.root, files_in(tree, {".manifest"}, _OUTPUT)
    named = [*islice(files_of(tree, ENDINGS), MOST_FILES), *output]
    whose = {name: maker for name in named if (maker := _maker(folder, name))}
    return _recognised(tree, whose) if whose else None


def indexed(tree: Tree, name: str) -> Recognised[JsonLinesSource] | None:
    """The splits of one file of JSON lines."""
    maker = _maker(tree.root, name)
    return _recognised(tree, {name: maker}) if maker else None


def _recognised(tree: Tree, whose: Mapping[str, str]) -> Recognised[JsonLinesSource]:
    splits, said = _splits(tree, list(whose))
    first, maker = next(iter(whose.items()))
    return Recognised(splits, f"{first} has lines of {maker}", Confidence.CONTENT, said)


def _maker(folder: Path, name: str) -> str:
    """Whose lines a file has, by the first of them; empty where they are nobody's."""
    try:
        _, line = next(lines_of(folder / name, name), (0, b""))
        head = head_of(line, name)
        keys = msgspec.json.decode(line, type=dict[str, msgspec.Raw])
    except (InputError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return ""
    if head.gcs:
        return "Vertex AI"
    return "SageMaker Ground Truth" if any(key.endswith(METADATA) for key in keys) else ""


def _splits(tree: Tree, names: list[str]) -> tuple[dict[str, list[JsonLinesSource]], list[str]]:
    def source(name: str, place: str) -> JsonLinesSource:
        return JsonLinesSource(lines=name, images=place)

    if len(names) > 1:
        words, said = split_words(tree.root, names, "files of JSON lines")
        splits, more = by_file(tree, words, source)
        return splits, [*said, *more]
    (name,) = names
    word = split_in(name) or ""
    whole = source(name, picture_folder(tree, posixpath.dirname(name), word))
    if found := _stated(tree.path(name), name):
        return by_value(found, lambda s: msgspec.structs.replace(whole, split=s, rest=False))
    return of_one(tree, whole, word)


def _stated(path: Path, name: str) -> dict[str, list[str]]:
    """What Vertex AI uses pictures for, its words by their meaning; none where it is to choose."""
    found: dict[str, list[str]] = {}
    decode = msgspec.json.Decoder(ManifestHead).decode
    for number, line in lines_of(path, name):
        if number == 1 and head_of(line, f"{name}:1").source_ref:
            return {}
        try:
            head = decode(line)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            continue  # is said when it is read
        words = found.setdefault(head.split, [])
        if head.ml_use not in words:
            words.append(head.ml_use)
    return {} if "" in found or set(found) == {UNASSIGNED} else found
