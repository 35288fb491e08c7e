"""Which folders hold LabelMe's files, and what their splits are."""

from __future__ import annotations

from ssd_data.data.formats import Confidence, Recognised
from ssd_data.data.formats.labelme.schema import (
    JSON,
    SAMPLE,
    LabelmeSource,
    is_labelme,
    json_files,
    split_folder,
)
from ssd_data.data.formats.parts import files_in, stray
from ssd_data.data.formats.splits import plain_split, split_in
from ssd_data.data.formats.tree import Tree
from ssd_data.data.formats.undivided import UNASSIGNED, split_up


def recognise(tree: Tree) -> Recognised[LabelmeSource] | None:
    """The splits of a folder with LabelMe's files: folders called after splits, else shares.

    Beside the lists and XML files of a VOC tree they are what somebody drew it with: it counts.
    """
    folder, named = tree.root, json_files(tree)
    spread = named[:: max(len(named) // SAMPLE, 1)][:SAMPLE]
    first = next((name for name in spread if is_labelme(folder / name)), None)
    if first is None:
        return None
    places = sorted({split_folder(name) for name in named if is_labelme(folder / name)})
    splits: dict[str, list[LabelmeSource]] = {}
    for place in filter(None, places):
        split = plain_split(split_in(f"{place}/") or place)
        splits.setdefault(split, []).append(LabelmeSource(folder=place))
    said: list[str] = []
    if not splits:
        splits, said = split_up(tree, [LabelmeSource()])
    elif "" in places:
        splits[UNASSIGNED] = [LabelmeSource()]
        said.append(f'some files are in no folder of a split: they are the split "{UNASSIGNED}"')
    said += stray(tree, JSON, set(named), is_labelme)
    sure = Confidence.NAMES if _is_voc(tree) else Confidence.CONTENT
    return Recognised(splits, f"{first} is LabelMe's JSON", sure, said)


def _is_voc(tree: Tree) -> bool:
    xml = files_in(tree, {".xml"}, "Annotations")
    return "ImageSets" in tree.folders() and next(xml, None) is not None
