"""What a build is to make, and all annotations that go into it, judged before a picture is read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from ssd_data.core.errors import InputError
from ssd_data.core.labelmap import LabelMap
from ssd_data.core.legible import few, first_lines
from ssd_data.data.build.options import BuildOptions
from ssd_data.data.build.scan import Scan, members, scan, unknown_classes
from ssd_data.data.build.units import settle_unit
from ssd_data.data.classes import require_matched
from ssd_data.data.dataset import Dataset
from ssd_data.data.formats.splits import require_apart


@dataclass(frozen=True, slots=True)
class BuildPlan:
    """What a build is to make.

    >>> from ssd_data import find
    >>> sum(len(image.labels) for image in plan(find("sample/voc")).scans()["test"].images)
    14

    Attributes:
        dataset: with its classes renamed.
        options: with all names that are renamed.
        labelmap: of the records; sound.
        splits: which ones, in order.
        given: the names that the options rename, as they were given.
    """

    dataset: Dataset
    options: BuildOptions
    labelmap: LabelMap
    splits: tuple[str, ...]
    given: Mapping[str, str]

    def scans(self) -> dict[str, Scan]:
        """The annotations of each split.

        Raises:
            UsageError: a name that is to be renamed is none.
            InputError: a list or JSON is broken, a class is unknown, boxes are in another unit, or
                a picture is both learnt and tested with.
        """
        labelmap, options = self.labelmap, self.options
        scans = {name: scan(self.dataset, name, labelmap, options) for name in self.splits}
        stated = {word for one in scans.values() for word in one.stated}
        require_matched(self.given, self.dataset.words | stated)
        require_apart(members(scans))
        if options.unknown == "fail":
            _refuse_unknown(scans, labelmap)
        units = ((one.unit, one.notes) for one in scans.values())
        settle_unit(units, options.boxes, self.dataset.root)
        for alike in labelmap.lookalikes():
            next(iter(scans.values())).notes.add("class names look alike", str(alike))
        return scans


def plan(
    dataset: Dataset,
    options: BuildOptions | None = None,
    splits: Sequence[str] = (),
    labelmap: LabelMap | None = None,
) -> BuildPlan:
    """What a build makes of a data set; arguments as :func:`ssd_data.build` takes them.

    Raises:
        InputError: the data set has no classes, or the labelmap is not sound.
    """
    options = options or BuildOptions()
    renamed = dataset.with_map(options.map, labelmap)
    return BuildPlan(
        dataset=renamed,
        options=replace(options, map=renamed.map),
        labelmap=(labelmap or renamed.classes()).require_sound(),
        splits=tuple(dict.fromkeys(splits)) or tuple(renamed.default_splits()),
        given=options.map,
    )


def _refuse_unknown(scans: Mapping[str, Scan], labelmap: LabelMap) -> None:
    lines = unknown_classes(scans, labelmap)
    if not lines:
        return
    count = "1 class is" if len(lines) == 1 else f"{len(lines):,} classes are"
    raise InputError(
        [f"{count} not in the labelmap:", *first_lines(lines)],
        where=labelmap.origin,
        hint=_counted_from_0(scans, labelmap)
        or f"It has {_some(labelmap)}. Rename with --map OLD=NEW, drop with --map OLD=, "
        "or leave out all with --unknown skip",
    )


def _some(labelmap: LabelMap) -> str:
    """The first classes of a labelmap, with what people call them where that is something else."""
    items = [item for item in labelmap if item.label > 0]
    return few(
        [
            item.name if item.display_name == item.name else f"{item.name} ({item.display_name})"
            for item in items
        ],
        8,
    )


def _counted_from_0(scans: Mapping[str, Scan], labelmap: LabelMap) -> str:
    """The cure where label numbers are of a list without background; empty where they are not."""
    stated = {word for one in scans.values() for word in one.stated}
    if "0" not in stated or labelmap.label("0") is not None:
        return ""
    if not all(word.isdecimal() for word in stated):
        return ""
    named = [(item.label - 1, item.name) for item in labelmap if item.label > 0]
    words = " ".join(f"--map {n}={name}" for n, name in named[:3])
    more = " …" if len(named) > 3 else ""
    return (
        "The labels seem to be counted from 0, which is the background's here: if they are, "
        f"rename all of them: {words}{more}"
    )
