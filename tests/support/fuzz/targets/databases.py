"""LMDBs, their records and pictures."""

from __future__ import annotations

import shutil
from contextlib import suppress
from pathlib import Path

import numpy as np

from ssd_data import BuildOptions, LabelMap, LmdbReader, SsdDataError, build, recognise
from ssd_data.core.images import decode, picture_limits, probe, read_picture, without_orientation
from ssd_data.data.build.sharding.whole import read_records, read_summary
from ssd_data.data.check.check import check
from ssd_data.data.diff import diff
from ssd_data.data.draw import draw_file
from ssd_data.data.export import export
from ssd_data.data.lmdb.identity import digest
from ssd_data.data.lmdb.records import decode_record, encode_record, key_of, key_text
from ssd_data.data.lmdb.skim import skim
from ssd_data.data.lmdb.split import shard
from ssd_data.data.lmdb.survey import Survey, look
from ssd_data.data.lmdb.table import read_table
from ssd_data.data.lmdb.writer import LmdbWriter
from support.fuzz.cases import built
from support.fuzz.datasets import LABELMAP
from support.fuzz.target import Case, Target
from support.trees import Voc, jpeg

PIXELS = 1_000_000
CLASSES = LabelMap.from_names(["cat", "dog", "emu"])


def value(number: int, data: bytes = b"", shape: tuple[int, int, int] = (3, 24, 32)) -> bytes:
    labels = np.array([1, 2, 1][: number % 4], np.int32)
    corners = [[0.1, 0.2, 0.5, 0.6], [0.3, 0.1, 0.9, 1.2], [0, 0, 0, 0]][: number % 4]
    boxes = np.array(corners, np.float32).reshape(-1, 4)
    hard = np.arange(len(labels)) == 1
    data = data or jpeg(32, 24, seed=number)
    return encode_record(
        data, shape, labels, boxes, hard, encoded=len(data) != shape[0] * shape[1] * shape[2]
    )


def lmdb(count: int, folder: str = "test_lmdb") -> Case:
    def write(root: Path) -> None:
        with LmdbWriter(root / folder, map_size=1 << 20) as writer:
            for number in range(count):
                writer.put(key_of(number, f"i/{number}.jpg"), value(number))

    return built(write) | {"labelmap.prototxt": LABELMAP.encode()}


def sharded(count: int, shards: int) -> Case:
    def write(root: Path) -> None:
        with LmdbWriter(root / "one", map_size=1 << 20) as writer:
            for number in range(count):
                writer.put(key_of(2 * number, f"i/{number}.jpg"), value(number))
        shard(root / "one", root / "test_lmdb", shards)
        shutil.rmtree(root / "one")

    return built(write) | {"labelmap.prototxt": LABELMAP.encode()}


def lmdbs() -> list[Case]:
    return [lmdb(3), lmdb(40), sharded(7, 3)]


def shards_built() -> list[Case]:
    """The shards that a build has made, which the next takes as they are."""

    def write(root: Path) -> None:
        voc = Voc(root / "raw", 4)
        options = BuildOptions(shuffle=False)
        build(recognise(voc.root), root / "OUT", options, splits=["trainval"], shards=2)
        for place in (root / "OUT/raw_trainval_lmdb").iterdir():
            if place.is_dir():
                place.rename(root / place.name)
        shutil.rmtree(root / "raw")
        shutil.rmtree(root / "OUT")

    return [built(write)]


def built_again(folder: Path) -> list[str]:
    said = []
    for place in sorted(folder.iterdir()):
        if (summary := read_summary(place)) is not None:
            said += [str(summary.to_tally().to_json()), *summary.notes]
            summary.listed(place.name, 0)
            for _, _, line in read_records(place):
                said.append(line)
    return said


def read_lmdb(folder: Path) -> list[str]:
    said = []
    with LmdbReader(folder / "test_lmdb") as reader, picture_limits():
        keys = reader.keys()
        for key, data in reader.items():
            said.append(key_text(key))
            with suppress(SsdDataError):
                reader.record(key, data).decode()
        _ = [reader.value(key) for key in keys[:3]], digest(reader)
        read_table(reader)
    return said


def checked(folder: Path) -> list[str]:
    found = check(folder / "test_lmdb", workers=1)
    said = [f"{one.message}: {place}" for one in found.found.values() for place in one.places]
    diff(folder / "test_lmdb", folder / "test_lmdb")
    return said


def exported(folder: Path) -> None:
    for number, form in enumerate(("voc", "coco", "yolo", "retinaface")):
        with suppress(SsdDataError):
            export(folder / "test_lmdb", form, folder / f"out{number}")


def records() -> list[Case]:
    raw = bytes(range(256)) * 9
    values = [
        value(1),
        value(3),
        value(2, raw[: 3 * 24 * 32], (3, 24, 32)),
        value(2, jpeg(32, 24, "L")),
    ]
    return [{"record": one} for one in values]


def read_record(folder: Path) -> list[str]:
    data = (folder / "record").read_bytes()
    with suppress(SsdDataError):
        skim(b"0_a", memoryview(data))
    survey = Survey(CLASSES)
    with picture_limits():
        seen = look(b"0_a", data, decode=True)
        survey.add(seen)
        found = survey.summary()
        said = [*found["broken"]["listed"], *found["outside"]["listed"], seen.fault]
        record = decode_record(b"0_a", data)
        with suppress(SsdDataError):
            draw_file(record, CLASSES)
        record.decode()
    return said


def shown() -> list[Case]:
    exif = b"Exif\0\0II\x2a\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0"
    found = {
        "jpg": jpeg(32, 24, exif=exif),
        "gray.jpg": jpeg(32, 24, "L"),
        "cmyk.jpg": jpeg(32, 24, "CMYK"),
        "progressive.jpg": jpeg(32, 24, progressive=True),
        "png": jpeg(32, 24, format="PNG"),
        "p.png": jpeg(32, 24, "P", format="PNG"),
        "a.png": jpeg(32, 24, "RGBA", format="PNG"),
        "one.png": jpeg(32, 24, "1", format="PNG"),
        "bmp": jpeg(8, 6, format="BMP"),
        "webp": jpeg(32, 24, format="WEBP"),
        "gif": jpeg(32, 24, "P", format="GIF"),
        "tiff": jpeg(8, 6, format="TIFF"),
        "lzw.tiff": jpeg(8, 6, format="TIFF", compression="tiff_lzw"),
        "jp2": jpeg(32, 24, format="JPEG2000"),
        "ppm": jpeg(8, 6, format="PPM"),
        "tga": jpeg(8, 6, format="TGA"),
        "ico": jpeg(16, 16, format="ICO"),
        "pcx": jpeg(8, 6, format="PCX"),
    }
    return [{"picture": data} for data in found.values()]


def read_one(folder: Path) -> list[str]:
    data = (folder / "picture").read_bytes()
    said = []
    with picture_limits():
        with suppress(SsdDataError):
            read_picture(folder / "picture")
        info = probe(data, "picture", max_pixels=PIXELS)
        assert 0 < info.width * info.height <= PIXELS, info
        assert len(without_orientation(data, info)) == len(data)
        for gray, strict in ((False, True), (True, False)):
            try:
                pixels = decode(data, "picture", gray=gray, strict=strict)
            except SsdDataError as error:
                said.append(error.sentence)
            else:
                assert pixels.shape[:2] == (info.height, info.width), (pixels.shape, info)
    return said


TARGETS = [
    Target(
        "lmdb",
        lmdbs,
        read_lmdb,
        (
            *("data.lmdb.store", "data.lmdb.pages", "data.lmdb.strangers", "data.lmdb.table"),
            *("data.lmdb.single", "data.lmdb.sharded", "data.lmdb.shards"),
        ),
        kept=("labelmap.prototxt",),
        renames=True,
    ),
    Target("shard", shards_built, built_again, ("data.build.sharding",), batch=100),
    Target(
        "check",
        lmdbs,
        checked,
        ("data.check", "data.diff"),
        batch=100,
        kinds={"labelmap.prototxt": "labelmap"},
        renames=True,
    ),
    Target(
        "export",
        lambda: [lmdb(3)],
        exported,
        ("data.export", "data.cut", "data.formats.writing"),
        batch=100,
        kinds={"labelmap.prototxt": "labelmap"},
        renames=True,
    ),
    Target(
        "record",
        records,
        read_record,
        ("data.lmdb.records", "data.lmdb.skim", "data.lmdb.survey", "data.draw"),
        kinds={"*": "record"},
        batch=1000,
    ),
    Target("picture", shown, read_one, ("core.images",), kinds={"*": "picture"}, batch=1000),
]
