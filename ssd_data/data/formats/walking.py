"""A data set's folder from top to bottom.

Links to folders are followed, each folder once, so that a circle of links ends; one that is there
itself is found under its own name. Links that leave the data set are refused, see
:mod:`ssd_data.core.files.inside`, but those that ``ssd-data link`` makes: they are no part of it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from ssd_data.core.files.inside import entries, is_folder, leads_out, refused
from ssd_data.data.formats.foldernames import is_left_behind

_OWN_LINKS = "_lmdb"  # how they end


def walk(
    folder: Path, descends: Callable[[str, str], bool] = lambda start, name: True
) -> Iterator[tuple[str, list[os.DirEntry[str]]]]:
    """The files of a folder, then those of each folder below it, without what systems leave behind.

    Args:
        descends: whether to go into a folder, by the path that leads to it and its name.

    Returns:
        the path that leads to the files, empty or with ``/`` at its end, and the files; none where
        there is no such folder.

    Raises:
        InputError: a link leaves the data set.
    """
    seen: set[tuple[int, int]] = set()
    waiting, links = [""], list[str]()
    while waiting or links:
        start = waiting.pop() if waiting else links.pop(0)
        try:
            status = os.stat(folder / start)  # noqa: PTH116
            held = entries(folder / start)
        except OSError:
            continue
        if (status.st_dev, status.st_ino) in seen:
            continue
        seen.add((status.st_dev, status.st_ino))
        held = [one for one in held if not is_left_behind(one.name)]
        folders = [one for one in held if is_folder(one)]
        yield start, [one for one in held if not is_folder(one)]
        for one in sorted(folders, key=lambda one: one.name, reverse=True):
            if descends(start, one.name) and _is_looked_into(one):
                (links if one.is_symlink() else waiting).append(f"{start}{one.name}/")


def _is_looked_into(folder: os.DirEntry[str]) -> bool:
    """Whether a folder, or a link to one, is part of the data set.

    Raises:
        InputError: the link leaves it.
    """
    if not folder.is_symlink() or not leads_out(folder.path):
        return True
    if folder.name.endswith(_OWN_LINKS):
        return False
    raise refused(folder.path)


def folders_in(folder: Path) -> list[str]:
    """The names of a folder's own folders that :func:`walk` goes into, sorted; none where there is
    no such folder.

    Raises:
        InputError: a link leaves the data set.
    """
    try:
        held = [one for one in entries(folder) if not is_left_behind(one.name)]
    except OSError:
        return []
    return sorted(one.name for one in held if is_folder(one) and _is_looked_into(one))


def files_below(folder: Path) -> list[str]:
    """All files of a folder and its subfolders but those left behind, sorted, with ``/``.

    Raises:
        InputError: as :func:`walk`.
    """
    return sorted(start + file.name for start, files in walk(folder) for file in files)
