"""What folders of a data set are called as people call them, and what systems leave between them.

A folder of any other name may be another data set.
"""

from __future__ import annotations

from ssd_data.data.formats.splits import role

_ANNOTATIONS = ("annotation", "annotations", "anno", "annos", "ann", "anns", "label", "labels")
_KINDS = ("xml", "xmls", "json", "jsons", "csv", "csvs", "cvat", "labelme", "metadata", "bbox")
_PICTURES = ("image", "images", "img", "imgs", "picture", "pictures", "photos", "jpegimages")
_NAMES = frozenset((*_ANNOTATIONS, *_KINDS, *_PICTURES, "boxes", "data", "dataset", "frames"))
_LEFT_BEHIND = frozenset({"__MACOSX", ".ipynb_checkpoints", "@eaDir", "$RECYCLE.BIN", "lost+found"})


def is_kind(name: str) -> bool:
    """Whether a folder of that name holds files of one kind, pictures or annotations.

    >>> is_kind("Labels"), is_kind("train")
    (True, False)
    """
    return name.lower() in _NAMES


def holds_annotations(name: str) -> bool:
    """Whether a folder of that name holds annotations.

    >>> holds_annotations("Annotations"), holds_annotations("images")
    (True, False)
    """
    return name.lower() in (*_ANNOTATIONS, *_KINDS, "data")


def is_part(name: str) -> bool:
    """Whether a folder of that name is part of the data set that it lies in.

    >>> [is_part(name) for name in ("Labels", "val2017", "images", "second_project")]
    [True, True, True, False]
    """
    return is_kind(name) or role(name) is not None


def is_left_behind(path: str) -> bool:
    """Whether a system left it there: hidden files, AppleDouble's (``._``), a notebook's, a bin."""
    return any(name.startswith(".") or name in _LEFT_BEHIND for name in path.split("/"))
