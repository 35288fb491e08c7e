"""Which changes a file takes, by its name or by what its target says of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fnmatch import fnmatch
from pathlib import PurePath
from random import Random

from ssd_data.proto import caffe_pb2
from support.fuzz.mutate import (
    archives,
    json_tree,
    matlab,
    messages,
    pages,
    pictures,
    raw,
    text,
    weights,
    xml_tree,
)

Mutator = Callable[[bytes, Random], bytes]
MUTATORS: Mapping[str, Mutator] = {
    "raw": raw.mutate,
    "text": text.mutate,
    "json": json_tree.mutate,
    "xml": xml_tree.mutate,
    "picture": pictures.mutate,
    "archive": archives.mutate,
    "mat": matlab.mutate,
    "lmdb": pages.mutate,
    "pth": weights.pth,
    "safetensors": weights.safetensors,
    "net": messages.as_text(caffe_pb2.NetParameter),
    "net bytes": messages.as_bytes(caffe_pb2.NetParameter),
    "solver": messages.as_text(caffe_pb2.SolverParameter),
    "state": messages.as_bytes(caffe_pb2.SolverState),
    "labelmap": messages.as_text(caffe_pb2.LabelMap),
    "record": messages.as_bytes(caffe_pb2.AnnotatedDatum),
    "datum": messages.as_bytes(caffe_pb2.Datum),
    "blob": messages.as_bytes(caffe_pb2.BlobProto),
    "wire": messages.wire,
}
BY_ENDING = {
    **dict.fromkeys((".xml",), "xml"),
    **dict.fromkeys((".json", ".jsonl", ".manifest", ".jsonlines"), "json"),
    **dict.fromkeys(
        (".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".jp2"), "picture"
    ),
    **dict.fromkeys((".zip", ".tar", ".tgz", ".gz", ".bz2", ".xz"), "archive"),
    **dict.fromkeys(
        (".txt", ".csv", ".tsv", ".yaml", ".toml", ".md", ".names", ".log", ".pbtxt"), "text"
    ),
    ".mat": "mat",
    ".mdb": "lmdb",
    ".pth": "pth",
    ".safetensors": "safetensors",
    ".prototxt": "net",
    ".caffemodel": "net bytes",
    ".solverstate": "state",
    ".binaryproto": "blob",
    ".onnx": "wire",
    ".parquet": "raw",
}


def mutator(name: str, kinds: Mapping[str, str]) -> Mutator:
    """The changes for a file of that name; ``kinds`` are a target's own, by patterns of names."""
    for pattern, kind in kinds.items():
        if fnmatch(name, pattern):
            return MUTATORS[kind]
    return MUTATORS[BY_ENDING.get(PurePath(name).suffix.lower(), "raw")]


def mutated(data: bytes, random: Random, change: Mutator) -> bytes:
    """Changed once or a few times, of some size at most; bytes of another kind as bytes."""
    for _ in range(random.choice([1, 1, 1, 2, 3, 5])):
        try:
            data = change(data, random)[: raw.MOST_BYTES]
        except Exception:  # whatever the libraries say that take such files apart
            data = raw.mutate(data, random)
    return data
