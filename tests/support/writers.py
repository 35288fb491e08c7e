"""Every command that writes several files, on tiny inputs: what lies there before, and its words.

A scene is prepared once in a folder of its own; a test copies that, and runs the command there.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ssd_data.core.labelmap import LabelMap, write_labelmap
from ssd_data.nets.caffemodel import to_bytes
from ssd_data.nets.graph import parse_graph
from support import commands
from support.nets import write_detector
from support.prototxts import FOUR, bn, conv, layer, random_weights, scale
from support.trees import Voc

MAP = LabelMap.from_names(["cat", "dog"])


@dataclass(frozen=True)
class Scene:
    """A command and what it finds.

    Attributes:
        prepare: fills the working folder, which is empty.
        words: of the command, paths from the working folder.
        at: the folder below the working folder in which it runs.
        in_steps: it may be seen between old and new, but then our readers refuse the folder.
    """

    prepare: Callable[[], None]
    words: tuple[str, ...]
    at: str = "."
    in_steps: bool = False

    def run(self) -> int:
        """Run it in the working folder."""
        os.chdir(self.at)
        return commands.run(*self.words)


def _run(*words: str) -> None:
    assert commands.run(*words, "-q") == 0


def _raw() -> None:
    voc = Voc(Path("raw"), 3)
    voc.list(["1", "2"])
    voc.list(["3"], "test")
    write_labelmap(MAP, Path("pets.prototxt"))


def _built() -> None:
    _raw()
    _run("build", "raw", "-o", "OUT")


def _built_with_others() -> None:
    """A user's notes, a folder, a link into the build and an LMDB that was opened."""
    _built()
    Path("OUT/notes.txt").write_text("mine")
    Path("OUT/jobs/old").mkdir(parents=True)
    Path("OUT/jobs/old/run.log").write_text("Iteration 1")
    Path("OUT/newest").symlink_to("raw_trainval_lmdb")
    Path("OUT/raw_test_lmdb/lock.mdb").write_bytes(bytes(8192))


def _half_built() -> None:
    _raw()
    _run("build", "raw", "-o", "OUT", "--split", "test")


def _two_builds() -> None:
    _built()
    _run("build", "raw", "-o", "NEW", "--size", "32")
    _run("link", "OUT", "links")
    Path("links/mine").write_text("mine")


def _net() -> None:
    text = FOUR + conv("c", "data", "c", "bias_term: false") + bn("b", "c", "c")
    text += scale("s", "c", "c") + layer("ReLU", "r", "c", "c")
    graph = parse_graph(text)
    Path("deploy.prototxt").write_text(text)
    Path("net.caffemodel").write_bytes(to_bytes(graph.net, random_weights(graph)))


def _models() -> None:
    _run("model", "tiny_ssd", "--num-classes", "4", "-o", "ssd")
    Path("ssd/tiny_ssd_iter_1.caffemodel").write_bytes(b"mine")


def _detector() -> None:
    write_detector(Path())


DEPLOY = ("deploy", "deploy.prototxt", "tiny.caffemodel", "--profile", "npu", "-o", "shipped")
DEPLOY += ("--mean", "127.5", "--scale", "0.007843", "-q")
BUILD = ("build", "raw", "-o", "OUT", "-q")
REDO = (*BUILD, "--redo", "--size", "32", "--labelmap", "pets.prototxt")
MODEL = ("model", "tiny_ssd", "--num-classes", "9", "-o", "ssd", "--redo")
SCENES = {
    "build": Scene(_raw, BUILD),
    "rebuild": Scene(_built_with_others, REDO),
    "build_more": Scene(_half_built, BUILD),
    "rebuild_here": Scene(
        _built_with_others,
        ("build", "../raw", "-o", ".", "-q", "--redo", "--size", "32"),
        "OUT",
        in_steps=True,
    ),
    "link": Scene(_built, ("link", "OUT", "links")),
    "relink": Scene(_two_builds, ("link", "NEW", "links")),
    "relink_here": Scene(_two_builds, ("link", "../NEW", "."), "links", in_steps=True),
    "link_copy": Scene(_built, ("link", "OUT", "links", "--copy")),
    "export_voc": Scene(
        _built, ("export", "OUT/raw_trainval_lmdb", "--to", "voc", "-o", "exported", "-q")
    ),
    "export_coco": Scene(
        _built, ("export", "OUT/raw_trainval_lmdb", "--to", "coco", "-o", "deep/exported")
    ),
    "model": Scene(lambda: None, ("model", "tiny_ssd", "--num-classes", "4", "-o", "ssd")),
    "remodel": Scene(_models, MODEL),
    "merge_bn": Scene(
        _net, ("merge-bn", "deploy.prototxt", "net.caffemodel", "-o", "merged", "--no-check")
    ),
    "deploy": Scene(_detector, DEPLOY),
    "sample": Scene(lambda: None, ("sample", "shapes", "--train", "1", "--test", "1", "-q")),
}
