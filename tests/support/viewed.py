"""LMDBs to look at: an ordinary one, and one whose names and bytes attack."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from werkzeug.test import Client, TestResponse

from ssd_data.core.labelmap import LabelMap
from ssd_data.data.lmdb.records import encode_record, key_of
from ssd_data.data.lmdb.store import LmdbReader
from ssd_data.data.lmdb.writer import LmdbWriter
from ssd_data.pages.viewer.app import Viewer
from ssd_data.pages.viewer.door import Door
from ssd_data.pages.viewer.index import Index
from ssd_data.pages.viewer.judged import Judged
from ssd_data.pages.viewer.judging import read_judged
from ssd_data.pages.viewer.marks import Marks
from ssd_data.pages.viewer.server import listening
from support.trees import jpeg

CLASSES = LabelMap.from_names(["cat", "dog", "emu"])
EVIL = "<script>alert(1)</script>'\"><img src=x onerror=alert(2)>"
WIDTH, HEIGHT = 64, 48
Box = tuple[float, float, float, float, float]  # label, corners in pixels


def record(
    boxes: Iterable[Box] = (), hard: Iterable[int] = (), data: bytes | None = None, **more: Any
) -> bytes:
    """A record's bytes; ``hard`` are the places of difficult boxes."""
    rows = np.array([*boxes], np.float64).reshape(-1, 5)
    difficult = np.zeros(len(rows), np.bool_)
    difficult[[*hard]] = True
    return encode_record(
        jpeg(WIDTH, HEIGHT) if data is None else data,
        more.get("shape", (3, HEIGHT, WIDTH)),
        rows[:, 0].astype(np.int32),
        (rows[:, 1:] / [WIDTH, HEIGHT, WIDTH, HEIGHT]).astype(np.float32),
        difficult,
        more.get("encoded", True),
    )


def write(folder: Path, records: dict[bytes, bytes]) -> Path:
    with LmdbWriter(folder) as writer:
        for key in sorted(records):
            writer.put(key, records[key])
    return folder


def ordinary(folder: Path, count: int = 60) -> Path:
    """Cats in all pictures but every fifth, a dog in every third, an emu that grows."""
    records = {}
    for i in range(count):
        boxes: list[Box] = [] if i % 5 == 0 else [(1, 4, 4, 24, 24)]
        boxes += [(2, 10, 10, 50, 40)] if i % 3 == 0 else []
        boxes += [(3, 0, 0, 1 + i % 40, 1 + i % 40)] if i % 2 else []
        records[key_of(i, f"JPEGImages/{i:06d}.jpg")] = record(
            boxes, [0] if boxes[:1] and i == 7 else []
        )
    return write(folder, records)


def hostile(folder: Path) -> Path:
    """Nine records; only the first is sound, and its key is not."""
    whole = record([(1, 4, 4, 24, 24)])
    return write(
        folder,
        {
            EVIL.encode(): record([(1, 4, 4, 24, 24), (2, 1, 1, 9, 9)]),
            b"../../../etc/passwd": record([(7, 4, 4, 24, 24)]),
            b"\xff\xfe\x80 \xe2\x80\xae\n": record([(1, -20, 4, 24, 90)]),
            b"a broken": b"\x0a\xff\xff\xff\xff\x0fnothing",
            b"b cut": record([(1, 4, 4, 24, 24)], data=jpeg(WIDTH, HEIGHT)[:200]),
            b"c page": record(
                [(1, 4, 4, 24, 24)], data=b"<!doctype html><script>alert(3)</script>"
            ),
            b"d numbers": record([(1, np.nan, 4, 24, 24), (1, -1e30, -1e30, 3e38, 9)]),
            b"e inverted": record([(1, 24, 24, 4, 4), (2, 5, 5, 5, 9)]),
            b"f raw": record(
                [(1, 4, 4, 24, 24)], data=bytes(64 * 48 * 5), shape=(5, 48, 64), encoded=False
            ),
            b"g gray": record([], data=jpeg(WIDTH, HEIGHT, "L"), shape=(1, HEIGHT, WIDTH)),
            b"h whole": whole,
            b"i plain": whole[:-30],
        },
    )


@contextmanager
def viewing(
    lmdb: Path,
    labelmap: LabelMap | None = CLASSES,
    detections: Path | None = None,
    started: bool = True,
    marks: Path | None = None,
) -> Iterator[Viewer]:
    known = None if labelmap is None else [item.label for item in labelmap]
    with LmdbReader(lmdb) as reader:
        index = Index(reader, known)
        judged: Judged | None = None
        try:
            if started:
                index.start()
                index.wait()
            if detections is not None:
                judged = read_judged(detections, index.wait(), lmdb, labelmap)
            marked = None if marks is None else Marks(marks, reader.keys())
            yield Viewer(reader, index, labelmap, judged, marked)
        finally:
            index.close()


@contextmanager
def served(application: Any, changes: bool = False) -> Iterator[str]:
    """The address of its first page, token and all."""
    door = Door(application, changes=changes)
    with listening(door) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield door.address(server.port)
        finally:
            server.shutdown()
            thread.join()


def get(viewer: Viewer, address: str, **more: Any) -> TestResponse:
    return Client(viewer).get(address, base_url="http://127.0.0.1:8000", **more)
