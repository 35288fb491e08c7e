"""Killed at any point, a command that writes several files leaves all of the old or all of the new;
the same command run again ends well, and nothing is left over."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from support.kills import calls_of, can_trace, in_child, killed_at, killed_by, tree
from support.writers import SCENES, Scene

from ssd_data import InputError, LmdbReader

HARD = bool(os.environ.get("SSD_DATA_HARD"))
MOST = 5000


class Stage:
    """A scene in a folder that is set up anew for each kill."""

    def __init__(self, scene: Scene, folder: Path) -> None:
        self.scene, self.work, self.first = scene, folder / "work", folder / "first"
        self.work.mkdir()
        assert self.run(self.prepare) == 0
        self.work.rename(self.first)
        self.set_up()
        self.old = tree(self.work)
        assert self.run() == 0
        self.new = tree(self.work)
        assert self.new != self.old
        assert not [name for name in self.new if "/." in f"/{name}"]

    def prepare(self) -> int:
        self.scene.prepare()
        return 0

    def set_up(self) -> None:
        shutil.rmtree(self.work, ignore_errors=True)
        shutil.copytree(self.first, self.work, symlinks=True)

    def act(self, action: Callable[[], int]) -> int:
        os.chdir(self.work)
        return action()

    def run(self, action: Callable[[], int] | None = None) -> int:
        return in_child(lambda: self.act(action or self.scene.run))

    def check(self, what: object) -> None:
        """After a kill: old or new as a whole; and all of it after one more run."""
        seen = tree(self.work, hidden=False)
        if seen not in (self.old, self.new) and not self.is_only_made(seen):
            between = [path.parent for path in self.work.rglob(".ready")]
            assert self.scene.in_steps, (what, differing(seen, self.old), differing(seen, self.new))
            assert between, what
            for lmdb in between[0].glob("*_lmdb"):
                with pytest.raises(InputError, match="interrupted"):
                    LmdbReader(lmdb)
        assert self.run() == 0, what
        assert tree(self.work) == self.new, (what, differing(tree(self.work), self.new))

    def is_only_made(self, seen: dict[str, str]) -> bool:
        """Whether there is nothing more than an empty folder where something will be."""
        more = {name: what for name, what in seen.items() if name not in self.old}
        return set(more.values()) == {"folder"} and {**self.old, **more} == seen


def differing(a: dict[str, str], b: dict[str, str]) -> dict[str, tuple[str | None, str | None]]:
    names = sorted(a.keys() | b.keys())
    return {name: (a.get(name), b.get(name)) for name in names if a.get(name) != b.get(name)}


SLOW = {"deploy"}  # a second each


@pytest.mark.parametrize("scene", [*SCENES] if HARD else [s for s in SCENES if s not in SLOW])
def test_killed_where_python_changes_the_disk(scene: str, tmp_path: Path) -> None:
    stage = Stage(SCENES[scene], tmp_path)
    step = 1 if HARD else 7
    for event in range(1, MOST, step):
        stage.set_up()
        status = in_child(lambda: stage.act(stage.scene.run), killed_at(event))
        stage.check(event)
        if status != -signal.SIGKILL:
            assert status == 0
            break
    else:
        pytest.fail("it never came to its end")
    assert event > 2 * step


@pytest.mark.skipif(not (HARD and can_trace()), reason="SSD_DATA_HARD is not set, or no strace")
@pytest.mark.parametrize("scene", SCENES)
def test_killed_at_each_system_call(scene: str, tmp_path: Path) -> None:
    stage = Stage(SCENES[scene], tmp_path)
    stage.set_up()
    calls = calls_of(lambda: stage.act(stage.scene.run), tmp_path / "calls")
    assert calls[-1] == ("exit_group", 1)
    kills = 0
    for call, number in calls:
        stage.set_up()
        status = killed_by(call, number, lambda: stage.act(stage.scene.run))
        kills += status == -signal.SIGKILL
        stage.check((call, number))
    print(f"{scene}: {kills} kills")
    assert kills >= 0.95 * len(calls)
