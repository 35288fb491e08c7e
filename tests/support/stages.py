"""A scene's folder, set up anew for each attack, and what must hold after it."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import tempfile
import weakref
from collections.abc import Callable
from fnmatch import fnmatch
from pathlib import Path

from ssd_data import InputError, LmdbReader
from support.kills import HIDDEN, NEW_FILE, Hook, Tree, at_events, fork, in_child, tree
from support.writers import Scene


class Broken(Exception):
    """The promise was broken."""


class Stage:
    """A scene in a folder that is set up anew for each attack.

    Attributes:
        work: where it runs; what it puts into the system's temporary folder goes to ``temp``.
        old, new: what lies there before and after a run that nothing disturbs.
        said_to: where the last command's standard error is.
    """

    def __init__(self, name: str, scene: Scene, folder: Path) -> None:
        self.name, self.scene = name, scene
        self.work, self.first, self.temp = folder / "work", folder / "first", folder / "temp"
        self.said_to, seen, events = folder / "said", folder / "seen", folder / "events"
        self.disk: Path | None = None
        if scene.elsewhere is not None:
            self.disk = Path(tempfile.mkdtemp(dir=scene.elsewhere[1]))
            weakref.finalize(self, shutil.rmtree, self.disk)
        if scene.helper is not None:
            scene.helper()
        self.temp.mkdir(parents=True)
        self.work.mkdir()
        self.require(in_child(lambda: self._act(self._prepare), to=self.said_to) == 0, self.said)
        self.work.rename(self.first)
        self.set_up()
        self.old = self.tree(hidden=False)
        self.require(self.run(lambda: self._watch(events, seen)) == scene.status, self.said)
        self.events = range(1, events.stat().st_size + 1)
        self.new = self.tree()
        self._ever = self._held(seen)
        self.require(not [name for name in self.new if HIDDEN.search(name)], "hidden files stay")
        self.set_up()
        self.require(self.run() == scene.status, self.said)
        self.check_new("the same twice")

    def _prepare(self) -> int:
        self.scene.prepare()
        return 0

    def _watch(self, events: Path, seen: Path) -> None:
        """Count what is changed; of files that come one by one, note all that each ever holds."""
        count = os.open(events, NEW_FILE, 0o666)
        log = seen.open("w", encoding="utf-8")

        def look() -> None:
            os.write(count, b".")
            if self.scene.pieces:
                log.writelines(f"{what} {name}\n" for name, what in self.tree(hidden=False).items())
                log.flush()

        at_events(look)

    def _held(self, seen: Path) -> dict[str, set[str]]:
        found: dict[str, set[str]] = {}
        pairs = [line.split(" ", 1)[::-1] for line in seen.read_text("utf-8").splitlines()]
        for name, what in [*pairs, *self.old.items(), *self.new.items()]:
            found.setdefault(name, set()).add(what)
        return found

    def set_up(self) -> None:
        shutil.rmtree(self.work, ignore_errors=True)
        shutil.copytree(self.first, self.work, symlinks=True)
        shutil.rmtree(self.temp)
        self.temp.mkdir()
        if self.disk is not None and self.scene.elsewhere is not None:
            shutil.rmtree(self.disk)
            shutil.move(self.work / self.scene.elsewhere[0], self.disk)
            (self.work / self.scene.elsewhere[0]).symlink_to(self.disk)

    def action(self) -> int:
        """The command, in a process of its own."""
        return self._act(self.scene.run)

    def _act(self, action: Callable[[], int]) -> int:
        os.chdir(self.work)
        os.environ["TMPDIR"] = tempfile.tempdir = str(self.temp)
        return action()

    def run(self, before: Hook | None = None) -> int:
        """The command's exit status, negative for a signal."""
        return in_child(self.action, before, to=self.said_to)

    def start(self, before: Hook | None = None, to: Path | None = None) -> int:
        """Its process's number; :func:`support.kills.wait` waits for it."""
        return fork(self.action, before, to=to or self.said_to)

    @property
    def said(self) -> str:
        return self.said_to.read_text(errors="replace")

    def tree(self, *, hidden: bool = True) -> Tree:
        """What lies there; of files that grow what is the same in the end."""
        found = tree(self.work, hidden=hidden)
        if self.disk is not None:
            found.update((f"disk/{n}", what) for n, what in tree(self.disk, hidden=hidden).items())
        for name in [*found]:
            if found[name] != "folder" and fnmatch(name, self.scene.measured):
                found[name] = _but_for_measures((self.work / name).read_bytes())
            if (reduce := self.scene.reduce_of(name)) is not None:
                del found[name]
                try:
                    what = reduce((self.work / name).read_bytes())
                except ValueError as error:
                    raise Broken(f"{self.name}: {name}: {error}") from None
                if hidden and what is not None:
                    found[name] = hashlib.sha256(repr(what).encode()).hexdigest()[:8]
        return found

    @property
    def settled(self) -> Tree:
        """What lies there after it, but for files that grow."""
        return {name: what for name, what in self.new.items() if self.scene.reduce_of(name) is None}

    def require(self, holds: bool, *what: object) -> None:
        if not holds:
            raise Broken(f"{self.name}: {' '.join(map(str, what))}")

    def check(self, what: object) -> None:
        """After an attack: old or new as a whole; and all of it after one more run, of which the
        system's temporary folder holds nothing either."""
        self.check_state(what)
        self.check_again(what)

    def check_again(self, what: object) -> None:
        """Run it once more, and all of it must be there."""
        status = self.run()
        self.require(status == self.scene.status, what, "then", status, self.said)
        self.check_new(what)

    def check_new(self, what: object) -> None:
        found = self.tree()
        self.require(found == self.new, what, "in the end", differing(found, self.new))
        left = tree(self.temp)
        self.require(not left, what, "left over", left)

    def check_state(self, what: object) -> None:
        seen = self.tree(hidden=False)
        if self.scene.pieces:
            odd = {n: d for n, d in seen.items() if d not in self._ever.get(n, {"folder"})}
            self.require(not odd, what, "half written", odd)
            return
        parts = [part for part in self.scene.parts if any(_below(part, n) for n in seen)]
        rest = [name for name in seen if not any(_below(part, name) for part in parts)]
        for part in parts:
            self._check_part(what, {n: d for n, d in seen.items() if _below(part, n)}, part)
        self._check_part(what, {name: seen[name] for name in rest}, "")

    def _check_part(self, what: object, seen: Tree, part: str) -> None:
        def of(whole: Tree) -> Tree:
            others = [p for p in self.scene.parts if p != part] if not part else []
            grown = {n: d for n, d in whole.items() if self.scene.reduce_of(n) is None}
            mine = {n: d for n, d in grown.items() if not part or _below(part, n)}
            return {n: d for n, d in mine.items() if not any(_below(p, n) for p in others)}

        old, new = of(self.old), of(self.new)
        if seen in (old, new) or _is_only_made(seen, old):
            return
        between = [path.parent for path in self.work.rglob(".ready")]
        differ = differing(seen, old), differing(seen, new)
        self.require(self.scene.in_steps and bool(between), what, "mixed", *differ)
        for lmdb in between[0].glob("*_lmdb"):
            try:
                LmdbReader(lmdb)
            except InputError as error:
                self.require("interrupted" in str(error), what, error)
            else:
                self.require(False, what, "is read between two states")


def _but_for_measures(data: bytes) -> str:
    """A digest of a file without the differences that it states, such as ``1.8e-07``."""
    return hashlib.sha256(re.sub(rb"\d\.\de-\d\d", b"", data)).hexdigest()[:8]


def _below(part: str, name: str) -> bool:
    return name == part or name.startswith(f"{part}/")


def _is_only_made(seen: Tree, old: Tree) -> bool:
    """Whether there is nothing more than an empty folder where something will be."""
    more = {name: what for name, what in seen.items() if name not in old}
    return set(more.values()) <= {"folder"} and {**old, **more} == seen


def differing(a: Tree, b: Tree) -> dict[str, tuple[str | None, str | None]]:
    names = sorted(a.keys() | b.keys())
    return {name: (a.get(name), b.get(name)) for name in names if a.get(name) != b.get(name)}
