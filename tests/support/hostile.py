"""Names as strangers could give them, data sets and nets that are full of them, and what no output
may hold of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from xml.sax.saxutils import escape

import numpy as np

from ssd_data.data.lmdb.records import encode_record
from ssd_data.data.lmdb.writer import LmdbWriter
from ssd_data.engines.torch.randomise import write_random_weights
from support import coco_trees, cvat_xml, hub, labelme_json, openimages_csv, yolo
from support.nets import detector_text
from support.trees import Voc, jpeg, xml

NAMES = {
    "terminal": "a\x1b[31m\x1b]0;owned\x07\r\nerror: forged\tb\x9b1m\x7f\u202eg\u2066\u200b\ufeff",
    "long": "y\x1b" * 15_000,
    "page": "<script>alert(1)</script>\"'&a|b`c`*d*[e](javascript:1)=cmd|' /C calc'!A0$(id)${x}",
    "path": "../../etc/passwd",
    "zero": "a\0b",
    "surrogate": "a\udcffb",
}
SPOKEN = {kind: name for kind, name in NAMES.items() if kind != "surrogate"}  # UTF-8 can hold them
ARGUMENTS = {kind: name for kind, name in NAMES.items() if kind != "zero"}
LONGEST = 600  # letters of an output's line: a command to be run again holds long paths


def faults(text: str) -> list[str]:
    """What a terminal, or whoever reads a log, should not be given."""
    found = []
    for line in text.split("\n"):
        if len(line) > LONGEST:
            found.append(f"{len(line)} letters: {line[:100]!a}")
        if unseen := {c for c in line if not c.isprintable()}:
            found.append(f"{sorted(unseen)!a} in {line[:100]!a}")
    return found


def put(path: str | Path, content: str | bytes) -> None:
    """Write a file, where its name can be one's."""
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        data = content.encode("utf-8", "surrogateescape") if isinstance(content, str) else content
        path.write_bytes(data)
    except (OSError, ValueError):
        pass


def in_xml(name: str) -> str:
    """What XML can hold of it."""
    held = (c for c in name if c in "\t\n\r" or " " <= c < "\ud800")
    return escape("".join(held), {'"': "&quot;"})


def in_csv(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def in_prototxt(name: str) -> str:
    return "".join(f"\\{byte:03o}" for byte in name.encode())


# ---- raw data sets, each in the folder "raw" ----


def coco_names(name: str) -> None:
    coco_trees.pictures(Path("raw/train"), ["1.jpg"])
    table = coco_trees.table(["1.jpg", name[:100]], {1: name, 2: f"{name}2"})
    coco_trees.write(Path("raw/annotations/instances_train.json"), table)


def coco_values(name: str) -> None:
    coco_trees.pictures(Path("raw/train"), ["1.jpg"])
    table = coco_trees.table(["1.jpg"]) | {name: name}
    table["annotations"] += [
        coco_trees.box(2, name), coco_trees.box(3, 1, name), coco_trees.box(4, 1, bbox=[name] * 4),
    ]  # fmt: skip
    coco_trees.write(Path("raw/annotations/instances_train.json"), table)


def voc_classes(name: str) -> None:
    voc = Voc(Path("raw"), 1)
    boxes = [(in_xml(name), 5, 6, 30, 40), (f"{in_xml(name)}2", 5, 6, 30, 40)]
    voc.annotation(1).write_text(xml(boxes), "utf-8")


def voc_values(name: str) -> None:
    voc = Voc(Path("raw"), 2)
    word = "".join(filter(str.isalnum, name))
    voc.annotation(1).write_text(xml([("cat", in_xml(name), 6, 30, 40)]), "utf-8")  # type: ignore[list-item]
    voc.annotation(2).write_text(f"<{word}><{word}>", "utf-8")


def voc_files(name: str) -> None:
    Voc(Path("raw"), 1)
    put(f"raw/JPEGImages/{name}.jpg", jpeg())
    put(f"raw/Annotations/{name}.xml", "<")
    put(f"raw/ImageSets/Main/{name}.txt", "1\n")
    put("raw/ImageSets/Main/trainval.txt", f"1\n{name}\n")


def yolo_names(name: str) -> None:
    names = json.dumps([name, f"{name}2"])
    files = {"data.yaml": f"train: images/train\nnames: {names}"}
    yolo.tree(Path("raw"), files | yolo.pictures("images/train", "labels/train", a=f"{yolo.A}7 1"))


def yolo_values(name: str) -> None:
    said = json.dumps(name)
    files = {"data.yaml": f"train: {said}\npath: {said}\nnames: {{{said}: {said}}}\n{said}: 1"}
    yolo.tree(Path("raw"), files | yolo.pictures("images/train", "labels/train", a=yolo.A))


def yolo_files(name: str) -> None:
    files = {"data.yaml": "train: train.txt\nnames: [a, b]"}
    yolo.tree(Path("raw"), files | yolo.pictures("images", "labels", a=yolo.A))
    put("raw/train.txt", f"images/a.jpg\n{name}\n")
    put("raw/labels/a.txt", f"0 .5 .5 .2 {name}\n")
    put(f"raw/images/{name}.jpg", jpeg())


def csv_cells(name: str) -> None:
    put("raw/a.jpg", jpeg())
    rows = ["filename,xmin,ymin,xmax,ymax,class,split", f"a.jpg,1,2,30,40,{in_csv(name)},train"]
    rows += [f"{in_csv(name)},1,2,30,40,cat,test", f"a.jpg,{in_csv(name)},2,30,40,cat,train"]
    put("raw/labels.csv", "".join(f"{row}\n" for row in rows))


def csv_columns(name: str) -> None:
    put("raw/a.jpg", jpeg())
    put(
        "raw/labels.csv",
        f"filename,{in_csv(name)},xmin,ymin,xmax,{in_csv(name)}\na.jpg,1,2,3,4,5\n",
    )


def csv_splits(name: str) -> None:
    put("raw/a.jpg", jpeg())
    put(
        "raw/labels.csv",
        f"filename,xmin,ymin,xmax,ymax,class,split\na.jpg,1,2,3,4,c,{in_csv(name)}\n",
    )


def labelme(name: str) -> None:
    put("raw/a.jpg", jpeg())
    points = [[1, 2], [30, 40]]
    shapes = [labelme_json.shape(name, points), labelme_json.shape(f"{name}2", points, name)]
    labelme_json.write(Path("raw"), "a.json", labelme_json.document(*shapes, path=name))


def cvat(name: str) -> None:
    put("raw/images/a.jpg", jpeg(*cvat_xml.SIZE))
    said = in_xml(name)
    inside = cvat_xml.task(cvat_xml.labels("cat", said), subset=said[:50])
    inside += cvat_xml.image("a.jpg", cvat_xml.box(said, (1, 2, 30, 40)))
    inside += cvat_xml.image(said[:100], cvat_xml.box("cat", (1, 2, 30, 40)), number=1)
    put("raw/annotations.xml", f"<annotations><version>1.1</version>{inside}</annotations>")


def openimages(name: str) -> None:
    openimages_csv.pictures(Path("raw"), "train/a.jpg")
    said, box = in_csv(name), (0.1, 0.1, 0.5, 0.5)
    rows = [openimages_csv.row("a", said, box), openimages_csv.row(said, said, box)]
    rows += [openimages_csv.row("a", openimages_csv.CUP, box, group=said)]
    put("raw/train-annotations-bbox.csv", "\n".join([openimages_csv.HEADER, *rows, ""]))
    put("raw/class-descriptions-boxable.csv", f"{said},{said}\n{openimages_csv.CUP},cup\n")


def huggingface(name: str) -> None:
    put("raw/train/a.jpg", jpeg())
    objects = {"bbox": [[1, 2, 30, 40], [name]], "category": [name, "cup"]}
    rows = [{"file_name": "a.jpg", "objects": objects}, {"file_name": name, name: name}]
    put("raw/train/metadata.jsonl", "".join(f"{json.dumps(row)}\n" for row in rows))


def parquet(name: str) -> None:
    said = name.encode("utf-8", "replace").decode()
    rows = [hub.row(said, (1, 2, 30, 40)), hub.row("b.jpg", (1, 2, 30, 40), classes=[1])]
    file = "data/train-00000-of-00001.parquet"
    hub.parquet(Path("raw"), file, rows, hub.features([said, f"{said}2"]))


def kitti(name: str) -> None:
    put("raw/training/image_2/000000.png", jpeg())
    numbers = "0.00 0 -1.57 10 20 30 40 1.5 1.6 3.7 1 1 5 -1.5"
    put("raw/training/label_2/000000.txt", f"{name} {numbers}\ncar {name} {numbers}\n")


def widerface(name: str) -> None:
    put("raw/WIDER_train/images/0--A/a.jpg", jpeg())
    lines = f"0--A/a.jpg\n1\n1 2 30 40 0 0 0 0 0 0\n{name[:100]}\n1\n1 2 3 4 0 0 0 0 0 0\n"
    put("raw/wider_face_split/wider_face_train_bbx_gt.txt", f"{lines}b.jpg\n{name}\n")


def retinaface(name: str) -> None:
    put("raw/train/images/0--A/a.jpg", jpeg())
    put("raw/train/label.txt", f"# 0--A/a.jpg\n1 2 30 40 {name}\n# {name}\n1 2 3 4\n")


def txt(name: str) -> None:
    put("raw/images/a.jpg", jpeg())
    put("raw/labels/a.txt", f"{name} 1 2 30 40\ncat 1 2 30 {name}\n")


def folders(name: str) -> None:
    put("raw/images/a.jpg", jpeg())
    put("raw/labels/a.xml", xml([(in_xml(name), 1, 2, 30, 40)]))
    put(f"raw/images/{name}.jpg", jpeg())
    put(f"raw/labels/{name}.xml", "<")


RAW: list[Callable[[str], None]] = [
    coco_names, coco_values, voc_classes, voc_values, voc_files, yolo_names, yolo_values,
    yolo_files, csv_cells, csv_columns, csv_splits, labelme, cvat, openimages, huggingface, parquet,
    kitti, widerface, retinaface, txt, folders,
]  # fmt: skip


# ---- nets, labelmaps, LMDBs ----


def labelmap(name: str) -> None:
    """``labelmap.prototxt``, two classes."""
    items = [(0, "bg", "background"), (1, name, name), (2, f"{name}2", f"{name}2")]
    put(
        "labelmap.prototxt",
        "".join(
            f'item {{ name: "{in_prototxt(a)}" label: {n} display_name: "{in_prototxt(b)}" }}\n'
            for n, a, b in items
        ),
    )


def net(name: str) -> None:
    """``net.prototxt`` and ``net.caffemodel``, a detector whose layers and blobs are called so;
    ``plain.prototxt`` and ``plain.caffemodel``, the same with harmless names."""
    text = detector_text()
    Path("plain.prototxt").write_text(text)
    for old in ("tiny", "data", "conv1", "loc1", "conf1", "prior1", "detection_out"):
        text = text.replace(f'"{old}"', f'"{in_prototxt(name)}{old}"')
    Path("net.prototxt").write_text(text)
    for one in ("net", "plain"):
        write_random_weights(Path(f"{one}.prototxt"), Path(f"{one}.caffemodel"), 0)


def lmdb(name: str, folder: str, scale: float = 1, broken: bool = False) -> None:
    """Three records whose keys hold the name; the last may be none."""
    boxes = np.array([[0.1, 0.1, 0.5, 0.5], [0.2, 0.2, 0.9, 0.9]], np.float32) * scale
    labels, hard = np.array([1, 2], np.int32), np.array([False, True])
    value = encode_record(jpeg(), (3, 48, 64), labels, boxes, hard)
    with LmdbWriter(Path(folder)) as writer:
        for number in range(3):
            key = f"{number:08d}_{name}".encode()[:400] + f"{number}.jpg".encode()
            writer.put(key, b"\xff\xff" if broken and number == 2 else value)
