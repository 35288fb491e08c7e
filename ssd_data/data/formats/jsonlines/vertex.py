"""Lines of Vertex AI's import files for object detection:
https://cloud.google.com/vertex-ai/docs/image-data/object-detection/prepare-data

Boxes are fractions of the picture, from the upper left; numbers may be written as texts.
"""

from __future__ import annotations

from typing import Any

import msgspec

from ssd_data.data.formats.jsonlines.schema import Line, LineError
from ssd_data.data.formats.numbers import number

BOXES = "boundingBoxAnnotations"
MOST = 1.01


class VertexBox(msgspec.Struct, rename="camel"):
    """A box."""

    display_name: str
    x_min: float | str
    y_min: float | str
    x_max: float | str
    y_max: float | str


def parse(table: dict[str, Any]) -> Line:
    """What a line says.

    Raises:
        LineError: a box is not what it should be.
    """
    line = Line(normalized=True)
    if BOXES not in table:
        others = [key for key in table if "nnotation" in key]
        line.unlabelled = f"{others[0]} are no boxes" if others else "no labels"
        return line
    try:
        boxes = msgspec.convert(table[BOXES], list[VertexBox])
    except msgspec.ValidationError as error:
        raise LineError(str(error)) from None
    for box in boxes:
        sides = (box.x_min, box.y_min, box.x_max, box.y_max)
        a, b, c, d = (number(side) if isinstance(side, str) else side for side in sides)
        if not all(abs(value) <= MOST for value in (a, b, c, d)):
            shown = " ".join(s[:20] if isinstance(s, str) else f"{s:g}" for s in sides)
            raise LineError(f"{shown} is no box in fractions of the picture, 0 to 1")
        line.classes.append(box.display_name)
        line.boxes.append((a, b, c, d))
    return line
