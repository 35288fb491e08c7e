"""Small raw data sets for tests, written by hand so that each can be broken in one place."""

from __future__ import annotations

import io
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

Box = tuple[str, float, float, float, float]


def jpeg(width: int = 64, height: int = 48, mode: str = "RGB", seed: int = 0, **save: Any) -> bytes:
    """A smooth picture that JPEG keeps nearly as it is."""
    random = np.random.default_rng(seed)
    small = Image.fromarray(random.integers(0, 255, (4, 5, 3), np.uint8))
    picture = small.resize((width, height), Image.Resampling.BICUBIC).convert(mode)
    file = io.BytesIO()
    picture.save(file, save.pop("format", "JPEG"), **save)
    return file.getvalue()


def xml(
    boxes: Iterable[Box] = (("cat", 5, 6, 30, 40),),
    size: tuple[int, int] | None = (64, 48),
    name: str = "1.jpg",
    extra: str = "",
) -> str:
    sized = (
        f"<size><width>{size[0]}</width><height>{size[1]}</height><depth>3</depth></size>"
        if size
        else ""
    )
    objects = "".join(
        f"<object>\n<name>{label}</name>\n<difficult>0</difficult>\n<bndbox><xmin>{a}</xmin>"
        f"<ymin>{b}</ymin><xmax>{c}</xmax><ymax>{d}</ymax></bndbox></object>\n"
        for label, a, b, c, d in boxes
    )
    return f"<annotation>\n<filename>{name}</filename>{sized}\n{objects}{extra}</annotation>\n"


class Voc:
    """A VOC folder with ``count`` pictures called 1, 2, … in trainval and none in test."""

    def __init__(self, root: Path, count: int = 3) -> None:
        self.root = root
        for folder in ("JPEGImages", "Annotations", "ImageSets/Main"):
            (root / folder).mkdir(parents=True)
        for i in range(1, count + 1):
            self.picture(i).write_bytes(jpeg(seed=i))
            self.annotation(i).write_text(xml(name=f"{i}.jpg"), "utf-8")
        self.list([str(i) for i in range(1, count + 1)])

    def picture(self, i: object, ending: str = "jpg") -> Path:
        return self.root / "JPEGImages" / f"{i}.{ending}"

    def annotation(self, i: object) -> Path:
        return self.root / "Annotations" / f"{i}.xml"

    def held_back(self, *names: str, split: str = "test") -> None:
        """Further pictures, for a split that shares none with another."""
        for number, name in enumerate(names, 100):
            self.picture(name).write_bytes(jpeg(seed=number))
            self.annotation(name).write_text(xml(name=f"{name}.jpg"), "utf-8")
        self.list(names, split)

    def list(self, names: Iterable[str], split: str = "trainval") -> None:
        path = self.root / "ImageSets" / "Main" / f"{split}.txt"
        path.write_text("".join(f"{name}\n" for name in names), "utf-8")
