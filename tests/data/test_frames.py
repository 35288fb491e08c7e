"""Boxes cover what they were drawn around, in the pixels as they are stored."""

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageOps
from support.trees import Voc, jpeg, xml

from ssd_data import BuildOptions, InputError, LmdbReader, build, find
from ssd_data.data.check.check import check
from ssd_data.data.lmdb.records import decode_record

UPRIGHT = (60, 90)  # width and height as people see the picture
BOX = (10, 20, 34, 80)
BACK = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}
Scene = tuple[Voc, Path]


def photo(orientation: int, kind: str = "JPEG", size: tuple[int, int] = UPRIGHT) -> bytes:
    """A red object at BOX, stored so that the EXIF orientation turns it upright."""
    seen = Image.new("RGB", size, (20, 60, 90))
    ImageDraw.Draw(seen).rectangle((BOX[0], BOX[1], BOX[2] - 1, BOX[3] - 1), (230, 20, 20))
    stored = seen.transpose(BACK[orientation]) if orientation > 1 else seen
    exif = Image.Exif()
    exif[0x0112] = orientation
    file = io.BytesIO()
    stored.save(file, kind, exif=exif, **({"quality": 95} if kind == "JPEG" else {}))
    turned = ImageOps.exif_transpose(Image.open(io.BytesIO(file.getvalue())))
    assert turned.size == size
    return file.getvalue()


def voc(root: Path, data: bytes, size: tuple[int, int], ending: str = "jpg") -> Path:
    made = Voc(root, 1)
    made.picture(1).unlink()
    made.picture(1, ending).write_bytes(data)
    made.annotation(1).write_text(xml([("cat", *BOX)], size, f"1.{ending}"))
    return root


def covers(lmdb: Path) -> bool:
    """Whether the record's one box covers the red object, and nothing but it, to two pixels."""
    with LmdbReader(lmdb) as reader:
        ((key, value),) = reader.items()
    record = decode_record(key, value)
    pixels = record.decode().astype(int)
    red = (pixels[:, :, 2] > 150) & (pixels[:, :, 0] < 70)
    rows, columns = np.nonzero(red.any(axis=1))[0], np.nonzero(red.any(axis=0))[0]
    height, width = red.shape
    true = np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1])
    found = record.boxes[0] * [width, height, width, height]
    return bool(np.abs(found - true).max() <= 2)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("orientation", [5, 6, 7, 8])
def test_a_stated_size_that_is_the_turned_one(orientation: int, kind: str, tmp_path: Path) -> None:
    root = voc(tmp_path / "voc", photo(orientation, kind), UPRIGHT, kind.lower()[:4])
    made = build(find(root), tmp_path / "out")
    assert covers(tmp_path / "out" / "voc_trainval_lmdb")
    notes = made.manifest["splits"]["trainval"]["notes"]
    assert notes["boxes turned into the stored pixels (EXIF orientation)"]["count"] == 1


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("size", [(300, 300), None])
def test_all_orientations_where_it_is_asked_for(
    orientation: int, size: tuple[int, int] | None, tmp_path: Path
) -> None:
    root = voc(tmp_path / "voc", photo(orientation), UPRIGHT)
    build(find(root), tmp_path / "out", BuildOptions(exif="upright"))
    assert covers(tmp_path / "out" / "voc_trainval_lmdb")


@pytest.mark.parametrize("orientation", [2, 3, 4])
def test_a_half_turn_is_undecidable_and_said(orientation: int, tmp_path: Path) -> None:
    root = voc(tmp_path / "voc", photo(orientation), UPRIGHT)
    made = build(find(root), tmp_path / "out")
    (kind,) = made.manifest["splits"]["trainval"]["notes"]
    assert kind.endswith("stored pixels are taken (--exif upright turns them)")
    assert not covers(tmp_path / "out" / "voc_trainval_lmdb")


def test_a_square_picture_is_undecidable(tmp_path: Path) -> None:
    root = voc(tmp_path / "voc", photo(6, size=(90, 90)), (90, 90))
    made = build(find(root), tmp_path / "out")
    assert any("--exif upright" in kind for kind in made.manifest["splits"]["trainval"]["notes"])


def test_where_the_stored_size_is_stated_stored_pixels_are_meant(tmp_path: Path) -> None:
    stored = photo(6)
    root = voc(tmp_path / "voc", stored, UPRIGHT[::-1])
    (root / "Annotations" / "1.xml").write_text(xml([("cat", 20, 26, 80, 50)], UPRIGHT[::-1]))
    made = build(find(root), tmp_path / "out")
    assert covers(tmp_path / "out" / "voc_trainval_lmdb")
    assert list(made.manifest["splits"]["trainval"]["notes"]) == [
        "EXIF orientation ignored (its tag is set to 1)"
    ]
    build(find(root), tmp_path / "asked", BuildOptions(exif="stored"))
    assert covers(tmp_path / "asked" / "voc_trainval_lmdb")


def test_coco_likewise(tmp_path: Path) -> None:
    root = tmp_path / "coco"
    (root / "images").mkdir(parents=True)
    (root / "annotations").mkdir()
    (root / "images" / "1.jpg").write_bytes(photo(8))
    box = [BOX[0], BOX[1], BOX[2] - BOX[0], BOX[3] - BOX[1]]
    table = {
        "images": [{"id": 1, "file_name": "1.jpg", "width": 60, "height": 90}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": box}],
        "categories": [{"id": 1, "name": "cat"}],
    }
    (root / "annotations" / "instances_train.json").write_text(json.dumps(table))
    build(find(root), tmp_path / "out")
    assert covers(tmp_path / "out" / "coco_train_lmdb")


@pytest.mark.parametrize(
    ("stated", "box", "message"),
    [
        ((64, 48), (5, 6, 100, 90), "the boxes fit only the picture's size: .* 64x48, .* 128x96"),
        ((400, 300), (5, 6, 390, 290), "the boxes fit only the stated size: .* 400x300, .* 128x96"),
        ((96, 128), (5, 6, 30, 40), "width and height are exchanged: .* 96x128, .* 128x96"),
    ],
)
def test_a_size_that_the_boxes_contradict(
    stated: tuple[int, int], box: Any, message: str, tmp_path: Path
) -> None:
    root = Voc(tmp_path / "voc", 1).root
    (root / "JPEGImages" / "1.jpg").write_bytes(jpeg(128, 96))
    (root / "Annotations" / "1.xml").write_text(xml([("cat", *box)], stated))
    with pytest.raises(InputError, match=f"Annotations/1.xml: {message}") as caught:
        build(find(root), tmp_path / "out")
    assert "--sizes picture" in str(caught.value)
    assert [finding.kind for finding in check(root).errors] == ["size-contradicts", "no-box-at-all"]

    def fraction(sizes: Any) -> float:
        folder = tmp_path / str(sizes)
        build(find(root), folder, BuildOptions(sizes=sizes))
        with LmdbReader(folder / "voc_trainval_lmdb") as reader:
            ((key, value),) = reader.items()
        return float(decode_record(key, value).boxes[0, 2])

    assert fraction("picture") == np.float32(box[2] / 128)
    assert fraction("stated") == np.float32(box[2] / stated[0])


def test_another_size_that_nothing_contradicts_is_noted(tmp_path: Path) -> None:
    root = Voc(tmp_path / "voc", 1).root
    (root / "Annotations" / "1.xml").write_text(xml([("cat", 5, 6, 20, 20)], (65, 48)))
    made = build(find(root), tmp_path / "out")
    (kind,) = made.manifest["splits"]["trainval"]["notes"]
    assert kind == "annotation states another size (it is used for the boxes)"


FRACTIONS = [("cat", 0.1, 0.2, 0.5, 1.0000001), ("dog", 0.0, 0.25, 0.75, 0.5)]


def test_boxes_in_fractions(tmp_path: Path, run: Any) -> None:
    made = Voc(tmp_path / "voc", 2)
    for i in (1, 2):
        made.annotation(i).write_text(xml(FRACTIONS))
    with pytest.raises(
        InputError, match="all boxes are fractions .*Annotations/[12].xml:3"
    ) as caught:
        build(find(made.root), tmp_path / "out")
    assert "--boxes fractions" in str(caught.value)
    assert not (tmp_path / "out").exists()
    assert [finding.kind for finding in check(made.root).errors if finding.kind != "empty-box"] == [
        "fractions"
    ]
    assert run("build", made.root, "-o", tmp_path / "out", "--boxes", "fractions").status == 0
    with LmdbReader(tmp_path / "out" / "voc_trainval_lmdb") as reader:
        key, value = next(iter(reader.items()))
    cat, dog = decode_record(key, value).boxes
    assert cat.tolist() == np.float32([0.1, 0.2, 0.5, 1.0000001]).tolist()
    assert dog.tolist() == [0.0, 0.25, 0.75, 0.5]


def test_one_tiny_box_among_others_is_a_box(tmp_path: Path) -> None:
    made = Voc(tmp_path / "voc", 2)
    made.annotation(1).write_text(xml(FRACTIONS[:1]))
    result = build(find(made.root), tmp_path / "out")
    assert result.manifest["splits"]["trainval"]["boxes"] == 2


def test_corners_in_each_others_place(tmp_path: Path) -> None:
    made = Voc(tmp_path / "voc", 2)
    for i in (1, 2):
        made.annotation(i).write_text(xml([("cat", 30, 40, 5, 6), ("cat", 9, 9, 9, 20)]))
    with pytest.raises(InputError, match='no box of "trainval" is left of 4') as caught:
        build(find(made.root), tmp_path / "out")
    assert "--empty mend" in str(caught.value)
    result = build(find(made.root), tmp_path / "out", BuildOptions(empty="mend"))
    split = result.record.splits["trainval"]
    assert split.boxes == 2
    mended = split.notes["box has its corners exchanged (mended)"]
    assert sorted(mended.listed)[0] == "Annotations/1.xml:3: JPEGImages/1.jpg: 30 40 5 6"
    assert split.notes["box is inverted or has no area (dropped)"].count == 2
    with LmdbReader(tmp_path / "out" / "voc_trainval_lmdb") as reader:
        key, value = next(iter(reader.items()))
    assert decode_record(key, value).boxes.tolist() == [
        [5 / 64, 6 / 48, 30 / 64, np.float32(40 / 48)]
    ]
