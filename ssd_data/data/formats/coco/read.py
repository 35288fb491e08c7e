"""COCO: one instances JSON for all pictures; also the original's one JSON a picture.

A class is the category's id as a string, as in Caffe's COCO labelmap; ``iscrowd`` is difficult.
What exports of Roboflow, Label Studio, FiftyOne and CVAT have otherwise stands in ``folders.py``
(where things lie), ``glance.py`` (who wrote it), ``naming.py`` and ``boxes.py``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec
import numpy as np

from ssd_data.core.boxes import from_xywh
from ssd_data.core.errors import InputError
from ssd_data.core.files.inside import read_lines
from ssd_data.core.files.paths import below, is_below, require_below
from ssd_data.core.notes import Tally
from ssd_data.core.structures import AnnotatedImage, Entry
from ssd_data.data.formats import AnnotationFile, Format
from ssd_data.data.formats.coco import loose
from ssd_data.data.formats.coco.boxes import Quad, hull, stated
from ssd_data.data.formats.coco.context import CocoContext
from ssd_data.data.formats.coco.folders import LAYOUT, indexed, recognise
from ssd_data.data.formats.coco.glance import NamedCategory, glance, is_by_label_studio
from ssd_data.data.formats.coco.jsonfile import BROKEN, JsonFile, MisfitError, raise_all
from ssd_data.data.formats.coco.naming import ListedImage, PictureFinder
from ssd_data.data.formats.coco.schema import (
    FROM_OUTLINE,
    CocoImage,
    CocoInstances,
    CocoSource,
    OwnAnnotation,
    OwnJson,
    RawInstances,
)
from ssd_data.data.formats.coco.table import CocoTable
from ssd_data.data.formats.pictures import stem_of

NO_ANNOTATIONS = "JSON without annotations (its pictures are taken as without objects)"
NO_SIZE = "image without a size (the picture's own is used)"


def needs(source: CocoSource) -> list[str]:
    """The paths below the root that a source cannot do without."""
    return [path for path in (source.json, source.images, source.only) if path]


def classes(root: Path, source: CocoSource) -> list[tuple[str, str]]:
    """The categories by their id: the id as a string (or the name) and the name.

    Raises:
        InputError: there are none.
    """
    found = _categories(root, source)
    if not found:
        raise InputError("no class: the JSON lists no categories", where=source.json)
    if source.classes == "names":
        return [(name, name) for name in dict.fromkeys(one.name for one in found)]
    return [(one.id, one.name) for one in found]


def _categories(root: Path, source: CocoSource) -> tuple[NamedCategory, ...]:
    return glance(below(root, source.json), source.json).categories


def read(root: Path, source: CocoSource, notes: Tally) -> Iterator[Entry]:
    """The pictures of an instances JSON in its order, each with its boxes in the file's order.

    A picture of which an annotation has no box at all is an ``Unreadable`` with the ``rest``.

    Raises:
        InputError: the JSON is malformed, lacks a key, or an image id stands twice.
    """
    ids = loose.TextIds()
    instances = _instances(root, source, ids, notes)
    finder = PictureFinder(root, source.images, source.json, notes, ids)
    listed = _wanted(root, source, finder.all(instances.images), notes)
    if source.alone:
        finder.not_listed(listed)
    context = CocoContext(root, source, notes, image_ids=ids)
    listed_names = _names(root, source, context.category_ids)
    context.listed = frozenset(listed_names)
    context.names = listed_names if source.classes != "ids" else {}
    context.label_studio = is_by_label_studio(instances.info)
    table = CocoTable(instances.annotations or [], instances.images, context)
    del instances
    for one in listed:
        if one.how:
            notes.add(f"picture's name is not as it is written ({one.how})", one.path)
        if one.error is None and not is_below(one.path):
            one.error = _not_below(root, one.path, f"{source.json}: image {one.image.id}")
    yield from table.entries(source.share_of(listed))


def _not_below(root: Path, path: str, where: str) -> InputError | None:
    try:
        require_below(root, path, where)
    except InputError as error:
        return error
    return None


def _instances(root: Path, source: CocoSource, ids: loose.TextIds, notes: Tally) -> CocoInstances:
    name = source.json
    file = JsonFile(below(root, name), name)
    try:
        found = file.decode(CocoInstances)
    except MisfitError as fault:
        found = _loosely(file, ids, name, notes, fault)
    else:
        if any(not image.file_name for image in found.images):
            found = _loosely(file, ids, name, notes, None)
    if len({image.id for image in found.images}) < len(found.images):
        twice = _twice(found.images)
        shown = ids.text(twice) or twice
        raise InputError("an image id stands twice", where=f"{name}: image {shown}")
    if found.annotations is None:
        notes.add(NO_ANNOTATIONS, name)
    for image in found.images:
        if not (image.width and image.height):
            notes.add(NO_SIZE, f"{name}: {image.file_name}")
    return found


def _loosely(
    file: JsonFile, ids: loose.TextIds, name: str, notes: Tally, fault: MisfitError | None
) -> CocoInstances:
    """The same with images that are not as COCO has them."""
    raw = file.decode(RawInstances)
    if not raw.images and fault is not None:
        raise fault
    return CocoInstances(loose.images(raw.images, ids, name, notes), raw.annotations, raw.info)


def _twice(images: list[CocoImage]) -> int:
    (twice, _), *_ = Counter(image.id for image in images).most_common(1)
    return twice


def _names(root: Path, source: CocoSource, ids: loose.TextIds) -> Mapping[int, str]:
    """The names of category ids."""
    found = {ids.number(one.id): one.name for one in _categories(root, source)}
    return {number: name for number, name in found.items() if number is not None}


def _wanted(
    root: Path, source: CocoSource, listed: list[ListedImage], notes: Tally
) -> list[ListedImage]:
    """Those that a list names: by file name, by path, or by a name that no other picture has."""
    if not source.only:
        return listed
    lines = [line.strip() for line in read_lines(below(root, source.only), "list")]
    wanted = set(filter(None, lines))
    kept, used = [], set()
    start = f"{source.images}/" if source.images else ""
    spelt = [_spelt(one.image.file_name, one.path, one.path.removeprefix(start)) for one in listed]
    short = [_spelt(one.path.rpartition("/")[2]) for one in listed]
    times = Counter(name for names in short for name in names)
    known = set().union(*spelt)
    for one, names, last in zip(listed, spelt, short, strict=True):
        alone = {name for name in last if times[name] == 1 and name not in known}
        if hit := wanted & (names | alone):
            kept.append(one)
            used |= hit
    for line in sorted(wanted - used):
        notes.add("line of the list that the JSON does not have", f"{source.only}: {line}")
    return kept


def _spelt(*names: str) -> set[str]:
    """Names with and without their endings."""
    return {*names, *map(stem_of, names)}


def truth_file(root: Path, source: CocoSource) -> str:
    """The JSON, where COCO's own tools see the same boxes, pictures and classes in it."""
    whole = source.is_whole and not source.only
    if not whole or source.classes != "ids" or source.bbox == "xyxy" or source.crowd == "plain":
        return ""
    return "" if glance(below(root, source.json), source.json).exported else source.json


def read_file(path: Path, image: str, annotation: str, notes: Tally) -> AnnotatedImage:
    """One picture's own JSON: ``{"image": {"width", "height"}, "annotation": [{"bbox", …}]}``.

    Raises:
        InputError: the file is absent, malformed, or values are no numbers; all are listed.
    """
    one = JsonFile(path, annotation).decode(OwnJson)
    rows: list[Quad] = []
    faults = []
    for index, entry in enumerate(one.annotation):
        where = f"{annotation}: entry {index}"
        box = stated(entry.bbox)
        if isinstance(box, str):
            found = _of_outline(entry)
            if found is None:
                faults.append(InputError(box, where=where))
                continue
            notes.add(FROM_OUTLINE, f"{where}: {box}")
            box = found
        rows.append(box)
    raise_all(faults, annotation)
    return AnnotatedImage(
        image=image,
        annotation=annotation,
        classes=tuple(str(a.category_id) for a in one.annotation),
        boxes=from_xywh(np.array(rows, np.float32).reshape(-1, 4)),
        difficult=np.array([bool(a.iscrowd) for a in one.annotation], np.bool_),
        width=one.image.width or None,
        height=one.image.height or None,
        places=tuple(range(len(rows))),
        place_kind="entry",
    )


def _of_outline(entry: OwnAnnotation) -> Quad | None:
    try:
        return hull(msgspec.json.decode(entry.segmentation))
    except BROKEN:
        return None


FORMAT = Format(
    CocoSource,
    read,
    needs,
    layout=LAYOUT,
    recognise=recognise,
    classes=classes,
    truth_file=truth_file,
    indexed=indexed,
)
FILE = AnnotationFile(".json", read_file, looks_like=lambda head: b'"annotation"' in head)
