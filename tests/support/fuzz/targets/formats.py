"""Raw data sets in each format: recognised, read, judged and made records of, as a build does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from ssd_data import BuildOptions, SsdDataError, find, from_list, recognise
from ssd_data.core.images import picture_limits
from ssd_data.data.build.convert import make_records
from ssd_data.data.build.plan import plan
from ssd_data.data.dataset import Dataset
from support.fuzz import datasets
from support.fuzz.target import Case, Target

OPTIONS = BuildOptions(missing="skip", max_pixels=1_000_000, unknown="skip")
SHARED = (
    *(
        "data.layout",
        "data.find",
        "data.dataset",
        "data.classes",
        "data.build.scan",
        "data.build.plan",
    ),
    *("data.build.convert", "data.build.frames", "data.build.units", "data.formats.splits"),
    *("data.formats.splitlists", "data.formats.namelists", "data.formats.pairlists"),
    *("data.formats.pictures", "data.formats.entities", "data.formats.numbers"),
)


def made(dataset: Dataset) -> list[str]:
    """All of a build but the writing; what it would say."""
    found = plan(dataset, OPTIONS)
    said = [dataset.why, *dataset.said]
    with picture_limits():
        for scan in found.scans().values():
            said += [
                f"{kind}: {place}" for kind, n in scan.notes.kinds.items() for place in n.listed
            ]
            said += [entry.error.sentence for entry in scan.failures]
            for record in make_records(dataset.root, scan.images, OPTIONS, 1):
                said += [record.error.sentence] if record.error else []
    return said


def reader(name: str) -> Callable[[Path], list[str]]:
    def run(folder: Path) -> list[str]:
        root = folder / "raw"
        with suppress(SsdDataError):  # it may look like something else, or nothing
            if (found := find(str(root))).format == name:
                return made(found)
        return made(recognise(root, name))

    return run


def target(name: str, make: Callable[[], Sequence[Case]], *more: str) -> Target:
    """A format's; ``more`` are modules that it reads with."""
    reads = (f"data.formats.{name}", *more)
    return Target(f"format.{name}", make, reader(name), reads, renames=True, batch=150)


def read_annoset(folder: Path) -> list[str]:
    return made(from_list(folder / "list.txt", folder / "raw", folder / "labelmap.prototxt"))


TARGETS = [
    target("voc", datasets.voc, *SHARED),
    target("coco", datasets.coco),
    target("widerface", datasets.widerface),
    target("retinaface", datasets.retinaface),
    Target(
        "format.txt",
        datasets.txt,
        read_annoset,
        ("data.formats.txt", "data.formats.pairlists"),
        batch=300,
        kinds={"labelmap.prototxt": "labelmap"},
    ),
    target("folders", datasets.folders),
    target("kitti", datasets.kitti),
    target("yolo", datasets.yolo),
    target("cvat", datasets.cvat),
    target("labelme", datasets.labelme),
    target("openimages", datasets.openimages),
    target("csv", datasets.csv),
    target("jsonlines", datasets.jsonlines, "data.formats.jsonrows"),
    target("huggingface", datasets.huggingface),
    Target(
        "format.annoset",
        datasets.annoset,
        read_annoset,
        ("data.formats.annoset", "data.formats.pairlists"),
        batch=300,
        kinds={"labelmap.prototxt": "labelmap"},
    ),
]
