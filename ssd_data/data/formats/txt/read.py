"""Text files, one a picture: lines of ``label xmin ymin xmax ymax`` in pixels.

The label is a number of the labelmap, as in the original; a name is read as well. YOLO's files
(``class cx cy w h`` in fractions) look alike and are recognised and refused.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ssd_data.core.errors import InputError
from ssd_data.core.files.paths import read_text
from ssd_data.core.notes import Tally
from ssd_data.core.structures import AnnotatedImage
from ssd_data.data.formats import AnnotationFile
from ssd_data.data.formats.numbers import FAR, number

MAX_BYTES = 64 << 20


def read_file(path: Path, image: str, annotation: str, notes: Tally) -> AnnotatedImage:
    """One text file.

    Raises:
        InputError: the file is absent, a line is not a label and four numbers, or it is YOLO's.
    """
    text = read_text(path, "annotation", MAX_BYTES, annotation)
    numbered = [(n, line.split()) for n, line in enumerate(text.split("\n"), 1) if line.strip()]
    rows = [_corners(words, f"{annotation}:{line}") for line, words in numbered]
    if rows and all(0 <= value <= 1 for row in rows for value in row):
        raise InputError(
            "the boxes are fractions, as in YOLO's files; pixels are wanted",
            where=annotation,
            hint="Write label xmin ymin xmax ymax in pixels (YOLO: class cx cy w h in fractions)",
        )
    return AnnotatedImage(
        image=image,
        annotation=annotation,
        classes=tuple(_class(words) for _, words in numbered),
        boxes=np.array(rows, np.float32).reshape(-1, 4),
        difficult=np.zeros(len(rows), np.bool_),
        places=tuple(line for line, _ in numbered),
    )


def _class(words: list[str]) -> str | int:
    label = " ".join(words[:-4])
    return int(label) if label.isascii() and label.isdecimal() and len(label) < 10 else label


def _corners(words: list[str], where: str) -> list[float]:
    values = [number(word) for word in words[-4:]]
    if len(words) < 5 or not all(abs(value) < FAR for value in values):
        raise InputError(f'"{" ".join(words)}" is not label xmin ymin xmax ymax', where=where)
    return values


FILE = AnnotationFile(".txt", read_file)
