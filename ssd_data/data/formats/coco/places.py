"""Where the JSONs of a folder lie, and the pictures of each."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import unquote

from ssd_data.core.errors import InputError
from ssd_data.core.files.paths import is_below
from ssd_data.core.files.there import is_file, is_folder
from ssd_data.data.formats.parts import files_in
from ssd_data.data.formats.pictures import Pictures
from ssd_data.data.formats.splits import role
from ssd_data.data.formats.tree import Tree, joined

INSTANCES, ROBOFLOW = "instances_", "_annotations.coco.json"
MOST = 40  # JSONs of a folder; where there are more, each belongs to a picture
_JSONS = frozenset(
    {"annotations", "annotation", "annots", "anns", "ann", "labels", "json", "jsons"}
)
_PICTURES = frozenset(
    {"images", "image", "imgs", "img", "data", "jpegimages", "pictures", "photos"}
)
_FIRST_WORD = re.compile(r"[\W_]+")


def json_files(tree: Tree) -> list[tuple[str, str]]:
    """The JSONs of a folder and of those inside that may hold some.

    Returns:
        the path of each below the root, and the name of the split's folder that it lies in, empty
        where it lies in none.
    """
    paths = [(json, "") for json in _chosen(tree, "")]
    for name in _folders(tree):
        if (split := _split_of(name)) is None:
            continue
        paths += [(json, split) for json in _chosen(tree, name)]
        for inner in _folders(tree, name):
            own = _split_of(inner)
            if own is None or (own and split):
                continue
            if own or split or _holds_jsons(name):  # else a data set that lies in data/
                paths += [(json, own or split) for json in _chosen(tree, f"{name}/{inner}")]
    return paths


def _split_of(name: str) -> str | None:
    """The split of a folder that may hold JSONs: its name, or empty; None where none are sought."""
    if _holds_jsons(name) or name.lower() in _PICTURES:
        return ""
    return name if role(name) else None


def _holds_jsons(name: str) -> bool:
    return _FIRST_WORD.split(name.lower(), maxsplit=1)[0] in _JSONS


def is_conventional(name: str) -> bool:
    """Whether a JSON is called as COCO's or Roboflow's are."""
    return name == ROBOFLOW or name.startswith(INSTANCES)


def _chosen(tree: Tree, folder: str) -> list[str]:
    found = list(files_in(tree, (".json",), folder))
    if len(found) <= MOST:
        return found
    return [path for path in found if is_conventional(path.rpartition("/")[2])]


def _folders(tree: Tree, folder: str = "") -> list[str]:
    """A folder's own folders, but those whose names no list can hold."""
    return [name for name in tree.folders(folder) if is_below(name)]


def picture_folder(tree: Tree, json: str, split: str, names: Sequence[str]) -> str | None:
    """The folder below the root that a JSON's file names start from; None where none has any.

    Args:
        json: its path below the root.
        split: its split's name, empty where it has none.
        names: some of its file names.

    Raises:
        InputError: nothing tells which of several folders it is.
    """
    usual, others = _candidates(tree, json, split)
    for places in (usual, others):
        hits = [sum(_is_there(tree.path(place), name) for name in names) for place in places]
        if any(hits):
            best = [place for place, hit in zip(places, hits, strict=True) if hit == max(hits)]
            if places is others and len(best) > 1:
                raise _in_several(best, json)
            return best[0]
    found = [_found_otherwise(tree, place, split, names) for place in usual]
    return usual[found.index(max(found))] if any(found) else None


def _in_several(folders: Sequence[str], json: str) -> InputError:
    return InputError(
        f"its pictures may be those of {folders[0]} or of {folders[1]}",
        where=json,
        hint="Move one away, or say it in a recipe: sources = "
        f'[{{ json = "{json}", images = "{folders[0]}" }}]',
    )


def usual_folder(tree: Tree, json: str, split: str) -> str | None:
    """The first folder that is there of those where a JSON's pictures use to lie."""
    usual, _ = _candidates(tree, json, split)
    return next((place for place in usual if place), None)


def _candidates(tree: Tree, json: str, split: str) -> tuple[list[str], list[str]]:
    """Folders that may hold a JSON's pictures: where they use to lie, and all others."""
    parts = json.split("/")[:-1]
    cut = next((i for i, part in enumerate(parts) if _holds_jsons(part)), len(parts))
    held = _folders(tree)
    usual: list[str] = []
    for top in dict.fromkeys(("/".join(parts[:cut]), "")):
        inside = _folders(tree, top)
        folders = [name for name in inside if name.lower() in _PICTURES]
        if split:
            usual += [
                joined(top, split),
                *(joined(top, name, split) for name in ("images", *folders)),
            ]
        usual += [joined(top, name) for name in sorted(folders, key=lambda n: n != "images")]
        usual.append(top)
    homes = [d for d in held if d.lower() in _PICTURES]
    others = held + [joined(d, inner) for d in homes for inner in _folders(tree, d)]
    usual = [place for place in dict.fromkeys(usual) if is_folder(tree.path(place))]
    return usual, [d for d in others if d not in usual and not _is_foreign(d, split)]


def _is_foreign(path: str, split: str) -> bool:
    """Whether a path is of another split: its pictures may be called alike."""
    own = role(split)
    theirs = {role(part) for part in path.split("/")} - {None, own, "trainval"}
    return own is not None and own != "trainval" and bool(theirs)


def _is_there(folder: Path, name: str) -> bool:
    plain = name.replace("\\", "/").removeprefix("./")
    return any(has_file(folder, text) for text in dict.fromkeys((name, plain, unquote(plain))))


def has_file(folder: Path, name: str) -> bool:
    """Whether a hostile name is that of a file below a folder."""
    return is_below(name) and is_file(folder / name)


def has_folder(folder: Path, name: str) -> bool:
    """The same of a folder."""
    return is_below(name) and is_folder(folder / name)


def _found_otherwise(tree: Tree, folder: str, split: str, names: Sequence[str]) -> int:
    pictures = Pictures.of(tree, folder)
    count = 0
    for name in names:
        try:
            found = pictures.find(name)
        except InputError:  # two fit: the reader says so
            count += 1
        else:
            count += found is not None and not _is_foreign(found.path, split)
    return count
