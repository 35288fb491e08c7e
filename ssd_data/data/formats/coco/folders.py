"""Where exports put their JSONs and pictures, and which splits they are.

COCO
    ``annotations/instances_<split>.json``, pictures in ``<split>/`` or ``images/<split>/``.
CVAT
    ``annotations/instances_<Subset>.json``, pictures in ``images/<Subset>/``, once ``images/``.
Roboflow
    ``<split>/_annotations.coco.json`` beside the pictures.
Label Studio
    ``result.json`` and ``images/``, with which its file names begin.
FiftyOne
    ``labels.json`` and ``data/``.

A JSON of any other name is taken by what it holds.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from ssd_data.core.errors import InputError
from ssd_data.core.files.paths import is_plain_name
from ssd_data.data.formats import Confidence, Recognised
from ssd_data.data.formats.coco.categories import agree, said_of
from ssd_data.data.formats.coco.glance import JsonGlance, glance, is_likely
from ssd_data.data.formats.coco.jsonfile import MisfitError
from ssd_data.data.formats.coco.places import (
    INSTANCES,
    ROBOFLOW,
    is_conventional,
    json_files,
    picture_folder,
    usual_folder,
)
from ssd_data.data.formats.coco.schema import CocoSource
from ssd_data.data.formats.shares import RATIO, TOO_FEW, shared_out
from ssd_data.data.formats.splits import TRAINING, role
from ssd_data.data.formats.tree import Tree
from ssd_data.data.formats.undivided import split_lists

LAYOUT = """\
annotations/instances_<split>.json
<split>/<file_name>    (or images/<split>/<file_name>)
or <split>/_annotations.coco.json, result.json and images/, labels.json and data/,
or any JSON that has images and categories"""
WHY, MOST = "images and categories", 3
OTHERS = ("captions_", "person_keypoints_", "panoptic_", "stuff_", "image_info_", "labels_")
NO_SUBSET = "default"  # CVAT's, of a task that is in none
_BEFORE = re.compile(
    r"^_*(?:annotations?|instances?|person_keypoints|coco|labels?)(?:[._ -]+|$)", re.I
)
_BEHIND = re.compile(r"[._ -]+(?:annotations?|instances?|coco|labels?)$", re.I)
_NO_SPLIT = frozenset({"", "result", "results", "default", "dataset", "data", "all", "export"})


@dataclass(slots=True)
class FoundJson:
    """A JSON that holds, or should hold, instances.

    Attributes:
        json: below the root.
        split: what its name or folder calls it; empty where neither says.
        seen: what it says of itself, None where it cannot be read.
        images: the folder of its pictures, below the root; None where none of them is there.
    """

    json: str
    split: str
    seen: JsonGlance | None
    images: str | None = None

    @property
    def name(self) -> str:
        """The file's own."""
        return self.json.rpartition("/")[2]


def recognise(tree: Tree) -> Recognised[CocoSource] | None:
    """The splits of a folder with one or more instances JSONs.

    Raises:
        InputError: two JSONs are of one split, or one is not of the split that its folder says.
    """
    paths = json_files(tree)
    others = _others([path for path, _ in paths])
    looked = [_look(tree, path, split) for path, split in paths if path not in others]
    found = [one for one in looked if one is not None]
    if not found:
        return None
    said = [f"left out, as captions, key points and the like: {_some(others)}"] if others else []
    return _recognised(tree, found, said)


def indexed(tree: Tree, name: str) -> Recognised[CocoSource] | None:
    """The splits of one instances JSON.

    Raises:
        InputError: it is not of the split that its folder says.
    """
    folders = name.split("/")[:-1]
    found = _look(tree, name, next((part for part in reversed(folders) if role(part)), ""))
    return _recognised(tree, [found], []) if found else None


def _recognised(tree: Tree, found: Sequence[FoundJson], said: list[str]) -> Recognised[CocoSource]:
    folder = tree.root
    here = [one for one in found if one.images is not None]
    if here and len(here) < len(found):
        absent = [one.json for one in found if one.images is None]
        said.append(f"{_some(absent)}: none of its pictures is here, so it is left out")
    for one in found if not here else ():
        one.images = usual_folder(tree, one.json, one.split) or ""
    used = here or found
    drawn = _name_splits(used, folder)
    by_name = not agree([one.seen for one in used if one.seen])
    said += said_of({one.json: one.seen for one in used if one.seen}, by_name)
    said += _said_of_pictures(used)
    if drawn:
        splits, how = _parted(_source(drawn, [drawn], by_name), tree, _is_single(drawn))
        said.append(how)
    else:
        splits = {one.split: [_source(one, used, by_name)] for one in used}
        said += _said_of_splits(used)
    return Recognised(
        splits, f"{_some([one.json for one in used])}: {WHY}", _confidence(here, used), said
    )


def _confidence(here: Sequence[FoundJson], used: Sequence[FoundJson]) -> Confidence:
    if not here:
        usual = any(one.images and is_conventional(one.name) for one in used)
        return Confidence.FILES if usual else Confidence.NAMES
    return Confidence.CONTENT if all(one.seen for one in used) else Confidence.FILES


def _others(paths: Sequence[str]) -> list[str]:
    """Captions and the like that lie beside instances."""
    parted = [path.rpartition("/") for path in paths]
    homes = {home for home, _, name in parted if name.startswith(INSTANCES)}
    return [f"{h}{s}{n}" for h, s, n in parted if h in homes and n.startswith(OTHERS)]


def _look(tree: Tree, path: str, by_folder: str) -> FoundJson | None:
    """A JSON with its split and pictures; None where it holds no instances."""
    seen = None
    conventional = is_conventional(path.rpartition("/")[2])
    if not conventional and not is_likely(tree.path(path)):
        return None
    try:
        seen = glance(tree.path(path), path)
    except MisfitError:
        if not conventional:
            return None
    except InputError:
        pass  # it is said when it is read
    if seen and not seen.whole and not conventional:
        return None
    split = _split(path, by_folder)
    names = seen.names if seen else ()
    return FoundJson(path, split, seen, picture_folder(tree, path, split, names))


def _split(path: str, by_folder: str) -> str:
    """What a JSON's name, or the folder that it lies in, calls its split; empty where neither."""
    name = path.rpartition("/")[2]
    stem = name[: -len(".json")]
    if name.startswith(INSTANCES):
        stem = stem.removeprefix(INSTANCES)
        stem = "" if stem == NO_SUBSET else stem
    else:
        while (cut := _BEHIND.sub("", _BEFORE.sub("", stem))) != stem:
            stem = cut
        stem = "" if stem.lower() in _NO_SPLIT else stem
    stem = stem if is_plain_name(stem) else ""
    if not by_folder:
        return stem
    if role(by_folder) == "trainval" and role(stem) in ("train", "val"):
        return stem
    if role(stem) not in (None, role(by_folder)):
        raise InputError(
            f'its name says "{stem}", its folder "{by_folder}"',
            where=path,
            hint="Move it, or say in a recipe which split it is",
        )
    return by_folder


def _name_splits(used: Sequence[FoundJson], folder: Path) -> FoundJson | None:
    """Give each JSON's split a name that no other has.

    Returns:
        the one JSON whose pictures no name parts into splits; None where names do.
    """
    if len(used) == 1 and not role(used[0].split):
        (one,) = used
        if one.json == ROBOFLOW and role(folder.resolve().name):  # one of its folders alone
            one.split = folder.resolve().name
        elif not one.split or not one.name.startswith(INSTANCES):
            return one
    named: defaultdict[str, list[str]] = defaultdict(list)
    for one in used:
        one.split = one.split or one.name[: -len(".json")]
        named[one.split].append(one.json)
    for split, paths in named.items():
        if len(paths) > 1:
            raise InputError(
                f'{len(paths)} JSONs are of the split "{split}": {_some(paths)}',
                where=folder,
                hint="Move all but one, or choose in a recipe: sources = "
                f'[{{ json = "{paths[0]}", images = "…" }}]',
            )
    return None


def _source(one: FoundJson, used: Sequence[FoundJson], by_name: bool) -> CocoSource:
    images = one.images or ""
    others = {other.images or "" for other in used if other is not one}
    alone = not any(_holds(a, b) for other in others for a, b in ((images, other), (other, images)))
    return CocoSource(one.json, images, classes="names" if by_name else "ids", alone=alone)


def _holds(folder: str, other: str) -> bool:
    return not folder or f"{other}/".startswith(f"{folder}/")


def _is_single(one: FoundJson) -> bool:
    return one.seen is not None and len(one.seen.names) == 1


def _parted(whole: CocoSource, tree: Tree, single: bool) -> tuple[dict[str, list[CocoSource]], str]:
    """The splits of the one JSON that says none: by lists beside it, else drawn."""
    lists = split_lists(tree)
    if lists is not None and not any("*" in name for name in lists.splits.values()):
        named = {
            split: [msgspec.structs.replace(whole, only=lists.path(split), alone=False)]
            for split in lists.splits
        }
        return named, f"the splits are the lists {lists.shown()}"
    if single:
        return {"trainval": [whole]}, TOO_FEW
    return shared_out([whole]), (
        f"{whole.json} does not say which pictures are for training: {RATIO:.0%}, drawn at random, "
        'are "trainval", the others "test". To choose them, write train.txt and test.txt into '
        f"{tree.root}, a picture's name a line"
    )


def _said_of_splits(used: Sequence[FoundJson]) -> Iterator[str]:
    """Names that do not say what their splits are for."""
    if len(used) > 1 and not any(role(one.split) in TRAINING for one in used):
        yield (
            f"none of {_some([one.split for one in used])} is for training by its name: "
            "a recipe says which is"
        )


def _said_of_pictures(used: Sequence[FoundJson]) -> Iterator[str]:
    for one in used:
        if not one.images and "/" in one.json:
            yield f"{one.json}: its file names start from the data set's own folder"


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:MOST]) + (f" and {len(names) - MOST} more" if len(names) > MOST else "")
