"""Data sets to measure with, made from real pictures or drawn."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from random import Random

import cv2
import numpy as np

from ssd_data.core.notes import Tally
from ssd_data.core.structures import AnnotatedImage, Pixels
from ssd_data.data.dataset import Dataset
from ssd_data.data.find import recognise
from ssd_data.data.formats.tree import Tree
from ssd_data.data.formats.widerface import read as widerface

LIST = "wider_face_split/wider_face_train_bbx_gt.txt"
IMAGES = "WIDER_train/images"
DRAWN = 40
CLASSES = ("dog", "cat", "cow")
LINKS = 20_000  # names of one file; ext4 allows 65,000
FOLDER = 1000  # names in one folder


@dataclass(frozen=True, slots=True)
class Pictures:
    """A data set in WIDER FACE's layout and what is to be said of its pictures."""

    dataset: Dataset
    files: list[Path]
    note: str

    @property
    def bytes(self) -> int:
        """The size of all pictures."""
        return sum(file.stat().st_size for file in self.files)


def wider(folder: Path, data: Path | None, count: int) -> Pictures:
    """``count`` pictures with their faces, copied one after the other and over again."""
    real = _real(data)[:count] if data else []
    blocks = real or _drawn(folder / "drawn", min(DRAWN, count))
    root = folder / "WIDER_FACE"
    rows: list[str] = []
    files: list[Path] = []
    for number in range(count):
        source, faces = blocks[number % len(blocks)]
        name = f"{source.parent.name}/{number:05d}_{source.name}"
        file = root / IMAGES / name
        file.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, file)
        files.append(file)
        rows += [name, str(len(faces)), *(faces or ["0 0 0 0 0 0 0 0 0 0"])]
    _write(root / LIST, "\n".join(rows) + "\n")
    origin = "real pictures" if real else "pictures drawn here"
    note = f"{count} pictures: {len(blocks)} {origin}, copied (not linked) under other names"
    return Pictures(recognise(root), files, note)


def _real(data: Path) -> list[tuple[Path, list[str]]]:
    """The pictures of a folder in WIDER FACE's layout, each with its rows of faces."""
    found = []
    recognised = widerface.recognise(Tree(data))
    for sources in recognised.splits.values() if recognised else ():
        for source in sources:
            for entry in widerface.read(data, source, Tally()):
                if isinstance(entry, AnnotatedImage) and (data / entry.image).is_file():
                    found.append((data / entry.image, _faces(entry.boxes.tolist())))
    return found


def _faces(boxes: list[list[float]]) -> list[str]:
    corners = ([round(value) for value in box] for box in boxes)
    return [f"{a} {b} {c - a} {d - b} 0 0 0 0 0 0" for a, b, c, d in corners]


def _drawn(folder: Path, count: int) -> list[tuple[Path, list[str]]]:
    """Pictures of 1024x768, about as many bytes as real ones have."""
    folder.mkdir(parents=True)
    random = Random(0)
    found = []
    for number in range(count):
        path = folder / f"{number}.jpg"
        cv2.imwrite(str(path), draw(1024, 768, number))
        places = [[random.randrange(1, 900), random.randrange(1, 600)] for _ in range(11)]
        found.append((path, [f"{x} {y} 40 50 0 0 0 0 0 0" for x, y in places]))
    return found


def draw(width: int, height: int, seed: int) -> Pixels:
    """A picture of soft blots with a little noise."""
    random = np.random.default_rng(seed)
    blots = random.integers(0, 256, (24, 32, 3), np.uint8)
    noise = random.integers(0, 6, (height, width, 3), np.uint8)
    soft = cv2.resize(blots, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.asarray(cv2.add(soft, noise), np.uint8)


def small_voc(folder: Path, count: int) -> Dataset:
    """VOC's layout with small pictures, hard links of a few files."""
    root = folder / f"voc-{count}"
    names = _spread(root, count)
    _link_all(root, [f"JPEGImages/{name}.jpg" for name in names], _small_pictures(folder))
    _link_all(root, [f"Annotations/{name}.xml" for name in names], _small_xmls(folder))
    _write(root / "ImageSets/Main/trainval.txt", "\n".join(names) + "\n")
    return recognise(root)


def small_coco(folder: Path, count: int, boxes: int = 7) -> Dataset:
    """COCO's layout with small pictures, hard links of a few files, and ``boxes`` a picture."""
    root = folder / f"coco-{count}"
    names = [f"{name}.jpg" for name in _spread(root, count)]
    _link_all(root / "train2017", names, _small_pictures(folder))
    write_instances(root / "annotations/instances_train2017.json", names, boxes, outlines=False)
    return recognise(root)


def _spread(root: Path, count: int) -> list[str]:
    return [f"{number // FOLDER:03d}/{number:06d}" for number in range(count)]


def _small_pictures(folder: Path) -> list[Path]:
    """Pictures of about 3 KB."""
    paths = [folder / f"small-{seed}.jpg" for seed in range(8)]
    for seed, path in enumerate(paths):
        if not path.exists():
            cv2.imwrite(str(path), draw(96, 72, seed), [cv2.IMWRITE_JPEG_QUALITY, 80])
    return paths


def _small_xmls(folder: Path) -> list[Path]:
    paths = [folder / f"small-{seed}.xml" for seed in range(8)]
    for seed, path in enumerate(paths):
        if not path.exists():
            _write(path, _xml(seed % 4 + 1))
    return paths


def _xml(boxes: int) -> str:
    objects = "".join(
        f"<object><name>{CLASSES[i % 3]}</name><pose>Left</pose><truncated>0</truncated>"
        f"<difficult>0</difficult><bndbox><xmin>{i + 1}</xmin><ymin>{i + 2}</ymin>"
        f"<xmax>{i + 41}</xmax><ymax>{i + 52}</ymax></bndbox></object>\n"
        for i in range(boxes)
    )
    size = "<size><width>96</width><height>72</height><depth>3</depth></size>"
    return f"<annotation>\n<folder>VOC</folder>\n{size}\n{objects}</annotation>\n"


def _link_all(root: Path, names: list[str], sources: list[Path]) -> None:
    """Hard links by turns to ``sources``, which are copied anew before they have too many."""
    turn = len(sources) * LINKS
    for number, name in enumerate(names):
        if number % turn == 0:
            copies = [_copy(s, root / f"source-{number}-{s.name}") for s in sources]
        path = root / name
        if number % FOLDER == 0:
            path.parent.mkdir(parents=True, exist_ok=True)
        os.link(copies[number % len(copies)], path)


def _copy(source: Path, target: Path) -> Path:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
    return target


def write_instances(path: Path, names: list[str], boxes: int, outlines: bool) -> None:
    """An instances JSON with ``boxes`` annotations a picture, with or without segmentation.

    Without it an annotation is as short as real ones can be: the hard case for memory a byte.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    random = Random(0)
    categories = [{"id": i, "name": f"class {i}"} for i in range(1, 81)]
    with path.open("w") as file:
        file.write('{"images":[')
        for number, name in enumerate(names):
            file.write("," * (number > 0))
            file.write(f'{{"id":{number + 1},"file_name":"{name}","width":96,"height":72}}')
        file.write('],"annotations":[')
        for number in range(len(names) * boxes):
            file.write("," * (number > 0))
            file.write(_annotation(number, number // boxes + 1, random, outlines))
        file.write(f'],"categories":{json.dumps(categories)}}}')


def _annotation(number: int, image: int, random: Random, outlines: bool) -> str:
    x, y, w, h = (random.randrange(1, 4000) / 100 for _ in range(4))
    box = f"[{x},{y},{w},{h}]"
    category = random.randrange(1, 81)
    if not outlines:
        return f'{{"image_id":{image},"bbox":{box},"category_id":{category},"id":{number + 1}}}'
    points = ",".join(f"{random.randrange(64000) / 100}" for _ in range(random.randrange(20, 90)))
    return (
        f'{{"segmentation": [[{points}]],"area": {w * h:.4f},"iscrowd": 0,"image_id": {image},'
        f'"bbox": {box},"category_id": {category},"id": {number + 1}}}'
    )


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
