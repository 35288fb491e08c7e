"""Small inputs that once took gigabytes or minutes, or ended the process: each command ends with a
sentence, or with its work, in bounded memory and time.

The inputs are made here. Where ``SSD_DATA_HOSTILE`` names a folder of others, such as
``voc-01/a.xml``, they are tried, too.
"""

from __future__ import annotations

import io
import os
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from support import ROOT
from support.limited import command
from support.nets import detector_text
from support.trees import Voc, jpeg, xml

from ssd_data.data.lmdb.records import encode_record
from ssd_data.data.lmdb.writer import LmdbWriter

MOST_SECONDS, MOST_MEGABYTES = 20, 500  # of the processor, imports and all; torch is among them
CROWD = 20_000


def widerface_mat(name: str = "0--Parade", lie: int = 0) -> bytes:
    """A truth of WIDER FACE with one picture, compressed as its authors'; ``lie`` is the size that
    its first array states, in place of its own."""
    from scipy.io import savemat

    def column(*cells: object) -> np.ndarray:
        held = np.empty((len(cells), 1), object)
        held[:, 0] = cells
        return held

    file = io.BytesIO()
    faces = column(column(np.array([[10.0, 10.0, 20.0, 20.0]])))
    table = {
        "event_list": column(name), "file_list": column(column("a")), "face_bbx_list": faces,
        "gt_list": column(column(np.array([[1.0]]))),
    }  # fmt: skip
    savemat(file, table, do_compression=True)
    data = file.getvalue()
    if not lie:
        return data
    (size,) = struct.unpack_from("<I", data, 132)
    inner = bytearray(zlib.decompress(data[136 : 136 + size]))
    inner[4:8] = struct.pack("<I", lie)
    packed = zlib.compress(bytes(inner))
    return data[:128] + struct.pack("<II", 15, len(packed)) + packed


def truth(folder: Path, face: bytes) -> None:
    (folder / "truth").mkdir()
    for name in ("face", "easy", "medium", "hard"):
        (folder / "truth" / f"wider_{name}_val.mat").write_bytes(widerface_mat())
    (folder / "truth" / "wider_face_val.mat").write_bytes(face)


def found(folder: Path, text: bytes = b"a\n1\n10 10 20 20 0.9\n") -> None:
    (folder / "found" / "0--Parade").mkdir(parents=True)
    (folder / "found" / "0--Parade" / "a.txt").write_bytes(text)


def crowd_xml() -> bytes:
    boxes = [("cat", -5.0, 1.0, 9.0, 9.0), ("cat", 5.0, 6.0, 30.0, 40.0)]
    return xml(boxes * (CROWD // 2)).encode()


def crowd_record() -> bytes:
    boxes = np.tile(np.float32([0.1, 0.1, 0.5, 0.5]), (2 * CROWD, 1))
    labels, hard = np.ones(len(boxes), np.int32), np.zeros(len(boxes), bool)
    return encode_record(jpeg(320, 240), (3, 240, 320), labels, boxes, hard)


def two_headers() -> bytes:
    """A JPEG of 320x240 behind ``FF 00`` and a header of 16x16, which one reader sees and the
    other does not."""
    large, small = (jpeg(*size) for size in ((320, 240), (16, 16)))
    frame = small.index(b"\xff\xc0")
    at = large.index(b"\xff\xc0")
    return large[:at] + b"\xff\x00" + small[frame : frame + 19] + large[at:]


def wide_jp2() -> bytes:
    """The header of a JPEG 2000 of 10000x10000, and nothing below it."""
    data = jpeg(64, 64, format="JPEG2000")
    at = data.index(b"\xff\x4f\xff\x51") + 8
    sides = struct.pack(">II", 10_000, 10_000)
    inner = bytearray(data)
    inner[at : at + 8] = sides
    inner[at + 16 : at + 24] = sides
    return bytes(inner)


def stride_0() -> bytes:
    import torch

    file = io.BytesIO()
    torch.save({"conv1.weight": torch.zeros(1).expand(24_000, 24_000)}, file)
    return file.getvalue()


def damaged_lmdb() -> bytes:
    """Its tree's root says that it is a page of another kind."""
    data = bytearray((ROOT / "tests/golden/lmdb/lmdb_plain/data.mdb").read_bytes())
    for page in range(2, len(data) // 4096):
        if struct.unpack_from("<H", data, page * 4096 + 10)[0] & 3:
            struct.pack_into("<H", data, page * 4096 + 10, 0x20)  # LEAF2
    return bytes(data)


@dataclass(frozen=True)
class Case:
    """An input: what makes it, where it lies among the others, what is run on it and is said.

    Attributes:
        lay: puts the input and what belongs to it into the working folder.
        said: what the command's last error begins with; "" where it does its work.
    """

    make: Callable[[], bytes]
    other: str
    lay: Callable[[Path, bytes], None]
    run: tuple[str, ...]
    said: str = ""


def as_annotation(folder: Path, data: bytes) -> None:
    Voc(folder / "raw", 3).annotation(1).write_bytes(data)


def as_picture(ending: str) -> Callable[[Path, bytes], None]:
    def lay(folder: Path, data: bytes) -> None:
        voc = Voc(folder / "raw", 3)
        voc.picture(1).unlink()
        voc.picture(1).with_suffix(ending).write_bytes(data)

    return lay


def as_record(folder: Path, data: bytes) -> None:
    with LmdbWriter(folder / "lmdb") as writer:
        writer.put(b"00000000_a.jpg", data)


def as_lmdb(folder: Path, data: bytes) -> None:
    (folder / "lmdb").mkdir()
    (folder / "lmdb" / "data.mdb").write_bytes(data)


def as_truth(folder: Path, data: bytes) -> None:
    truth(folder, data)
    found(folder)


def as_found(folder: Path, data: bytes) -> None:
    truth(folder, widerface_mat())
    found(folder, data)


def as_weights(folder: Path, data: bytes) -> None:
    (folder / "a.pth").write_bytes(data)
    (folder / "net.prototxt").write_text(detector_text())


def as_recipe(folder: Path, data: bytes) -> None:
    (folder / "dots.toml").write_bytes(data)


BUILD = ("build", "raw", "-o", "out")
SCORE = ("score", "widerface", "--truth", "truth", "--detections", "found")
CASES = {
    "a crowd, built": Case(crowd_xml, "voc-01/a.xml", as_annotation, BUILD),
    "a crowd, checked": Case(
        crowd_record, "datum-01/value_40000_equal_boxes.bin", as_record, ("check", "lmdb")
    ),
    "a crowd, reported": Case(
        crowd_record, "datum-01/value_40000_equal_boxes.bin", as_record,
        ("report", "lmdb", "-o", "a.html"),
    ),
    "a count that lies": Case(
        lambda: b"a\n999999999\n1 2 3 4 0.5\n", "detections-01/0--Parade/a.txt", as_found, SCORE,
        "0--Parade/a.txt",
    ),
    "a size that lies": Case(
        lambda: widerface_mat(lie=2_000_000_000), "mat-02/wider_face_val.mat", as_truth, SCORE,
        "truth/wider_face_val.mat: byte 0, packed at byte 128: not a readable .mat file: ",
    ),
    "an end that is missing, a byte that is another": Case(
        lambda: widerface_mat()[:-40], "mat-01/wider_face_val.mat", as_truth, SCORE,
        "truth/wider_face_val.mat: ",
    ),
    "two headers": Case(
        two_headers, "picture-01/says16x16_is320x240.jpg", as_picture(".jpg"), BUILD,
        "  JPEGImages/1.jpg: corrupt JPEG: ",
    ),
    "a wide picture": Case(
        wide_jp2, "picture-02/100Mpx_244bytes.jp2", as_picture(".jpg"), BUILD,
        "  JPEGImages/1.jpg: 10000x10000 takes the memory of more than ",
    ),
    "a stride of 0": Case(
        stride_0, "pth-01/z.pth", as_weights,
        ("import-backbone", "a.pth", "--net", "net.prototxt", "-o", "w.caffemodel",
         "--net-mean", "1,2,3", "--net-scale", "1"), "a.pth: ",
    ),
    "a key of dots": Case(
        lambda: b"a" + b".a" * 50_000 + b" = 1\n", "toml-01/dots.toml", as_recipe,
        ("build", "dots.toml", "-o", "out"), "dots.toml:1: ",
    ),
    "a page of another kind": Case(
        damaged_lmdb, "lmdb-01/data.mdb", as_lmdb, ("inspect", "lmdb"),
        "lmdb: the LMDB is damaged: page ",
    ),
}  # fmt: skip


def other(place: str) -> bytes:
    """An input of the folder that is named."""
    folder = os.environ.get("SSD_DATA_HOSTILE", ROOT.parent / "shared" / "cases" / "hostile")
    path = Path(folder) / place
    if not path.is_file():
        pytest.skip(f"no {place} in {folder} (set SSD_DATA_HOSTILE)")
    return path.read_bytes()


@pytest.mark.parametrize("made", [True, False], ids=["made", "other"])
@pytest.mark.parametrize("name", CASES)
def test_it_ends_within_bounds(name: str, made: bool, tmp_path: Path) -> None:
    case = CASES[name]
    case.lay(tmp_path, case.make() if made else other(case.other))
    ended = command(*case.run, seconds=MOST_SECONDS, cwd=tmp_path)
    assert ended.status == (1 if case.said else 0), ended.text[-2000:]
    assert ended.peak < MOST_MEGABYTES
    lines = ended.err.splitlines()
    assert all(len(line) < 400 for line in lines)
    assert "Traceback" not in ended.err
    if case.said:
        assert any(
            line.startswith((case.said, f"error: {case.said}", f"error: found/{case.said}"))
            for line in lines
        ), ended.err
        assert not list(tmp_path.glob("out*"))
