"""A download that is killed: each file is whole, and the same command run again ends well.

An archive's files go where others lie already, also onto another disk, so they come one by one;
that all of them are there is said by the record, which comes last.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import commands
from support.kills import calls_of, can_trace, in_child, killed_at, killed_by, tree
from support.servers import Server, entry, recipe, zipped

HARD = bool(os.environ.get("SSD_DATA_HARD"))
FILES = {"set/a.bin": random.Random(0).randbytes(3000), "set/in/b.txt": b"b", "set/c.txt": b"c"}
SHM = Path("/dev/shm")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A folder on another disk."""
    if not SHM.is_dir() or SHM.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is no other disk")
    with tempfile.TemporaryDirectory(dir=SHM) as folder:
        yield Path(folder)


class Fetching:
    """A recipe of one archive, a folder to download into, and its part on another disk."""

    def __init__(self, folder: Path, disk: Path, server: Server) -> None:
        data = zipped(FILES)
        server.files["a.zip"] = data
        self.recipe = recipe(folder / "shapes.toml", entry(data, server.url("a.zip")))
        self.out, self.disk = folder / "out", disk / "set"
        self.set_up()
        assert in_child(self.run) == 0
        self.names, self.new = [*tree(self.out)], tree(self.disk)
        assert len([what for what in self.new.values() if what != "folder"]) == len(FILES)

    def set_up(self) -> None:
        shutil.rmtree(self.out, ignore_errors=True)
        shutil.rmtree(self.disk, ignore_errors=True)
        self.out.mkdir()
        self.disk.mkdir()
        (self.out / "set").symlink_to(self.disk)

    def run(self) -> int:
        return commands.run("download", self.recipe, "-o", self.out, "-q")

    def check(self, what: object) -> None:
        seen = tree(self.disk, hidden=False)
        assert seen.items() <= self.new.items(), what
        assert in_child(self.run) == 0, what
        assert ([*tree(self.out)], tree(self.disk)) == (self.names, self.new), what


@pytest.fixture
def fetching(tmp_path: Path, disk: Path) -> Iterator[Fetching]:
    with Server({}) as server:
        yield Fetching(tmp_path, disk, server)


def test_killed_where_python_changes_the_disk(fetching: Fetching) -> None:
    step = 1 if HARD else 5
    for event in range(1, 1000, step):
        fetching.set_up()
        status = in_child(fetching.run, killed_at(event))
        fetching.check(event)
        if status != -signal.SIGKILL:
            break
    assert status == 0
    assert event > 30


@pytest.mark.skipif(not (HARD and can_trace()), reason="SSD_DATA_HARD is not set, or no strace")
def test_killed_at_each_system_call(fetching: Fetching, tmp_path: Path) -> None:
    fetching.set_up()
    for call, number in calls_of(fetching.run, tmp_path / "calls"):
        fetching.set_up()
        killed_by(call, number, fetching.run)
        fetching.check((call, number))
