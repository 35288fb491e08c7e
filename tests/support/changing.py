"""What a command reads, or the folder that it writes into, changes while it runs.

A call of it waits while that happens. It must end as if it had been so before, or as if it came
after, or with one sentence.
"""

from __future__ import annotations

import os
import re
import select
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ssd_data.core.files.exchange import exchange
from ssd_data.core.labelmap import LabelMap, write_labelmap
from support import commands
from support.faulted import badly_said
from support.faults import LOOK, NAME, READ, Fault, Faults
from support.kills import HIDDEN, NEW_FILE, PATIENCE, Tree, fork, in_child, tree, wait
from support.moments import Moments
from support.nets import write_detector
from support.stages import Broken, differing
from support.trees import Voc, jpeg, xml
from support.writers.scene import Scene, run

LOOKS = READ | LOOK | NAME
GROWS = re.compile(r"\.(log|jsonl|resume\.json|png)$|(^|/)build\.json$")
PRINTS = ("check", "diff", "inspect", "fit")  # what they find, besides times
NUMBER = re.compile(r"\d+\.\d+")
BOXES = (("cat", 5, 6, 30, 40), ("dog", 1, 2, 20, 20))


@dataclass(frozen=True)
class Changing:
    """A scene and what happens meanwhile.

    Attributes:
        change: in the working folder.
        results: the folder in which the command's lie.
        mended: a command after which all is well, whatever happened.
    """

    scene: Scene
    change: Callable[[], None]
    results: str = "out"
    mended: tuple[str, ...] = ()


def _raw() -> None:
    voc = Voc(Path("raw"), 4)
    for number in range(1, 5):
        voc.annotation(number).write_text(xml(BOXES, name=f"{number}.jpg"))
    voc.list(["1", "2", "3"])
    voc.list(["4"], "test")
    Path("out").mkdir()


def two_sharded_builds() -> None:
    """The same, of shards."""
    two_builds("--shards", 2)


def two_builds(*how: object) -> None:
    """Two builds of the same pictures, at two sizes, whose labelmaps number the classes otherwise;
    and what else commands take."""
    _raw()
    for name, order, size in (("OUT", "cat dog", 0), ("NEWER", "dog cat", 32)):
        write_labelmap(LabelMap.from_names(order.split()), Path(f"{name}.prototxt"))
        sized = ("--size", size) if size else ()
        run("build", "raw", "-o", name, "--labelmap", f"{name}.prototxt", *sized, *how)
    run("model", "tiny_ssd", "--build", "OUT", "-o", "ssd")
    write_detector(Path(), classes=3)
    shutil.copytree("OUT", "THIRD")


def swap() -> None:
    """A build takes the place of another, in one step."""
    exchange(Path("OUT").absolute(), Path("NEWER").absolute())


def cut_lmdb() -> None:
    os.truncate(LMDB + "/data.mdb", 4096)


def remove_build() -> None:
    shutil.rmtree("OUT")


def cut_picture() -> None:
    os.truncate("raw/JPEGImages/2.jpg", 100)


def replace_picture() -> None:
    Path("new.jpg").write_bytes(jpeg(32, 24))
    Path("new.jpg").replace("raw/JPEGImages/2.jpg")


def shorten_list() -> None:
    os.truncate("raw/ImageSets/Main/trainval.txt", 2)


def remove_raw() -> None:
    Path("raw").rename("gone")


def remove_out() -> None:
    """With whatever the command has made there."""
    shutil.rmtree("out")


LMDB = "OUT/raw_trainval_lmdb"
NET = ("--deploy", "deploy.prototxt", "--weights", "tiny.caffemodel")
EXPORT = ("export", LMDB)
TRAIN = ("train", "--build", "OUT", "--family", "tiny_ssd")
READS = {
    **{f"export_{to}": (*EXPORT, "--to", to, "-o", "out/a") for to in ("coco", "voc", "yolo")},
    "check": ("check", "OUT"),
    "diff": ("diff", "OUT", "THIRD"),
    "inspect": ("inspect", LMDB, "--draw", "out/a"),
    "eval": ("eval", LMDB, *NET, "--mean", "127.5", "--out", "out/a"),
    "report": ("report", "OUT", "-o", "out/a.html"),
    "fit": ("fit", LMDB, "--net", "ssd/train.prototxt"),
    "labelmap": ("labelmap", "OUT", "-o", "out/a.prototxt"),
    "link_copy": ("link", "OUT", "out/a", "--copy"),
    "train": (*TRAIN, "--max-iter", "1", "--device", "cpu", "--workers", "0", "-o", "out/net"),
}
BUILD = ("build", "raw", "-o", "out/OUT")
CHANGES = {
    **{
        f"{name} of shards swap": Changing(Scene(two_sharded_builds, READS[name]), swap)
        for name in ("export_voc", "check", "inspect", "eval", "link_copy", "train")
    },
    **{
        f"{name} {change.__name__}": Changing(Scene(two_builds, words), change)
        for name, words in READS.items()
        for change in (swap, cut_lmdb, remove_build)
    },
    **{
        f"build {change.__name__}": Changing(Scene(_raw, BUILD), change, mended=(*BUILD, "--redo"))
        for change in (cut_picture, replace_picture, shorten_list, remove_raw, remove_out)
    },
}


@dataclass(frozen=True)
class Outcome:
    """How a command ended, what it said and printed, and what lies there of it."""

    status: int
    said: str
    printed: str
    results: Tree


class ChangingStage:
    """A scene's folder, set up anew for each change.

    Args:
        calls: counts the calls below its folder, and halts at one.

    Attributes:
        calls: how many a run makes.
    """

    def __init__(
        self, name: str, folder: Path, calls: Callable[[Path], Faults | Moments] = Faults
    ) -> None:
        self.name, self.changing = name, CHANGES[name]
        self.work, self.first, self.folder = folder / "work", folder / "first", folder
        self.work.mkdir()
        self._require(in_child(self._in_work(self.changing.scene.prepare)) == 0, "not prepared")
        self.work.rename(self.first)
        self.faults = calls(self.work)
        self.before = self._run(Fault(LOOKS))
        self._require(self.before.status == 0, self.before)
        self.calls = self.faults.seen
        self.after = self._run(Fault(0), first=self.changing.change)

    def _in_work(self, action: Callable[[], object]) -> Callable[[], int]:
        def act() -> int:
            os.chdir(self.work)
            return int(action() or 0)

        return act

    def _require(self, holds: bool, *what: object) -> None:
        if not holds:
            raise Broken(f"{self.name}: {' '.join(map(str, what))}")

    def _run(self, fault: Fault, first: Callable[[], None] | None = None) -> Outcome:
        shutil.rmtree(self.work, ignore_errors=True)
        shutil.copytree(self.first, self.work, symlinks=True)
        if first is not None:
            self._change(first)
        return self._outcome(self.changing.scene.run, fault)

    def _change(self, change: Callable[[], None]) -> None:
        self._require(in_child(self._in_work(change)) == 0, "it could not be changed")

    def _outcome(self, action: Callable[[], object], fault: Fault) -> Outcome:
        said, printed = self.folder / "said", self.folder / "printed"
        arm = self.faults.hook(fault)

        def before() -> None:
            os.dup2(os.open(printed, NEW_FILE, 0o666), 1)
            arm()

        pid = fork(self._in_work(action), before, to=said)
        try:
            if fault.waits and self._waits(pid):
                self._change(self.changing.change)
                self.faults.go_on()
            status = wait(pid)
        except TimeoutError as error:
            raise Broken(f"{self.name}: {fault}: {error}") from None
        finally:
            self.faults.end()
        texts = [path.read_text(errors="replace") for path in (said, printed)]
        return Outcome(status, *texts, self._results())

    def _waits(self, pid: int) -> bool:
        """Whether it comes to the call; False when it ends instead."""
        end = os.pidfd_open(pid)
        try:
            ready = select.select([end, self.faults.told], [], [], PATIENCE)[0]
        finally:
            os.close(end)
        return self.faults.told in ready

    def _results(self) -> Tree:
        place = self.work / self.changing.results
        found = tree(place) if place.is_dir() else {}
        return {name: what for name, what in found.items() if not GROWS.search(name)}

    def run(self, at: int) -> None:
        """Change what is to be changed as it makes that call.

        Raises:
            Broken: the promise was broken.
        """
        ended = self._run(Fault(LOOKS, at=at, waits=True))
        call, path = self.faults.what
        what = f"at call {at} ({call} {path.removeprefix(f'{self.work}/')}):"
        self._require(ended.status in (0, 1, 2), what, ended.status, ended.said[-1500:])
        if not any(self._same(ended, other) for other in (self.before, self.after)):
            told = [differing(ended.results, one.results) for one in (self.before, self.after)]
            self._require(ended.status != 0, what, "neither before nor after", *told, ended.printed)
            found = self.name.startswith("check") and self.after.status and ended.printed
            wrong = "" if found else badly_said(ended.said, {""}, cured=False)
            self._require(not wrong, what, wrong, ended.printed)
        if self._hidden():
            self._outcome(self.changing.scene.run, Fault(0))
        self._require(not self._hidden(), what, "left", *self._hidden())
        if self.changing.mended:
            again = self._outcome(lambda: commands.run(*self.changing.mended), Fault(0))
            self._require(again.status == self.after.status, what, "then", again)
            fine = again.status != 0 or again.results == self.after.results
            self._require(fine, what, "then", again)

    def _hidden(self) -> list[str]:
        return [name for name in tree(self.work) if HIDDEN.search(name)]

    def _same(self, one: Outcome, other: Outcome) -> bool:
        if (one.status, one.results) != (other.status, other.results):
            return False
        printed = [NUMBER.sub("", outcome.printed) for outcome in (one, other)]
        return self.name.split()[0] not in PRINTS or printed[0] == printed[1]
