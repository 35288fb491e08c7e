"""Real VOC, COCO, WIDER FACE and BCCD pictures: what the commands make of them."""

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from lxml import etree

from ssd_data import BuildOptions, LmdbReader, build, find
from ssd_data.core.notes import Tally


def splits(name: str, root: Path | None, out: Path, **options: Any) -> dict[str, Any]:
    result = build(find(name, root), out, BuildOptions(**options))
    for split in result.manifest["splits"].values():
        with LmdbReader(out / split["lmdb"]) as records:
            assert len(records) == split["records"]
    return dict(result.manifest["splits"])


def test_voc0712(shared: Path, tmp_path: Path) -> None:
    made = splits("voc0712", shared / "VOCdevkit", tmp_path / "out")
    assert [(s, t["records"]) for s, t in made.items()] == [("trainval", 400), ("test", 100)]
    assert not made["trainval"]["notes"]
    assert len(made["test"]["classes"]) == 20
    root = shared / "VOCdevkit"
    for record in LmdbReader(tmp_path / "out" / "VOC0712_test_lmdb"):
        assert record.data == (root / record.image).read_bytes()
        document = etree.parse(
            str(root / record.image.replace("JPEGImages", "Annotations")).replace(".jpg", ".xml")
        )
        expected = [
            tuple(
                np.float32(float(o.findtext(f"bndbox/{c}"))) / np.float32(size) for c, size in pairs
            )
            for o in document.findall("object")
            if (pairs := _corners(document)) is not None
        ]
        assert sorted(map(tuple, record.boxes)) == sorted(expected)


def _corners(document: Any) -> list[tuple[str, float]]:
    width, height = (float(document.findtext(f"size/{side}")) for side in ("width", "height"))
    return [("xmin", width), ("ymin", height), ("xmax", width), ("ymax", height)]


def test_widerface_at_640(shared: Path, tmp_path: Path) -> None:
    made = splits("widerface", shared / "WIDER_FACE", tmp_path / "out", size=(640, 640))
    assert [(s, t["records"]) for s, t in made.items()] == [("train", 170), ("val", 205)]
    # One face of the sample has a negative width.
    dropped = made["val"]["notes"]["box is inverted or has no area (dropped)"]
    assert dropped["count"] == 1
    assert ":2616: " in dropped["listed"][0]
    assert made["val"]["without_boxes"] == 4
    with LmdbReader(tmp_path / "out" / "WIDERFACE_val_lmdb") as records:
        record = records[0]
        assert (record.height, record.width) == (640, 640)
        original = cv2.imread(str(shared / "WIDER_FACE" / record.image))
        difference = np.abs(record.decode().astype(int) - cv2.resize(original, (640, 640)))
        assert difference.mean() < 3
    lines = (tmp_path / "out" / "val_name_size.txt").read_text().splitlines()
    assert lines[0].split()[1:] == [str(n) for n in original.shape[:2]]


def test_wider_attributes(shared: Path) -> None:
    dataset = find("widerface", shared / "WIDER_FACE")
    entry = next(iter(dataset.entries("val", Tally())))
    assert entry.attributes["blur"].tolist()[:3] == [2, 2, 2]
    assert entry.attributes["occlusion"].tolist()[:4] == [1, 1, 0, 2]
    assert sum(len(e.classes) for e in dataset.entries("val", Tally())) == 2786


def test_coco_tiny(shared: Path, tmp_path: Path) -> None:
    made = splits(str(shared / "coco-tiny"), None, tmp_path / "out")
    assert [(s, t["records"]) for s, t in made.items()] == [("train2017", 50), ("val2017", 50)]
    folder = shared / "coco-tiny" / "tiny_coco" / "annotations"
    for split, table in made.items():
        truth = json.loads((folder / f"instances_{split}.json").read_text())
        assert table["boxes"] == len(truth["annotations"])
        assert table["difficult"] == sum(a["iscrowd"] for a in truth["annotations"])
        ids = [f"{i['id']} {i['height']} {i['width']}" for i in truth["images"]]
        written = (tmp_path / "out" / f"{split}_name_size.txt").read_text().splitlines()
        assert sorted(written) == sorted(ids)
    recipe = splits("coco2017", shared / "coco-tiny" / "tiny_coco", tmp_path / "recipe")
    assert [t["content_digest"] for t in recipe.values()] == [
        t["content_digest"] for t in made.values()
    ]


def test_bccd(shared: Path, tmp_path: Path) -> None:
    made = splits(str(shared / "BCCD"), None, tmp_path / "out")
    assert sum(table["records"] for table in made.values()) == 364
    dropped = made["trainval"]["notes"]["box is inverted or has no area (dropped)"]
    assert sum(t["boxes"] for t in made.values()) + dropped["count"] == 4888
    assert [Path(place.split(": ")[1]).stem for place in dropped["listed"]] == [
        "BloodImage_00338",
        "BloodImage_00343",
    ]


@pytest.mark.parametrize("workers", [1, 3])
def test_the_result_does_not_depend_on_workers(shared: Path, tmp_path: Path, workers: int) -> None:
    dataset = find("widerface", shared / "WIDER_FACE")
    result = build(dataset, tmp_path, BuildOptions(size=(64, 64), limit=40), workers=workers)
    assert (
        result.manifest["splits"]["val"]["content_digest"]
        == (
            build(
                dataset, tmp_path / "2", BuildOptions(size=(64, 64), limit=40), workers=2
            ).manifest
        )["splits"]["val"]["content_digest"]
    )
