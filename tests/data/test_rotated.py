"""Rotated boxes: the upright ones around them, or none of them, in every format that has such."""

import json
from pathlib import Path
from typing import Any

import pytest
from support.trees import Voc, jpeg, xml

from ssd_data import BuildOptions, build, find

TURN = "<attributes><attribute><name>rotation</name><value>30</value></attribute></attributes>"


def voc(root: Path) -> None:
    made = Voc(root, 1)
    text = xml([("cup", 5, 6, 30, 40), ("cup", 1, 2, 9, 9)])
    made.annotation(1).write_text(text.replace("</object>", f"{TURN}</object>", 1))


def cvat(root: Path) -> None:
    (root / "images").mkdir(parents=True)
    (root / "images" / "1.jpg").write_bytes(jpeg())
    box = '<box label="cup" xtl="20" ytl="20" xbr="30" ybr="30" occluded="0"{}></box>'
    boxes = box.format(' rotation="30"') + box.format("")
    text = f'<annotations><image id="0" name="1.jpg" width="64" height="48">{boxes}</image>'
    (root / "annotations.xml").write_text(f"{text}</annotations>")


def coco(root: Path) -> None:
    (root / "images" / "train").mkdir(parents=True)
    (root / "annotations").mkdir()
    (root / "images" / "train" / "1.jpg").write_bytes(jpeg())
    box = {"image_id": 1, "category_id": 1, "iscrowd": 0, "segmentation": [], "area": 100}
    turns = ({"occluded": False, "rotation": 30.0}, {"occluded": False, "rotation": 0.0})
    table = {
        "images": [{"id": 1, "file_name": "1.jpg", "width": 64, "height": 48}],
        "annotations": [
            {**box, "id": i, "bbox": [10 * i, 20, 10, 10], "attributes": turn}
            for i, turn in enumerate(turns, 1)
        ],
        "categories": [{"id": 1, "name": "cup"}],
    }
    (root / "annotations" / "instances_train.json").write_text(json.dumps(table))


def labelme(root: Path) -> None:
    root.mkdir(parents=True)
    (root / "1.jpg").write_bytes(jpeg())
    corners = [[10, 20], [20, 10], [30, 20], [20, 30]]
    shapes = [
        {"label": "cup", "points": corners, "shape_type": "oriented_rectangle", "flags": {}},
        {"label": "cup", "points": [[1, 2], [9, 9]], "shape_type": "rectangle", "flags": {}},
    ]
    table = {"version": "5.0.0", "flags": {}, "shapes": shapes, "imagePath": "1.jpg"}
    table |= {"imageData": None, "imageHeight": 48, "imageWidth": 64}
    (root / "1.json").write_text(json.dumps(table))


@pytest.mark.parametrize("make", [voc, cvat, coco, labelme])
def test_they_are_kept_as_upright_boxes_or_dropped(make: Any, tmp_path: Path) -> None:
    make(tmp_path / "raw")
    found = find(tmp_path / "raw")
    (kept,) = build(found, tmp_path / "kept").record.splits.values()
    assert kept.boxes == 2
    assert [count.count for kind, count in kept.notes.items() if "rotated" in kind] == [1]
    (left,) = build(found, tmp_path / "left", BuildOptions(rotated="drop")).record.splits.values()
    assert left.boxes == 1
    assert left.notes["box is rotated (dropped)"].count == 1
