"""Where WIDER FACE's lists and pictures lie."""

from __future__ import annotations

LISTS = "wider_face_split"


def list_file(split: str) -> str:
    """The list of a split's faces, below the root."""
    return f"{LISTS}/wider_face_{split}_bbx_gt.txt"


def images_folder(split: str) -> str:
    """The folder that its paths start from."""
    return f"WIDER_{split}/images"
