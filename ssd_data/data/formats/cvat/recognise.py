"""Which folders are CVAT's exports, and what their splits are."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ssd_data.core.errors import InputError
from ssd_data.data.formats import Confidence, Recognised
from ssd_data.data.formats.cvat.document import is_ours
from ssd_data.data.formats.cvat.meta import DEFAULT, read_head, stated_subsets
from ssd_data.data.formats.cvat.schema import XML, CvatSource
from ssd_data.data.formats.parts import files_of, picture_folder, stray
from ssd_data.data.formats.splits import plain_split, role, split_in
from ssd_data.data.formats.tree import Tree
from ssd_data.data.formats.undivided import UNASSIGNED, split_up

SAMPLE = 16  # files that are looked into before a folder counts as none of CVAT's
MOST_SUBSETS = 64
FEW = 64  # of more files, none is asked for its subset: they are one a picture


def recognise(tree: Tree) -> Recognised[CvatSource] | None:
    """The splits of a folder with CVAT files: by subset, else by the names of files and folders."""
    named = list(files_of(tree, XML))
    spread = named[:: max(len(named) // SAMPLE, 1)][:SAMPLE]
    if not any(is_ours(tree.path(name)) for name in spread):
        return None
    found = _recognised(tree, [name for name in named if is_ours(tree.path(name))])
    return replace(found, said=[*found.said, *stray(tree, XML, set(named), is_ours)])


def indexed(tree: Tree, name: str) -> Recognised[CvatSource] | None:
    """The splits of one CVAT file."""
    return _recognised(tree, [name]) if is_ours(tree.path(name)) else None


def _recognised(tree: Tree, ours: Sequence[str]) -> Recognised[CvatSource]:
    folder = tree.root
    by_split: defaultdict[str, list[CvatSource]] = defaultdict(list)
    plain: defaultdict[str, list[str]] = defaultdict(list)
    for name in ours:
        subsets = _subsets(folder, name) if len(ours) <= FEW else []
        if len(subsets) > 1:
            for subset in subsets:
                images = picture_folder(tree, _parent(name), "")
                source = CvatSource(xml=name, images=images, subset=subset)
                by_split[plain_split(subset)].append(source)
        else:
            plain[_split_of(name, subsets)].append(name)
    left = plain.pop("", [])
    for split, names in plain.items():
        by_split[plain_split(split)] += _sources(tree, names, ours, split)
    splits, said = _with_unassigned(tree, dict(by_split), _sources(tree, left, ours, ""), left)
    why = f"{ours[0]} is CVAT's XML" if len(ours) == 1 else f"{len(ours)} XML files are CVAT's"
    return Recognised(splits, why, Confidence.CONTENT, said)


def _subsets(folder: Path, name: str) -> list[str]:
    """The subsets that a file states; none where it has only tasks without one."""
    try:
        found = stated_subsets(folder / name, name, read_head(folder / name, name))
    except InputError:
        return []  # what is wrong is said when it is read
    if len(found) > MOST_SUBSETS:
        raise InputError(f"{len(found)} subsets, more than {MOST_SUBSETS}", where=folder / name)
    return found if set(found) - {DEFAULT} else []


def _split_of(name: str, subsets: Sequence[str]) -> str:
    """The split of a file's pictures, empty where nothing tells.

    Raises:
        InputError: the subset that it states and its name speak of different splits.
    """
    by_name = split_in(name) or ""
    if not subsets:
        return by_name
    stated, named = role(subsets[0]), role(by_name)
    if stated and named and stated != named:
        raise InputError(
            f'its subset is "{subsets[0]}", but its name says "{by_name}"',
            where=name,
            hint="Rename the file or its folder after its subset, or set the subset in CVAT",
        )
    return subsets[0]


def _sources(tree: Tree, names: Sequence[str], ours: Sequence[str], split: str) -> list[CvatSource]:
    """Files as sources; a whole folder of them as one."""
    by_place: defaultdict[str, list[str]] = defaultdict(list)
    for name in names:
        by_place[_parent(name)].append(name)
    found = []
    for place, held in by_place.items():
        images = picture_folder(tree, place, split)
        all_of_it = len(held) > 1 and len(held) == sum(_parent(name) == place for name in ours)
        xml = [place or "."] if all_of_it else held
        found += [CvatSource(xml=one, images=images) for one in xml]
    return found


def _with_unassigned(
    tree: Tree,
    splits: dict[str, list[CvatSource]],
    left: list[CvatSource],
    names: Sequence[str],
) -> tuple[dict[str, list[CvatSource]], list[str]]:
    if not splits:
        videos = any(_is_video(tree.root, name) for name in names[:FEW])
        return split_up(tree, left, in_order=videos)
    said = [
        f'"{split}" is by its name neither for training nor for tests: build it with --split'
        for split in splits
        if role(split) is None
    ]
    if left:
        said.append(
            f"{len(names)} files are of no split ({names[0]}): they are the split "
            f'"{UNASSIGNED}"; name files or folders after their splits to assign them'
        )
        splits[UNASSIGNED] = left
    return splits, said


def _is_video(folder: Path, name: str) -> bool:
    try:
        return read_head(folder / name, name).is_video
    except InputError:
        return False


def _parent(name: str) -> str:
    return name.rpartition("/")[0]
