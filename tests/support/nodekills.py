"""Builds on a Ray cluster whose nodes are killed meanwhile, by kill -9 of all their processes.

Raises:
    Broken: what was built is not what one process builds, a shard was half, or one that was whole
        was built again.
"""

from __future__ import annotations

import os
import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ssd_data.core.errors import SsdDataError
from ssd_data.data.build.builder import build
from ssd_data.data.build.sharding import driver
from ssd_data.data.build.sharding.whole import read_summary
from ssd_data.data.find import find
from ssd_data.data.lmdb.shards import is_name
from ssd_data.data.lmdb.store import LmdbReader
from support.clusters import RayCluster, ray_cluster
from support.stages import Broken
from support.taskwork import slow_shard
from support.trees import Voc

PICTURES, SHARDS, NODES = 120, 24, 2
BETWEEN = (0.2, 1.5)  # seconds from one kill to the next


class NodeKills:
    """A drawn data set, what one process builds of it, and a cluster.

    Attributes:
        kills: how many nodes were killed. builds: how many were begun.
        again: how many of them had to be run again. lost: how many tasks were given out again.
    """

    def __init__(self, folder: Path, cluster: RayCluster, dice: random.Random) -> None:
        self.folder, self.cluster, self.dice = folder, cluster, dice
        self.kills = self.builds = self.again = self.lost = 0
        Voc(folder / "raw", PICTURES).held_back("t1", "t2", "t3")
        self.one = folder / "one"
        build(find(folder / "raw"), self.one)
        self.inodes: dict[str, int] = {}

    def round(self, most: int) -> None:
        """One build, with at most so many kills."""
        out = self.folder / f"built{self.builds}"
        self.builds += 1
        self.inodes.clear()
        done = threading.Event()
        faults: list[BaseException] = []
        killer = threading.Thread(target=self._kill, args=(out, done, most, faults))
        killer.start()
        try:
            while not self._build(out):
                self.again += 1
        finally:
            done.set()
            killer.join()
        if faults:
            raise faults[0]
        self._look(out)
        self.require_one_builds(out)

    def _build(self, out: Path) -> bool:
        try:
            build(find(self.folder / "raw"), out, shards=SHARDS, on="ray", say=self._said)
        except SsdDataError as error:
            if "and so was each other" not in str(error):
                raise
            return False
        return True

    def _said(self, text: str) -> None:
        self.lost += "run again" in text

    def _kill(
        self, out: Path, done: threading.Event, most: int, faults: list[BaseException]
    ) -> None:
        part = out.parent / f".{out.name}.part"
        try:
            while not part.exists() and not done.wait(0.05):
                pass
            for _ in range(most):
                if done.wait(self.dice.uniform(*BETWEEN)):
                    break
                self.cluster.kill(self.dice.choice(self.cluster.nodes))
                self.kills += 1
                self._look(part)
                self.cluster.add()
        except BaseException as fault:
            faults.append(fault)

    def _look(self, place: Path) -> None:
        """Each folder that is called as a shard is a whole one, and the same as before."""
        # What vanishes meanwhile is passed over.
        seen = [Path(top) / name for top, names, _ in os.walk(place) for name in names]
        for folder in [path for path in seen if is_name(path.name)]:
            try:
                inode = (folder / "data.mdb").stat().st_ino
            except FileNotFoundError:  # the build has ended meanwhile, and they have moved
                continue
            if read_summary(folder) is None and folder.exists():
                raise Broken(f"{folder} is half")
            if self.inodes.setdefault(folder.name, inode) != inode:
                raise Broken(f"{folder} was whole, and was built again")

    def require_one_builds(self, out: Path) -> None:
        for name in ("raw_trainval_lmdb", "raw_test_lmdb"):
            with LmdbReader(out / name) as made, LmdbReader(self.one / name) as wanted:
                if list(made.items()) != list(wanted.items()):
                    raise Broken(f"{out / name} holds other records than one build's")
        for path in self.one.glob("*.txt"):
            if path.read_bytes() != (out / path.name).read_bytes():
                raise Broken(f"{out / path.name} is not one build's")
        left = [path.name for path in out.parent.iterdir() if path.name.startswith(f".{out.name}")]
        left += [str(path) for path in out.rglob("*.part")]
        if left:
            raise Broken(f"{left} were left")


@contextmanager
def node_kills(folder: Path, seed: int = 0) -> Iterator[NodeKills]:
    """The data set and a cluster; builds take their time, so that kills come in their midst."""
    before, real = os.environ.get("RAY_ADDRESS"), driver.build_shard
    with ray_cluster(*[1] * NODES) as cluster:
        os.environ["RAY_ADDRESS"] = cluster.address
        driver.build_shard = slow_shard  # type: ignore[attr-defined]
        try:
            yield NodeKills(folder, cluster, random.Random(seed))
        finally:
            driver.build_shard = real  # type: ignore[attr-defined]
            os.environ.pop("RAY_ADDRESS")
            if before is not None:
                os.environ["RAY_ADDRESS"] = before
