"""A scene's command whose calls to the system fail: it ends whole, or with one sentence."""

from __future__ import annotations

import errno
import re
from pathlib import Path

from support.faults import ALL, LOCK, Fault, Faults
from support.kills import wait
from support.stages import Broken, Stage, differing

FAILED, USAGE = 1, 2
NOT_STARTED = "nothing was started"
TELLS = {"report", "report_run"}  # the page itself says what could not be read
FINDS = {"check"}  # what it cannot read is what it looks for: standard output says so
MOST_LINES, MOST_PROBLEMS, MOST_LETTERS = 4, 21, 400
LEAK = re.compile(r"\.staging|\.ready|/\.[^/ ]*\.part|/\.lock|/new/")


class FaultedStage:
    """A stage whose commands' calls fail below its folder.

    Attributes:
        counts: kind of call → how many there are when nothing fails.
    """

    def __init__(self, stage: Stage) -> None:
        self.stage, self.faults = stage, Faults(stage.work)
        stage.set_up()
        self._run(Fault(ALL | LOCK))
        self.counts = self.faults.counts

    def count(self, kinds: int) -> int:
        """How many calls of some kinds there are."""
        return sum(number for kind, number in self.counts.items() if kind & kinds)

    def _run(self, fault: Fault) -> int:
        pid = self.stage.start(self.faults.hook(fault))
        try:
            return wait(pid)
        except TimeoutError as error:
            raise Broken(f"{self.stage.name}: {fault} {self.faults.what}: {error}") from None
        finally:
            self.faults.end()

    def _names(self, fault: Fault, path: str) -> set[str]:
        """Those of which an error should have one: of the path that failed, where it is one."""
        stage, names = self.stage, set[str]()
        if fault.on != 1 and not (fault.halved or fault.share):
            names = names_in(path)
        if not names:
            names = {name for known in (*stage.old, *stage.new) for name in names_in(known)}
            names |= {*stage.scene.words}
        links = {
            Path(name).name for name in (*stage.old, *stage.new) if (stage.work / name).is_symlink()
        }
        return {*names, *links, str(stage.work), "error: .:"}

    def run(self, fault: Fault) -> bool:
        """Run it so; returns whether a call failed.

        Raises:
            Broken: the promise was broken.
        """
        stage = self.stage
        stage.set_up()
        status = self._run(fault)
        call, path = self.faults.what
        path = path.removeprefix(f"{stage.work}/")
        what = f"{fault} ({call} {path}):" if call else f"{fault}:"
        ends = {stage.scene.status, FAILED, *([USAGE] if fault.code == errno.ENOENT else [])}
        stage.require(status in ends, what, status, stage.said[-1500:])
        if status == stage.scene.status:
            seen, new = stage.tree(hidden=False), stage.settled
            fine = seen == new or (stage.name in TELLS and seen.keys() == new.keys())
            stage.require(fine, what, "done, but", differing(seen, new))
        elif stage.said or stage.name not in FINDS:
            wrong = badly_said(stage.said, self._names(fault, path), fault.code != errno.ENOENT)
            stage.require(not wrong, what, wrong)
        if stage.name not in TELLS:
            stage.check_state(what)
        stage.check_again(what)
        return bool(self.faults.state.failed)


def badly_said(said: str, names: set[str], cured: bool) -> str:
    """What is wrong with what a command says that has failed; nothing where all is well.

    Args:
        names: of files and folders, one of which it should name.
        cured: it should say what to do, which is clear where something is missing.
    """
    lines = said.rstrip("\n").split("\n")
    errors = [i for i, line in enumerate(lines) if line.startswith("error: ")]
    if errors and lines[errors[-1]].endswith(NOT_STARTED):  # it says all that is wrong
        return ""
    if "Traceback" in said or "please report it" in said or len(errors) != 1:
        return f"it is no one sentence: {said[-2000:]}"
    sentence, *rest = lines[errors[0] :]
    listed = MOST_PROBLEMS if "problems" in sentence else 0  # a build lists what is wrong
    if len(rest) >= MOST_LINES + listed or max(map(len, (sentence, *rest))) > MOST_LETTERS:
        return f"it is long: {sentence} {rest}"
    if cured and not rest:
        return f"it names no cure: {sentence}"
    if not any(name in f"{sentence} {rest}" for name in names):
        return f"it names none of its files: {sentence} {rest}"
    if LEAK.search(f"{sentence} {rest}"):
        return f"it speaks of hidden files: {sentence} {rest}"
    return ""


def names_in(path: str) -> set[str]:
    """The names in a path, those of hidden files beside them as the files'."""
    found = set()
    for name in Path(path).parts:
        hidden = re.fullmatch(r"\.(.+?)(\.\d+)?\.(staging|part)(\.\w+)?", name)
        if hidden or not name.startswith("."):
            found.add(hidden[1] if hidden else name)
    return found - {"new"}
