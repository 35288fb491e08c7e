"""Commands that make builds and labelmaps, link them, and write them in another form."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any

from ssd_data.core.labelmap import LabelMap, write_labelmap
from ssd_data.data.lmdb import writer
from ssd_data.data.lmdb.merge import merge
from support.trees import Voc
from support.writers.scene import Scene, run

MAP = LabelMap.from_names(["cat", "dog"])


def raw() -> None:
    """A VOC folder of three pictures, and a labelmap."""
    voc = Voc(Path("raw"), 3)
    voc.list(["1", "2"])
    voc.list(["3"], "test")
    write_labelmap(MAP, Path("pets.prototxt"))


def built() -> None:
    raw()
    run("build", "raw", "-o", "OUT")


def _built_with_others() -> None:
    """A user's notes, a folder, a link into the build and an LMDB that was opened."""
    built()
    Path("OUT/notes.txt").write_text("mine")
    Path("OUT/jobs/old").mkdir(parents=True)
    Path("OUT/jobs/old/run.log").write_text("Iteration 1")
    Path("OUT/newest").symlink_to("raw_trainval_lmdb")
    Path("OUT/raw_test_lmdb/lock.mdb").write_bytes(bytes(8192))


def _half_built() -> None:
    raw()
    run("build", "raw", "-o", "OUT", "--split", "test")


def _changed() -> None:
    """A build of pictures that have changed since."""
    raw()
    run(*BUILD[:-1], *PETS)
    voc = Voc(Path("other"), 4)
    voc.picture(4).replace("raw/JPEGImages/1.jpg")
    Path("raw/Annotations/3.xml").write_text(voc.annotation(2).read_text().replace("cat", "dog"))


def _two_builds() -> None:
    built()
    run("build", "raw", "-o", "NEW", "--size", "32")
    run("link", "OUT", "links")
    Path("links/mine").write_text("mine")


def _grown() -> None:
    """A build of shards, of which the first is wanted again."""
    raw()
    run(*SHARDS)
    voc = Voc(Path("other"), 5)
    for number in (4, 5):
        voc.picture(number).replace(f"raw/JPEGImages/{number}.jpg")
        voc.annotation(number).replace(f"raw/Annotations/{number}.xml")
    Path("raw/ImageSets/Main/trainval.txt").write_text("1\n2\n4\n5\n")


def _sharded() -> None:
    built()
    run("shard", "OUT/raw_trainval_lmdb", "-o", "cut", "--shards", "2")


def _half_merged() -> None:
    """A merge that was interrupted, and one of something else in its place."""
    _sharded()
    writer.BATCH_BYTES = 1
    with suppress(KeyboardInterrupt):
        merge("cut", "one", track=_one)


def _one(items: Iterable[Any], total: int, what: str) -> Iterator[Any]:
    """The first, and no more."""
    yield from islice(items, 1)
    raise KeyboardInterrupt


def _labelmap() -> None:
    raw()
    write_labelmap(MAP, Path("labels/map.prototxt"))


BUILD = ("build", "raw", "-o", "OUT", "-q")
PETS = ("--labelmap", "pets.prototxt")
REDO = (*BUILD, "--redo", "--size", "32", *PETS)
NAMES = ("labelmap", "--names", "bird,cat,dog")
EXPORT = ("export", "OUT/raw_trainval_lmdb", "-q")
MERGE = ("merge", "cut", "-o", "one", "-q")
SHARDS = (*BUILD, "--shards", "2", "--no-shuffle")
SCENES = {
    "build": Scene(raw, BUILD),
    "rebuild": Scene(_built_with_others, REDO),
    "build_more": Scene(_half_built, BUILD),
    "build_changed": Scene(_changed, (*BUILD, *PETS, "--redo")),
    "rebuild_here": Scene(
        _built_with_others,
        ("build", "../raw", "-o", ".", "-q", "--redo", "--size", "32"),
        "OUT",
        in_steps=True,
    ),
    "build_and_link": Scene(_two_builds, (*REDO, "--link", "links"), parts=("OUT", "links")),
    "labelmap": Scene(raw, (*NAMES, "-o", "labels/map.prototxt")),
    "relabelmap": Scene(_labelmap, (*NAMES, "-o", "labels/map.prototxt", "--redo")),
    "link": Scene(built, ("link", "OUT", "links")),
    "relink": Scene(_two_builds, ("link", "NEW", "links")),
    "relink_here": Scene(_two_builds, ("link", "../NEW", "."), "links", in_steps=True),
    "link_copy": Scene(built, ("link", "OUT", "links", "--copy")),
    **{
        f"export_{to}": Scene(built, (*EXPORT, "--to", to, "-o", f"deep/{to}"))
        for to in ("coco", "retinaface", "voc", "yolo")
    },
    "build_shards": Scene(raw, SHARDS, resumes=True),
    "rebuild_shards": Scene(_grown, (*SHARDS, "--redo"), resumes=True),
    "shard": Scene(built, ("shard", "OUT/raw_trainval_lmdb", "-o", "cut", "--shards", "2", "-q")),
    "merge": Scene(_sharded, MERGE, resumes=True),
    "merge_on": Scene(_half_merged, MERGE, resumes=True),
    "sample": Scene(
        lambda: None, ("sample", "shapes", "--train", "1", "--test", "1", "--size", "64", "-q")
    ),
}
