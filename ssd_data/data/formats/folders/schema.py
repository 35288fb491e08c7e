"""What a source of this format says."""

from __future__ import annotations

from pathlib import PurePosixPath

from ssd_data.data.formats.shares import SharedSource


class FolderSource(SharedSource, frozen=True, forbid_unknown_fields=True):
    """A folder of pictures and that of their annotations.

    Attributes:
        images, labels: the folders, below the root; empty or ``.`` for the root itself. Both may
            be the same.
        list: a file of picture names, below the root: only these, in its order; one ``*`` in its
            name unites several lists. Empty for all pictures.
        files: the annotations' ending, such as ``.xml``, where there are some of several kinds.
        shared: whether other sources have annotations in the same folder.
    """

    images: str
    labels: str
    list: str = ""
    files: str = ""
    shared: bool = False


def plain_folder(path: str) -> str:
    """A folder below the root as paths are put together; the root itself is empty.

    >>> plain_folder("./Images/"), plain_folder(".")
    ('Images', '')
    """
    plain = PurePosixPath(path).as_posix()
    return "" if plain == "." else plain
