"""Pictures that are not what they should be: one clear error, or a counted skip."""

import struct
import zlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from support.trees import Voc, jpeg

from ssd_data import BuildOptions, InputError, LmdbReader, build, recognise
from ssd_data.core.images import picture_limits, probe


def run(voc: Voc, out: Path, **options: Any) -> dict[str, Any]:
    options.setdefault("shuffle", False)
    manifest = build(recognise(voc.root), out, BuildOptions(**options)).manifest
    split: dict[str, Any] = manifest["splits"]["trainval"]
    return split


def huge_png(width: int = 60_000, height: int = 60_000) -> bytes:
    """A few bytes that claim billions of pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = chunk(b"IDAT", zlib.compress(b"\0" * 1000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + body + chunk(b"IEND", b"")


BROKEN = {
    "empty": (b"", "empty"),
    "truncated jpeg": (jpeg(400, 300)[:-500], "truncated JPEG"),
    "jpeg without frame": (jpeg()[:20], "truncated JPEG"),
    "corrupt markers": (jpeg()[:2] + b"\0" * 40 + jpeg()[42:], "no marker"),
    "truncated png": (jpeg(format="PNG")[:-20], "truncated PNG"),
    "web page": (b"<!DOCTYPE html><html>404</html>", "a web page"),
    "text": (b"not a picture at all", "not a picture"),
    "lfs pointer": (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS"),
    "bomb": (huge_png(), "60000x60000|pixels"),
    "size zero": (jpeg().replace(b"\x00\x30\x00\x40\x03", b"\x00\x00\x00\x40\x03"), "64x0"),
    "twelve bits": (jpeg().replace(b"\x08\x00\x30\x00\x40", b"\x0c\x00\x30\x00\x40"), "12 bits"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_broken_picture_is_an_error_and_a_counted_skip(kind: str, tmp_path: Path) -> None:
    data, message = BROKEN[kind]
    voc = Voc(tmp_path / "raw")
    voc.picture(2).write_bytes(data)
    with pytest.raises(InputError, match=message) as caught:
        run(voc, tmp_path / "out")
    assert "JPEGImages/2.jpg" in str(caught.value)
    assert not (tmp_path / "out").exists()
    split = run(voc, tmp_path / "out", missing="skip")
    assert split["records"] == 2
    assert split["notes"]["picture left out (skipped)"]["count"] == 1
    with LmdbReader(tmp_path / "out" / "raw_trainval_lmdb") as records:
        assert [key[:8] for key in records.keys()] == [b"00000000", b"00000002"]  # noqa: SIM118


def test_all_broken_pictures_are_named_at_once(tmp_path: Path) -> None:
    voc = Voc(tmp_path / "raw", 5)
    voc.picture(2).write_bytes(b"")
    voc.picture(4).unlink()
    voc.annotation(5).write_text("<annotation>")
    with pytest.raises(InputError) as caught:
        run(voc, tmp_path / "out")
    for name in ("3 problems", "JPEGImages/2.jpg", "JPEGImages/4.jpg", "Annotations/5.xml"):
        assert name in str(caught.value)


def test_a_jpeg_of_corrupt_data_is_found_by_decoding(tmp_path: Path) -> None:
    voc = Voc(tmp_path / "raw")
    png = bytearray(jpeg(format="PNG"))
    png[60:90] = b"\xff" * 30
    voc.picture(2).unlink()
    voc.picture(2, "png").write_bytes(png)
    with pytest.raises(InputError, match="corrupt"):
        run(voc, tmp_path / "out", encode="png", verify="decode")


def test_the_limit_of_pixels_can_be_raised(tmp_path: Path) -> None:
    voc = Voc(tmp_path / "raw")
    with pytest.raises(InputError, match="max-pixels"):
        run(voc, tmp_path / "out", max_pixels=1000)
    assert run(voc, tmp_path / "out", max_pixels=64 * 48)["records"] == 3
    with picture_limits():
        info = probe(huge_png(20_000, 10_000), "", max_pixels=200_000_000)
    assert (info.width, info.height) == (20_000, 10_000)


STORED_ANEW = {
    "gray jpeg": jpeg(mode="L"),
    "cmyk jpeg": jpeg(mode="CMYK"),
    "png": jpeg(format="PNG"),
    "rgba png": jpeg(mode="RGBA", format="PNG"),
    "palette png": jpeg(mode="P", format="PNG"),
    "16 bit png": cv2.imencode(".png", np.arange(48 * 64, dtype=np.uint16).reshape(48, 64) * 20)[
        1
    ].tobytes(),
    "bmp": jpeg(format="BMP"),
    "webp": jpeg(format="WEBP"),
    "tiff": jpeg(format="TIFF"),
}


@pytest.mark.parametrize("kind", STORED_ANEW)
def test_other_forms_are_stored_as_three_channel_jpegs(kind: str, tmp_path: Path) -> None:
    voc = Voc(tmp_path / "raw", 1)
    voc.picture(1).write_bytes(STORED_ANEW[kind])
    run(voc, tmp_path / "out")
    with LmdbReader(tmp_path / "out" / "raw_trainval_lmdb") as records:
        record = records[0]
    info = probe(record.data, "")
    assert (info.format, info.mode, record.channels) == ("jpg", "RGB", 3)
    assert (record.width, record.height) == (64, 48) == (info.width, info.height)
    expected = cv2.imdecode(np.frombuffer(STORED_ANEW[kind], np.uint8), cv2.IMREAD_COLOR)
    assert (
        record.data == cv2.imencode(".jpg", expected, [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes()
    )


def test_the_content_counts_not_the_ending(tmp_path: Path) -> None:
    voc = Voc(tmp_path / "raw", 1)
    data = voc.picture(1).read_bytes()
    voc.picture(1).rename(voc.picture(1, "png"))
    split = run(voc, tmp_path / "out")
    assert (
        split["notes"]["the file's ending is not its format's (its content counts)"]["count"] == 1
    )
    with LmdbReader(tmp_path / "out" / "raw_trainval_lmdb") as records:
        assert records[0].data == data


@pytest.mark.parametrize("encode", ["jpg", "png", "raw"])
@pytest.mark.parametrize("gray", [False, True])
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_every_encoding_and_gray(encode: str, gray: bool, mode: str, tmp_path: Path) -> None:
    voc = Voc(tmp_path / "raw", 1)
    source = jpeg(mode=mode)
    voc.picture(1).write_bytes(source)
    run(voc, tmp_path / "out", encode=encode, gray=gray)
    with LmdbReader(tmp_path / "out" / "raw_trainval_lmdb") as records:
        record = records[0]
    assert record.channels == (1 if gray else 3)
    assert record.encoded == (encode != "raw")
    assert (record.data == source) == (encode == "jpg" and gray == (mode == "L"))
    flag = cv2.IMREAD_GRAYSCALE if gray else cv2.IMREAD_COLOR
    expected = cv2.imdecode(np.frombuffer(source, np.uint8), flag)
    pixels = record.decode().reshape(expected.shape).astype(int)
    assert np.abs(pixels - expected).max() <= (8 if encode == "jpg" else 0)


def test_raw_is_channel_row_column(tmp_path: Path) -> None:
    voc = Voc(tmp_path / "raw", 1)
    run(voc, tmp_path / "out", encode="raw")
    with LmdbReader(tmp_path / "out" / "raw_trainval_lmdb") as records:
        data = records[0].data
    image = cv2.imread(str(voc.picture(1)))
    naive = bytes(
        image[h, w, c]
        for c in range(3)
        for h in range(image.shape[0])
        for w in range(image.shape[1])
    )
    assert data == naive


def exif(orientation: int, order: str) -> bytes:
    mark = {"<": b"II", ">": b"MM"}[order]
    entries = struct.pack(order + "HHHI4s", 2, 0x010F, 2, 4, b"abc\0")
    entries += struct.pack(order + "HHIHH", 0x0112, 3, 1, orientation, 0)
    return b"Exif\0\0" + mark + struct.pack(order + "HI", 42, 8) + entries + b"\0\0\0\0"


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_exif_orientation_is_set_to_one_and_nothing_else_changed(
    order: str, orientation: int, tmp_path: Path
) -> None:
    voc = Voc(tmp_path / "raw", 1)
    plain = voc.picture(1).read_bytes()
    rotated = jpeg(seed=1, exif=exif(orientation, order))
    voc.picture(1).write_bytes(rotated)
    split = run(voc, tmp_path / "out")
    assert bool(split["notes"]) == (orientation != 1)
    with LmdbReader(tmp_path / "out" / "raw_trainval_lmdb") as records:
        record = records[0]
    assert record.data == jpeg(seed=1, exif=exif(1, order))
    assert sum(a != b for a, b in zip(record.data, rotated, strict=True)) == (orientation != 1)
    assert (record.width, record.height) == (64, 48)
    # A reader that does rotate sees the stored pixels too.
    seen = cv2.imdecode(np.frombuffer(record.data, np.uint8), cv2.IMREAD_COLOR)
    stored = cv2.imdecode(np.frombuffer(plain, np.uint8), cv2.IMREAD_COLOR)
    assert np.array_equal(seen, stored)
    resized = run(voc, tmp_path / "resized", size=(32, 24))
    assert resized["records"] == 1
    with LmdbReader(tmp_path / "resized" / "raw_trainval_lmdb") as records:
        small = records[0].data
    assert small == cv2.imencode(".jpg", cv2.resize(stored, (32, 24)))[1].tobytes()


@pytest.mark.parametrize("cut", [12, 20, 30, 40])
def test_a_mangled_exif_block_does_no_harm(cut: int, tmp_path: Path) -> None:
    block = bytearray(exif(6, "<"))
    block[cut:] = b"\xff" * (len(block) - cut)
    data = jpeg(seed=1, exif=bytes(block))
    assert probe(data, "").width == 64
    voc = Voc(tmp_path / "raw", 1)
    voc.picture(1).write_bytes(data)
    assert run(voc, tmp_path / "out")["records"] == 1
