"""The records are the original's: its own answers in tests/golden/lmdb decide."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from ssd_data import BuildOptions, LmdbReader, build, from_list
from ssd_data.core.images import decode
from ssd_data.proto import caffe_pb2

GRAY = b"00000007_JPEGImages/000008.jpg"


def rebuild(golden: Path, out: Path, **options: Any) -> tuple[dict[bytes, bytes], dict[str, Any]]:
    folder = golden / "lmdb"
    dataset = from_list(folder / "list.txt", folder / "voc", folder / "voc" / "labelmap.prototxt")
    result = build(dataset, out, BuildOptions(empty="keep", **options))
    with LmdbReader(out / "list_lmdb") as records:
        return dict(records.items()), result.manifest["splits"]["list"]


def original(golden: Path, name: str) -> dict[bytes, bytes]:
    with LmdbReader(golden / "lmdb" / name) as records:
        return dict(records.items())


def parse(value: bytes) -> caffe_pb2.AnnotatedDatum:
    return caffe_pb2.AnnotatedDatum.FromString(value)


def test_plain_is_equal_byte_for_byte(golden: Path, tmp_path: Path) -> None:
    ours, summary = rebuild(golden, tmp_path / "out")
    theirs = original(golden, "lmdb_plain")
    assert list(ours) == list(theirs)
    assert [key for key in ours if ours[key] != theirs[key]] == [GRAY]
    assert summary["notes"]["L picture stored with 3 channels"]["count"] == 1


def test_the_gray_picture_is_stored_with_three_channels(golden: Path, tmp_path: Path) -> None:
    ours, _ = rebuild(golden, tmp_path / "out")
    mine, theirs = parse(ours[GRAY]), parse(original(golden, "lmdb_plain")[GRAY])
    assert mine.annotation_group == theirs.annotation_group
    assert (mine.datum.channels, mine.datum.height) == (3, theirs.datum.height)
    pixels = cv2.imdecode(np.frombuffer(mine.datum.data, np.uint8), cv2.IMREAD_UNCHANGED)
    assert pixels.shape == (mine.datum.height, mine.datum.width, 3)
    before = decode((golden / "lmdb/voc/JPEGImages/000008.jpg").read_bytes(), "")
    assert np.abs(pixels.astype(int) - before).mean() < 1.5


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("lmdb_resize300", {"size": (300, 300)}),
        ("lmdb_min_dim", {"min_dim": 160}),
        ("lmdb_max_dim", {"max_dim": 200}),
    ],
)
def test_resized(golden: Path, tmp_path: Path, name: str, options: dict[str, Any]) -> None:
    ours, _ = rebuild(golden, tmp_path / "out", **options)
    theirs = original(golden, name)
    assert list(ours) == list(theirs)
    for key, value in ours.items():
        mine, other = parse(value), parse(theirs[key])
        a, b = (decode(m.datum.data, str(key)) for m in (mine, other))
        assert np.abs(a.astype(int) - b).max() <= 12, key
        assert np.abs(a.astype(int) - b).mean() < 1, key
        mine.datum.data = other.datum.data = b""
        assert mine == other, key


def test_the_list_and_sizes_are_written_as_the_original_has_them(
    golden: Path, tmp_path: Path
) -> None:
    rebuild(golden, tmp_path / "out", size=(300, 300))
    listed = (golden / "lmdb" / "list.txt").read_text()
    assert (tmp_path / "out" / "list.txt").read_text() == listed
    lines = (tmp_path / "out" / "list_name_size.txt").read_text().splitlines()
    for line, picture in zip(lines, listed.splitlines(), strict=True):
        image = cv2.imread(str(golden / "lmdb/voc" / picture.split()[0]))
        assert line == f"{Path(picture.split()[0]).stem} {image.shape[0]} {image.shape[1]}"


@pytest.mark.parametrize("workers", [1, 2, 7])
def test_workers_change_nothing(golden: Path, tmp_path: Path, workers: int) -> None:
    folder = golden / "lmdb"
    dataset = from_list(folder / "list.txt", folder / "voc", folder / "voc" / "labelmap.prototxt")
    digests = {
        build(dataset, tmp_path / str(n), BuildOptions(size=(64, 48)), workers=n).manifest[
            "splits"
        ]["list"]["content_digest"]
        for n in (1, workers)
    }
    assert len(digests) == 1
