"""RetinaFace's ``label.txt``, with pictures below ``images``; see ``schema.py``.

The format has one class and neither difficult boxes nor sizes: what that loses is counted.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ssd_data.core.labelmap import LabelMap
from ssd_data.data.formats.pixels import xywh
from ssd_data.data.formats.retinaface.schema import CLASS, NO_LANDMARKS, images_folder, list_file
from ssd_data.data.formats.writing import (
    PictureFile,
    Target,
    append,
    is_safe,
    note_rounded,
    place,
    plain_names,
    with_ending,
)
from ssd_data.data.lmdb.records import Record


class RetinaFaceWriter:
    """Writes a list and its pictures; holds nothing of the records it has written."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.labelmap = LabelMap.from_names([CLASS])
        self._shown = {item.label: item.display_name for item in target.labelmap}
        self._single = sum(item.label > 0 for item in target.labelmap) == 1

    def add(self, index: int, record: Record, picture: PictureFile) -> str:
        """Write a picture and the lines of its faces.

        Returns:
            its path below the root.
        """
        target = self.target
        folder = images_folder(target.split)
        for name in self._names(record.image, picture.kind, index, folder):
            if place(target.folder, {f"{folder}/{name}": picture.data}):
                break
        values, exact = xywh(record.boxes, record.width, record.height)
        note_rounded(target.notes, record, exact)
        self._note_lost(record)
        rows = [f"{' '.join(map(_short, box))} {NO_LANDMARKS}\n" for box in values.tolist()]
        append(target.folder / list_file(target.split), "".join([f"# {name}\n", *rows]).encode())
        return f"{folder}/{name}"

    def _names(self, image: str, kind: str, index: int, folder: str) -> Iterator[str]:
        name = with_ending(image.removeprefix(f"{folder}/"), kind)
        words = name.split()
        sized = len(words) > 2 and all(word.isdecimal() for word in words[-2:])
        if is_safe(name) and not sized:
            yield name
        yield from plain_names(image, kind, index)

    def _note_lost(self, record: Record) -> None:
        for label, difficult in zip(record.labels.tolist(), record.difficult.tolist(), strict=True):
            if not self._single:
                shown = self._shown.get(label, str(label))
                self.target.notes.add(
                    f'class is lost (the format has one, "{CLASS}")', f"{record.key}: {shown}"
                )
            if difficult:
                self.target.notes.add("box is no longer difficult", record.key)

    def finish(self) -> None:
        """Nothing is left to write."""

    def command(self, out: Path) -> list[str]:
        """Builds the folder with nothing shuffled or left out."""
        folder = str(out) if "/" in str(out) else f"./{out}"  # a bare name could be a recipe's
        return [folder, "--split", self.target.split, "--no-shuffle", "--empty", "keep"]


def _short(value: float) -> str:
    return repr(value).removesuffix(".0")


WRITER = RetinaFaceWriter
