"""The folder layouts that the sample data set is written in: VOC, COCO and WIDER FACE.

Each class writes one split: ``add`` a picture at a time, then ``finish``. All three state the same
boxes, but that WIDER FACE knows only the circles, as faces.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from ssd_data.data.formats.coco.schema import instances_file
from ssd_data.data.formats.voc.schema import ANNOTATIONS, IMAGES, set_file
from ssd_data.data.formats.widerface.schema import images_folder, list_file
from ssd_data.data.synthetic import LAYOUTS
from ssd_data.data.synthetic.shapes import CLASSES, GROUNDS, Shape

FACE = "circle"
NO_FACE = " ".join("0" * 10)


@dataclass(frozen=True, slots=True)
class Picture:
    """A drawn picture as its file's bytes.

    Attributes:
        name: the file's name without ending; each picture of the sample has another.
        number: stands for the picture where a layout counts them, also across splits.
        ground: what it is drawn on.
    """

    name: str
    number: int
    ground: str
    data: bytes
    width: int
    height: int
    shapes: tuple[Shape, ...]


class SplitWriter(Protocol):
    """Writes one split of the sample in one layout."""

    @property
    def split(self) -> str:
        """The split's name in this layout."""

    def add(self, picture: Picture) -> int:
        """Write a picture; the result is how many boxes the layout states for it."""

    def finish(self) -> None:
        """Write what comes once a split."""


@dataclass(slots=True)
class VocSplit:
    """One XML a picture, and the list of the pictures' names."""

    root: Path
    test: bool
    _names: list[str] = field(default_factory=list)

    @property
    def split(self) -> str:
        """``trainval`` or ``test``."""
        return "test" if self.test else "trainval"

    def add(self, picture: Picture) -> int:
        """Write the picture and its XML."""
        _write(self.root / IMAGES / f"{picture.name}.jpg", picture.data)
        text = _voc_xml(picture).encode()
        _write(self.root / ANNOTATIONS / f"{picture.name}.xml", text)
        self._names.append(picture.name)
        return len(picture.shapes)

    def finish(self) -> None:
        """Write the list."""
        text = "".join(f"{name}\n" for name in self._names)
        _write(self.root / set_file(self.split), text.encode())


def _voc_xml(picture: Picture) -> str:
    objects = "".join(
        f"""\
  <object>
    <name>{shape.name}</name>
    <pose>Unspecified</pose>
    <truncated>{shape.cut:d}</truncated>
    <difficult>{shape.difficult:d}</difficult>
    <bndbox>
      <xmin>{shape.box[0]}</xmin>
      <ymin>{shape.box[1]}</ymin>
      <xmax>{shape.box[2]}</xmax>
      <ymax>{shape.box[3]}</ymax>
    </bndbox>
  </object>
"""
        for shape in picture.shapes
    )
    return f"""\
<annotation>
  <folder>JPEGImages</folder>
  <filename>{picture.name}.jpg</filename>
  <size>
    <width>{picture.width}</width>
    <height>{picture.height}</height>
    <depth>3</depth>
  </size>
  <segmented>0</segmented>
{objects}</annotation>
"""


@dataclass(slots=True)
class CocoSplit:
    """One JSON for all pictures; difficult shapes are crowds, which scores pass over likewise."""

    root: Path
    test: bool
    _images: list[dict[str, object]] = field(default_factory=list)
    _annotations: list[dict[str, object]] = field(default_factory=list)

    @property
    def split(self) -> str:
        """``train`` or ``val``."""
        return "val" if self.test else "train"

    def add(self, picture: Picture) -> int:
        """Write the picture and keep its boxes for the JSON."""
        file_name = f"{picture.name}.jpg"
        _write(self.root / self.split / file_name, picture.data)
        self._images.append(
            {
                "id": picture.number,
                "file_name": file_name,
                "width": picture.width,
                "height": picture.height,
            }
        )
        for shape in picture.shapes:
            x, y, width, height = _xywh(shape)
            self._annotations.append(
                {
                    "id": len(self._annotations) + 1,
                    "image_id": picture.number,
                    "category_id": CLASSES.index(shape.name) + 1,
                    "bbox": [x, y, width, height],
                    "area": width * height,
                    "iscrowd": int(shape.difficult),
                }
            )
        return len(picture.shapes)

    def finish(self) -> None:
        """Write the JSON."""
        instances = {
            "images": self._images,
            "annotations": self._annotations,
            "categories": [{"id": i, "name": name} for i, name in enumerate(CLASSES, 1)],
        }
        text = json.dumps(instances) + "\n"
        _write(self.root / instances_file(self.split), text.encode())


@dataclass(slots=True)
class WiderFaceSplit:
    """One list for all pictures; those without a circle take turns in the two ways to say so."""

    root: Path
    test: bool
    _lines: list[str] = field(default_factory=list)
    _without: int = 0

    @property
    def split(self) -> str:
        """``train`` or ``val``."""
        return "val" if self.test else "train"

    def add(self, picture: Picture) -> int:
        """Write the picture, below the event that its ground stands for, and keep its faces."""
        event = f"{GROUNDS.index(picture.ground)}--{picture.ground.capitalize()}"
        name = f"{event}/{picture.name}.jpg"
        _write(self.root / images_folder(self.split) / name, picture.data)
        rows = [_face(shape) for shape in picture.shapes if shape.name == FACE]
        count = len(rows)
        if not rows:
            rows, count = [NO_FACE], self._without % 2
            self._without += 1
        self._lines += [name, str(count), *rows]
        return 0 if rows == [NO_FACE] else count

    def finish(self) -> None:
        """Write the list."""
        text = "".join(f"{line}\n" for line in self._lines)
        _write(self.root / list_file(self.split), text.encode())


def _face(shape: Shape) -> str:
    """``x y w h blur expression illumination invalid occlusion pose``"""
    # The format's own scale: 0 seen whole, 1 hidden in part, 2 hidden for the most part.
    occlusion = 2 if shape.difficult else int(shape.visible < 0.99)
    values = (*_xywh(shape), 0, 0, 0, int(shape.difficult), occlusion, 0)
    return " ".join(map(str, values))


def _xywh(shape: Shape) -> tuple[int, int, int, int]:
    xmin, ymin, xmax, ymax = shape.box
    return xmin, ymin, xmax - xmin, ymax - ymin


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


SPLITS: dict[str, Callable[[Path, bool], SplitWriter]] = dict(
    zip(LAYOUTS, (VocSplit, CocoSplit, WiderFaceSplit), strict=True)
)
