"""What a command leaves and says whose calls to the system fail: is it whole, or one sentence?"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

from support.faults import Ended, Fault, Faults
from support.kills import in_child, tree
from support.writers import Scene

MOST_LINES, MOST_LETTERS = 4, 400
LEAK = re.compile(r"\.staging|\.ready|\.part\b|/\.lock|/new/")


class Stage:
    """A scene in a folder that is set up anew for each fault.

    Attributes:
        old, new: what lies there before and after.
    """

    def __init__(self, scene: Scene, folder: Path) -> None:
        self.scene, self.work, self.first = scene, folder / "work", folder / "first"
        self.work.mkdir()
        self.faults = Faults(self.work)
        assert in_child(self._prepare) == 0
        self.work.rename(self.first)
        self.set_up()
        self.old = tree(self.work)
        ended = self.run(Fault())
        assert ended.status == 0, ended
        self.new = tree(self.work)

    def _prepare(self) -> int:
        os.chdir(self.work)
        self.scene.prepare()
        return 0

    def set_up(self) -> None:
        shutil.rmtree(self.work, ignore_errors=True)
        shutil.copytree(self.first, self.work, symlinks=True)

    def act(self) -> int:
        os.chdir(self.work)
        return self.scene.run()

    def run(self, fault: Fault) -> Ended:
        return self.faults.run(self.act, fault)

    def judge(self, fault: Fault) -> tuple[Ended, list[str]]:
        """Run with a fault, then without; what is wrong with what they did."""
        self.set_up()
        ended = self.run(fault)
        wrong = [*said_badly(ended, self.work)]
        seen = tree(self.work, hidden=False)
        if ended.status == 0:
            if seen != self.new:
                wrong.append(f"it says done, but {differing(seen, self.new)}")
        elif seen not in (self.old, self.new) and not self.is_only_made(seen):
            if not (self.scene.in_steps and list(self.work.rglob(".ready"))):
                wrong.append(f"it is neither old nor new: {differing(seen, self.old)}")
        again = self.run(Fault(kinds=0))
        if again.status != 0:
            wrong.append(f"then the next ends with {again.status}: {again.err[-MOST_LETTERS:]}")
        elif (left := tree(self.work)) != self.new:
            wrong.append(f"then the next leaves {differing(left, self.new)}")
        return ended, wrong

    def is_only_made(self, seen: dict[str, str]) -> bool:
        """Whether there is nothing more than an empty folder where something will be."""
        more = {name: what for name, what in seen.items() if name not in self.old}
        return set(more.values()) == {"folder"} and {**self.old, **more} == seen


def said_badly(ended: Ended, work: Path) -> list[str]:
    """What is wrong with the way in which a command ended."""
    if ended.status is None:
        return ["it hangs"]
    if ended.status == 0:
        return []
    if ended.status != 1:
        return [f"it ended with status {ended.status}: {ended.err[-1500:]}"]
    errors = [i for i, line in enumerate(ended.err.split("\n")) if line.startswith("error: ")]
    if "Traceback" in ended.err or "please report it" in ended.err or len(errors) != 1:
        return [f"it is no one sentence: {ended.err[-1500:]}"]
    lines = ended.err.rstrip("\n").split("\n")[errors[0] :]
    wrong = []
    if len(lines) > MOST_LINES or max(map(len, lines)) > MOST_LETTERS:
        wrong.append(f"it is long: {lines}")
    if len(lines) < 2:
        wrong.append(f"it names no cure: {lines}")
    names = [name for name in Path(ended.path).parts[len(work.parts) :] if name[0] != "."]
    if names and not any(name in lines[0] for name in names):
        wrong.append(f"it names no file of {names}: {lines}")
    if LEAK.search("\n".join(lines)):
        wrong.append(f"it speaks of hidden files: {lines}")
    return wrong


def differing(a: dict[str, str], b: dict[str, str]) -> dict[str, tuple[str | None, str | None]]:
    names = sorted(a.keys() | b.keys())
    return {name: (a.get(name), b.get(name)) for name in names if a.get(name) != b.get(name)}


Plan = Callable[[Stage], list[Fault]]
