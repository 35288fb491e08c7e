"""Small good data sets in each format, to be changed."""

from __future__ import annotations

import json
from pathlib import Path

from support import coco_trees, cvat_xml, hub, labelme_json, openimages_csv
from support.fuzz.cases import below, built, case, pictures
from support.fuzz.target import Case
from support.trees import xml

LABELMAP = """item { name: "none_of_the_above" label: 0 display_name: "background" }
item { name: "cat" label: 1 display_name: "cat" }
item { name: "dog" label: 2 display_name: "dog" }
"""

BOXES = [("cat", 5, 6, 30, 20), ("dog", 1, 2, 3, 4)]
VOC_MORE = (
    "<object><name>cat</name><pose>Left</pose><truncated>1</truncated><difficult>1</difficult>"
    "<polygon><x1>1</x1><y1>2</y1><x2>9</x2><y2>3</y2><x3>5</x3><y3>9</y3></polygon>"
    "<bndbox><xmin>1.5</xmin><ymin>2</ymin><xmax>20</xmax><ymax>9</ymax></bndbox>"
    "<part><name>head</name><bndbox><xmin>1</xmin><ymin>2</ymin><xmax>3</xmax><ymax>4</ymax>"
    "</bndbox></part></object>"
    "<object><name>dog</name><robndbox><cx>10</cx><cy>9</cy><w>8</w><h>4</h><angle>0.5</angle>"
    "</robndbox></object>"
)


def voc() -> list[Case]:
    files: dict[str, str | bytes] = {
        "Annotations/1.xml": xml(BOXES, (32, 24), extra=VOC_MORE),
        "Annotations/2.xml": xml((), (32, 24), "2.jpg"),
        "Annotations/3.xml": xml(BOXES, None, "3.jpg"),
        **pictures("JPEGImages/1.jpg", "JPEGImages/2.jpg", "JPEGImages/3.jpg"),
    }
    lists: dict[str, str | bytes] = {
        "ImageSets/Main/trainval.txt": "1\n2\n",
        "ImageSets/Main/test.txt": "3\n",
        "ImageSets/Main/cat_train.txt": "1 1\n2 -1\n",
    }
    vott = {
        "ImageSets/Main/cat_train.txt": "1.jpg  1\n",
        "ImageSets/Main/cat_val.txt": "2.jpg -1\n",
    }
    return [below("raw", files | lists), below("raw", files | vott)]


def coco() -> list[Case]:
    table = coco_trees.table(["1.jpg", "2.jpg"], {1: "cat", 3: "dog"})
    table["annotations"] += [
        coco_trees.box(8, 1, 3, iscrowd=1, segmentation={"counts": [1, 2, 3], "size": [2, 3]}),
        coco_trees.box(9, 2, 1, segmentation=[[1, 2, 9, 3, 5, 9]], bbox=None),
        coco_trees.box(10, 2, 3, bbox=[1.5, 2, 3.25, 1e1], score=0.5),
    ]
    for number, one in enumerate(table["annotations"]):
        one["bbox"] = [20 - number, 10, 5, 6 + number] if "bbox" in one else None
    for image in table["images"]:
        image |= {"width": 32, "height": 24, "coco_url": f"http://x/{image['file_name']}"}
    text = json.dumps(table)
    plain = {
        "annotations/instances_train2017.json": text,
        **pictures("train2017/1.jpg", "train2017/2.jpg"),
    }
    roboflow = {
        "train/_annotations.coco.json": text,
        "valid/_annotations.coco.json": text,
        **pictures("train/1.jpg", "train/2.jpg", "valid/1.jpg", "valid/2.jpg"),
    }
    studio = {
        "result.json": json.dumps(table | {"info": {"contributor": "Label Studio"}}),
        **pictures("images/1.jpg", "images/2.jpg"),
    }
    return [below("raw", plain), below("raw", roboflow), below("raw", studio)]


NO_FACES = "0--P/2.jpg\n0\n0 0 0 0 0 0 0 0 0 0\n"
FACES = "1 2 10 12 0 0 0 0 0 0\n5 6 7 8 0 0 0 1 0 0\n"


def widerface() -> list[Case]:
    lists = {
        "wider_face_split/wider_face_train_bbx_gt.txt": f"0--P/1.jpg\n2\n{FACES}{NO_FACES}",
        "wider_face_split/wider_face_val_bbx_gt.txt": "0--P/3.jpg\n1\n1 2 3 4 1 1 1 0 2 1\n",
        **pictures(*(f"WIDER_train/images/0--P/{i}.jpg" for i in (1, 2))),
        **pictures("WIDER_val/images/0--P/3.jpg"),
    }
    return [below("raw", lists)]


LANDMARKS = "30.1 40.2 0.0 60.0 40.0 0.0 50.0 55.0 0.0 35.0 75.0 1.0 65.0 75.0 1.0"


def retinaface() -> list[Case]:
    first = (
        f"# 0--P/a.jpg\n5 6 20 10 {LANDMARKS} 0.82\n1 2 3 4 {'-1.0 ' * 15}-1.0\n# 0--P/b 1.jpg\n"
    )
    second = (
        f"# 0--P/a.jpg 32 24\n5 6 25 16 {LANDMARKS}\n1 2 4 6\n# 0--P/b 1.jpg 32 24\n1 2 4 6 1\n"
    )
    shown = pictures("train/images/0--P/a.jpg", "train/images/0--P/b 1.jpg")
    return [
        below("raw", {"train/label.txt": first, **shown}),
        below("raw", {"train/labelv2.txt": second, **shown}),
    ]


def txt() -> list[Case]:
    start = {"list.txt": "i/1.jpg a/1.txt\ni/2.jpg a/2.txt\n", "labelmap.prototxt": LABELMAP}
    shown = below("raw", pictures("i/1.jpg", "i/2.jpg"))
    files = [
        {"raw/a/1.txt": "1 5 6 30 20\n1 0.5 1 20 20\n", "raw/a/2.txt": ""},
        {"raw/a/1.txt": "cat 5 6 30 20\n", "raw/a/2.txt": "cat 1 2 3 4 0\n"},
        {"raw/a/1.txt": "1 5 6 30 20\n", "raw/a/2.txt": "0 1 2 3 4\n"},
    ]
    return [case({**start, **shown, **one}) for one in files]


def folders() -> list[Case]:
    shown = pictures("images/a.jpg", "images/b.png")
    files = {
        "labels/a.xml": xml(BOXES, (32, 24), "a.jpg"),
        "labels/b.xml": xml((), (32, 24), "b.png"),
    }
    own = pictures("train/a.jpg", "train/b.jpg", "valid/c.jpg")
    inside = {f"{name[:-4]}.xml": xml(BOXES, (32, 24), name[-5:]) for name in own}
    lists = {"train.txt": "a\n", "val.txt": "b\n"}
    return [below("raw", {**shown, **files, **lists}), below("raw", {**own, **inside})]


def kitti() -> list[Case]:
    line = "Car 0.00 0 -1.57 1.5 2.5 20.25 19.0 1.65 1.67 3.64 -0.65 1.71 46.70 -1.59\n"
    ignore = "DontCare -1 -1 -10 3 4 9 9 -1 -1 -1 -1000 -1000 -1000 -10\n"
    shown = pictures("training/image_2/000000.png", "training/image_2/000001.jpg")
    files = {"training/label_2/000000.txt": line + ignore, "training/label_2/000001.txt": line[:20]}
    whole = {"training/label_2/000000.txt": line, "training/label_2/000001.txt": line * 2}
    lists = {"ImageSets/train.txt": "000000\n", "ImageSets/val.txt": "000001\n"}
    return [below("raw", {**shown, **files}), below("raw", {**shown, **whole, **lists})]


def yolo() -> list[Case]:
    yaml = "path: .\ntrain: images/train\nval: images/val\nnc: 2\nnames: [cat, dog]\n"
    named = "train: ../train/images\nval: ../valid/images\nnames:\n  0: cat\n  1: dog\n"
    shown = pictures("images/train/a.jpg", "images/train/b.jpg", "images/val/c.jpg")
    lines = {
        "labels/train/a.txt": "0 0.5 0.25 0.5 0.25\n1 0.25 0.5 0.125 0.5\n",
        "labels/train/b.txt": "",
        "labels/val/c.txt": "1 0.1 0.1 0.5 0.1 0.5 0.5 0.1 0.5\n",
    }
    robo = {
        **pictures("train/images/a.jpg", "valid/images/c.jpg"),
        "data.yaml": named,
        "train/labels/a.txt": "0 0.5 0.25 0.5 0.25\n",
        "valid/labels/c.txt": "1 0.5 0.5 0.1 0.1\n",
    }
    darknet = {
        **pictures("obj/a.jpg", "obj/b.jpg"),
        "obj/a.txt": "0 0.5 0.25 0.5 0.25\n",
        "obj/b.txt": "",
        "obj.names": "cat\ndog\n",
        "obj.data": "classes=2\ntrain=train.txt\nnames=obj.names\n",
        "train.txt": "data/obj/a.jpg\ndata/obj/b.jpg\n",
    }
    studio = {
        **pictures("images/a.jpg"),
        "labels/a.txt": "0 0.5 0.25 0.5 0.25\n",
        "classes.txt": "cat\ndog\n",
        "notes.json": json.dumps(
            {"categories": [{"id": 0, "name": "cat"}, {"id": 1, "name": "dog"}]}
        ),
    }
    return [
        below("raw", {**shown, **lines, "data.yaml": yaml}),
        below("raw", robo),
        below("raw", darknet),
        below("raw", studio),
    ]


def cvat() -> list[Case]:
    images = cvat_xml.document(
        cvat_xml.task(cvat_xml.labels("cup"), subset="Train"),
        cvat_xml.image(
            "1.jpg",
            cvat_xml.box(
                "cup", (5, 6, 30, 20), cvat_xml.attribute("difficult", "true"), rotation=30
            ),
            cvat_xml.shape("polygon", "cup", points="1,2;3,4;5,2"),
            cvat_xml.shape("ellipse", "cup", cx=9, cy=9, rx=3, ry=2),
            cvat_xml.shape("mask", "cup", rle="1, 2, 1", left=1, top=2, width=2, height=2),
            cvat_xml.shape(
                "cuboid",
                "cup",
                xtl1=1,
                ytl1=2,
                xbl1=3,
                ybl1=4,
                xtr1=5,
                ytr1=6,
                xbr1=7,
                ybr1=8,
                xtl2=1,
                ytl2=2,
                xbl2=3,
                ybl2=4,
                xtr2=5,
                ytr2=6,
                xbr2=7,
                ybr2=8,
            ),
        ),
    )
    video = cvat_xml.document(
        cvat_xml.task(mode="interpolation", start_frame=0, stop_frame=9, frame_filter="step=2"),
        cvat_xml.track("cup", cvat_xml.at(0, (5, 6, 30, 20)), cvat_xml.at(4, (1, 2, 3, 4))),
    )
    inside = [
        cvat_xml.image(f"{part}/1.jpg", cvat_xml.box("cup", (1, 2, 3, 4)), project=(part, i))
        for i, part in enumerate(("Train", "Val"), 1)
    ]
    whole = cvat_xml.document(cvat_xml.project(["Train", "Val"]), *inside)
    frames = pictures(*(f"images/frame_{i:06}.png" for i in range(5)))
    return [
        below("raw", {"annotations.xml": images, **pictures("images/1.jpg")}),
        below("raw", {"annotations.xml": video, **frames}),
        below(
            "raw", {"annotations.xml": whole, **pictures("images/Train/1.jpg", "images/Val/1.jpg")}
        ),
    ]


def labelme() -> list[Case]:
    first = labelme_json.document(
        labelme_json.shape("cup", [[5, 6], [30.5, 20]], group_id=1, flags={"difficult": True}),
        labelme_json.shape("cup", [[5, 6], [9, 9]], "circle", group_id=1),
        labelme_json.shape("dog", [[1, 2], [9, 3], [5, 9]], "polygon"),
        imageHeight=24,
        imageWidth=32,
    )
    others = {f"{n}.json": json.dumps(labelme_json.document(path=f"{n}.jpg")) for n in "bc"}
    return [
        below("raw", {"a.json": json.dumps(first), **others, **pictures("a.jpg", "b.jpg", "c.jpg")})
    ]


def openimages() -> list[Case]:
    rows = [openimages_csv.row(i, openimages_csv.CUP, (0.1, 0.2, 0.3, 0.4)) for i in "aab"]
    names = f'{openimages_csv.CUP},Coffee cup\n{openimages_csv.PLATE},"Plate, flat"\n'
    return [
        below(
            "raw",
            {
                "train-annotations-bbox.csv": "\n".join([openimages_csv.HEADER, *rows]) + "\n",
                "class-descriptions-boxable.csv": names,
                **pictures("train/a.jpg", "train/b.jpg"),
            },
        )
    ]


def csv() -> list[Case]:
    shown = pictures("images/a.jpg", "images/b.jpg")
    lists = {
        "train.csv": "filename,width,height,class,xmin,ymin,xmax,ymax,split\n"
        'a.jpg,32,24,"cup, big",1.5,2,30,20,train\nb.jpg,32,24,cup,1,2,30,20,test\n'
        "a.jpg,,,,,,,,train\n",
        "train.tsv": "image_id\tbbox\tlabel\na\t[1, 10, 5, 2]\tcup\n",
        "boxes.csv": "TRAIN,gs://b/a.jpg,cup,0.1,0.1,,,0.3,0.3,,\nTEST,gs://b/b.jpg,,,,,,,,,\n",
        "keras.csv": "images/a.jpg,1,2,30,20,cup\nimages/b.jpg,,,,,\n",
        "labels.csv": "image;x;y;w;h;label\na.jpg;1;2;3;4;cup\n",
    }
    return [below("raw", {name: text, **shown}) for name, text in lists.items()]


def jsonlines() -> list[Case]:
    shown = pictures("images/a.jpg", "images/b.jpg")
    lists = {
        "train.manifest": '{"source-ref": "s3://b/a.jpg", "j": {"annotations": [{"class_id": 0,'
        ' "left": 1, "top": 2, "width": 3, "height": 4}], "image_size": [{"width": 32,'
        ' "height": 24, "depth": 3}]}, "j-metadata": {"class-map": {"0": "cup"}}}\n',
        "export.jsonl": '{"imageGcsUri": "gs://b/a.jpg", "boundingBoxAnnotations": [{"displayName":'
        ' "cup", "xMin": 0.1, "yMin": 0.1, "xMax": 0.2, "yMax": 0.3}]}\n',
    }
    return [below("raw", {name: text, **shown}) for name, text in lists.items()]


def huggingface() -> list[Case]:
    def parquet(root: Path) -> None:
        rows = [hub.row(f"{i}.jpg", (20, 2, 5, 9)) for i in range(2)]
        for i, one in enumerate(rows):
            one["image"]["bytes"] = pictures(f"{i}.jpg")[f"{i}.jpg"]
        hub.parquet(root, "raw/data/train.parquet", rows, hub.features(), compression="none")

    line = '{"file_name": "a.jpg", "objects": {"bbox": [[1, 10, 5, 2]], "category": ["cup"]}}\n'
    readme = "---\ndataset_info:\n  features:\n  - name: image\n    dtype: image\n---\n# x\n"
    return [
        built(parquet),
        below("raw", {"metadata.jsonl": line, **pictures("a.jpg")}),
        below(
            "raw", {"train/metadata.jsonl": line, "README.md": readme, **pictures("train/a.jpg")}
        ),
    ]


def annoset() -> list[Case]:
    return [
        case(
            {
                "list.txt": "i/1.jpg a/1.xml\ni/2.jpg a/2.txt\ni/3.jpg a/3.json\n",
                "labelmap.prototxt": LABELMAP,
                "raw/a/1.xml": xml(BOXES, (32, 24)),
                "raw/a/2.txt": "1 2 3 9 8\n",
                "raw/a/3.json": json.dumps(
                    {"image": coco_trees.image(3, "3.jpg"), "annotation": [coco_trees.box(1, 3)]}
                ),
                **below("raw", pictures("i/1.jpg", "i/2.jpg", "i/3.jpg")),
            }
        )
    ]
