"""A small data set in each format that is read, to be broken in one place after the other."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from ssd_data.data.synthetic.sample import draw_sample
from support import coco_trees, cvat_xml, exports, hub, labelme_json, openimages_csv, yolo
from support.trees import Voc, jpeg

KITTI = "car 0.00 0 -1.57 20.00 30.00 60.25 40.00 1.50 1.60 3.90 1.0 1.5 20.0 -1.55\n"
CSV = "filename,width,height,class,xmin,ymin,xmax,ymax\n"
NAMES = ("a", "b", "c")


def _sample(layout: str) -> Callable[[Path], None]:
    def make(root: Path) -> None:
        draw_sample(root.parent / "drawn", [layout], train=3, test=2, size=64)
        (root.parent / "drawn" / layout).rename(root)

    return make


def _voc(root: Path) -> None:
    Voc(root).held_back("t")


def _yolo(root: Path) -> None:
    files = yolo.pictures("images/train", "labels/train", a=yolo.A, b=yolo.B)
    files |= yolo.pictures("images/val", "labels/val", c=yolo.C)
    stated = "train: images/train\nval: images/val\nnames: [cat, dog]\n"
    yolo.tree(root, files | {"data.yaml": stated})


def _darknet(root: Path) -> None:
    files = yolo.pictures("data/obj", "data/obj", a=yolo.A, b=yolo.B, c=yolo.C)
    files |= {"train.txt": "data/obj/a.jpg\ndata/obj/b.jpg\n", "test.txt": "data/obj/c.jpg\n"}
    stated = "classes = 2\ntrain = train.txt\nvalid = test.txt\nnames = obj.names\n"
    yolo.tree(root, files | {"obj.data": stated, "obj.names": "cat\ndog\n"})


def _folders(root: Path) -> None:
    paths = [
        f"{s}/{kind}" for s in ("train", "test") for kind in ("a.jpg", "a.xml", "b.jpg", "b.xml")
    ]
    exports.write(root, " ".join(paths))


def _own_json(root: Path) -> None:
    exports.write(root, "train/a.jpg train/b.jpg test/a.jpg")
    entry = {"bbox": [5, 6, 25, 34], "category_id": 3, "iscrowd": 0}
    said = json.dumps({"image": {"width": 64, "height": 48}, "annotation": [entry]})
    for path in ("train/a.json", "train/b.json", "test/a.json"):
        (root / path).write_text(said)


def _lists(root: Path) -> None:
    paths = "images/a.jpg images/b.jpg images/c.jpg labels/a.xml labels/b.xml labels/c.xml"
    exports.write(root, f"{paths} train.txt test.txt", train="a\nb\n", test="c\n")


def _coco(root: Path) -> None:
    coco_trees.roboflow(root)


def _kitti(root: Path) -> None:
    for number, name in enumerate(NAMES):
        for path, data in (
            (f"training/image_2/{name}.jpg", jpeg(seed=number)),
            (f"training/label_2/{name}.txt", KITTI.encode()),
        ):
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_bytes(data)
    (root / "ImageSets").mkdir()
    (root / "ImageSets" / "train.txt").write_text("a\nb\n")
    (root / "ImageSets" / "val.txt").write_text("c\n")


def _csv(root: Path) -> None:
    openimages_csv.pictures(root, *(f"images/{name}.jpg" for name in NAMES))
    for split, names in (("train", "ab"), ("test", "c")):
        rows = "".join(f"{name}.jpg,160,120,cup,10,20,50,90\n" for name in names)
        (root / f"{split}.csv").write_text(CSV + rows)


def _cvat(root: Path) -> None:
    for split, names in (("train", "ab"), ("test", "c")):
        cvat_xml.pictures(root, *(f"{split}/images/{name}.jpg" for name in names))
        images = [
            cvat_xml.image(f"{name}.jpg", cvat_xml.box("cup", (10, 20, 50, 90)), number=i)
            for i, name in enumerate(names)
        ]
        head = cvat_xml.task(cvat_xml.labels("cup"))
        cvat_xml.write(root, cvat_xml.document(head, *images), f"{split}/annotations.xml")


def _labelme(root: Path) -> None:
    for split, names in (("train", "ab"), ("test", "c")):
        labelme_json.pictures(root, *(f"{split}/{name}.jpg" for name in names))
        for name in names:
            box = labelme_json.shape("cup", [[10, 20], [50, 90]])
            said = labelme_json.document(box, path=f"{name}.jpg")
            labelme_json.write(root, f"{split}/{name}.json", said)


def _openimages(root: Path) -> None:
    openimages_csv.names(root)
    for split, names in (("train", "ab"), ("validation", "c")):
        openimages_csv.pictures(root, *(f"{split}/{name}.jpg" for name in names))
        rows = [openimages_csv.row(n, openimages_csv.CUP, (0.1, 0.2, 0.5, 0.9)) for n in names]
        openimages_csv.write(root, f"{split}-annotations-bbox.csv", rows)


def _huggingface(root: Path) -> None:
    for split, names in (("train", "ab"), ("test", "c")):
        openimages_csv.pictures(root, *(f"{split}/{name}.jpg" for name in names))
        lines = [
            {
                "file_name": f"{n}.jpg",
                "objects": {"bbox": [[90, 20, 40, 70]], "categories": ["cup"]},
            }
            for n in names
        ]
        hub.metadata(root, f"{split}/metadata.jsonl", *lines)


def _parquet(root: Path) -> None:
    for split, names in (("train", "ab"), ("test", "c")):
        rows = [hub.row(f"{name}.jpg", (90, 20, 40, 70)) for name in names]
        hub.parquet(root, f"data/{split}-00000-of-00001.parquet", rows, hub.features())


def _vertex(root: Path) -> None:
    openimages_csv.pictures(root, *(f"images/{name}.jpg" for name in NAMES))
    box = {"displayName": "cup", "xMin": 0.1, "yMin": 0.2, "xMax": 0.5, "yMax": 0.9}
    lines = [
        {
            "imageGcsUri": f"gs://bucket/{name}.jpg",
            "boundingBoxAnnotations": [box],
            "dataItemResourceLabels": {"aiplatform.googleapis.com/ml_use": use},
        }
        for name, use in (("a", "training"), ("b", "training"), ("c", "test"))
    ]
    (root / "import.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))


def _retinaface(root: Path) -> None:
    for split, names in (("train", "ab"), ("val", "c")):
        openimages_csv.pictures(root, *(f"{split}/images/0--x/{name}.jpg" for name in names))
        lines = [f"# 0--x/{name}.jpg\n10 20 40 70\n" for name in names]
        (root / split / "label.txt").write_text("".join(lines))


MAKERS: dict[str, Callable[[Path], None]] = {
    "voc": _voc,
    "coco": _sample("coco"),
    "widerface": _sample("widerface"),
    "roboflow": _coco,
    "yolo": _yolo,
    "darknet": _darknet,
    "folders": _folders,
    "own-json": _own_json,
    "lists": _lists,
    "kitti": _kitti,
    "csv": _csv,
    "cvat": _cvat,
    "labelme": _labelme,
    "openimages": _openimages,
    "huggingface": _huggingface,
    "parquet": _parquet,
    "vertex": _vertex,
    "retinaface": _retinaface,
}


def make(name: str, root: Path) -> Path:
    """The data set of that format, as a new folder."""
    MAKERS[name](root)
    return root
