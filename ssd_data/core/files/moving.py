"""New items that move into a folder one by one, where it cannot be exchanged as a whole.

They lie in a hidden folder ``.ready`` in it: as long as that is there the folder is between two
states. What has still to be moved is told by lying there, not by a number that a copy of the folder
would not share.
"""

from __future__ import annotations

import os
from pathlib import Path

from ssd_data.core.errors import InputError, OutputError
from ssd_data.core.files.exchange import remove_tree
from ssd_data.core.files.hidden import LOCK, READY
from ssd_data.core.files.remote.address import remote
from ssd_data.core.files.there import is_link, is_named_there, is_own_folder
from ssd_data.core.files.whole import sync_folder

_OLD = ".old"


def move_in(place: Path, trash: Path) -> None:
    """Move what lies in ``.ready`` into the folder; may be interrupted and called again.

    Args:
        trash: a free name in the folder for what is left.

    Raises:
        OutputError: what lies there is a later version's. OSError: as the system says.
    """
    ready = place / READY
    if is_named_there(ready / ".journal.json"):
        raise OutputError(
            "what an interrupted build left here cannot be read",
            where=place,
            hint=f"Remove {ready}, then build with --redo",
        )
    if is_link(ready / _OLD):
        (ready / _OLD).unlink()
    for name in sorted(names_in(ready) - {LOCK, _OLD}):
        source, target, old = ready / name, place / name, ready / _OLD / name
        if is_own_folder(target) or (is_named_there(target) and is_own_folder(source)):
            # For a moment the name is missing.
            old.parent.mkdir(exist_ok=True)
            remove_tree(old)
            os.rename(target, old)
        os.rename(source, target)
    sync_folder(place)
    os.rename(ready, trash)
    remove_tree(trash)


def names_in(folder: Path) -> set[str]:
    """The names in a folder."""
    return {path.name for path in folder.iterdir()}


def require_settled(folder: Path) -> None:
    """Refuse a folder that is between two states, see the top of this file.

    Raises:
        InputError: it is; what lies in it does not belong together.
        OSError: that cannot be told.
    """
    if remote(folder) is not None:
        return
    try:
        between = is_named_there(folder / READY)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(folder)) from None
    if between:
        raise InputError(
            "a command that writes into this folder was interrupted while it did",
            where=folder,
            hint="Run that command again (build, link, …): it finishes what was begun",
        )
