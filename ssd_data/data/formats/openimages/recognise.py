"""Which folders are Open Images', and what their splits are."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

from ssd_data.core.errors import InputError
from ssd_data.data.formats import Confidence, Recognised
from ssd_data.data.formats.openimages.schema import CSV, OpenImagesSource, is_boxes, is_names
from ssd_data.data.formats.parts import files_of, picture_folder
from ssd_data.data.formats.splits import TRAINING, plain_split, role, split_in
from ssd_data.data.formats.undivided import split_up

MOST_FILES = 256
RECIPE = "Move the other away, or name both as sources of a recipe"


def recognise(folder: Path) -> Recognised[OpenImagesSource] | None:
    """The splits by the names of the CSV files, else by the folders of their pictures.

    Raises:
        InputError: two CSV files are of one split.
    """
    named = list(islice(files_of(folder, CSV), MOST_FILES))
    boxes = [name for name in named if is_boxes(folder / name)]
    if not boxes:
        return None
    names = [name for name in named if name not in boxes and is_names(folder / name)]
    by_split: dict[str, str] = {}
    for name in boxes:
        split = split_in(name) or ""
        if other := next((b for s, b in by_split.items() if _same(s, split)), None):
            text = f'"{other}" and "{name}" are boxes of one split'
            raise InputError(text, where=folder, hint=RECIPE)
        by_split[split] = name
    sources = {s: _source(folder, name, s, names) for s, name in by_split.items()}
    why = f"{boxes[0]} has the columns of Open Images' boxes"
    if set(sources) == {""}:
        splits, said = _undivided(folder, sources[""])
    else:
        splits, said = _by_name(sources)
    return Recognised(splits, why, Confidence.CONTENT, said)


def _same(a: str, b: str) -> bool:
    return a == b or (role(a) is not None and role(a) == role(b))


def _source(folder: Path, name: str, split: str, names: list[str]) -> OpenImagesSource:
    """A CSV with the folder of its pictures, and the nearest file of the classes' names."""
    place = name.rpartition("/")[0]
    near = [one for one in names if one.partition("/")[0] == name.partition("/")[0]] or names
    return OpenImagesSource(
        csv=name,
        images=picture_folder(folder, place, split),
        names=min(near, key=lambda one: ("boxable" not in one, one), default=""),
    )


def _undivided(
    folder: Path, source: OpenImagesSource
) -> tuple[dict[str, list[OpenImagesSource]], list[str]]:
    """One CSV: its splits are the folders of its pictures that are called so, else shares."""
    place = folder / source.images
    inner = sorted(path.name for path in place.iterdir() if path.is_dir() and role(path.name))
    if not any(role(name) in TRAINING for name in inner):
        return split_up(folder, [source])
    start = f"{source.images}/" if source.images else ""
    splits = {
        plain_split(name): [
            OpenImagesSource(csv=source.csv, images=start + name, names=source.names)
        ]
        for name in inner
    }
    return splits, [f"the splits are the folders {', '.join(start + name for name in inner)}"]


def _by_name(
    sources: dict[str, OpenImagesSource],
) -> tuple[dict[str, list[OpenImagesSource]], list[str]]:
    said: list[str] = []
    places = [source.images for source in sources.values()]
    splits = {}
    for split, source in sources.items():
        alone = sum(_overlap(source.images, place) for place in places) == 1
        one = OpenImagesSource(csv=source.csv, images=source.images, names=source.names, rest=alone)
        splits[plain_split(split or "unassigned")] = [one]
        if not alone and not said:
            said.append(
                "the splits' pictures lie in one folder: those that no CSV names are left out"
            )
    return splits, said


def _overlap(a: str, b: str) -> bool:
    """Whether one folder is the other, or lies in it."""
    return a == b or not a or not b or a.startswith(f"{b}/") or b.startswith(f"{a}/")
