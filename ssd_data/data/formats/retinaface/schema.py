"""What RetinaFace's lists are made of.

``label.txt``: ``# path``, then a line a face of x, y, width, height, five landmarks (x, y, flag)
and blur: 20 numbers, or only the box. ``labelv2.txt``: ``# path width height``, then corners and
landmarks: 19 numbers, or only the box, or the box and a flag to ignore it. Landmarks of -1 are
none. (insightface, ``detection/retinaface/rcnn/dataset/retinaface.py`` and
``detection/scrfd/mmdet/datasets/retinaface.py``)
"""

from __future__ import annotations

CLASS = "face"
LIST, LIST_V2 = "label.txt", "labelv2.txt"
IMAGES = "images"
WIDTHS, WIDTHS_V2 = (4, 19, 20), (4, 5, 19, 20)
NO_LANDMARKS = "-1.0 " * 15 + "-1.0"  # and no blur


def list_file(split: str) -> str:
    """The list of a split, below the root."""
    return f"{split}/{LIST}"


def images_folder(split: str) -> str:
    """The folder that a list's paths start from, below the root."""
    return f"{split}/{IMAGES}"
