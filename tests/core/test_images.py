"""What a picture's header says, and pixels as OpenCV decodes them."""

import io
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from ssd_data import InputError
from ssd_data.core.images import DamagedError, decode, probe

RANDOM = np.random.default_rng(3)
COARSE = Image.fromarray(RANDOM.integers(0, 255, (12, 16, 3), dtype=np.uint8))
SMOOTH = COARSE.resize((160, 120), Image.Resampling.BICUBIC)


def encoded(kind: str = "JPEG", mode: str = "RGB", **settings: object) -> bytes:
    file = io.BytesIO()
    SMOOTH.convert(mode).save(file, kind, **settings)
    return file.getvalue()


def sampled(factor: int) -> bytes:
    settings = [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, factor]
    return bytes(cv2.imencode(".jpg", np.asarray(SMOOTH), settings)[1])


WHOLE = encoded(quality=90)
JPEGS = {
    "plain": WHOLE,
    "progressive": encoded(progressive=True),
    "gray": encoded(mode="L"),
    "cmyk": encoded(mode="CMYK"),
    "rgb": encoded(keep_rgb=True),
    "restarts": encoded(restart_marker_blocks=3),
    "4:4:4": encoded(subsampling=0),
    "4:1:1": sampled(cv2.IMWRITE_JPEG_SAMPLING_FACTOR_411),
    "4:4:0": sampled(cv2.IMWRITE_JPEG_SAMPLING_FACTOR_440),
    "thumbnail behind": WHOLE + b"more" * 9,
    "cut, with its end": WHOLE[: len(WHOLE) // 2] + b"\xff\xd9",
    "a byte off": WHOLE[:2000] + bytes([WHOLE[2000] ^ 0x55]) + WHOLE[2001:],
}


@pytest.mark.parametrize("gray", [False, True])
@pytest.mark.parametrize("name", JPEGS)
def test_pixels_are_opencvs(name: str, gray: bool) -> None:
    flag = cv2.IMREAD_GRAYSCALE if gray else cv2.IMREAD_COLOR
    data = np.frombuffer(JPEGS[name], np.uint8)
    expected = cv2.imdecode(data, flag | cv2.IMREAD_IGNORE_ORIENTATION)
    assert np.array_equal(decode(JPEGS[name], name, gray), expected)


def test_a_damaged_picture_is_told_and_nothing_else_is_written(
    capfd: pytest.CaptureFixture[str],
) -> None:
    cut = JPEGS["cut, with its end"]
    with pytest.raises(DamagedError, match="a.jpg: the picture is damaged: premature end of data"):
        decode(cut, "a.jpg", strict=True)
    assert decode(cut, "a.jpg").shape == (120, 160, 3)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("name", ["plain", "thumbnail behind", "progressive", "cmyk", "restarts"])
def test_whole_pictures_are_not_damaged(name: str) -> None:
    decode(JPEGS[name], name, strict=True)


def test_padding_before_the_end_is_no_damage() -> None:
    decode(WHOLE[:-2] + b"\0\0\0" + WHOLE[-2:], "padded", strict=True)


@pytest.mark.parametrize("strict", [False, True])
def test_one_without_end_cannot_be_decoded(strict: bool) -> None:
    with pytest.raises(InputError, match="cannot decode the picture: premature end") as caught:
        decode(WHOLE[: len(WHOLE) // 2], "a.jpg", strict=strict)
    assert not isinstance(caught.value, DamagedError)


def test_a_header_that_states_a_vast_picture_takes_no_memory() -> None:
    frame = WHOLE.index(b"\xff\xc0")
    vast = WHOLE[: frame + 5] + b"\xff\xff\xff\xff" + WHOLE[frame + 9 :]
    with pytest.raises(InputError, match="cannot decode the picture"):
        decode(vast, "vast.jpg")


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_orientation_of_every_format(kind: str, orientation: int, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    info = probe(encoded(kind, exif=exif), "a")
    assert info.orientation == orientation
    assert info.upright == ((120, 160) if orientation >= 5 else (160, 120))
    assert (info.orientation_at is not None) == (kind == "JPEG" and orientation > 1)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_tiffs_are_turned_by_their_decoder(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded("TIFF", exif=exif)
    info = probe(data, "a")
    assert info.orientation == 1
    assert decode(data, "a").shape[1::-1] == (info.width, info.height)
