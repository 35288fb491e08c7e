"""Pascal VOC: a VOCdevkit's annotations or an LMDB, and a folder of one results file a class.

    comp4_det_test_<class>.txt    lines ``image score xmin ymin xmax ymax``, pixels counted from 1

Truth: ``VOC2007/ImageSets/Main/test.txt`` (or its folder ``VOC2007`` and the set's name), or an
AnnotatedDatum LMDB with its labelmap and, for names and sizes, ``<split>_name_size.txt``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from difflib import get_close_matches
from pathlib import Path
from typing import TextIO

import numpy as np

from ssd_data.core.errors import InputError
from ssd_data.core.files.fences import keep_inside
from ssd_data.core.files.inside import names_in
from ssd_data.core.files.paths import below, is_plain_name, listable
from ssd_data.core.files.there import is_file, is_folder, is_there
from ssd_data.core.files.together import new_folder
from ssd_data.core.labelmap import LabelMap, read_labelmap
from ssd_data.core.legible import count_of, few
from ssd_data.core.notes import Tally
from ssd_data.core.structures import Detections
from ssd_data.data.formats.namelists import NameList, missing_picture, pictures_of
from ssd_data.data.formats.pictures import stem_of
from ssd_data.data.formats.tree import Tree
from ssd_data.data.formats.voc.read import VocSource
from ssd_data.data.formats.voc.xml import read_file
from ssd_data.data.lmdb.companions import labelmap_of, name_size_file, read_name_sizes
from ssd_data.data.lmdb.one_build import one_build
from ssd_data.data.lmdb.store import is_lmdb, open_shared
from ssd_data.data.lmdb.strangers import refuse_stranger
from ssd_data.data.lmdb.table import read_table
from ssd_data.metrics import NO, PERHAPS, SURELY
from ssd_data.metrics.files import (
    note_flat_scores,
    note_odd_boxes,
    unpack_hint,
)
from ssd_data.metrics.lines import Lines
from ssd_data.metrics.many import Columns
from ssd_data.metrics.scores import Found, Truth
from ssd_data.metrics.truth import TruthBuilder
from ssd_data.metrics.voc.lines import COLUMNS, read_class

NAME = re.compile(r"(?:.*_)?det_[^_]+_(.+)\.txt", re.S)
_NOTHING = np.zeros(0, np.int64), np.zeros((0, 5))


def read_truth(
    path: Path,
    split: str | None = None,
    labelmap: Path | None = None,
    follow_links: bool = False,
) -> Truth:
    """The true boxes, from annotations or an LMDB; difficult ones are ignored.

    Args:
        path: the list of an image set, the folder that holds ``ImageSets``, a devkit in which one
            year has that list, or an LMDB.
        split: which list of a folder's ``ImageSets/Main``, "test" by default; or a list's path.
        labelmap: the classes; by default all that occur (LMDB: ``labelmap.prototxt`` beside it).
        follow_links: read through links that leave the folder that holds ``ImageSets``, too.

    Raises:
        InputError: something is missing or cannot be read.
    """
    classes = None if labelmap is None else read_labelmap(labelmap)
    refuse_stranger(path)
    if is_lmdb(path):
        return _from_lmdb(path, classes)
    named = path
    root, path = _image_set(named, split)
    keep_inside(named if is_folder(named) else root, follow_links)
    if not is_folder(root / "Annotations"):
        raise InputError(
            "there is no VOC truth here",
            where=path,
            hint="Name VOC2007/ImageSets/Main/test.txt, or VOC2007 and --split, or an LMDB",
        )
    names, annotated, notes = [], [], Tally()
    for name, where in _listed_names(root, path):
        names.append(name)
        annotation = f"Annotations/{name}.xml"
        annotated.append(read_file(below(root, annotation, where), name, annotation, notes))
    used = sorted({str(name) for picture in annotated for name in picture.classes})
    classes = LabelMap.from_names(used) if classes is None else classes
    labels = {item.name: item.label for item in classes if item.label > 0}
    if unknown := [name for name in used if name not in labels]:
        text = f"the labelmap {classes.origin} lacks the classes {few(unknown)}"
        raise InputError(text, where=path)
    of_boxes = [[labels[str(name)] for name in picture.classes] for picture in annotated]
    pictures = TruthBuilder.of_entries(annotated, [np.array(one, np.int32) for one in of_boxes])
    return pictures.build(names, classes, path)


def _listed_names(root: Path, path: Path) -> Iterator[tuple[str, str]]:
    """The pictures of a list without ending, by the rule that a build reads it with; and the place
    that names each.
    """
    finder = VocSource(set=path.stem).finder(Tree(root))
    for listed in pictures_of(NameList.of(path), finder):
        found = listed.picture
        yield stem_of(found.path) if found else missing_picture(listed, finder)[0], listed.where


def _image_set(path: Path, split: str | None) -> tuple[Path, Path]:
    """The folder that holds Annotations, and the list of pictures."""
    if not is_folder(path):
        return path.absolute().parent.parent.parent, path
    if split and split.endswith(".txt"):
        return path, Path(split)
    name = Path("ImageSets", "Main", f"{split or 'test'}.txt")
    years = [path / n for n in names_in(path) if n.startswith("VOC") and is_there(path / n / name)]
    if len(years) > 1 and not is_there(path / name):
        text = f"{few([year.name for year in years])} all have the image set {name.stem}"
        raise InputError(text, where=path, hint=f"Name one: {years[0]}")
    root = path if is_there(path / name) or not years else years[0]
    return root, root / name


def _from_lmdb(path: Path, labelmap: LabelMap | None) -> Truth:
    with one_build(path):
        return _read_lmdb(path, labelmap)


def _read_lmdb(path: Path, labelmap: LabelMap | None) -> Truth:
    if labelmap is None:
        labelmap = labelmap_of(path)
    sizes = name_size_file(path)
    listed = read_name_sizes(sizes) if is_file(sizes) else []
    records = open_shared(path)
    if listed and len(listed) != len(records):
        text = f"{sizes.name} has {len(listed):,} lines, the LMDB {len(records):,}"
        raise InputError(text, where=path)
    table = read_table(records)
    known = np.isin(table.labels, [item.label for item in labelmap])
    if not known.all():
        first = int(np.argmin(known))
        text = f"label {table.labels[first]} is not in the labelmap {labelmap.origin}"
        raise InputError(text, where=f"{path}: {table.names[table.record[first]]}")
    pictures = TruthBuilder.of_table(table)
    names = [name for name, _ in listed] or [Path(image).stem for image in pictures.images]
    pictures.to_pixels(np.array([size for _, size in listed]) if listed else pictures.sizes)
    return pictures.build(names, labelmap, path)


def read_detections(folder: Path, truth: Truth, missing: str = "fail") -> Found:
    """All classes' files of a folder.

    Args:
        folder: holds ``comp4_det_test_<class>.txt``; what stands before ``det_`` and the set's name
            may be another. Or it is one such file.
        truth: names the pictures and classes.
        missing: "fail" refuses a class without a file; else it is one of which nothing was found.

    Raises:
        InputError: a class or picture is unknown, a file is missing, there twice or malformed.
    """
    files = _files(folder, truth.classes)
    notes = Tally()
    if absent := [name for name in truth.classes if name not in files]:
        if missing == "fail":
            count = count_of(len(absent), "class", "classes")
            text = f"there is no file of detections for {count}: {few(absent)}"
            hint = "Write an empty file where nothing was found, or use --missing count"
            hint = unpack_hint(path.name for path in _listed(folder)) or hint
            raise InputError(text, where=folder, hint=hint)
        for name in absent:
            notes.add("class without a file of detections: nothing of it was found", name)
    # A name with spaces may stand with "_" in their place, as eval writes it.
    index = {"_".join(name.split()).encode(): i for i, name in enumerate(truth.pictures)}
    index |= {name.encode(): i for i, name in enumerate(truth.pictures)}
    columns = Columns()
    for number, name in enumerate(truth.classes):
        entry = 0
        for which, rows in read_class(files[name], index) if name in files else [_NOTHING]:
            entries = np.arange(entry, entry + len(which))
            columns.add(which, np.full(len(which), number), rows[:, 0], rows[:, 1:], entries)
            entry += len(which)
    picture, label, scores, boxes, entries = columns.whole()
    has_entry = np.zeros(len(truth.pictures), np.bool_)
    has_entry[picture] = True
    places = tuple(str(files.get(name, folder)) for name in truth.classes)
    found = Found(
        origin=str(folder),
        picture=picture,
        label=label,
        scores=scores,
        boxes=boxes,
        has_entry=has_entry,
        notes=notes,
        lines=Lines(COLUMNS, places, label, entries, head=0),
    )
    note_odd_boxes(found, truth)
    note_flat_scores(found, truth)
    return found


def sniff(path: Path) -> int:
    """By the files' names; any one text file may be of one class."""
    inside = path.iterdir() if is_folder(path) else [path]
    if any(NAME.fullmatch(file.name) for file in inside):
        return SURELY
    return PERHAPS if is_file(path) and path.suffix == ".txt" else NO


def _files(folder: Path, classes: Sequence[str]) -> dict[str, Path]:
    """Class → its file."""
    files: dict[str, Path] = {}
    if not is_there(folder):
        raise InputError("the folder of detections is missing", where=folder)
    for path in _listed(folder):
        match = NAME.fullmatch(path.name)
        if match is None:
            continue
        name = match[1]
        if name not in classes:
            near = get_close_matches(name, classes, n=1)
            hint = f'Is "{near[0]}" meant?' if near else f"The truth has {few(list(classes), 9)}"
            raise InputError(f'the truth has no class "{name}"', where=path, hint=hint)
        if name in files:
            text = f"there are two files of {name}, this one and {files[name].name}"
            raise InputError(text, where=path, hint="Keep one in the folder")
        files[name] = path
    if not files:
        hint = unpack_hint(path.name for path in _listed(folder))
        hint = hint or "Expected files such as comp4_det_test_car.txt"
        raise InputError("there is no file of detections", where=folder, hint=hint)
    return files


def _listed(folder: Path) -> list[Path]:
    return [folder] if is_file(folder) else sorted(folder.iterdir())


def write_voc_detections(
    folder: Path,
    detections: Mapping[str, Detections],
    sizes: Mapping[str, tuple[int, int]],
    classes: Mapping[int, str],
    image_set: str = "test",
) -> None:
    """Write a folder that the devkit and :func:`read_detections` read, whole or not at all.

    Args:
        folder: must not exist, or be empty.
        detections: the picture's name as image sets have it → what was found, boxes as fractions;
            read one by one.
        sizes: the same names → width and height in pixels.
        classes: label → class; each gets its file. Other labels are left out.
        image_set: stands in the files' names.

    Raises:
        OutputError: the folder is not empty or cannot be written.
        InputError: a class's name cannot stand in a file's.

    >>> half = np.array([[0.0, 0.0, 0.5, 1.0]], np.float32)
    >>> found = {"000001": Detections(np.array([1], np.int32), np.array([0.25], np.float32), half)}
    >>> write_voc_detections(Path("found"), found, {"000001": (64, 48)}, {1: "cat"})
    >>> print(Path("found/comp4_det_test_cat.txt").read_text(), end="")
    000001 0.25 0.0000 0.0000 32.0000 48.0000
    """
    names = {label: f"comp4_det_{image_set}_{classes[label]}.txt" for label in classes}
    for label, file in names.items():
        if not is_plain_name(file):
            name = listable(classes[label])
            raise InputError(
                f"the class \"{name}\" cannot stand in a file's name, as VOC's do",
                where=folder,
                hint="Build with --map OLD=NEW to rename it, or score by another metric",
            )
    with new_folder(folder) as beside, ExitStack() as stack:
        files = {n: stack.enter_context(_open(beside / name)) for n, name in names.items()}
        for name, found in detections.items():
            boxes = found.in_pixels(*sizes[name]).tolist()
            rows = zip(found.labels.tolist(), found.scores.tolist(), boxes, strict=True)
            for label, score, (xmin, ymin, xmax, ymax) in rows:
                if label in files:
                    row = f"{name} {score:.8g} {xmin:.4f} {ymin:.4f} {xmax:.4f} {ymax:.4f}\n"
                    files[label].write(row)


def _open(path: Path) -> TextIO:
    return path.open("w", encoding="utf-8", newline="\n")
