"""What a VOC tree is made of."""

from __future__ import annotations

IMAGES, ANNOTATIONS, SETS = "JPEGImages", "Annotations", "ImageSets"
CORNERS = ("xmin", "ymin", "xmax", "ymax")


def set_file(split: str) -> str:
    """The list of a split's pictures, without their endings."""
    return f"{SETS}/Main/{split}.txt"
